"""Rows refer to rows that are there.

SQLite holds to foreign keys only for who asks for that in each connection, so rows may refer to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
)
from upkeep.checks.databases._sessions import ignored, listed, sqlite
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Tables that may be so.

    ignore: patterns of tables that are not judged, such as `archive_*`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("foreign_key_rows")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the tables with such rows."""
    rows = [one for one in seen.foreign_key_rows or () if not ignored(one.name, limits.ignore)]
    if any(one.rows < 1 for one in rows):
        return unknown("a table has less than no such rows")
    total = sum(one.rows for one in rows)
    measure = Measure("rows", total)
    if not rows:
        return passed("each row refers to one that is there; expected: each", measure)
    said = [
        f"{counted(one.rows, 'row')} of {short(one.name, 80)} {'refers' if one.rows == 1 else 'refer'} "
        f"to no row of {short(one.parent, 80)}"
        for one in rows
    ]
    remedy = _show(seen.subject, rows[0].name)
    return failed(Severity.MEDIUM, f"{listed(said)}; expected: none", measure, remedy=remedy)


def _show(subject: str, table: str) -> str:
    """Return how to see the rows."""
    doubled = table.replace("'", "''")
    return sqlite(
        subject,
        "decide: add the rows that are missing, or remove those that refer to them",
        f"PRAGMA foreign_key_check('{doubled}')",
    )


CHECK = Check(
    title="Rows of SQLite refer to rows that are there",
    trouble="Rows that refer to nothing",
    why="The application shows what no longer belongs to anything, or fails on it.",
    cannot_see="Relations that are not declared as foreign keys.",
    measures={"rows": MeasureKind.STATE},
    source="SQLite: PRAGMA foreign_key_check; Foreign Key Support, 2",
    remedy="decide: add the rows that are missing, or remove those that refer to them",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
