"""The schedule runs itself, by a clock that the tests turn; runs that take time are real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import scheduled_run
from called import called
from jsonschema import validate
from patience import PATIENCE_SECONDS
from sqlalchemy import update

from upkeep.model import occurrence
from upkeep.model.occurrence import Occurrence
from upkeep.serve.scheduler import Child, Scheduler
from upkeep.site.site import Site
from upkeep.store import Store, drivers, findings, occurrences, own_troubles, tables

CHILD = Path(__file__).parents[1] / "helpers" / "scheduled_run.py"
Make = Callable[..., "Driven"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Here(Child):
    """A run in this process, which is done when somebody asks how it goes."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work

    def ended(self) -> int:
        self.work()
        return 0

    def last_words(self) -> str:
        return ""

    def ask(self) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


class Driven:
    """A scheduler with its clock."""

    def __init__(self, folder: Path, store: Store, url: str, now: str, seconds: float = 0) -> None:
        self.folder, self.store, self.url = folder, store, url
        self.now, self.seconds = at(now), seconds
        self.hosts: dict[str, list[str]] = {}
        self.scheduler = Scheduler(str(folder), store, self.start)
        self.scheduler.step(self.now)

    def start(self, _site: Site, one: Occurrence, driver: str) -> Child:
        hosts = self.hosts.get(one.host) or self.hosts.get("") or ["web1=ok"]
        what = [self.scheduler.key, one.schedule, f"{one.id}:{driver}"]
        return self.begin([*what, str(self.seconds), self.now.isoformat(), *hosts])

    def begin(self, what: list[str]) -> Child:
        """Begin a run; one that takes no time needs no process of its own, as there are hundreds of them."""
        if not self.seconds:
            return Here(lambda: scheduled_run.work(self.store, *what))
        return Child([sys.executable, str(CHILD), self.url, *what])

    def go(self, to: str, *, wait: bool = True) -> None:
        """Turn the clock and take a step; then wait for the runs, and take in their ends."""
        self.now = at(to)
        self.scheduler.step(self.now)
        ends = time.monotonic() + PATIENCE_SECONDS
        while wait and self.scheduler.children and time.monotonic() < ends:
            time.sleep(0.05)
            self.scheduler.step(self.now)

    def all(self) -> list[tuple[str, str, str, str]]:
        """Kind, due time, state and cause of this year's, oldest first."""
        year = timedelta(days=365)
        with self.store.read() as db:
            found = occurrences.between(db, self.scheduler.key, self.now - year, self.now + year)
        found.sort(key=lambda one: (one.due_at, one.id))
        return [(one.kind, f"{one.due_at:%d %H:%M}", one.state, one.cause) for one in found]

    def open_findings(self) -> list[tuple[str, str]]:
        with self.store.read() as db:
            return [
                (one.check_id, one.subject)
                for one in findings.open_ones(db)
                if one.host == own_troubles.HOST
            ]


def write(folder: Path, procedures: dict[str, Any], **keys: Any) -> Path:
    (folder / "inventory").mkdir(parents=True, exist_ok=True)
    (folder / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {}, web2: {}}}\n")
    (folder / "schedule.yml").write_text(json.dumps({"procedures": procedures, **keys}))
    return folder


def daily(**keys: Any) -> dict[str, Any]:
    return {
        "daily": {"title": "Daily", "rule": "FREQ=DAILY;BYHOUR=3", "duration": "30 min", **keys}
    }


@pytest.fixture
def driven(tmp_path: Path, store: Store, url: str) -> Iterator[Make]:
    made: list[Driven] = []

    def make(procedures: dict[str, Any], now: str, seconds: float = 0, **keys: Any) -> Driven:
        made.append(Driven(write(tmp_path / "site", procedures, **keys), store, url, now, seconds))
        return made[-1]

    yield make
    for one in made:
        one.scheduler.stop(0)


