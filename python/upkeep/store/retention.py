"""Forget what the site's retention no longer asks for, a bit at a time.

What people signed and did is no site's choice: signatures, reviews, what they name, and acts must be kept for six years
(45 CFR 164.316(b)(2)(i)), and are never removed here; the database itself refuses it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, select, update

from upkeep.store import Store, alerts, tables
from upkeep.store.findings import OPEN
from upkeep.store.runs import RUNNING
from upkeep.store.statements import batched, lock_evidence

# Writers wait while one bit is removed: some 100,000 rows of a large site.
RUNS_AT_ONCE = 5
ROWS_AT_ONCE = 20_000
PAGES_AT_ONCE = 2_000


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
    occurrences: int = 0


def prune(
    store: Store,
    policy: Policy,
    now: datetime,
    forget: Callable[[Sequence[int]], object] = lambda _runs: None,
) -> Pruned:
    """Remove what is older than the policy asks for; return how much that was.

    In many short transactions, so that writers never wait for long. A run that has not ended stays.
    forget: is told the runs that have gone, for what is kept of them elsewhere.
    """
    runs = observations = evidence = 0
    run = tables.run
    old_run = run.c.started_at < now - timedelta(days=policy.runs_days)
    old_observations = run.c.started_at < now - timedelta(days=policy.observations_days)
    while True:
        with store.begin() as db:
            some = _some_runs(db, run.c.observations_kept & (old_observations | old_run))
            gone = _forget_observations(db, some)
        observations, evidence = observations + gone[0], evidence + gone[1]
        if not some:
            break
    while True:
        with store.begin() as db:
            some = _some_runs(db, old_run)
            db.execute(delete(run).where(run.c.id.in_(some)))
        forget(some)
        runs += len(some)
        if not some:
            break
    measure, finding, latest = tables.measure, tables.finding, tables.latest_result
    old = measure.c.observed_at < now - timedelta(days=policy.measures_days)
    measures = _delete(store, measure, measure.c.id, old)
    _delete(
        store,
        latest,
        latest.c.fingerprint,
        latest.c.observed_at < now - timedelta(days=policy.runs_days),
    )
    limit = now - timedelta(days=policy.findings_days)
    resolved = (finding.c.status != OPEN) & (finding.c.resolved_at < limit)
    findings = _delete(store, finding, finding.c.id, resolved)
    # Of what flaps, its beginning is kept; not each of its turns.
    turn = tables.finding_event
    old_turn = (turn.c.at < now - timedelta(days=policy.runs_days)) & (turn.c.kind != "opened")
    _delete(store, turn, turn.c.id, old_turn)
    with store.begin() as db:
        alerts.prune(db, limit)
    # Kept as long as runs are: what every two minutes brings is a quarter of a million a year.
    due, review = tables.occurrence, tables.review
    reviewed = exists().where(review.c.occurrence_id == due.c.id)
    ended = (due.c.finished_at < now - timedelta(days=policy.runs_days)) & ~reviewed
    occurrences = _delete(store, due, due.c.id, ended)
    if runs or observations or measures or occurrences:
        _give_back(store)
    return Pruned(runs, observations, evidence, measures, findings, occurrences)


def _some_runs(db: Connection, where: ColumnElement[bool]) -> list[int]:
    """Return the numbers of the oldest few."""
    table = tables.run
    ended = table.c.status != RUNNING
    query = select(table.c.id).where(ended, where).order_by(table.c.id).limit(RUNS_AT_ONCE)
    return list(db.execute(query).scalars())


def _forget_observations(db: Connection, runs: Sequence[int]) -> tuple[int, int]:
    """Remove the runs' observations, and the evidence that no other names; return how many of each."""
    if not runs:
        return 0, 0
    lock_evidence(db, shared=False)
    table, proof, report = tables.observation, tables.evidence, tables.report
    reports = select(report.c.id).where(report.c.run_id.in_(runs))
    where = table.c.report_id.in_(reports)
    named = set(db.execute(select(table.c.evidence_sha256).where(where).distinct()).scalars())
    observations = db.execute(delete(table).where(where)).rowcount
    used = exists().where(table.c.evidence_sha256 == proof.c.sha256)
    evidence = sum(
        db.execute(delete(proof).where(proof.c.sha256.in_(some), ~used)).rowcount
        for some in batched(named)
    )
    db.execute(update(tables.run).where(tables.run.c.id.in_(runs)).values(observations_kept=False))
    return observations, evidence


def _delete(
    store: Store, table: Table, key: ColumnElement[object], where: ColumnElement[bool]
) -> int:
    """Delete the rows, a bit at a time; return how many there were."""
    count = 0
    while True:
        with store.begin() as db:
            some = select(key).where(where).limit(ROWS_AT_ONCE)
            gone = db.execute(delete(table).where(key.in_(some))).rowcount
        count += gone
        if gone < ROWS_AT_ONCE:
            return count


def _give_back(store: Store) -> None:
    """Shrink a SQLite file by the pages that hold nothing, a bit at a time; PostgreSQL has its autovacuum."""
    if store.engine.dialect.name != "sqlite":
        return
    with store.read() as db:
        free = int(db.exec_driver_sql("PRAGMA freelist_count").scalar_one())
    # Only a script is run to its end by the driver. What cannot be given back now can be the next time.
    with (
        contextlib.closing(store.engine.raw_connection()) as pooled,
        contextlib.suppress(sqlite3.Error),
    ):
        for _ in range(0, free, PAGES_AT_ONCE):
            script = f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})"
            pooled.driver_connection.executescript(script)  # type: ignore[union-attr]
