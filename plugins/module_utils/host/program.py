# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that `observe` sends to a host: runs the gathers side by side and prints one answer.

The answer is a frame: a line with the call's nonce, a head and one part per request, each a line of ASCII JSON, and
a line with the nonce again. What a gather has read cannot hold the nonce, so that nothing in it passes for a frame.

Each gather is a forked process in a session of its own, without standard input, output or error (a child that
held standard output would keep ssh open). The program prints and exits without waiting for what cannot be
killed. It ends, and ends its gathers, when its deadline has come or when nobody listens any more.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import platform
import resource
import select
import signal
import time
from typing import Any, NoReturn

from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import isolated
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Whole,
    readable,
    to_wire,
)

AT_ONCE = 8
POLL_SECONDS = 0.5
ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
MEMORY_LIMIT_BYTES = 1 << 30


class Gathering:
    """One gather at work. answer: what it wrote so far."""

    def __init__(self, index: int, request: dict[str, Any]) -> None:
        self.index = index
        self.request = request
        self.started = time.monotonic()
        self.answer = bytearray()
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            _be_gather(request, writer)
        os.close(writer)
        self.reader = reader

    def overdue(self) -> bool:
        """Return whether its own time is up."""
        return time.monotonic() - self.started > float(self.request["timeout_seconds"])

    def end(self, error: str = "") -> bytes:
        """Kill what is left of it and return its part of the answer, in one line."""
        os.close(self.reader)
        _kill_session(self.pid)
        status = _reap(self.pid)
        if not error and self.answer.endswith(b"\n"):
            return bytes(self.answer[:-1])
        return _refusal(error or f"ended without an answer ({_how(status)})")


def mark(nonce: str, words: str) -> str:
    """Return a line that only who knows the nonce can write."""
    return f"upkeep {nonce} {words}"


def framed(nonce: str, lines: list[bytes]) -> bytes:
    """Return the lines as one answer: between two marks, of which the first tells the length.

    It begins with the end of a line, for a login shell may have printed half a line before it.
    """
    body = b"\n".join(lines)
    begin, end = mark(nonce, f"answer {len(body)}"), mark(nonce, "end")
    return f"\n{begin}\n".encode("ascii") + body + f"\n{end}\n".encode("ascii")


def main(plan: dict[str, Any]) -> NoReturn:
    """Run the plan's requests, print the answer and exit.

    plan: nonce; shared: what more than one gather imports; deadline_seconds; limit_bytes of the whole; requests:
    gather, params, timeout_seconds, limit_bytes of each.
    """
    started = time.monotonic()
    ends = started + plan["deadline_seconds"]
    _be_modest()
    _load(plan["shared"])
    parent = os.getppid()
    waiting = list(enumerate(plan["requests"]))
    running: dict[int, Gathering] = {}
    for number in ASKED_TO_END:
        signal.signal(number, lambda _number, _frame: _abandon(running))
    parts: dict[int, bytes] = {}
    poll = select.poll()
    poll.register(1, 0)  # POLLERR alone: comes as soon as the reader of standard output is gone
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            gathering = Gathering(*waiting.pop(0))
            running[gathering.reader] = gathering
            poll.register(gathering.reader, select.POLLIN)
        for descriptor, event in poll.poll(POLL_SECONDS * 1000):
            if descriptor == 1:
                _abandon(running)
            gathering = running[descriptor]
            chunk = os.read(descriptor, 1 << 16) if event & select.POLLIN else b""
            gathering.answer += chunk
            if not chunk or len(gathering.answer) > gathering.request["limit_bytes"] + 4096:
                _finish(
                    gathering,
                    "" if not chunk else "printed more than the limit",
                    running,
                    poll,
                    parts,
                )
        if os.getppid() != parent:
            _abandon(running)
        if time.monotonic() > ends:
            for gathering in list(running.values()):
                error = f"not finished within the host's {plan['deadline_seconds']:g} s"
                _finish(gathering, error, running, poll, parts)
            for index, _request in waiting:
                parts[index] = _refusal("no time was left to start it")
            break
        for gathering in [one for one in running.values() if one.overdue()]:
            error = f"not finished after {gathering.request['timeout_seconds']:g} s"
            _finish(gathering, error, running, poll, parts)
    head = {
        "python": platform.python_version(),
        "clock": time.time(),
        "uid": os.geteuid(),
        "isolated": isolated(Host()),
    }
    lines = _together([parts[index] for index in sorted(parts)], plan["limit_bytes"])
    _print(framed(plan["nonce"], [json.dumps(head).encode("ascii"), *lines]))
    os._exit(0)


