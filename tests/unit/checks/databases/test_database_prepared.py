"""Limits of database_prepared."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PreparedTransaction,
)
from upkeep.checks.databases.database_prepared import Limits, judge
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: PreparedTransaction, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, prepared=list(rows)), limits, NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("minutes", "severity"),
    [(9.9, None), (10, Severity.MEDIUM), (59.9, Severity.MEDIUM), (60, Severity.HIGH)],
)
def test_limits(minutes: float, severity: Severity | None) -> None:
    assert verdict_of(PreparedTransaction("x", seconds=minutes * 60)).severity is severity


def test_nothing_is_prepared() -> None:
    assert verdict_of().message == "0 prepared transactions; at most 10 min"


def test_it_is_named_with_how_to_end_it() -> None:
    verdict = verdict_of(
        PreparedTransaction("new", "shop", "shop", 60),
        PreparedTransaction("it's", "shop", "a b", 4000),
    )

    assert verdict.message == (
        "it's of shop in a b has been prepared for 1 h 06 min, at most 60 min; 2 transactions are prepared"
    )
    assert verdict.remedy.startswith(
        """runuser -u postgres -- psql -d 'a b' -c 'ROLLBACK PREPARED '"'"'it'"'"''"'"'s'"'"''  # decide: """
    )


def test_a_name_that_cannot_be_printed_is_written_by_its_numbers() -> None:
    verdict = verdict_of(PreparedTransaction("a\nb", "shop", "shop", 4000))

    command = shlex.split(command_of(verdict.remedy))
    assert command[-1] == r"ROLLBACK PREPARED U&'a\+00000Ab'"


def test_one_whose_name_is_not_told_is_looked_for() -> None:
    verdict = verdict_of(PreparedTransaction("", "shop", "shop", 4000))

    assert verdict.message.startswith("a transaction of shop in shop has been prepared for")
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'select gid, prepared, owner from pg_prepared_xacts order by prepared'"
        "  # decide: COMMIT PREPARED or ROLLBACK PREPARED, as its coordinator decided"
    )
