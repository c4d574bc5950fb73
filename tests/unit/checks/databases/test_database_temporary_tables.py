"""Limits of database_temporary_tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    TemporaryTables,
)
from upkeep.checks.databases.database_temporary_tables import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("on_disk", "made", "status"),
    [
        (0, 0, Status.PASS),
        (3599, 3599, Status.PASS),
        (3600, 3600, Status.FAIL),
        (3600, 14_400, Status.FAIL),
        (3600, 14_401, Status.PASS),
        (1, -1, Status.UNKNOWN),
    ],
)
def test_limits_of_an_hour(on_disk: int, made: int, status: Status) -> None:
    counts = TemporaryTables(on_disk, made, 3600)
    verdict = judge(DatabaseActivity("mariadb", True, temporary_tables=counts), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert verdict.severity is (Severity.LOW if status is Status.FAIL else None)
