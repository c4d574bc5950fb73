"""Takes the runs that people ask for on the page, and starts them as runs by hand: a process of the driver each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime

from upkeep.site import Site
from upkeep.store import Store, run_requests

AT_ONCE = 2
EVERY_SECONDS = 2.0
ERROR_BYTES = 4_000


@dataclass
class _Child:
    request: run_requests.RunRequest
    process: subprocess.Popen[bytes]
    taken_at: datetime
    known: bool = False
    said: bytes = b""


class Requested:
    """The worker. A child that is begun is never waited for."""

    name = "requests"

    def __init__(self, inventory: str, site: Site, store: Store) -> None:
        self.inventory = inventory
        self.site = site.key
        self.store = store
        self._children: list[_Child] = []

    def step(self, now: datetime) -> float:
        """Look after the children; take what is asked for while there is room."""
        for child in list(self._children):
            self._look_after(child)
        if len(self._children) < AT_ONCE:
            with self.store.read() as db:
                asked = run_requests.waiting(db, self.site)
            for one in asked[: AT_ONCE - len(self._children)]:
                self._take(one, now)
        return EVERY_SECONDS

    def stop(self, seconds: float) -> None:
        """Let the children end within that time; then interrupt them, which they write down."""
        until = time.monotonic() + seconds * 2 / 3
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(until - time.monotonic(), 0.1))
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(seconds / 3)

    def _take(self, one: run_requests.RunRequest, now: datetime) -> None:
        with self.store.begin() as db:
            if not run_requests.take(db, one.id, now):
                return
        command = [sys.executable, "-m", "upkeep.cli", "run"]
        if self.inventory:
            command += ["-i", self.inventory]
        if one.host_limit:
            command += [f"--limit={one.host_limit}"]
        command += ["--", one.procedure]  # it comes from a page: a name, never an option
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
            start_new_session=True,  # Ctrl-C on our terminal is ours to pass on
        )
        assert process.stderr is not None
        os.set_blocking(process.stderr.fileno(), False)
        self._children.append(_Child(one, process, now))

    def _look_after(self, child: _Child) -> None:
        """Find out which run it became; forget it when it has ended."""
        ended = child.process.poll() is not None
        said = self._said(child)
        if not child.known:
            with self.store.begin() as db:
                run_id = run_requests.run_of_driver(
                    db, socket.gethostname(), child.process.pid, child.taken_at
                )
                if run_id is not None or ended:
                    run_requests.became(db, child.request.id, run_id, "" if run_id else said)
                    child.known = True
        if ended:
            self._children.remove(child)
            if child.process.stderr:
                child.process.stderr.close()

    def _said(self, child: _Child) -> str:
        """Return the end of what it said on standard error, which is emptied so that it never waits for a reader."""
        with contextlib.suppress(BlockingIOError):
            while child.process.stderr and (part := child.process.stderr.read(65_536)):
                child.said = (child.said + part)[-ERROR_BYTES:]
        return child.said.decode("utf-8", "replace").strip() or "it ended at once"
