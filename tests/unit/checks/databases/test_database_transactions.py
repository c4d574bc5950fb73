"""Limits of database_transactions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    OpenTransaction,
)
from upkeep.checks.databases.database_transactions import Limits, judge
from upkeep.model.verdicts import Severity, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
IDLE = "idle in transaction"


def verdict_of(*rows: OpenTransaction) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, transactions=list(rows)), Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("state", "minutes", "idle_minutes", "severity"),
    [
        ("active", 29.9, 29.9, None),
        ("active", 30, 0, Severity.MEDIUM),
        ("active", 119.9, 0, Severity.MEDIUM),
        ("active", 120, 0, Severity.HIGH),
        (IDLE, 29.9, 1.9, None),
        (IDLE, 2, 2, Severity.MEDIUM),
        (IDLE, 5, 4.9, Severity.MEDIUM),
        (IDLE, 5, 5, Severity.HIGH),
        ("idle in transaction (aborted)", 5, 5, Severity.HIGH),
        (None, 30, 5, Severity.MEDIUM),
    ],
)
def test_limits(
    state: str | None, minutes: float, idle_minutes: float, severity: Severity | None
) -> None:
    one = OpenTransaction(7, "shop", "shop", "psql", state, minutes * 60, idle_minutes * 60)

    assert verdict_of(one).severity is severity


def test_a_failure_names_the_session_and_how_to_end_it() -> None:
    verdict = verdict_of(OpenTransaction(4711, "shop", "shop", "psql", IDLE, 700, 600))

    assert verdict.message.startswith(
        "shop (session 4711, application psql) has been idle in a transaction for 10 min"
    )
    assert "pg_terminate_backend(4711)" in verdict.remedy


def test_no_transaction_passes() -> None:
    assert verdict_of().message.startswith("0 open transactions, none is open")
