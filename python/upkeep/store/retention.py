"""Forget what the site's retention no longer asks for, a bit at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, not_, select

from upkeep.store import Store, tables
from upkeep.store.findings import RESOLVED
from upkeep.store.runs import RUNNING

RUNS_AT_ONCE = 50


@dataclass(frozen=True)
class Policy:
    """How many days each is kept. An open finding is kept as long as it is open."""

    runs_days: int = 400
    observations_days: int = 90
    measures_days: int = 800
    findings_days: int = 2200


@dataclass(frozen=True)
class Pruned:
    """How many rows went."""

    runs: int = 0
    observations: int = 0
    evidence: int = 0
    measures: int = 0
    findings: int = 0


def prune(store: Store, policy: Policy, now: datetime) -> Pruned:
    """Remove what is older than the policy asks for; return how much that was.

    In transactions of a few runs each, so that writers never wait for long. A run that has not ended stays.
    """
    runs = observations = 0
    while taken := _some_runs(store, now - timedelta(days=policy.runs_days)):
        runs += taken
    with store.begin() as db:
        old = select(tables.report.c.id).where(
            tables.report.c.observed_at < now - timedelta(days=policy.observations_days)
        )
        table = tables.observation
        observations = db.execute(delete(table).where(table.c.report_id.in_(old))).rowcount
    with store.begin() as db:
        evidence = _unused_evidence(db)
        limit = now - timedelta(days=policy.measures_days)
        measures = db.execute(
            delete(tables.measure).where(tables.measure.c.observed_at < limit)
        ).rowcount
        table = tables.finding
        resolved = delete(table).where(
            table.c.status == RESOLVED,
            table.c.resolved_at < now - timedelta(days=policy.findings_days),
        )
        findings = db.execute(resolved).rowcount
    return Pruned(runs, observations, evidence, measures, findings)


def _some_runs(store: Store, limit: datetime) -> int:
    """Remove the oldest runs before the limit, with all that hangs on them but their measures."""
    table = tables.run
    with store.begin() as db:
        old = db.execute(
            select(table.c.id)
            .where(table.c.started_at < limit, table.c.status != RUNNING)
            .order_by(table.c.id)
            .limit(RUNS_AT_ONCE)
        ).scalars()
        return db.execute(delete(table).where(table.c.id.in_(list(old)))).rowcount


def _unused_evidence(db: Connection) -> int:
    """Remove the evidence that no observation names any more."""
    used = select(tables.observation.c.evidence_sha256)
    return db.execute(
        delete(tables.evidence).where(not_(tables.evidence.c.sha256.in_(used)))
    ).rowcount
