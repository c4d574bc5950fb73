"""Limits of database_unsafe_tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnsafeTable,
)
from upkeep.checks.databases.database_unsafe_tables import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

SESSION = UnsafeTable("shop.session", "MEMORY", 9)


@pytest.mark.parametrize(
    ("rows", "severity", "said"),
    [
        ([], None, "each table with rows has an engine that survives a crash"),
        ([SESSION], Severity.LOW, "a crash may damage or empty shop.session (MEMORY, 9 B)"),
        ([SESSION, UnsafeTable("shop.visit", "", 0, 0)], Severity.HIGH, "the server cannot open shop.visit"),
    ],
    ids=["none", "one of memory", "one that is damaged"],
)  # fmt: skip
def test_limits(rows: list[UnsafeTable], severity: Severity | None, said: str) -> None:
    verdict = judge(DatabaseObjects("mariadb", True, unsafe_tables=rows), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert said in verdict.message


def test_a_table_may_be_left_out() -> None:
    seen = DatabaseObjects("mariadb", True, unsafe_tables=[SESSION])
    verdict = judge(seen, Limits(ignore=("*.session",)), NOW)

    assert verdict is not None
    assert verdict.status is Status.PASS
