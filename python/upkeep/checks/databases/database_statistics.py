"""Tables have statistics that fit them.

The planner chooses by statistics. Checks which tables were never analyzed, and which have changed a lot since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    TableStatistics,
)
from upkeep.checks.databases._objects import DAY, Rows, name_of, psql, standby_verdict
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import counted, duration, thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """When a table fails.

    min_rows: changed rows since it was analyzed; fewer are never too many.
    min_days: since it was analyzed, in days, if it ever was.
    max_factor: times as many changed rows as autovacuum analyzes it for.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_rows: int = 10_000
    min_days: float = 2.0
    max_factor: float = 2.0
    ignore: tuple[str, ...] = ()


@of_topic("statistics")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge tables without statistics, then those with stale ones."""
    if seen.in_recovery:
        return standby_verdict("what has changed")
    found = seen.statistics or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    worst = max((one.changed_rows for one in found), default=0)
    limit = f"limit {thousands(limits.min_rows)} changed rows"
    late = f"{limit}, {limits.max_factor:g} × what autovacuum analyzes for, {limits.min_days:g} d"
    return rows.judged(
        f"no table lacks statistics; {late}",
        (Severity.MEDIUM, lambda one: one.never and _is_large(one, limits), limit),
        (Severity.LOW, lambda one: _is_stale(one, limits), late),
        measures=[Measure("changed", worst)],
    )


def _is_large(one: TableStatistics, limits: Limits) -> bool:
    return one.changed_rows >= limits.min_rows


def _is_stale(one: TableStatistics, limits: Limits) -> bool:
    late = one.seconds >= limits.min_days * DAY or not one.autovacuum
    return _is_large(one, limits) and late and one.changed_rows >= limits.max_factor * one.threshold


def _said(one: TableStatistics) -> str:
    since = "never analyzed" if one.never else f"not analyzed for {duration(one.seconds)}"
    off = ", autovacuum is off for it" if not one.autovacuum else ""
    return (
        f"{name_of(one.name)} of {counted(one.live_rows, 'row')} was {since}, "
        f"{thousands(one.changed_rows)} have changed{off}"
    )


def _mended(subject: str, one: TableStatistics) -> str:
    return psql(
        subject, f"ANALYZE {one.name}", "it reads a sample, and locks nothing that queries need"
    )


CHECK = Check(
    title="Tables have statistics that fit them",
    trouble="Stale statistics",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why="With wrong statistics the planner chooses plans that may be a thousand times slower.",
    cannot_see=(
        "Partitioned tables as a whole, which autovacuum does not analyze. What was changed "
        "before a crash of the server, which forgets."
    ),
    limits=Limits(),
    judge=judge,
    measures={"changed": MeasureKind.STATE},
    source="check_postgres: last_autoanalyze, 1/2 d; PostgreSQL, Updating Planner Statistics",
    remedy="decide: ANALYZE the tables, also after each restore",
    absence={"databases": gone()},
)
