"""Limits of database_passwords."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    OpenAccount,
)
from upkeep.checks.databases.database_passwords import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "severity", "remedy"),
    [
        ([], None, ""),
        ([OpenAccount("o'dd", "localhost")], Severity.HIGH, "mariadb -e 'ALTER USER '"),
        ([OpenAccount("a", "localhost"), OpenAccount("b", "%")], Severity.CRITICAL, "mariadb -e 'ALTER USER '"),
        ([OpenAccount("", "localhost")], Severity.HIGH, "mariadb -e 'DROP USER '"),
    ],
    ids=["none", "of the host", "from anywhere", "anybody"],
)  # fmt: skip
def test_limits(rows: list[OpenAccount], severity: Severity | None, remedy: str) -> None:
    seen = DatabaseActivity("mariadb", True, open_accounts=rows)
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert verdict.remedy.startswith(remedy)


def test_an_account_may_be_left_out() -> None:
    seen = DatabaseActivity("mariadb", True, open_accounts=[OpenAccount("monitor", "localhost")])
    verdict = judge(seen, Limits(ignore=("monitor@*",)), NOW)

    assert verdict is not None
    assert verdict.status is Status.PASS
