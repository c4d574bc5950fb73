"""Limits of database_foreign_keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    BareForeignKey,
    DatabaseObjects,
)
from upkeep.checks.databases.database_foreign_keys import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> BareForeignKey:
    return BareForeignKey(
        **{
            "name": "public.bill",
            "constraint": "of_client",
            "columns": "client",
            "references": "public.client",
            "table_rows": 0,
            **more,
        }
    )


def verdict_of(*rows: BareForeignKey, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, foreign_keys=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'table_rows': 9999}, None),
        ({'table_rows': 10000}, Severity.LOW),
        ({'table_rows': 999999}, Severity.LOW),
        ({'table_rows': 1000000}, Severity.MEDIUM),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one(table_rows=20000))

    assert (
        verdict.message
        == "public.bill (client), which refers to public.client, has no index, 20 000 rows; limit 10 000 rows"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'CREATE INDEX CONCURRENTLY ON public.bill (client)'  # decide: where rows of the other table are never deleted, none is needed"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.bill",))

    assert verdict_of(one(table_rows=20000), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no foreign key of a table of 10 000 rows is without an index"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(table_rows=number)).status is Status.UNKNOWN
