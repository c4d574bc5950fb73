"""Databases keep connections free for those who come next.

Connections in use against those that ordinary users may have: PostgreSQL's max_connections without the reserved ones,
MariaDB's max_connections, Redis' maxclients. SQLite has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import ENGINES
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._databases_shape import (
    DatabaseAnswer,
)
from upkeep.checks.databases._sessions import placed
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import counted, short
from upkeep.model.remedies import after, look
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Connections in use from which a database fails.

    medium_percent: of those that may be had, in percent.
    high_percent: of those that may be had, in percent.
    critical_percent: of those that may be had, in percent.
    """

    medium_percent: float = 85.0
    high_percent: float = 90.0
    critical_percent: float = 95.0


def judge(seen: DatabaseAnswer, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of connections in use; unknown where the database did not let us in for another reason."""
    if seen.kind == "sqlite":
        return None
    if not seen.connected:
        if seen.saturated:
            return failed(
                Severity.CRITICAL,
                f"no connection is left: {short(seen.reason, 200)}",
                remedy=_holders(seen),
            )
        reason = short(seen.reason or "no connection", 200)
        return unknown(f"not checked: {reason}", remedy=after("database_connect"))
    read = counted(seen.connections, seen.max_connections, seen.reserved_connections or 0)
    if read is None:
        return unknown("the server did not report its number of connections")
    used, most, reserved = read
    most -= reserved
    if most <= 0:
        return unknown(f"{most:.0f} connections may be had")
    percent = 100 * used / most
    measures = [Measure("used", round(percent, 2), "%"), Measure("connections", used)]
    idle = seen.states.get("idle in transaction")
    if idle is not None:
        measures.append(Measure("idle in transaction", idle))
    state = f"{used:.0f} of {most:.0f} connections in use ({percent:.1f} %)"
    for severity, limit in (
        (Severity.CRITICAL, limits.critical_percent),
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        if percent >= limit:
            held = f", {idle} idle in transaction" if idle else ""
            text = f"{state}{held}; limit {limit:g} %"
            return failed(severity, text, *measures, remedy=_holders(seen))
    return passed(f"{state}; limit {limits.medium_percent:g} %", *measures)


SEE = "see who holds them; then end what holds connections and does nothing, or allow more"


def _holders(seen: DatabaseAnswer) -> str:
    """Return how to see who holds connections; empty for a kind that is not known."""
    engine = ENGINES.get(seen.kind)
    return placed(look(engine.holders, SEE), seen.subject) if engine and engine.holders else ""


CHECK = Check(
    title="Database has free connections",
    trouble="Shortage of database connections",
    gather="databases",
    shape=DatabaseAnswer,
    since="0.1.0",
    why=(
        "When all connections are in use, the next client is refused, even if the database is "
        "healthy."
    ),
    cannot_see=(
        "Peaks between two checks. Pools in front of the database, such as PgBouncer's or the "
        "application's own."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "used": MeasureKind.SHARE,
        "connections": MeasureKind.STATE,
        "idle in transaction": MeasureKind.STATE,
    },
    source="check_postgres, backends 90/95 %; MySQLTuner, connections < 85 %; redis.conf, maxclients",
    remedy="decide: end sessions that hold connections and do nothing, or allow more connections",
    absence={"databases": gone()},
)
