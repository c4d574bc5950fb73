"""Tables can be opened, and survive a crash.

Tables of MyISAM and some other engines of MariaDB lose rows, or are damaged, when the server crashes; those in memory
are empty after a start. Checks which hold rows, and which tables the server cannot open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnsafeTable,
)
from upkeep.checks.databases._sessions import backticked, ignored, listed, mariadb
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed


@dataclass(frozen=True)
class Limits:
    """Which tables may be so.

    ignore: patterns of tables that are not judged, such as `shop.session`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("unsafe_tables")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge those that cannot be opened, then those that a crash damages."""
    rows = [one for one in seen.unsafe_tables or () if not ignored(one.name, limits.ignore)]
    closed = [one for one in rows if not one.opened]
    measures = (Measure("unsafe", len(rows) - len(closed)), Measure("not opened", len(closed)))
    if closed:
        text = f"the server cannot open {listed([short(one.name, 80) for one in closed])}; expected: each"
        return failed(Severity.HIGH, text, *measures, remedy=_repair(closed[0]))
    if rows:
        said = [
            f"{short(one.name, 80)} ({short(one.engine, 20)}, {size(max(0, one.size_bytes))})"
            for one in rows
        ]
        text = f"a crash may damage or empty {listed(said)}; expected: a safe engine"
        return failed(Severity.LOW, text, *measures, remedy=_convert(rows[0]))
    return passed("each table with rows has an engine that survives a crash", *measures)


def _repair(one: UnsafeTable) -> str:
    words = "decide: repair it if it says so, or restore it from a backup"
    table = backticked(one.name)
    return mariadb(words, f"CHECK TABLE {table}") if table else words


def _convert(one: UnsafeTable) -> str:
    words = "decide: give it another engine, unless its rows may be lost; it rewrites the table"
    table = backticked(one.name)
    return mariadb(words, f"ALTER TABLE {table} ENGINE = InnoDB") if table else words


CHECK = Check(
    title="Tables survive a crash",
    trouble="Unsafe table",
    why="After a crash, rows of such a table are lost, or the table cannot be read until it is repaired.",
    cannot_see="Damage inside of a table that can be opened: CHECK TABLE would read all of it.",
    measures={"unsafe": MeasureKind.STATE, "not opened": MeasureKind.STATE},
    source="MariaDB, Choosing the Right Storage Engine; MySQLTuner",
    remedy="decide: convert it by ALTER TABLE to InnoDB",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
