# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic and borg have in common: who may read a repository, who holds it, and what comes out of it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    SYSTEM_PATH,
    Host,
    text_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.progress import began
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import (
    KEPT_BYTES,
    Sandbox,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

TREE, COMPLAINTS = "tree", "/scratch/complaints"
PASSWORD = "/tmp/password"  # noqa: S105, S108 (where it is in the sandbox, in memory)
LOOK_SECONDS = 2.0
_TICKS = os.sysconf("SC_CLK_TCK")


class ReadingSandbox(Sandbox):
    """The same sandbox for a program that reads a repository, whoever may read that outside.

    A repository is data to restic and borg, and not program text; mostly it is root's alone, and too large to be
    copied. The program has one privilege: it reads what is in its sight, and in sight are the system's programs, the
    repository and the scratch place. It writes as the user that owns nothing, and has no network.
    """

    kept = ("dac_read_search",)

    def __init__(self, sandbox: Sandbox) -> None:
        self.__dict__.update(vars(sandbox))  # proved once, by whoever made it
        self.tell: Callable[[], None] = _nothing

    @contextlib.contextmanager
    def telling(self, task: Verification, size: int) -> Iterator[None]:
        """Write down how much of the size lies in the scratch place, as long as its programs write there."""
        free = self.scratch.free_bytes()

        def tell() -> None:
            task.progress(min(1.0, max(0.0, (free - self.scratch.free_bytes()) / max(1, size))))

        self.tell = tell
        try:
            yield
        finally:
            self.tell = _nothing

    def _until(self, looks: Iterator[Any], ends: float) -> Iterator[Any]:
        for one in super()._until(looks, ends):
            self.tell()
            yield one


def _nothing() -> None:
    """Tell nobody."""


class NearSandbox(ReadingSandbox):
    """Where a program reads a repository on another machine: it has the network, and the account's keys and settings.

    All of the host is in its sight, for it needs names, certificates, keys and other programs such as ssh or rclone.
    It can write nothing of it: what it restores is given as a stream to a program in the sandbox.
    """

    def _place(self) -> list[str]:
        line = ["--unshare-pid", "--unshare-ipc", "--ro-bind", "/", "/", "--dev", "/dev"]
        return [*line, "--proc", "/proc", "--tmpfs", "/tmp", "--chdir", "/"]  # noqa: S108

    def _user(self) -> list[str]:
        return ["--cap-drop", "ALL", "--cap-add", "CAP_DAC_READ_SEARCH"]

    @contextlib.contextmanager
    def stream(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, bytes],
        ended: Callable[[int, str], None],
    ) -> Iterator[Callable[[int], bytes]]:
        """Give a function that reads what a program prints. ended: is given its status and its complaints at the end.

        Raises: what `ended` raises.
        """
        log = os.path.join(self.scratch.path, f"stream-{time.monotonic_ns()}.log")
        with open(log, "w+b") as complaints:
            process = self._popen(
                self.command(argv, (), environment),
                secrets,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
            out: IO[bytes] = process.stdout

            def read(size: int) -> bytes:
                data = out.read(size)
                if not data:
                    complaints.seek(0)
                    ended(process.wait(), text_of(complaints.read(KEPT_BYTES)))
                return data

            try:
                yield read
            finally:
                if process.poll() is None:
                    process.kill()
                out.close()
                process.wait()


class RestoredSnapshot(RestoredBackup):
    """The files of a snapshot. root: where they are, outside of the sandbox; empty if only a part was restored."""

    def __init__(self, root: str, whole: bool) -> None:
        self.root, self._whole = root, whole

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many files and bytes there are, and the files below each of the topmost folders."""
        if not self._whole:
            return {}, {}
        counts: dict[str, int] = {}
        files = size = 0
        for folder, names, others in os.walk(self.root):
            first = os.path.relpath(folder, self.root).partition("/")[0]
            top = "/" if first == "." else f"/{first}"[:200]
            links = [one for one in names if os.path.islink(os.path.join(folder, one))]
            for name in [*others, *links]:
                info = os.lstat(os.path.join(folder, name))
                files += 1
                size += info.st_size if stat.S_ISREG(info.st_mode) else 0
                counts[top] = counts.get(top, 0) + 1
        if not files:
            raise BadBackupError("it has no file")
        return {"files": files, "bytes": size}, counts


@dataclass(frozen=True)
class LockHolder:
    """Who holds a lock. since: seconds since 1970. gone: it is known that nobody holds it any more."""

    host: str
    pid: int
    since: float
    gone: bool

    def words(self) -> str:
        """Return who it is, for people."""
        at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self.since))
        return f"process {self.pid} on {self.host}, since {at} UTC"


def gone(here: bool, pid: int, since: float) -> bool:
    """Return whether the process of a lock is known to be gone. here: it was on this host. since: of the lock."""
    if not here:
        return False
    ticks = began(pid)
    # A number that another process has got later is not the holder.
    return ticks == 0 or time.time() - _uptime() + ticks / _TICKS > since + 1


def _uptime() -> float:
    with open("/proc/uptime", encoding="ascii") as stream:
        return float(stream.read().split()[0])


def wait_until_free(
    task: Verification, holders: Callable[[], list[LockHolder]], remove: str
) -> None:
    """Wait until nobody holds the repository. remove: the command that removes a lock that was left behind.

    What was left behind is told and is not waited for; it is never removed.

    Raises: NotTriedError with the holder if it is held for longer than lock_minutes; CancelledError.
    """
    ends = time.monotonic() + task.verify["lock_minutes"] * 60
    while True:
        held = holders()
        living = [one for one in held if not one.gone]
        for one in [one for one in held if one.gone][:3]:
            task.note(
                f"a lock was left behind by {one.words()}, which is gone; remove it: {remove}"
            )
        if not living:
            return
        if time.monotonic() >= ends:
            raise NotTriedError(
                f"the repository is held by {living[0].words()}; it was waited for "
                f"{task.verify['lock_minutes']:g} min",
                "decide: verify at another time, or see what that process does",
            )
        task.sandbox.look()
        time.sleep(min(LOOK_SECONDS, max(0.0, ends - time.monotonic())) or 0.01)


def refuse_odd_end(program: str, status: int, err: str) -> None:
    """Raise NotTriedError if a program ended by no fault of what it read."""
    for reason in ("no space left on device", "disk quota exceeded", "too many open files"):
        if reason in err.lower():
            raise NotTriedError(f"{program}: {reason}")
    if status in (126, 127) or status < 0 or status > 128:
        raise NotTriedError(f"{program}: could not be run, or was ended (status {status})")


def account_of(host: Host) -> dict[str, str]:
    """Return what a program beside the sandbox must know of the account to find its keys, and other programs."""
    path = host.environ("PATH")
    return {
        "HOME": host.environ("HOME") or "/root",
        "PATH": f"{path}:{SYSTEM_PATH}" if path else SYSTEM_PATH,
    }


def password_of(task: Verification) -> dict[str, bytes]:
    """Return the password as a file of the sandbox; nothing if the set has none.

    Raises: HostError if the file with it cannot be read.
    """
    if task.wanted.get("password_file"):
        return {PASSWORD: task.host.read_bytes(task.wanted["password_file"], 64_000)}
    if task.wanted.get("password"):
        return {PASSWORD: task.wanted["password"].encode("utf-8", "surrogateescape")}
    return {}


def complaints(task: Verification, inside: str) -> Iterator[str]:
    """Yield each line that a program of the sandbox has written into a file there, cut.

    Raises: NotTriedError if it is no file of the sandbox's user.
    """
    number = os.open(task.outside(inside), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(number, "rb") as stream:
        info = os.fstat(number)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != task.scratch.uid:
            raise NotTriedError(f"{inside}: not a file of the sandbox")
        for line in iter(lambda: stream.readline(KEPT_BYTES), b""):
            yield text_of(line).rstrip("\n")


def with_complaints(inside: str, argv: Sequence[str]) -> list[str]:
    """Return a command whose complaints go into a file of the sandbox, for there may be many."""
    return ["sh", "-c", 'exec 2>"$0"; exec "$@"', inside, *argv]


_TAR_HARMLESS = re.compile(
    r"Cannot (?:mknod|change ownership|change mode|utime|setxattr|set).*(?:not permitted|not supported)"
    r"|Exiting with failure status due to previous errors"
)


def unpack(task: Verification, read: Callable[[int], bytes], tree: str) -> None:
    """Let a tar in the sandbox write the files that a stream brings. tree: the folder, outside of the sandbox.

    Raises: NotTriedError, CancelledError, and what `read` raises.
    """
    line = ["tar", "-x", "--no-same-owner", "-C", task.scratch.inside(tree)]
    said = task.sandbox.run(with_complaints(COMPLAINTS, line), given=read)
    if not said.status:
        return
    lines = list(complaints(task, COMPLAINTS))
    refuse_odd_end("tar", said.status, "\n".join(lines[-20:]))
    if not all(_TAR_HARMLESS.search(one) for one in lines):
        raise NotTriedError(f"tar: status {said.status}: what came could not be written")
    task.note(f"{len(lines)} times an owner, an attribute or a device could not be restored")
