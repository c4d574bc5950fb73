"""Limits of database_checksums."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ChecksumFailures,
    ChecksumState,
    DatabaseActivity,
)
from upkeep.checks.databases.database_checksums import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(state: ChecksumState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, checksums=state), limits, NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ChecksumState(True), Status.PASS),
        (ChecksumState(False), Status.UNKNOWN),
        (ChecksumState(True, [ChecksumFailures("shop", 0)]), Status.PASS),
        (ChecksumState(True, [ChecksumFailures("shop", 1)]), Status.FAIL),
        (ChecksumState(False, [ChecksumFailures("shop", 1)]), Status.FAIL),
    ],
)
def test_one_is_too_many(state: ChecksumState, status: Status) -> None:
    assert verdict_of(state).status is status


def test_the_worst_is_named() -> None:
    rows = [ChecksumFailures("shop", 1), ChecksumFailures("", 3, 120)]

    verdict = verdict_of(ChecksumState(True, rows))

    assert verdict.severity is Severity.CRITICAL
    assert verdict.message == (
        "3 pages of what all databases share had a wrong checksum, the last 2 min 00 s ago; more of shop; "
        "expected none"
    )
