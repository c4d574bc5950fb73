"""Waivers: asked for, approved, revoked; never deleted. What they cover is moved in findings.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from upkeep.model.stored_text import name, written
from upkeep.model.verdicts import Severity
from upkeep.rules.waivers import MOST_REASON, Waiver, WaiverScope
from upkeep.rules.width import Watched
from upkeep.store import tables
from upkeep.store.engine.statements import batched

SEEN_BEFORE = timedelta(days=1)
"""A host's clock, or an answer that is judged again, may put an observation that long before its run."""
USED_EACH = timedelta(hours=1)
"""That a waiver is used is written down so often; each answer of a host would be too much."""


def request(
    db: Connection,
    site: str,
    scope: WaiverScope,
    reason: str,
    ends_at: datetime,
    *,
    by: str,
    now: datetime,
) -> int:
    """Record that somebody asks for a waiver; return its number."""
    values = {
        "site": name(site),
        "check_id": scope.check_id,
        "host_pattern": scope.host_pattern,
        "subject_glob": scope.subject_glob,
        "severity": scope.severity.value,
        "reason": written(reason, MOST_REASON),
        "requested_by": by,
        "requested_at": now,
        "ends_at": ends_at,
        "approved_by": "",
        "revoked_by": "",
        "revoked_why": "",
    }
    made = db.execute(insert(tables.waiver).values(values).returning(tables.waiver.c.id))
    return int(made.scalar_one())


def approve(db: Connection, waiver_id: int, by: str, now: datetime) -> bool:
    """Record that somebody approves it; False if it was approved or revoked meanwhile."""
    table = tables.waiver
    where = (
        table.c.id == waiver_id,
        table.c.approved_at.is_(None),
        table.c.revoked_at.is_(None),
    )
    values = {"approved_by": by, "approved_at": now}
    return db.execute(update(table).where(*where).values(values)).rowcount == 1


def revoke(db: Connection, waiver_id: int, by: str, why: str, now: datetime) -> bool:
    """Record that it does not hold any more; False if it was revoked meanwhile."""
    table = tables.waiver
    where = (table.c.id == waiver_id, table.c.revoked_at.is_(None))
    values = {"revoked_by": by, "revoked_at": now, "revoked_why": written(why, MOST_REASON)}
    return db.execute(update(table).where(*where).values(values)).rowcount == 1


def get(db: Connection, site: str, waiver_id: int, *, lock: bool = False) -> Waiver | None:
    """Return the waiver of the site, or None; lock: nobody else moves it until the transaction ends."""
    table = tables.waiver
    query = select(table).where(table.c.id == waiver_id, table.c.site == name(site))
    row = db.execute(query.with_for_update() if lock else query).first()
    return _of_row(row) if row else None


def of_site(db: Connection, site: str, now: datetime, *, everything: bool = False) -> list[Waiver]:
    """Return the waivers that hold or wait for approval, those that end first first; or all, the newest first."""
    table = tables.waiver
    query = select(table).where(table.c.site == name(site))
    if everything:
        query = query.order_by(table.c.id.desc())
    else:
        query = query.where(table.c.ends_at > now, table.c.revoked_at.is_(None))
        query = query.order_by(table.c.ends_at, table.c.id)
    return [_of_row(row) for row in db.execute(query)]


def approved(
    db: Connection, site: str, since: datetime, checks: Iterable[str] | None = None
) -> list[Waiver]:
    """Return what was approved and held at some time since then. checks: only those of these checks."""
    table = tables.waiver
    query = select(table).where(
        table.c.site == name(site),
        table.c.approved_at.is_not(None),
        table.c.ends_at > since,
        or_(table.c.revoked_at.is_(None), table.c.revoked_at > since),
    )
    if checks is not None:
        query = query.where(table.c.check_id.in_(sorted(checks)))
    return [_of_row(row) for row in db.execute(query.order_by(table.c.id))]


def of_run(db: Connection, run_id: int) -> list[Waiver]:
    """Return what may have covered what a run found."""
    run = tables.run
    row = db.execute(select(run.c.site, run.c.started_at).where(run.c.id == run_id)).first()
    return approved(db, row.site, row.started_at - SEEN_BEFORE) if row else []


def watched(db: Connection, site: str, check: str) -> list[Watched]:
    """Return what is known now of what a check watches."""
    table = tables.latest_result
    where = (table.c.site == name(site), table.c.check_id == check)
    query = select(table.c.check_id, table.c.host, table.c.subject).where(*where)
    return [Watched(row.check_id, row.host, row.subject) for row in db.execute(query)]


def in_force(db: Connection, site: str, at: datetime) -> list[Waiver]:
    """Return the waivers that are approved, not revoked, and end later than that time."""
    table = tables.waiver
    query = select(table).where(
        table.c.site == name(site),
        table.c.ends_at > at,
        table.c.approved_at.is_not(None),
        table.c.revoked_at.is_(None),
    )
    return [_of_row(row) for row in db.execute(query.order_by(table.c.id))]


def by_number(db: Connection, numbers: Iterable[int]) -> dict[int, Waiver]:
    """Return waivers by their number."""
    table = tables.waiver
    found: dict[int, Waiver] = {}
    for some in batched(sorted(set(numbers))):
        rows = db.execute(select(table).where(table.c.id.in_(some)))
        found |= {row.id: _of_row(row) for row in rows}
    return found


def used(db: Connection, numbers: Iterable[int], at: datetime) -> None:
    """Record that waivers have covered something."""
    table = tables.waiver
    long_ago = or_(table.c.used_at.is_(None), table.c.used_at < at - USED_EACH)
    for some in batched(sorted(set(numbers))):
        db.execute(update(table).where(table.c.id.in_(some), long_ago).values(used_at=at))


def _of_row(row: Row[Any]) -> Waiver:
    values = dict(row._mapping)
    parts = {key: values.pop(key) for key in ("check_id", "host_pattern", "subject_glob")}
    scope = WaiverScope(**parts, severity=Severity(values.pop("severity")))
    return Waiver(scope=scope, **values)
