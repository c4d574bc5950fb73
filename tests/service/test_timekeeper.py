"""A clock that steps, as the scheduler and the store see it; both clocks are turned by the tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from service.conftest import on_postgresql
from service.test_scheduler import Driven, write
from sqlalchemy import insert, select, text, update

from upkeep.model import clock, occurrence
from upkeep.model.clock import Sample, Witness
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.services import timekeeper
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.site import key_of
from upkeep.store import (
    Store,
    acts,
    clocks,
    findings,
    occurrences,
    outbox,
    own_troubles,
    sessions,
    tables,
    users,
)
from upkeep.store.engine import retention
from upkeep.store.outbox import Posting

BEGIN = "2030-06-10T02:00:30"
EACH_MINUTE = {
    "often": {"title": "Often", "rule": "FREQ=MINUTELY", "duration": "1 min", "missed": "skip"}
}
EACH_YEAR = {"seldom": {"title": "Seldom", "rule": "FREQ=YEARLY", "duration": "1 min"}}
HOUR = timedelta(hours=1)


class Turned:
    """A machine whose time of day is wrong by `off`, with a driver on it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.true = datetime.fromisoformat(BEGIN).replace(tzinfo=UTC)
        self.off = timedelta()
        self.up, self.boot = 5000.0, "a"
        patch.setattr(clock, "now", lambda: self.true + self.off)
        patch.setattr(clock, "boottime", lambda: self.up)
        patch.setattr(timekeeper, "synchronized", lambda _sample: self.synchronized)
        self.synchronized: list[Witness] = []

    def drive(
        self, folder: Path, store: Store, url: str, procedures: dict[str, Any] = EACH_MINUTE
    ) -> None:
        self.store = store
        write(folder, procedures)
        self.keeper = Timekeeper(store, key_of(str(folder)))
        self.keeper.boot_id = self.boot
        self.driven = Driven(folder, store, url, f"{self.keeper.now():%Y-%m-%dT%H:%M:%S}")
        self.scheduler = self.driven.scheduler

    def step(self) -> None:
        """Let the driver do what the clock lets it, and wait for its runs."""
        self.driven.now = self.keeper.now()
        self.scheduler.step(self.driven.now)
        ends = time.monotonic() + 60
        while self.scheduler.children and time.monotonic() < ends:
            time.sleep(0.05)
            self.scheduler.step(self.driven.now)

    def go(self, seconds: float, each: float = 10) -> None:
        """Let time go on."""
        while seconds > 0:
            self.true += timedelta(seconds=min(each, seconds))
            self.up += min(each, seconds)
            seconds -= each
            self.step()

    def reboot(self, away: float) -> None:
        """Let the machine boot again, and its driver begin anew."""
        self.true, self.up = self.true + timedelta(seconds=away), 20.0
        self.scheduler.stop(0)
        self.boot += "'"
        self.drive(self.driven.folder, self.store, self.driven.url)

    def rows(self) -> list[tuple[str, str, str]]:
        """Kind, due time and state, oldest first."""
        table = tables.occurrence
        with self.store.read() as db:
            found = db.execute(select(table).order_by(table.c.due_at, table.c.id)).all()
        return [(one.kind, f"{one.due_at:%Y-%m-%d %H:%M}", one.state) for one in found]

    def states(self) -> dict[str, str]:
        """State by the minute that it was due, without catch-ups."""
        return {due[-5:]: state for kind, due, state in self.rows() if kind == "due"}

    def told(self) -> list[tuple[str, str]]:
        with self.store.read() as db:
            found = findings.open_ones(db)
        return [
            (one.check_id, one.severity.value) for one in found if one.host == own_troubles.HOST
        ]


@pytest.fixture
def machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store, url: str
) -> Iterator[Turned]:
    made = Turned(monkeypatch)
    made.drive(tmp_path / "site", store, url)
    yield made
    made.scheduler.stop(0)