def run_time(found: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str]]:
    return [one[:3] for one in found]


def test_what_is_due_is_run_once(driven: Make) -> None:
    one = driven(daily(), "2099-06-10T02:00")

    one.go("2099-06-10T02:59:59")
    assert one.all() == []
    one.go("2099-06-10T03:00")
    one.go("2099-06-10T03:00:01")

    assert one.all() == [("due", "10 03:00", "done", "")]
    assert one.open_findings() == []


def test_31_after_downtime_one_catch_up_and_the_misses_recorded(driven: Make) -> None:
    driven(daily(), "2099-06-10T02:00").scheduler.stop(0)
    one = driven(daily(), "2099-06-13T12:00")
    one.go("2099-06-13T12:00:01")

    assert one.all() == [
        ("due", "10 03:00", "missed", "no driver was running"),
        ("due", "11 03:00", "missed", "no driver was running"),
        ("due", "12 03:00", "missed", "no driver was running"),
        ("due", "13 03:00", "missed", "no driver was running"),
        ("catch_up", "13 03:00", "done", ""),
    ]
    assert one.open_findings() == []  # the catch-up has mended it


def test_a_miss_is_a_finding_until_the_next_is_done(driven: Make) -> None:
    driven(daily(missed="skip"), "2099-06-10T02:00").scheduler.stop(0)
    one = driven(daily(missed="skip"), "2099-06-10T12:00")
    assert one.open_findings() == [("occurrence_missed", "daily")]

    one.go("2099-06-11T03:00")

    assert one.open_findings() == []


def test_32_what_still_runs_is_not_run_beside_itself(driven: Make) -> None:
    often = {"often": {"title": "Often", "rule": "FREQ=MINUTELY;INTERVAL=2", "duration": "2 min"}}
    one = driven(often, "2099-06-10T02:01", seconds=30)

    one.go("2099-06-10T02:02", wait=False)
    one.go("2099-06-10T02:04", wait=False)

    assert run_time(one.all())[1] == ("due", "10 02:04", "skipped")
    assert "is still running" in one.all()[1][3]


def test_37_an_edited_schedule_does_not_fire_by_surprise(driven: Make, tmp_path: Path) -> None:
    one = driven(daily(), "2099-06-10T12:00")
    write(tmp_path / "site", daily(rule="FREQ=DAILY;BYHOUR=11"))
    one.scheduler.reread_at = 0

    one.go("2099-06-10T12:00:10")
    assert one.all() == []
    one.go("2099-06-11T11:00")

    assert one.all() == [("due", "11 11:00", "done", "")]


def test_36_a_wrong_entry_is_named_and_the_others_go_on(driven: Make, tmp_path: Path) -> None:
    wrong = daily() | {"weekly": {"title": "Weekly", "rule": "FREQ=WEKLY"}}
    one = driven(wrong, "2099-06-10T02:00")
    told = one.open_findings()
    assert [check for check, _subject in told] == ["schedule_entry"]
    text = (one.folder / "schedule.yml").read_text()
    (one.folder / "schedule.yml").write_text("# a line more\n" + text)
    one.go("2099-06-10T02:10")
    assert one.open_findings() == told  # of the same entry, though it stands on another line

    one.go("2099-06-10T03:00")
    assert one.all() == [("due", "10 03:00", "done", "")]

    write(tmp_path / "site", daily())
    one.scheduler.reread_at = 0
    one.go("2099-06-10T03:01")
    assert one.open_findings() == []


def test_a_rule_that_others_read_otherwise_is_told_until_it_says_its_days(
    driven: Make, tmp_path: Path
) -> None:
    weeks = "FREQ=YEARLY;BYWEEKNO=24{};BYHOUR=3;BYMINUTE=0;BYSECOND=0"
    one = driven(daily(rule=weeks.format("")), "2099-06-10T02:00")
    assert one.open_findings() == [("schedule_entry", "procedure daily")]
    one.go("2099-06-10T03:00")
    assert one.all() == [("due", "10 03:00", "done", "")]  # as it was, and not on Monday only

    write(tmp_path / "site", daily(rule=weeks.format(";BYDAY=MO,TU,WE,TH,FR,SA,SU")))
    one.scheduler.reread_at = 0
    one.go("2099-06-10T03:01")

    assert one.open_findings() == []


