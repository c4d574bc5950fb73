# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions asked side by side, each in a forked child, so that one that hangs costs only its own answer.

A call that waits in the kernel (statvfs of a dead network mount) can be left by neither a thread nor a signal; a
child can be left behind.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError

AT_ONCE = 32
ANSWER_LIMIT_BYTES = 1_000_000
STARVED_SHARE = 0.5
"""Of its time that a call has waited for a processor: then nothing is known about what it asked."""
STARVED = "this host was too busy to ask within {:g} s"
LATE = "no answer within {:g} s"
NOT_ASKED = "not asked: what was asked there before had no answer in time"


@dataclass(frozen=True)
class Answer:
    """What one call gave: a value of JSON types, or the error that says why there is none.

    late: it was given up, and this host was not why.
    """

    value: Any = None
    error: str = ""
    late: bool = False


def never(_answer: Answer) -> bool:
    """Return that no answer speaks for the calls after it."""
    return False


@dataclass(frozen=True)
class CallBounds:
    """How calls share a host's processors, and what they ask.

    at_once: how many run at a time. grace_seconds: how much longer a call may take for itself than what it asks; it is
    not told. total_seconds: after them, no call is begun. lanes: by call; of those in one lane, one runs at a time.
    ends_lane: says of an answer that those after it in its lane would wait in vain; they are not begun.
    """

    at_once: int = AT_ONCE
    grace_seconds: float = 0.0
    total_seconds: float = math.inf
    lanes: Mapping[str, str] = field(default_factory=dict)
    ends_lane: Callable[[Answer], bool] = never


def side_by_side(
    calls: dict[str, Callable[[], Any]], timeout_seconds: float, bounds: CallBounds = CallBounds()
) -> dict[str, Answer]:
    """Return each call's answer by name; a call still at work after timeout_seconds is killed or left behind.

    The time counts from a call's start.
    """
    waiting = list(calls)
    answers: dict[str, Answer] = {}
    running: dict[int, _Child] = {}
    ends = time.monotonic() + bounds.total_seconds
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            if time.monotonic() >= ends:
                late = Answer(error="not asked: those before it took all the time")
                answers.update(dict.fromkeys(waiting, late))
                waiting.clear()
            for name in _next(waiting, [one.name for one in running.values()], bounds):
                waiting.remove(name)
                child = _start(name, calls[name], timeout_seconds + bounds.grace_seconds)
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            if not running:
                break
            first_end = min(child.ends for child in running.values())
            for key, _events in selector.select(max(0.0, first_end - time.monotonic())):
                child = running[key.fd]
                chunk = os.read(child.pipe, 65536)
                child.taken += chunk
                if not chunk or len(child.taken) > ANSWER_LIMIT_BYTES:
                    answers[child.name] = _answer(child)
                    answers.update(_given_up(waiting, child.name, answers[child.name], bounds))
                    selector.unregister(child.pipe)
                    del running[child.pipe]
                    _leave(child)
            for child in [one for one in running.values() if time.monotonic() >= one.ends]:
                answers[child.name] = _late(child, timeout_seconds)
                answers.update(_given_up(waiting, child.name, answers[child.name], bounds))
                selector.unregister(child.pipe)
                del running[child.pipe]
                _leave(child)
    return {name: answers[name] for name in calls}


def _next(waiting: list[str], running: list[str], bounds: CallBounds) -> list[str]:
    """Return which calls are to be begun now."""
    taken = {bounds.lanes[name] for name in running if name in bounds.lanes}
    chosen: list[str] = []
    for name in waiting:
        if len(running) + len(chosen) >= bounds.at_once:
            break
        lane = bounds.lanes.get(name)
        if lane is None or lane not in taken:
            chosen.append(name)
            if lane is not None:
                taken.add(lane)
    return chosen


def _given_up(
    waiting: list[str], name: str, answer: Answer, bounds: CallBounds
) -> dict[str, Answer]:
    """Return the answers of those calls that are not begun any more, and take them from those that wait."""
    lane = bounds.lanes.get(name)
    if lane is None or not bounds.ends_lane(answer):
        return {}
    dropped = [one for one in waiting if bounds.lanes.get(one) == lane]
    waiting[:] = [one for one in waiting if one not in dropped]
    return dict.fromkeys(dropped, Answer(error=NOT_ASKED))


def waited_seconds(process: str | int = "self") -> float:
    """Return for how long a process that could run has waited for a processor; 0 where the kernel does not tell it.

    Source: Linux, Documentation/scheduler/sched-stats.rst.
    """
    try:
        with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
            return int(file.read(200).split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass
class _Child:
    name: str
    process: int
    pipe: int
    began: float
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
    began = time.monotonic()
    return _Child(name, process, reader, began, began + timeout_seconds)


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


def _late(child: _Child, timeout_seconds: float) -> Answer:
    """Return why a call has no answer on time: what it asked, or this host."""
    took = time.monotonic() - child.began
    starved = waited_seconds(child.process) > STARVED_SHARE * took
    return Answer(error=(STARVED if starved else LATE).format(timeout_seconds), late=not starved)


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
