"""Columns that count by themselves have numbers left.

A column of MariaDB with AUTO_INCREMENT that has given the last number of its type makes every insert fail. Checks the
share of its numbers that was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    AutoIncrement,
    DatabaseObjects,
)
from upkeep.checks.databases._sessions import backticked, ignored, listed, mariadb
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Numbers that a column has given, from which it fails.

    medium_percent: of all that its type can hold, in percent.
    high_percent: of all that its type can hold, in percent.
    ignore: patterns of tables that are not judged, such as `shop.log_*`.
    """

    medium_percent: float = 85.0
    high_percent: float = 95.0
    ignore: tuple[str, ...] = ()


@of_topic("auto_increment")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the column that has come farthest."""
    rows = [one for one in seen.auto_increment or () if not ignored(one.name, limits.ignore)]
    if any(not 0 <= one.share <= 1 or one.max_value <= 0 for one in rows):
        return unknown("a column is outside of the bounds of its type")
    worst = sorted(rows, key=lambda one: -one.share)
    if not worst:
        return passed(f"no column counts by itself; limit {limits.medium_percent:g} %")
    measure = Measure("given", round(100 * worst[0].share, 3), "%")
    for severity, limit in (
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        bad = [one for one in worst if 100 * one.share >= limit]
        if bad:
            text = f"{listed([_said(one) for one in bad])}; limit {limit:g} %"
            return failed(severity, text, measure, remedy=_larger(bad[0]))
    return passed(f"{_said(worst[0])}; limit {limits.medium_percent:g} %", measure)


def _said(one: AutoIncrement) -> str:
    left = counted(max(0, one.max_value - one.last_value), "is", "are")
    return (
        f"{short(one.name, 80)}.{short(one.column, 60)} ({short(one.type, 30)}) has given "
        f"{100 * one.share:.1f} % of its numbers, {left} left"
    )


def _larger(one: AutoIncrement) -> str:
    """Return how to give the column a larger type; a bigint has none."""
    table, column = backticked(one.name), backticked(one.column)
    if one.type.startswith("bigint") or not table or not column:
        return "decide: give the column a larger type, or number the rows anew"
    return mariadb(
        "decide: make the column larger, and those that refer to it; it rewrites the table",
        f"ALTER TABLE {table} MODIFY {column} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT",
    )


CHECK = Check(
    title="Columns that count have numbers left",
    trouble="AUTO_INCREMENT near its end",
    why="When a column has given the last number of its type, every insert fails.",
    cannot_see="How fast numbers are used. Keys that the application makes itself. Columns of decimal or real types.",
    measures={"given": MeasureKind.SHARE},
    source="MySQLTuner; sys.schema_auto_increment_columns; our limits are those of sequences",
    remedy="decide: make the column BIGINT UNSIGNED, and those that refer to it; it rewrites the table",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
