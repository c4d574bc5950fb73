"""What pages ask for: little at a time, from where the last page ended, by an index, however much there is.

site: a page is one site's, others may be in the same store; empty for a page that knows no site.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy import text as sql

from upkeep.checks.upkeep.blind import ID as BLIND
from upkeep.model.answer import SITE_HOST, Outcome
from upkeep.model.occurrence import Occurrence
from upkeep.model.source import is_source
from upkeep.model.stored_text import name
from upkeep.model.text import natural
from upkeep.model.verdicts import Result, Severity, Unknown
from upkeep.rules.blindness import Spot
from upkeep.rules.trouble_groups import in_order
from upkeep.store import site_results, tables
from upkeep.store.answers import of_row as result_of
from upkeep.store.blind_spots import of_row as spot_of
from upkeep.store.engine.statements import batched
from upkeep.store.findings import OPEN, Finding
from upkeep.store.findings import of_row as finding_of
from upkeep.store.occurrences import of_row as occurrence_of
from upkeep.store.own_troubles import HOST, NO_RUN
from upkeep.store.runs import RUNNING, Run, RunHost
from upkeep.store.runs import host_of_row as host_of
from upkeep.store.runs import of_row as run_of

# Worst first, in the precedence of the exit status: high, unknown, medium.
UNKNOWN_RANK = 2.5


def runs(
    db: Connection, site: str, count: int, *, before: int | None = None, procedure: str = ""
) -> list[Run]:
    """Return runs, newest first; before: the number of a run, for those that came earlier."""
    table = tables.run
    query = select(table).where(*_of(table, site)).order_by(table.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(table.c.id < before)
    if procedure:
        query = query.where(table.c.procedure == procedure)
    return [run_of(row) for row in db.execute(query)]


def _of(table: Table, site: str) -> list[ColumnElement[bool]]:
    """Return the condition for rows of the site."""
    return [table.c.site == name(site)] if site else []


def last_run(db: Connection, site: str, procedure: str) -> Run | None:
    """Return the procedure's newest run that has ended, or None."""
    table = tables.run
    row = db.execute(
        select(table)
        .where(*_of(table, site), table.c.procedure == procedure, table.c.status != RUNNING)
        .order_by(table.c.id.desc())
        .limit(1)
    ).first()
    return run_of(row) if row else None


def not_passed(db: Connection, run_id: int, count: int, *, host: str = "") -> list[Result]:
    """Return what did not pass in a run, worst first, at most this many."""
    table = tables.result
    where = table.c.run_id == run_id, _is_not_passed()
    rank = func.coalesce(table.c.severity_rank, UNKNOWN_RANK)
    query = select(table).where(*where).limit(count)
    if host:
        query = query.where(table.c.host == name(host, 255))
    query = query.order_by(rank, table.c.check_id, table.c.host, table.c.subject)
    rows = [(row.severity_rank or UNKNOWN_RANK, result_of(row)) for row in db.execute(query)]
    rows.sort(key=lambda row: in_order(row[0], row[1].check, row[1].host, row[1].subject))
    return [result for _rank, result in rows]


@dataclass(frozen=True)
class HostNeeds:
    """How much did not pass on a host in a run. rank: of the worst, 2.5 for what is unknown."""

    count: int
    rank: float


def needs_by_host(db: Connection, run_id: int) -> dict[str, HostNeeds]:
    """Return what did not pass in a run, counted by host."""
    table = tables.result
    rank = func.min(func.coalesce(table.c.severity_rank, UNKNOWN_RANK))
    rows = db.execute(
        select(table.c.host, func.count(), rank)
        .where(table.c.run_id == run_id, _is_not_passed())
        .group_by(table.c.host)
    )
    return {host: HostNeeds(count, worst) for host, count, worst in rows}


def results_of_host(db: Connection, run_id: int, host: str, count: int) -> list[Result]:
    """Return all results of a host in a run, worst first, at most this many."""
    table, report = tables.result, tables.report
    here = select(report.c.id).where(report.c.run_id == run_id, report.c.host == name(host, 255))
    order = case((table.c.status == "fail", 0), (table.c.status == "unknown", 1), else_=2)
    rows = db.execute(
        select(table)
        .where(table.c.report_id.in_(here), table.c.judgement == 0)
        .order_by(order, table.c.severity_rank, table.c.check_id, table.c.subject)
        .limit(count)
    )
    return [result_of(row) for row in rows]


