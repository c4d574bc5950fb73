"""Columns of keys have numbers left.

A key of the type integer ends at 2 147 483 647, whatever its sequence can still give. Checks how much of its type a
key or a column with a sequence of its own has used; where a sequence has the column's type, database_sequences
does. A foreign key that refers to a key of a larger type must hold the key's numbers: it is judged by these.

The role of `explain_as` needs SELECT of the sequences and, for keys without one, of their columns, for the server shows
statistics only to those who may read the rows. Without it, they are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    KeyColumn,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, unknown


@dataclass(frozen=True)
class Limits:
    """How much of its type a column has used when it fails.

    medium_percent: of the type's numbers, in percent.
    high_percent: of the type's numbers, in percent.
    ignore: shell patterns of tables that may be so, such as `public.old_*`.
    """

    medium_percent: float = 75.0
    high_percent: float = 90.0
    ignore: tuple[str, ...] = ()


@of_topic("key_columns")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the columns that have come farthest."""
    found = [_Key(f"{one.table}.{one.name}", one) for one in seen.key_columns or ()]
    rows = Rows(found, _said, lambda one: _widened(seen.subject, one.column), limits.ignore)
    used = max((100 * one.column.share for one in found), default=0.0)
    if any(not 0 <= one.column.share <= 1 for one in found):
        return unknown("a share that cannot be was reported")
    levels = [
        (severity, lambda one, limit=limit: 100 * one.column.share >= limit, f"limit {limit:g} %")
        for severity, limit in (
            (Severity.HIGH, limits.high_percent),
            (Severity.MEDIUM, limits.medium_percent),
        )
    ]
    said = f"no key has used {limits.medium_percent:g} % of its type"
    return rows.judged(said, *levels, measures=[Measure("used", used, "%")])


@dataclass(frozen=True)
class _Key:
    """A column by its full name."""

    name: str
    column: KeyColumn


def _said(one: _Key) -> str:
    column = one.column
    said = f"{name_of(one.name)} ({short(column.type, 20)}) has used {100 * column.share:.1f} % of its numbers"
    if column.references:
        return f"{said} by the {short(column.known_by, 20)} of {name_of(column.references)}, to which it refers"
    return f"{said} by its {short(column.known_by, 20)}"


def _widened(subject: str, one: KeyColumn) -> str:
    statement = f"ALTER TABLE {one.table} ALTER COLUMN {one.name} TYPE bigint"
    return psql(subject, statement, "decide: it rewrites the table, and locks it meanwhile")


CHECK = Check(
    title="Columns of keys have numbers left",
    trouble="Key near its end",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "A key that has used the last number of its type takes no more rows, and its sequence "
        "tells nothing of it."
    ),
    cannot_see=(
        "Primary keys of tables without statistics or with row security, or of more than one column; numbers in "
        "other columns, such as a unique one without a sequence. Keys that are made at random, with both signs."
    ),
    limits=Limits(),
    judge=judge,
    measures={"used": MeasureKind.SHARE},
    source="pgHero: integer overflow; our limits",
    remedy="decide: make the column bigint; ALTER COLUMN TYPE bigint rewrites the table",
    absence={"databases": gone()},
)
