"""Who is on call: turns, gaps, overrides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from upkeep.schedule.calendars import Period
from upkeep.schedule.rota import Handover, OnCall, Override, gaps, handover, on_call
from upkeep.site.schedule_file import Schedule

NEW_YORK = ZoneInfo("America/New_York")


def local(text: str) -> datetime:
    """Return a time of New York in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def schedule(*rota: dict[str, object], fallback: str | None = "zoe") -> Schedule:
    """Return a schedule with one team and its rota."""
    return Schedule.model_validate(
        {
            "time_zone": "America/New_York",
            "procedures": {"daily": {"title": "Daily"}},
            "people": {name: {"name": name.title()} for name in ("ann", "ben", "cem", "zoe")},
            "teams": {
                "ops": {
                    "title": "Operations",
                    "members": ["ben", "ann"],
                    "rota": list(rota),
                    "fallback": fallback,
                }
            },
        }
    )


WEEKS = {"from": "2026-01-05 09:00", "people": ["ann", "ben", "cem"], "each": "7 d"}


@pytest.mark.parametrize(
    ("at", "first"),
    [
        ("2026-01-05 09:00", "ann"),
        ("2026-01-12 08:59", "ann"),
        ("2026-01-12 09:00", "ben"),
        ("2026-01-19 09:00", "cem"),
        ("2026-01-26 09:00", "ann"),
        # Turns change at the same local time on either side of a change of the clock.
        ("2026-03-09 08:59", "cem"),
        ("2026-03-09 09:00", "ann"),
        ("2026-11-02 08:59", "ann"),
        ("2026-11-02 09:00", "ben"),
    ],
)
def test_turns(at, first):
    order = ["ann", "ben", "cem"]
    index = order.index(first)
    expected = (*order[index:], *order[:index], "zoe")
    assert on_call(schedule(WEEKS), "ops", local(at)) == OnCall(expected)


def test_the_first_part_of_the_rota_that_holds():
    summer = {"from": "2026-07-01", "to": "2026-08-01", "people": ["zoe"], "each": "1 d"}
    both = schedule(summer, WEEKS)
    assert on_call(both, "ops", local("2026-06-30 23:59")).people[0] != "zoe"
    assert on_call(both, "ops", local("2026-07-01 00:00")).people == ("zoe",)
    assert on_call(both, "ops", local("2026-08-01 00:00")).people[0] != "zoe"


def test_a_gap_is_called_one_and_the_fallback_is_called():
    ends = {**WEEKS, "to": "2026-06-01"}
    assert on_call(schedule(ends), "ops", local("2026-06-01")) == OnCall(("zoe",), gap=True)
    assert on_call(schedule(ends), "ops", local("2026-01-05 08:59")) == OnCall(("zoe",), gap=True)


def test_a_team_without_a_rota_calls_its_members():
    at = local("2026-06-01")
    assert on_call(schedule(fallback=None), "ops", at) == OnCall(("ben", "ann"))
    assert on_call(schedule(), "nobody", at) == OnCall((), gap=True)


def test_an_override_goes_first_while_it_holds():
    at = local("2026-01-06")
    override = Override("ops", "cem", at, at + timedelta(hours=1))
    other = Override("others", "zoe", at, at + timedelta(hours=1))
    given = [other, override]
    assert on_call(schedule(WEEKS), "ops", at, given).people == ("cem", "ann", "ben", "zoe")
    after = on_call(schedule(WEEKS), "ops", at + timedelta(hours=1), given)
    assert after.people == ("ann", "ben", "cem", "zoe")
    gap = schedule({**WEEKS, "from": "2027-01-01"})
    assert on_call(gap, "ops", at, given) == OnCall(("cem", "zoe"))


def test_gaps():
    spring = {**WEEKS, "to": "2026-04-01"}
    autumn = {**WEEKS, "from": "2026-09-01", "to": "2026-12-01"}
    found = gaps(schedule(spring, autumn), "ops", local("2026-01-01"), local("2027-01-01"))
    title = "nobody in Operations is on call"
    assert found == [
        Period(title, local("2026-01-01"), local("2026-01-05 09:00")),
        Period(title, local("2026-04-01"), local("2026-09-01")),
        Period(title, local("2026-12-01"), local("2027-01-01")),
    ]


