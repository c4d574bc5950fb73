"""Few statements are slow and frequent.

Compares the counters of the statements with those of an earlier check: a statement fails if a call took long in the
mean, if there were many calls, and if they were a part of the load that is worth work.
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
    before_now,
    busiest,
    forgotten,
    loads,
    milliseconds,
    named,
    seconds_between,
    see,
)
from upkeep.checks.databases._shifts import Interval
from upkeep.checks.databases._slow_calls import judge_slow_calls
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

LEAST_HOURS = 1.0
NAMED = 3


@dataclass(frozen=True)
class Limits:
    """When a statement is slow.

    mean_seconds: of one call, from which it is slow.
    min_calls: calls between the two checks, below which it is not judged.
    low_load_percent: its share of the time of all statements, from which it fails, in percent.
    medium_load_percent: its share of the time of all statements, from which it fails, in percent.
    min_busy_percent: time of its calls per time that passed, below which it is not worth work, in percent. Of a slow
        log this is the only limit.
    """

    mean_seconds: float = 0.020
    min_calls: int = 100
    low_load_percent: float = 1.0
    medium_load_percent: float = 25.0
    min_busy_percent: float = 1.0


def judge(
    seen: DatabaseStatements, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict | None:
    """Judge the counters of the statements; of a server that has none, what it logs of slow calls."""
    if seen.statements is None and seen.slow_calls is not None:
        return judge_slow_calls(seen, limits.min_busy_percent, now, history)
    return _judge_counters(seen, limits, now, history)


@of_topic("statements")
def _judge_counters(
    seen: DatabaseStatements, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    """Judge the statements with the most time since an earlier check."""
    load = seen.statements
    before = before_now(loads(history, seen), load, LEAST_HOURS) if load else None
    if load is None or before is None:
        return nothing_seen(
            seen, "statements", "not checked before: there is nothing to compare the counters with"
        )
    if before.reset_at != load.reset_at:
        return nothing_to_judge("the counters were put to 0 since the check before")
    found, total = busiest(before, load)
    passed_seconds = seconds_between(before, load)
    if passed_seconds <= 0:
        return nothing_to_judge("no time has passed on the server's clock since the check before")
    slow = [
        (one, part)
        for one, part in sorted(found, key=lambda pair: -pair[1].total)
        if part.mean >= limits.mean_seconds
        and part.calls >= limits.min_calls
        and 100 * part.total / passed_seconds >= limits.min_busy_percent
    ]
    measures = (
        Measure("busy", round(100 * total / passed_seconds, 3), "%"),
        Measure("slow", len(slow)),
    )
    more = f"limit {limits.mean_seconds * 1000:g} ms at {limits.min_calls} calls{forgotten(before, load)}"
    for severity, limit in (
        (Severity.MEDIUM, limits.medium_load_percent),
        (Severity.LOW, limits.low_load_percent),
    ):
        bad = [pair for pair in slow if 100 * pair[1].total / total >= limit]
        if bad:
            text = _said(bad, total, passed_seconds)
            words = "decide: see its plan with EXPLAIN, and whether an index or another query helps"
            return failed(
                severity, f"{text}; {more}", *measures, remedy=see(seen, bad[0][0], words)
            )
    return passed(f"{_none(found, load)} in {duration(passed_seconds)}; {more}", *measures)


def _said(
    bad: Sequence[tuple[StatementCounters, Interval]], total: float, passed_seconds: float
) -> str:
    """Return the worst: how long a call takes, how many there were, and what share of the load they are."""
    texts = [
        f"{milliseconds(part.mean)} × {part.calls} calls are {100 * part.total / total:.0f} % of the load: {named(one)}"
        for one, part in bad[:NAMED]
    ]
    rest = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return f"in {duration(passed_seconds)}: {'; '.join(texts)}{rest}"


def _none(found: Sequence[tuple[StatementCounters, Interval]], load: StatementLoad) -> str:
    """Return how many statements were looked at; the worst few of a server are all that is told of it."""
    return (
        f"none of the {counted(len(found), 'statement')} with the most time of {load.known} is slow"
    )


CHECK = Check(
    title="No statement is slow and frequent",
    trouble="Slow statement",
    gather="database_statements",
    shape=DatabaseStatements,
    since="0.1.0",
    why="A few slow statements are most of the load of many servers; all others wait behind them.",
    cannot_see=(
        "Statements that the server has forgotten, or that are not among its 100 worst. What a "
        "client waits for besides: the network, the pool, its own work. Single slow calls of a fast "
        "statement. In a slow log: calls that were faster than it logs. Who may send statements can send "
        "one that looks like entries of the log."
    ),
    limits=Limits(),
    judge=judge,
    history=History(days=35, at_most=60),
    measures={
        "busy": MeasureKind.STATE,
        "slow": MeasureKind.STATE,
        "logged": MeasureKind.STATE,
    },
    source="pgHero: slow queries, 20 ms × 100 calls",
    remedy="decide: see its plan with EXPLAIN, and whether an index or another query helps",
    absence={"databases": gone()},
)
