# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All I/O of a gather: each call has a timeout and a limit, none goes through a shell, none changes the host."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import itertools
import os
import resource
import select
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator

READ_LIMIT_BYTES = 4_000_000
OUTPUT_LIMIT_BYTES = 4_000_000
RUN_TIMEOUT_SECONDS = 20.0
CONNECT_TIMEOUT_SECONDS = 10.0
GLOB_LIMIT = 10_000
PIPE_BYTES = 1 << 20
OUT_BYTES = 1 << 17
F_SETPIPE_SZ = 1031
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HostError(Exception):
    """Something on the host could not be read; the text names it and says why.

    why: one word for it where a next step follows from it, or empty; see WHY. at: the path, program or address.
    """

    def __init__(self, text: str = "", why: str = "", at: str = "") -> None:
        super().__init__(text)
        self.why, self.at = why, at


class EndedError(HostError):
    """A program ended with a failure; the text is its own reason."""


@dataclass(frozen=True)
class Ran:
    """What a command gave back.

    status: its exit status; minus the signal's number if a signal ended it.
    out, err: decoded as UTF-8 with surrogate escapes; cut at the limit, then `truncated` is true.
    """

    status: int
    out: str
    err: str = ""
    truncated: bool = False


def text_of(data: bytes) -> str:
    """Return data as text that gives the same bytes back."""
    return data.decode("utf-8", "surrogateescape")