def host_in_run(db: Connection, run_id: int, host: str) -> RunHost | None:
    """Return how it went with a host in a run, or None. What is of the site as a whole is there if it was judged."""
    if host == SITE_HOST:
        at = site_results.answered_at(db, run_id)
        return RunHost(host, Outcome.OK, "", at, 0.0, "", None) if at else None
    table = tables.run_host
    where = (table.c.run_id == run_id, table.c.host == name(host, 255))
    row = db.execute(select(table).where(*where)).first()
    return host_of(row) if row else None


# --- findings --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class WantedFindings:
    """Which findings are wanted.

    waived: only those that a waiver covers, or only the others.
    after: severity's rank, opened_at and number of the last one of the page before. as_alerted: those first that are
    worst for people who are notified: a site may raise what a check says.
    """

    status: str = OPEN
    severity: Severity | None = None
    host: str = ""
    check: str = ""
    waived: bool | None = None
    after: tuple[int, datetime, int] | None = None
    as_alerted: bool = False


def findings(db: Connection, site: str, count: int, wanted: WantedFindings) -> list[Finding]:
    """Return findings of a status, worst first, the oldest of a severity first."""
    table = tables.finding
    keys = (table.c.severity_rank, table.c.opened_at, table.c.id)
    where = (table.c.status == wanted.status, *_of(table, site))
    query = select(table).where(*where).limit(count)
    if wanted.as_alerted:
        held = tables.alert_finding
        query = query.outerjoin(held, _holds(held, table))
        rank = case((_is_raised(held, table), held.c.severity), else_=table.c.severity_rank)
        query = query.order_by(rank, *keys[1:])
    else:
        query = query.order_by(*keys)
    if wanted.severity:
        query = query.where(table.c.severity_rank == wanted.severity.rank)
    if wanted.host:
        query = query.where(table.c.host == wanted.host)
    if wanted.check:
        query = query.where(table.c.check_id == wanted.check)
    if wanted.waived is not None:
        covered = table.c.waiver_id.is_not(None)
        query = query.where(covered if wanted.waived else ~covered)
    if wanted.after:
        last = [literal(one, key.type) for one, key in zip(wanted.after, keys, strict=True)]
        query = query.where(tuple_(*keys) > tuple_(*last))
    return [finding_of(row) for row in db.execute(query)]


def raised(db: Connection, numbers: Collection[int]) -> dict[int, Severity]:
    """Return the severity that findings have in their open alert, of those for which the site raises it."""
    held, table = tables.alert_finding, tables.finding
    by_rank = {one.rank: one for one in Severity}
    found: dict[int, Severity] = {}
    for some in batched(numbers):
        query = select(table.c.id, held.c.severity).join(held, _holds(held, table))
        rows = db.execute(query.where(table.c.id.in_(some), _is_raised(held, table)))
        found |= {number: by_rank[rank] for number, rank in rows}
    return found


def _holds(held: Table, table: Table) -> ColumnElement[bool]:
    """Return the condition for the row by which a finding is in an open alert."""
    return and_(held.c.finding_id == table.c.id, held.c.left_at.is_(None))


def _is_raised(held: Table, table: Table) -> ColumnElement[bool]:
    return held.c.severity < table.c.severity_rank


def finding(db: Connection, finding_id: int) -> Finding | None:
    """Return the finding, or None."""
    table = tables.finding
    row = db.execute(select(table).where(table.c.id == finding_id)).first()
    return finding_of(row) if row else None


def newest_result(db: Connection, fingerprint: str) -> tuple[int, Result] | None:
    """Return the newest result of a subject, with its run's number; None if that run is kept no more."""
    latest, table = tables.latest_result, tables.result
    row = db.execute(
        select(table)
        .join(
            latest,
            and_(latest.c.run_id == table.c.run_id, latest.c.fingerprint == table.c.fingerprint),
        )
        .where(latest.c.fingerprint == fingerprint, table.c.judgement == 0)
    ).first()
    return (row.run_id, result_of(row)) if row else None


@dataclass(frozen=True)
class FindingEvent:
    """What happened to a finding in a run."""

    at: datetime
    kind: str
    severity: Severity | None
    message: str
    run_id: int


def events(db: Connection, finding_id: int, count: int) -> list[FindingEvent]:
    """Return what happened to a finding, newest first."""
    table = tables.finding_event
    rows = db.execute(
        select(table)
        .where(table.c.finding_id == finding_id)
        .order_by(table.c.id.desc())
        .limit(count)
    )
    return [
        FindingEvent(row.at, row.kind, Severity(row.severity) if row.severity else None, row.message, row.run_id)
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True)
class HostsStand:
    """How all hosts stand now.

    failed: open findings by severity; waived: how many of them are. blind: how many checks read nothing on a host that
    answers, gone blind or not yet. hosts_unjudged: how many were seen, and there was nothing to judge on them; own: how
    many open findings worse than info are the product's own; sources: how many of the hosts are sources.
    """

    hosts: int
    hosts_in_need: int
    failed: dict[Severity, int]
    waived: int
    blind: int = 0
    hosts_unjudged: int = 0
    own: int = 0
    sources: int = 0


