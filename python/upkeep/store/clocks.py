"""What is known of the clocks of the machines that write here, and their steps."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from upkeep.model.clock import STEP_SECONDS, KnownClock, Sample, Witness, span
from upkeep.model.stored_text import shown
from upkeep.store import tables
from upkeep.store.drivers import STALE_SECONDS, database_time
from upkeep.store.engine.statements import insert, upsert

OPEN, BELIEVED, UNDONE = "open", "believed", "undone"
SERVER = "the database server's clock agrees"
NUMBERED = {"act": "id", "signature": "number", "outbox": "id", "run": "id"}
"""Tables whose rows are marked where they were written under a wrong clock, with what numbers them."""


@dataclass(frozen=True)
class Wrong:
    """A clock was wrong by this many seconds. before, after: the newest rows by table, when that began and ended."""

    host: str
    seconds: float
    from_at: datetime
    until_at: datetime
    before: Mapping[str, int]
    after: Mapping[str, int]

    def covers(self, table: str, number: int, at: datetime) -> bool:
        """Return whether a row was written under it: by number and time, for other machines wrote meanwhile."""
        between = self.before.get(table, 0) < number <= self.after.get(table, 0)
        return between and self.from_at <= at <= self.until_at


# --- what is known ---------------------------------------------------------------------------------------------------
def load(db: Connection, host: str) -> tuple[KnownClock | None, float | None]:
    """Return what is known of a machine's clock, locked, and where the database server's was beside it."""
    table = tables.machine_clock
    row = db.execute(select(table).where(table.c.host == host).with_for_update()).first()
    if row is None:
        return None, None
    values = {key: row._mapping[key] for key in KnownClock.__dataclass_fields__}
    return KnownClock(**values), row.server


def save(db: Connection, host: str, known: KnownClock, server: float | None) -> None:
    """Keep what is known of a machine's clock."""
    at = database_time(db, datetime.fromtimestamp(known.wall, UTC))
    row = {"host": host, **asdict(known), "server": server, "seen_at": at}
    upsert(db, tables.machine_clock, [row], ["host"])


def first(db: Connection, host: str, sample: Sample) -> KnownClock | None:
    """Return what a machine that never wrote here can know: it is not earlier than what others have written.

    By what another machine says now, else by the newest run, which is the one with the highest number.
    """
    ahead = [one.ahead for one in _other_machines(db, host, sample.wall)]
    if ahead:
        wall = sample.wall + max(ahead)
    else:
        newest = newest_at(db)
        if newest is None:
            return None
        wall = newest.timestamp()
    return KnownClock("", 0.0, wall, wall)


def newest_at(db: Connection) -> datetime | None:
    """Return when the newest run began: the one with the highest number, whatever its time is."""
    run = tables.run
    return db.execute(select(run.c.started_at).order_by(run.c.id.desc()).limit(1)).scalar()


# --- what else knows the time ----------------------------------------------------------------------------------------
def server_line(db: Connection, sample: Sample) -> float | None:
    """Return what the clock of a database server on another machine is ahead of our boottime; None if there is none."""
    if db.dialect.name != "postgresql":
        return None
    query = "SELECT extract(epoch FROM clock_timestamp()), inet_server_addr(), inet_client_addr()"
    seconds, server, client = db.execute(text(query)).one()
    if server is None or server == client or ipaddress.ip_interface(str(server)).ip.is_loopback:
        return None  # a socket, or an address of our own: its clock is ours
    return float(seconds) - sample.boottime


def witnesses(
    db: Connection, host: str, sample: Sample, server: float | None, before: float | None
) -> list[Witness]:
    """Return what other machines say of our time of day.

    server, before: the server's line now, and as it was seen last in this boot. A server that has stepped itself
    since says nothing: it may be a container on this very machine.
    """
    found = _other_machines(db, host, sample.wall)
    if server is not None and (before is None or abs(server - before) <= STEP_SECONDS):
        found.append(Witness(SERVER, server - sample.line, refutes=True))
    return found


def _other_machines(db: Connection, host: str, wall: float) -> list[Witness]:
    """Return what other machines say that write here and believe their clocks, by the clock that all share."""
    if db.dialect.name != "postgresql":
        return []
    table = tables.machine_clock
    now: datetime = db.execute(select(func.clock_timestamp())).scalar_one()
    lately = (table.c.seen_at > now - timedelta(seconds=STALE_SECONDS), table.c.seen_at <= now)
    query = select(table).where(table.c.host != host, table.c.held.is_(None), *lately)
    return [
        Witness(
            f"the clock of {row.host} agrees",
            row.line + row.boottime + (now - row.seen_at).total_seconds() - wall,
            refutes=True,
        )
        for row in db.execute(query.order_by(table.c.host))
    ]


# --- steps -----------------------------------------------------------------------------------------------------------
def began(db: Connection, host: str, seconds: float, at: datetime) -> None:
    """Record a step, and what there was before it. at: the time of day after it."""
    values = {"host": host, "seconds": seconds, "state": OPEN, "from_at": at, "why": ""}
    values |= {"before": _numbers(db), "after": "{}"}
    db.execute(insert(db, tables.clock_step).values(values))


def ended(db: Connection, host: str, why: str, *, wrong: bool, until: datetime | None) -> None:
    """Record what became of the machine's open step. until: what the clock said when it was seen to be wrong."""
    table = tables.clock_step
    values: dict[str, Any] = {"state": BELIEVED, "why": shown(why, 200)}
    if wrong:
        values |= {"state": UNDONE, "until_at": until, "after": _numbers(db)}
    db.execute(update(table).where(table.c.host == host, table.c.state == OPEN).values(values))


def take_back(db: Connection, host: str, seconds: float, *, until: datetime) -> None:
    """Record that the last step forward, which had been believed, was wrong: one backwards has undone it.

    until: what the clock said when it went back.
    """
    most = max(STEP_SECONDS, abs(seconds) / 10)
    table = tables.clock_step
    query = select(table).where(table.c.host == host).order_by(table.c.id.desc()).limit(1)
    row = db.execute(query).first()
    if row is None or row.state != BELIEVED or abs(row.seconds + seconds) > most:
        return
    values = {"state": UNDONE, "until_at": until, "after": _numbers(db)}
    db.execute(update(table).where(table.c.id == row.id).values(values))


def wrong_times(db: Connection) -> Sequence[Wrong]:
    """Return the times at which clocks are known to have been wrong, newest first."""
    table = tables.clock_step
    rows = db.execute(select(table).where(table.c.state == UNDONE).order_by(table.c.id.desc()))
    return [
        Wrong(
            row.host,
            row.seconds,
            row.from_at,
            row.until_at or datetime.max.replace(tzinfo=UTC),
            json.loads(row.before),
            json.loads(row.after),
        )
        for row in rows
    ]


def mark(wrong: Sequence[Wrong], table: str, number: int, at: datetime) -> str:
    """Return what to say of a row that was written under a clock that was wrong; empty if none was."""
    for one in wrong:
        if one.covers(table, number, at):
            way = "ahead" if one.seconds > 0 else "behind"
            return f"the clock of {one.host} was {span(abs(one.seconds))} {way}"
    return ""


def _numbers(db: Connection) -> str:
    """Return the newest row of each numbered table."""
    found = {}
    for name, key in NUMBERED.items():
        column = tables.metadata.tables[name].c[key]
        found[name] = int(db.execute(select(func.coalesce(func.max(column), 0))).scalar_one())
    return json.dumps(found)