@on_postgresql
def test_an_hour_ahead_for_70_seconds_makes_nothing_missed(machine: Turned) -> None:
    machine.go(60)
    machine.off = HOUR
    machine.go(70)
    assert machine.told() == [("clock_step", "medium")]
    machine.off = timedelta()
    machine.go(180)

    dues = ["02:01", "02:02", "02:03", "02:04", "02:05"]
    assert machine.states() == dict.fromkeys(dues, "done")
    assert machine.told() == []


@on_postgresql
def test_what_waits_is_begun_while_time_stands_still(machine: Turned) -> None:
    machine.true += timedelta(seconds=30)
    machine.up += 30
    with machine.store.begin() as db:
        one = occurrence.NewOccurrence(
            machine.scheduler.key, "often", machine.true, machine.true, machine.true + HOUR, None
        )
        occurrences.make(db, [one])
    machine.keeper.look()
    machine.off = HOUR

    machine.go(10)

    assert machine.states() == {"02:01": "done"}
    assert machine.keeper.look().held


@pytest.mark.parametrize(
    ("off", "url"),
    [(HOUR, "postgresql"), (timedelta(days=26_000), "sqlite")],
    ids=["an hour", "2098"],
    indirect=["url"],
)
def test_believed_and_then_undone_what_was_missed_waits_again(
    machine: Turned, off: timedelta
) -> None:
    machine.go(60)
    machine.off = off
    machine.go(320)  # five minutes later it is believed
    wrongly = [one for one in machine.rows() if one[2] == "missed"]
    assert len(wrongly) >= 59
    numbers = ids(machine)
    machine.off = timedelta()
    machine.step()

    early = [one for one in machine.rows() if one[1] > f"{machine.true:%Y-%m-%d %H:%M}"]
    assert {state for _kind, _due, state in early} <= {"due", "done"}
    assert ids(machine) == numbers  # the same rows
    machine.go(180)
    run = [due[-5:] for _kind, due, state in machine.rows() if state == "done"]
    assert run[:4] == ["02:01", "02:07", "02:08", "02:09"]
    assert [one[1] for one in machine.rows()] == sorted({one[1] for one in machine.rows()})


def ids(machine: Turned) -> list[int]:
    with machine.store.read() as db:
        return sorted(db.execute(select(tables.occurrence.c.id)).scalars())


@on_postgresql
def test_an_hour_ahead_for_good_follows_the_policy_for_what_was_missed(machine: Turned) -> None:
    machine.go(60)
    machine.off = HOUR
    machine.go(320)

    states = machine.states()
    assert [states[one] for one in ("02:01", "02:02", "03:05", "03:06")] == [
        "done", "missed", "missed", "done",
    ]  # fmt: skip
    assert machine.told() == []  # the next one was done


@on_postgresql
def test_an_hour_back_runs_nothing_twice_and_waits_for_nothing(machine: Turned) -> None:
    machine.go(120)
    machine.off = -HOUR
    machine.go(130)

    assert machine.told() == [("clock_step", "medium")]
    assert list(machine.states()) == ["01:03", "01:04", "02:01", "02:02"]
    machine.off = timedelta()
    machine.go(60)

    assert machine.told() == []
    assert list(machine.states()) == ["01:03", "01:04", "02:01", "02:02", "02:03", "02:04", "02:05"]
    table = tables.occurrence
    with machine.store.read() as db:
        found = list(db.execute(select(table.c.run_id)).scalars())
    runs = [one for one in found if one is not None]
    assert len(runs) == len(set(runs))


@on_postgresql
def test_boot_at_1970_then_today_is_only_the_gap_that_was(machine: Turned) -> None:
    machine.go(60)
    machine.off = datetime(1970, 1, 1, 0, 5, tzinfo=UTC) - machine.true
    machine.reboot(120)
    machine.go(60)
    assert machine.told() == [("clock_step", "high")]
    assert list(machine.states()) == ["02:01"]
    machine.off, machine.synchronized = timedelta(), [Witness("synchronized", 0.0)]
    machine.go(10)

    assert list(machine.states()) == ["02:01", "02:02", "02:03", "02:04"]
    assert [one for one, _level in machine.told() if one == "clock_step"] == []


