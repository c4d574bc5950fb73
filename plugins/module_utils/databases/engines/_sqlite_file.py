# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file of SQLite is opened for reading only, so that nothing is made beside it."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

HEADER = b"SQLite format 3\0"  # source: SQLite's Database File Format, 1.3
ALONE = "mode=ro&immutable=1"
SHARED = "mode=ro"


def flags_of(host: Host, path: str) -> tuple[str, bool]:
    """Return how a file is to be opened, as a URI says it, and whether it keeps a write-ahead log.

    A database in write-ahead mode that nobody has open is read as it lies (`immutable`), as SQLite would otherwise
    make a `-shm` file beside it; owned by us, that would shut out the application.
    Raises: AccessRefusedError if it is none, or is not to be opened.
    """
    try:
        head = host.read_head(path, 100)
        if not head.startswith(HEADER):
            found = f"{path}: begins with {head[:16]!r}" if head else f"{path}: empty"
            raise AccessRefusedError(f"{found}; a database of SQLite begins with {HEADER!r}")
        write_ahead = head[18:20] == b"\x02\x02"
        alone = write_ahead and not host.exists(f"{path}-wal")
        if write_ahead and not alone and not host.exists(f"{path}-shm"):
            raise AccessRefusedError(
                "a write-ahead log without an index was left behind; the database was not opened"
            )
    except HostError as exc:
        raise AccessRefusedError(str(exc)) from exc
    return ALONE if alone else SHARED, write_ahead