def test_an_entry_that_is_mended_while_no_driver_is_there_is_no_finding_any_more(
    driven: Make,
) -> None:
    wrong = daily() | {"weekly": {"title": "Weekly", "rule": "FREQ=WEKLY"}}
    driven(wrong, "2099-06-10T02:00").scheduler.stop(0)

    one = driven(daily(), "2099-06-10T02:30")

    assert one.open_findings() == []


def test_what_was_wrong_with_a_removed_procedure_is_retired(driven: Make, tmp_path: Path) -> None:
    other = {"other": {"title": "Other", "rule": "daily 05:00"}}
    driven(daily(missed="skip") | other, "2099-06-10T02:00").scheduler.stop(0)
    one = driven(daily(missed="skip") | other, "2099-06-10T04:00")
    assert one.open_findings() == [("occurrence_missed", "daily")]
    write(tmp_path / "site", other)
    one.scheduler.reread_at = 0

    one.go("2099-06-10T04:01")

    assert one.open_findings() == []
    with one.store.read() as db:
        [was] = findings.open_ones(db, everything=True)
    assert was.status == findings.RETIRED


def test_a_file_that_cannot_be_read_leaves_the_last_good_one(driven: Make, tmp_path: Path) -> None:
    one = driven(daily(), "2099-06-10T02:00")
    (tmp_path / "site" / "schedule.yml").write_text("procedures: [")
    one.scheduler.reread_at = 0

    one.go("2099-06-10T03:00")

    assert one.all() == [("due", "10 03:00", "done", "")]
    assert [check for check, _subject in one.open_findings()] == ["schedule_entry"]


def test_holidays_that_cannot_be_read_leave_the_last_good_site(
    driven: Make, tmp_path: Path
) -> None:
    one = driven(daily(), "2099-06-10T02:00")
    (tmp_path / "site" / "closed.ics").write_text("no calendar")
    write(tmp_path / "site", daily(title="Edited"), calendar={"holidays": ["closed.ics"]})
    one.scheduler.reread_at = 0

    one.go("2099-06-10T03:00")

    assert one.all() == [("due", "10 03:00", "done", "")]
    assert one.scheduler.site.schedule.procedures["daily"].title == "Daily"
    assert [check for check, _subject in one.open_findings()] == ["schedule_entry"]

    (tmp_path / "site" / "closed.ics").write_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    one.scheduler.reread_at = 0
    one.go("2099-06-10T03:01")
    assert one.scheduler.site.schedule.procedures["daily"].title == "Edited"
    assert one.open_findings() == []


def test_edited_holidays_are_read_again(driven: Make, tmp_path: Path) -> None:
    path = tmp_path / "site" / "closed.ics"
    path.parent.mkdir()
    event = "BEGIN:VEVENT\r\nUID:%s\r\nDTSTART;VALUE=DATE:%s\r\nEND:VEVENT\r\n"
    whole = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n%sEND:VCALENDAR\r\n"
    path.write_text(whole % (event % ("a", "20990611")))
    one = driven(daily(), "2099-06-10T02:00", calendar={"holidays": ["closed.ics"]})
    path.write_text(whole % (event % ("a", "20990612")))
    one.scheduler.reread_at = 0

    one.go("2099-06-10T02:01")

    assert one.scheduler.calendars.holidays == {date(2099, 6, 12)}


