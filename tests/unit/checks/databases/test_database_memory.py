"""Limits of database_memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    RedisMemory,
)
from upkeep.checks.databases.database_memory import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("memory", "severity"),
    [
        (RedisMemory(84, 100, "noeviction"), None),
        (RedisMemory(85, 100, "noeviction"), Severity.MEDIUM),
        (RedisMemory(95, 100, "noeviction"), Severity.HIGH),
        (RedisMemory(99, 100, "allkeys-lru", keys=5), None),
        (RedisMemory(99, 100, "volatile-lru", keys=5, expiring_keys=1), None),
        (RedisMemory(99, 100, "volatile-lru", keys=5), Severity.HIGH),
        (RedisMemory(84, 0, "noeviction", system_bytes=100), None),
        (RedisMemory(95, 0, "noeviction", system_bytes=100), Severity.HIGH),
        (RedisMemory(95, 0, "allkeys-lru", system_bytes=100), Severity.HIGH),
    ],
    ids=str,
)
def test_limits(memory: RedisMemory, severity: Severity | None) -> None:
    verdict = judge(DatabaseActivity("redis", True, memory=memory), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity


@pytest.mark.parametrize("memory", [RedisMemory(-1, 0, ""), RedisMemory(5, 0, "noeviction")])
def test_what_was_not_told_is_unknown(memory: RedisMemory) -> None:
    verdict = judge(DatabaseActivity("redis", True, memory=memory), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
