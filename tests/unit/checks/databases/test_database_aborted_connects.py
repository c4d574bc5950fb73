"""Limits of database_aborted_connects."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ConnectionAttempts,
    DatabaseActivity,
)
from upkeep.checks.databases.database_aborted_connects import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "attempts", "status"),
    [
        (0, 0, Status.PASS),
        (49, 49, Status.PASS),
        (50, 50, Status.FAIL),
        (50, 1666, Status.FAIL),
        (50, 1667, Status.PASS),
        (-1, 5, Status.UNKNOWN),
    ],
)
def test_limits(failures: int, attempts: int, status: Status) -> None:
    counts = ConnectionAttempts(failures, attempts, 3600)
    verdict = judge(DatabaseActivity("mariadb", True, connection_attempts=counts), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert verdict.severity is (Severity.MEDIUM if status is Status.FAIL else None)
