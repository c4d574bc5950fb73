"""Start and end other programs: the one way in which this one does it.

Each child stands in a session of its own below a keeper (keeper.py), which ends all that the child has started when the
child has ended, when it is asked to, and when this process is gone, even by SIGKILL. A keeper that is itself killed
leaves its processes to this one (`adopt`), which ends them.

A child is told what it needs: no variable of ours but those that are said, `/` as its folder unless another is said,
and an empty standard input unless something is given.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from upkeep.system import keeper

PREFIX = "UPKEEP_"
OF_THE_SERVICE = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
)
"""What systemd tells its service, and nobody else."""
PATHS = ("PYTHONPATH", "ANSIBLE_CONFIG")
"""Of the variables with paths, those that are read by what we start in another folder than ours."""
ROOT = "/"
START_SECONDS = 60.0
STEP_SECONDS = 0.5
WITHOUT_PIDFD_SECONDS = 0.05
END_SECONDS = keeper.TERMINATE_SECONDS + keeper.KILL_SECONDS + 5.0
OUTPUT_BYTES = 256_000_000
LAST_BYTES = 4_000

_lock = threading.Lock()
_living: set[int] = set()
_adopts = False
_others: dict[int, int] | None = None
"""Who was below this process before; None as long as orphans do not come back to it."""


class Stop:
    """Whether work must stop: somebody has asked, or its time is up. What waits here wakes when somebody asks."""

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self.asked = ""
        self._ends = time.monotonic() + seconds
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._rope, False)

    def ask(self, reason: str) -> None:
        """Ask to stop. May be called by a signal's handler and from any thread."""
        self.asked = self.asked or reason
        with contextlib.suppress(OSError):
            os.write(self._rope, b"!")

    @property
    def reason(self) -> str:
        """Why the work must stop; empty as long as it goes on."""
        if not self.asked and self.left <= 0:
            return f"not finished after {self.seconds:g} s"
        return self.asked

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._ends - time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until the work must stop."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        poll.poll(max(min(seconds, self.left), 0.0) * 1000)

    def fileno(self) -> int:
        """Return the descriptor that is readable when somebody has asked."""
        return self._bell

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self._bell, self._rope):
            os.close(descriptor)


@dataclass(frozen=True)
class Done:
    """How a child ended. stopped: why it was ended before its own end; empty if it was not."""

    status: int
    output: bytes
    complaint: bytes
    stopped: str = ""


