"""Limits of database_statistics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    TableStatistics,
)
from upkeep.checks.databases.database_statistics import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> TableStatistics:
    return TableStatistics(
        **{
            "name": "public.grown",
            "live_rows": 21000,
            "changed_rows": 0,
            "threshold": 5000.0,
            "seconds": 172800.0,
            **more,
        }
    )


def verdict_of(*rows: TableStatistics, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, statistics=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'changed_rows': 9999, 'never': True}, None),
        ({'changed_rows': 10000, 'never': True, 'seconds': 0.0}, Severity.MEDIUM),
        ({'changed_rows': 9999, 'threshold': 10.0}, None),
        ({'changed_rows': 10000}, Severity.LOW),
        ({'changed_rows': 10000, 'threshold': 5000.5}, None),
        ({'changed_rows': 10000, 'seconds': 172799.0}, None),
        ({'changed_rows': 10000, 'seconds': 0.0, 'autovacuum': False}, Severity.LOW),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one(changed_rows=20000))

    assert (
        verdict.message
        == "public.grown of 21 000 rows was not analyzed for 48 h 00 min, 20 000 have changed; limit 10 000 changed rows, 2 × what autovacuum analyzes for, 2 d"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'ANALYZE public.grown'  # it reads a sample, and locks nothing that queries need"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.gr*",))

    assert verdict_of(one(changed_rows=20000), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert (
        verdict_of().message
        == "no table lacks statistics; limit 10 000 changed rows, 2 × what autovacuum analyzes for, 2 d"
    )


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(seconds=number)).status is Status.UNKNOWN


def test_one_that_never_was_is_said_so() -> None:
    verdict = verdict_of(one(changed_rows=20000, never=True, autovacuum=False))

    assert verdict.message == (
        "public.grown of 21 000 rows was never analyzed, 20 000 have changed, autovacuum is off for it; "
        "limit 10 000 changed rows"
    )


def test_a_standby_is_not_judged() -> None:
    verdict = verdict_of(one(changed_rows=20000), in_recovery=True)

    assert verdict.message == "a standby: its primary counts what has changed"