def stand(db: Connection, site: str) -> HostsStand:
    """Return how all hosts stand now."""
    table, latest, spot = tables.finding, tables.latest_result, tables.blind_spot
    is_open = (table.c.status == OPEN, *_of(table, site))
    rows = db.execute(
        select(table.c.severity, func.count()).where(*is_open).group_by(table.c.severity)
    )
    bad = table.c.severity_rank < Severity.INFO.rank
    need = select(table.c.host).where(*is_open, bad).distinct()
    # The product's own troubles stand on a host that the inventory does not know.
    hosts = select(latest.c.host).where(latest.c.run_id != NO_RUN, *_of(latest, site)).distinct()
    blind = select(spot.c.host).where(*_of(spot, site))
    cut_off = tables.isolated_host
    isolated = select(cut_off.c.host).where(*_of(cut_off, site))
    in_need = need.where(table.c.host != HOST).union(blind, isolated)
    judged = hosts.where(latest.c.unknown != Unknown.NOTHING_TO_JUDGE.value)
    own = select(table.c.id).where(*is_open, bad, table.c.host == HOST)
    waived = select(table.c.id).where(*is_open, table.c.waiver_id.is_not(None))
    return HostsStand(
        hosts=_count(db, hosts),
        hosts_in_need=_count(db, in_need),
        failed={Severity(severity): number for severity, number in rows},
        waived=_count(db, waived),
        blind=_count(db, select(spot.c.check_id).where(*_of(spot, site))),
        hosts_unjudged=_count(db, hosts.where(latest.c.host.not_in(judged))),
        own=_count(db, own),
        sources=sum(map(is_source, db.execute(hosts).scalars())),
    )


def blind_checks(db: Connection, site: str, count: int) -> list[Spot]:
    """Return checks that can read nothing on hosts of which nothing is said of that yet, the longest first."""
    table, finding = tables.blind_spot, tables.finding
    told = select(finding.c.host).where(
        finding.c.status == OPEN, finding.c.check_id == BLIND, *_of(finding, site)
    )
    query = select(table).where(*_of(table, site), table.c.host.not_in(told))
    query = query.order_by(table.c.since, table.c.host, table.c.check_id).limit(count)
    found = [spot_of(row) for row in db.execute(query)]
    return sorted(found, key=lambda one: (one.since, natural(one.host), one.check))


def _count(db: Connection, query: Any) -> int:
    return int(db.execute(select(func.count()).select_from(query.subquery())).scalar() or 0)


def _is_not_passed() -> ColumnElement[bool]:
    """Return the condition of the partial index, its values written out: parameters could not be known to serve.

    What had nothing to judge is no trouble.
    """
    table = tables.result
    indexed = (table.c.status != sql("'pass'"), table.c.judgement == sql("0"))
    return and_(*indexed, table.c.unknown != Unknown.NOTHING_TO_JUDGE.value)


# --- the schedule ----------------------------------------------------------------------------------------------------
def occurrences(
    db: Connection, site: str, until: datetime, count: int, *, before: int | None = None
) -> list[Occurrence]:
    """Return what was due until then, newest first; before: the number of one, for those that were due earlier."""
    table = tables.occurrence
    of_site = table.c.site == name(site)
    query = select(table).where(of_site, table.c.due_at <= until)
    if before is not None:
        last = select(table.c.due_at).where(of_site, table.c.id == before).scalar_subquery()
        query = query.where(tuple_(table.c.due_at, table.c.id) < tuple_(last, literal(before)))
    query = query.order_by(table.c.due_at.desc(), table.c.id.desc()).limit(count)
    return [occurrence_of(row) for row in db.execute(query)]


def last_occurrence(db: Connection, site: str, schedule: str) -> Occurrence | None:
    """Return the schedule's newest occurrence, or None."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.schedule == schedule)
    row = db.execute(select(table).where(*where).order_by(table.c.due_at.desc()).limit(1)).first()
    return occurrence_of(row) if row else None


def occurrence_of_run(db: Connection, run_id: int) -> Occurrence | None:
    """Return the occurrence that a run was for, or None."""
    table = tables.occurrence
    row = db.execute(select(table).where(table.c.run_id == run_id)).first()
    return occurrence_of(row) if row else None
