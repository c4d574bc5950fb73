"""What becomes of due times, by tables: misses, catch-ups, blackouts, overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upkeep.model.occurrence import Debt, Occurrence
from upkeep.model.run_end import Ending, Reason
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.schedule.decide import Decision, attempt, decide, occurrences_of, together
from upkeep.schedule.due_times import timing_of
from upkeep.site.schedule_file import Schedule


def ended(state: str, cause: str, reason: Reason) -> Decision:
    return Decision(ended=Ending(state, cause, (reason,)))


FREEZE = {"title": "Freeze", "from": "2026-12-20", "to": "2027-01-02"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(**keys: Any) -> tuple[Schedule, Calendars]:
    procedure = {"title": "Daily", "rule": "FREQ=DAILY;BYHOUR=3", "duration": "30 min"} | keys
    text = {"procedures": {"daily": procedure}, "calendar": {"blackouts": [FREEZE]}}
    found = Schedule.model_validate(text)
    return found, calendars_of(found, Path())


def made(after: str, now: str, **keys: Any) -> list[tuple[str, str, str, str]]:
    """Kind, due time, state and cause of what is made."""
    found, calendars = schedule(**keys)
    timing = timing_of(found, "daily")
    assert timing is not None
    new = occurrences_of("s", found.procedures["daily"], timing, calendars, at(after), at(now))
    return [(one.kind, f"{one.due_at:%d %H:%M}", one.state, one.cause) for one in new]


MISSED_2 = [
    ("due", "09 03:00", "missed", "no driver was running"),
    ("due", "10 03:00", "missed", "no driver was running"),
]


@pytest.mark.parametrize(
    ("after", "now", "keys", "expected"),
    [
        ("2026-06-10T02:00", "2026-06-10T02:59", {}, []),
        ("2026-06-10T02:00", "2026-06-10T03:00", {}, [("due", "10 03:00", "due", "")]),
        ("2026-06-10T02:00", "2026-06-10T03:01", {}, [("due", "10 03:00", "due", "")]),
        ("2026-06-08T04:00", "2026-06-10T04:00", {"missed": "skip"}, MISSED_2),
        ("2026-06-08T04:00", "2026-06-10T04:00", {"missed": "30 min"}, MISSED_2),
        ("2026-06-08T04:00", "2026-06-10T04:00", {"missed": "1 h"}, [*MISSED_2, ("catch_up", "10 03:00", "due", "for 2 missed")]),
        ("2026-06-08T04:00", "2026-06-10T04:00", {}, [*MISSED_2, ("catch_up", "10 03:00", "due", "for 2 missed")]),
        # Late is counted from when it should have begun: it is spread, here to 03:14.
        ("2026-06-10T02:00", "2026-06-10T03:10", {"jitter": "1 h"}, [("due", "10 03:00", "due", "")]),
        ("2026-06-10T02:00", "2026-06-10T04:02", {"jitter": "1 h", "missed": "skip"}, [("due", "10 03:00", "missed", "no driver was running")]),
        # The one that is due now stands for those before it.
        ("2026-06-08T04:00", "2026-06-10T03:00", {}, [("due", "09 03:00", "missed", "no driver was running"), ("due", "10 03:00", "due", "")]),
        # A blackout stops what changes hosts, also if nobody was there; it stops no observing.
        ("2026-12-24T02:00", "2026-12-24T03:00", {"changes_hosts": True}, [("due", "24 03:00", "skipped", "blackout: Freeze")]),
        ("2026-12-24T02:00", "2026-12-24T05:00", {"changes_hosts": True}, [("due", "24 03:00", "skipped", "blackout: Freeze")]),
        ("2026-12-24T02:00", "2026-12-24T03:00", {}, [("due", "24 03:00", "due", "")]),
    ],
)  # fmt: skip
def test_due_times_become_occurrences(
    after: str, now: str, keys: dict[str, Any], expected: list[Any]
) -> None:
    assert made(after, now, **keys) == expected


def test_a_catch_up_waits_for_the_end_of_a_blackout_unless_the_next_comes_first() -> None:
    monthly = {"changes_hosts": True, "rule": "FREQ=MONTHLY;BYMONTHDAY=19;BYHOUR=3"}

    found, calendars = schedule(**monthly)
    timing = timing_of(found, "daily")
    assert timing is not None
    new = occurrences_of(
        "s", found.procedures["daily"], timing, calendars, at("2026-12-01"), at("2026-12-24")
    )

    assert [(one.kind, one.state) for one in new] == [("due", "missed"), ("catch_up", "due")]
    assert new[1].begins_at == at("2027-01-02")
    assert (
        made("2026-12-18T04:00", "2026-12-24T04:00", changes_hosts=True)[-1][0] == "due"
    )  # daily: the next replaces it


def test_many_misses_are_bounded_and_counted() -> None:
    new = made("2026-01-01", "2026-06-01T00:01", rule="FREQ=MINUTELY;INTERVAL=2", missed="skip")

    assert len(new) == 1000
    assert new[0][3] == "no driver was running; so were 107720 before it"


def waiting(kind: str = "due", **other: Any) -> Occurrence:
    due = at("2026-06-10T03:00")
    return Occurrence(
        "s",
        "daily",
        due,
        due,
        due + timedelta(minutes=30),
        due + timedelta(days=1),
        kind=kind,
        **other,
    )


@pytest.mark.parametrize(
    ("keys", "one", "now", "running", "newer", "expected"),
    [
        ({}, waiting(), "2026-06-10T03:00:01", False, False, Decision(begin=True)),
        ({}, waiting(), "2026-06-10T03:00:01", False, True, ended("missed", "the next one was due before it could start", Reason.NEWER)),
        ({}, waiting(), "2026-06-10T03:00:01", True, False, ended("skipped", "the one due at 2026-06-10 03:00 UTC is still running", Reason.OVERLAP)),
        ({"overlap": "queue"}, waiting(), "2026-06-10T03:00:01", True, False, Decision(why="queued: the one due at 2026-06-10 03:00 UTC is still running")),
        ({}, waiting("catch_up"), "2026-06-10T03:00:01", True, False, Decision(why="queued: the one due at 2026-06-10 03:00 UTC is still running")),
        ({}, waiting(), "2026-06-10T04:00", False, False, Decision(begin=True)),
        ({"missed": "skip"}, waiting(), "2026-06-10T04:00", False, False, ended("missed", "waited 60 min for other runs", Reason.WAITED)),
        ({"missed": "59 min"}, waiting(), "2026-06-10T04:00", False, False, ended("missed", "waited 60 min for other runs", Reason.WAITED)),
        ({"missed": "1 h"}, waiting(), "2026-06-10T04:00", False, False, Decision(begin=True)),
        ({"changes_hosts": True}, waiting(), "2026-12-24T03:00", False, False, ended("skipped", "blackout: Freeze", Reason.BLACKOUT)),
        ({"changes_hosts": True}, waiting("debt"), "2026-12-24T03:00", False, False, ended("missed", "blackout: Freeze, until the next one is due", Reason.BLACKOUT)),
        ({}, waiting("debt"), "2026-12-24T03:00", False, False, Decision(begin=True)),
    ],
)  # fmt: skip
def test_what_waits_begins_or_ends_or_goes_on_waiting(
    keys: dict[str, Any], one: Occurrence, now: str, running: bool, newer: bool, expected: Decision
) -> None:
    found, calendars = schedule(**keys)

    decision = decide(
        one,
        found.procedures["daily"],
        calendars,
        at(now),
        running=waiting() if running else None,
        newer=newer,
    )

    assert decision == expected


# --- debts -----------------------------------------------------------------------------------------------------------
def debts(*hosts: str, expires: datetime | None = None) -> list[Debt]:
    due = at("2026-06-10T03:00")
    return [Debt("s", "daily", host, due, expires, "not checked in run 1", due) for host in hosts]


@pytest.mark.parametrize(
    ("hosts", "limits"),
    [
        ([], []),
        (["web1"], ["web1"]),
        (["web1", "web2", "db-1.example.org"], ["web1,web2,db-1.example.org"]),
        (["web1", "web*", "web2"], ["web1,web2", "web*"]),
        (["web1", "web[1:3]", "!web2", "&db", "~web.", "@/etc/hosts", "a,b", "2001:db8::1", "-i"],
         ["web1", "web[1:3]", "!web2", "&db", "~web.", "@/etc/hosts", "a,b", "2001:db8::1", "-i"]),
        (["web1", "näme", "cut #12ab34cd56ef", ""], ["web1", "näme", "cut #12ab34cd56ef", ""]),
    ],
    ids=["none", "one", "several", "a pattern", "what Ansible reads otherwise", "other letters"],
)  # fmt: skip
def test_debts_are_paid_together_by_hosts_that_can_be_named_exactly(
    hosts: list[str], limits: list[str]
) -> None:
    procedure = schedule()[0].procedures["daily"]

    made = [attempt(those, procedure, at("2026-06-10T04:00")) for those in together(debts(*hosts))]

    assert [one.limit for one in made] == limits


@pytest.mark.parametrize(("length", "count"), [(10, 300), (10, 3_000), (250, 100), (3_999, 2)])
def test_as_many_as_fit_into_what_is_kept_of_a_limit(length: int, count: int) -> None:
    names = [f"{number:04}".ljust(length, "x") for number in range(count)]

    found = [",".join(one.host for one in those) for those in together(debts(*names))]

    assert ",".join(found).split(",") == names
    assert max(map(len, found)) < 4_000  # a limit as long as what is kept may have been cut
    assert len(found) == -(-count // (4_000 // (length + 1)))


def test_a_try_ends_with_the_first_debt_of_it_that_expires() -> None:
    first, later = at("2026-06-11T03:00"), at("2026-06-12T03:00")
    owed = [*debts("a"), *debts("b", expires=later), *debts("c", expires=first)]

    one = attempt(owed, schedule()[0].procedures["daily"], at("2026-06-10T04:00"))

    assert (one.kind, one.host, one.hosts, one.named) == ("debt", "a", "a,b,c", "a and 2 more")
    assert (one.next_due_at, one.cause) == (first, "still due on 3 hosts")
