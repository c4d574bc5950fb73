"""Keep one command and all that it starts: nothing of it goes on when the command has ended, or whoever asked for it.

Runs as a program of its own, above the command: `python -I -S keeper.py PARENT GRACE REPORT COMMAND…`. It is the
subreaper of the command, so that a process whose parent has gone comes back to it, whatever session or group that
process has made for itself. So everything below the keeper belongs to this command, and to no other.

PARENT: who asks for it; when that process is gone, all ends. GRACE: seconds after SIGTERM in which only the command
itself is told to end; a second SIGTERM cuts that short. REPORT: a descriptor, or a file to be made, for the numbers of
the keeper and of the command.

Imports nothing of Upkeep and little of Python, for there is one for each child. Source: PR_SET_CHILD_SUBREAPER(2const).
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing and collections.abc take longer to load than all else
    from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
TERMINATE_SECONDS = 3.0
KILL_SECONDS = 5.0
"""So long a process may take to end when it is asked to, and when it is killed. One that the kernel holds is left."""
PARENT_SECONDS = 0.5
STEP_SECONDS = 0.05
END = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
HEARD = END | {signal.SIGCHLD}
NOT_FOUND, NOT_STARTED = 127, 126


def become_subreaper() -> bool:
    """Let orphans below this process come back to it; return whether the system can do that."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, AttributeError, OSError):
        return False


def processes() -> dict[int, tuple[int, int]]:
    """Return each process's parent and when it began, by its number."""
    try:
        numbers = [int(one) for one in os.listdir("/proc") if one.isdecimal()]  # noqa: PTH208
    except OSError:
        return {}
    seen = {number: _stat(number) for number in numbers}
    return {number: one for number, one in seen.items() if one is not None}


def descendants(*roots: int) -> dict[int, int]:
    """Return what is below some processes, and when each began: a number may be given again to another process."""
    there = processes()
    found: dict[int, int] = {}
    level = set(roots)
    while level:
        level = {one for one, (parent, _began) in there.items() if parent in level} - found.keys()
        found.update({one: there[one][1] for one in level})
    return found


def end(
    find: Callable[[], dict[int, int]], left: Callable[[], bool], wait: Callable[[float], object]
) -> None:
    """End what `find` finds, as long as something is left: ask, then kill, and look again each time."""
    told: set[tuple[int, int]] = set()
    for signum, seconds in ((signal.SIGTERM, TERMINATE_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        ends = time.monotonic() + seconds
        while left() and time.monotonic() < ends:
            for one in find().items():
                if signum == signal.SIGKILL or one not in told:
                    told.add(one)
                    tell(*one, signum)
            wait(STEP_SECONDS)


def tell(number: int, began: int, signum: int) -> None:
    """Send a signal to the process of that number that began then, and to no later one of the same number."""
    try:
        descriptor = os.pidfd_open(number)
    except OSError:
        # An old kernel, or a filter of system calls: what is left is a moment between look and act.
        descriptor = -1
    seen = _stat(number)
    try:
        if seen is None or seen[1] != began:
            return
        if descriptor < 0:
            os.kill(number, signum)
        else:
            signal.pidfd_send_signal(descriptor, signum)
    except OSError:
        return  # it has ended, or is another user's
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _stat(number: int) -> tuple[int, int] | None:
    """Return a process's parent and when it began; None if it is gone. Source: proc_pid_stat(5)."""
    try:
        with open(f"/proc/{number}/stat", "rb") as stream:  # noqa: PTH123 - pathlib takes longer to load than all else
            fields = stream.read().rpartition(b")")[2].split()
        return int(fields[1]), int(fields[19])
    except (OSError, IndexError):
        return None


class _Keeper:
    """Waits for the command, and ends what is below."""

    def __init__(self, parent: int, grace: float) -> None:
        self.parent = parent
        self.grace = grace
        self.main = 0
        self.status: int | None = None

    def start(self, command: list[str], report: str) -> None:
        """Start the command, as this process was started itself; end with a shell's status if that cannot be done."""
        descriptor = (
            int(report)
            if report.isdecimal()
            else os.open(report, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        )
        os.set_inheritable(descriptor, False)
        try:
            # What Python ignores or blocks for itself is not the command's.
            self.main = os.posix_spawnp(
                command[0],
                command,
                os.environ,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as exc:
            os.write(descriptor, f"{os.getpid()} 0 {exc.errno}\n".encode())
            os._exit(NOT_FOUND if isinstance(exc, FileNotFoundError) else NOT_STARTED)
        os.write(descriptor, f"{os.getpid()} {self.main} 0\n".encode())
        os.close(descriptor)
        # What is given to the command, and what it says, ends with it and not with us.
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)

    def wait(self) -> None:
        """Wait until the command has ended, or it is time to end it."""
        while self.status is None and not self._asked(PARENT_SECONDS):
            self._reap()
            if os.getppid() != self.parent:
                break
        if self.status is None and self.grace:
            os.kill(self.main, signal.SIGTERM)  # its number is its own until we have reaped it
            ends = time.monotonic() + self.grace
            while self.status is None and time.monotonic() < ends:
                if self._asked(ends - time.monotonic()):
                    return
                self._reap()

    def end_all(self) -> None:
        """End all that is below; that nothing is left is told by waitpid(2), which misses nobody."""
        end(lambda: descendants(os.getpid()), self._reap, self._asked)

    def _asked(self, seconds: float) -> bool:
        """Wait for a signal; return whether it asks us to end."""
        heard = signal.sigtimedwait(HEARD, max(seconds, 0.0))
        return heard is not None and heard.si_signo in END

    def _reap(self) -> bool:
        """Take in what has ended; return whether anything is still below. All that ends here is ours."""
        while True:
            try:
                number, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if number == 0:
                return True
            if number == self.main:
                self.status = status


def main() -> None:
    """Start the command, keep it, and end as it has ended."""
    parent, grace, report, *command = sys.argv[1:]
    # If whoever started us ignores it, no status would be left for us.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    become_subreaper()
    keeper = _Keeper(int(parent), float(grace))
    keeper.start(command, report)
    keeper.wait()
    keeper.end_all()
    status = os.waitstatus_to_exitcode(keeper.status or 0) if keeper.status is not None else -9
    if status < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