def _together(parts: list[bytes], limit_bytes: int) -> list[bytes]:
    """Return the parts within the limit of the whole answer: the largest give way first, and say so."""
    parts = list(parts)
    said = sum(map(len, parts))
    for _each in parts:
        if sum(map(len, parts)) <= limit_bytes:
            break
        largest = max(range(len(parts)), key=lambda index: len(parts[index]))
        error = f"{len(parts[largest])} of {said} bytes of a host's answer, at most {limit_bytes}"
        parts[largest] = _refusal(error)
    return parts


def _refusal(error: str) -> bytes:
    """Return a part that says why there is none."""
    return json.dumps({"observations": [], "error": error}).encode("ascii")


def _finish(
    gathering: Gathering,
    error: str,
    running: dict[int, Gathering],
    poll: Any,
    parts: dict[int, bytes],
) -> None:
    """Take the gathering out of the running ones and keep its part."""
    poll.unregister(gathering.reader)
    del running[gathering.reader]
    parts[gathering.index] = gathering.end(error)


def _be_gather(request: dict[str, Any], writer: int) -> NoReturn:
    """Gather, write the observations to the pipe and exit; never returns."""
    try:
        os.setsid()
        for number in ASKED_TO_END:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.closerange(3, writer)
        os.closerange(writer + 1, 256)
        # If the program itself is killed, the kernel still ends this gather.
        signal.alarm(int(request["timeout_seconds"]) + 2)
        part: dict[str, Any] = {"observations": [], "error": ""}
        try:
            module = importlib.import_module(request["module"])
            seen = module.gather(request["params"], Host())
            part["observations"] = [to_wire(observation) for observation in seen]
            if isinstance(seen, Whole):
                part["whole"] = list(seen.of)
        except MemoryError:
            part["error"] = f"needs more than {MEMORY_LIMIT_BYTES >> 20} MiB of memory"
        except Exception as exc:  # whatever a gather raises costs its own observations only
            part["error"] = readable(_reason(exc))
        # The end of the line says that all of it is there.
        _write(writer, _bounded(part, request["limit_bytes"]) + b"\n")
    finally:
        os._exit(0)


def _bounded(part: dict[str, Any], limit_bytes: int) -> bytes:
    """Return the part as ASCII JSON within the limit: raw texts are cut first, and say so."""
    try:
        text = json.dumps(part, allow_nan=False)
        if len(text) > limit_bytes:
            share = limit_bytes // (4 * max(1, len(part["observations"])))
            for wire in part["observations"]:
                for key in ("raw", "raw_base64"):
                    if len(wire.get(key, "")) > share:
                        wire[key] = wire[key][: share // 4 * 4]
                        wire["data"]["raw_truncated"] = True
            text = json.dumps(part, allow_nan=False)
        if len(text) > limit_bytes:
            return _refusal(f"{len(text)} bytes of observations, at most {limit_bytes}")
    except (TypeError, ValueError, RecursionError) as exc:
        return _refusal(readable(_reason(exc)))
    return text.encode("ascii")


def _reason(exc: Exception) -> str:
    """Return what went wrong: the text alone where it is meant for readers, else with the type."""
    text = str(exc)[:500]
    if type(exc).__name__ == "HostError":
        return text
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _be_modest() -> None:
    """Tell the kernel to end this program before a service when memory is short, and to leave no core files."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, MEMORY_LIMIT_BYTES)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def _load(names: list[str]) -> None:
    """Import what each gather would import anew; what cannot be imported is told by the gather that needs it."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()  # to look through it for garbage would copy it into each gather


def _abandon(running: dict[int, Gathering]) -> NoReturn:
    """End every gather and exit: nobody listens any more."""
    for gathering in running.values():
        _kill_session(gathering.pid)
    os._exit(1)


def _kill_session(session: int) -> None:
    """Kill every process of the session: the gather, and commands in process groups of their own."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != session:
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    fields = stream.read().rpartition(b")")[2].split()
                if int(fields[3]) == session:
                    os.kill(int(name), signal.SIGKILL)
            except (OSError, ValueError, IndexError):
                continue
    with contextlib.suppress(OSError):
        os.kill(session, signal.SIGKILL)


def _reap(pid: int) -> int | None:
    """Return the wait status if the process has gone; what is stuck in the kernel is left to init."""
    for _attempt in range(20):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    return None


def _how(status: int | None) -> str:
    """Return how a process ended, in words."""
    if status is None:
        return "cannot be killed"
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _write(descriptor: int, data: bytes) -> None:
    """Write it all."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _print(data: bytes) -> None:
    """Write the answer to standard output, or exit if nobody listens or reads."""
    signal.alarm(30)
    try:
        _write(1, data)
    except OSError:
        os._exit(1)
