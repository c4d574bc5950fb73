"""Limits of file_handles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.file_handles import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def handles(used: int) -> Observation:
    return Observation("file handles", {"open": used, "limit": 1000})


@pytest.mark.parametrize(
    ("used", "severity"),
    [(699, None), (700, Severity.MEDIUM), (899, Severity.MEDIUM), (900, Severity.CRITICAL)],
)
def test_limits(used: int, severity: Severity | None) -> None:
    verdict = judge(handles(used), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    assert judge(handles(10), Limits(), NOW) == passed(
        "1.0 % of file handles open (10); limit 70 %",
        Measure("used", 1.0, "%"),
        Measure("open", 10),
    )
    assert judge(handles(950), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "95.0 % of file handles open (950); limit 90 %",
        Measure("used", 95.0, "%"),
        Measure("open", 950),
    )


def test_what_is_no_handle_is_not_judged_and_odd_data_is_unknown() -> None:
    assert judge(Observation("swap", {}), Limits(), NOW) is None
    for data in ({}, {"open": 1, "limit": 0}, {"open": "1", "limit": 9}):
        assert judge(Observation("file handles", data), Limits(), NOW) == unknown(
            "no number of file handles was given"
        )
