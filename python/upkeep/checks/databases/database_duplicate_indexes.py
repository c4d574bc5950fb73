"""No index does what another one does.

Each index is written with each row. Checks for those of the same columns, operator classes, collations, order,
expressions and predicate as another one, and for those that another one begins with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DuplicateIndex,
)
from upkeep.checks.databases._objects import MIB, Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """From which size on it fails.

    low_mib: with the same columns as another one, in MiB.
    medium_mib: with the same columns as another one, in MiB.
    prefix_mib: with the first columns of another one, in MiB; never more than low.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    low_mib: float = 1.0
    medium_mib: float = 100.0
    prefix_mib: float = 100.0
    ignore: tuple[str, ...] = ()


@of_topic("duplicate_indexes")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the largest of those that another index makes needless."""
    found = seen.duplicate_indexes or []
    rows = Rows(found, _said, lambda one: _fix(seen.subject, one), limits.ignore)

    def is_same(one: DuplicateIndex, mib: float) -> bool:
        return one.kind == "same" and one.size_bytes >= mib * MIB

    return rows.judged(
        f"no index of {limits.low_mib:g} MiB does what another one does",
        (
            Severity.MEDIUM,
            lambda one: is_same(one, limits.medium_mib),
            f"limit {limits.medium_mib:g} MiB",
        ),
        (Severity.LOW, lambda one: is_same(one, limits.low_mib), f"limit {limits.low_mib:g} MiB"),
        (
            Severity.LOW,
            lambda one: one.kind == "prefix" and one.size_bytes >= limits.prefix_mib * MIB,
            f"limit {limits.prefix_mib:g} MiB",
        ),
        measures=[Measure("needless", sum(one.size_bytes for one in found), "By")],
    )


def _said(one: DuplicateIndex) -> str:
    how = "has the columns of" if one.kind == "same" else "has the first columns of"
    return f"{name_of(one.name)} ({size(one.size_bytes)}) of {name_of(one.table)} {how} {name_of(one.kept)}"


def _fix(subject: str, one: DuplicateIndex) -> str:
    if one.is_constraint:
        statement = f"ALTER TABLE {one.table} DROP CONSTRAINT {one.constraint}"
        return psql(subject, statement, "decide: the other one guarantees the same")
    words = "decide: see first that nothing names it, such as a hint or ON CONFLICT ON CONSTRAINT"
    how = "" if one.is_partitioned else "CONCURRENTLY "  # the server refuses it for those
    return psql(subject, f"DROP INDEX {how}{one.name}", words)


CHECK = Check(
    title="No index does what another one does",
    trouble="Duplicate index",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=("An index that another one makes needless costs its writes, memory and disk for nothing."),
    cannot_see=(
        "Indexes with the same columns in another order. Those of partitions, which go with that "
        "of the whole table."
    ),
    limits=Limits(),
    judge=judge,
    measures={"needless": MeasureKind.STATE},
    source="pgHero: duplicate indexes; check_postgres: same_schema",
    remedy="decide: drop the one that is not needed",
    absence={"databases": gone()},
)
