# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the job writes down on the host before it does something, so that a killed one leaves nothing unknown."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
from typing import IO, Any, Dict, Iterator, List

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)

FOLDER = "/var/lib/upkeep/optimize"
RECORD, LOCK, RUNNING = "record.json", "lock", "running.json"
LIMIT_BYTES = 4_000_000
MOST_REINDEXED = 2000


class Record:
    """The file. folder: of the job's account; others may not write there.

    reindexing: each REINDEX that has begun and has not ended without a rest: `server`, `database`, `table_oid`,
    `index`, `index_oid`, `before` (all indexes of the table by OID), `made` (invalid ones that it has made, as far as
    they were seen), `run`, `began_at`, and `why` its rest could not be dropped.
    reindexed: what an index's size was after its last one. rates: measured bytes per second, by action.
    last: how the last run of each database ended.
    """

    said: Dict[str, Any]

    def __init__(self, folder: str, *, make: bool = True) -> None:
        """make: whether to make the folder; without it, a missing one is an empty record that is not written."""
        self.folder = folder
        try:
            if make:
                os.makedirs(folder, mode=0o755, exist_ok=True)
            elif not os.path.lexists(folder):
                self.said = _whole({})
                return
            info = os.lstat(folder)
        except OSError as exc:
            raise OptimizeError(f"record {folder}: {exc.strerror}") from exc
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
            raise OptimizeError(
                f"record {folder}: not a folder of ours that others cannot write to"
            )
        self.said = self._load()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only job of this host.

        Raises: OptimizeError if another one works.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(os.path.join(self.folder, LOCK), flags, 0o600)
        try:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise OptimizeError(f"record {self.folder}: another run is at work") from exc
            self.said = self._load()
            yield
        finally:
            os.close(number)

    @property
    def reindexing(self) -> List[Dict[str, Any]]:
        """What was begun, oldest first."""
        found: List[Dict[str, Any]] = self.said["reindexing"]
        return found

    def begin(self, entry: Dict[str, Any]) -> None:
        """Write down that a REINDEX begins."""
        self.reindexing.append(entry)
        self.save()

    def end(self, entry: Dict[str, Any]) -> None:
        """Forget it: nothing is left of it."""
        self.said["reindexing"] = [one for one in self.reindexing if one is not entry]
        self.save()

    def keep_reindexed(self, key: str, said: Dict[str, Any]) -> None:
        """Write down what an index is after its REINDEX; the oldest of very many are forgotten."""
        kept = {name: one for name, one in self.said["reindexed"].items() if name != key}
        kept[key] = said
        self.said["reindexed"] = dict(list(kept.items())[-MOST_REINDEXED:])
        self.save()

    def rate(self, action: str) -> float | None:
        """Return the bytes per second that were measured for an action."""
        found = self.said["rates"].get(action)
        return float(found) if isinstance(found, (int, float)) and found > 0 else None

    def _load(self) -> Dict[str, Any]:
        """Return what is written down.

        Raises: OptimizeError if that is not understood: what was begun would be forgotten.
        """
        path = os.path.join(self.folder, RECORD)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags), "rb") as stream:
                said = json.loads(_read(stream))
        except FileNotFoundError:
            said = {}
        except (OSError, ValueError, RecursionError) as exc:
            why = getattr(exc, "strerror", None) or "no JSON"
            raise OptimizeError(
                f"record {path}: {why}; expected what the job wrote: see if an index whose name ends in _ccnew is "
                "invalid, then move the file away"
            ) from exc
        return _whole(said)

    def save(self) -> None:
        """Write it, for good, in one step.

        Raises: OptimizeError if it cannot be written: nothing may begin then.
        """
        path = ""
        try:
            number, path = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(number, "w", encoding="ascii") as stream:
                json.dump(self.said, stream)
                stream.flush()
                os.fsync(number)
            os.chmod(path, 0o644)
            os.replace(path, os.path.join(self.folder, RECORD))
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise OptimizeError(f"record {self.folder}: {exc.strerror}") from exc


def _read(stream: IO[bytes]) -> bytes:
    """Return a file's content.

    Raises: OSError if it is no regular file.
    """
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return stream.read(LIMIT_BYTES)


def _whole(said: Any) -> Dict[str, Any]:
    """Return what is written down with all its parts."""
    empty: Dict[str, Any] = {"reindexing": [], "reindexed": {}, "rates": {}, "last": {}}
    found = said if isinstance(said, dict) else {}
    whole = {
        name: found[name] if isinstance(found.get(name), type(value)) else value
        for name, value in empty.items()
    }
    whole["reindexing"] = [one for one in whole["reindexing"] if isinstance(one, dict)]
    return whole
