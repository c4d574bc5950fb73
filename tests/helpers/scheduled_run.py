"""What stands for `upkeep run` in tests of the scheduler: a real process that ties its run to the occurrence and ends it.

Arguments: database URL, site, procedure, id:driver, seconds, what the time is at its end (empty for the real
one), and for each host its outcome, such as web1=ok.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from upkeep.model import clock
from upkeep.model.answer import Observed, Outcome
from upkeep.run import agent
from upkeep.store import Store, occurrences, open_store, runs
from upkeep.store.answers import add_hosts


def main() -> None:
    """Begin, work, end."""
    url, *what = sys.argv[1:]
    work(open_store(url), *what)


def work(
    store: Store,
    site: str,
    procedure: str,
    claimed: str,
    seconds: str,
    time_of_day: str,
    *hosts: str,
) -> None:
    """Do what a run does to the store."""
    number, _colon, driver = claimed.partition(":")
    task = agent.Task(procedure, procedure, "astral.upkeep.observe", "none", site=site)
    with store.begin() as db:
        run_id = runs.start(db, agent.begun(task, Path("/nonexistent"), clock.now()))
        if not occurrences.begin(db, int(number), driver, run_id):
            raise SystemExit("not claimed")
    time.sleep(float(seconds))
    now = datetime.fromisoformat(time_of_day) if time_of_day else datetime.now(UTC)
    given = [
        Observed(host, Outcome(how), now, "") for host, how in (one.split("=") for one in hosts)
    ]
    with store.begin() as db:
        add_hosts(db, run_id, given)
        agent.end_run(db, run_id, "done", "", now)


if __name__ == "__main__":
    main()
