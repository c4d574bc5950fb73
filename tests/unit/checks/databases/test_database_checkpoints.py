"""Limits of database_checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    CheckpointCounts,
    DatabaseActivity,
)
from upkeep.checks.databases.database_checkpoints import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(counts: CheckpointCounts, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, checkpoints=counts), limits, NOW)
    assert verdict is not None
    return verdict


HOUR = 3600.0


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (CheckpointCounts(60, 60, 10 * HOUR), Status.FAIL),
        (CheckpointCounts(61, 60, 10 * HOUR), Status.PASS),
        (CheckpointCounts(0, 19, HOUR), Status.UNKNOWN),
        (CheckpointCounts(0, 60, 6 * HOUR - 1), Status.UNKNOWN),
        (CheckpointCounts(0, 60, 6 * HOUR), Status.FAIL),
        (CheckpointCounts(0, 60, 11 * HOUR), Status.PASS),
        (CheckpointCounts(0, 60, None), Status.UNKNOWN),
        (CheckpointCounts(-1, 60, HOUR), Status.UNKNOWN),
        (CheckpointCounts(0, 0, 0), Status.UNKNOWN),
    ],
)
def test_limits(counts: CheckpointCounts, status: Status) -> None:
    assert verdict_of(counts).status is status


def test_the_remedy_allows_twice_the_wal() -> None:
    verdict = verdict_of(CheckpointCounts(20, 180, 20 * HOUR, 2 * 1024**3))

    assert verdict.severity is Severity.MEDIUM
    assert verdict.message == (
        "180 of 200 checkpoints were requested (90.0 %) in 20 h 00 min; at most 50 %: max_wal_size is 2.0 GiB, too "
        "small for what is written"
    )
    assert "max_wal_size = '\"'\"'4096MB'\"'\"''" in verdict.remedy
