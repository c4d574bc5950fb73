"""What a server did between two looks at its counters of statements, which only ever grow, or begin anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from math import sqrt

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    StatementCounters,
    StatementLoad,
)
from upkeep.checks.databases._sessions import psql
from upkeep.checks.databases._shifts import Interval
from upkeep.judging.check import PastMoment
from upkeep.judging.readings import short

IN_FULL = "select query from pg_stat_statements where queryid = {queryid}"
Key = tuple[str, str, str, bool]
Look = tuple[StatementLoad, StatementCounters]


def key(one: StatementCounters) -> Key:
    """Return what a statement is known by."""
    return one.database, one.account, one.queryid, one.nested


def loads(history: Sequence[PastMoment], now: DatabaseStatements) -> list[StatementLoad]:
    """Return what was counted at each earlier look at a server, the oldest first.

    Another major version counts other numbers of statements.
    """
    major = now.version.partition(".")[0]
    seen = [one.seen for one in history if one.seen.version.partition(".")[0] == major]
    return [one.statements for one in seen if one.statements is not None]


def between(
    before: StatementLoad,
    earlier: StatementCounters,
    after: StatementLoad,
    later: StatementCounters,
) -> Interval | None:
    """Return what was counted between two looks; None if nothing was, or the counters began anew.

    Whether they did is told by the server from PostgreSQL 14 on for all, from 17 for each statement. Before, a counter
    that is smaller tells it.
    """
    calls, seconds = later.calls - earlier.calls, later.total_seconds - earlier.total_seconds
    if before.reset_at != after.reset_at or earlier.since != later.since:
        return None
    if calls <= 0 or seconds < 0 or not _is_figure(seconds, calls):
        return None
    mean = seconds / calls
    stddev = None
    squares = _squares(later), _squares(earlier)
    if squares[0] is not None and squares[1] is not None:
        stddev = sqrt(max(0.0, (squares[0] - squares[1]) / calls - mean * mean))
    return Interval(
        datetime.fromisoformat(before.at), datetime.fromisoformat(after.at), calls, mean, stddev
    )


def intervals(looks: Iterable[Look], least_calls: int) -> list[Interval]:
    """Return what was counted of one statement between looks, each with at least this many calls.

    Looks between which it was called less often are one interval together.
    """
    found: list[Interval] = []
    begin: Look | None = None
    for load, counters in looks:
        part = between(*begin, load, counters) if begin else None
        if part and part.calls >= least_calls:
            found.append(part)
            begin = (load, counters)
        elif begin is None or _began_anew(begin, (load, counters)):
            begin = (load, counters)
    return found


def total_between(before: StatementLoad, after: StatementLoad) -> float | None:
    """Return the time of all statements between two looks, in seconds; None if it cannot be told.

    What the server has forgotten meanwhile is not in its sum any more.
    """
    if before.reset_at != after.reset_at or before.evicted != after.evicted:
        return None
    seconds = after.total_seconds - before.total_seconds
    return seconds if seconds > 0 and _is_figure(seconds) else None


def busiest(
    before: StatementLoad, after: StatementLoad
) -> tuple[list[tuple[StatementCounters, Interval]], float]:
    """Return what the worst statements did between two looks, and the time of all of them, in seconds.

    Without a sum that can be told, it is that of the worst.
    """
    earlier = {key(one): one for one in before.worst}
    found = [
        (one, part)
        for one in after.worst
        if (was := earlier.get(key(one)) or _of_nothing(before, one))
        and (part := between(before, was, after, one))
    ]
    total = total_between(before, after)
    listed = sum(part.total for _one, part in found)
    return found, max(total or 0.0, listed)


def before_now(
    earlier: Sequence[StatementLoad], now: StatementLoad, least_hours: float
) -> StatementLoad | None:
    """Return the newest earlier look that is at least so long ago, else the oldest; None without one."""
    end = datetime.fromisoformat(now.at)
    old = [
        one
        for one in earlier
        if (end - datetime.fromisoformat(one.at)).total_seconds() >= least_hours * 3600
    ]
    return old[-1] if old else next(iter(earlier), None)


def seconds_between(before: StatementLoad, after: StatementLoad) -> float:
    """Return how long it was between two looks, in seconds."""
    return (datetime.fromisoformat(after.at) - datetime.fromisoformat(before.at)).total_seconds()


def forgotten(before: StatementLoad, after: StatementLoad) -> str:
    """Return in words that the server had no room for all statements between two looks; nothing if it had."""
    if (after.evicted or 0) <= (before.evicted or 0):
        return ""
    most = f" than {after.most_known}" if after.most_known else ""
    return f"; it has forgotten statements meanwhile, as it has no room for more{most}"


def milliseconds(seconds: float) -> str:
    """Return `0.123 ms`, `12.3 ms`."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds * 1000:.0f} ms"


def named(one: StatementCounters, limit: int = 160) -> str:
    """Return the statement as people find it: its database, number, and shape."""
    where = short(one.database, 60) or short(one.account, 60)
    return f"{where} {short(one.queryid, 30)}: {short(one.shape, limit)}"


def see(seen: DatabaseStatements, one: StatementCounters, words: str) -> str:
    """Return how an administrator sees the text of the statement on its server; words alone if that is not known."""
    read_in = seen.statements.read_in if seen.statements else ""
    if seen.kind != "postgresql" or not re.fullmatch(r"-?\d{1,20}", one.queryid):
        return f"decide: {words}"
    question = IN_FULL.replace("{queryid}", one.queryid)
    return psql(words, question, database=read_in)


def _squares(one: StatementCounters) -> float | None:
    """Return the sum of the squares of all calls' times; None if that is not told."""
    if one.stddev_seconds is None or one.mean_seconds is None:
        return None
    return one.calls * (one.stddev_seconds**2 + one.mean_seconds**2)


def _of_nothing(before: StatementLoad, one: StatementCounters) -> StatementCounters | None:
    """Return a statement's counters as they were before the server knew it; None if it may have known it before."""
    if one.since is None or not is_later(one.since, before.at):
        return None
    return replace(one, calls=0, total_seconds=0.0, mean_seconds=None)


def is_later(one: str, other: str) -> bool:
    """Return whether a time is later than another, both as a server writes them."""
    return datetime.fromisoformat(one) > datetime.fromisoformat(other)


def _began_anew(before: Look, after: Look) -> bool:
    return (
        before[0].reset_at != after[0].reset_at
        or before[1].since != after[1].since
        or after[1].calls < before[1].calls
        or after[1].total_seconds < before[1].total_seconds
    )


def _is_figure(*values: float) -> bool:
    return all(0 <= one < 1e15 for one in values)
