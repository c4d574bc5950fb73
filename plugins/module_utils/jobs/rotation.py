# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate with the real logrotate, and believe only what is on disk afterwards.

logrotate works on a copy of its state file. Of the copy, only what was proved is taken over: a log whose rotation
failed is due again at the next run, where logrotate by itself would think it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._logrotate import (
    parse_debug,
    parse_state,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs.log_rotation import (
    archives_of,
    identity,
    load_config,
    logs_of,
    read_state,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

STATE_LIMIT_BYTES = 4_000_000
STATE = "/var/lib/logrotate/status"
FIRST_LINE = "logrotate state -- version 2\n"


class RotationError(Exception):
    """Why nothing was rotated; the text names the thing, what was found and what was expected."""


@dataclass(frozen=True)
class Shape:
    """What a log and its archives were at one moment. file: identity of the log, empty if it was not there."""

    file: str
    size: int
    archives: dict[str, str]


@dataclass
class Rotated:
    """What was done. logs: of each planned log path, bytes, proved, and the proof or its lack."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    output: str = ""


class Rotation:
    """One run of logrotate: its configuration, its state, what it plans."""

    def __init__(
        self, config: list[str], state: str | None, force: bool, timeout_seconds: float, host: Host
    ) -> None:
        if host.which("logrotate") is None:
            raise RotationError("logrotate is not installed")
        self.config, self.force, self.timeout_seconds, self.host = (
            config,
            force,
            timeout_seconds,
            host,
        )
        parsed, why = load_config(config, host)
        if parsed is None:
            raise RotationError(why)
        _claimed, found = read_state(state, host)
        for problem in (found["unseen"], found["problem"]):
            if problem:
                expected = (
                    "expected a state file of logrotate, or none (move it away to begin anew)"
                )
                raise RotationError(f"{found['path']}: {problem}; {expected}")
        self.state = found["path"] or STATE
        logs, unseen = logs_of(parsed, host)
        if unseen:
            raise RotationError(next(iter(unseen.values())))
        self.policies = {path: stanza.policy for path, stanza in reversed(logs)}
        self.planned = self._plan()

    def _command(self, state: str, *options: str) -> list[str]:
        forced = ["--force"] if self.force else []
        return ["logrotate", *options, *forced, "--state", state, *self.config]

    def _plan(self) -> list[str]:
        """Return the logs that logrotate would rotate.

        Raises: RotationError if its configuration has errors.
        """
        try:
            said = self.host.run(self._command(self.state, "--debug"), self.timeout_seconds)
        except HostError as exc:
            raise RotationError(str(exc)) from exc
        debugged = parse_debug(said.err + "\n" + said.out)
        errors = _grave(debugged.errors)
        # Old versions end with status 0 all the same.
        if errors or (said.status and not debugged.errors):
            lines = "; ".join(errors[:3]) or f"status {said.status}"
            raise RotationError(f"logrotate --debug: {lines}")
        return [path for path, reason in debugged.considered.items() if not reason]

    def needed_bytes(self) -> dict[str, int]:
        """Return what the rotation may need for a while on each file system, by a folder of it."""
        needed: dict[int, tuple[str, int]] = {}
        for path in self.planned:
            policy = self.policies.get(path, {})
            if not (policy.get("compress") or policy.get("copytruncate") or policy.get("copy")):
                continue
            info = self.host.stat(path)
            folder, most = needed.get(info.st_dev, (os.path.dirname(path), 0))
            needed[info.st_dev] = (folder, max(most, info.st_size))
        return dict(needed.values())

    def refuse_without_space(self, least_bytes: int) -> None:
        """Raise RotationError if a file system that is written to has less than least_bytes left over."""
        places = {os.path.dirname(self.state): 0}
        places.update((os.path.dirname(path), 0) for path in self.planned)
        places.update(self.needed_bytes())
        for folder, needed in places.items():
            if not self.host.exists(folder):
                continue
            space = self.host.statvfs(folder)
            if space.f_flag & os.ST_RDONLY:
                raise RotationError(f"{folder}: the file system is read-only")
            free = space.f_bavail * space.f_frsize
            if free < least_bytes + needed:
                text = f"{free} B free; expected {least_bytes + needed} B"
                raise RotationError(f"{folder}: {text} before a rotation begins")

    def rotate(self) -> Rotated:
        """Rotate what is planned, and return what is proved.

        Raises: RotationError if it cannot begin.
        """
        before = {path: self._shape(path) for path in self.planned}
        done = Rotated()
        with self._locked() as old:
            copy = self._copy(old)
            try:
                said = self.host.run(self._command(copy, "--verbose"), self.timeout_seconds)
                status, text = said.status, said.err + "\n" + said.out
            except HostError as exc:
                status, text = -1, f"error: {exc}"
            finally:
                with open(copy, encoding="utf-8", errors="surrogateescape") as stream:
                    new = stream.read(STATE_LIMIT_BYTES)
                os.unlink(copy)
            debugged = parse_debug(text)
            done.errors = _grave(debugged.errors)
            if status and not debugged.errors:
                done.errors = [f"logrotate ended with status {status}"]
            done.output = text
            for path in self.planned:
                done.logs.append(self._proof(path, before[path], done.errors))
            failed = {one["path"] for one in done.logs if not one["proved"]}
            try:
                self._take_over(old, new, failed)
            except OSError as exc:
                done.errors.append(f"{self.state}: {exc.strerror}")
        return done

    def _shape(self, path: str) -> Shape:
        """Return the log's identity and its archives'."""
        try:
            info = self.host.stat(path)
            file, size = identity(info), info.st_size
        except HostError:
            file, size = "", 0
        policy = self.policies.get(path, {"period": ""})
        try:
            archives = {one["path"]: one["id"] for one in archives_of(path, policy, self.host)}
        except HostError:
            archives = {}
        return Shape(file, size, archives)

    def _proof(self, path: str, before: Shape, errors: list[str]) -> dict[str, Any]:
        """Return whether the rotation of a log is proved, and by what."""
        now = self._shape(path)
        policy = self.policies.get(path, {})
        fresh = [one for one, file in now.archives.items() if file not in before.archives.values()]
        moved = before.file in now.archives.values()
        about = [line for line in errors if _names(line, path)]
        proof = ""
        if now.file != before.file and (moved or fresh):
            proof = "a new file, and the old one an archive" if moved else "a new file and archive"
        elif policy.get("copytruncate") and fresh and now.size < max(before.size, 1):
            proof = "emptied, and copied to a new archive"
        elif policy.get("copy") and fresh:
            proof = "copied to a new archive"
        elif policy.get("rotate") == 0 and (now.file != before.file or now.size < before.size):
            proof = "started again; its policy keeps no archive"
        why = ""
        if not proof:
            why = about[0] if about else "neither a new file nor a new archive"
        elif about:
            why = about[0]
        return {
            "path": path,
            "bytes": before.size,
            "proved": bool(proof) and not about,
            "proof": proof,
            "problem": why,
            "archives": sorted(fresh)[:5],
        }

    @contextlib.contextmanager
    def _locked(self) -> Iterator[str]:
        """Hold the lock that logrotate itself takes on its state file; yield the file's text."""
        try:
            os.makedirs(os.path.dirname(self.state), mode=0o755, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            opened = os.open(self.state, flags, 0o640)
        except OSError as exc:
            raise RotationError(f"{self.state}: {exc.strerror}") from exc
        with os.fdopen(opened, "r+", encoding="utf-8", errors="surrogateescape") as stream:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise RotationError(f"{self.state}: another rotation is going on") from exc
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise RotationError(f"{self.state}: not a regular file")
            yield stream.read(STATE_LIMIT_BYTES)

    def _copy(self, text: str) -> str:
        """Return a copy of the state beside it."""
        try:
            opened, copy = tempfile.mkstemp(prefix=".upkeep-", dir=os.path.dirname(self.state))
            with os.fdopen(opened, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text or FIRST_LINE)
        except OSError as exc:
            raise RotationError(f"{os.path.dirname(self.state)}: {exc.strerror}") from exc
        return copy

    def _take_over(self, old: str, new: str, failed: set[str]) -> None:
        """Write the new state, with the old lines of the logs in failed; in one step, with its old mode."""
        text = merged(old, new, failed)
        info = os.stat(self.state)
        opened, temporary = tempfile.mkstemp(prefix=".upkeep-", dir=os.path.dirname(self.state))
        try:
            with os.fdopen(opened, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(opened)
                os.fchmod(opened, stat.S_IMODE(info.st_mode))
                os.fchown(opened, info.st_uid, info.st_gid)
            os.replace(temporary, self.state)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def merged(old: str, new: str, failed: set[str]) -> str:
    """Return the new state's text, but the old lines, or none, for the logs in failed."""
    if parse_state(new)[1] or not new:
        return old or FIRST_LINE
    lines = [line for line in new.split("\n") if line and _path_of(line) not in failed]
    lines += [line for line in old.split("\n") if _path_of(line) in failed]
    return "\n".join(lines) + "\n"


def _path_of(line: str) -> str | None:
    claimed, _problem = parse_state(FIRST_LINE + line)
    return next(iter(claimed), None)


def _names(line: str, path: str) -> bool:
    """Return whether the error is about the log, and not about one whose name goes on."""
    return bool(re.search(re.escape(path) + r"(?![\w/])", line))


def _grave(errors: tuple[str, ...]) -> list[str]:
    """Return the errors but those of logs that are not there: they hinder no other log, and are the check's."""
    return [line for line in errors if not re.match(r"stat of .* failed: No such file", line)]
