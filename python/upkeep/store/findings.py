"""Findings: what is wrong with a subject over time. Opened by a fail, resolved by a pass; unknown moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from upkeep.check import CONNECTION
from upkeep.store import tables
from upkeep.store.statements import Values, batched
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


def move(db: Connection, run_id: int, site: str, rows: Sequence[Values]) -> None:
    """Move the findings by new results.

    rows: of the result table, each the newest of its subject, whose latest_result this transaction has just written:
    that row's lock makes two runs that see the same subject come here one after the other.
    """
    table = tables.finding
    by_key = {row["fingerprint"]: row for row in rows if row["status"] != Status.UNKNOWN.value}
    known: dict[str, Any] = {}
    for keys in batched(by_key):
        found = db.execute(select(table).where(table.c.fingerprint.in_(keys)))
        known |= {one.fingerprint: one for one in found}
    fails = Status.FAIL.value
    opened = [row for key, row in by_key.items() if key not in known and row["status"] == fails]
    moves = []
    for key, one in known.items():
        row = by_key[key]
        move = _still_there(one, row) if row["status"] == fails else _resolved(one, row)
        if move:
            moves.append(move)
    events = _open(db, site, opened)
    events += [_event(one["key"], kind, by_key[one["fingerprint"]]) for one, kind in moves if kind]
    if moves:
        changed: Values = {name: bindparam(name) for name in moves[0][0] if name != "key"}
        db.execute(
            update(table).where(table.c.id == bindparam("key")).values(changed),
            [values for values, _kind in moves],
        )
    if events:
        db.execute(insert(tables.finding_event), [one | {"run_id": run_id} for one in events])


def of_connections(db: Connection, site: str, hosts: Sequence[str]) -> list[Finding]:
    """Return what is open on the way to these hosts."""
    table = tables.finding
    found: list[Any] = []
    for some in batched(hosts):
        where = (table.c.site == site, table.c.status == OPEN, table.c.subject == CONNECTION)
        found += db.execute(select(table).where(*where, table.c.host.in_(some))).all()
    return [of_row(row) for row in found]


def open_ones(db: Connection, everything: bool = False) -> list[Finding]:
    """Return the open findings, or all of them, worst first, the oldest of a severity first."""
    table = tables.finding
    query = select(table).order_by(table.c.status, table.c.severity_rank, table.c.opened_at)
    if not everything:
        query = query.where(table.c.status == OPEN)
    return [of_row(row) for row in db.execute(query)]


def history(db: Connection, finding_id: int) -> list[tuple[datetime, str, str]]:
    """Return what happened to a finding: when, what, and the message then."""
    table = tables.finding_event
    rows = db.execute(select(table).where(table.c.finding_id == finding_id).order_by(table.c.id))
    return [(row.at, row.kind, row.message) for row in rows]


def _open(db: Connection, site: str, rows: Sequence[Values]) -> list[Values]:
    """Open a finding for each row; return what happened."""
    if not rows:
        return []
    table = tables.finding
    values = []
    for row in rows:
        at = row["observed_at"]
        same = {"site": site, "status": OPEN, "opening": 1, "count": 1}
        same |= {"opened_at": at, "last_seen_at": at}
        values.append({name: row[name] for name in (*SHOWN, "fingerprint")} | same)
    made = db.execute(insert(table).returning(table.c.id, table.c.fingerprint), values)
    ids = {one.fingerprint: one.id for one in made}
    return [_event(ids[row["fingerprint"]], "opened", row) for row in rows]


def _still_there(found: Any, row: Values) -> tuple[Values, str]:
    """Return what becomes of a finding that fails again, and what to call that if it is worth telling."""
    at = row["observed_at"]
    values = _as_it_is(found) | {name: row[name] for name in SHOWN}
    values |= {"status": OPEN, "last_seen_at": at, "count": found.count + 1}
    if found.status == RESOLVED:
        values |= {"opening": found.opening + 1, "opened_at": at, "resolved_at": None}
        return values, "reopened"
    return values, "severity" if found.severity != row["severity"] else ""


def _resolved(found: Any, row: Values) -> tuple[Values, str] | None:
    """Return what becomes of a finding that passes; None if it was resolved before."""
    if found.status == RESOLVED:
        return None
    at = row["observed_at"]
    return _as_it_is(found) | {
        "status": RESOLVED,
        "resolved_at": at,
        "last_seen_at": at,
    }, "resolved"


def _as_it_is(found: Any) -> Values:
    values = dict(found._mapping)
    return values | {"key": values.pop("id")}


def _event(finding_id: int, kind: str, row: Values) -> Values:
    """Return what happened to a finding, with the message of that time."""
    return {
        "finding_id": finding_id,
        "kind": kind,
        "at": row["observed_at"],
        "severity": row["severity"],
        "message": row["message"],
    }


def of_row(row: Any) -> Finding:
    """Return the finding of a row of the table."""
    values = dict(row._mapping)
    del values["severity_rank"]
    values["severity"] = Severity(values["severity"])
    return Finding(**values)
