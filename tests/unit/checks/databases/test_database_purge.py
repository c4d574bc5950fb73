"""Limits of database_purge."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PurgeState,
)
from upkeep.checks.databases.database_purge import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("history", "severity"),
    [(0, None), (999_999, None), (1_000_000, Severity.MEDIUM), (9_999_999, Severity.MEDIUM), (10_000_000, Severity.HIGH)],
)  # fmt: skip
def test_limits(history: int, severity: Severity | None) -> None:
    seen = DatabaseActivity("mariadb", True, purge=PurgeState(history))
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity


def test_less_than_nothing_is_unknown() -> None:
    verdict = judge(DatabaseActivity("mariadb", True, purge=PurgeState(-1)), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
