"""Limits of disk_space_trend, and what moves its trend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.disk_space_trend import CHECK, Limits
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Status,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GIB = 1024**3


def seen(gib: float, **data: object) -> Observation:
    return Observation("/srv", {"mounted": True, "available_bytes": gib * GIB, **data})


def past(*gib: float, every: timedelta = timedelta(days=1)) -> list[tuple[datetime, Observation]]:
    """As it was seen before, the oldest first; the newest so long ago as they are apart."""
    return [(NOW - every * (len(gib) - number), seen(one)) for number, one in enumerate(gib)]


@pytest.mark.parametrize(
    ("left", "severity"),
    [(14.1, None), (14, Severity.MEDIUM), (3.1, Severity.MEDIUM), (3, Severity.HIGH)],
)
def test_limits(left: float, severity: Severity | None) -> None:
    """It loses a GiB a day."""
    verdict = judge(seen(left), Limits(), NOW, past(*(left + 6 - number for number in range(6))))

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_pace_looks_and_limit() -> None:
    assert judge(seen(2), Limits(), NOW, past(8, 7, 6, 5, 4, 3)) == failed(
        Severity.HIGH,
        "full in 2.0 days at 1.0 GiB a day, based on 6 earlier checks in 6.0 days; limit 3 days",
        Measure("days_left", 2.0, "d"),
    )
    assert judge(seen(20), Limits(), NOW, past(26, 25, 24, 23, 22, 21)) == passed(
        "full in 20.0 days at 1.0 GiB a day, based on 6 earlier checks in 6.0 days; limit 14 days",
        Measure("days_left", 20.0, "d"),
    )
    assert judge(seen(5), Limits(), NOW, past(5, 5, 5, 5, 5, 5)) == passed(
        "does not fill up: 5.0 GiB available, based on 6 earlier checks in 6.0 days"
    )


@pytest.mark.parametrize(
    ("looks", "every", "judged"),
    [
        (6, timedelta(days=1), True),
        (5, timedelta(days=1), False),
        (6, timedelta(hours=12), True),
        (6, timedelta(hours=11), False),
        (0, timedelta(days=1), False),
    ],
    ids=["six", "five", "over three days", "over less", "none"],
)
def test_too_few_looks_are_no_trend(looks: int, every: timedelta, judged: bool) -> None:
    before = past(*([50.0] * looks), every=every)
    verdict = judge(seen(50), Limits(), NOW, before)

    assert (verdict.status is Status.PASS) is judged
    if not looks:
        assert verdict == nothing_to_judge(
            "0 earlier checks in 0.0 days, at least 6 in 3 days: too few for a trend"
        )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((50, 50, 2, 50, 50, 50, 50), 50),
        ((50, 50, 50, 50, 50, 50, 50), 2),
        ((10, 9, 8, 100, 99, 98, 97), 96),
        ((5, 6, 7, 8, 9, 10, 11), 12),
    ],
    ids=["a file that came and went", "a file that has just come", "a larger disk", "it empties"],
)
def test_what_is_no_trend_passes(before: tuple[float, ...], now: float) -> None:
    assert judge(seen(now), Limits(), NOW, past(*before)).status is Status.PASS


def test_a_sawtooth_that_rises_is_seen() -> None:
    """Each night's backup takes 20 GiB and gives them back; beside it, a GiB a day is lost."""
    before = [50 - day / 2 - (20 if day % 2 else 0) for day in range(40)]
    verdict = judge(seen(30), Limits(), NOW, past(*before, every=timedelta(hours=12)))

    assert verdict.measures[0].value == pytest.approx(30, rel=0.2)


@pytest.mark.parametrize(
    "data",
    [{"mounted": False}, {"seen_as_another": True}, {"read_only": True}],
    ids=["not mounted", "seen as another", "read-only"],
)
def test_what_it_does_not_concern(data: dict[str, object]) -> None:
    assert judge(seen(1, **data), Limits(), NOW, past(*range(9, 1, -1))) is None


@pytest.mark.parametrize("size", [None, "many", -1, float("nan")])
def test_without_a_size_it_is_unknown(size: object) -> None:
    odd = Observation("/srv", {"mounted": True, "available_bytes": size})

    assert judge(odd, Limits(), NOW, past(*range(9, 1, -1))) == unknown("no sizes were given")


def test_earlier_looks_without_a_size_do_not_count() -> None:
    odd = [(at, Observation("/srv", {"mounted": False})) for at, _one in past(*range(7))]

    assert judge(seen(5), Limits(), NOW, odd).status is Status.UNKNOWN


def test_two_looks_at_the_same_time_are_no_slope() -> None:
    twice = [*past(8, 7, 6, 5, 4, 3), (NOW, seen(100))]

    assert judge(seen(2), Limits(), NOW, twice).severity is Severity.HIGH
