"""A month's responses to incidents, as one figure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from upkeep.rules.incidents import (
    MACHINE,
    AlertJoined,
    Author,
    Incident,
    IncidentEntry,
    Noted,
    Opened,
    Phase,
    fold,
)
from upkeep.rules.responses import ResponseFigure, ResponseState, responses

BERLIN = "Europe/Berlin"
T0 = datetime(2026, 6, 10, 2, 0, tzinfo=UTC)
ANN = Author("ann", "ann")
LIMIT = 900.0


def incident(
    number: int,
    seconds: float | None,
    *,
    seen_at: datetime = T0,
    kind: str = "security",
    drill: bool = False,
) -> Incident:
    """An incident that the machine has opened, to which somebody responded after so many seconds, if at all."""
    opened = Opened(kind, f"no {number}", 1, "web1", seen_at, (Phase("one", "One", LIMIT),), drill)
    entries = [IncidentEntry(seen_at, MACHINE, opened, 1)]
    if seconds is not None:
        entries.append(IncidentEntry(seen_at + timedelta(seconds=seconds), ANN, Noted("x"), 2))
    return fold(number, entries)


def figure(*found: Incident, month: str = "2026-06", minutes: float = 10) -> ResponseFigure:
    return responses(found, month, "security", BERLIN, T0 + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("seconds", "minutes", "state"),
    [
        (899.0, 60, "met"),
        (900.0, 60, "missed"),
        (0.0, 60, "met"),
        (None, 14.9, "open"),
        (None, 15, "missed"),
    ],
    ids=["just in time", "not less", "at once", "nobody yet, in time", "nobody, and too late"],
)
def test_a_response_takes_less_than_the_first_phase(
    seconds: float | None, minutes: float, state: str
) -> None:
    (row,) = figure(incident(1, seconds), minutes=minutes).rows

    assert row.state == state
    assert row.answered == (seconds is not None)


def test_the_figure_is_the_slowest_and_no_mean() -> None:
    found = figure(incident(1, 10), incident(2, 1000), incident(3, 20), minutes=60)

    assert found.slowest is not None
    assert (found.slowest.incident, found.slowest.seconds) == (2, 1000)
    assert found.median_seconds == 20
    assert [found.count(one) for one in get_args(ResponseState)] == [2, 1, 0]


def test_without_an_incident_there_is_no_figure() -> None:
    found = figure()

    assert (found.slowest, found.median_seconds) == (None, None)


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (incident(1, 5, drill=True), False),
        (incident(1, 5, kind="performance"), False),
        (incident(1, 5, seen_at=datetime(2026, 5, 31, 22, 0, tzinfo=UTC)), True),
        (incident(1, 5, seen_at=datetime(2026, 5, 31, 21, 59, tzinfo=UTC)), False),
        (incident(1, 5, seen_at=datetime(2026, 6, 30, 22, 0, tzinfo=UTC)), False),
    ],
    ids=["a drill", "another kind", "the month begins in Berlin", "just before", "the next month"],
)
def test_an_incident_belongs_to_the_month_in_which_it_was_seen(
    found: Incident, counts: bool
) -> None:
    assert bool(figure(found).rows) == counts


def test_one_that_was_opened_in_the_next_month_belongs_to_that_of_its_alert() -> None:
    opened_at = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
    seen_at = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
    opened = Opened("security", "late", 1, "", opened_at, (Phase("one", "One", LIMIT),))
    joined = AlertJoined(3, "Logins", seen_at)
    late = fold(
        1, [IncidentEntry(opened_at, ANN, opened, 1), IncidentEntry(opened_at, MACHINE, joined, 2)]
    )

    assert [one.seconds for one in figure(late).rows] == [86400.0]
