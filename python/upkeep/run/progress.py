"""What long jobs do on the hosts while a run works: for people, and nothing is decided by it.

Ansible's workers write it down (plugins/plugin_utils/progress.py), one file for each host, in a folder of the run's
own. So it comes another way than what hosts print, and no text of a host is taken for it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upkeep.run.events import words

ENVIRONMENT = "UPKEEP_PROGRESS"
"""By this variable Ansible's workers know the folder."""
FILE_BYTES = 16_384
FILES = 5_000
STEP_CHARACTERS = 300


@dataclass(frozen=True)
class JobProgress:
    """What a job does on a host. step: empty if it does nothing now; share: of the step, 0 to 1; None if unknown."""

    host: str
    step: str
    share: float | None = None


class ProgressFolder:
    """The folder, and what was seen in it."""

    def __init__(self, path: Path) -> None:
        """Make it, for this account alone."""
        self.path = path
        self._seen: dict[str, tuple[int, int]] = {}
        self._hosts: dict[str, JobProgress] = {}
        path.mkdir(mode=0o700, exist_ok=True)
        for left in path.iterdir():  # of a worker that was killed
            left.unlink(missing_ok=True)

    def changes(self, in_work: Collection[str]) -> Iterator[JobProgress]:
        """Yield what is new. in_work: the hosts on which a task has begun and not ended; of others nothing is taken."""
        found: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.name.endswith(".json") and len(found) < FILES:
                        known = entry.stat(follow_symlinks=False)
                        found[entry.name] = (known.st_ino, known.st_mtime_ns)
        except OSError:
            return
        for name in self._seen.keys() - found.keys():
            if gone := self._hosts.pop(name, None):
                yield JobProgress(gone.host, "")
        fresh = [name for name, mark in found.items() if self._seen.get(name) != mark]
        self._seen = found
        for name in fresh:
            said = _read(self.path / name)
            if said and said.host in in_work:
                self._hosts[name] = said
                yield said
            elif said:  # the event that its task has begun may come later
                del self._seen[name]


def _read(path: Path) -> JobProgress | None:
    """Return what a file says; None if it is not what a worker writes."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            known = os.fstat(stream.fileno())
            if not stat.S_ISREG(known.st_mode) or known.st_uid != os.geteuid():
                return None
            said = json.loads(stream.read(FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return progress_of(said)


def progress_of(said: Any) -> JobProgress | None:
    """Return what a worker's file says; None if its types are others."""
    if not isinstance(said, dict):
        return None
    host, step, share = said.get("host"), said.get("step"), said.get("share")
    if not isinstance(host, str) or not isinstance(step, str) or not host or not step:
        return None
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        share = None
    return JobProgress(host, words(step, STEP_CHARACTERS), share)
