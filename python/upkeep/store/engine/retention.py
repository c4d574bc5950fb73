"""Forget what the site's retention no longer asks for, a bit at a time.

What people signed and did no site decides: signatures, reviews, what they name, and acts must be kept for six years
(45 CFR 164.316(b)(2)(i)), and are never removed here; the database itself refuses it. Of what hosts said and of runs,
what a review shows is kept with it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select, update

from upkeep.store import Store, alerts, clocks, tables
from upkeep.store.engine.statements import batched, lock_evidence
from upkeep.store.findings import OPEN
from upkeep.store.runs import RUNNING

# Writers wait while one bit is removed: some 100,000 rows of a large site.
RUNS_AT_ONCE = 5
ROWS_AT_ONCE = 20_000
PAGES_AT_ONCE = 2_000
NEVER = 2**31 - 1


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
    restores: int = 0


@dataclass(frozen=True)
class _Old:
    """The last number of each table whose row is old, and the first run that is young.

    resolved_at, seen_at: before which times findings have ended, and results were seen last, that may go.
    """

    runs: int
    observed: int
    measures: int
    turns: int
    events: int
    occurrences: int
    restores: int
    young_run: int
    resolved_at: datetime
    seen_at: datetime
    alerts: alerts.Before


def prune(
    store: Store,
    policy: Policy,
    now: datetime,
    forget: Callable[[Sequence[int]], object] = lambda _runs: None,
) -> Pruned:
    """Remove what is older than the policy asks for; return how much that was.

    Days are counted back from the newest run, and never from later than now: a clock that is ahead makes nothing old.
    What is newest goes by number, not by time. In many short transactions, so that writers never wait for long. A
    run that has not ended stays. forget: is told the runs that have gone, for what is kept of them elsewhere.
    """
    with store.read() as db:
        newest = clocks.newest_at(db)
        if newest is None:
            return Pruned()
        old = _what_is_old(db, policy, min(now, newest))
    observations, evidence = _prune_observations(store, max(old.observed, old.runs))
    runs = _prune_runs(store, old.runs, forget)
    measure, latest = tables.measure, tables.latest_result
    measures = _delete(store, measure, measure.c.id, measure.c.id <= old.measures)
    unseen = (latest.c.observed_at < old.seen_at) & (latest.c.run_id < old.young_run)
    _delete(store, latest, latest.c.fingerprint, unseen)
    _forget_machines(store, policy)
    event, finding = tables.finding_event, tables.finding
    lately = exists().where(event.c.finding_id == finding.c.id, event.c.id > old.events)
    resolved = (finding.c.status != OPEN) & (finding.c.resolved_at < old.resolved_at) & ~lately
    findings = _delete(store, finding, finding.c.id, resolved)
    # Of what flaps, its beginning is kept; not each of its turns.
    _delete(store, event, event.c.id, (event.c.id <= old.turns) & (event.c.kind != "opened"))
    with store.begin() as db:
        alerts.prune(db, old.alerts)
    # Kept as long as runs are: what every two minutes brings is a quarter of a million a year.
    due, review = tables.occurrence, tables.review
    reviewed = exists().where(review.c.occurrence_id == due.c.id)
    ended = (due.c.id <= old.occurrences) & due.c.finished_at.is_not(None) & ~reviewed
    occurrences = _delete(store, due, due.c.id, ended)
    restore = tables.restore  # few, and a yearly review shows how they went
    restores = _delete(store, restore, restore.c.id, restore.c.id <= old.restores)
    if runs or observations or measures or occurrences:
        _give_back(store)
    return Pruned(runs, observations, evidence, measures, findings, occurrences, restores)


def _what_is_old(db: Connection, policy: Policy, now: datetime) -> _Old:
    """Return what the policy keeps no longer, counted back from now."""
    run, event, due = tables.run, tables.finding_event, tables.occurrence

    def last(at: ColumnElement[Any], days: int) -> int:
        return _bounds(db, at, now - timedelta(days=days), now)[0]

    old_run, young_run = _bounds(db, run.c.started_at, now - timedelta(days=policy.runs_days), now)
    resolved_at = now - timedelta(days=policy.findings_days)
    ended = (last(column, policy.findings_days) for column in alerts.PRUNED_BY)
    return _Old(
        runs=old_run,
        observed=last(run.c.started_at, policy.observations_days),
        measures=last(tables.measure.c.observed_at, policy.measures_days),
        turns=last(event.c.at, policy.runs_days),
        events=last(event.c.at, policy.findings_days),
        occurrences=last(due.c.finished_at, policy.runs_days),
        restores=last(tables.restore.c.seen_at, policy.findings_days),
        young_run=young_run,
        resolved_at=resolved_at,
        seen_at=now - timedelta(days=policy.runs_days),
        alerts=alerts.Before(resolved_at, *ended),
    )


def _bounds(db: Connection, at: Any, limit: datetime, now: datetime) -> tuple[int, int]:
    """Return the last number of a table whose row is old, and the first whose row is young; at: the column of its time.

    A row is old if its time is before the limit, or if one with a later number is; but none is that comes after a
    young one. What is ahead of now is neither, and goes with those around it.
    """
    number = at.table.c.id
    young = select(number).where(at >= limit, at <= now).order_by(number).limit(1)
    first = db.execute(young).scalar()
    query = select(number).where(at < limit).order_by(number.desc()).limit(1)
    if first is not None:
        query = query.where(number < first)
    last = db.execute(query).scalar()
    return int(last or 0), int(NEVER if first is None else first)


def _prune_observations(store: Store, last: int) -> tuple[int, int]:
    """Remove the observations of the runs up to a number; return how many, and how many pieces of evidence."""
    observations = evidence = 0
    run = tables.run
    while True:
        with store.begin() as db:
            some = _some_runs(db, run.c.observations_kept & (run.c.id <= last))
            gone = _forget_observations(db, some)
        observations, evidence = observations + gone[0], evidence + gone[1]
        if not some:
            return observations, evidence


def _prune_runs(store: Store, last: int, forget: Callable[[Sequence[int]], object]) -> int:
    """Remove the runs up to a number, but those that a review names, and tell which have gone; return how many."""
    reviewed = exists().where(tables.review.c.run_id == tables.run.c.id)
    count = 0
    while True:
        with store.begin() as db:
            some = _some_runs(db, (tables.run.c.id <= last) & ~reviewed)
            db.execute(delete(tables.run).where(tables.run.c.id.in_(some)))
        forget(some)
        count += len(some)
        if not some:
            return count


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
    signed = exists().where(tables.named_evidence.c.sha256 == proof.c.sha256)
    evidence = sum(
        db.execute(delete(proof).where(proof.c.sha256.in_(some), ~used, ~signed)).rowcount
        for some in batched(named)
    )
    db.execute(update(tables.run).where(tables.run.c.id.in_(runs)).values(observations_kept=False))
    return observations, evidence


def _forget_machines(store: Store, policy: Policy) -> None:
    """Forget the clocks of machines that are gone: a container has another name each time.

    When they were seen is by the clock of the database's server, so it is compared with what is newest by that clock.
    """
    machine = tables.machine_clock
    with store.begin() as db:
        newest = db.execute(select(func.max(machine.c.seen_at))).scalar()
        if newest is not None:
            gone = machine.c.seen_at < newest - timedelta(days=policy.runs_days)
            db.execute(delete(machine).where(gone))


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
