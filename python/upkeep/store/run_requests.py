"""Runs that somebody asked for on the page. Whoever holds the keys to the hosts takes each of them once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from upkeep.model.stored_text import name, shown, told
from upkeep.store import tables


@dataclass(frozen=True)
class RunRequest:
    """Somebody asks for a run.

    site: as runs have it. restart_of: the run that is to be done again. incident_id: of an act on hosts, its incident.
    run_id: what became of it; message: why nothing did.
    """

    id: int
    site: str
    procedure: str
    host_limit: str
    restart_of: int | None
    asked_by: str
    asked_at: datetime
    taken_at: datetime | None
    run_id: int | None
    message: str
    incident_id: int | None = None


def ask(
    db: Connection,
    site: str,
    procedure: str,
    by: str,
    at: datetime,
    *,
    limit: str = "",
    restart_of: int | None = None,
) -> int:
    """Record that somebody asks for a run; return the request's number."""
    asked = {"site": name(site), "procedure": procedure, "host_limit": shown(limit)}
    return _add(db, {**asked, "restart_of": restart_of, "asked_by": by, "asked_at": at})


def ask_act(
    db: Connection, site: str, procedure: str, by: str, at: datetime, *, hosts: str, incident: int
) -> int:
    """Record that somebody asks for an act on hosts of an incident; return the request's number."""
    asked = {"site": name(site), "procedure": procedure, "host_limit": shown(hosts)}
    return _add(db, {**asked, "incident_id": incident, "asked_by": by, "asked_at": at})


def _add(db: Connection, values: Mapping[str, Any]) -> int:
    table = tables.run_request
    made = insert(table).values({**values, "message": ""}).returning(table.c.id)
    return int(db.execute(made).scalar_one())


def get(db: Connection, request_id: int) -> RunRequest | None:
    """Return the request, or None."""
    table = tables.run_request
    row = db.execute(select(table).where(table.c.id == request_id)).first()
    return RunRequest(**row._mapping) if row else None


def waiting(db: Connection, site: str | None = None) -> list[RunRequest]:
    """Return what nobody has taken yet, oldest first; of one site, or of all."""
    table = tables.run_request
    query = select(table).where(table.c.taken_at.is_(None)).order_by(table.c.id).limit(100)
    if site is not None:
        query = query.where(table.c.site == name(site))
    return [RunRequest(**row._mapping) for row in db.execute(query)]


def take(db: Connection, request_id: int, at: datetime) -> bool:
    """Take the request; False if somebody else has."""
    table = tables.run_request
    where = (table.c.id == request_id, table.c.taken_at.is_(None))
    return db.execute(update(table).where(*where).values(taken_at=at)).rowcount == 1


def became(db: Connection, request_id: int, run_id: int | None, message: str = "") -> None:
    """Record which run it became, or why none."""
    table = tables.run_request
    values = {"run_id": run_id, "message": told(message, 1_000)}
    db.execute(update(table).where(table.c.id == request_id).values(values))