@on_postgresql
def test_1970_without_a_boot_is_not_56_years_of_misses(machine: Turned) -> None:
    machine.go(60)
    machine.off = datetime(1970, 1, 1, 0, 5, tzinfo=UTC) - machine.true
    machine.go(120)
    machine.off = timedelta()
    machine.go(10)

    dues = [due for _kind, due, _state in machine.rows()]
    assert dues[-3:] == ["2030-06-10 02:01", "2030-06-10 02:02", "2030-06-10 02:03"]
    assert len(dues) <= 6


@on_postgresql
def test_a_restart_under_a_wrong_clock_is_seen(machine: Turned) -> None:
    machine.go(60)
    machine.scheduler.stop(0)
    machine.off = HOUR
    machine.drive(machine.driven.folder, machine.store, machine.driven.url)
    machine.go(60)

    assert machine.keeper.look().held
    assert list(machine.states()) == ["02:01"]


@on_postgresql
def test_a_person_ends_it(machine: Turned) -> None:
    machine.go(60)
    machine.off = timedelta(days=26_000)
    machine.go(20)
    other = Timekeeper(machine.store, machine.scheduler.key)  # of the command
    other.boot_id = machine.boot

    assert other.accept() == pytest.approx(26_000 * 86400)

    trust = machine.keeper.look()
    machine.true += timedelta(seconds=2)
    machine.up += 2
    trust = machine.keeper.look()
    assert (trust.held, trust.prune_at) == (False, machine.true + machine.off)
    assert machine.told() == []


@on_postgresql
def test_a_large_step_that_nothing_confirms_keeps_retention_waiting(machine: Turned) -> None:
    machine.scheduler.stop(0)
    machine.drive(machine.driven.folder, machine.store, machine.driven.url, EACH_YEAR)
    machine.off = timedelta(days=26_000)
    machine.go(400, each=40)

    assert ("retention_waits", "low") in machine.told()
    trust = machine.keeper.look()
    assert trust.prune_at is not None
    assert trust.prune_at < machine.true + timedelta(minutes=1)
    machine.synchronized = [Witness("synchronized", 0.0)]
    machine.go(10)

    assert "retention_waits" not in dict(machine.told())


@on_postgresql
def test_what_was_done_under_a_wrong_clock_is_marked(machine: Turned) -> None:
    machine.go(20)
    record(machine, "before")
    machine.off = timedelta(days=26_000)
    machine.keeper.look()
    record(machine, "at 2098")
    machine.go(20)
    machine.off = timedelta()
    machine.go(10)
    record(machine, "after")

    with machine.store.read() as db:
        wrong = clocks.wrong_times(db)
        found = {
            one.what: any(each.covers("act", one.id, one.at) for each in wrong)
            for one in acts.recent(db, 9)
        }
    assert found == {"before": False, "at 2098": True, "after": False}
    assert [one.seconds for one in wrong] == [pytest.approx(26_000 * 86400)]


def record(machine: Turned, what: str) -> None:
    with machine.store.begin() as db:
        acts.record(db, acts.Act(clock.now(), "ann", what))


# --- two machines ----------------------------------------------------------------------------------------------------
class Second:
    """Another machine that writes in the same store; its time of day is wrong by off."""

    def __init__(self, machine: Turned, patch: pytest.MonkeyPatch, off: timedelta) -> None:
        self.machine = machine
        self.keeper = Timekeeper(machine.store, machine.scheduler.key)
        self.keeper.host, self.keeper.boot_id = "second", "of the second"
        self.off = off
        self.began = machine.up
        patch.setattr(self.keeper, "sample", self.sample)

    def sample(self) -> Sample:
        wall = self.machine.true + self.off
        return Sample(wall.timestamp(), self.machine.up - self.began + 50, self.keeper.boot_id)


def between_them(machine: Turned, other: Second, seconds: float, each: float = 10) -> None:
    """Let time go on, on both, and on the clock of the server."""
    for _ in range(round(seconds / each)):
        machine.true += timedelta(seconds=each)
        machine.up += each
        for one in (machine.keeper, other.keeper):
            one.look()
            with machine.store.begin() as db:  # no time passes on the server: each has just written
                db.execute(update(tables.machine_clock).values(seen_at=text("CURRENT_TIMESTAMP")))


