# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program where it reaches nothing that lives: without network, as a user that owns nothing, in sight of nothing.

bubblewrap makes the place: namespaces of its own for network (no interface but loopback), processes, mounts and IPC; a
root in which the system's programs are, read-only, and `/scratch`. What is restored is program text: a dump may run a
shell, a database may start its extensions. There is nothing for them to find. All of it ends with this process.

Source: bwrap(1), setpriv(1), capabilities(7), no_new_privs in prctl(2).
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator, Mapping, Sequence, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, text_of
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.calls import refusing
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ended import (
    refuse_out_of_memory,
    refuse_sudden_end,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    CancelledError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.kernel import (
    Kernel,
    in_memory,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.scratch import (
    RESERVE_BYTES,
    Scratch,
)

INSTALL = "apt-get install --yes bubblewrap  # or the package of that name of your system"
KEPT_BYTES = 64_000
CHUNK_BYTES = 1 << 18
LOOK_SECONDS = 0.25
END_SECONDS = 5
"""How long a server that has closed its connections may take to end."""
PROCESSES = 1000
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
Reads = Sequence[Tuple[str, str]]
"""What is shown read-only: pairs of a path outside and the path that it has in the sandbox."""


@dataclass(frozen=True)
class Finished:
    """What a program left. out, err: the first and the last of it. seconds: how long it ran."""

    status: int
    out: str
    err: str
    seconds: float


class _Kept:
    """The beginning and the end of a stream, in bounded memory."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._head, self._tail = b"", b""

    def add(self, data: bytes) -> None:
        room = self._limit - len(self._head)
        self._head += data[:room]
        self._tail = (self._tail + data[room:])[-self._limit :]

    def text(self) -> str:
        return text_of(self._head + self._tail)


class Sandbox:
    """Where the programs of one verification run. ends: when its time is over, by time.monotonic()."""

    kept: tuple[str, ...] = ()
    """Privileges that its programs keep."""

    def __init__(self, scratch: Scratch, host: Host, ends: float, memory_bytes: int) -> None:
        self.scratch, self.host, self.ends, self.memory_bytes = scratch, host, ends, memory_bytes
        self.bounded = scratch.bound_memory(memory_bytes)
        self._bwrap = host.which("bwrap") or ""
        self._setpriv = host.which("setpriv") or ""
        self._kernel, self._refusing, self._pid = Kernel(), refusing(), os.getpid()
        ionice = host.which("ionice")
        self._gives_way = [ionice, "-c", "2", "-n", "7"] if ionice else []
        if not self._bwrap:
            raise NotTriedError(
                "bwrap is not installed: nothing is restored without a sandbox", INSTALL
            )
        if not self._setpriv:
            raise NotTriedError("setpriv is not installed: nothing is restored without a sandbox")
        self._write_accounts()
        self._prove()

    def _write_accounts(self) -> None:
        uid = self.scratch.uid
        for name, text in (
            ("passwd", f"restore:x:{uid}:{uid}::/scratch:/bin/false\n"),
            ("group", f"restore:x:{uid}:\n"),
        ):
            with open(os.path.join(self.scratch.path, name), "w", encoding="ascii") as stream:
                stream.write(text)
            os.chmod(stream.name, 0o644)

    def _prove(self) -> None:
        """Look at the sandbox from inside.

        Raises: NotTriedError if it is not what it should be.
        """
        said = self.run(["cat", "/proc/net/dev", "/proc/self/status"], seconds=30)
        lines = said.out.splitlines()
        devices = [
            one.split(":")[0].strip()
            for one in lines[2:]
            if len(one.partition(":")[2].split()) == 16
        ]
        facts = dict(one.split(":\t", 1) for one in lines if ":\t" in one)
        bare = facts.get("CapEff", "").strip("0") == "" and facts.get("CapBnd", "").strip("0") == ""
        uids = set(facts.get("Uid", "").split())
        if said.status or devices != ["lo"] or uids != {str(self.scratch.uid)}:
            why = said.err.strip().splitlines()[-1:] or [f"it has the devices {devices}"]
            raise NotTriedError(f"no sandbox can be had here: bwrap: {why[0][:200]}")
        if not bare or facts.get("NoNewPrivs") != "1":
            raise NotTriedError("no sandbox can be had here: its programs would keep privileges")

    def command(
        self, argv: Sequence[str], reads: Reads = (), environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the whole command that runs argv in the sandbox. No secret may be in argv or environment."""
        line = [*self._gives_way, self._bwrap, "--die-with-parent", "--new-session", "--clearenv"]
        line += self._place()
        for outside, inside in reads:
            if os.path.dirname(inside) != "/":
                line += ["--perms", "0755", "--dir", os.path.dirname(inside)]
            line += ["--ro-bind", outside, inside]
        settings = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/scratch", "TZ": "UTC"}
        settings.update({"LC_ALL": "C.UTF-8", **(environment or {})})
        for name, value in settings.items():
            line += ["--setenv", name, value]
        return [*line, *self._user(), *argv]

    def _place(self) -> list[str]:
        """Return what of the host is in sight, and what is apart from it."""
        line = [f"--unshare-{one}" for one in ("net", "pid", "ipc", "uts")]
        line += ["--unshare-cgroup-try", "--hostname", "restore"]
        for path in _SYSTEM:
            if os.path.islink(path):
                line += ["--symlink", os.readlink(path), path]
            elif os.path.isdir(path):
                line += ["--ro-bind", path, path]
        # bwrap itself would make it a folder of root's alone, in which no program finds the name of its user.
        line += ["--perms", "0755", "--dir", "/etc"]
        for path in _FILES:
            line += ["--ro-bind-try", path, path]
        for name in ("passwd", "group"):
            line += ["--ro-bind", os.path.join(self.scratch.path, name), f"/etc/{name}"]
        line += ["--proc", "/proc", "--dev", "/dev"]
        for path in ("/tmp", "/dev/shm"):  # noqa: S108 (the sandbox's own)
            line += ["--perms", "1777", "--tmpfs", path]
        return [*line, "--bind", self.scratch.work, "/scratch", "--chdir", "/"]

    def _user(self) -> list[str]:
        """Return how the program becomes a user without privileges, but for those in `kept`."""
        uid = str(self.scratch.uid)
        line = ["--cap-drop", "ALL"]
        for capability in ("setuid", "setgid", "setpcap", *self.kept):
            line += ["--cap-add", f"CAP_{capability.upper()}"]
        line += [self._setpriv, "--reuid", uid, "--regid", uid, "--clear-groups"]
        kept = ",".join(["-all", *(f"+{one}" for one in self.kept)])
        line += [f"--inh-caps={kept}", f"--bounding-set={kept}"]
        if self.kept:
            line.append(f"--ambient-caps={kept}")
        return [*line, "--no-new-privs", "--"]

    def run(
        self,
        argv: Sequence[str],
        reads: Reads = (),
        environment: Mapping[str, str] | None = None,
        *,
        given: Callable[[int], bytes] | IO[bytes] | None = None,
        secrets: Mapping[str, bytes] | None = None,
        seconds: float | None = None,
    ) -> Finished:
        """Run a program to its end.

        given: what it reads on its standard input: an open file, or a function that is asked for bytes until it
        gives none. What that function raises is passed on. secrets: files that are in the sandbox and in memory
        alone, by their paths in it, such as a password.

        Raises: CancelledError if its time is over or nobody waits for it any more; NotTriedError if the scratch place
        is full, or the program was ended because it needs more memory than it may have.
        """
        began = time.monotonic()
        ends = self.ends if seconds is None else min(self.ends, began + seconds)
        feeds = callable(given)
        process = self._popen(
            self.command(argv, reads, environment),
            secrets or {},
            stdin=subprocess.PIPE if feeds else (given or subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            feeder = _Feeder(process.stdin, given) if callable(given) else None
            kept = {stream: _Kept(KEPT_BYTES) for stream in (process.stdout, process.stderr)}
            for _look in self._until(_drained(process, kept), ends):
                pass
            status = process.wait()
            if feeder is not None:
                feeder.join()
        finally:
            _kill(process)
        out, err = (one.text() for one in kept.values())
        refuse_sudden_end(argv, (status, err), self.scratch.group, self.memory_bytes)
        return Finished(status, out, err, time.monotonic() - began)

    @contextlib.contextmanager
    def server(
        self,
        argv: Sequence[str],
        reads: Reads = (),
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """Give a server that runs as long as the caller needs it. What it prints is in a log, outside of its reach."""
        log = os.path.join(self.scratch.path, f"server-{time.monotonic_ns()}.log")
        with open(log, "wb") as stream:
            process = self._popen(
                self.command(argv, reads, environment),
                {},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, log, self)
        try:
            yield server
        finally:
            _kill(process)

    def refuse_out_of_memory(self, program: str) -> None:
        """Raise NotTriedError if another program than this one was ended for want of memory.

        This one then has an untrue cause to tell: a client, that its server is not there.
        """
        refuse_out_of_memory(program, self.scratch.group, self.memory_bytes)

    def look(self) -> None:
        """Raise CancelledError or NotTriedError if the verification cannot go on."""
        for _once in self._until(iter([None]), self.ends):
            pass

    def _popen(self, command: list[str], secrets: Mapping[str, bytes], **streams: Any) -> Any:
        files = {inside: in_memory(data) for inside, data in secrets.items()}
        shown = [
            word
            for inside, number in files.items()
            for word in ("--perms", "0444", "--ro-bind-data", str(number), inside)
        ]
        if self._refusing:
            files["calls"] = in_memory(self._refusing)
            shown += ["--seccomp", str(files["calls"])]
        try:
            # It is an Ansible module's child, but with bounds that run_command does not have.
            return subprocess.Popen(  # pylint: disable=ansible-bad-function
                _with(command, shown),
                preexec_fn=self._bound,
                pass_fds=list(files.values()),
                env={},
                **streams,
            )
        finally:
            for number in files.values():
                os.close(number)

    def _bound(self) -> None:
        """Go into the control group, and give way to others: what the child does before it becomes bwrap."""
        self._kernel.end_with_parent()  # bwrap asks for that only after it has begun
        if os.getppid() != self._pid:
            os._exit(1)
        self._kernel.leave_keyring()
        memory = (self.memory_bytes, self.memory_bytes)
        if self.scratch.group:
            group = os.path.join(self.scratch.group, "cgroup.procs")
            with open(group, "w", encoding="ascii") as stream:
                stream.write("0")
        else:  # of what it uses: what a program only reserves costs nothing
            resource.setrlimit(resource.RLIMIT_DATA, memory)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))  # of the sandbox's user
        os.nice(10)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _until(self, looks: Iterator[Any], ends: float) -> Iterator[Any]:
        """Pass on what is looked at, and look each time if the verification may go on."""
        for one in looks:
            yield one
            if time.monotonic() > ends:
                raise CancelledError("its time is over")
            if _nobody_waits():
                raise CancelledError("cancelled: nobody waits for it any more")
            if self.scratch.free_bytes() < 0:
                raise NotTriedError(
                    f"no space left in {os.path.dirname(self.scratch.path)} but what stays free for others"
                    f" ({RESERVE_BYTES >> 20} MiB)",
                    f"df -h {os.path.dirname(self.scratch.path)}  # make room, or name another scratch place",
                )


class Server:
    """A server in the sandbox. log: the path of what it has printed."""

    def __init__(self, process: Any, log: str, sandbox: Sandbox) -> None:
        self._process, self.log, self._sandbox = process, log, sandbox

    def said(self) -> str:
        """Return the end of what it has printed."""
        with open(self.log, "rb") as stream:
            stream.seek(max(0, os.path.getsize(self.log) - KEPT_BYTES))
            return text_of(stream.read(KEPT_BYTES))

    def end(self) -> str:
        """Return how it has ended, as the end of a sentence; empty if it has not."""
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return ""
        number = -status if status < 0 else status - 128
        return f"was ended by signal {number}" if number > 0 else f"ended with status {status}"

    def wait_for(self, ready: Callable[[], bool]) -> bool:
        """Wait until it is ready; return False if it has ended instead.

        Raises: CancelledError, NotTriedError.
        """
        while self._process.poll() is None:
            if ready():
                return True
            self._sandbox.look()
            time.sleep(0.05)
        return False


class _Feeder(threading.Thread):
    """Writes what a function gives to a program, beside the one who reads what the program says."""

    def __init__(self, stream: IO[bytes], give: Callable[[int], bytes]) -> None:
        super().__init__(daemon=True)
        self._stream, self._give = stream, give
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            for chunk in iter(lambda: self._give(CHUNK_BYTES), b""):
                self._stream.write(chunk)
        except BrokenPipeError:
            pass  # what the program says of it is told by its status
        except BaseException as exc:  # passed on by join
            self._error = exc
        finally:
            with contextlib.suppress(OSError):
                self._stream.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait, and raise what the function raised."""
        super().join(timeout)
        if self._error is not None:
            raise self._error


def _drained(process: Any, kept: dict[Any, _Kept]) -> Iterator[None]:
    """Read what a program prints until it has closed its streams, and say now and then that it goes on."""
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _events in selector.select(LOOK_SECONDS):
                data = os.read(key.fd, CHUNK_BYTES)
                if data:
                    kept[key.fileobj].add(data)
                else:
                    selector.unregister(key.fileobj)
            yield None


def _with(command: list[str], shown: list[str]) -> list[str]:
    """Return bwrap's command with more files shown, after all that they may lie in."""
    place = command.index("--cap-drop")
    return [*command[:place], *shown, *command[place:]]


def _nobody_waits() -> bool:
    """Return whether the reader of our standard output is gone: the connection, or the run behind it."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _one, event in poll.poll(0))


def _kill(process: Any) -> None:
    """End bwrap, and with it all that runs in its namespaces."""
    if process.poll() is None:
        process.kill()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
