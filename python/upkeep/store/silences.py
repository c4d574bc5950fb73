"""Silences, which always end, and overrides of the rota, which do too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, insert, select, update

from upkeep.model.errors import UsageError
from upkeep.model.reason import says
from upkeep.model.stored_text import shown, written
from upkeep.rules.silences import Silence
from upkeep.rules.width import Watched
from upkeep.store import tables
from upkeep.store.engine.statements import Values

LONGEST_OVERRIDE = timedelta(days=31)


@dataclass(frozen=True)
class KeptOverride:
    """Who is on call instead of who the rota says."""

    id: int
    site: str
    team: str
    person: str
    begins: datetime
    ends: datetime
    made_by: str


@dataclass(frozen=True, kw_only=True)
class NewSilence:
    """A silence to be made. check, host: patterns; severity: the worst that it silences; at: when it is made."""

    check: str
    host: str
    severity: int
    reason: str
    by: str
    at: datetime
    begins: datetime
    ends: datetime
    needs_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class NewOverride:
    """Who is to be on call of a team instead of who the rota says. at: when that is said."""

    team: str
    person: str
    begins: datetime
    ends: datetime
    by: str
    at: datetime


def add(db: Connection, site: str, new: NewSilence) -> int:
    """Record a silence; return its number.

    Raises: UsageError if it does not end later, or has no reason.
    """
    if new.ends <= max(new.begins, new.at):
        raise UsageError("a silence has to end later than it begins, and later than now")
    if not says(new.reason):
        raise UsageError("a silence needs a reason, for those who wonder why it is quiet")
    values = {
        "site": site,
        "check_pattern": shown(new.check, 200),
        "host_pattern": shown(new.host, 255),
        "severity": new.severity,
        "reason": written(new.reason),
        "made_by": shown(new.by, 200),
        "made_at": new.at,
        "begins_at": new.begins,
        "ends_at": new.ends,
        "ended_by": "",
        "needs_approval": new.needs_approval,
    }
    made = db.execute(insert(tables.silence).values(values).returning(tables.silence.c.id))
    return int(made.scalar_one())


def approve(db: Connection, silence_id: int, by: str, at: datetime) -> None:
    """Record that somebody else says yes to a silence."""
    table = tables.silence
    changed = update(table).where(table.c.id == silence_id, table.c.approved_at.is_(None))
    db.execute(changed.values(approved_by=shown(by, 200), approved_at=at))


def end(db: Connection, silence_id: int, by: str, at: datetime) -> None:
    """End a silence before its time.

    Raises: UsageError if there is no such one that still lasts.
    """
    table = tables.silence
    mine = (table.c.id == silence_id, table.c.ends_at > at)
    ended = db.execute(update(table).where(*mine).values(ends_at=at, ended_by=shown(by, 200)))
    if not ended.rowcount:
        message = f"there is no active silence {silence_id}"
        raise UsageError(message, remedy="upkeep silence list")


def get(db: Connection, site: str, silence_id: int, *, lock: bool = False) -> Silence | None:
    """Return the silence of the site, or None; lock: nobody else moves it until the transaction ends."""
    table = tables.silence
    query = select(table).where(table.c.id == silence_id, table.c.site == site)
    row = db.execute(query.with_for_update() if lock else query).first()
    return _of_row(row) if row else None


def lasting(
    db: Connection,
    site: str,
    at: datetime,
    *,
    planned: bool = False,
    longest: timedelta | None = None,
) -> list[Silence]:
    """Return the silences that hold at a time, those that end first first.

    planned: also those that begin later, and those that wait for a second person. longest: what the site allows now;
    none lasts longer, whatever was written down when there was no limit.
    """
    table = tables.silence
    query = select(table).where(table.c.site == site, table.c.ends_at > at)
    if not planned:
        query = query.where(table.c.begins_at <= at)
    found = [_of_row(row) for row in db.execute(query.order_by(table.c.id))]
    if longest is not None:
        found = [one.within(longest) for one in found]
    holding = [one for one in found if one.ends_at > at and (planned or not one.waits)]
    return sorted(holding, key=lambda one: one.ends_at)


def watched(db: Connection, site: str) -> list[Watched]:
    """Return how many results are known now, by check and host."""
    table = tables.latest_result
    query = select(table.c.check_id, table.c.host, func.count().label("results"))
    query = query.where(table.c.site == site).group_by(table.c.check_id, table.c.host)
    return [Watched(row.check_id, row.host, results=row.results) for row in db.execute(query)]


def known_hosts(db: Connection, site: str) -> set[str]:
    """Return the hosts, and Upkeep's own names, that a result or a finding of the site was ever about."""
    of = (tables.latest_result, tables.finding)
    queries = (select(table.c.host).where(table.c.site == site).distinct() for table in of)
    return {host for query in queries for host in db.scalars(query)}


def _of_row(row: Row[tuple[object, ...]]) -> Silence:
    return Silence(**row._mapping)


def add_override(db: Connection, site: str, new: NewOverride) -> int:
    """Record that another person is on call from … to …; return its number.

    Raises: UsageError if it would have ended, or would last longer than a change of the rota should wait for.
    """
    begins = max(new.begins, new.at)
    if new.ends <= begins:
        raise UsageError("an override has to end later than it begins, and later than now")
    if new.ends > begins + LONGEST_OVERRIDE:
        raise UsageError(
            f"the override would end on {new.ends:%Y-%m-%d}; it may last {LONGEST_OVERRIDE.days} days",
            remedy=f"for longer than that, change the rota of {new.team} in the site's schedule.yml",
        )
    table = tables.rota_override
    values: Values = {"site": site, "team": new.team, "person": new.person, "ended_by": ""}
    values |= {"begins_at": new.begins, "ends_at": new.ends}
    values |= {"made_by": shown(new.by, 200), "made_at": new.at}
    made = db.execute(insert(table).values(values).returning(table.c.id))
    return int(made.scalar_one())


def end_override(db: Connection, override_id: int, by: str, at: datetime) -> None:
    """End an override before its time.

    Raises: UsageError if there is no such one.
    """
    table = tables.rota_override
    mine = (table.c.id == override_id, table.c.ends_at > at)
    if not db.execute(update(table).where(*mine).values(ends_at=at, ended_by=by[:200])).rowcount:
        message = f"there is no active override {override_id}"
        raise UsageError(message, remedy="upkeep oncall list  # lists them")


def overrides(db: Connection, site: str, since: datetime) -> list[KeptOverride]:
    """Return the overrides that end after that time, the newest first: of two at once the newer holds."""
    table = tables.rota_override
    rows = db.execute(
        select(table)
        .where(table.c.site == site, table.c.ends_at > since)
        .order_by(table.c.id.desc())
    )
    return [
        KeptOverride(
            row.id, row.site, row.team, row.person, row.begins_at, row.ends_at, row.made_by
        )
        for row in rows
    ]
