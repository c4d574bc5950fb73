# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on the host: one row for each verification, and what is going on now."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from typing import IO, Any

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import ProgressFile
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)

FOLDER = "/var/lib/upkeep/restores"
ROWS, CYCLES, RUNNING = "ledger.jsonl", "cycles.json", "running.json"
TAIL_BYTES = 8_000_000


class Ledger:
    """The files of the ledger. folder: root's; others may not write there."""

    def __init__(self, folder: str = FOLDER, turn: tuple[int, int] = (0, 0)) -> None:
        """turn: which verification of how many this is, for those who see its progress; zeros for the only one.

        Raises: NotTriedError if the folder cannot be used.
        """
        self.folder = folder
        self.turn = turn
        try:
            os.makedirs(folder, mode=0o755, exist_ok=True)
            info = os.lstat(folder)
        except OSError as exc:
            raise NotTriedError(f"ledger {folder}: {exc.strerror}") from exc
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
            raise NotTriedError(
                f"ledger {folder}: not a folder of ours that others cannot write to"
            )

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def add(self, row: dict[str, Any]) -> None:
        """Write a row down, for good.

        A row that a full disk has cut in half is ended first: it costs itself, not the one behind it.
        """
        line = json.dumps(row, allow_nan=False, ensure_ascii=True, sort_keys=True).encode("ascii")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with self._opened(ROWS, flags) as stream:
            size = stream.seek(0, os.SEEK_END)
            if size:
                stream.seek(size - 1)
                line = line if stream.read(1) == b"\n" else b"\n" + line
            line += b"\n"
            while line:
                line = line[stream.write(line) :]
            os.fsync(stream.fileno())

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a set, newest first; of a long ledger the last ones."""
        try:
            with self._opened(ROWS, os.O_RDONLY) as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL_BYTES))
                lines = stream.read(TAIL_BYTES).splitlines()
        except OSError:
            return []
        found = []
        for line in reversed(lines):
            with contextlib.suppress(ValueError, RecursionError):
                row = json.loads(line)
                if _is_row(row, name):
                    found.append(row)
        return found

    def _opened(self, name: str, flags: int) -> IO[bytes]:
        """Open a file of the ledger: no link, and no named pipe, which would hang.

        Raises: OSError.
        """
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        number = os.open(self._path(name), flags, 0o644)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise OSError(errno.EINVAL, f"{name} is not a regular file", self._path(name))
        writes = flags & os.O_ACCMODE == os.O_RDWR
        return os.fdopen(number, "r+b" if writes else "rb", buffering=0 if writes else -1)

    def cycle(self, name: str) -> dict[str, Any]:
        """Return how far the cycle of a set is; nothing if it has none yet."""
        found = self._load(CYCLES).get(name)
        return found if isinstance(found, dict) else {}

    def keep_cycle(self, name: str, cycle: dict[str, Any]) -> None:
        """Write down how far the cycle of a set is."""
        self._save(CYCLES, {**self._load(CYCLES), name: cycle})

    def kept(self, name: str) -> dict[str, Any]:
        """Return what a set's cycle must know that is for no reader; nothing if it has none yet."""
        found = self._load(_own_file(name))
        return found if found.get("set") == name else {}

    def keep(self, name: str, kept: dict[str, Any]) -> None:
        """Write that down."""
        self._save(_own_file(name), {**kept, "set": name})

    def running(self, said: dict[str, Any] | None) -> None:
        """Write down what is going on, or that nothing is."""
        file = ProgressFile(self._path(RUNNING))
        if said is None:
            file.end()
        else:
            number, of = self.turn
            file.tell({**said, "title": f"restoring {said['set']}", "number": number, "of": of})

    def _load(self, name: str) -> dict[str, Any]:
        try:
            with self._opened(name, os.O_RDONLY) as stream:
                found = json.loads(stream.read(TAIL_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save(self, name: str, said: dict[str, Any]) -> None:
        number, path = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(number, "w", encoding="ascii") as stream:
                json.dump(said, stream)
                stream.flush()
                os.fsync(number)
            os.chmod(path, 0o644)
            os.replace(path, self._path(name))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            raise


def _own_file(name: str) -> str:
    return f"cycle-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.json"


def _is_row(row: Any, name: str) -> bool:
    """Return whether a line of the ledger is a row of the set, of which what is looked at has the right type."""
    if not isinstance(row, dict) or row.get("set") != name:
        return False
    for key in ("figures", "counts"):
        counts = row.get(key, {})
        if not isinstance(counts, dict) or not all(isinstance(one, int) for one in counts.values()):
            return False
    return isinstance(row.get("outcome"), str)
