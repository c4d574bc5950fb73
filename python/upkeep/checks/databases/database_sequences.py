"""Sequences have numbers left.

A sequence that has given its last number makes every insert fail. Checks the share of its numbers that was given, by
its own bounds; those of a column of a smaller type are `database_key_columns`'s.

The account needs SELECT or USAGE of the sequences; that shows no row of a table. Without it, they are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    SequenceState,
)
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

NAMED = 3


@dataclass(frozen=True)
class Limits:
    """Numbers that a sequence has given, from which it fails.

    medium_percent: of all that it can give, in percent.
    high_percent: of all that it can give, in percent.
    """

    medium_percent: float = 85.0
    high_percent: float = 95.0


@of_topic("sequences")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the sequence that has come farthest; one that begins anew after its last number is left out."""
    rows = [one for one in seen.sequences or () if not one.cycle]
    if any(not 0 <= one.share <= 1 for one in rows):
        return unknown("a sequence is outside of its own bounds")
    worst = sorted(rows, key=lambda one: -one.share)
    if not worst:
        return passed(f"no sequence in use; limit {limits.medium_percent:g} %")
    measure = Measure("given", round(100 * worst[0].share, 3), "%")
    for severity, limit in (
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        bad = [one for one in worst if 100 * one.share >= limit]
        if bad:
            named = ", ".join(_said(one) for one in bad[:NAMED])
            more = f", and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
            text = f"{named}{more}; limit {limit:g} %"
            return failed(severity, text, measure)
    return passed(f"{_said(worst[0])}; limit {limits.medium_percent:g} %", measure)


def _said(one: SequenceState) -> str:
    left = abs((one.max_value if one.increment_by > 0 else one.min_value) - one.last_value)
    return (
        f"{short(one.name, 80)} ({short(one.type, 20)}) has given {100 * one.share:.1f} % of its "
        f"numbers, {counted(left // max(1, abs(one.increment_by)), 'is', 'are')} left"
    )


CHECK = Check(
    title="Sequences have numbers left",
    trouble="Sequence near its end",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why="When a sequence has given its last number, every insert that needs one fails.",
    cannot_see="How fast numbers are used. Keys that the application makes itself.",
    limits=Limits(),
    judge=judge,
    measures={"given": MeasureKind.SHARE},
    source="check_postgres: sequence, 85/95 %",
    remedy="decide: make the column and its sequence bigint; ALTER COLUMN TYPE bigint rewrites the table",
    absence={"databases": gone()},
)