def test_parts_that_meet_or_overlap_leave_no_gap():
    parts = ({**WEEKS, "to": "2026-04-01"}, {**WEEKS, "from": "2026-03-01"})
    assert gaps(schedule(*parts), "ops", local("2026-02-01"), local("2027-01-01")) == []
    assert gaps(schedule(), "ops", local("2026-02-01"), local("2027-01-01")) == []


SUNDAYS = {"from": "2026-01-04 00:00", "people": ["ben", "cem"], "each": "1 d"}
ALONE = {"from": "2026-01-05 09:00", "people": ["ann"], "each": "7 d"}
ENDS = {**WEEKS, "to": "2026-01-14 09:00"}


def taken(person: str, begins: str, ends: str, team: str = "ops") -> Override:
    return Override(team, person, local(begins), local(ends))


@pytest.mark.parametrize(
    ("rota", "at", "overrides", "changes", "person"),
    [
        ([WEEKS], "2026-01-05 09:00", [], "2026-01-12 09:00", "ben"),
        ([WEEKS], "2026-01-12 08:59", [], "2026-01-12 09:00", "ben"),
        ([WEEKS], "2026-03-04 12:00", [], "2026-03-09 09:00", "ann"),
        ([WEEKS], "2026-10-31 12:00", [], "2026-11-02 09:00", "ben"),
        ([SUNDAYS], "2026-10-31 12:00", [], "2026-11-01 00:00", "cem"),
        ([WEEKS], "2026-01-06 12:00", [taken("cem", "2026-01-07 09:00", "2026-01-08 09:00")], "2026-01-07 09:00", "cem"),
        ([WEEKS], "2026-01-07 12:00", [taken("cem", "2026-01-07 09:00", "2026-01-08 09:00")], "2026-01-08 09:00", "ann"),
        ([WEEKS], "2026-01-06 12:00", [taken("ann", "2026-01-07 09:00", "2026-01-08 09:00")], "2026-01-12 09:00", "ben"),
        ([WEEKS], "2026-01-11 12:00", [taken("ann", "2026-01-11 09:00", "2026-01-13 09:00")], "2026-01-13 09:00", "ben"),
        ([WEEKS], "2026-01-06 12:00", [taken("cem", "2026-01-07 09:00", "2026-01-08 09:00", "dev")], "2026-01-12 09:00", "ben"),
        ([ENDS], "2026-01-13 09:00", [], "2026-01-14 09:00", "zoe"),
        ([ENDS], "2026-02-01 09:00", [], None, ""),
        ([{**WEEKS, "from": "2026-02-02 09:00"}], "2026-01-06 12:00", [], "2026-02-02 09:00", "ann"),
        ([ALONE], "2026-01-06 12:00", [], None, ""),
        ([], "2026-01-06 12:00", [], None, ""),
        ([], "2026-01-06 12:00", [taken("cem", "2026-01-07 09:00", "2026-01-08 09:00")], "2026-01-07 09:00", "cem"),
    ],
    ids=[
        "a week", "its last minute", "the clock is put forward on the way", "the clock is put back on the way",
        "the night before the clock is put back", "before an override", "in an override",
        "an override by the same person", "an override beyond their turn", "another team's", "the rota ends",
        "it has ended", "it has not begun", "one person alone", "no rota", "no rota, an override",
    ],
)  # fmt: skip
def test_who_is_next_and_from_when(rota, at, overrides, changes, person):
    found = handover(schedule(*rota), "ops", local(at), overrides)

    assert found == (Handover(local(changes), person) if changes else None)


def test_a_rota_that_ends_without_anybody_after_it():
    found = handover(schedule(ENDS, fallback=None), "ops", local("2026-01-13 09:00"))

    assert found == Handover(local("2026-01-14 09:00"), "")
