"""Checkpoints come by the clock, not because the WAL is full.

If the WAL reaches max_wal_size before checkpoint_timeout has passed, a checkpoint is requested. Many of them write the
same pages again and again, and make the WAL larger still. Checks the share of those that were requested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    CheckpointCounts,
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import MIB, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import counted as read
from upkeep.model.text import counted, duration, size
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)


@dataclass(frozen=True)
class Limits:
    """How many checkpoints may be requested.

    requested_percent: of all, in percent.
    least_checkpoints: fewer requested ones since statistics were reset are not judged.
    least_hours: since statistics were reset, in hours.
    most_per_hour: on the average, requested ones; fewer are no harm.
    """

    requested_percent: float = 50.0
    least_checkpoints: int = 20
    least_hours: float = 6.0
    most_per_hour: float = 6.0


@of_topic("checkpoints")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the share of requested checkpoints since statistics were reset."""
    counts = seen.checkpoints or CheckpointCounts(0, 0)
    numbers = read(counts.timed, counts.requested, counts.seconds)
    if numbers is None:
        return unknown("the server did not report its checkpoints")
    timed, requested, seconds = numbers
    everything = timed + requested
    percent = 100 * requested / everything if everything else 0.0
    measures = (Measure("requested", round(percent, 2), "%"),)
    said = (
        f"{requested:.0f} of {counted(int(everything), 'checkpoint')} were requested ({percent:.1f} %) in "
        f"{duration(seconds)}"
    )
    if requested < limits.least_checkpoints or seconds < limits.least_hours * 3600:
        text = f"{said}; judged from {limits.least_checkpoints} in {limits.least_hours:g} h"
        return nothing_to_judge(text, *measures)
    an_hour = requested / (seconds / 3600) if seconds else float("inf")
    if percent >= limits.requested_percent and an_hour >= limits.most_per_hour:
        text = (
            f"{said}; at most {limits.requested_percent:g} %: max_wal_size is {size(counts.max_wal_bytes)}, too "
            "small for what is written"
        )
        return failed(Severity.MEDIUM, text, *measures, remedy=_enlarge(counts.max_wal_bytes))
    return passed(f"{said}; at most {limits.requested_percent:g} %", *measures)


def _enlarge(max_wal_bytes: int) -> str:
    twice = max(2 * max_wal_bytes // MIB, 1024)
    return psql(
        "decide: allow twice the WAL, if the disk has room for it",
        f"ALTER SYSTEM SET max_wal_size = '{twice}MB'",
        "select pg_reload_conf()",
    )


CHECK = Check(
    title="Checkpoints come by the clock",
    trouble="Frequent checkpoints",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="Checkpoints in quick succession write the same pages again and again, and slow all writes.",
    cannot_see=(
        "Checkpoints that a person, a backup or CREATE DATABASE requested: they count too. A time of "
        "heavy writing that quiet weeks average out: the counters go back to when they were reset."
    ),
    limits=Limits(),
    judge=judge,
    measures={"requested": MeasureKind.SHARE},
    source="PostgreSQL, WAL Configuration; check_postgres has none; our limits",
    remedy="decide: set max_wal_size higher",
    absence={"databases": gone()},
)