def test_8_a_clock_that_was_far_ahead_is_corrected_and_the_next_is_run(driven: Make) -> None:
    one = driven(daily(), "2030-06-10T02:00")

    one.go("2098-01-01T00:00")
    one.go("2030-06-10T02:30")
    one.go("2030-06-10T03:00")

    assert ("due", "10 03:00", "done") in run_time(one.all())


@pytest.mark.parametrize(
    ("start", "times", "dues"),
    [
        ("2026-03-28T12:00", ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-30T00:30"], ["29 01:30", "30 00:30"]),
        ("2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-26T01:30"], ["25 00:30", "26 01:30"]),
    ],
    ids=["33: the gap", "34: the repeat"],
)  # fmt: skip
def test_both_days_of_daylight_saving(
    driven: Make, start: str, times: list[str], dues: list[str]
) -> None:
    one = driven(daily(rule="FREQ=DAILY;BYHOUR=2;BYMINUTE=30", time_zone="Europe/Berlin"), start)

    for each in times:
        one.go(each)

    assert [due for _kind, due, _state, _cause in one.all()] == dues


def test_a_blackout_skips_even_if_nobody_was_there(driven: Make) -> None:
    calendar = {"blackouts": [{"title": "Freeze", "from": "2099-06-10", "to": "2099-06-12"}]}
    keys = {"changes_hosts": True}
    driven(daily(**keys), "2099-06-10T02:00", calendar=calendar).scheduler.stop(0)
    one = driven(daily(**keys), "2099-06-11T12:00", calendar=calendar)

    one.go("2099-06-12T03:00")

    assert one.all() == [
        ("due", "10 03:00", "skipped", "blackout: Freeze"),
        ("due", "11 03:00", "skipped", "blackout: Freeze"),
        ("due", "12 03:00", "done", ""),
    ]


def test_13_a_host_that_was_away_owes_it_and_catches_up(driven: Make) -> None:
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.hosts["web2"] = ["web2=unreachable"]

    one.go("2099-06-10T03:00")
    one.go("2099-06-10T03:05")
    assert one.all() == [("due", "10 03:00", "partial", "not seen: web2")]
    one.go("2099-06-10T03:10:01")
    one.hosts["web2"] = ["web2=ok"]
    one.go("2099-06-10T03:20:02")

    debts = [(kind, state) for kind, _due, state, _cause in one.all() if kind == "debt"]
    assert debts == [("debt", "partial"), ("debt", "done")]
    with one.store.read() as db:
        assert occurrences.debts(db, one.scheduler.key) == []


def test_three_hundred_hosts_that_were_away_catch_up_in_a_few_runs(driven: Make) -> None:
    names = [f"web{number}.rack.example.org" for number in range(300)]
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = [f"{name}=unreachable" for name in names]
    one.go("2099-06-10T03:00")
    begun: list[str] = []

    def start(_site: Site, what: Occurrence, driver: str) -> Child:
        begun.append(what.limit)
        away = {"web7.rack.example.org": "unreachable"}
        hosts = [f"{host}={away.get(host, 'ok')}" for host in what.limit.split(",")]
        claimed = [one.scheduler.key, what.schedule, f"{what.id}:{driver}"]
        return one.begin([*claimed, "0", one.now.isoformat(), *hosts])

    one.scheduler.start = start
    one.go("2099-06-10T03:10:01")
    one.go("2099-06-10T03:10:30")

    assert sorted(",".join(begun).split(",")) == sorted(names)
    assert len(begun) == 2
    assert all(len(limit) < 4_000 for limit in begun)
    with one.store.read() as db:
        owed = occurrences.debts(db, one.scheduler.key)
    assert [each.host for each in owed] == ["web7.rack.example.org"]
    tries = [each for each in one.all() if each[0] == "debt"]
    assert sorted(each[2:] for each in tries) == [
        ("done", ""),
        ("partial", "not seen: web7.rack.example.org"),
    ]

    one.go("2099-06-10T03:20:31")
    assert begun[2:] == ["web7.rack.example.org"]


