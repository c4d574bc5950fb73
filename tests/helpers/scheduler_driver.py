"""A driver of the schedule in a process of its own, to be killed. Its runs are forks of it: real, and cheap.

Arguments: site, database URL, ledger (a file to which each run adds the occurrence that it works on).
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upkeep.model import clock
from upkeep.model.answer import Observed, Outcome
from upkeep.model.occurrence import Occurrence
from upkeep.run import agent
from upkeep.serve.scheduler import Scheduler
from upkeep.site.site import Site
from upkeep.store import occurrences, open_store, runs
from upkeep.store.answers import add_hosts

PR_SET_PDEATHSIG = 1


class Forked:
    """A run in a fork."""

    def __init__(self, work: Any) -> None:
        parent = os.getpid()
        self.pid = os.fork()
        self.process = self
        self.status: int | None = None
        if self.pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            status = 70
            try:
                if os.getppid() == parent:
                    work()
                    status = 0
            finally:
                os._exit(status)

    def ended(self) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status

    def last_words(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing is held."""


def main() -> None:
    site_name, url, ledger = sys.argv[1:]
    store = open_store(url)

    def start(_site: Site, one: Occurrence, driver: str) -> Any:
        store.engine.dispose()  # a connection must not be shared with a fork
        return Forked(lambda: work(url, ledger, scheduler.key, one, driver))

    scheduler = Scheduler(site_name, store, start)
    while True:
        scheduler.step(datetime.now(UTC))
        time.sleep(0.1)


def work(url: str, ledger: str, site: str, one: Occurrence, driver: str) -> None:
    store = open_store(url)
    task = agent.Task(one.schedule, one.schedule, "astral.upkeep.observe", "none", site=site)
    with store.begin() as db:
        run_id = runs.start(db, agent.begun(task, Path("/nonexistent"), clock.now()))
        if not occurrences.begin(db, one.id, driver, run_id):
            return
    with Path(ledger).open("a") as stream:
        stream.write(f"{one.id}\n")
    time.sleep(random.random() * 0.2)
    now = datetime.now(UTC)
    with store.begin() as db:
        add_hosts(db, run_id, [Observed("web1", Outcome.OK, now, "")])
        agent.end_run(db, run_id, "done", "", now)


if __name__ == "__main__":
    main()
