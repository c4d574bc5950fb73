"""What there is to count, for those who watch from outside; a few rows, however many results there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from upkeep.model.occurrence import DUE
from upkeep.model.verdicts import Severity, Status, Unknown
from upkeep.store import tables
from upkeep.store.findings import OPEN
from upkeep.store.outbox import SENDING, WAITING
from upkeep.store.runs import RUNNING

NOTHING = Unknown.NOTHING_TO_JUDGE.value
KINDS = (
    *((Status.FAIL.value, one.value) for one in Severity),
    (Status.PASS.value, ""),
    (Status.UNKNOWN.value, ""),
    (NOTHING, ""),
)


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

    Each site has all of them, so that who watches sees a 0 before the first and after the last. What had nothing to
    judge has a status of its own.
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
    by = (result.site, result.status, result.unknown, result.severity)
    counted = db.execute(select(*by, func.count()).group_by(*by))
    results: dict[tuple[str, str, str], int] = {}
    for site, status, why, severity, n in counted:
        key = (site, why if why == NOTHING else status, severity or "")
        results[key] = results.get(key, 0) + n
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
    ended = [LastRun(*row) for row in last]
    open_now = {(site, severity): n for site, severity, n in findings}
    sites = {key[0] for key in (*results, *open_now)} | {one.site for one in ended}
    running = db.execute(select(func.count()).where(run.status == RUNNING)).scalar()
    return Figures(
        results={(site, *kind): 0 for site in sites for kind in KINDS} | results,
        findings={(site, one.value): 0 for site in sites for one in Severity} | open_now,
        running=int(running or 0),
        last_runs=tuple(ended),
        oldest_unsent_at=_oldest_unsent(db),
        oldest_due_at=_oldest_due(db),
    )


def _oldest_unsent(db: Connection) -> datetime | None:
    """Return when the oldest message that is not sent should first have been sent, however often it is tried since."""
    outbox = tables.outbox.c
    found: datetime | None = db.execute(
        select(func.min(outbox.made_at)).where(outbox.state.in_((WAITING, SENDING)))
    ).scalar()
    return found


def _oldest_due(db: Connection) -> datetime | None:
    """Return when the oldest occurrence was due that nobody has claimed; None without any."""
    occurrence = tables.occurrence.c
    found: datetime | None = db.execute(
        select(func.min(occurrence.due_at)).where(occurrence.state == DUE)
    ).scalar()
    return found
