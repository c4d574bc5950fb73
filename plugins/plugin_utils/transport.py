# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program on a host, over whatever connection, become and jump host Ansible has set up.

Knows nothing of what the program does: a later fan-out may carry the same payload another way.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.astral.upkeep.plugins.module_utils.host.program import mark
from ansible_collections.astral.upkeep.plugins.plugin_utils.bounds import ANSWER_LIMIT_BYTES

try:
    import psutil
except ImportError:  # `observe` says then that the package `upkeep`, which brings it, is missing
    psutil = None  # type: ignore[assignment]

CANDIDATES = (
    "python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8"
    " /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python"
)
# Says in a few milliseconds if it runs at all (a shim may not) and is new enough. -S, here as for the program itself:
# what is installed beside the standard library is not even looked for.
TRY = "-S -E -c 'import sys; sys.exit(sys.version_info < (3, 8))'"
# The nonce is the first line of standard input: a command line can be read by everybody on the host.
SCRIPT = (
    "IFS= read -r n;"
    f' for p in {{candidates}}; do "$p" {TRY} </dev/null >/dev/null 2>&1 && exec "$p" -I -S -; done;'
    f" printf '\\n%s\\n' \"{mark('$n', 'no-python')}\"; exit 127"
)
MARK_LIMIT_CHARACTERS = 80
STDERR_LIMIT_CHARACTERS = 300
MEMORY_LIMIT_BYTES = 64 << 20
"""What a worker may grow by while Ansible collects an answer, which it does in memory and without an end."""
WATCH_SECONDS = 0.01
TOO_LARGE = f"its answer is larger than {ANSWER_LIMIT_BYTES // 1_000_000} MB"


@dataclass(frozen=True)
class Carried:
    """What came back. problem: why there is no answer; then kind is unreachable, timed_out or failed."""

    answer: str = ""
    problem: str = ""
    kind: str = ""
    seconds: float = 0.0


class TimeUp(BaseException):
    """The controller's own limit; a BaseException, so that no retry inside Ansible takes it for a failure."""


class FrameError(ValueError):
    """There is no answer; the text says what there is instead."""


class NoPythonError(ValueError):
    """The host has no Python that can run the program."""


class TooMuch(BaseException):
    """The answer fills this process; a BaseException for the same reason."""


def new_nonce() -> str:
    """Return what marks the answer of one call: nobody but its program can know it."""
    return secrets.token_hex(16)


def carry(
    execute: Callable[..., dict[str, Any]],
    program: bytes,
    nonce: str,
    interpreter: str,
    timeout_seconds: float,
    clean: Callable[[str], str],
) -> Carried:
    """Run the program on the host's Python and return the answer that it marked with the nonce.

    execute: the action's `_low_level_execute_command`. interpreter: the one that the inventory sets, or empty.
    clean: makes what others say fit for a message; it is given their whole text.
    """
    started = time.monotonic()
    script = SCRIPT.format(candidates=quoted(interpreter) if interpreter else CANDIDATES)
    given = nonce.encode("ascii") + b"\n" + program
    try:
        with _alarm(timeout_seconds), _memory_watch():
            answer = execute(script, in_data=given, executable="/bin/sh")
    except AnsibleConnectionFailure as exc:
        # What Ansible puts before ssh's own words says less than they do.
        said = str(exc)
        said = said.partition("can be reached over ssh: ")[2] or said
        return _problem("unreachable", _tail(clean(said)), started)
    except MemoryError:
        return _problem("failed", TOO_LARGE, started)
    except Exception as exc:  # whatever a connection plugin raises costs this host only
        name = "" if isinstance(exc, AnsibleError) else f"{type(exc).__name__}: "
        return _problem("failed", name + _tail(clean(str(exc))), started)
    except BaseException as exc:
        # The task's own timeout of Ansible is a private BaseException; both mean that time is up.
        if not isinstance(exc, (TimeUp, TooMuch)) and type(exc).__name__ != "TaskTimeoutError":
            raise
        _end_children()
        if isinstance(exc, TooMuch):
            return _problem("failed", TOO_LARGE, started)
        seconds = time.monotonic() - started
        return _problem("timed_out", f"no answer after {seconds:.0f} s", started)
    return _read(answer, nonce, interpreter, clean, started)


