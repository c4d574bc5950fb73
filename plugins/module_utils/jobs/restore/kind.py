# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a backup is, so that it is known who restores it: by what is in it, not by its name."""

from __future__ import annotations

import contextlib

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import content_of
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._find import Candidate
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import (
    layer_of,
    unwrapped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sql import program_of
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)

_SECONDS = 60.0
_BYTES = 64 << 20
_TOC = b"toc.dat"


def kind_of(backup: Candidate, host: Host) -> str:
    """Return what a backup is.

    A folder's kind is of _folders.py. A file is `custom`, `pg_tar`, `sqlite`, `tar`, `zip`, `encrypted`, `sql` of a
    program (`sql pg_dump`, `sql mysqldump` …), `sql`, or what content_of says.

    Raises: BadBackupError, NotTriedError.
    """
    if backup.form == "folder":
        return backup.kind
    return kind_of_file(backup.paths[0], host)


def kind_of_file(path: str, host: Host) -> str:
    """Return what is in all wrappings of a file.

    Raises: BadBackupError, NotTriedError.
    """
    try:
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(host.open(path, follow_links=False))
            stream = Counted(raw.read, Budget(_SECONDS, _BYTES), raw)
            while layer_of(stream.peek()):
                stream = stack.enter_context(
                    unwrapped(layer_of(stream.peek()), stream, host)
                ).stream
            return kind_of_head(stream.peek())
    except BrokenError as exc:
        raise BadBackupError(str(exc)) from exc
    except (UnreadError, OutOfBudgetError) as exc:
        raise NotTriedError(str(exc)) from exc


def kind_of_head(head: bytes) -> str:
    """Return what these first bytes are."""
    what = content_of(head)
    if what == "tar" and head[:100].rstrip(b"\0") == _TOC:
        return "pg_tar"
    if what == "sql":
        return f"sql {program_of(head)}".strip()
    return what
