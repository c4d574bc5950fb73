"""No statement with much of the load reads a large table as a whole for want of an index.

Looks at the plans of the statements with the most time. One fails if it reads a large table to keep few of its rows,
and an index would find these: by the statistics of the columns, and by a trial where the extension hypopg is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_plans_shape import (
    DatabasePlans,
    IndexCandidate,
    PlanLoad,
    PlanNode,
    StatementPlan,
)
from upkeep.checks.databases._objects import MIB, is_left_out, is_odd, name_of, psql
from upkeep.checks.databases._sessions import NAMED
from upkeep.checks.databases._topics import let_see, nothing_seen, of_topic
from upkeep.judging.check import Check, History, PastMoment, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, size, thousands
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    passed,
    unknown,
)

SINCE = timedelta(days=7)
"""How old a look must be at least for its counters to be the beginning: the load of less is that of some hours."""
CHEAPER = 0.5
"""The part of its cost to which a trial must bring a statement down."""
AS_ACCOUNT = (
    "decide: see its plan with EXPLAIN as the account that runs it; `ignore` leaves its number out"
)

Past = tuple[datetime, PlanLoad]


@dataclass(frozen=True)
class Limits:
    """When a statement fails: all must be reached.

    min_mib: size of the table that it reads as a whole, in MiB.
    min_rows: rows of the table.
    max_kept_percent: of these rows, that it keeps, in percent.
    min_calls: calls in the last five weeks, or since the server counts them.
    low_load_percent: its share of the time of all statements of the database, from which it is judged, in percent.
    medium_load_percent: the same, from which it is worse, in percent.
    ignore: shell patterns of numbers of statements, or of tables, that may be so, such as `public.report_*`.
    """

    min_mib: float = 10.0
    min_rows: int = 10_000
    max_kept_percent: float = 1.0
    min_calls: int = 20
    low_load_percent: float = 1.0
    medium_load_percent: float = 25.0
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A statement with its share of the load, in percent, and the index that it lacks."""

    one: StatementPlan
    share: float
    index: IndexCandidate


