"""Autovacuum keeps up with what is deleted.

Rows that were deleted or changed stay until vacuum removes them. Checks how many of a table wait for it, beside the
number at which autovacuum comes, and how long it has not come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DeadRows,
)
from upkeep.checks.databases._objects import Rows, name_of, psql, standby_verdict
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import counted, duration, thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """When a table fails: all of the first three must be reached. One for which autovacuum is off needs the rows alone.

    min_rows: dead rows.
    min_minutes: since its last vacuum, in minutes.
    medium_factor: times as many as autovacuum comes for.
    high_factor: times as many as autovacuum comes for.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_rows: int = 10_000
    min_minutes: float = 60.0
    medium_factor: float = 2.0
    high_factor: float = 10.0
    ignore: tuple[str, ...] = ()


@of_topic("dead_rows")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the tables with the most dead rows beside their thresholds."""
    if seen.in_recovery:
        return standby_verdict("dead rows")
    found = seen.dead_rows or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    levels = [
        (
            severity,
            lambda one, factor=factor: _is_bad(one, limits, factor),
            f"limit {limits.min_rows} and {factor:g} × what autovacuum comes for",
        )
        for severity, factor in (
            (Severity.HIGH, limits.high_factor),
            (Severity.MEDIUM, limits.medium_factor),
        )
    ]
    worst = max((one.dead_rows for one in found), default=0)
    said = f"no table has {limits.min_rows} dead rows that autovacuum leaves for {limits.min_minutes:g} min"
    return rows.judged(said, *levels, measures=[Measure("dead", worst)])


def _is_bad(one: DeadRows, limits: Limits, factor: float) -> bool:
    late = one.seconds >= 60 * limits.min_minutes or not one.autovacuum
    return late and one.dead_rows >= max(limits.min_rows, factor * one.threshold)


def _said(one: DeadRows) -> str:
    since = f"last vacuum {duration(one.seconds)} ago" if one.vacuumed else "no vacuum is known"
    off = ", autovacuum is off for it" if not one.autovacuum else ""
    at_it = ", one is at it now" if one.in_vacuum else ""
    return (
        f"{name_of(one.name)} has {counted(one.dead_rows, 'dead row')} beside {thousands(one.live_rows)} "
        f"({since}{off}{at_it})"
    )


def _mended(subject: str, one: DeadRows) -> str:
    if not one.autovacuum:
        statement = f"ALTER TABLE {one.name} RESET (autovacuum_enabled)"
        return psql(subject, statement, "decide: autovacuum comes again")
    words = "if they stay, an old transaction or a replication slot holds them"
    return psql(subject, f"VACUUM (ANALYZE) {one.name}", words)


CHECK = Check(
    title="Autovacuum keeps up with what is deleted",
    trouble="Dead rows",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why="Dead rows are read and kept with the others: tables grow, and queries become slower.",
    cannot_see=(
        "What was counted before a crash of the server, which forgets. Its long values, which "
        "stand in a table of their own."
    ),
    limits=Limits(),
    judge=judge,
    measures={"dead": MeasureKind.STATE},
    source="check_postgres: last_autovacuum; PostgreSQL, Routine Vacuuming",
    remedy="decide: let autovacuum come more often, and end what holds the rows",
    absence={"databases": gone()},
)
