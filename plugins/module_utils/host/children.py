# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions asked side by side, each in a forked child, so that one that hangs costs only its own answer.

A call that waits in the kernel (statvfs of a dead network mount) can be left by neither a thread nor a signal; a
child can be left behind.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError

AT_ONCE = 32
ANSWER_LIMIT_BYTES = 1_000_000


@dataclass(frozen=True)
class Answer:
    """What one call gave: a value of JSON types, or the error that says why there is none."""

    value: Any = None
    error: str = ""


def side_by_side(calls: dict[str, Callable[[], Any]], timeout_seconds: float) -> dict[str, Answer]:
    """Return each call's answer by name; a call still at work after timeout_seconds is killed or left behind.

    The time counts from a call's start; at most AT_ONCE run at a time.
    """
    waiting = list(calls)
    answers: dict[str, Answer] = {}
    running: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                child = _start(waiting[0], calls[waiting.pop(0)], timeout_seconds)
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            first_end = min(child.ends for child in running.values())
            for key, _events in selector.select(max(0.0, first_end - time.monotonic())):
                child = running[key.fd]
                chunk = os.read(child.pipe, 65536)
                child.taken += chunk
                if not chunk or len(child.taken) > ANSWER_LIMIT_BYTES:
                    answers[child.name] = _answer(child)
                    selector.unregister(child.pipe)
                    del running[child.pipe]
                    _leave(child)
            for child in [one for one in running.values() if time.monotonic() >= one.ends]:
                answers[child.name] = Answer(error=f"no answer within {timeout_seconds:g} s")
                selector.unregister(child.pipe)
                del running[child.pipe]
                _leave(child)
    return {name: answers[name] for name in calls}


@dataclass
class _Child:
    name: str
    process: int
    pipe: int
    ends: float
    taken: bytes = b""


def _start(name: str, call: Callable[[], Any], timeout_seconds: float) -> _Child:
    """Fork a child that writes its answer into a pipe."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            _work(call, writer)
        finally:
            os._exit(0)
    os.close(writer)
    return _Child(name, process, reader, time.monotonic() + timeout_seconds)


def _work(call: Callable[[], Any], writer: int) -> None:
    """Answer and end; keep nothing open that somebody might wait on (ssh waits for the end of standard output)."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    answer = os.dup2(writer, 3, inheritable=False)
    os.closerange(4, 4096)
    try:
        text = json.dumps([call(), ""])
    except HostError as exc:
        text = json.dumps([None, str(exc)])
    except Exception as exc:
        text = json.dumps([None, f"{type(exc).__name__}: {exc}"])
    data = text.encode("ascii")
    while data:
        data = data[os.write(answer, data) :]


def _answer(child: _Child) -> Answer:
    """Read what the child wrote."""
    try:
        value, error = json.loads(child.taken)
    except (ValueError, RecursionError):
        return Answer(error=f"ended after {len(child.taken)} bytes of its answer")
    return Answer(value, error)


def _leave(child: _Child) -> None:
    """Kill the child without waiting for one that cannot be killed; init takes that one over."""
    os.close(child.pipe)
    try:
        os.kill(child.process, signal.SIGKILL)
        for _attempt in range(50):
            if os.waitpid(child.process, os.WNOHANG)[0]:
                return
            time.sleep(0.002)
    except OSError:
        return
