"""No new statement takes a large part of the load.

A release brings new statements, and one of them may be as much work as all others together. Compares the statements
with the most time with those of all earlier checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    StatementCounters,
    StatementLoad,
)
from upkeep.checks.databases._intervals import (
    is_later,
    loads,
    named,
    seconds_between,
    see,
    total_between,
)
from upkeep.checks.databases._sessions import listed
from upkeep.checks.databases._topics import nothing_seen, of_topic
from upkeep.judging.check import Check, History, PastMoment, gone
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)


@dataclass(frozen=True)
class Limits:
    """When a new statement fails.

    low_load_percent: its share of the time of all statements since the check before, in percent.
    medium_load_percent: its share of the time of all statements since the check before, in percent.
    min_busy_percent: its time per time that passed, below which it is not worth a look, in percent.
    min_calls: calls, below which it is not judged.
    min_looks: earlier checks, below which nothing is new.
    """

    low_load_percent: float = 10.0
    medium_load_percent: float = 40.0
    min_busy_percent: float = 1.0
    min_calls: int = 10
    min_looks: int = 3


@of_topic("statements", first="database_slow_statements")
def judge(
    seen: DatabaseStatements, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    """Judge the share of the statements that no earlier check has seen."""
    load, earlier = seen.statements, loads(history, seen)
    if load is None or len(earlier) < limits.min_looks:
        least = f"at least {limits.min_looks}"
        return nothing_seen(
            seen, "statements", f"earlier checks of this version: {len(earlier)}, {least}"
        )
    before = earlier[-1]
    passed_seconds = seconds_between(before, load)
    if passed_seconds <= 0 or before.reset_at != load.reset_at:
        return nothing_to_judge("the counters were put to 0 since the check before")
    known = {(one.database, one.queryid) for past in earlier for one in past.worst}
    new = [
        one
        for one in load.worst
        if (one.database, one.queryid) not in known
        and one.calls >= limits.min_calls
        and (one.since is None or is_later(one.since, before.at))
        and 100 * one.total_seconds / passed_seconds >= limits.min_busy_percent
    ]
    new.sort(key=lambda one: -one.total_seconds)
    listed = sum(one.total_seconds for one in new)
    total = max(total_between(before, load) or 0.0, listed)
    worst = 100 * new[0].total_seconds / total if new else 0.0
    measure = Measure("new", round(100 * listed / total, 3) if new else 0.0, "%")
    for severity, limit in (
        (Severity.MEDIUM, limits.medium_load_percent),
        (Severity.LOW, limits.low_load_percent),
    ):
        if worst >= limit:
            words = "decide: see whether it must be so much work; a release may have brought it"
            text = f"{_said(new, total, passed_seconds)}; limit {limit:g} %"
            return failed(severity, text, measure, remedy=see(seen, new[0], words))
    return passed(_few(new, load, worst, limits), measure)


def _said(new: Sequence[StatementCounters], total: float, passed_seconds: float) -> str:
    """Return the new statements with their share of the load."""
    texts = [
        f"{100 * one.total_seconds / total:.0f} % of the load: {named(one)} ({counted(one.calls, 'call')})"
        for one in new
    ]
    return f"new within {duration(passed_seconds)}: {listed(texts, apart='; ')}"


def _few(
    new: Sequence[StatementCounters], load: StatementLoad, worst: float, limits: Limits
) -> str:
    """Return what passes."""
    said = (
        f"{counted(len(new), 'new statement')}, at most {worst:.0f} % of the load"
        if new
        else (f"none of the {len(load.worst)} worst statements is new")
    )
    return f"{said}; limit {limits.low_load_percent:g} %"


CHECK = Check(
    title="No new statement takes a large part of the load",
    trouble="New heavy statement",
    gather="database_statements",
    shape=DatabaseStatements,
    since="0.1.0",
    why="A release may bring a statement that is as much work as all others together.",
    cannot_see=(
        "Before PostgreSQL 17, whether a statement that was not among the worst is new or has grown. A known "
        "statement that is called more often. After a change of the major version, all numbers are "
        "new: nothing is judged until there are checks of the new one."
    ),
    limits=Limits(),
    judge=judge,
    history=History(days=30, at_most=60),
    measures={"new": MeasureKind.SHARE},
    source="pg_stat_statements; our own limits",
    remedy="decide: see whether it must be so much work; a release may have brought it",
    absence={"databases": gone()},
)
