"""Drivers that claim occurrences, and which text of a site holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update

from upkeep.model.stored_text import name, shown
from upkeep.store import tables
from upkeep.store.engine.statements import insert

STALE_SECONDS = 60
"""A driver on another machine that has not been heard of for so long is dead."""


@dataclass(frozen=True)
class Driver:
    """A process that claims occurrences. revision: the hash of the site that it has read."""

    id: str
    site: str
    revision: str
    host: str
    pid: int
    process_started: float
    boot_id: str


def seen(db: Connection, one: Driver, now: datetime) -> None:
    """Record that the driver is alive; by the database's clock, if it has one of its own."""
    at = database_time(db, now)
    values = asdict(one) | {"site": name(one.site), "started_at": at, "seen_at": at}
    statement = insert(db, tables.driver).values(values)
    changed = {"seen_at": at, "revision": one.revision}
    db.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))


def others(db: Connection, site: str, own_id: str) -> list[Driver]:
    """Return the other drivers of the site that have not said goodbye."""
    table = tables.driver
    rows = db.execute(select(table).where(table.c.site == name(site), table.c.id != own_id))
    return [
        Driver(row.id, row.site, row.revision, row.host, row.pid, row.process_started, row.boot_id)
        for row in rows
    ]


def silent(db: Connection, site: str, now: datetime) -> Sequence[str]:
    """Return the ids of the drivers that have not been heard of for too long."""
    table = tables.driver
    stale = timedelta(seconds=STALE_SECONDS)
    at = database_time(db, now)
    quiet = table.c.seen_at < at - stale
    if db.dialect.name != "postgresql":  # of an earlier boot, whose clock was ahead
        quiet = or_(quiet, table.c.seen_at > at + stale)
    where = (table.c.site == name(site), quiet)
    return list(db.execute(select(table.c.id).where(*where)).scalars())


def living(db: Connection, site: str, now: datetime) -> list[Driver]:
    """Return the drivers of the site that have been heard of lately."""
    quiet = set(silent(db, site, now))
    return [one for one in others(db, site, "") if one.id not in quiet]


def goodbye(db: Connection, driver_id: str) -> None:
    """Forget a driver."""
    db.execute(delete(tables.driver).where(tables.driver.c.id == driver_id))


def active_revision(db: Connection, site: str) -> str:
    """Return the hash of the site's text that holds; empty if there is none yet."""
    table = tables.site_revision
    query = select(table.c.hash).where(table.c.site == name(site)).order_by(table.c.id.desc())
    return str(db.execute(query.limit(1)).scalar() or "")


def activate(db: Connection, site: str, revision: str, by: str, now: datetime) -> None:
    """Make a text of the site the active one, unless it is already."""
    if active_revision(db, site) == revision:
        return
    values = {
        "site": name(site),
        "hash": revision,
        "activated_at": now,
        "activated_by": shown(by, 200),
    }
    db.execute(insert(db, tables.site_revision).values(values))


def orphans(db: Connection, site: str) -> list[tuple[int, int | None]]:
    """Return occurrences under way, with their runs, whose driver is not there any more."""
    table = tables.occurrence
    there = select(tables.driver.c.id)
    where = (
        table.c.site == name(site),
        table.c.state.in_(("claimed", "running")),
        table.c.driver_id.not_in(there),
    )
    return [
        (row.id, row.run_id) for row in db.execute(select(table.c.id, table.c.run_id).where(*where))
    ]


def wake(db: Connection, occurrence_id: int) -> bool:
    """Make an occurrence wait again whose driver died before it began its run."""
    table = tables.occurrence
    where = (table.c.id == occurrence_id, table.c.state == "claimed", table.c.run_id.is_(None))
    values = {"state": "due", "driver_id": "", "claimed_at": None}
    return db.execute(update(table).where(*where).values(values)).rowcount == 1


def database_time(db: Connection, now: datetime) -> datetime:
    """Return the time that all drivers share: of the server, or of the one machine that SQLite is on."""
    if db.dialect.name == "postgresql":
        found: datetime = db.execute(select(func.now())).scalar_one()
        return found
    return now