@of_topic("plans")
def judge(
    seen: DatabasePlans, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict:
    """Judge the statements with the most time."""
    load = seen.plans
    if load is None or not load.worst:
        return nothing_seen(seen, "plans", "no statement that reads a table was counted")
    rows = [each for one in load.worst for each in (one, *one.indexes)]
    if any(map(is_odd, (load, *rows))):
        return unknown("a number that cannot be was reported")
    past = [
        (one.at, one.seen.plans)
        for one in history
        if one.seen.plans is not None and now - one.at >= SINCE
    ]
    shares = [
        (one, share)
        for one, share in _shares(load, past, limits.min_calls)
        if share >= limits.low_load_percent and not is_left_out(one.queryid, limits.ignore)
    ]
    if not shares:
        said = f"no statement that reads a table has {limits.low_load_percent:g} % of the load"
        return nothing_seen(seen, "plans", f"{said}, and {limits.min_calls} calls")
    found = [
        Found(one, share, index)
        for one, share in shares
        for index in one.indexes
        if _is_missing(index, one, limits)
    ]
    blind = [(one, share) for one, share in shares if one.why]
    measures = (
        Measure("missing", len({(each.index.table, each.index.columns) for each in found})),
    )
    hidden = f"; {_blind_words(blind)}" if blind else ""
    if found:
        worst = max(found, key=lambda each: each.share)
        severity = Severity.MEDIUM if worst.share >= limits.medium_load_percent else Severity.LOW
        texts = [_said(each, load, past) for each in sorted(found, key=lambda each: -each.share)]
        more = f"; and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
        text = f"{'; '.join(texts[:NAMED])}{more}; limit {_limit(limits)}{hidden}"
        return failed(severity, text, *measures, remedy=_fix(seen, worst.index))
    said = f"{counted(len(shares), 'statement')} with {limits.low_load_percent:g} % of the load or more"
    if blind:
        return unknown(f"of {said}, {_blind_words(blind)}", *measures, remedy=_step(blind, seen))
    return passed(f"{said}: none lacks an index; limit {_limit(limits)}", *measures)


def _is_missing(index: IndexCandidate, one: StatementPlan, limits: Limits) -> bool:
    if one.cost is not None and index.cost is not None and index.cost > CHEAPER * one.cost:
        return False
    return (
        index.size_bytes >= limits.min_mib * MIB
        and index.rows >= max(1, limits.min_rows)
        and 100 * index.kept <= limits.max_kept_percent * index.rows
        and not is_left_out(index.table, limits.ignore)
    )


def _shares(
    load: PlanLoad, past: Sequence[Past], min_calls: int
) -> Iterable[tuple[StatementPlan, float]]:
    """Yield the statements that are still run, each with its share of the load in percent.

    Counted is what came since the oldest look, if it is a week ago; all, if there is none, or the counters began anew.
    So it is of a statement that was not seen then: it may have been there, but not be among the worst, or not visible.
    """
    before = past[0][1] if past else None
    if before is None or before.total_seconds > load.total_seconds:
        before = replace(load, total_seconds=0.0, worst=[])
    earlier = {_key(one): one for one in before.worst}
    for one in load.worst:
        was, total = earlier.get(_key(one)), load.total_seconds - before.total_seconds
        if was is None or was.calls > one.calls or was.total_seconds > one.total_seconds:
            was, total = replace(one, calls=0, total_seconds=0.0), load.total_seconds
        seconds = one.total_seconds - was.total_seconds
        if one.calls - was.calls >= max(1, min_calls) and seconds > 0:
            yield one, 100 * seconds / max(total, seconds)


def _key(one: StatementPlan) -> tuple[str, str]:
    return one.queryid, one.account


def _said(found: Found, load: PlanLoad, past: Sequence[Past]) -> str:
    """Return which statement reads which table, which index it lacks, and what supports that."""
    one, index = found.one, found.index
    changed = _changed(one, index, past)
    return (
        f"{found.share:.0f} % of the load, {counted(one.calls, 'call')}: {short(one.queryid, 30)}: "
        f"{short(one.shape, 160)}: reads {name_of(index.table)} ({size(index.size_bytes)}, "
        f"{thousands(index.rows)} rows) as a whole for {counted(index.kept, 'row')}{changed}; "
        f"it lacks an index on {name_of(index.columns)}: {_evidence(one, index, load)}"
    )


def _evidence(one: StatementPlan, index: IndexCandidate, load: PlanLoad) -> str:
    if one.cost is not None and index.cost is not None:
        return f"its cost falls from {_cost(one.cost)} to {_cost(index.cost)} by one that was tried in theory (hypopg)"
    why = (
        "hypopg could not try one"
        if load.imagines
        else "hypopg, which could try one, is not installed"
    )
    return f"supported by statistics only ({why})"


def _cost(cost: float) -> str:
    return thousands(round(cost))


def _changed(one: StatementPlan, index: IndexCandidate, past: Sequence[Past]) -> str:
    """Return how the table was read at an earlier look, if it was by an index then."""
    for at, load in reversed(past):
        for was in load.worst:
            node = next((each for each in was.nodes if _read_by(each, index)), None)
            if _key(was) == _key(one) and node is not None:
                return f" (on {at:%Y-%m-%d}: {short(node.kind, 30)} using {name_of(node.index)})"
    return ""


def _read_by(node: PlanNode, index: IndexCandidate) -> bool:
    return node.table == index.table and bool(node.index)


def _blind_words(blind: Sequence[tuple[StatementPlan, float]]) -> str:
    """Return of how many statements there is no plan, their share, and why of the worst."""
    one, _share = max(blind, key=lambda pair: pair[1])
    share = sum(part for _one, part in blind)
    return (
        f"{counted(len(blind), 'plan')} ({share:.0f} % of the load) could not be seen: "
        f"{short(one.queryid, 30)}: {short(one.shape, 120)}: {short(one.why, 120)}"
    )


def _step(blind: Sequence[tuple[StatementPlan, float]], seen: DatabasePlans) -> str:
    """Return what lets the role see the plans; the GRANT if tables are what it may not read."""
    hidden = seen.unseen.get("tables")
    denied = any("42501" in one.why for one, _share in blind)
    return (let_see(hidden) if hidden and denied else "") or AS_ACCOUNT


def _fix(seen: DatabasePlans, index: IndexCandidate) -> str:
    """Return the statement that makes the index; a standby has those of its primary."""
    on = f"ON {index.table} ({index.columns})"
    if seen.in_recovery:
        words = "decide: whether its reads are worth an index on the primary"
        return f"{words}: CREATE INDEX CONCURRENTLY {short(on, 300)}"
    if index.partitioned:
        words = "decide: writes wait while it is built; or build one on each partition CONCURRENTLY, and attach them"
        return psql(seen.subject, f"CREATE INDEX {on}", words)
    words = "decide: whether its reads are worth what an index costs each write; it is built beside them"
    return psql(seen.subject, f"CREATE INDEX CONCURRENTLY {on}", words)


def _limit(limits: Limits) -> str:
    return (
        f"{limits.min_mib:g} MiB, {thousands(limits.min_rows)} rows of which {limits.max_kept_percent:g} % are kept, "
        f"{limits.low_load_percent:g} % of the load"
    )


CHECK = Check(
    title="The statements with the most time have their indexes",
    trouble="Statement without an index",
    gather="database_plans",
    shape=DatabasePlans,
    since="0.1.0",
    why=(
        "A statement that reads a whole table for a few of its rows becomes slower with each row that is added, "
        "and is often most of a server's load."
    ),
    cannot_see=(
        "Statements that are not among the 10 with the most time. The plan for a certain value: that for any is "
        "looked at. How many rows there really are: the planner's estimates are as good as the statistics. "
        "Indexes of expressions, of ranges, and for sorting. A session's own search_path and settings."
    ),
    limits=Limits(),
    judge=judge,
    history=History(days=35, at_most=5),
    measures={"missing": MeasureKind.STATE},
    source="PostgreSQL, EXPLAIN and pg_stats; HypoPG; pgHero: suggested indexes",
    remedy="decide: whether an index, or another query, spares it the reading of the whole table",
    absence={"databases": gone()},
)