def test_what_is_being_tried_is_not_tried_beside_that(driven: Make) -> None:
    one = driven(daily(owed=True), "2099-06-10T02:00", seconds=PATIENCE_SECONDS)
    key, due = one.scheduler.key, at("2099-06-10T03:00")
    hosts = ("web1", "web2", "web3")
    with one.store.begin() as db:
        for host in hosts:
            debt = occurrence.Debt(key, "daily", host, due, None, "not seen", due)
            db.execute(tables.debt.insert().values(vars(debt)))

    for each in ("2099-06-10T02:30", "2099-06-10T02:41", "2099-06-10T02:52"):
        one.go(each, wait=False)

    assert [each[:2] for each in one.all()] == [("debt", "10 02:30")]


def test_hosts_of_a_playbook_whose_pattern_takes_one_at_a_time_are_tried_alone(
    driven: Make, tmp_path: Path
) -> None:
    """Ansible's patterns have no brackets: `web:db` and a list of hosts cannot be put together."""
    (tmp_path / "site" / "playbooks").mkdir(parents=True)
    (tmp_path / "site" / "playbooks" / "own.yml").write_text("- hosts: all\n  tasks: []\n")
    one = driven(
        daily(owed=True, playbook="playbooks/own.yml", hosts="web1:web2"), "2099-06-10T02:00"
    )
    one.hosts[""] = ["web1=unreachable", "web2=unreachable"]
    one.hosts["web1"], one.hosts["web2"] = ["web1=ok"], ["web2=ok"]
    one.go("2099-06-10T03:00")
    one.go("2099-06-10T03:10:01")
    one.go("2099-06-10T03:10:30")

    assert [each[0] for each in one.all()] == ["due", "debt", "debt"]
    with one.store.read() as db:
        assert occurrences.debts(db, one.scheduler.key) == []


def test_a_debt_expires_when_the_next_one_is_due(driven: Make) -> None:
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.go("2099-06-10T03:00")

    one.hosts[""] = ["web1=ok"]
    one.go("2099-06-11T03:00")

    assert (
        "debt",
        "10 03:00",
        "missed",
        "the host had not caught up when the next one was due",
    ) in one.all()
    assert one.open_findings() == [("occurrence_missed", "daily on web2")]

    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.go("2099-06-12T03:00")
    assert one.open_findings() == [("occurrence_missed", "daily on web2")]
    one.hosts["web2"] = ["web2=ok"]
    one.go("2099-06-12T03:15")
    assert one.open_findings() == []


def test_an_isolated_host_is_asked_for_what_it_owes_once_it_is_released(driven: Make) -> None:
    one = driven(daily(owed=True, changes_hosts=True), "2099-06-10T02:00")
    key, due, expires = one.scheduler.key, at("2099-06-10T01:00"), at("2099-06-10T02:50")
    one.hosts["web1"] = ["web1=ok"]
    with one.store.begin() as db:
        for host, ends in (("web1", None), ("web2", expires)):
            debt = occurrence.Debt(key, "daily", host, due, ends, "isolated in run 1", due)
            db.execute(tables.debt.insert().values(vars(debt)))
            cut_off = {"isolation": "a-1", "since": due, "isolated_by": "alice", "seen_at": due}
            db.execute(tables.isolated_host.insert().values(site=key, host=host, **cut_off))

    one.go("2099-06-10T02:30")
    assert one.all() == []
    with one.store.begin() as db:
        db.execute(tables.isolated_host.delete().where(tables.isolated_host.c.host == "web1"))
    one.go("2099-06-10T02:51")

    still = "the host was still isolated when the next one was due"
    assert sorted(one.all()) == [
        ("debt", "10 01:00", "skipped", still),
        ("debt", "10 02:51", "done", ""),
    ]
    assert one.open_findings() == []
    with one.store.read() as db:
        assert occurrences.debts(db, key) == []


