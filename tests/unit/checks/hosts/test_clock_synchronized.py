"""Limits of clock_synchronized."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.clock_synchronized import Limits, judge
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed, unknown

SEE = "chronyc -n sources -v  # see its sources, and which it follows"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def clock(**data: object) -> Observation:
    return Observation("clock", {"by": "chrony", "synchronized": True, **data})


def off(*said: Any, remedy: str = SEE) -> Verdict:
    return failed(*said, remedy=remedy)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (clock(), passed("synchronized by chrony")),
        (
            clock(offset_seconds=0.2, stratum=10, updated_seconds_ago=10_800),
            passed(
                "synchronized by chrony, 0.200000 s off, at most 0.2 s", Measure("offset", 0.2, "s")
            ),
        ),
        (
            clock(offset_seconds=0.201),
            off(Severity.MEDIUM, "0.201 s off, at most 0.2 s", Measure("offset", 0.201, "s")),
        ),
        (
            clock(offset_seconds=1.5),
            off(Severity.HIGH, "1.500 s off, at most 1 s", Measure("offset", 1.5, "s")),
        ),
        (clock(stratum=11), off(Severity.LOW, "at stratum 11, at most 10")),
        (
            clock(offset_seconds=1.0),
            off(Severity.MEDIUM, "1.000 s off, at most 0.2 s", Measure("offset", 1.0, "s")),
        ),
        (
            clock(updated_seconds_ago=10_800.5),
            off(Severity.MEDIUM, "source last heard 180 min ago, at most 180 min"),
        ),
        (
            clock(updated_seconds_ago=10_860),
            off(Severity.MEDIUM, "source last heard 181 min ago, at most 180 min"),
        ),
        (
            clock(own_clock=True, reference="7F7F0101", offset_seconds=0.0, stratum=10),
            off(
                Severity.MEDIUM,
                "not synchronized: the source of chrony is the host's own clock (reference 7F7F0101)",
                remedy="chronyc -n sources -v  # see its sources; then name a server for it",
            ),
        ),
        (clock(own_clock=False, offset_seconds=None), passed("synchronized by chrony")),
        (
            clock(synchronized=False),
            off(Severity.MEDIUM, "not synchronized, according to chrony"),
        ),
        (
            clock(synchronized="yes"),
            unknown("the host did not report whether its clock is synchronized"),
        ),
    ],
)
def test_states(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize(
    ("keeper", "line"),
    [
        ("chrony", "chronyc -n sources -v"),
        ("ntpd", "ntpq -pn"),
        ("systemd", "timedatectl"),
        (
            "kernel",
            "ps -eo pid,comm | grep -E 'chronyd|ntpd|timesyn|ptp4l' || echo 'no daemon keeps the clock'",
        ),
    ],
)
def test_the_next_step_names_no_program_of_another_keeper(keeper: str, line: str) -> None:
    found = judge(clock(by=keeper, synchronized=False), Limits(), NOW)

    assert command_of(found.remedy) == line


@pytest.mark.parametrize("name", ["offset_seconds", "stratum", "updated_seconds_ago"])
@pytest.mark.parametrize("odd", ["5", -5.0, True, float("nan"), [5]])
def test_a_figure_that_was_told_and_is_none_does_not_pass(name: str, odd: object) -> None:
    with pytest.raises(ValueError, match=rf"{name}: found .*; expected a number"):
        judge(clock(**{name: odd}), Limits(), NOW)


def time_of(seconds: object) -> Observation:
    return Observation("time", {"seconds": seconds})


SAYS = NOW.timestamp()
WRONG = "the controller's clock, at most 300 s; one of the two is wrong"


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        (SAYS, passed("within 300 s of the controller's")),
        (SAYS - 300, passed("within 300 s of the controller's")),
        (SAYS + 300, passed("within 300 s of the controller's")),
        (SAYS + 300.5, failed(Severity.HIGH, f"5 min ahead of {WRONG}")),
        (SAYS - 301, failed(Severity.HIGH, f"5 min behind {WRONG}")),
        (SAYS - 7_200, failed(Severity.HIGH, f"2 h behind {WRONG}")),
        (SAYS + 5 * 86_400, failed(Severity.HIGH, f"5 days ahead of {WRONG}")),
        (SAYS - 10 * 365.25 * 86_400, failed(Severity.HIGH, f"10 years behind {WRONG}")),
        (0.0, failed(Severity.HIGH, f"57 years behind {WRONG}")),
        (4_102_444_800, failed(Severity.HIGH, f"73 years ahead of {WRONG}")),
        (None, unknown("the host did not report its time")),
        (True, unknown("the host did not report its time")),
        ("2026", unknown("the host did not report its time")),
    ],
)
def test_a_clock_that_nobody_complains_of_may_still_be_years_off(
    seconds: object, verdict: object
) -> None:
    found = judge(time_of(seconds), Limits(), NOW)

    assert (found.status, found.severity, found.message) == (
        verdict.status,
        verdict.severity,
        verdict.message,
    )  # type: ignore[attr-defined]


def test_the_limit_is_the_sites() -> None:
    assert (
        judge(time_of(SAYS + 90), Limits(max_controller_seconds=60), NOW).severity is Severity.HIGH
    )
