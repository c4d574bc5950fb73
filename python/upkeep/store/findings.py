"""Findings: what is wrong with a subject over time. Opened by a fail, resolved by a pass; unknown moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from upkeep.store import tables
from upkeep.store.statements import batched
from upkeep.verdicts import Severity, Status

OPEN, RESOLVED = "open", "resolved"
SHOWN = ("host", "check_id", "subject", "severity", "severity_rank", "message", "remedy")


@dataclass(frozen=True)
class Finding:
    """A finding as it is now. opening: how often it was opened; count: in how many answers it failed."""

    id: int
    fingerprint: str
    site: str
    host: str
    check_id: str
    subject: str
    status: str
    severity: Severity
    message: str
    remedy: str
    opening: int
    count: int
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None


def move(db: Connection, run_id: int, site: str, rows: Sequence[dict[str, Any]]) -> None:
    """Move the findings by new results.

    rows: of the result table, each the newest of its subject, whose latest_result this transaction has just written:
    that row's lock makes two runs that see the same subject come here one after the other.
    """
    table = tables.finding
    by_key = {row["fingerprint"]: row for row in rows if row["status"] != Status.UNKNOWN.value}
    known: dict[str, Any] = {}
    for keys in batched(by_key):
        found_ones = db.execute(select(table).where(table.c.fingerprint.in_(keys)))
        known |= {found.fingerprint: found for found in found_ones}
    for key, row in by_key.items():
        found = known.get(key)
        at, fails = row["observed_at"], row["status"] == Status.FAIL.value
        if found is None:
            if fails:
                _open(db, run_id, site, row)
        elif fails:
            _still_there(db, run_id, found, row)
        elif found.status == OPEN:
            _set(db, found.id, status=RESOLVED, resolved_at=at, last_seen_at=at)
            _note(db, found.id, run_id, "resolved", at, None, row["message"])


def open_ones(db: Connection, everything: bool = False) -> list[Finding]:
    """Return the open findings, or all of them, worst first, the oldest of a severity first."""
    table = tables.finding
    query = select(table).order_by(table.c.status, table.c.severity_rank, table.c.opened_at)
    if not everything:
        query = query.where(table.c.status == OPEN)
    return [_finding(row) for row in db.execute(query)]


def history(db: Connection, finding_id: int) -> list[tuple[datetime, str, str]]:
    """Return what happened to a finding: when, what, and the message then."""
    table = tables.finding_event
    rows = db.execute(select(table).where(table.c.finding_id == finding_id).order_by(table.c.id))
    return [(row.at, row.kind, row.message) for row in rows]


def _open(db: Connection, run_id: int, site: str, row: dict[str, Any]) -> None:
    at = row["observed_at"]
    values = {name: row[name] for name in (*SHOWN, "fingerprint")}
    values |= {"site": site, "status": OPEN, "opening": 1, "count": 1}
    values |= {"opened_at": at, "last_seen_at": at}
    made = db.execute(insert(tables.finding).values(values).returning(tables.finding.c.id))
    _note(db, made.scalar_one(), run_id, "opened", at, row["severity"], row["message"])


def _still_there(db: Connection, run_id: int, found: Any, row: dict[str, Any]) -> None:
    """Note that it fails again: reopened, with another severity, or as before."""
    at = row["observed_at"]
    values = {name: row[name] for name in SHOWN}
    values |= {"status": OPEN, "last_seen_at": at, "count": found.count + 1}
    if found.status == RESOLVED:
        values |= {"opening": found.opening + 1, "opened_at": at, "resolved_at": None}
        _note(db, found.id, run_id, "reopened", at, row["severity"], row["message"])
    elif found.severity != row["severity"]:
        _note(db, found.id, run_id, "severity", at, row["severity"], row["message"])
    _set(db, found.id, **values)


def _set(db: Connection, finding_id: int, **values: Any) -> None:
    db.execute(update(tables.finding).where(tables.finding.c.id == finding_id).values(**values))


def _note(
    db: Connection,
    finding_id: int,
    run_id: int,
    kind: str,
    at: datetime,
    severity: str | None,
    message: str,
) -> None:
    values = {"finding_id": finding_id, "run_id": run_id, "kind": kind}
    values |= {"at": at, "severity": severity, "message": message}
    db.execute(insert(tables.finding_event).values(values))


def _finding(row: Any) -> Finding:
    values = dict(row._mapping)
    del values["severity_rank"]
    values["severity"] = Severity(values["severity"])
    return Finding(**values)
