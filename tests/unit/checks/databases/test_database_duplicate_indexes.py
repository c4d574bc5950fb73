"""Limits of database_duplicate_indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DuplicateIndex,
)
from upkeep.checks.databases.database_duplicate_indexes import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> DuplicateIndex:
    return DuplicateIndex(
        **{
            "name": "public.again",
            "table": "public.client",
            "kept": "public.once",
            "kind": "same",
            "size_bytes": 1048576,
            "constraint": "again",
            **more,
        }
    )


def verdict_of(*rows: DuplicateIndex, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects(
        "postgresql", True, subject=SUBJECT, duplicate_indexes=list(rows), **more
    )
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'size_bytes': 1048575}, None),
        ({'size_bytes': 1048576}, Severity.LOW),
        ({'size_bytes': 104857599}, Severity.LOW),
        ({'size_bytes': 104857600}, Severity.MEDIUM),
        ({'kind': 'prefix', 'size_bytes': 104857599}, None),
        ({'kind': 'prefix', 'size_bytes': 104857600}, Severity.LOW),
        ({'kind': 'other', 'size_bytes': 104857600}, None),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one())

    assert (
        verdict.message
        == "public.again (1.0 MiB) of public.client has the columns of public.once; limit 1 MiB"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'DROP INDEX CONCURRENTLY public.again'  # decide: see first that nothing names it, such as a hint or ON CONFLICT ON CONSTRAINT"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.again",))

    assert verdict_of(one(), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no index of 1 MiB does what another one does"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(size_bytes=number)).status is Status.UNKNOWN


def test_one_of_a_constraint_goes_with_it() -> None:
    verdict = verdict_of(one(is_constraint=True))

    assert "'ALTER TABLE public.client DROP CONSTRAINT again'" in verdict.remedy


def test_a_prefix_is_said_so() -> None:
    verdict = verdict_of(one(kind="prefix", size_bytes=100 << 20))

    assert verdict.message == (
        "public.again (100 MiB) of public.client has the first columns of public.once; limit 100 MiB"
    )
