"""Limits of database_wraparound."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    DatabaseAge,
    WraparoundState,
)
from upkeep.checks.databases.database_wraparound import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: DatabaseAge, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(
        DatabaseActivity(
            "postgresql", True, wraparound=WraparoundState(200_000_000, 400_000_000, list(rows))
        ),
        limits,
        NOW,
    )
    assert verdict is not None
    return verdict


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("age", "multixact_age", "severity"),
    [
        (399, 799, None),
        (400, 0, Severity.MEDIUM),
        (0, 800, Severity.MEDIUM),
        (1299, 0, Severity.MEDIUM),
        (1300, 0, Severity.HIGH),
        (0, 1300, Severity.HIGH),
        (1699, 0, Severity.HIGH),
        (1700, 0, Severity.CRITICAL),
        (0, 1700, Severity.CRITICAL),
    ],
)
def test_limits(age: int, multixact_age: int, severity: Severity | None) -> None:
    one = DatabaseAge("shop", age * MILLION, multixact_age * MILLION)

    assert verdict_of(one).severity is severity


def test_the_database_is_named_with_how_to_freeze_it() -> None:
    verdict = verdict_of(DatabaseAge("a b", 500 * MILLION), DatabaseAge("new", 5))

    assert verdict.message.startswith(
        "a b has rows that are 500 000 000 transactions old and not frozen, at most 2 times the 200 000 000"
    )
    assert verdict.remedy.startswith(
        "runuser -u postgres -- psql -d 'a b' -c 'VACUUM (FREEZE)'  # decide: "
    )


def test_a_database_that_lets_nobody_in_has_words() -> None:
    verdict = verdict_of(DatabaseAge("template0", 500 * MILLION, connectable=False))

    assert verdict.remedy.startswith("decide: ")


@pytest.mark.parametrize("rows", [(), (DatabaseAge("shop", -1),), (DatabaseAge("shop", 1, -1),)])
def test_what_cannot_be_is_unknown(rows: tuple[DatabaseAge, ...]) -> None:
    assert verdict_of(*rows).status is Status.UNKNOWN
