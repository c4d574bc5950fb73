"""Limits of database_foreign_key_rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    ForeignKeyRows,
)
from upkeep.checks.databases.database_foreign_key_rows import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "status", "said"),
    [
        ([], Status.PASS, "each row refers to one that is there"),
        ([ForeignKeyRows("item", "bill", 1)], Status.FAIL, "1 row of item refers to no row of bill"),
        ([ForeignKeyRows("item", "bill", 3)], Status.FAIL, "3 rows of item refer to no row of bill"),
        ([ForeignKeyRows("old_item", "bill", 3)], Status.PASS, "each row"),
        ([ForeignKeyRows("item", "bill", 0)], Status.UNKNOWN, "less than no such rows"),
    ],
    ids=["none", "one", "three", "left out", "odd"],
)  # fmt: skip
def test_limits(rows: list[ForeignKeyRows], status: Status, said: str) -> None:
    seen = DatabaseObjects("sqlite", True, subject="sqlite /srv/till.db", foreign_key_rows=rows)
    verdict = judge(seen, Limits(ignore=("old_*",)), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert said in verdict.message
    if status is Status.FAIL:
        assert verdict.severity is Severity.MEDIUM
        assert verdict.remedy.startswith("sqlite3 /srv/till.db 'PRAGMA foreign_key_check('")
