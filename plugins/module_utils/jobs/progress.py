# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long job does now: a small file that the job replaces while it works, and that others read meanwhile.

It is a JSON object. All jobs write the same fields: `title` (what is done, such as `restoring orders`), `number` and
`of` (which of how many; both 0 if it is the only one), `step`, `share` (0 to 1 of the step; null if it cannot be told),
`pid` and `pid_started` (of the job's process: a file that a killed job has left is not believed). A job may add fields
of its own, which only its own readers know.

Stands alone: its text, and nothing else of the collection, is sent to a host to read the file there.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import stat
import sys
import tempfile
import time
from typing import Any

FILE_BYTES = 16_384
TITLE_CHARACTERS = 200
STEP_CHARACTERS = 60
MOST = 1 << 62
LOOK_SECONDS = 0.25


def began(pid: int) -> int:
    """Return when a process began, in clock ticks since the boot; 0 if there is none of that number."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


class ProgressFile:
    """The file of this process's job. Whatever happens to it, the job goes on."""

    def __init__(self, path: str) -> None:
        """path: in a folder that only the job's account may write to."""
        self.path = path

    def tell(self, said: dict[str, Any]) -> None:
        """Replace the file by what is said: `title`, `step`; `number`, `of`, `share` and own fields if any."""
        whole = {
            "number": 0,
            "of": 0,
            "share": None,
            **said,
            "title": str(said["title"])[:TITLE_CHARACTERS],
            "step": str(said["step"])[:STEP_CHARACTERS],
            "pid": os.getpid(),
            "pid_started": began(os.getpid()),
        }
        with contextlib.suppress(OSError):
            self._replace(json.dumps(whole).encode("ascii"))

    def _replace(self, content: bytes) -> None:
        number, path = tempfile.mkstemp(dir=os.path.dirname(self.path))
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(content)
            os.chmod(path, 0o644)
            os.replace(path, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def end(self) -> None:
        """Remove the file: nothing is done any more."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def read_progress(path: str) -> dict[str, Any] | None:
    """Return what a job does now; None if none does, or if others than root and this account may write the file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            info = os.fstat(stream.fileno())
            ours = info.st_uid in (0, os.geteuid()) and not info.st_mode & 0o022
            if not stat.S_ISREG(info.st_mode) or not ours or info.st_size > FILE_BYTES:
                return None
            said = json.loads(stream.read(FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    pid, started = said.get("pid"), said.get("pid_started")
    if not _is_count(pid) or not _is_count(started) or not pid or not started:
        return None
    return said if began(pid) == started else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def shown_fields(said: Any) -> dict[str, Any] | None:
    """Return of what came from a job, or from a host, the fields that are shown, bounded; None if one is not right."""
    if not isinstance(said, dict):
        return None
    title, step, share = said.get("title"), said.get("step"), said.get("share")
    number, of, pid = said.get("number"), said.get("of"), said.get("pid")
    if not isinstance(title, str) or not isinstance(step, str):
        return None
    if not all(_is_count(one) for one in (number, of, pid)):
        return None
    if share is not None and (
        isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1
    ):
        return None
    return {
        "title": title[:TITLE_CHARACTERS],
        "number": number,
        "of": of,
        "step": step[:STEP_CHARACTERS],
        "share": share,
        "pid": pid,
    }


def is_other_step(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    """Return whether two that are shown differ in more than their share."""
    return {**(one or {}), "share": None} != {**(other or {}), "share": None}


def wait_for_step(path: str, known: dict[str, Any] | None, seconds: float) -> dict[str, Any] | None:
    """Return what a job does, as soon as it is at another step than is known, has ended, or the seconds are over.

    Returns at once, too, when nobody reads standard output any more.
    """
    ends, seen = time.monotonic() + seconds, False
    while True:
        found = shown_fields(read_progress(path))
        if found is None and (seen or known):
            return None
        if found is not None and is_other_step(found, known):
            return found
        seen = seen or found is not None
        if time.monotonic() >= ends or _is_alone():
            return found
        time.sleep(LOOK_SECONDS)


def _is_alone() -> bool:
    """Return whether standard output is closed at its other end."""
    looks = select.poll()
    looks.register(1, 0)
    return bool(looks.poll(0))


def main(nonce: str, path: str, known: dict[str, Any] | None, seconds: float) -> None:
    """Print, behind the nonce and on a line of its own, what `wait_for_step` returns."""
    path = os.path.expanduser(os.path.expandvars(path))
    found = wait_for_step(path, known, seconds)
    sys.stdout.write(f"\n{nonce} {json.dumps(found)}\n")
    sys.stdout.flush()