class Child:
    """A program that runs. grace: how long it may take to end in order before all that it has started is ended too.

    given: what it reads. output, complaint: descriptors or subprocess.PIPE; kept in memory, if not said.
    Raises: OSError
    if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        given: bytes | int = b"",
        output: int | None = None,
        complaint: int | None = None,
        environment: Mapping[str, str] | None = None,
        grace: float = 0.0,
    ) -> None:
        self.grace = grace
        self._files: list[IO[bytes]] = []
        self._output = self._memory() if output is None else None
        self._complaint = self._memory() if complaint is None else None
        reads = self._memory(given).fileno() if isinstance(given, bytes) else given
        report, told = os.pipe()
        try:
            kept = [*keep(str(told), grace), *command]
            with _lock:
                self.process = subprocess.Popen(
                    kept,
                    stdin=reads,
                    stdout=output if self._output is None else self._output,
                    stderr=complaint if self._complaint is None else self._complaint,
                    cwd=ROOT,
                    env=told_environment() if environment is None else environment,
                    pass_fds=(told,),
                    start_new_session=True,
                )
                _living.add(self.process.pid)
            os.close(told)
            told = -1
            self.pid = self._started(report, command[0])
        except BaseException:
            self.close()
            raise
        finally:
            os.close(report)
            if told >= 0:
                os.close(told)

    def _memory(self, content: bytes = b"") -> IO[bytes]:
        """Return a file that is on no disk."""
        stream = os.fdopen(os.memfd_create("upkeep"), "w+b", buffering=0)
        self._files.append(stream)
        stream.write(content)
        stream.seek(0)
        return stream

    def _started(self, report: int, name: str) -> int:
        """Return the number of the program itself, as the keeper reports it."""
        poll = select.poll()
        poll.register(report, select.POLLIN | select.POLLHUP)
        if not poll.poll(START_SECONDS * 1000):
            raise TimeoutError(f"{name}: not started within {START_SECONDS:g} s")
        words = os.read(report, 100).split()
        if len(words) != 3:
            raise OSError(f"{name}: its keeper ended at once")
        number, error = int(words[1]), int(words[2])
        if error:
            self.process.wait(END_SECONDS)
            raise OSError(error, os.strerror(error), name)
        return number

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def ended(self) -> int | None:
        """Return the exit status, negative for a signal's number; None while it, or what it has started, runs."""
        status = self.process.poll()
        if status is not None:
            _living.discard(self.process.pid)
        return status

    def wait(self, seconds: float, stop: Stop | None = None, limit_bytes: float = math.inf) -> str:
        """Wait until it has ended; return why it has not, empty if it has."""
        ends = time.monotonic() + seconds
        with _awaited(self.process.pid, stop) as pause:
            while self.ended() is None:
                left = ends - time.monotonic()
                if stop is not None and stop.reason:
                    return stop.reason
                if left <= 0:
                    return f"not finished after {seconds:g} s"
                if self._said() > limit_bytes:
                    return f"printed more than {limit_bytes / 1e6:g} MB"
                pause(min(left, STEP_SECONDS, max(stop.left, 0.0) if stop else left))
        return ""

    def ask(self) -> None:
        """Ask it to end; asked once more, it gets no more grace."""
        if self.ended() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """End it and all that it has started, in bounded time."""
        self.ask()
        if self.grace and self.wait(self.grace):
            self.ask()
        if self.wait(END_SECONDS) and self.ended() is None:
            self.process.kill()
            self.wait(END_SECONDS)
        sweep()

    def output(self) -> bytes:
        """Return what it has said on standard output."""
        return _content(self._output)

    def complaint(self) -> bytes:
        """Return what it has said on standard error."""
        return _content(self._complaint)

    def last_words(self) -> str:
        """Return the end of what it has said on standard error."""
        return self.complaint()[-LAST_BYTES:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End it if it runs, and let go of what it was given and what it has said."""
        process = getattr(self, "process", None)
        if process is not None:
            if self.ended() is None:
                self.end()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            if process.returncode == -signal.SIGKILL:
                sweep()  # it may have been the keeper
        for file in self._files:
            file.close()

    def _said(self) -> int:
        return sum(os.fstat(one.fileno()).st_size for one in (self._output, self._complaint) if one)


def run(
    command: Sequence[str],
    *,
    seconds: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    stop: Stop | None = None,
) -> Done:
    """Run a program to its end, or until its time is up or `stop` says so.

    Raises: OSError if it cannot be started.
    """
    with Child(command, given=given, environment=environment) as one:
        stopped = one.wait(seconds, stop, OUTPUT_BYTES)
        if stopped:
            one.end()
        status = one.ended()
        return Done(-1 if status is None else status, one.output(), one.complaint(), stopped)


def start_upkeep(
    arguments: Sequence[str], settings: Mapping[str, str], *, given: bytes = b"", grace: float
) -> Child:
    """Start this very program once more, with other arguments, and with these variables of ours."""
    command = [*python(), "-m", "upkeep.cli.main", *arguments]
    environment = told_environment(settings)
    return Child(
        command, given=given, output=subprocess.DEVNULL, environment=environment, grace=grace
    )


def python() -> list[str]:
    """Return how a program of ours is started: nothing is imported from the folder where it stands."""
    return [sys.executable, "-P"]


def keep(report: str, grace: float = 0.0) -> list[str]:
    """Return what is put before a command for it to be kept. report: see keeper.py."""
    global _others
    with _lock:
        if _adopts and _others is None and keeper.become_subreaper():
            _others = _children()
    return [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid()), str(grace), report]


def told_environment(
    more: Mapping[str, str] | None = None, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return a child's environment: ours, without our own variables, and what is said.

    Our variables are a kind, not a list: they hold settings and secrets, and new ones are secrets until they are said.
    """
    inherited = os.environ if inherited is None else inherited
    environment = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(PREFIX) and name not in OF_THE_SERVICE
    }
    for name in PATHS:
        if environment.get(name):
            parts = (Path(one).expanduser() for one in environment[name].split(os.pathsep) if one)
            environment[name] = os.pathsep.join(str(one.absolute()) for one in parts)
    return {**environment, **(more or {})}


