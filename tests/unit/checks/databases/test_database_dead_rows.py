"""Limits of database_dead_rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DeadRows,
)
from upkeep.checks.databases.database_dead_rows import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> DeadRows:
    return DeadRows(
        **{
            "name": "public.basket",
            "dead_rows": 0,
            "live_rows": 5000,
            "threshold": 5000.0,
            "seconds": 3600.0,
            "vacuumed": True,
            **more,
        }
    )


def verdict_of(*rows: DeadRows, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, dead_rows=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'dead_rows': 9999}, None),
        ({'dead_rows': 10000}, Severity.MEDIUM),
        ({'dead_rows': 10000, 'seconds': 3599.0}, None),
        ({'dead_rows': 10000, 'seconds': 0.0, 'autovacuum': False}, Severity.MEDIUM),
        ({'dead_rows': 49999}, Severity.MEDIUM),
        ({'dead_rows': 50000}, Severity.HIGH),
        ({'dead_rows': 10000, 'threshold': 5000.5}, None),
        ({'dead_rows': 9999, 'autovacuum': False}, None),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one(dead_rows=25000))

    assert (
        verdict.message
        == "public.basket has 25 000 dead rows beside 5000 (last vacuum 1 h 00 min ago); limit 10000 and 2 × what autovacuum comes for"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'VACUUM (ANALYZE) public.basket'  # if they stay, an old transaction or a replication slot holds them"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.bask*",))

    assert verdict_of(one(dead_rows=25000), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no table has 10000 dead rows that autovacuum leaves for 60 min"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(dead_rows=number)).status is Status.UNKNOWN


def test_one_without_autovacuum_gets_it_back() -> None:
    verdict = verdict_of(one(dead_rows=25000, autovacuum=False, vacuumed=False, in_vacuum=True))

    assert "(no vacuum is known, autovacuum is off for it, one is at it now)" in verdict.message
    assert "'ALTER TABLE public.basket RESET (autovacuum_enabled)'" in verdict.remedy


def test_a_standby_is_not_judged() -> None:
    verdict = verdict_of(one(dead_rows=25000), in_recovery=True)

    assert verdict.message == "a standby: its primary counts dead rows"
