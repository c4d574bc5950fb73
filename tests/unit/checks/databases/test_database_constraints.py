"""Limits of database_constraints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnvalidatedConstraint,
)
from upkeep.checks.databases.database_constraints import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SUBJECT = "postgresql upkeep@127.0.0.1:5432/shop"


def one(**more: Any) -> UnvalidatedConstraint:
    return UnvalidatedConstraint(
        **{"name": "public.bill", "constraint": "positive", "kind": "check", **more}
    )


def verdict_of(*rows: UnvalidatedConstraint, limits: Limits | None = None, **more: Any) -> Verdict:
    seen = DatabaseObjects("postgresql", True, subject=SUBJECT, constraints=list(rows), **more)
    verdict = judge(seen, limits or Limits(), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, Severity.LOW),
        ({'kind': 'foreign key'}, Severity.LOW),
    ],
)  # fmt: skip
def test_limits(more: dict[str, Any], severity: Severity | None) -> None:
    assert verdict_of(one(**more)).severity is severity


def test_a_failure_says_what_and_how_it_is_mended() -> None:
    verdict = verdict_of(one())

    assert verdict.message == "positive (check) of public.bill is not validated; at most 0"
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'ALTER TABLE public.bill VALIDATE CONSTRAINT positive'  # it reads the whole table; if it fails, correct the rows first"
    )


def test_what_a_site_leaves_out_does_not_fail() -> None:
    left_out = Limits(ignore=("public.bill",))

    assert verdict_of(one(), limits=left_out).status is Status.PASS


def test_nothing_passes() -> None:
    assert verdict_of().message == "0 constraints are not validated, at most 0"


def test_a_domain_is_altered_as_one() -> None:
    remedy = verdict_of(one(is_domain=True)).remedy

    assert "'ALTER DOMAIN public.bill VALIDATE CONSTRAINT positive'" in remedy
