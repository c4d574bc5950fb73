"""Limits of database_pooler."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PoolState,
)
from upkeep.checks.databases.database_pooler import Limits, judge
from upkeep.model.verdicts import Severity, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*pools: PoolState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("pgbouncer", True, pools=list(pools)), limits, NOW)
    assert verdict is not None
    return verdict


def pool(waiting: int, seconds: float, servers: int = 5) -> PoolState:
    return PoolState("shop", "clerk", 5, waiting, servers, seconds)


@pytest.mark.parametrize(
    ("one", "severity"),
    [
        (pool(0, 0), None),
        (pool(3, 4.9), None),
        (pool(3, 5), Severity.MEDIUM),
        (pool(3, 29.9), Severity.MEDIUM),
        (pool(3, 30), Severity.HIGH),
        (pool(3, 0.9, 0), None),
        (pool(3, 1, 0), Severity.CRITICAL),
        (pool(0, 1, 0), None),
    ],
)
def test_limits(one: PoolState, severity: Severity | None) -> None:
    assert verdict_of(one).severity is severity


def test_the_worst_pool_is_named() -> None:
    verdict = verdict_of(PoolState("a", "b", 1, 1, 1, 6), pool(3, 40))

    assert verdict.message == (
        "3 clients wait for a connection to shop as clerk, the first for 40 s; 5 have one, of 5; at most 30 s; "
        "and 1 more, at most 5 s"
    )


def test_a_pool_without_a_server_comes_first() -> None:
    verdict = verdict_of(pool(3, 400), PoolState("a", "b", 0, 1, 0, 1))

    assert (
        verdict.message
        == "1 client waits for a connection to a as b, and PgBouncer has none; at most 1 s"
    )


def test_a_paused_pool_is_no_outage_of_the_server() -> None:
    stopped = PoolState("Shop", "clerk", 0, 3, 0, 7, paused=True)

    verdict = verdict_of(stopped)

    assert (
        verdict.message
        == "3 clients wait for a connection to Shop as clerk, and it is paused; at most 1 s"
    )
    assert verdict.remedy.startswith("psql -p 6432 -U pgbouncer -d pgbouncer -c 'RESUME \"Shop\"'")
    assert verdict_of(PoolState("shop", "clerk", 0, 0, 0, 0, paused=True)).severity is None


def test_no_pool_passes() -> None:
    assert verdict_of().message == "0 clients wait in 0 pools; at most 5 s"
