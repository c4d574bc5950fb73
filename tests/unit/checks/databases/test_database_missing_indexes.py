"""Limits of database_missing_indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    WholeReads,
)
from upkeep.checks.databases.database_missing_indexes import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> WholeReads:
    return WholeReads(
        **{
            "name": "public.report",
            "size_bytes": 10485760,
            "scans": 1000,
            "rows_read": 10000000,
            "live_rows": 10000,
            "index_scans": 0,
            **more,
        }
    )


def verdict_of(*rows: WholeReads, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, missing_indexes=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, Severity.LOW),
        ({'size_bytes': 10485759}, None),
        ({'scans': 999}, None),
        ({'rows_read': 9999999}, None),
        ({'live_rows': 9999}, None),
        ({'index_scans': 19000}, Severity.LOW),
        ({'index_scans': 19001}, None),
        ({'scans': 0}, None),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one())

    assert (
        verdict.message
        == "public.report (10.0 MiB) was read as a whole 1000 times, 100 % of its reads, 10 000 rows each; limit 1000 times, 10000 rows each, 5 % of its reads"
    )
    assert verdict.remedy == (
        "decide: see which queries read it so, and index what they look for; a report may well read all"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.rep*",))

    assert verdict_of(one(), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert (
        verdict_of().message
        == "no large table is often read as a whole; limit 1000 times, 10000 rows each, 5 % of its reads"
    )


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(rows_read=number)).status is Status.UNKNOWN
