"""How far WAL reaches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from restore_rows import NOW, ledger_row, ledger_seen

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)
from upkeep.checks.restores.backup_recovery_point import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed


def reaching(hours: float, days: float = 1, outcome: str = "restored") -> RestoreRow:
    """Return a verification whose WAL ended so many hours before it began."""
    began = ledger_row(days).began_at
    return ledger_row(days, outcome, recovery_point_at=began - timedelta(hours=hours))


def test_wal_that_reaches_far_enough_passes() -> None:
    assert judge(ledger_seen(reaching(0.5), rpo_hours=1.0), Limits(), NOW) == passed(
        "WAL reached to 2026-11-26 11:24 UTC, 0.5 h before it was verified 1.0 days ago, at most 1 h",
        Measure("behind", 1800, "s"),
    )


@pytest.mark.parametrize(
    ("row", "rpo_hours", "status"),
    [
        (reaching(1), 1.0, Status.PASS),
        (reaching(1.01), 1.0, Status.FAIL),
        (reaching(24), None, Status.PASS),
        (reaching(24.01), None, Status.FAIL),
        (reaching(-0.5), 1.0, Status.PASS),
        (reaching(-1.01), 1.0, Status.UNKNOWN),
        (reaching(0.5, days=31), 1.0, Status.PASS),
        (reaching(0.5, days=31.1), 1.0, Status.UNKNOWN),
        (reaching(2, days=40), 1.0, Status.FAIL),
        (reaching(0.5, outcome="failed"), 1.0, Status.PASS),
    ],
)
def test_limits(row: RestoreRow, rpo_hours: float | None, status: Status) -> None:
    verdict = judge(ledger_seen(row, rpo_hours=rpo_hours), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status


def test_a_gap_fails_however_far_wal_reaches_behind_it() -> None:
    row = ledger_row(1, wal_missing=["A", "B", "C", "D"], recovery_point_at=NOW)

    assert judge(ledger_seen(row), Limits(), NOW) == failed(
        Severity.HIGH, "WAL is missing, and recovery ends there: A, B, C, …; seen 1.0 days ago"
    )


def test_the_newest_verification_that_came_to_an_end_counts() -> None:
    locked = ledger_row(0.1, "unknown")
    without = ledger_row(0.5, "failed")

    passes = judge(ledger_seen(locked, reaching(0.5)), Limits(), NOW)
    does_not_say = judge(ledger_seen(without, reaching(0.5)), Limits(), NOW)

    assert passes is not None
    assert passes.status is Status.PASS
    assert does_not_say is not None
    assert does_not_say.status is Status.UNKNOWN


def test_sets_without_wal_and_those_that_are_not_verified_are_not_judged() -> None:
    assert judge(ledger_seen(ledger_row(1)), Limits(), NOW) is None
    assert judge(ledger_seen(), Limits(), NOW) is None
    assert judge(RestoreSeen(NOW, rows=[reaching(1)]), Limits(), NOW) is None