@on_postgresql  # SQLite is of one machine
@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_the_one_of_two_drivers_that_is_wrong_decides_nothing(
    machine: Turned, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    other = Second(machine, monkeypatch, timedelta())
    between_them(machine, other, 30)
    assert not other.keeper.look().held
    other.off = abs(off)

    between_them(machine, other, 3600, each=60)

    assert other.keeper.look().held  # the other one knows better, for as long as it takes
    assert not machine.keeper.look().held
    new = Second(machine, monkeypatch, off)
    new.keeper.host = "third"
    between_them(machine, new, 600, each=60)
    assert new.keeper.look().held  # though it is the first that is known of it
    new.off = timedelta()
    between_them(machine, new, 20)
    assert not new.keeper.look().held


@on_postgresql  # SQLite is of one machine
def test_two_that_agree_end_it_at_once(machine: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Second(machine, monkeypatch, timedelta())
    between_them(machine, other, 30)
    machine.off = other.off = HOUR  # as where both were stopped, and set by the network
    other.keeper.accept()

    between_them(machine, other, 20)

    assert not machine.keeper.look().held


@on_postgresql
@pytest.mark.parametrize(
    ("server", "said"),
    [
        ((3600.0, 3600.0), True),
        ((0.0, 3600.0), False),
        ((None, 3600.0), True),
        ((0.0, 0.0), False),
        ((None, None), False),
    ],
    ids=["it was right all the time", "it has stepped too", "seen for the first time", "it stays", "on this machine"],
)  # fmt: skip
def test_a_server_on_another_machine_knows_the_time(
    machine: Turned,
    monkeypatch: pytest.MonkeyPatch,
    server: tuple[float | None, float | None],
    said: bool,
) -> None:
    began = machine.true.timestamp() - machine.up
    lines = [None if one is None else one + began for one in server]
    monkeypatch.setattr(clocks, "server_line", lambda _db, _sample: lines[0])
    machine.keeper = replace_keeper(machine)
    machine.off = HOUR
    monkeypatch.setattr(clocks, "server_line", lambda _db, _sample: lines[1])

    assert machine.keeper.look().held != said


def replace_keeper(machine: Turned) -> Timekeeper:
    """Forget what was known of the machine, and look at it anew."""
    with machine.store.begin() as db:
        db.execute(tables.machine_clock.delete())
    made = Timekeeper(machine.store, machine.scheduler.key)
    made.boot_id = machine.boot
    made.look()
    return made


def test_a_machine_that_is_gone_is_forgotten_as_runs_are(machine: Turned) -> None:
    def known() -> list[str]:
        with machine.store.read() as db:
            return list(db.execute(select(tables.machine_clock.c.host)).scalars())

    with machine.store.begin() as db:
        row = dict(db.execute(select(tables.machine_clock)).one()._mapping)
        gone = {"host": "container-1", "seen_at": row["seen_at"] - timedelta(days=500)}
        db.execute(insert(tables.machine_clock).values({**row, **gone}))
    machine.go(60)
    assert "container-1" in known()

    retention.prune(machine.store, retention.Policy(), machine.true)

    assert known() == [machine.keeper.host]


def test_a_socket_is_no_other_machine(machine: Turned) -> None:
    with machine.store.read() as db:
        assert clocks.server_line(db, machine.keeper.sample()) is None


def test_what_the_kernel_says_is_of_its_own_clock() -> None:
    now = Sample(time.time(), clock.boottime(), "x")

    here = timekeeper.synchronized(now)
    turned = timekeeper.synchronized(replace(now, wall=now.wall + 3600))

    assert [round(one.ahead / 10) for one in here] == [0] * len(here)
    assert [round(one.ahead / 10) for one in turned] == [-360] * len(turned)
    assert not any(one.refutes for one in (*here, *turned))


# --- what waits for a time that a wrong clock has set ----------------------------------------------------------------
NOW = datetime(2030, 6, 10, 2, tzinfo=UTC)
AHEAD = [HOUR, timedelta(days=26_000)]
by_how_much = pytest.mark.parametrize("ahead", AHEAD, ids=["an hour", "2098"])


@by_how_much
def test_a_message_that_failed_is_sent_again_soon(store: Store, ahead: timedelta) -> None:
    letter = outbox.Letter("team:ops", "mail", 0, "t", "b")
    keys: dict[str, Any] = {"kind": "alert", "severity": 1, "dedupe": "", "alert_id": None}
    with store.begin() as db:
        outbox.put(db, "s", "m", [letter], Posting(due_at=NOW, now=NOW, **keys))
        [due] = outbox.claim(db, "s", NOW, 60, 9)
        outbox.failed(db, due, "no", NOW)
        db.execute(update(tables.outbox).values(due_at=NOW + ahead))

        [again] = outbox.claim(db, "s", NOW + timedelta(minutes=1), 60, 9)
        assert again.id == due.id
        # … nor is one that was claimed then, by what has been killed since, kept for long.
        db.execute(update(tables.outbox).values(leased_until=NOW + ahead))
        assert len(outbox.claim(db, "s", NOW + timedelta(minutes=2), 60, 9)) == 1
        assert outbox.claim(db, "s", NOW + timedelta(minutes=2), 60, 9) == []


@by_how_much
def test_a_password_waits_no_longer_than_it_would_have(store: Store, ahead: timedelta) -> None:
    with store.begin() as db:
        for _ in range(4):
            sessions.try_password(db, "ann", "10.0.0.1", NOW + ahead)

        assert 0 < sessions.try_password(db, "ann", "10.0.0.1", NOW) <= 2
        assert sessions.try_password(db, "ann", "10.0.0.1", NOW + timedelta(seconds=3)) == 0


@by_how_much
def test_a_session_of_a_clock_that_was_ahead_is_over(store: Store, ahead: timedelta) -> None:
    with store.begin() as db:
        users.add(db, "ann", Role.VIEWER, "hash", NOW)
        user = users.get(db, "ann")
        assert user is not None
        token = sessions.begin(db, user, NOW + ahead, "10.0.0.1")

        assert sessions.find(db, token, NOW + ahead) is not None
        assert sessions.find(db, token, NOW) is None


@by_how_much
def test_what_hosts_owe_is_tried_again_soon(machine: Turned, ahead: timedelta) -> None:
    at = machine.true
    key = machine.scheduler.key
    debt = occurrence.Debt(key, "often", "web1", at, at + ahead + HOUR, "not seen", at + ahead)
    procedures = machine.scheduler.site.schedule.procedures
    procedures["often"] = procedures["often"].model_copy(update={"missed": "run"})
    with machine.store.begin() as db:
        db.execute(tables.debt.insert().values(vars(debt)))

    machine.go(10)

    assert [one[0] for one in machine.rows()] == ["debt"]


def test_what_was_struck_out_too_early_is_owed_again(machine: Turned) -> None:
    at, key = machine.true, machine.scheduler.key
    with machine.store.begin() as db:
        late = at + HOUR
        one = occurrence.NewOccurrence(
            key, "often", at, late, late, late, kind="debt", host="web1", state="missed"
        )
        occurrences.make(db, [one])

        assert occurrences.is_any_early(db, key, at)
        assert occurrences.reopen(db, key, at) == {("often", "web1")}
        assert [one.host for one in occurrences.debts(db, key)] == ["web1"]
        assert not occurrences.is_any_early(db, key, at)


@by_how_much
def test_what_the_product_says_itself_is_what_it_said_last(store: Store, ahead: timedelta) -> None:
    with store.begin() as db:
        own_troubles.tell(
            db, "s", own_troubles.OwnTrouble("channel", "mail"), NOW + ahead, Severity.HIGH, "down"
        )
        own_troubles.tell(db, "s", own_troubles.OwnTrouble("channel", "mail"), NOW)
        query = select(tables.latest_result.c.status)
        assert db.execute(query).scalar() == "pass"
        assert findings.open_ones(db) == []
