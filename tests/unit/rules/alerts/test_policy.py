"""When who is told, by tables: policy, business hours, rota, windows, repetition, acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upkeep.rules.alerts.model import ACKNOWLEDGED, INCIDENT, OPEN, Alert
from upkeep.rules.alerts.policy import Call, Times, answer_by, begins, calls
from upkeep.schedule.calendars import OpenHours
from upkeep.site.schedule_file import DEFAULT_POLICY, Step

HOURS = OpenHours(
    ZoneInfo("Europe/Berlin"),
    frozenset(range(5)),
    time(8),
    time(18),
    frozenset({date(2030, 6, 10)}),
)
"""Monday to Friday, 06:00 to 16:00 UTC in June; 10 June is a holiday."""
WINDOW = datetime(2030, 6, 9, 2, tzinfo=UTC)


def at(text: str) -> datetime:
    """A time of June 2030 in UTC: `3 12:00` is a Monday."""
    day, _, hour = text.partition(" ")
    return datetime.fromisoformat(f"2030-06-{int(day):02} {hour}").replace(tzinfo=UTC)


def step(severity: int, **changes: str | None) -> Step:
    """The product's own policy for a severity, or with other lines."""
    return Step.model_validate({**DEFAULT_POLICY[severity], **changes})


def window_from(moment: datetime) -> datetime | None:
    """A window from 02:00 to 04:00 on Sunday the 9th, and none after it."""
    if moment >= WINDOW + timedelta(hours=2):
        return None
    return max(moment, WINDOW)


def times(
    people: Sequence[str] = ("ann", "ben", "cem"),
    on_call: Callable[[datetime], Sequence[str]] | None = None,
) -> Times:
    return Times(HOURS, on_call or (lambda _at: people), window_from)


def alert(since: str = "3 12:00", status: str = OPEN, **more: Any) -> Alert:
    begun = at(since)
    values: dict[str, Any] = {
        "id": 7,
        "site": "/srv/site",
        "group_key": "k",
        "opening": 1,
        "kind": INCIDENT,
        "check_id": "disk_space",
        "cause": "/",
        "team": "ops",
        "severity": 1,
        "worst": 1,
        "status": status,
        "opened_at": begun - timedelta(days=3),
        "round": 1,
        "round_at": begun,
        "round_why": "opened",
    }
    return Alert(**{**values, **more})


def told(
    one: Alert, policy: Step, now: str, when: Times | None = None
) -> list[tuple[str, str, str]]:
    """The calls that are due: time, person, number."""
    found = calls(one, policy, at(now), when or times())
    return [(f"{call.at.day} {call.at:%H:%M}", call.person, call.number) for call in found]


@pytest.mark.parametrize(
    ("severity", "since", "first", "answered"),
    [
        (1, "3 12:00", "3 12:00", "3 12:15"),
        (1, "8 23:30", "8 23:30", "8 23:45"),
        (2, "3 12:00", "3 12:00", "3 14:00"),
        (2, "3 05:59", "3 06:00", "3 08:00"),
        (2, "3 06:00", "3 06:00", "3 08:00"),
        (2, "3 15:00", "3 15:00", "4 07:00"),
        (2, "3 14:00", "3 14:00", "3 16:00"),
        (2, "3 16:00", "4 06:00", "4 08:00"),
        (2, "7 15:30", "7 15:30", "11 07:30"),
        (2, "8 12:00", "11 06:00", "11 08:00"),
        (3, "3 05:00", "4 06:00", "5 06:00"),
        (3, "3 12:00", "4 06:00", "5 06:00"),
        (3, "7 12:00", "11 06:00", "12 06:00"),
        (4, "3 12:00", "9 02:00", "16 02:00"),
        (4, "9 03:59", "9 03:59", "16 03:59"),
        # No window comes any more: somebody hears of it all the same.
        (4, "9 04:00", "11 06:00", "18 06:00"),
    ],
    ids=[
        "1 by day",
        "1 on a Saturday night",
        "2 in hours",
        "2 a minute before hours",
        "2 as hours begin",
        "2 whose answer is due tomorrow",
        "2 whose answer is due as hours end",
        "2 as hours end",
        "2 before a weekend and a holiday",
        "2 on a Saturday",
        "3 before hours: the next day, not this one",
        "3 in hours",
        "3 before a weekend and a holiday",
        "4 waits for the window",
        "4 within a window",
        "4 after the last window",
    ],
)
def test_when_people_are_told_first_and_until_when_somebody_shall_have_it(
    severity: int, since: str, first: str, answered: str
) -> None:
    policy = step(severity)

    assert begins(policy, at(since), times()) == at(first)
    assert answer_by(policy, at(since), times()) == at(answered)


