"""What there is to count, for those who watch from outside; a few rows, however many results there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from upkeep.store import tables
from upkeep.store.findings import OPEN
from upkeep.store.runs import RUNNING


@dataclass(frozen=True)
class LastRun:
    """A procedure's newest run that has ended."""

    site: str
    procedure: str
    status: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class Figures:
    """results: by site, status and severity, empty if it has none. findings: open ones by site and severity.

    oldest_unsent_at, oldest_due_at: when the oldest message was due that is not sent, and the oldest occurrence that
    nobody has claimed; None without any.
    """

    results: Mapping[tuple[str, str, str], int]
    findings: Mapping[tuple[str, str], int]
    running: int
    last_runs: tuple[LastRun, ...]
    oldest_unsent_at: datetime | None = None
    oldest_due_at: datetime | None = None


def figures(db: Connection) -> Figures:
    """Return what there is now."""
    result, finding, run = tables.latest_result.c, tables.finding.c, tables.run.c
    results = db.execute(
        select(result.site, result.status, result.severity, func.count()).group_by(
            result.site, result.status, result.severity
        )
    )
    findings = db.execute(
        select(finding.site, finding.severity, func.count())
        .where(finding.status == OPEN)
        .group_by(finding.site, finding.severity)
    )
    newest = (
        select(func.max(run.id)).where(run.ended_at.is_not(None)).group_by(run.site, run.procedure)
    )
    last = db.execute(
        select(run.site, run.procedure, run.status, run.started_at, run.ended_at)
        .where(run.id.in_(newest))
        .order_by(run.site, run.procedure)
    )
    running = db.execute(select(func.count()).where(run.status == RUNNING)).scalar()
    return Figures(
        results={(site, status, severity or ""): n for site, status, severity, n in results},
        findings={(site, severity): n for site, severity, n in findings},
        running=int(running or 0),
        last_runs=tuple(LastRun(*row) for row in last),
        oldest_unsent_at=_oldest_due(db, "outbox", ("waiting", "sending")),
        oldest_due_at=_oldest_due(db, "occurrence", ("due",)),
    )


def _oldest_due(db: Connection, name: str, states: tuple[str, ...]) -> datetime | None:
    """Return the earliest due time of the rows in these states; None without any, or without such a table."""
    table = tables.metadata.tables.get(name)
    if table is None or "state" not in table.c or "due_at" not in table.c:
        return None
    found: datetime | None = db.execute(
        select(func.min(table.c.due_at)).where(table.c.state.in_(states))
    ).scalar()
    return found
