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
from upkeep.checks.databases._objects import psql
from upkeep.checks.databases._sessions import listed
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

ENDS = {"smallint": 32_767, "integer": 2_147_483_647, "bigint": 9_223_372_036_854_775_807}


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
    worst = sorted(rows, key=lambda one: (_left(one) > 0, -one.share))
    if not worst:
        return passed(f"no sequence in use; limit {limits.medium_percent:g} %")
    measure = Measure("given", round(100 * worst[0].share, 3), "%")
    for severity, limit in (
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        is_high = severity is Severity.HIGH
        bad = [one for one in worst if 100 * one.share >= limit or (is_high and not _left(one))]
        if bad:
            bad += [
                one for one in worst if one not in bad and 100 * one.share >= limits.medium_percent
            ]
            text = f"{listed([_said(one) for one in bad])}; limit {limit:g} %"
            return failed(severity, text, measure, remedy=_fix(seen, bad[0]))
    return passed(f"{_said(worst[0])}; limit {limits.medium_percent:g} %", measure)


def _left(one: SequenceState) -> int:
    """Return how many numbers it can still give."""
    left = abs((one.max_value if one.increment_by > 0 else one.min_value) - one.last_value)
    return left // max(1, abs(one.increment_by))


def _said(one: SequenceState) -> str:
    return (
        f"{short(one.name, 80)} ({short(one.type, 20)}) has given {100 * one.share:.1f} % of its "
        f"numbers, {counted(_left(one), 'is', 'are')} left"
    )


def _fix(seen: DatabaseObjects, one: SequenceState) -> str:
    """Return the statement that gives a sequence of PostgreSQL all numbers of its type, if it has not got them."""
    end = ENDS.get(one.type)
    if seen.kind != "postgresql" or end is None:
        return ""
    up = one.increment_by > 0
    if (one.max_value < end) if up else (one.min_value > -end - 1):
        words = "decide: see first that its column and its readers take larger numbers"
        bound = "MAXVALUE" if up else "MINVALUE"
        to = end if up else -end - 1
        return psql(seen.subject, f"ALTER SEQUENCE {one.name} {bound} {to}", words)
    if one.type == "bigint":
        return "decide: no type has more numbers; make its increment smaller, or let it begin anew"
    words = "decide: its column must be bigint too; ALTER COLUMN TYPE bigint rewrites the table"
    return psql(seen.subject, f"ALTER SEQUENCE {one.name} AS bigint", words)


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