def test_many_hosts_that_are_behind_are_one_finding_until_none_is(driven: Make) -> None:
    hosts = [f"web{number}" for number in range(1, 9)]
    away, there = [f"{one}=unreachable" for one in hosts], [f"{one}=ok" for one in hosts]
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = away
    one.go("2099-06-10T03:00")
    one.go("2099-06-11T03:00")

    assert one.open_findings() == [("occurrence_missed", "daily on many hosts")]
    with one.store.read() as db:
        [told] = [each for each in findings.open_ones(db) if each.host == own_troubles.HOST]
    assert "8 hosts (web1, web2, web3, web4, web5, …) had not caught up" in told.message

    one.hosts[""] = [*there[:6], *away[6:]]
    one.go("2099-06-12T03:00")
    assert one.open_findings() == [("occurrence_missed", "daily on many hosts")]

    one.hosts[""] = [*there[:6], away[6]]  # web8 has left the inventory
    one.go("2099-06-13T03:00")  # of a few, each is told
    many, web7, web8 = [
        ("occurrence_missed", f"daily on {who}") for who in ("many hosts", "web7", "web8")
    ]
    assert one.open_findings() == [many, web7, web8]
    one.hosts[""] = there[:7]
    one.go("2099-06-14T03:00")
    assert one.open_findings() == [web8]  # which is gone, and too many are gone at once


@pytest.mark.parametrize("why", ["a source cannot be read", "they are waited for"])
def test_many_hosts_that_are_missing_for_now_are_still_behind(driven: Make, why: str) -> None:
    hosts = [f"web{number}" for number in range(1, 9)]
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = [f"{each}=unreachable" for each in hosts]
    one.go("2099-06-10T03:00")
    one.go("2099-06-11T03:00")
    many = ("occurrence_missed", "daily on many hosts")
    assert one.open_findings() == [many]

    with one.store.begin() as db:
        if why == "they are waited for":
            key = {"site": one.scheduler.key, "procedure": "daily", "since": one.now, "run_id": 2}
            db.execute(tables.absent_host.insert(), [{**key, "host": each} for each in hosts[1:]])
        else:
            own_troubles.tell_unread(db, one.scheduler.key, ["/srv/cloud.sh"], 2, one.now)
    one.hosts[""] = ["web1=ok"]
    one.go("2099-06-12T03:00")
    assert many in one.open_findings()

    with one.store.begin() as db:
        db.execute(tables.absent_host.delete())
        own_troubles.tell_unread(db, one.scheduler.key, [], 3, one.now)
    one.go("2099-06-13T03:00")
    assert many not in one.open_findings()


def test_of_a_host_that_is_gone_it_is_not_said_any_more_that_it_is_behind(driven: Make) -> None:
    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.go("2099-06-10T03:00")
    one.hosts[""] = ["web1=ok"]
    one.go("2099-06-11T03:00")
    assert one.open_findings() == [("occurrence_missed", "daily on web2")]

    with one.store.begin() as db:
        day = timedelta(days=1)
        there = occurrences.between(db, one.scheduler.key, one.now - day, one.now + day)
        last = max(each.run_id or 0 for each in there)
        # That it is behind, and that it does not answer.
        assert findings.retire_hosts(db, last, ["web2"], one.now) == 2
    assert one.open_findings() == []


