"""What machines have collected for one review, as plain JSON types: the reviewer sees it, the signature names its hash.

Everything is bounded; what is left out is counted. Host text is as the store keeps it: who shows it makes it harmless.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity
from upkeep.rules import lacking
from upkeep.rules.incident_evidence import summary, until_then
from upkeep.rules.lacking import Lacking
from upkeep.rules.review_failures import failures
from upkeep.rules.reviews import ReviewStanding, Signature, standing
from upkeep.rules.signatures import canonical
from upkeep.site.schedule_file import Schedule
from upkeep.store import files, findings, incidents, records, review_measures, tables, waivers
from upkeep.store import reviews as stored
from upkeep.store.engine.statements import insert_new, lock_evidence
from upkeep.store.reviews import KeptReview, NewReview

ROWS = 100
RAW_AT_ONCE = 20
"""What hosts said may be large: at most this many bytes of it are in memory."""
FIRST_PERIOD = timedelta(days=31)
"""So far back is looked where nothing says when it was reviewed last."""


@dataclass(frozen=True)
class Shown:
    """A review with its signatures, what was collected, the reviews that follow from it, and what opened since.

    hashes: of the signatures' records, by their number.
    """

    review: KeptReview
    standing: ReviewStanding
    signatures: tuple[Signature, ...]
    evidence: Mapping[str, Any]
    follow_ups: tuple[KeptReview, ...]
    opened_since: Mapping[str, Any]
    hashes: Mapping[int, str]

    @property
    def lacking(self) -> Lacking:
        """What is lacking in what was collected."""
        return lacking.of(self.evidence, has_run=self.review.parent is None)

    @property
    def failing(self) -> tuple[str, ...]:
        """What fails in what was collected."""
        return failures(self.evidence)

    @property
    def collected_at(self) -> datetime | None:
        """When that was; None if nothing was."""
        return lacking.collected_at(self.evidence)


def look(db: Connection, review: KeptReview, now: datetime) -> Shown:
    """Return all that is shown of a review."""
    signed = stored.signatures_of(db, review.id)
    stands, evidence = standing(review.asked, signed, now), shown(db, review)
    return Shown(
        review,
        stands,
        tuple(signed),
        evidence,
        tuple(stored.follow_ups_of(db, [one.number for one in signed])),
        opened_since(db, review, evidence),
        records.hashes(db, stored.KIND, str(review.id)),
    )


def collect(
    db: Connection, review: NewReview, schedule: Schedule, until: datetime
) -> dict[str, Any]:
    """Return what there is for a review at a time. schedule: says how often its measures are due to be seen."""
    wants = review.definition
    since = review.since or until - FIRST_PERIOD
    checks = sorted({*wants.get("shows", ()), *(one["check"] for one in wants.get("measures", ()))})
    shows = wants.get("incidents")
    shown = {"incidents": _incidents(db, review.site, shows, since, until)} if shows else {}
    return {
        "version": 1,
        "review": {
            "site": review.site,
            "procedure": review.procedure,
            "item": review.item,
            "title": review.title,
            "asks": wants.get("asks", ""),
            "due_of": _time(review.due_of),
        },
        "since": _time(since),
        "until": _time(until),
        "gap": review.gap,
        "lacks": list(wants.get("lacks", ())),
        "run": _run(db, review.run_id),
        "occurrences": _occurrences(db, review, since, until),
        "checks": _counted(db, review, checks, since, until),
        "not_passing": _not_passing(db, review.site, checks),
        "changed": _changed(db, review.site, checks, since, until),
        "findings": _open_findings(db, review.site, checks),
        "waivers": _waivers(db, review.site, checks, until),
        "measures": review_measures.collect(
            db, review.site, wants.get("measures", ()), schedule, (since, until)
        ),
        "links": [dict(one) for one in wants.get("links", ())],
        **shown,
    }


def shown(db: Connection, review: NewReview) -> dict[str, Any]:
    """Return what a review shows, as it was kept; empty if that is nothing."""
    content = files.content_of(db, review.evidence_sha256)
    document: dict[str, Any] = json.loads(content) if content else {}
    return document


def raw_evidence_in(document: Mapping[str, Any]) -> set[str]:
    """Return the hashes of what hosts said that a review's evidence names."""
    rows = document["not_passing"]["rows"] if document.get("not_passing") else ()
    return {one["evidence_sha256"] for one in rows if one["evidence_sha256"]}


def keep(db: Connection, document: Mapping[str, Any]) -> str:
    """Keep what was collected, as it is shown, and what hosts said of it; return the hash that a signature names."""
    raw = sorted(raw_evidence_in(document))
    if raw:
        lock_evidence(db, shared=True)
        insert_new(db, tables.named_evidence, [{"sha256": one} for one in raw])
    return files.keep(db, canonical(document).encode("ascii"))


