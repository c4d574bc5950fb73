"""Limits of swap_used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.swap_used import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def swap(used: int) -> Observation:
    return Observation("swap", {"total_bytes": 1000, "free_bytes": 1000 - used})


@pytest.mark.parametrize(
    ("used", "severity"),
    [
        (799, None),
        (800, Severity.LOW),
        (949, Severity.LOW),
        (950, Severity.MEDIUM),
        (1000, Severity.MEDIUM),
    ],
)
def test_limits(used: int, severity: Severity | None) -> None:
    verdict = judge(swap(used), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    assert judge(swap(100), Limits(), NOW) == passed(
        "10.0 % of 1000 B swap used; limit 80 %", Measure("used", 10.0, "%")
    )
    assert judge(swap(960), Limits(), NOW) == failed(
        Severity.MEDIUM, "96.0 % of 1000 B swap used; limit 95 %", Measure("used", 96.0, "%")
    )


def test_what_is_not_swap_is_not_judged_and_odd_data_is_unknown() -> None:
    assert judge(Observation("memory", {}), Limits(), NOW) is None
    for data in ({}, {"total_bytes": 0, "free_bytes": 0}, {"total_bytes": 1}):
        assert judge(Observation("swap", data), Limits(), NOW) == unknown("no sizes were given")
