"""What hosts gave: observations, evidence, results, measures; written once, however often it is handed in."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.observed import Due, Observed, Outcome, Request, Seen
from upkeep.store import findings, tables
from upkeep.store.texts import fingerprint, shown
from upkeep.verdicts import Measure, Result, Severity, Status

Values = dict[str, Any]


def add_host(db: Connection, run_id: int, observed: Observed) -> bool:
    """Write down what a host gave in a run; False if this very answer is already there.

    A host may answer more than once in a run: of one subject, the verdict of its latest answer stands. Findings and
    latest results move with it, unless they know a newer observation.
    """
    site = db.execute(select(tables.run.c.site).where(tables.run.c.id == run_id)).scalar_one()
    report_id = _add_report(db, run_id, observed)
    if report_id is None:
        return False
    _add_run_host(db, run_id, observed)
    _add_observations(db, report_id, observed.seen)
    rows = _result_rows(run_id, report_id, 0, site, observed)
    _upsert(db, tables.result, rows, ["run_id", "judgement", "fingerprint"])
    _insert_new(db, tables.measure, list(_measure_rows(run_id, rows)))
    latest = [_latest_row(site, row) for row in rows]
    _upsert(db, tables.latest_result, latest, ["fingerprint"], newest="observed_at")
    findings.move(db, run_id, site, rows)
    return True


def add_judgement(db: Connection, run_id: int, observed: Observed) -> int:
    """Keep the verdicts of observations that were judged again, beside the first; return the judgement's number.

    Findings and latest results stay: they follow what is seen, not what is thought of it later. The next run moves
    them.
    """
    table = tables.result
    site = db.execute(select(tables.run.c.site).where(tables.run.c.id == run_id)).scalar_one()
    report_id = db.execute(
        select(tables.report.c.id).where(
            tables.report.c.run_id == run_id,
            tables.report.c.host == shown(observed.host, 255),
            tables.report.c.observed_at == observed.observed_at,
        )
    ).scalar_one()
    newest = db.execute(
        select(func.max(table.c.judgement)).where(table.c.report_id == report_id)
    ).scalar()
    number = int(newest or 0) + 1
    rows = _result_rows(run_id, report_id, number, site, observed)
    _upsert(db, table, rows, ["run_id", "judgement", "fingerprint"])
    return number


def observed_in(db: Connection, run_id: int) -> Iterator[Observed]:
    """Yield what each host gave in a run, with its evidence and its first verdicts, one answer after the other."""
    report, host = tables.report, tables.run_host
    rows = db.execute(
        select(report, host.c.outcome, host.c.message, host.c.seconds, host.c.python)
        .join(host, and_(host.c.run_id == report.c.run_id, host.c.host == report.c.host))
        .where(report.c.run_id == run_id)
        .order_by(report.c.host, report.c.observed_at)
    ).all()
    for row in rows:
        yield Observed(
            host=row.host,
            outcome=Outcome(row.outcome),
            observed_at=row.observed_at,
            message=row.message,
            seconds=row.seconds,
            python=row.python,
            requests=tuple(Request(**one) for one in json.loads(row.requests)),
            due=tuple(Due(**one) for one in json.loads(row.due)),
            seen=tuple(_seen(db, row.id)),
            results=tuple(_results(db, tables.result.c.report_id == row.id)),
        )


def results_of(db: Connection, run_id: int, host: str = "") -> Iterator[Result]:
    """Yield a run's results, worst first: what failed by severity, then unknown, then what passed."""
    table = tables.result
    where = table.c.run_id == run_id
    return _results(db, and_(where, table.c.host == host) if host else where)


def evidence_of(db: Connection, sha256: str) -> bytes | None:
    """Return the raw bytes behind an observation, or None if they are not kept any more."""
    table = tables.evidence
    packed = db.execute(select(table.c.content).where(table.c.sha256 == sha256)).scalar()
    return zlib.decompress(packed) if packed is not None else None


def series(
    db: Connection, site: str, check: str, host: str, subject: str, name: str, since: datetime
) -> list[tuple[datetime, float]]:
    """Return a measure's values, oldest first."""
    table = tables.measure
    rows = db.execute(
        select(table.c.observed_at, table.c.value)
        .where(
            table.c.fingerprint == fingerprint(site, check, host, subject),
            table.c.name == name,
            table.c.observed_at >= since,
        )
        .order_by(table.c.observed_at)
    )
    return [(row.observed_at, row.value) for row in rows]


def _add_report(db: Connection, run_id: int, observed: Observed) -> int | None:
    """Return the new answer's row, or None if it is there already: whoever gets the row goes on."""
    values = {
        "run_id": run_id,
        "host": shown(observed.host, 255),
        "observed_at": observed.observed_at,
        "requests": json.dumps([asdict(request) for request in observed.requests]),
        "due": json.dumps([asdict(due) for due in observed.due]),
    }
    made = db.execute(
        _insert(db, tables.report)
        .values(values)
        .on_conflict_do_nothing()
        .returning(tables.report.c.id)
    ).first()
    return int(made.id) if made else None


def _add_run_host(db: Connection, run_id: int, observed: Observed) -> None:
    """Keep how it went with the host; a later answer's outcome stands."""
    values = {
        "run_id": run_id,
        "host": shown(observed.host, 255),
        "outcome": observed.outcome.value,
        "message": shown(observed.message),
        "observed_at": observed.observed_at,
        "seconds": observed.seconds,
        "python": shown(observed.python, 40),
        "clock_offset_seconds": observed.clock_offset_seconds,
    }
    _upsert(db, tables.run_host, [values], ["run_id", "host"], newest="observed_at")


