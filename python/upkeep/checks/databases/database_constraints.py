"""Constraints hold for all rows.

A constraint that was added as NOT VALID is checked for new rows alone. Checks for those that were never validated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnvalidatedConstraint,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """Which need not be validated.

    ignore: shell patterns of tables that may be so, such as `public.old_*`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("constraints")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the constraints that are not valid."""
    found = seen.constraints or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    return rows.judged(
        "0 constraints are not validated, at most 0",
        (Severity.LOW, lambda one: True, "at most 0"),
        measures=[Measure("not validated", len(found))],
    )


def _said(one: UnvalidatedConstraint) -> str:
    return f"{short(one.constraint, 64)} ({short(one.kind, 20)}) of {name_of(one.name)} is not validated"


def _mended(subject: str, one: UnvalidatedConstraint) -> str:
    what = "DOMAIN" if one.is_domain else "TABLE"
    statement = f"ALTER {what} {one.name} VALIDATE CONSTRAINT {one.constraint}"
    return psql(subject, statement, "it reads the whole table; if it fails, correct the rows first")


CHECK = Check(
    title="Constraints hold for all rows",
    trouble="Constraint not validated",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "Rows that were there before may break the rule that everybody relies on, and the planner "
        "cannot use it."
    ),
    cannot_see="Constraints that are declared as NOT ENFORCED: somebody wanted them so.",
    limits=Limits(),
    judge=judge,
    measures={"not validated": MeasureKind.STATE},
    source="pgHero: invalid constraints; PostgreSQL, ALTER TABLE: NOT VALID",
    remedy="decide: validate them, after the rows are corrected",
    absence={"databases": gone()},
)
