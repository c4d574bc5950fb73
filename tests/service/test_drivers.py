"""Four drivers on one PostgreSQL, killed at random: every occurrence runs once, none is lost, none is left.

LONG_OCCURRENCES in the environment says of how many.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from service.postgres import Postgres
from sqlalchemy import func, select

from upkeep.store import findings, open_store, tables

DRIVER = Path(__file__).parents[1] / "helpers" / "scheduler_driver.py"
SCHEDULES = int(os.environ.get("LONG_OCCURRENCES", "400"))
DRIVERS = 4
ENDED_PER_KILL = 25


@pytest.mark.long
def test_30_and_38_each_occurrence_once_whoever_dies(postgres: Postgres, tmp_path: Path) -> None:
    """Kill a driver again and again, each time that some more has come to its end, until all has.

    By what was done, not by the clock: on a busy machine none would live long enough to begin anything.
    """
    url = postgres.fresh("upkeep_template")
    begins = datetime.now(UTC) + timedelta(seconds=20)
    procedures = {}
    for number in range(SCHEDULES):
        due = begins + timedelta(seconds=number * 25 / SCHEDULES)
        # Once, a moment of its own each.
        rule = f"FREQ=YEARLY;BYMONTH={due.month};BYMONTHDAY={due.day};BYHOUR={due.hour};BYMINUTE={due.minute};BYSECOND={due.second}"
        procedures[f"p{number:04}"] = {"title": "Once", "rule": rule, "duration": "1 h"}
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}}}\n")
    (site / "schedule.yml").write_text(json.dumps({"procedures": procedures}))
    (site / "upkeep.toml").write_text("runs_at_once = 12\n")
    ledger = tmp_path / "ledger"
    ledger.touch()
    command = [sys.executable, str(DRIVER), str(site), url, str(ledger)]
    chance = random.Random(4)
    log = (tmp_path / "log").open("wb")
    drivers = [subprocess.Popen(command, stderr=log) for _ in range(DRIVERS)]
    store = open_store(url)
    table = tables.occurrence
    kills = ended_before = 0
    try:
        ends = time.monotonic() + 2 * PATIENCE_SECONDS
        while time.monotonic() < ends:
            time.sleep(0.5 + chance.random())
            with store.read() as db:
                states = dict(
                    db.execute(select(table.c.state, func.count()).group_by(table.c.state)).all()
                )
            if (
                sum(states.values()) == SCHEDULES
                and not {"due", "claimed", "running"} & states.keys()
            ):
                break
            all_ended = states.get("done", 0) + states.get("failed", 0)
            if all_ended >= ended_before + ENDED_PER_KILL:
                ended_before = all_ended
                victim = chance.randrange(DRIVERS)
                drivers[victim].kill()
                drivers[victim].wait()
                drivers[victim] = subprocess.Popen(command, stderr=log)
                kills += 1
    finally:
        for driver in drivers:
            driver.kill()
            driver.wait()
        log.close()
    with store.read() as db:
        columns = (table.c.id, table.c.schedule, table.c.state, table.c.cause, table.c.run_id)
        ended = list(db.execute(select(*columns)))
        told = {one.subject for one in findings.open_ones(db) if one.check_id == "run_failed"}
        running = db.execute(
            select(func.count()).where(tables.run.c.status == "running")
        ).scalar_one()
    store.close()
    worked = Counter(int(line) for line in ledger.read_text().split())
    causes = Counter(f"{one.state} {one.cause}" for one in ended)
    print(f"{SCHEDULES} occurrences, {kills} kills: {dict(causes)}")

    assert len(ended) == SCHEDULES, causes  # none lost
    assert max(worked.values()) == 1  # none doubled
    assert {one.state for one in ended} <= {"done", "failed"}, causes  # none left, and none missed
    assert running == 0
    assert len({one.run_id for one in ended}) == SCHEDULES
    assert {one.id for one in ended if one.state == "done"} <= worked.keys()
    assert all("crashed" in one.cause for one in ended if one.state == "failed"), causes
    assert told == {one.schedule for one in ended if one.state == "failed"}
    assert kills >= 10
