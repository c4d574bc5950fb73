"""Limits of memory_available."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.memory_available import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def memory(available: int, **data: object) -> Observation:
    return Observation("memory", {"total_bytes": 1000, "available_bytes": available, **data})


@pytest.mark.parametrize(
    ("available", "severity"),
    [
        (100, None),
        (99, Severity.MEDIUM),
        (50, Severity.MEDIUM),
        (49, Severity.HIGH),
        (20, Severity.HIGH),
        (19, Severity.CRITICAL),
        (0, Severity.CRITICAL),
    ],
)
def test_limits(available: int, severity: Severity | None) -> None:
    verdict = judge(memory(available), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    assert judge(memory(500), Limits(), NOW) == passed(
        "50.0 % available (500 B of 1000 B), at least 10 %", Measure("available", 50.0, "%")
    )
    assert judge(memory(40, pressure={"full_avg300": 7.5}), Limits(), NOW) == failed(
        Severity.HIGH,
        "4.0 % available (40 B of 1000 B), at least 5 %, tasks stalled 7.5 % of 5 min",
        Measure("available", 4.0, "%"),
        Measure("stalled", 7.5, "%"),
    )


def test_only_memory_is_judged() -> None:
    assert judge(Observation("load", {}), Limits(), NOW) is None


@pytest.mark.parametrize(
    "data",
    [{}, {"total_bytes": 0, "available_bytes": 0}, {"total_bytes": 9, "available_bytes": "9"}],
)
def test_odd_data_is_unknown(data: dict[str, object]) -> None:
    assert judge(Observation("memory", data), Limits(), NOW) == unknown("no sizes were given")