class Host:
    """The host that a gather looks at. In tests it is a recorded one (tests/helpers/recorded_host.py)."""

    def now(self) -> float:
        """Return the host's clock, in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return the seconds of a clock that nobody sets."""
        return time.monotonic()

    def read_bytes(
        self, path: str, limit_bytes: int = READ_LIMIT_BYTES, follow_links: bool = True
    ) -> bytes:
        """Return the whole file.

        What is cut off without a word would count as looked at; who wants no more than the start asks `read_head`.

        Raises: HostError if it is not a readable regular file, or has more than limit_bytes.
        """
        data = self.read_head(path, limit_bytes + 1, follow_links)
        if len(data) > limit_bytes:
            raise HostError(f"{path}: more than {limit_bytes} bytes")
        return data

    def read_head(self, path: str, size: int, follow_links: bool = True) -> bytes:
        """Return the file's first bytes, size at most.

        Raises: HostError if it is not a readable regular file.
        """
        with self.open(path, follow_links) as stream:
            try:
                return stream.read(size)
            except OSError as exc:  # a process that has ended since, a disk that cannot be read
                raise _error(path, exc) from exc

    def read(
        self, path: str, limit_bytes: int = READ_LIMIT_BYTES, follow_links: bool = True
    ) -> str:
        """Return `read_bytes` as text; what is not UTF-8 as surrogate escapes."""
        return text_of(self.read_bytes(path, limit_bytes, follow_links))

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        """Return the regular file open for reading and seeking.

        Never waits: a FIFO, a device or a folder is refused. With follow_links false the last part of the path may not
        be a symbolic link.

        Raises: HostError.
        """
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        if not follow_links:
            flags |= os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags)
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise HostError(f"{path}: not a regular file")
        return os.fdopen(descriptor, "rb")

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        """Return the path's stat.

        Raises: HostError.
        """
        try:
            return os.stat(path, follow_symlinks=follow_links)
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc

    def exists(self, path: str) -> bool:
        """Return whether the path is there.

        Raises: HostError if that cannot be seen (such as: permission denied).
        """
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc
        return True

    def realpath(self, path: str) -> str:
        """Return the path without symbolic links."""
        return os.path.realpath(path)

    def readlink(self, path: str) -> str:
        """Return what the symbolic link names.

        Raises: HostError.
        """
        try:
            return os.readlink(path)
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc

    def names(self, path: str) -> list[str]:
        """Return the folder's names, sorted.

        Raises: HostError.
        """
        try:
            return sorted(os.listdir(path))
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc

    def glob(self, pattern: str, limit: int = GLOB_LIMIT) -> list[str]:
        """Return the paths that match, sorted; `**` is any number of folders.

        Raises: HostError if they are more than limit: what is left out without a word would count as looked at.
        """
        found = list(itertools.islice(glob.iglob(pattern, recursive=True), limit + 1))
        if len(found) > limit:
            raise HostError(f"{pattern}: more than {limit} files have such a name")
        return sorted(found)

    def is_root(self) -> bool:
        """Return whether no permission hides a file: a pattern passes over folders that this user may not read."""
        return os.geteuid() == 0

    def statvfs(self, path: str) -> os.statvfs_result:
        """Return the file system's figures.

        Raises: HostError.
        """
        try:
            return os.statvfs(path)
        except (OSError, ValueError) as exc:
            raise _error(path, exc) from exc

    def which(self, program: str) -> str | None:
        """Return the program's path on the system's PATH (a login as non-root may lack the sbin folders)."""
        return shutil.which(program, path=os.environ.get("PATH", "") + ":" + SYSTEM_PATH)

    def run(
        self,
        command: list[str],
        timeout_seconds: float = RUN_TIMEOUT_SECONDS,
        limit_bytes: int = OUTPUT_LIMIT_BYTES,
        input_text: str = "",
        environment: dict[str, str] | None = None,
    ) -> Ran:
        """Run the program with these arguments, in the C locale and UTC, and return what it gave back.

        Raises: HostError if it is not there, or still runs after timeout_seconds (then its process group is killed).
        A program that prints more than limit_bytes on one stream is killed too and gives `truncated`.
        """
        process = self._start(command, environment, with_input=bool(input_text))
        try:
            return _collect(process, command[0], timeout_seconds, limit_bytes, input_text)
        finally:
            _end(process)

    @contextlib.contextmanager
    def output(self, command: list[str]) -> Iterator[IO[bytes]]:
        """Give the program's output as a stream, as long as the caller reads; it is killed if the caller stops before.

        Raises: HostError if it is not there, EndedError if it ends with a failure. For programs that complain briefly.
        """
        process = self._start(command)
        try:
            yield process.stdout
            process.stdout.close()
            said = text_of(process.stderr.read(OUTPUT_LIMIT_BYTES)).strip()
            status = process.wait()
        finally:
            _end(process)
        if status:
            raise EndedError(said or f"{command[0]}: status {status}")

    @contextlib.contextmanager
    def through(
        self, command: list[str], give: Callable[[int], bytes], file: IO[bytes] | None = None
    ) -> Iterator[Callable[[int], bytes]]:
        """Give a function that reads what the program makes of what `give` gives; it returns nothing at the end.

        file: an open file that the program reads itself, from where it stands, instead.

        The program is killed if the caller stops before. What `give` raises is passed on.

        Raises: HostError if it is not there; while it is read, EndedError if it ends with a failure.
        """
        process = self._start(command, with_input=True, file=file)
        try:
            yield _Through(process, command[0], give).read
        finally:
            _end(process)

    def _start(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        *,
        with_input: bool = False,
        file: IO[bytes] | None = None,
    ) -> Any:
        """Start the program with its output to be read."""
        program = self.which(command[0])
        if program is None:
            raise HostError(f"{command[0]}: no such program", NO_PROGRAM, command[0])
        settings = {
            "PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH,
            "HOME": os.environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        settings.update(environment or {})
        try:
            # No AnsibleModule is here, nor may be: importing it costs a host more than most gathers.
            return subprocess.Popen(  # pylint: disable=ansible-bad-function
                [program, *command[1:]],
                stdin=file or (subprocess.PIPE if with_input else subprocess.DEVNULL),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=settings,
                preexec_fn=_stand_apart,
                close_fds=True,
            )
        except OSError as exc:
            raise _error(program, exc) from exc

    def connect(
        self,
        address: str,
        port: int,
        timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    ) -> socket.socket:
        """Return a TCP connection whose operations time out too; an address with a slash is a Unix socket.

        Raises: HostError with the reason: refused, timed out, name not known.
        """
        place = address if address.startswith("/") else f"{address}:{port}"
        try:
            if address.startswith("/"):
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.settimeout(timeout_seconds)
                connection.connect(address)
                return connection
            return socket.create_connection((address, port), timeout_seconds)
        except (OSError, UnicodeError, ValueError, OverflowError) as exc:
            raise _error(place, exc) from exc

    def connect_udp(
        self, address: str, port: int, timeout_seconds: float = CONNECT_TIMEOUT_SECONDS
    ) -> socket.socket:
        """Return a UDP socket that talks with this address alone, and whose operations time out.

        Raises: HostError.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_DGRAM)
        try:
            connection.settimeout(timeout_seconds)
            connection.connect((address, port))
        except (OSError, ValueError, OverflowError) as exc:
            connection.close()
            raise _error(f"{address}:{port}", exc) from exc
        return connection

    def resolve(self, name: str, port: int = 0) -> list[str]:
        """Return the name's addresses in the resolver's order.

        Raises: HostError, from the resolver's own error.
        """
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError, OverflowError) as exc:
            raise _error(name, exc) from exc
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def environ(self, name: str) -> str:
        """Return the environment variable of the session, or an empty text."""
        return os.environ.get(name, "")


class _Through:
    """Feeds a program and reads what it prints, in turns, so that neither waits for the other."""

    def __init__(self, process: Any, name: str, give: Callable[[int], bytes]) -> None:
        self.process, self.name, self._give = process, name, give
        self._left = memoryview(b"")
        for stream in filter(None, (process.stdin, process.stdout)):
            os.set_blocking(stream.fileno(), False)
            with contextlib.suppress(OSError):  # the system may allow less
                fcntl.fcntl(stream.fileno(), F_SETPIPE_SZ, PIPE_BYTES)

    def read(self, size: int) -> bytes:
        """Return up to size bytes of what the program prints; nothing when it has ended well."""
        while True:
            data = self.process.stdout.raw.read(min(size, OUT_BYTES))
            if data:
                return bytes(data)
            if data is not None:
                return self._ended()
            feeds = self.process.stdin is not None and not self.process.stdin.closed
            writers = [self.process.stdin] if feeds else []
            _readable, writable, _failed = select.select([self.process.stdout], writers, [])
            if writable:
                self._feed()

    def _feed(self) -> None:
        if not self._left:
            self._left = memoryview(self._give(PIPE_BYTES))
        try:
            if self._left:
                self._left = self._left[os.write(self.process.stdin.fileno(), self._left) :]
            else:
                self.process.stdin.close()
        except BlockingIOError:
            return
        except BrokenPipeError:  # it takes no more: its exit status says why
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _ended(self) -> bytes:
        said = text_of(self.process.stderr.read(OUTPUT_LIMIT_BYTES)).strip()
        status = self.process.wait()
        if status:
            raise EndedError(said or f"{self.name}: status {status}")
        return b""


def _stand_apart() -> None:
    """Give a command its own process group, and the memory that its gather may not have.

    The session stays the gather's: that is how `program` finds all that a gather has started.
    """
    os.setpgrp()
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _collect(
    process: Any, name: str, timeout_seconds: float, limit_bytes: int, input_text: str
) -> Ran:
    """Read both streams until they end, the limit is reached or time is up."""
    ends = time.monotonic() + timeout_seconds
    taken: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    left = input_text.encode("utf-8", "surrogateescape")
    truncated = False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "err")
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "in")
        while selector.get_map() and not truncated:
            if time.monotonic() > ends:
                raise HostError(f"{name}: still running after {timeout_seconds:g} s")
            for key, _events in selector.select(timeout=min(1.0, timeout_seconds)):
                if key.data == "in":
                    left = _feed(process.stdin, left)
                    if not left:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                taken[key.data] += chunk
                truncated = truncated or len(taken[key.data]) > limit_bytes
    if not truncated:
        try:
            process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired as exc:
            raise HostError(f"{name}: still running after {timeout_seconds:g} s") from exc
    out, err = (text_of(bytes(taken[stream][:limit_bytes])) for stream in ("out", "err"))
    return Ran(process.returncode if process.returncode is not None else -9, out, err, truncated)


def _feed(stream: IO[bytes], data: bytes) -> bytes:
    """Write what the pipe takes; return what is left, nothing if the reader has gone."""
    try:
        return data[os.write(stream.fileno(), data[:65536]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def _end(process: Any) -> None:
    """Kill what is left of the process group, without waiting for what cannot be killed."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


DENIED, MISSING, NO_PROGRAM, REFUSED, NO_ANSWER, NO_NAME, BROKEN, GONE = (
    "denied", "missing", "no program", "refused", "no answer", "no name", "broken", "gone",
)  # fmt: skip
WHY = {
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.ENOENT: MISSING,
    errno.ENOTDIR: MISSING,
    errno.ECONNREFUSED: REFUSED,
    errno.ETIMEDOUT: NO_ANSWER,
    errno.EHOSTUNREACH: NO_ANSWER,
    errno.ENETUNREACH: NO_ANSWER,
    errno.EIO: BROKEN,
    errno.ESTALE: GONE,
    errno.ENOTCONN: GONE,
}


def _error(thing: str, exc: BaseException) -> HostError:
    """Return what is raised for an error of the system."""
    why = WHY.get(getattr(exc, "errno", None) or 0, "")
    if isinstance(exc, socket.timeout):
        why = NO_ANSWER
    elif isinstance(exc, socket.gaierror):
        why = NO_NAME  # its numbers are the resolver's own
    return HostError(_why(thing, exc), why, thing)


def _why(thing: str, exc: BaseException) -> str:
    """Return `thing: reason` in one line."""
    if isinstance(exc, socket.timeout) or getattr(exc, "errno", None) == errno.ETIMEDOUT:
        return f"{thing}: no answer in time"
    reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return f"{thing}: {reason[:1].lower()}{reason[1:]}"
