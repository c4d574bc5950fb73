"""Limits of database_key_columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    KeyColumn,
)
from upkeep.checks.databases.database_key_columns import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> KeyColumn:
    return KeyColumn(
        **{
            "table": "public.visit",
            "name": "id",
            "type": "integer",
            "share": 0.0,
            "known_by": "sequence",
            **more,
        }
    )


def verdict_of(*rows: KeyColumn, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, key_columns=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({'share': 0.0}, None),
        ({'share': 0.749}, None),
        ({'share': 0.75}, Severity.MEDIUM),
        ({'share': 0.899}, Severity.MEDIUM),
        ({'share': 0.9}, Severity.HIGH),
        ({'share': 1.0}, Severity.HIGH),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_what_fixes_it() -> None:
    verdict = verdict_of(one(share=0.978))

    assert (
        verdict.message
        == "public.visit.id (integer) has used 97.8 % of its numbers by its sequence; limit 90 %"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'ALTER TABLE public.visit ALTER COLUMN id TYPE bigint'  # decide: it rewrites the table, and locks it meanwhile"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.visit.*",))

    assert verdict_of(one(share=0.978), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "no key has used 75 % of its type"


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), float("inf")])
def test_a_share_that_cannot_be_is_unknown(share: float) -> None:
    assert verdict_of(one(share=share)).status is Status.UNKNOWN


@pytest.mark.parametrize("known_by", ["sequence", "statistics"])
def test_a_reference_is_judged_by_the_key_that_it_refers_to(known_by: str) -> None:
    verdict = verdict_of(
        one(share=1.0, name="client", known_by=known_by, references="public.client.id")
    )

    assert verdict.message == (
        f"public.visit.client (integer) has used 100.0 % of its numbers by the {known_by} of public.client.id, "
        "to which it refers; limit 90 %"
    )
    assert "'ALTER TABLE public.visit ALTER COLUMN client TYPE bigint'" in verdict.remedy
