"""Takes the runs that people ask for on the page, and starts them as runs by hand: a process of the driver each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from upkeep.rules.incidents import ACTS
from upkeep.site import settings
from upkeep.site.site import Site, absolute
from upkeep.store import Store, run_requests
from upkeep.system import child

AT_ONCE = 2
EVERY_SECONDS = 2.0
GRACE_SECONDS = 20.0
"""So long an interrupted run may take to write down its end."""


@dataclass
class _AskedRun:
    request: run_requests.RunRequest
    run: child.Child


class Requested:
    """The worker. A child that is begun is never waited for."""

    name = "requests"

    def __init__(self, inventory: str, site: Site, store: Store) -> None:
        self.inventory = inventory
        self.site = site.key
        self.store = store
        self._children: list[_AskedRun] = []

    def step(self, now: datetime) -> float:
        """Collect the children that have ended; start what was requested while there is room."""
        for begun in list(self._children):
            self._look_after(begun)
        if len(self._children) < AT_ONCE:
            with self.store.read() as db:
                asked = run_requests.waiting(db, self.site)
            for one in asked[: AT_ONCE - len(self._children)]:
                self._take(one, now)
        return EVERY_SECONDS

    def stop(self, seconds: float) -> None:
        """Wait for the children for this many seconds; then interrupt them, which they record."""
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
        run = child.start_upkeep(self._arguments(one), settings.told(), grace=GRACE_SECONDS)
        self._children.append(_AskedRun(one, run))

    def _arguments(self, one: run_requests.RunRequest) -> list[str]:
        """Return the command that does it. What comes from a page is a name, never an option."""
        site = ["-i", absolute(self.inventory)] if self.inventory else []
        if one.incident_id is not None:
            asked = [f"--hosts={one.host_limit}", f"--request={one.id}"]
            return ["incident", ACTS[one.procedure], *site, *asked, "--", str(one.incident_id)]
        limit = [f"--limit={one.host_limit}"] if one.host_limit else []
        return ["run", *site, *limit, f"--request={one.id}", "--", one.procedure]

    def _look_after(self, one: _AskedRun) -> None:
        """When it has ended, say why it became no run, if it did not: a run says itself that it was asked for."""
        if one.run.ended() is None:
            return
        with self.store.begin() as db:
            found = run_requests.get(db, one.request.id)
            if found and found.run_id is None:
                said = one.run.last_words() or "it ended at once"
                run_requests.became(db, found.id, None, said)
        self._children.remove(one)
        one.run.close()
