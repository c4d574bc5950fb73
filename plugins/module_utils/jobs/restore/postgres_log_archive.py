# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archived write-ahead log of a server: how far it reaches, and whether a recovery could read all of it."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone

from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_cluster import (
    ControlData,
    WalArchive,
    first_segment,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    PostgresServer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import (
    SEGMENT,
    gaps,
    reached,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

_OF_ARCHIVE = re.compile(r"([0-9A-F]{24})(?:-[0-9a-f]{40})?(?:\.partial)?(?:\.\w+)?\Z")
_TAKEN = re.compile(r"restored log file \"([0-9A-F]{24})\" from archive")
_DAMAGED = re.compile(
    r"incorrect resource manager data checksum|incorrect prev-link|invalid resource manager ID"
)


_LAST = re.compile(
    r"last completed transaction was at log time (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)?\+00\b"
)


def last_transaction(server: PostgresServer) -> str | None:
    """Return the time of the last transaction that a recovery has replayed, as ISO 8601; None if it replayed none."""
    found = [match for match in (_LAST.search(one.text) for one in server.said_before()) if match]
    if not found:
        return None
    at = datetime.strptime(found[-1].group(1), "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return iso(at.timestamp())


class LogArchive(WalArchive):
    """The archived log of one server: what is there, and what a recovery has taken of it.

    folders: where it may be; one that does not hold the log of the restored backup is of another server.
    """

    def __init__(self, task: Verification, folders: list[str]) -> None:
        self._task, self._folders = task, folders
        self._files: dict[str, str] = {}
        self._last = ""

    def look(self, control: ControlData) -> None:
        """Take down how far it reaches, and which files of it are missing.

        Raises: BadBackupError if it does not even begin.
        """
        task, first = self._task, first_segment(self._task)
        segment_bytes = control.segment_bytes
        self._files = _archived(task, self._folders)
        self._last = reached(first, self._files, segment_bytes) if first else ""
        if not self._last:
            raise BadBackupError(
                f"the archive lacks {first or 'the log'}, with which its restore begins"
            )
        task.row["wal_missing"] = gaps(first, self._files, segment_bytes)
        task.row["recovery_point_at"] = self._at(self._last)
        if task.row["wal_missing"]:
            task.note(f"the archived log has a gap: it can be restored up to {self._last} only")

    def _at(self, name: str) -> str | None:
        return iso(self._task.host.stat(self._files[name]).st_mtime)

    def judge(self, server: PostgresServer) -> None:
        """Judge what the server has taken of it: all that is there without a gap.

        Raises: BadBackupError.
        """
        last = last_transaction(server)
        if last:  # its files may have been written long after what is in them
            self._task.row["recovery_point_at"] = last
        taken, damaged = "", False
        for one in server.said_before():
            match = _TAKEN.search(one.text)
            taken = match.group(1) if match else taken
            damaged = damaged or _DAMAGED.search(one.text) is not None
        if damaged or taken[8:] < self._last[8:]:
            if taken in self._files and not last:
                self._task.row["recovery_point_at"] = self._at(taken)
            end = taken or first_segment(self._task)
            raise BadBackupError(
                f"the archived log cannot be read beyond {end}, and it reaches up to {self._last}"
            )


def _archived(task: Verification, folders: list[str]) -> dict[str, str]:
    """Return the files of the archived log by their segments, those of other histories of the server left out."""
    first = first_segment(task)
    found: dict[str, str] = {}
    for top in folders:
        names: dict[str, str] = {}
        for folder in task.host.glob(os.path.join(top, "*")):
            if not SEGMENT.fullmatch(os.path.basename(folder) + "0" * 8):
                continue
            for name in task.host.names(folder):
                match = _OF_ARCHIVE.match(name)
                if match:
                    names[match.group(1)] = os.path.join(folder, name)
        if first in names:
            found.update(names)
    return found