def _waivers(
    db: Connection, site: str, checks: Sequence[str], at: datetime
) -> list[dict[str, Any]]:
    """Return the waivers that hold for these checks."""
    return [
        {
            "id": one.id,
            "check": one.scope.check_id,
            "host": one.scope.host_pattern,
            "subject": one.scope.subject_glob,
            "severity": one.scope.severity.value,
            "reason": one.reason,
            "requested_by": one.requested_by,
            "approved_by": one.approved_by,
            "ends_at": _time(one.ends_at),
        }
        for one in waivers.approved(db, site, at, checks)
        if one.holds(at)
    ]


def _run(db: Connection, run_id: int | None) -> dict[str, Any] | None:
    """Return the run that collected for this due time."""
    table, host = tables.run, tables.run_host
    row = db.execute(select(table).where(table.c.id == run_id)).first() if run_id else None
    if row is None:
        return None
    outcomes = db.execute(
        select(host.c.outcome, func.count().label("number"))
        .where(host.c.run_id == run_id)
        .group_by(host.c.outcome)
        .order_by(host.c.outcome)
    )
    return {
        "id": row.id,
        "status": row.status,
        "cause": row.cause,
        "started_by": row.started_by,
        "asked_by": row.asked_by,
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at) if row.ended_at else None,
        "hosts": {row.outcome: row.number for row in outcomes},
    }


def _occurrences(
    db: Connection, review: NewReview, since: datetime, until: datetime
) -> dict[str, Any]:
    """Return what became of the procedure since the last review."""
    table = tables.occurrence
    where = (
        table.c.site == name(review.site),
        table.c.schedule == review.procedure,
        table.c.due_at > since,
        table.c.due_at <= until,
    )
    # In the order of the unique key: SQLite would else go through what all procedures had.
    newest = (table.c.due_at.desc(), table.c.kind.desc(), table.c.host.desc())
    query = select(table).where(*where).order_by(*newest)
    return _bounded(
        db,
        query,
        lambda row: {
            "due_at": _time(row.due_at),
            "kind": row.kind,
            "host": row.host,
            "state": row.state,
            "cause": row.cause,
            "run_id": row.run_id,
        },
    )


