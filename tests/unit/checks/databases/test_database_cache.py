"""Limits of database_cache."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    CacheCounts,
    DatabaseActivity,
)
from upkeep.checks.databases.database_cache import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: CacheCounts, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, cache=list(rows)), limits, NOW)
    assert verdict is not None
    return verdict


GIB = 1024**3


def counts(hit: int, read: int, gib: float = 10) -> CacheCounts:
    return CacheCounts("shop", hit, read, int(gib * GIB))


@pytest.mark.parametrize(
    ("row", "status", "severity"),
    [
        (counts(9900, 100), Status.PASS, None),
        (counts(9899, 101), Status.FAIL, Severity.LOW),
        (counts(9000, 1000), Status.FAIL, Severity.LOW),
        (counts(8999, 1001), Status.FAIL, Severity.MEDIUM),
        (counts(0, 100, 9.9), Status.UNKNOWN, None),
        (counts(-1, 100), Status.UNKNOWN, None),
        (counts(5, 0, 20), Status.UNKNOWN, None),
    ],
)
def test_limits(row: CacheCounts, status: Status, severity: Severity | None) -> None:
    verdict = verdict_of(row)

    assert (verdict.status, verdict.severity) == (status, severity)


def test_the_worst_database_is_named() -> None:
    verdict = verdict_of(CacheCounts("well", 999, 1, 20 * GIB), counts(95, 5, 20))

    assert verdict.message == (
        "shop found 95.00 % of its blocks in shared buffers and read 20.0 GiB; at least 99 %"
    )


def test_no_database_is_nothing_to_judge() -> None:
    assert verdict_of().status is Status.UNKNOWN