def _add_observations(db: Connection, report_id: int, seen: Sequence[Seen]) -> None:
    """Keep observations, and the evidence behind them once by its hash."""
    proofs = {
        one.sha256: one.observation.raw.encode("utf-8", "surrogateescape")
        for one in seen
        if one.sha256
    }
    known = set(
        db.execute(
            select(tables.evidence.c.sha256).where(tables.evidence.c.sha256.in_(list(proofs)))
        ).scalars()
    )
    new = [
        {"sha256": sha256, "size_bytes": len(raw), "content": zlib.compress(raw, 6)}
        for sha256, raw in proofs.items()
        if sha256 not in known
    ]
    _insert_new(db, tables.evidence, new)
    rows = [
        {
            "report_id": report_id,
            "number": number,
            "request": one.request,
            "subject": shown(one.observation.subject),
            # ASCII JSON: what a host says stands here to the letter, whatever the database takes.
            "data": json.dumps(one.observation.data),
            "error": shown(one.observation.error),
            "evidence_sha256": one.sha256,
        }
        for number, one in enumerate(seen)
    ]
    _insert_new(db, tables.observation, rows)


def _result_rows(
    run_id: int, report_id: int, judgement: int, site: str, observed: Observed
) -> list[Values]:
    rows = {}
    for result in observed.results:
        key = fingerprint(site, result.check, result.host, result.subject)
        rows[key] = {
            "run_id": run_id,
            "report_id": report_id,
            "judgement": judgement,
            "fingerprint": key,
            "host": shown(result.host, 255),
            "check_id": shown(result.check, 200),
            "subject": shown(result.subject),
            "status": result.status.value,
            "severity": result.severity.value if result.severity else None,
            "severity_rank": result.severity.rank if result.severity else None,
            "message": shown(result.message),
            "remedy": shown(result.remedy),
            "measures": json.dumps([asdict(measure) for measure in result.measures]),
            "controls": json.dumps(list(result.controls)),
            "observed_at": result.observed_at or observed.observed_at,
            "evidence_sha256": result.evidence_sha256,
            "observation": result.observation,
        }
    return list(rows.values())


def _measure_rows(run_id: int, rows: Sequence[Values]) -> Iterator[Values]:
    for row in rows:
        for measure in json.loads(row["measures"]):
            yield {
                "run_id": run_id,
                "fingerprint": row["fingerprint"],
                "name": shown(measure["name"], 100),
                "unit": shown(measure["unit"], 40),
                "value": measure["value"],
                "observed_at": row["observed_at"],
            }


def _latest_row(site: str, row: Values) -> Values:
    names = ("fingerprint", "host", "check_id", "subject", "status", "severity", "message")
    return {"site": site} | {name: row[name] for name in (*names, "observed_at", "run_id")}


def _insert(db: Connection, table: Table) -> Any:
    """Return an insert that knows conflicts, in the database's own dialect."""
    return (postgresql if db.dialect.name == "postgresql" else sqlite).insert(table)


def _insert_new(db: Connection, table: Table, rows: list[Values]) -> None:
    """Insert the rows that are not there yet."""
    if rows:
        db.execute(_insert(db, table).on_conflict_do_nothing(), rows)


def _upsert(
    db: Connection, table: Table, rows: list[Values], keys: list[str], newest: str = ""
) -> None:
    """Insert rows or replace those with the same keys; with `newest`, only by one that is not older."""
    if not rows:
        return
    statement = _insert(db, table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    where = statement.excluded[newest] >= table.c[newest] if newest else None
    db.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=where), rows)


def _seen(db: Connection, report_id: int) -> Iterator[Seen]:
    table, proof = tables.observation, tables.evidence
    rows = db.execute(
        select(table, proof.c.content)
        .outerjoin(proof, proof.c.sha256 == table.c.evidence_sha256)
        .where(table.c.report_id == report_id)
        .order_by(table.c.number)
    )
    for row in rows:
        raw = zlib.decompress(row.content).decode("utf-8", "surrogateescape") if row.content else ""
        observation = Observation(row.subject, json.loads(row.data), raw, row.error)
        yield Seen(row.request, observation, row.evidence_sha256)


def _results(db: Connection, where: Any) -> Iterator[Result]:
    table = tables.result
    order = case((table.c.status == "fail", 0), (table.c.status == "unknown", 1), else_=2)
    rows = db.execution_options(yield_per=1000).execute(
        select(table)
        .where(where, table.c.judgement == 0)
        .order_by(order, table.c.severity_rank, table.c.check_id, table.c.host, table.c.subject)
    )
    for row in rows:
        yield _result(row)


def _result(row: Row[Any]) -> Result:
    return Result(
        host=row.host,
        check=row.check_id,
        subject=row.subject,
        status=Status(row.status),
        severity=Severity(row.severity) if row.severity else None,
        message=row.message,
        remedy=row.remedy,
        measures=tuple(Measure(**one) for one in json.loads(row.measures)),
        controls=tuple(json.loads(row.controls)),
        observed_at=row.observed_at,
        evidence_sha256=row.evidence_sha256,
        observation=row.observation,
    )