def _read(
    given: dict[str, Any],
    nonce: str,
    interpreter: str,
    clean: Callable[[str], str],
    started: float,
) -> Carried:
    """Return the answer, or why there is none. Only what the nonce marks decides."""
    try:
        answer = unframed(given.get("stdout") or "", nonce)
    except NoPythonError:
        wanted = f"{interpreter} (from ansible_python_interpreter)" if interpreter else "Python"
        return _problem("failed", f"no usable {wanted}: 3.8 or later is needed", started)
    except FrameError as exc:
        reason = f"the program ended with status {given.get('rc')} and {exc}"
        said = _tail(clean((given.get("stderr") or "").strip()))
        return _problem("failed", f"{reason}: {said}" if said else reason, started)
    return Carried(answer=answer, seconds=time.monotonic() - started)


def unframed(output: str, nonce: str) -> str:
    """Return the answer that the nonce marks, its lines ended by a line feed each.

    Raises: NoPythonError if the shell found none, FrameError if there is not just one whole answer.
    """
    found = list(islice(_marks(output, nonce), 3))
    words = [text.split(" ") for _begin, _end, text in found]
    if words == [["no-python"]]:
        raise NoPythonError
    if not found:
        raise FrameError("no answer")
    if len(found) != 2 or words[0][0] != "answer" or words[1] != ["end"]:
        raise FrameError("more than one answer" if len(found) > 2 else "an incomplete answer")
    if [word.isascii() and word.isdecimal() for word in words[0][1:]] != [True]:
        raise FrameError("an answer without a length")
    length = int(words[0][1])
    if length > ANSWER_LIMIT_BYTES:
        raise FrameError(f"an answer of {length} bytes, at most {ANSWER_LIMIT_BYTES}")
    answer = output[found[0][1] + 1 : found[1][0]]
    if "\r" in answer:  # a terminal makes two characters of each line feed
        answer = answer.replace("\r\n", "\n")
    answer = answer.removesuffix("\n")
    if len(answer) != length:
        raise FrameError(f"an answer of {len(answer)} characters; expected {length}")
    return answer


def _marks(output: str, nonce: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and words of each line that the nonce marks."""
    start = mark(nonce, "")
    begin = output.find(start)
    while begin >= 0:
        limit = begin + MARK_LIMIT_CHARACTERS
        end = output.find("\n", begin, limit)
        if end < 0:
            end = min(len(output), limit)
        if begin == 0 or output[begin - 1] == "\n":
            yield begin, end, output[begin + len(start) : end].removesuffix("\r")
        begin = output.find(start, end)


def _problem(kind: str, text: str, started: float) -> Carried:
    return Carried(problem=text, kind=kind, seconds=time.monotonic() - started)


def _tail(text: str) -> str:
    """Return the last words of a text."""
    return text[-STDERR_LIMIT_CHARACTERS:].strip()


def quoted(path: str) -> str:
    """Return a path as one word of a shell."""
    return "'" + path.replace("'", "'\\''") + "'"


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeUp after this many seconds, unless the task has a timeout of its own already."""
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def on_alarm(_signal: int, _frame: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _memory_watch() -> Iterator[None]:
    """Raise TooMuch when this process has grown by MEMORY_LIMIT_BYTES.

    Its timer counts processor time: it costs nothing while a host is waited for.
    """
    most = _own_memory() + MEMORY_LIMIT_BYTES

    def on_timer(_signal: int, _frame: Any) -> None:
        if _own_memory() > most:
            raise TooMuch

    before = signal.signal(signal.SIGPROF, on_timer)
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, WATCH_SECONDS, WATCH_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _own_memory() -> int:
    """Return the bytes of memory that are this process's own: those of files and libraries come and go."""
    used = psutil.Process().memory_info()
    return int(used.rss - getattr(used, "shared", 0))


def _end_children() -> None:
    """End ssh, sudo or whatever the connection has started; the host's watchdog sees that at once."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.terminate()
    _gone, left = psutil.wait_procs(children, timeout=2)
    for child in left:
        with contextlib.suppress(psutil.Error):
            child.kill()
