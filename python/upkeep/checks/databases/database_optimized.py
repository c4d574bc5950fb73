"""The job db_optimize has left nothing behind, and could do its work.

A REINDEX CONCURRENTLY that is cancelled leaves an invalid index, which every write keeps up and no query uses. The job
drops its own; what it could not drop fails until a later run has. Where the job never ran, there is nothing to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_optimization_shape import (
    DatabaseOptimization,
    LeftIndex,
)
from upkeep.checks.databases._sessions import FOLDERS, listed, placed, psql
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.text import counted
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

AS_SAID = "decide: do what the message says, then run the job again"


@dataclass(frozen=True)
class Limits:
    """What the job may leave: nothing."""


def judge(seen: DatabaseOptimization, limits: Limits, now: datetime) -> Verdict:
    """Judge what is left first, then how the last run ended."""
    left = Measure("left", len(seen.rests))
    found = [one for one in seen.rests if one.index]
    if found:
        one = found[0]
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        text = (
            f"invalid index {short(one.index, 120)}, {_made_by(one)}: {short(one.why, 200)}{more}"
        )
        return failed(Severity.MEDIUM, text, left, remedy=_drop(one, seen.subject))
    if seen.rests:
        ends = [f"of {short(one.of, 120)} did not end, {_made_by(one)}" for one in seen.rests]
        return unknown(
            f"a REINDEX {listed(ends)}; nobody has looked since what it left",
            left,
            remedy="decide: run the job again; it looks, and drops what it finds",
        )
    why = short(seen.why, 200)
    if seen.outcome == "unknown":
        return unknown(f"the job could not work on it: {why}", left, remedy=AS_SAID)
    if seen.outcome == "skipped":
        return nothing_to_judge(f"the job skips it: {why}")
    skipped = f", {seen.not_done} not done: {why}" if seen.not_done else ""
    run = f" by run {short(seen.run, 20)}" if seen.run else ""
    at = short(seen.ended_at[:16], 16).replace("T", " ")
    return passed(
        f"nothing invalid is left; {counted(seen.done, 'statement')} done{skipped}, at {at} UTC{run}",
        left,
    )


def _made_by(one: LeftIndex) -> str:
    return (
        f"made by run {short(one.run, 20)}"
        if one.run
        else f"made by the job at {short(one.began_at[:16], 16)}"
    )


def _drop(one: LeftIndex, subject: str) -> str:
    """Return how to drop it; words alone if its name is nothing to paste."""
    name = one.index.partition(", ")[0]
    words = "decide: drop it now; it waits for the transactions that use its table"
    remedy = psql(words, f"DROP INDEX CONCURRENTLY IF EXISTS {name}", database=one.database)
    return placed(remedy, subject or f"postgresql {FOLDERS[0]}:{one.port}")


CHECK = Check(
    title="The job db_optimize left nothing behind",
    trouble="Invalid index left by a job",
    gather="database_optimization",
    shape=DatabaseOptimization,
    since="0.1.0",
    why="An invalid index takes space and slows every write, and no query uses it.",
    cannot_see="Invalid indexes that others have left: database_invalid_indexes finds them.",
    limits=Limits(),
    judge=judge,
    measures={"left": MeasureKind.STATE},
    source="PostgreSQL, REINDEX, Rebuilding Indexes Concurrently",
    remedy="decide: drop the index, or run the job again once no old transaction is open",
    absence=DECLARED,
)