@pytest.mark.parametrize(
    ("within", "answered"),
    [
        ("9 h", "4 15:00"),
        ("23 h", "5 06:00"),
        ("1 d", "5 06:00"),
        ("25 h", "5 07:00"),
        ("47 h", "6 06:00"),
        ("2 d", "6 06:00"),
        ("5 d", "12 06:00"),
    ],
)
def test_days_are_business_days_and_what_is_less_counts_hours_of_work_up_to_a_day(
    within: str, answered: str
) -> None:
    assert answer_by(step(3, within=within), at("3 12:00"), times()) == at(answered)


TEAM = ("3 12:00", "", "team")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("3 11:59", []),
        ("3 12:00", [TEAM, ("3 12:00", "ann", "0.0")]),
        ("3 12:14", [TEAM, ("3 12:00", "ann", "0.0")]),
        ("3 12:15", [TEAM, ("3 12:15", "ann", "0.1"), ("3 12:15", "ben", "1.0")]),
        (
            "3 12:31",
            [
                TEAM,
                ("3 12:30", "ann", "0.2"),
                ("3 12:30", "ben", "1.1"),
                ("3 12:30", "cem", "2.0"),
            ],
        ),
        # The rota has no fourth person; an alerter that was away tells the latest only.
        (
            "4 12:00",
            [
                TEAM,
                ("4 12:00", "ann", "0.96"),
                ("4 12:00", "ben", "1.95"),
                ("4 12:00", "cem", "2.94"),
            ],
        ),
    ],
    ids=["before", "at once", "still once", "again and the next", "all", "a day later"],
)
def test_severity_one_is_told_again_and_one_person_more_each_time(
    now: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(alert(), step(1), now) == expected


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        ("3 16:00", "4 05:59", []),
        ("3 16:00", "4 06:00", [("4 06:00", "", "team"), ("4 06:00", "ann", "0.0")]),
        ("3 12:00", "3 13:59", [TEAM, ("3 12:00", "ann", "0.0")]),
        ("3 12:00", "3 14:00", [TEAM, ("3 12:00", "ann", "0.0"), ("3 14:00", "ben", "1.0")]),
        # Four hours of work after Friday 15:00 are three on Tuesday, for Monday is a holiday.
        (
            "7 15:00",
            "11 08:59",
            [("7 15:00", "", "team"), ("7 15:00", "ann", "0.0"), ("11 07:00", "ben", "1.0")],
        ),
        (
            "7 15:00",
            "11 09:00",
            [
                ("7 15:00", "", "team"),
                ("7 15:00", "ann", "0.0"),
                ("11 07:00", "ben", "1.0"),
                ("11 09:00", "cem", "2.0"),
            ],
        ),
    ],
    ids=["closed", "opened", "not yet the next", "the next", "over a holiday", "the last"],
)
def test_severity_two_goes_on_to_the_next_person_by_hours_of_work(
    since: str, now: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(alert(since), step(2), now) == expected


@pytest.mark.parametrize("severity", [3, 4])
def test_three_and_four_tell_the_team_once_and_no_person(severity: int) -> None:
    first = begins(step(severity), at("3 12:00"), times())

    assert calls(alert(), step(severity), first - timedelta(seconds=1), times()) == []
    for later in (timedelta(), timedelta(days=30)):
        found = calls(alert(), step(severity), first + later, times())
        assert found == [Call(first, "", "team")]


@pytest.mark.parametrize(
    ("policy", "now", "expected"),
    [
        (step(2, repeat="1 h", next_person_after=None), "3 15:59", ("3 15:00", "ann", "0.3")),
        (step(2, repeat="1 h", next_person_after=None), "3 23:00", ("3 16:00", "ann", "0.4")),
        (step(2, repeat="1 h", next_person_after=None), "4 06:59", ("3 16:00", "ann", "0.4")),
        (step(2, repeat="1 h", next_person_after=None), "4 07:00", ("4 07:00", "ann", "0.5")),
        (step(2, repeat="1 h", next_person_after="4 h"), "3 16:00", ("3 16:00", "ben", "1.0")),
        (step(2, repeat="1 h", next_person_after="4 h"), "4 07:00", ("4 07:00", "ben", "1.1")),
        (step(1, repeat=None, next_person_after=None), "4 12:00", ("3 12:00", "ann", "0.0")),
        (step(1, repeat="10 min", next_person_after="1 h"), "3 12:59", ("3 12:50", "ann", "0.5")),
        (step(3, repeat="1 d"), "5 05:59", ("4 06:00", "", "team")),
        (step(3, repeat="1 d"), "5 06:00", ("5 06:00", "", "team.1")),
        (step(3, repeat="1 d"), "11 06:00", ("11 06:00", "", "team.4")),
        (step(4, repeat="1 d"), "10 02:00", ("10 02:00", "", "team.1")),
    ],
    ids=[
        "hourly, in hours",
        "hourly, the last of the day",
        "hourly, by hours of work",
        "hourly, the next day",
        "handed over as hours end",
        "hourly, after that",
        "once only",
        "every ten minutes",
        "daily, not yet",
        "daily, the first",
        "daily, over a weekend and a holiday",
        "after a window",
    ],
)
def test_a_site_may_repeat_otherwise(
    policy: Step, now: str, expected: tuple[str, str, str]
) -> None:
    assert told(alert(), policy, now)[-1] == expected


def test_an_alert_of_a_year_is_repeated_as_on_its_first_day() -> None:
    begun = at("3 12:00")
    now = begun + timedelta(days=365)
    each = 300
    policy = step(2, repeat="5 min", next_person_after=None)

    (_team, last) = calls(alert(), policy, now, times())

    count = int(last.number.removeprefix("0."))
    assert last.at == HOURS.add(begun, count * each) <= now < HOURS.add(begun, (count + 1) * each)


@pytest.mark.parametrize(
    ("repeat", "number"), [("1 d", "team.1"), ("12 h", "team.2"), ("1 h", "team.24")]
)
def test_a_day_of_23_hours_is_a_day(repeat: str, number: str) -> None:
    # The clock of Berlin goes from 02:00 to 03:00 on Sunday, 31 March; the team works day and night.
    always = OpenHours(ZoneInfo("Europe/Berlin"), frozenset(range(7)), time(0), time(23, 59))
    begun = datetime(2030, 3, 29, 12, 0, tzinfo=UTC)
    first = datetime(2030, 3, 30, 23, 0, tzinfo=UTC)
    of_sunday = replace(alert(), round_at=begun + timedelta(days=1))
    when = replace(times(), hours=always)
    policy = step(3, repeat=repeat)

    assert calls(of_sunday, policy, first, when) == [Call(first, "", "team")]
    (found,) = calls(of_sunday, policy, first + timedelta(hours=23), when)
    assert (found.at, found.number) == (first + timedelta(hours=23), number)


def test_a_hand_over_of_the_rota_takes_over_at_its_place_and_begins_nothing_again() -> None:
    def rota(moment: datetime) -> Sequence[str]:
        return ("ben", "cem", "ann") if moment >= at("3 12:30") else ("ann", "ben", "cem")

    when = times(on_call=rota)

    assert told(alert(), step(1), "3 12:29", when)[1:] == [
        ("3 12:15", "ann", "0.1"),
        ("3 12:15", "ben", "1.0"),
    ]
    assert told(alert(), step(1), "3 12:30", when)[1:] == [
        ("3 12:30", "ben", "0.2"),
        ("3 12:30", "cem", "1.1"),
        ("3 12:30", "ann", "2.0"),
    ]
    # Without repetition the first call stays who it was.
    assert told(alert(), step(2), "3 13:00", when)[1:] == [("3 12:00", "ann", "0.0")]


@pytest.mark.parametrize(
    ("status", "now", "expected"),
    [
        (OPEN, "3 12:14", [("3 12:00", "", "team")]),
        (OPEN, "3 12:15", [("3 12:15", "", "team.1")]),
        (OPEN, "3 13:01", [("3 13:00", "", "team.4")]),
        (ACKNOWLEDGED, "3 13:01", [("3 12:00", "", "team")]),
    ],
    ids=["first", "again", "and again", "acknowledged"],
)
def test_where_nobody_is_on_call_the_team_is_told_again(
    status: str, now: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(alert(status=status), step(1), now, times(people=())) == expected


def test_a_rota_that_is_empty_for_a_time_calls_who_is_on_call_then() -> None:
    def rota(moment: datetime) -> Sequence[str]:
        return ("ann",) if moment >= at("3 12:15") else ()

    when = times(on_call=rota)

    assert told(alert(), step(1), "3 12:14", when) == [TEAM]
    assert told(alert(), step(1), "3 12:15", when) == [TEAM, ("3 12:15", "ann", "0.1")]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("3 11:59", []),
        ("3 12:00", [TEAM, ("3 12:00", "ann", "0.0")]),
        ("3 12:45", [TEAM, ("3 12:45", "ann", "0.3")]),
    ],
)
def test_of_what_is_acknowledged_and_came_back_only_who_is_on_call_hears(
    now: str, expected: list[tuple[str, str, str]]
) -> None:
    assert told(alert(status=ACKNOWLEDGED), step(1), now) == expected


def test_all_is_counted_from_the_round_not_from_the_opening() -> None:
    again = replace(alert(), round=2, round_at=at("4 12:00"), round_why="raised")

    assert told(again, step(1), "4 11:59") == []
    assert told(again, step(1), "4 12:00") == [("4 12:00", "", "team"), ("4 12:00", "ann", "0.0")]


def test_a_person_who_is_told_day_and_night_is_told_across_a_change_of_the_clock() -> None:
    # The clock of Berlin goes from 03:00 back to 02:00 at 01:00 UTC on 27 October.
    begun = datetime(2030, 10, 27, 0, 30, tzinfo=UTC)
    night = replace(alert(), round_at=begun)

    found = calls(night, step(1), begun + timedelta(minutes=45), times(people=("ann",)))

    assert found[-1] == Call(begun + timedelta(minutes=45), "ann", "0.3")
