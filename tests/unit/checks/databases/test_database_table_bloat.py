"""Limits of database_table_bloat."""

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
from upkeep.checks.databases.database_table_bloat import judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> Bloated:
    return Bloated(**{"name": "public.visited", "size_bytes": 209715200, "wasted_bytes": 0, **more})


def verdict_of(*rows: Bloated, limits: Limits | None = None, **more: Any) -> Verdict:
    bloat = Bloat(list(rows), **more)
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, table_bloat=bloat)
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
        == "public.visited has about 160 MiB of 200 MiB (80 %) empty; limit 100 MiB and 40 %"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'VACUUM (ANALYZE) public.visited'  # decide: its room is used again; VACUUM FULL makes it smaller, and locks it meanwhile"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.visite*",))

    assert verdict_of(one(wasted_bytes=167772160), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no table wastes as much; limit 100 MiB and 40 %"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(wasted_bytes=number)).status is Status.UNKNOWN
