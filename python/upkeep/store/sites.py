"""What sites are called in the store, and from which folders of which machines they act."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, union, update

from upkeep.model.stored_text import name
from upkeep.rules.findings import FindingState
from upkeep.store import tables
from upkeep.store.drivers import database_time
from upkeep.store.engine.statements import insert

OPEN = FindingState.OPEN.value


@dataclass(frozen=True)
class SiteFolder:
    """A folder from which a machine acts as a site. revision: of the text that it acted on last; empty if unknown."""

    machine: str
    folder: str
    revision: str
    seen_at: datetime


@dataclass(frozen=True)
class ListedSite:
    """A site as the store knows it. name: its id or path; has_id: which of the two. formerly: what it was called."""

    name: str
    has_id: bool
    folders: tuple[SiteFolder, ...]
    formerly: tuple[str, ...]
    runs: int
    last_run_at: datetime | None
    open_findings: int


def tables_of_sites() -> list[Any]:
    """Return the tables whose rows name their site."""
    return [one for one in tables.metadata.sorted_tables if "site" in one.c]


# --- what they are called --------------------------------------------------------------------------------------------
def names(db: Connection) -> set[str]:
    """Return the names of all sites of which there is anything; that of the embedded one is empty."""
    everywhere = union(*[select(one.c.site) for one in tables_of_sites()])
    return set(db.execute(everywhere).scalars()) | ids(db)


def ids(db: Connection) -> set[str]:
    """Return the ids that sites have."""
    return set(db.execute(select(tables.site.c.id)).scalars())


def has_id(db: Connection, site: str) -> bool:
    """Return whether a site of that id is there."""
    return db.execute(select(tables.site).where(tables.site.c.id == site)).first() is not None


def add_id(db: Connection, site: str, now: datetime) -> None:
    """Record that a site has this id."""
    values = {"id": site, "since": now}
    db.execute(insert(db, tables.site).values(values).on_conflict_do_nothing())


def now_called(db: Connection, site: str) -> str:
    """Return what a site is called now; the same if nothing else is known."""
    table = tables.site_name
    found = db.execute(select(table.c.now_name).where(table.c.name == site)).scalar()
    return site if found is None else str(found)


def formerly(db: Connection, site: str) -> list[str]:
    """Return what a site was called before."""
    table = tables.site_name
    query = select(table.c.name).where(table.c.now_name == site).order_by(table.c.name)
    return list(db.execute(query).scalars())


def everyone(db: Connection) -> list[ListedSite]:
    """Return all sites, those with an id first, by name."""
    run, finding = tables.run, tables.finding
    counted = select(run.c.site, func.count().label("runs"), func.max(run.c.started_at).label("at"))
    ran = {row.site: row for row in db.execute(counted.group_by(run.c.site))}
    wrong = select(finding.c.site, func.count().label("found")).where(finding.c.status == OPEN)
    failing = {row.site: row.found for row in db.execute(wrong.group_by(finding.c.site))}
    there = ids(db)
    found = []
    for one in sorted(names(db), key=lambda each: (each not in there, each)):
        row = ran.get(one)
        found.append(
            ListedSite(
                name=one,
                has_id=one in there,
                folders=tuple(folders(db, one)),
                formerly=tuple(formerly(db, one)),
                runs=row.runs if row else 0,
                last_run_at=row.at if row else None,
                open_findings=failing.get(one, 0),
            )
        )
    return found


# --- where they are --------------------------------------------------------------------------------------------------
def folders(db: Connection, site: str) -> list[SiteFolder]:
    """Return the folders from which machines act as a site, the one seen last first."""
    table = tables.site_folder
    query = select(table).where(table.c.site_id == site)
    rows = db.execute(query.order_by(table.c.seen_at.desc(), table.c.machine))
    return [_folder(row) for row in rows]


def folder_of(db: Connection, site: str) -> str:
    """Return the folder to give to `-i` for a site: this machine's, else the one seen last; without an id its name."""
    known = folders(db, site)
    here = [one for one in known if one.machine == machine()]
    return next((one.folder for one in [*here, *known]), site)


def from_folders(db: Connection) -> list[tuple[str, str]]:
    """Return the sites that this machine acts as, each with its folder."""
    table = tables.site_folder
    rows = db.execute(select(table).where(table.c.machine == machine()).order_by(table.c.site_id))
    return [(row.site_id, row.folder) for row in rows]


def claim(db: Connection, site: str, folder: str, revision: str, now: datetime) -> SiteFolder:
    """Record that this machine acts as the site from a folder; return the one that holds, which may be another.

    Nobody else changes it until the transaction ends.
    """
    table = tables.site_folder
    at = database_time(db, now)
    values = {"site_id": site, "machine": machine(), "folder": folder, "revision": revision}
    made = insert(db, table).values(**values, seen_at=at)
    db.execute(made.on_conflict_do_nothing())
    mine = (table.c.site_id == site, table.c.machine == machine())
    return _folder(db.execute(select(table).where(*mine).with_for_update()).one())


def seen(db: Connection, site: str, folder: str, revision: str, now: datetime) -> None:
    """Record that this machine acts as the site from a folder now. revision: empty if it is not known."""
    table = tables.site_folder
    values = {"folder": folder, "revision": revision, "seen_at": database_time(db, now)}
    mine = (table.c.site_id == site, table.c.machine == machine())
    db.execute(update(table).where(*mine).values(values))


def machine() -> str:
    """Return what this machine is called here."""
    return name(socket.gethostname(), 255)


def _folder(row: Any) -> SiteFolder:
    return SiteFolder(row.machine, row.folder, row.revision, row.seen_at)
