"""Silences, which always end, and overrides of the rota, which do too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import Connection, insert, select, update

from upkeep.errors import UsageError
from upkeep.store import tables
from upkeep.store.statements import Values
from upkeep.store.texts import shown


@dataclass(frozen=True)
class Silence:
    """What is kept quiet, until when. severity: the worst that it keeps quiet, 1 to 4."""

    id: int
    site: str
    check_pattern: str
    host_pattern: str
    severity: int
    reason: str
    made_by: str
    made_at: datetime
    begins_at: datetime
    ends_at: datetime
    ended_by: str

    def covers(self, check: str, host: str, severity: int, *, security: bool) -> bool:
        """Say if it keeps such a finding quiet; security of severity 1 only if it names check and host exactly."""
        if severity < self.severity:
            return False
        if security and severity == 1:
            return (check, host) == (self.check_pattern, self.host_pattern)
        return fnmatchcase(check, self.check_pattern) and fnmatchcase(host, self.host_pattern)


@dataclass(frozen=True)
class Override:
    """Who is on call instead of who the rota says."""

    id: int
    site: str
    team: str
    person: str
    begins: datetime
    ends: datetime
    made_by: str


def add(
    db: Connection,
    site: str,
    *,
    check: str,
    host: str,
    severity: int,
    reason: str,
    by: str,
    at: datetime,
    begins: datetime,
    ends: datetime,
) -> int:
    """Write down a silence; return its number; raise UsageError if it does not end later, or has no reason."""
    if ends <= max(begins, at):
        raise UsageError("a silence has to end later than it begins, and later than now")
    if not reason.strip():
        raise UsageError("a silence needs a reason, for those who wonder why it is quiet")
    values = {
        "site": site,
        "check_pattern": shown(check, 200),
        "host_pattern": shown(host, 255),
        "severity": severity,
        "reason": shown(reason),
        "made_by": shown(by, 200),
        "made_at": at,
        "begins_at": begins,
        "ends_at": ends,
        "ended_by": "",
    }
    made = db.execute(insert(tables.silence).values(values).returning(tables.silence.c.id))
    return int(made.scalar_one())


def end(db: Connection, silence_id: int, by: str, at: datetime) -> None:
    """End a silence before its time; raise UsageError if there is no such one that still lasts."""
    table = tables.silence
    mine = (table.c.id == silence_id, table.c.ends_at > at)
    ended = db.execute(update(table).where(*mine).values(ends_at=at, ended_by=shown(by, 200)))
    if not ended.rowcount:
        message = f"there is no silence {silence_id} that still lasts"
        raise UsageError(message, remedy="upkeep silence list")


def lasting(db: Connection, site: str, at: datetime, *, planned: bool = False) -> list[Silence]:
    """Return the silences that last at a time, those that end first first; with those that begin later, if planned."""
    table = tables.silence
    query = select(table).where(table.c.site == site, table.c.ends_at > at)
    if not planned:
        query = query.where(table.c.begins_at <= at)
    return [Silence(**row._mapping) for row in db.execute(query.order_by(table.c.ends_at))]


def add_override(
    db: Connection,
    site: str,
    *,
    team: str,
    person: str,
    begins: datetime,
    ends: datetime,
    by: str,
    at: datetime,
) -> int:
    """Write down that another person is on call from … to …; return its number."""
    if ends <= max(begins, at):
        raise UsageError("an override has to end later than it begins, and later than now")
    table = tables.rota_override
    values: Values = {"site": site, "team": team, "person": person, "made_by": shown(by, 200)}
    values |= {"begins_at": begins, "ends_at": ends, "made_at": at, "ended_by": ""}
    made = db.execute(insert(table).values(values).returning(table.c.id))
    return int(made.scalar_one())


def end_override(db: Connection, override_id: int, by: str, at: datetime) -> None:
    """End an override before its time; raise UsageError if there is no such one."""
    table = tables.rota_override
    mine = (table.c.id == override_id, table.c.ends_at > at)
    if not db.execute(update(table).where(*mine).values(ends_at=at, ended_by=by[:200])).rowcount:
        raise UsageError(f"there is no override {override_id} that still lasts")


def overrides(db: Connection, site: str, since: datetime) -> list[Override]:
    """Return the overrides that end after that time, the newest first: of two at once the newer holds."""
    table = tables.rota_override
    rows = db.execute(
        select(table)
        .where(table.c.site == site, table.c.ends_at > since)
        .order_by(table.c.id.desc())
    )
    return [
        Override(row.id, row.site, row.team, row.person, row.begins_at, row.ends_at, row.made_by)
        for row in rows
    ]
