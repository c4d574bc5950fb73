"""Limits of database_pool."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases.database_pool import CHECK, Limits
from upkeep.judging.shapes import ShapeError
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

HOLDERS = (
    "runuser -u postgres -- psql -c 'select usename, state, count(*) from pg_stat_activity group by 1, 2'"
    "  # see who holds them; then end what holds connections and does nothing, or allow more"
)


def database(used: object, **data: object) -> Observation:
    slots = {"connections": used, "max_connections": 103, "reserved_connections": 3}
    data = {"kind": "postgresql", "connected": True, **slots, **data}
    return Observation("db", data)


@pytest.mark.parametrize(
    ("used", "severity"),
    [
        (84, None),
        (85, Severity.MEDIUM),
        (89, Severity.MEDIUM),
        (90, Severity.HIGH),
        (94, Severity.HIGH),
        (95, Severity.CRITICAL),
        (103, Severity.CRITICAL),
    ],
)
def test_limits(used: int, severity: Severity | None) -> None:
    verdict = judge(database(used), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    assert judge(database(20), Limits(), NOW) == passed(
        "20 of 100 connections in use (20.0 %); limit 85 %",
        Measure("used", 20.0, "%"),
        Measure("connections", 20),
    )
    assert judge(database(96, states={"idle in transaction": 80}), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "96 of 100 connections in use (96.0 %), 80 idle in transaction; limit 95 %",
        Measure("used", 96.0, "%"),
        Measure("connections", 96),
        Measure("idle in transaction", 80),
        remedy=HOLDERS,
    )


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (database(1, kind="sqlite"), None),
        (
            database(1, connected=False),
            unknown("not checked: no connection", remedy="fix what database_connect says first"),
        ),
        (
            database(1, connected=False, saturated=True, reason="ERROR 1040"),
            failed(Severity.CRITICAL, "no connection is left: ERROR 1040", remedy=HOLDERS),
        ),
        (database(None), unknown("the server did not report its number of connections")),
        (database(1, max_connections=3), unknown("0 connections may be had")),
        (database(1, max_connections=2), unknown("-1 connections may be had")),
        (
            database(1, max_connections=4),
            failed(
                Severity.CRITICAL,
                "1 of 1 connections in use (100.0 %); limit 95 %",
                Measure("used", 100.0, "%"),
                Measure("connections", 1),
                remedy=HOLDERS,
            ),
        ),
        (
            database(85, max_connections=100, reserved_connections=None),
            failed(
                Severity.MEDIUM,
                "85 of 100 connections in use (85.0 %); limit 85 %",
                Measure("used", 85.0, "%"),
                Measure("connections", 85),
                remedy=HOLDERS,
            ),
        ),
    ],
)
def test_states(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize("odd", ["5", 0.5, float("nan")])
def test_a_reserve_that_was_told_and_is_none_does_not_pass(odd: object) -> None:
    with pytest.raises(ShapeError, match=r"reserved_connections: expected int or nothing, got"):
        judge(database(1, reserved_connections=odd), Limits(), NOW)


@pytest.mark.parametrize("name", ["connections", "max_connections", "reserved_connections"])
def test_a_number_below_nothing_does_not_pass(name: str) -> None:
    verdict = judge(database(1, **{name: -5}), Limits(), NOW)

    assert verdict == unknown("the server did not report its number of connections")