@pytest.mark.parametrize(
    ("missed", "tried"),
    [("run", ["10 03:59", "10 04:10"]), ("1 h", ["10 03:59"]), ("skip", [])],
)
def test_what_is_owed_is_tried_as_long_as_the_policy_allows(
    driven: Make, missed: str, tried: list[str]
) -> None:
    one = driven(daily(owed=True, missed=missed), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.hosts["web2"] = ["web2=unreachable"]

    for each in ("2099-06-10T03:00", "2099-06-10T03:59", "2099-06-10T04:10"):
        one.go(each)

    assert [due for kind, due, _state, _cause in one.all() if kind == "debt"] == tried


def test_what_only_observes_is_not_owed(driven: Make) -> None:
    one = driven(daily(), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]

    one.go("2099-06-10T03:00")

    with one.store.read() as db:
        assert occurrences.debts(db, one.scheduler.key) == []


def test_a_gap_of_the_schedule_is_no_gap_of_its_run(driven: Make) -> None:
    one = driven(daily(lacks=["D5: Web Vitals"]), "2099-06-10T02:00")

    one.go("2099-06-10T03:00")

    assert one.all() == [("due", "10 03:00", "done", "")]


def test_no_more_runs_at_once_than_allowed_and_the_urgent_first(
    driven: Make, tmp_path: Path
) -> None:
    three = {
        name: {"title": name, "rule": "FREQ=DAILY;BYHOUR=3", "priority": priority}
        for name, priority in (("a", 5), ("b", 1), ("c", 3))
    }
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "upkeep.toml").write_text("runs_at_once = 2\n")
    one = driven(three, "2099-06-10T02:00", seconds=30)

    one.go("2099-06-10T03:00", wait=False)

    with one.store.read() as db:
        assert [each.schedule for each in occurrences.under_way(db, one.scheduler.key)] in (
            ["b", "c"],
            ["c", "b"],
        )


def test_a_run_that_cannot_begin_is_a_failed_occurrence_with_what_it_said(driven: Make) -> None:
    one = driven(daily(), "2099-06-10T02:00")
    one.scheduler.start = lambda *_all: Child(
        [sys.executable, "-c", "raise SystemExit('no such thing')"]
    )

    one.go("2099-06-10T03:00")

    assert one.all() == [("due", "10 03:00", "failed", "no such thing")]
    assert one.open_findings() == [("run_failed", "daily")]


def test_a_run_that_ends_badly_without_its_driver_is_a_finding_too(driven: Make) -> None:
    one = driven(daily(), "2099-06-10T02:00", seconds=60)
    one.go("2099-06-10T03:00", wait=False)
    under_way = ("due", "10 03:00", "running")
    until = time.monotonic() + PATIENCE_SECONDS
    while run_time(one.all()) != [under_way]:
        assert time.monotonic() < until
        time.sleep(0.05)
    with one.store.begin() as db:
        drivers.goodbye(db, one.scheduler.driver.id)
    [child] = one.scheduler.children.values()
    os.kill(child.pid, signal.SIGKILL)
    assert not child.wait(60)
    child.close()
    one.scheduler.children.clear()

    other = driven(daily(), "2099-06-10T03:01")

    assert run_time(other.all()) == [("due", "10 03:00", "failed")]
    assert other.open_findings() == [("run_failed", "daily")]
    other.go("2099-06-11T03:00")
    assert other.open_findings() == []


def test_drivers_that_have_read_another_site_claim_nothing(
    driven: Make, tmp_path: Path, store: Store, url: str
) -> None:
    first = driven(daily(), "2099-06-10T02:00")
    other = Driven(
        write(tmp_path / "copy", daily(rule="FREQ=DAILY;BYHOUR=4")), store, url, "2099-06-10T02:00"
    )
    other.scheduler.key = first.scheduler.key  # the same site, on another machine
    other.scheduler.started = False

    other.go("2099-06-10T04:00")
    assert first.all() == []
    assert ("site_revision", other.scheduler.driver.host) in first.open_findings()
    first.go("2099-06-10T03:00")

    assert first.all() == [("due", "10 03:00", "done", "")]


def elsewhere(first: Driven, folder: Path, rule: str, now: str) -> Driven:
    """A driver of the same site on another machine, which has read a text with that rule."""
    one = Driven(write(folder, daily(rule=rule)), first.store, first.url, now)
    one.scheduler.stop(0)
    one.scheduler.stopping = False
    one.scheduler.key = first.scheduler.key
    one.scheduler.driver = replace(
        one.scheduler.driver, id="elsewhere", site=first.scheduler.key, host="elsewhere"
    )
    one.scheduler.started = False
    one.go(now)
    return one


