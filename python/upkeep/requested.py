"""Takes the runs that people ask for on the page, and starts them as runs by hand: a process of the driver each."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime

from upkeep import child, settings
from upkeep.site import Site, absolute
from upkeep.store import Store, run_requests

AT_ONCE = 2
EVERY_SECONDS = 2.0
GRACE_SECONDS = 20.0
"""So long an interrupted run may take to write down its end."""


@dataclass
class _Child:
    request: run_requests.RunRequest
    run: child.Child
    taken_at: datetime
    known: bool = False


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
        for begun in list(self._children):
            self._look_after(begun)
        if len(self._children) < AT_ONCE:
            with self.store.read() as db:
                asked = run_requests.waiting(db, self.site)
            for one in asked[: AT_ONCE - len(self._children)]:
                self._take(one, now)
        return EVERY_SECONDS

    def stop(self, seconds: float) -> None:
        """Let the children end within that time; then interrupt them, which they write down."""
        until = time.monotonic() + seconds * 2 / 3
        for one in self._children:
            one.run.wait(max(until - time.monotonic(), 0.1))
        for one in self._children:
            one.run.ask()
        until = time.monotonic() + seconds / 3
        for one in self._children:
            one.run.wait(max(until - time.monotonic(), 0.1))
            one.run.close()

    def _take(self, one: run_requests.RunRequest, now: datetime) -> None:
        with self.store.begin() as db:
            if not run_requests.take(db, one.id, now):
                return
        arguments = ["run"]
        if self.inventory:
            arguments += ["-i", absolute(self.inventory)]
        if one.host_limit:
            arguments += [f"--limit={one.host_limit}"]
        arguments += ["--", one.procedure]  # it comes from a page: a name, never an option
        run = child.start_upkeep(arguments, settings.told(), grace=GRACE_SECONDS)
        self._children.append(_Child(one, run, now))

    def _look_after(self, one: _Child) -> None:
        """Find out which run it became; forget it when it has ended."""
        ended = one.run.ended() is not None
        if not one.known:
            with self.store.begin() as db:
                run_id = run_requests.run_of_driver(
                    db, socket.gethostname(), one.run.pid, one.taken_at
                )
                if run_id is not None or ended:
                    said = one.run.last_words() or "it ended at once"
                    run_requests.became(db, one.request.id, run_id, "" if run_id else said)
                    one.known = True
        if ended:
            self._children.remove(one)
            one.run.close()
