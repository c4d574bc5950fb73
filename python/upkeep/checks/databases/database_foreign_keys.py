"""Foreign keys have an index.

Who deletes or renames a row that others may refer to looks for them. Checks for foreign keys of large tables whose
columns are not the first of any index.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    BareForeignKey,
    DatabaseObjects,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """From how many rows of the table with the foreign key on it fails.

    low_rows: rows.
    medium_rows: rows.
    ignore: shell patterns of tables that may be so, such as `public.old_*`.
    """

    low_rows: int = 10_000
    medium_rows: int = 1_000_000
    ignore: tuple[str, ...] = ()


@of_topic("foreign_keys")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge those of the largest tables."""
    found = seen.foreign_keys or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    levels = [
        (
            severity,
            lambda one, limit=limit: one.table_rows >= limit,
            f"limit {thousands(limit)} rows",
        )
        for severity, limit in (
            (Severity.MEDIUM, limits.medium_rows),
            (Severity.LOW, limits.low_rows),
        )
    ]
    said = f"no foreign key of a table of {thousands(limits.low_rows)} rows is without an index"
    return rows.judged(said, *levels, measures=[Measure("bare", len(found))])


def _said(one: BareForeignKey) -> str:
    return (
        f"{name_of(one.name)} ({short(one.columns, 80)}), which refers to {name_of(one.references)}, has no "
        f"index, {counted(one.table_rows, 'row')}"
    )


def _mended(subject: str, one: BareForeignKey) -> str:
    statement = f"CREATE INDEX CONCURRENTLY ON {one.name} ({one.columns})"
    return psql(
        subject,
        statement,
        "decide: where rows of the other table are never deleted, none is needed",
    )


CHECK = Check(
    title="Foreign keys have an index",
    trouble="Foreign key without index",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "Each delete of a row that others may refer to reads the whole table, and holds locks "
        "meanwhile."
    ),
    cannot_see=(
        "How often rows of the other table are deleted. Foreign keys of partitioned tables are "
        "seen by their partitions."
    ),
    limits=Limits(),
    judge=judge,
    measures={"bare": MeasureKind.STATE},
    source="postgres-checkup: foreign keys without index; PostgreSQL, Foreign Keys",
    remedy="decide: create an index on the columns",
    absence={"databases": gone()},
)
