# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program on a host, over whatever connection, become and jump host Ansible has set up.

Knows nothing of what the program does: a later fan-out may carry the same payload another way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

try:
    import psutil
except ImportError:  # `observe` says then that the package `upkeep`, which brings it, is missing
    psutil = None  # type: ignore[assignment]

NO_PYTHON = "upkeep:no-python"
CANDIDATES = (
    "python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8"
    " /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python"
)
# -S -E: says in a few milliseconds if it runs at all (a shim may not) and is new enough.
TRY = "-S -E -c 'import sys; sys.exit(sys.version_info < (3, 8))'"
SCRIPT = (
    f'for p in {{candidates}}; do "$p" {TRY} </dev/null >/dev/null 2>&1 && exec "$p" -I -; done;'
    f" echo {NO_PYTHON}; exit 127"
)


@dataclass(frozen=True)
class Carried:
    """What came back. problem: why there is no output; then kind is unreachable, timed_out or failed."""

    output: str = ""
    problem: str = ""
    kind: str = ""
    seconds: float = 0.0


class TimeUp(BaseException):
    """The controller's own limit; a BaseException, so that no retry inside Ansible takes it for a failure."""


def carry(
    execute: Callable[..., dict[str, Any]],
    program: bytes,
    interpreter: str,
    timeout_seconds: float,
) -> Carried:
    """Run the program on the host's Python and return what it printed.

    execute: the action's `_low_level_execute_command`. interpreter: the one that the inventory sets, or empty.
    """
    started = time.monotonic()
    script = SCRIPT.format(candidates=_quoted(interpreter) if interpreter else CANDIDATES)
    try:
        with _alarm(timeout_seconds):
            answer = execute(script, in_data=program, executable="/bin/sh")
    except AnsibleConnectionFailure as exc:
        # What Ansible puts before ssh's own words says less than they do.
        said = _one_line(str(exc))
        return _problem(
            "unreachable", said.rpartition("can be reached over ssh: ")[2] or said, started
        )
    except AnsibleError as exc:
        return _problem("failed", _one_line(str(exc)), started)
    except BaseException as exc:
        # The task's own timeout of Ansible is a private BaseException; both mean that time is up.
        if not isinstance(exc, TimeUp) and type(exc).__name__ != "TaskTimeoutError":
            raise
        _end_children()
        seconds = time.monotonic() - started
        return _problem("timed_out", f"no answer after {seconds:.0f} s", started)
    return _read(answer, interpreter, started)


def _read(answer: dict[str, Any], interpreter: str, started: float) -> Carried:
    """Tell an answer from the ways in which there is none."""
    output, status = answer.get("stdout", ""), answer.get("rc")
    if NO_PYTHON in output:
        wanted = f"{interpreter} (from ansible_python_interpreter)" if interpreter else "Python"
        return _problem("failed", f"no usable {wanted}: 3.8 or later is needed", started)
    if "upkeep:1>>>" not in output:
        said = _one_line(answer.get("stderr", "") or output)[-300:]
        reason = f"the program ended with status {status} and no answer"
        return _problem("failed", f"{reason}: {said}" if said else reason, started)
    return Carried(output=output, seconds=time.monotonic() - started)


def _problem(kind: str, text: str, started: float) -> Carried:
    return Carried(problem=text, kind=kind, seconds=time.monotonic() - started)


def _one_line(text: str) -> str:
    """Return the text in one line."""
    return " ".join(text.split())


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeUp after so many seconds, unless the task has a timeout of its own already."""
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
