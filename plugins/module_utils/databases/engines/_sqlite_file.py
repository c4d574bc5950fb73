# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file of SQLite is opened for reading only, so that nothing is made beside it."""

from __future__ import annotations

import os
import stat

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    EMPTY,
    LONE_LOG,
    MISSING,
    NO_FILE,
    NO_RIGHT,
    NO_SQLITE,
    OTHER,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

HEADER = b"SQLite format 3\0"  # source: SQLite's Database File Format, 1.3
ALONE = "mode=ro&immutable=1"
SHARED = "mode=ro"
SPECIAL = ("/proc", "/sys")
"""To read a file there can change something, and none of them is a database."""
_CAUSES = {"missing": MISSING, "denied": NO_RIGHT}


def flags_of(host: Host, path: str) -> tuple[str, bool]:
    """Return how a file is to be opened, as a URI says it, and whether it keeps a write-ahead log.

    A database in write-ahead mode that nobody has open is read as it lies (`immutable`), as SQLite would otherwise
    make a `-shm` file beside it; owned by us, that would shut out the application.
    Raises: AccessRefusedError if it is none, or is not to be opened.
    """
    try:
        if _refuse_special(host, path) == 0:
            raise AccessRefusedError(f"{path}: empty: it is new, or was emptied", EMPTY)
        head = host.read_head(path, 100)
        if not head.startswith(HEADER):
            text = f"{path}: not a database: a database of SQLite begins with {HEADER!r}"
            raise AccessRefusedError(text, NO_SQLITE)
        write_ahead = head[18:20] == b"\x02\x02"
        alone = write_ahead and not host.exists(f"{path}-wal")
        if write_ahead and not alone and not host.exists(f"{path}-shm"):
            raise AccessRefusedError(
                "a write-ahead log without an index was left behind; the database was not opened",
                LONE_LOG,
            )
    except HostError as exc:
        raise AccessRefusedError(str(exc), _CAUSES.get(exc.why, OTHER)) from exc
    return ALONE if alone else SHARED, write_ahead


def _refuse_special(host: Host, path: str) -> int:
    """Return the size of a file, before it is opened.

    Raises: AccessRefusedError of what is no regular file on a disk, HostError.
    """
    about = host.stat(path)
    if not stat.S_ISREG(about.st_mode):
        raise AccessRefusedError(f"{path}: not a regular file", NO_FILE)
    real = os.path.realpath(path)
    if any(_is_on(host, about.st_dev, one) or real.startswith(f"{one}/") for one in SPECIAL):
        raise AccessRefusedError(f"{path}: not a file on a disk", NO_FILE)
    return about.st_size


def _is_on(host: Host, device: int, mount: str) -> bool:
    try:
        return host.stat(mount).st_dev == device != host.stat("/").st_dev
    except HostError:
        return False
