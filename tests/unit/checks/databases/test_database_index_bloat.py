"""Limits of database_index_bloat."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    Bloat,
    Bloated,
    DatabaseObjects,
)
from upkeep.checks.databases._bloat import Limits
from upkeep.checks.databases.database_index_bloat import judge
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> Bloated:
    return Bloated(
        **{
            "name": "public.visited_said",
            "table": "public.visited",
            "size_bytes": 209715200,
            "wasted_bytes": 0,
            **more,
        }
    )


def verdict_of(*rows: Bloated, limits: Limits | None = None, **more: Any) -> Verdict:
    bloat = Bloat(list(rows), **more)
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, index_bloat=bloat)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'wasted_bytes': 104857599}, None),
        ({'wasted_bytes': 104857600}, Severity.MEDIUM),
        ({'size_bytes': 262144000, 'wasted_bytes': 104857600}, Severity.MEDIUM),
        ({'size_bytes': 262144009, 'wasted_bytes': 104857600}, None),
        ({'size_bytes': 10737418240, 'wasted_bytes': 10737418239}, Severity.MEDIUM),
        ({'size_bytes': 10737418240, 'wasted_bytes': 10737418240}, Severity.HIGH),
        ({'size_bytes': 0, 'wasted_bytes': 0}, None),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_what_fixes_it() -> None:
    verdict = verdict_of(one(wasted_bytes=167772160))

    assert (
        verdict.message
        == "public.visited_said has about 160 MiB of 200 MiB (80 %) empty; limit 100 MiB and 40 %"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'REINDEX INDEX CONCURRENTLY public.visited_said'  # decide: it needs as much space again, and waits for older transactions"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.visited_sai*",))

    assert verdict_of(one(wasted_bytes=167772160), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no index wastes as much; limit 100 MiB and 40 %"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(wasted_bytes=number)).status is Status.UNKNOWN


ANALYZE = "runuser -u postgres -- psql -d shop -c 'ANALYZE public.a, public.b'"


def test_a_table_without_statistics_is_unknown_with_what_makes_them() -> None:
    verdict = verdict_of(one(), not_analyzed=["public.a", "public.b"])

    assert verdict.status is Status.UNKNOWN
    assert verdict.message.startswith(
        "2 tables lack statistics: public.a, public.b; no index wastes as much"
    )
    assert command_of(verdict.remedy) == ANALYZE


def test_a_failure_does_not_hide_that_statistics_are_missing() -> None:
    verdict = verdict_of(one(wasted_bytes=167772160), not_analyzed=["public.a", "public.b"])

    assert verdict.status is Status.FAIL
    assert verdict.message.endswith("; 2 tables lack statistics: public.a, public.b")
    assert "'REINDEX INDEX CONCURRENTLY public.visited_said'  # decide: " in verdict.remedy
    assert verdict.remedy.endswith(f": {ANALYZE}")


def test_a_table_that_the_site_leaves_out_needs_no_statistics() -> None:
    left_out = Limits(ignore=("public.a",))

    assert verdict_of(not_analyzed=["public.a"], limits=left_out).status is Status.PASS


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ({}, ""),
        ({"expression": 2}, "; not estimated: 2 (expression)"),
        ({"row security": 1, "expression": 2, "statistics off": 3},
         "; not estimated: 2 (expression), 1 (row security), 3 (statistics off)"),
    ],
)  # fmt: skip
def test_what_nobody_can_be_let_see_is_counted(left_out: dict[str, int], said: str) -> None:
    """It does not make the check unknown: that would be so for ever."""
    passing, failing = (verdict_of(one(wasted_bytes=size), left_out=left_out) for size in (0, 167772160))  # fmt: skip

    assert (passing.status, failing.status) == (Status.PASS, Status.FAIL)
    assert passing.message == f"no index wastes as much; limit 100 MiB and 40 %{said}"
    assert failing.message.endswith(f"limit 100 MiB and 40 %{said}")
