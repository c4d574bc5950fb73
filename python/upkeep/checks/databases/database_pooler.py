"""Clients of a pool get a connection at once.

PgBouncer lets clients wait until a connection to the server is free. Checks how long the first of each pool has waited,
and whether the pool has a connection at all.

Needs a user in `stats_users` of PgBouncer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PoolState,
)
from upkeep.checks.databases._sessions import by_limit, identifier, listed, reaching, told
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.remedies import look, quote
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

# Not by way of what is asked through the pool: that waits too.
HOLDERS = look(
    "psql -p 6432 -U pgbouncer -d pgbouncer -c 'SHOW SERVERS' -c 'SHOW CLIENTS'",
    "decide: whether to end who holds the connections (`link` of a server is `ptr` of its client), or to set "
    "default_pool_size higher",
)


@dataclass(frozen=True)
class Limits:
    """How long a client may wait for a connection.

    medium_seconds: from then on it fails, in seconds.
    high_seconds: from then on it fails, in seconds.
    without_server_seconds: if the pool has no connection to the server, in seconds; Upkeep watches for one second.
    """

    medium_seconds: float = 5.0
    high_seconds: float = 30.0
    without_server_seconds: float = 1.0


@of_topic("pools")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the pool whose clients have waited for longest."""
    rows = seen.pools or []
    waiting = sum(max(0, one.waiting) for one in rows)
    worst = max(rows, key=lambda one: one.max_wait_seconds, default=None)
    seconds = max(0.0, worst.max_wait_seconds) if worst else 0.0
    measures = (Measure("waiting", waiting), Measure("longest", seconds, "s"))
    stranded = [one for one in rows if one.waiting > 0 and one.servers <= 0]
    first = max(stranded, key=lambda one: one.max_wait_seconds, default=None)
    if first and first.max_wait_seconds >= limits.without_server_seconds:
        late = [one for one in stranded if _seconds(one) >= limits.without_server_seconds]
        said = listed([_waits(one) for one in sorted(late, key=_seconds, reverse=True)], apart="; ")
        why = "it is paused" if first.paused else "PgBouncer has none"
        text = f"{said}, and {why}; at most {limits.without_server_seconds:g} s"
        remedy = "decide: see whether PgBouncer reaches the server and may log in there; its log says why"
        if first.paused:
            remedy = _resume(first)
        return failed(Severity.CRITICAL, text, *measures, remedy=remedy)
    grades = [
        (severity, most, f"at most {most:g} s")
        for severity, most in (
            (Severity.HIGH, limits.high_seconds),
            (Severity.MEDIUM, limits.medium_seconds),
        )
    ]
    bad = by_limit(sorted(rows, key=_seconds, reverse=True), reaching(_seconds, grades))
    if bad:
        return failed(bad[0][0], told(bad, _said), *measures, remedy=HOLDERS)
    said = f"{counted(waiting, 'client waits', 'clients wait')} in {counted(len(rows), 'pool')}"
    return passed(f"{said}; at most {limits.medium_seconds:g} s", *measures)


def _resume(one: PoolState) -> str:
    """Return how to let its clients go on."""
    words = "decide: whether who has paused it is done"
    statement = quote(f"RESUME {identifier(one.database)}")
    return (
        look(f"psql -p 6432 -U pgbouncer -d pgbouncer -c {statement}", words)
        if statement
        else words
    )


def _seconds(one: PoolState) -> float:
    return one.max_wait_seconds


def _waits(one: PoolState) -> str:
    clients = counted(max(0, one.waiting), "client waits", "clients wait")
    return f"{clients} for a connection to {short(one.database, 60)} as {short(one.account, 60)}"


def _said(one: PoolState) -> str:
    longest = duration(max(0.0, one.max_wait_seconds))
    return f"{_waits(one)}, the first for {longest}; {one.clients} have one, of {one.servers}"


CHECK = Check(
    title="Clients of a pool get a connection at once",
    trouble="Clients waiting for a pool",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="While clients wait for the pool, the application stands still, though the database is idle.",
    cannot_see="Peaks between two checks. Pools inside of an application.",
    limits=Limits(),
    judge=judge,
    measures={"waiting": MeasureKind.STATE, "longest": MeasureKind.STATE},
    source="check_postgres: pgb_pool_cl_waiting, pgb_pool_maxwait; PgBouncer, SHOW POOLS; our limits",
    remedy="decide: see who holds the connections of the pool, or set default_pool_size higher",
    absence={"databases": gone()},
)
