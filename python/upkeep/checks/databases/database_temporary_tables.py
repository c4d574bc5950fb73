"""Queries have room for temporary tables in memory.

A query that sorts or groups much makes a temporary table; if it does not fit into memory, it goes to the disk, which
is slow. Checks their share since MariaDB's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    TemporaryTables,
)
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Temporary tables on disk from which a server fails, if it has come to both.

    low_percent: of all temporary tables, in percent.
    low_per_hour: how many an hour; our own questions make some.
    """

    low_percent: float = 25.0
    low_per_hour: float = 3600.0


@of_topic("temporary_tables")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the share that went to the disk, if there are many of them."""
    counts = seen.temporary_tables or TemporaryTables(0, 0, 0)
    read = readings.counted(counts.on_disk, counts.made, counts.seconds)
    if read is None:
        return unknown("the server counts less than no tables")
    on_disk, made, seconds = read
    percent = 100 * on_disk / max(1.0, made, on_disk)
    per_hour = on_disk / max(1.0, seconds / 3600)
    measures = (Measure("on disk", on_disk), Measure("share", round(percent, 3), "%"))
    text = f"{on_disk:.0f} of {made:.0f} temporary tables went to the disk ({percent:.1f} %), {per_hour:.0f} an hour"
    limit = f"limit {limits.low_percent:g} % and {limits.low_per_hour:g} an hour"
    if percent >= limits.low_percent and per_hour >= limits.low_per_hour:
        return failed(Severity.LOW, f"{text}; {limit}", *measures)
    return passed(f"{text}; {limit}", *measures)


CHECK = Check(
    title="Temporary tables fit into memory",
    trouble="Temporary tables on disk",
    why="Queries that make temporary tables on disk are slow, and slow all others.",
    cannot_see="Which queries make them. What was long ago counts as much as what is new.",
    measures={"on disk": MeasureKind.COUNTER, "share": MeasureKind.SHARE},
    source="MySQLTuner: temporary tables on disk < 25 %; our floor",
    remedy="decide: raise tmp_table_size and max_heap_table_size together, or change queries that sort long texts",
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
