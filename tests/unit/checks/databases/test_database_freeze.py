"""Limits of database_freeze."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FrozenTable,
)
from upkeep.checks.databases.database_freeze import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> FrozenTable:
    return FrozenTable(
        **{
            "name": "public.old",
            "age": 230000000,
            "max_age": 200000000.0,
            "multixact_age": 0,
            "multixact_max_age": 400000000.0,
            "share": 0.6,
            **more,
        }
    )


def verdict_of(*rows: FrozenTable, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, freeze=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'share': 1.149}, None),
        ({'share': 1.15}, Severity.MEDIUM),
        ({'share': 1.999}, Severity.MEDIUM),
        ({'share': 2.0}, Severity.HIGH),
        ({'age': 1647483647}, None),
        ({'age': 1647483648}, Severity.CRITICAL),
        ({'multixact_age': 1647483648}, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one(share=1.15))

    assert (
        verdict.message
        == "public.old is 230 000 000 transactions old, 115 % of the age at which it is frozen; limit 115 %"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'VACUUM (FREEZE) public.old'  # if it stays, an old or prepared transaction, or a replication slot, holds it"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.o*",))

    assert verdict_of(one(share=1.15), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no table is half as old as it may be; limit 115 %"


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_a_number_that_cannot_be_is_unknown(number: float) -> None:
    assert verdict_of(one(age=number)).status is Status.UNKNOWN


def test_long_values_and_multixacts_are_named() -> None:
    verdict = verdict_of(one(share=1.3, multixact_age=520_000_000, is_toast=True))

    assert verdict.message.startswith(
        "the long values of public.old is 520 000 000 multixacts old, 130 %"
    )


def test_a_temporary_table_needs_its_session_to_end() -> None:
    assert "end the session" in verdict_of(one(share=1.3, is_temporary=True)).remedy


def test_the_oldest_is_named_if_all_is_well() -> None:
    assert verdict_of(one()).message == (
        "the oldest is public.old, 60 % of the age at which it is frozen; limit 115 %"
    )