def _counted(
    db: Connection, review: NewReview, checks: Collection[str], since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Return for each check how its subjects stand now, and its results in the procedure's own runs since then.

    seen_at: when one of its subjects has passed or failed last, in whichever run. doubted: how many of its subjects are
    known by a result of a time in which it passed its known-bad input.
    """
    latest, result, run = tables.latest_result, tables.result, tables.run
    now = db.execute(
        select(latest.c.check_id, latest.c.status, func.count().label("number"))
        .where(latest.c.site == name(review.site), latest.c.check_id.in_(checks))
        .group_by(latest.c.check_id, latest.c.status)
    ).all()
    newest = db.execute(
        select(latest.c.check_id, func.max(latest.c.observed_at).label("at"))
        .where(latest.c.site == name(review.site), latest.c.check_id.in_(checks))
        .where(latest.c.status.in_(("pass", "fail")))
        .group_by(latest.c.check_id)
    ).all()
    marked = db.execute(
        select(latest.c.check_id, func.count().label("number"))
        .where(latest.c.site == name(review.site), latest.c.check_id.in_(checks))
        .where(latest.c.doubted)
        .group_by(latest.c.check_id)
    ).all()
    own = select(run.c.id).where(
        run.c.procedure == review.procedure,
        run.c.site == name(review.site),
        run.c.started_at > since,
        run.c.started_at <= until,
    )
    in_runs = db.execute(
        select(result.c.check_id, result.c.status, func.count().label("number"))
        .where(result.c.run_id.in_(own), result.c.judgement == 0, result.c.check_id.in_(checks))
        .group_by(result.c.check_id, result.c.status)
    ).all()

    def of(rows: Sequence[Row[Any]], check: str) -> dict[str, int]:
        found = {row.status: row.number for row in rows if row.check_id == check}
        return {status: found.get(status, 0) for status in ("pass", "fail", "unknown")}

    seen = {row.check_id: row.at for row in newest}
    doubted = {row.check_id: row.number for row in marked}
    return [
        {
            "check": check,
            "now": of(now, check),
            "since": of(in_runs, check),
            "seen_at": _time(seen[check]) if check in seen else None,
            "doubted": doubted.get(check, 0),
        }
        for check in checks
    ]


def _not_passing(db: Connection, site: str, checks: Collection[str]) -> dict[str, Any]:
    """Return what does not pass now, worst first, with the hash of its evidence, and of a source who looked."""
    latest, result, host = tables.latest_result, tables.result, tables.run_host
    same = and_(
        result.c.run_id == latest.c.run_id,
        result.c.judgement == 0,
        result.c.fingerprint == latest.c.fingerprint,
    )
    worst = case(
        {"critical": 1, "high": 2, "medium": 3, "low": 4, "info": 5},
        value=latest.c.severity,
        else_=2.5,
    )
    query = (
        select(latest, result.c.evidence_sha256, host.c.seen_from)
        .outerjoin(result, same)
        .outerjoin(host, and_(host.c.run_id == latest.c.run_id, host.c.host == latest.c.host))
        .where(
            latest.c.site == name(site),
            latest.c.check_id.in_(checks),
            latest.c.status != "pass",
        )
        .order_by(worst, latest.c.check_id, latest.c.host, latest.c.subject)
    )
    return _bounded(
        db,
        query,
        lambda row: (
            _of_subject(row)
            | {
                "status": row.status,
                "observed_at": _time(row.observed_at),
                "run_id": row.run_id,
                "evidence_sha256": row.evidence_sha256 or "",
                **({"seen_from": row.seen_from} if row.seen_from else {}),
                "doubted": row.doubted,
            }
        ),
    )


def _changed(
    db: Connection, site: str, checks: Collection[str], since: datetime, until: datetime
) -> dict[str, Any]:
    """Return what became better or worse since then, newest first: in all runs, not only the procedure's own."""
    event, finding = tables.finding_event, tables.finding
    query = (
        select(
            event.c.at,
            event.c.kind,
            event.c.severity,
            event.c.message,
            finding.c.check_id,
            finding.c.host,
            finding.c.subject,
        )
        .join(finding, finding.c.id == event.c.finding_id)
        .where(
            finding.c.site == name(site),
            finding.c.check_id.in_(checks),
            event.c.at > since,
            event.c.at <= until,
        )
        .order_by(event.c.at.desc(), event.c.id.desc())
    )
    return _bounded(
        db, query, lambda row: {"at": _time(row.at), "kind": row.kind} | _of_subject(row)
    )


def _open_findings(
    db: Connection, site: str, checks: Collection[str], *more: ColumnElement[bool]
) -> dict[str, Any]:
    table = tables.finding
    where = (
        table.c.site == name(site),
        table.c.status == findings.OPEN,
        table.c.check_id.in_(checks),
    )
    query = select(table).where(*where, *more)
    query = query.order_by(table.c.severity_rank, table.c.opened_at, table.c.id)
    return _bounded(
        db,
        query,
        lambda row: (
            _of_subject(row) | {"id": row.id, "opened_at": _time(row.opened_at), "count": row.count}
        ),
    )


def opened_since(db: Connection, review: NewReview, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the open findings of a review's checks that its evidence does not show, or that are worse by now.

    What an answer of before brought afterwards counts too: it was not shown.
    """
    if not evidence:
        return {"rows": [], "left_out": 0}
    table, shown = tables.finding, evidence["findings"]
    rank: dict[str, list[int]] = {}
    for one in shown["rows"]:
        rank.setdefault(one["severity"], []).append(one["id"])
    worse = [
        and_(table.c.id.in_(ids), table.c.severity_rank < Severity(severity).rank)
        for severity, ids in rank.items()
    ]
    new = [table.c.opened_at > datetime.fromisoformat(evidence["until"])]
    if not shown["left_out"]:
        new.append(table.c.id.not_in([one["id"] for one in shown["rows"]]))
    return _open_findings(
        db, review.site, [one["check"] for one in evidence["checks"]], or_(*new, *worse)
    )


def _incidents(
    db: Connection, site: str, shows: str, since: datetime, until: datetime
) -> dict[str, Any]:
    """Return the incidents that were opened since then, the newest first: what was done of each by that time.

    shows: `drills` for those alone.
    """
    opened = incidents.opened_between(db, site, since, until)
    found = [until_then(one, until) for one in opened if one.opened.drill or shows != "drills"]
    found.reverse()
    return {
        "shows": shows,
        "rows": [summary(one, until) for one in found[:ROWS]],
        "left_out": max(len(found) - ROWS, 0),
    }


# --- small things ----------------------------------------------------------------------------------------------------
def _bounded(db: Connection, query: Any, document_of: Any) -> dict[str, Any]:
    """Return the first rows, and how many are left out."""
    rows = db.execute(query.limit(ROWS)).all()
    left = 0
    if len(rows) == ROWS:
        every = select(func.count()).select_from(query.order_by(None).subquery())
        left = db.execute(every).scalar_one() - ROWS
    return {"rows": [document_of(row) for row in rows], "left_out": left}


def _of_subject(row: Row[Any]) -> dict[str, Any]:
    return {
        "check": row.check_id,
        "host": row.host,
        "subject": row.subject,
        "severity": row.severity,
        "message": row.message,
    }


def _time(at: datetime) -> str:
    return at.isoformat()


def named_raw(db: Connection) -> Iterator[tuple[str, Any]]:
    """Yield what hosts said of what reviews show, by its hash: as it is kept, compressed; None if it is not there."""
    named, proof = tables.named_evidence, tables.evidence
    query = select(named.c.sha256, proof.c.content)
    query = query.outerjoin(proof, proof.c.sha256 == named.c.sha256).order_by(named.c.sha256)
    for row in db.execute(query.execution_options(yield_per=RAW_AT_ONCE)):
        yield row.sha256, row.content