def test_a_driver_says_so_until_it_has_the_site_that_holds(driven: Make, tmp_path: Path) -> None:
    first = driven(daily(), "2099-06-10T02:00")
    other = elsewhere(first, tmp_path / "copy", "FREQ=DAILY;BYHOUR=3", "2099-06-10T02:00")
    write(tmp_path / "site", daily(rule="FREQ=DAILY;BYHOUR=11"))
    first.scheduler.reread_at = 0
    first.go("2099-06-10T02:01")

    other.go("2099-06-10T02:01:10")
    assert first.open_findings() == []  # it may be copied there at this moment
    other.go("2099-06-10T02:02:10")
    assert first.open_findings() == [("site_revision", "elsewhere")]

    write(tmp_path / "copy", daily(rule="FREQ=DAILY;BYHOUR=11"))
    other.scheduler.reread_at = 0
    other.go("2099-06-10T02:03")
    assert first.open_findings() == []


@pytest.mark.parametrize("how", ["ended", "silent"])
def test_a_driver_that_is_gone_has_read_nothing_else(
    driven: Make, tmp_path: Path, how: str
) -> None:
    first = driven(daily(), "2099-06-10T02:00")
    other = elsewhere(first, tmp_path / "copy", "FREQ=DAILY;BYHOUR=4", "2099-06-10T02:00")
    assert first.open_findings() == [("site_revision", "elsewhere")]

    if how == "ended":
        other.scheduler.stop(0)
    else:
        with first.store.begin() as db:
            here = (tables.driver.c.id == "elsewhere",)
            db.execute(update(tables.driver).where(*here).values(seen_at=at("2020-01-01T00:00")))
    first.scheduler.seen_until = 0
    first.go("2099-06-10T02:05")

    assert first.open_findings() == []


def test_a_lease_is_held_by_one_run_and_given_back_at_its_end(store: Store) -> None:
    from store_samples import begun

    from upkeep.run import agent
    from upkeep.store import leases, runs

    now = at("2099-06-10T03:00")
    with store.begin() as db:
        first, second = runs.start(db, begun()), runs.start(db, begun())
        assert leases.take(db, "s", ["a", "b"], first, now) == {}
        assert leases.take(db, "s", ["b", "c"], second, now) == {"b": first}
        assert leases.take(db, "s", ["c"], second, now) == {}  # nothing of the refused was kept
        assert leases.take(db, "other", ["a"], second, now) == {}
        agent.end_run(db, first, "done", "", now + timedelta(minutes=1))
        assert leases.take(db, "s", ["a", "b"], second, now) == {}


def test_what_was_due_and_what_hosts_owe_is_listed(
    driven: Make, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from upkeep.cli.occurrences import list_occurrences
    from upkeep.model import clock
    from upkeep.view.json import schema

    one = driven(daily(owed=True), "2099-06-10T02:00")
    one.hosts[""] = ["web1=ok", "web2=unreachable"]
    one.go("2099-06-10T03:00")
    monkeypatch.setenv("UPKEEP_DATABASE", url)
    monkeypatch.setattr(clock, "now", lambda: at("2099-06-10T04:00"))

    called(list_occurrences, str(one.folder), as_json=True)
    document = json.loads(capsys.readouterr().out)
    called(list_occurrences, str(one.folder))
    text = capsys.readouterr().out

    validate(document, schema("occurrences"))
    assert [each["state"] for each in document["occurrences"]] == ["partial"]
    assert [each["host"] for each in document["debts"]] == ["web2"]
    assert "2099-06-10 03:00:00 UTC\tdaily on web2\tdebt\tdue\t\t" in text
