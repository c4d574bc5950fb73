"""Limits of database_integrity."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    IntegrityAnswer,
)
from upkeep.checks.databases.database_integrity import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (IntegrityAnswer("integrity_check", 0), Status.PASS, "integrity_check found no problem"),
        (IntegrityAnswer("quick_check", 0), Status.PASS, "indexes were left out for want of time"),
        (IntegrityAnswer("quick_check", 1, ["row N missing from index i"]), Status.FAIL, "1 problem: row N missing"),
        (IntegrityAnswer("integrity_check", 100, ["a", "b", "c", "d"]), Status.FAIL, "100 problems or more: a, b, c, and 1 more"),
        (IntegrityAnswer("integrity_check", -1), Status.UNKNOWN, "no answer"),
    ],
    ids=["whole", "quick", "one", "many", "odd"],
)  # fmt: skip
def test_limits(answer: IntegrityAnswer, status: Status, said: str) -> None:
    verdict = judge(DatabaseObjects("sqlite", True, integrity=answer), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert said in verdict.message
    assert verdict.severity is (Severity.CRITICAL if status is Status.FAIL else None)