# --- what comes back to us -------------------------------------------------------------------------------------------
def adopt() -> None:
    """Let orphans come back to this process, once it has children. For our own program, not for whoever imports us."""
    global _adopts
    _adopts = True


def sweep() -> None:
    """End what has come back to this process because its keeper was killed, and nothing else."""
    others = _others
    if others is None:
        return

    def strays() -> dict[int, int]:
        with _lock:  # a child that another thread has begun and not yet written down is no stray
            return {
                number: began
                for number, began in _children().items()
                if number not in _living and others.get(number) != began and _is_apart(number)
            }

    def find() -> dict[int, int]:
        roots = strays()
        return {**roots, **keeper.descendants(*roots)}

    def left() -> bool:
        for number in strays():
            # It is ours by now: no keeper's, and none that somebody in this process waits for.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(number, os.WNOHANG)
        return bool(strays())

    keeper.end(find, left, time.sleep)


def end_keeper(number: int) -> None:
    """End a keeper that somebody else in this process has started and waits for, in bounded time."""

    def alive() -> bool:
        return number in _children() and not _is_zombie(number)

    if not alive():
        return
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signum)
        ends = time.monotonic() + END_SECONDS
        while alive() and time.monotonic() < ends:
            time.sleep(WITHOUT_PIDFD_SECONDS)


def end_marked(name: str, value: str) -> int:
    """End what has this variable in its environment, whoever's child it is; return how many there were.

    For what is left when a driver was killed together with its keepers.
    """
    mark = f"{name}={value}".encode()
    found: set[int] = set()

    def find() -> dict[int, int]:
        marked = {
            number: began
            for number, (_parent, began) in keeper.processes().items()
            if number != os.getpid() and mark in _environ(number)
        }
        found.update(marked)
        return marked

    keeper.end(find, lambda: bool(find()), time.sleep)
    return len(found)


def _children() -> dict[int, int]:
    """Return our own children, and when each began."""
    return {
        number: began
        for number, (parent, began) in keeper.processes().items()
        if parent == os.getpid()
    }


def _is_apart(number: int) -> bool:
    """Return whether a process is in another session than ours: all below keepers are, and a library's children not."""
    try:
        return os.getsid(number) != os.getsid(0)
    except OSError:
        return False


def _environ(number: int) -> list[bytes]:
    try:
        return Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def _is_zombie(number: int) -> bool:
    try:
        stat = Path(f"/proc/{number}/stat").read_bytes()
    except OSError:
        return True
    return stat.rpartition(b")")[2].split()[:1] == [b"Z"]


def _content(file: IO[bytes] | None) -> bytes:
    """Return what is in a file; its place is the child's and stays."""
    if file is None:
        return b""
    parts = []
    size = min(os.fstat(file.fileno()).st_size, OUTPUT_BYTES)
    at = 0
    while at < size and (part := os.pread(file.fileno(), size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


@contextlib.contextmanager
def _awaited(number: int, stop: Stop | None) -> Iterator[Callable[[float], Any]]:
    """Yield what waits some seconds, or until the process ends or `stop` is asked for."""
    poll = select.poll()
    if stop is not None:
        poll.register(stop, select.POLLIN)
    try:
        descriptor = os.pidfd_open(number)
    except OSError:  # an old kernel, or it has ended: it is looked at again soon
        yield lambda seconds: poll.poll(min(seconds, WITHOUT_PIDFD_SECONDS) * 1000)
        return
    try:
        poll.register(descriptor, select.POLLIN)
        yield lambda seconds: poll.poll(seconds * 1000)
    finally:
        os.close(descriptor)
