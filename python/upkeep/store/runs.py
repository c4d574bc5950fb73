"""Runs: begun before anything happens, ended once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from upkeep.model.answer import SITE_HOST, UNSEEN, Isolated, Outcome
from upkeep.model.run_end import DONE, PARTIAL
from upkeep.model.stored_text import name, packed, shown, told
from upkeep.model.text import natural
from upkeep.model.verdicts import Severity, Status, Unknown
from upkeep.rules.waivers import covering
from upkeep.store import tables, waivers
from upkeep.store.engine.statements import batched
from upkeep.system.release import version

LOOKED_BACK = 20
RUNNING = "running"
CHANGE_CHARACTERS = 100_000


@dataclass(frozen=True)
class RunStart:
    """What is known when a run begins.

    started_by: the account of the driver's process; asked_by: the person who wanted it, if it was one.
    driver_started: the driver process' start, in seconds since 1970; with pid and boot id it says later if that
    driver still lives. workspace: where its results wait until they are written here.
    """

    procedure: str
    title: str
    playbook: str
    site: str
    inventory: str
    limit: str
    check_mode: bool
    diff: bool
    started_at: datetime
    started_by: str
    asked_by: str
    driver_host: str
    driver_pid: int
    driver_started: float
    boot_id: str
    workspace: str


@dataclass(frozen=True)
class Run(RunStart):
    """A run as it is written down."""

    id: int
    status: str
    cause: str
    ended_at: datetime | None
    version: str


@dataclass(frozen=True)
class RunHost:
    """How it went with one host in a run, or with a source. seen_from: who looked at a source."""

    host: str
    outcome: Outcome
    message: str
    observed_at: datetime
    seconds: float
    python: str
    clock_offset_seconds: float | None
    seen_from: str = ""
    isolated: Isolated | None = None


def start(db: Connection, begun: RunStart) -> int:
    """Record that a run begins; return its number."""
    values = asdict(begun)
    values["host_limit"] = values.pop("limit")
    values |= {"status": RUNNING, "cause": "", "version": version(), "observations_kept": True}
    values |= {key: shown(values[key], 200) for key in ("procedure", "started_by", "asked_by")}
    values |= {key: told(values[key]) for key in ("title", "playbook", "inventory", "host_limit")}
    values |= {"site": name(values["site"]), "driver_host": shown(values["driver_host"], 255)}
    made = db.execute(insert(tables.run).values(values).returning(tables.run.c.id))
    return int(made.scalar_one())


def turns(db: Connection, site: str, procedure: str) -> tuple[list[str], list[str]]:
    """Return the hosts that answered a procedure's runs last, and those that did not: who has waited longest first.

    Of the last LOOKED_BACK runs: a host that is in none of these is a new one.
    """
    run, host = tables.run, tables.run_host
    mine = (run.c.site == name(site), run.c.procedure == shown(procedure, 200))
    last = select(run.c.id).where(*mine).order_by(run.c.id.desc()).limit(LOOKED_BACK)
    tried = select(host.c.host, host.c.outcome, func.max(host.c.run_id).label("run_id"))
    tried = tried.where(host.c.run_id.in_(last.scalar_subquery()), host.c.seen_from == "")
    known: dict[str, tuple[int, str]] = {}
    for one in db.execute(tried.group_by(host.c.host, host.c.outcome)):
        when = 0 if one.outcome == Outcome.NOT_BEGUN.value else one.run_id
        known[one.host] = max(known.get(one.host, (0, "")), (when, one.outcome))
    away = {one.value for one in UNSEEN}
    answered = sorted(one for one, (_run, outcome) in known.items() if outcome not in away)
    silent = sorted((when, one) for one, (when, outcome) in known.items() if outcome in away)
    return answered, [one for _when, one in silent]


def finish(db: Connection, run_id: int, status: str, cause: str, ended_at: datetime) -> bool:
    """Record how a run ended; False if its end was already written, which then stays."""
    ended = db.execute(
        update(tables.run)
        .where(tables.run.c.id == run_id, tables.run.c.status == RUNNING)
        .values(status=status, cause=told(cause), ended_at=ended_at)
    )
    if ended.rowcount == 1:
        counted = packed(_to_json(count(db, run_id)))
        db.execute(update(tables.run).where(tables.run.c.id == run_id).values(counted=counted))
    return ended.rowcount == 1


def get(db: Connection, run_id: int) -> Run | None:
    """Return the run, or None."""
    row = db.execute(select(tables.run).where(tables.run.c.id == run_id)).first()
    return of_row(row) if row else None


def of_workspace(db: Connection, workspace: str) -> Run | None:
    """Return the run whose results wait, or waited, in that folder; of several the newest."""
    table = tables.run
    query = select(table).where(table.c.workspace == workspace).order_by(table.c.id.desc())
    row = db.execute(query.limit(1)).first()
    return of_row(row) if row else None


def which_are_there(db: Connection, numbers: Iterable[int]) -> set[int]:
    """Return those of the numbers that are runs."""
    table = tables.run
    return {
        one
        for some in batched(numbers)
        for one in db.execute(select(table.c.id).where(table.c.id.in_(some))).scalars()
    }


def recent(db: Connection, count: int, *, site: str = "") -> list[Run]:
    """Return the newest runs, newest first; site: of one only."""
    query = select(tables.run).order_by(tables.run.c.id.desc()).limit(count)
    if site:
        query = query.where(tables.run.c.site == name(site))
    return [of_row(row) for row in db.execute(query)]


def lengths(db: Connection, site: str, procedure: str, count: int) -> list[float]:
    """Return how many seconds the newest runs took that went to their end on all hosts, newest first."""
    table = tables.run
    query = (
        select(table.c.started_at, table.c.ended_at)
        .where(table.c.site == name(site), table.c.procedure == name(procedure))
        .where(table.c.host_limit == "", table.c.check_mode.is_(False))
        .where(table.c.status.in_((DONE, PARTIAL)), table.c.ended_at.is_not(None))
        .order_by(table.c.id.desc())
        .limit(count)
    )
    return [(row.ended_at - row.started_at).total_seconds() for row in db.execute(query)]


def unfinished(db: Connection, *, site: str = "") -> list[Run]:
    """Return the runs without an end, oldest first; site: of one only."""
    query = select(tables.run).where(tables.run.c.status == RUNNING).order_by(tables.run.c.id)
    if site:
        query = query.where(tables.run.c.site == name(site))
    return [of_row(row) for row in db.execute(query)]


def hosts(db: Connection, run_id: int) -> Iterator[RunHost]:
    """Yield the run's hosts by name, web2 before web10."""
    table = tables.run_host
    rows = db.execute(select(table).where(table.c.run_id == run_id)).all()
    yield from map(host_of_row, sorted(rows, key=lambda row: natural(row.host)))


def host_of_row(row: Row[Any]) -> RunHost:
    """Return the run's host of a row of the table."""
    return RunHost(
        row.host,
        Outcome(row.outcome),
        row.message,
        row.observed_at,
        row.seconds,
        row.python,
        row.clock_offset_seconds,
        row.seen_from,
        isolated_of(row),
    )


def isolated_of(row: Row[Any]) -> Isolated | None:
    """Return how the host of a row was isolated when it answered."""
    if not row.isolation:
        return None
    return Isolated(row.isolation, row.isolated_since, row.isolated_by)


@dataclass(frozen=True)
class Change:
    """What a job's task did on a host.

    kind: changed, failed or left_out. text: the diff, why it failed, or why the job left the host as it is.
    """

    host: str
    task: str
    kind: str
    text: str


def add_change(db: Connection, run_id: int, change: Change, at: datetime) -> None:
    """Record what a job changed, would have changed, or failed at."""
    values = {"run_id": run_id, "kind": change.kind, "at": at, "host": shown(change.host, 255)}
    values |= {"task": told(change.task), "text": told(change.text, CHANGE_CHARACTERS)}
    db.execute(insert(tables.change).values(values))


def changes(db: Connection, run_id: int) -> list[Change]:
    """Return what the run's jobs changed, in the order in which it happened."""
    table = tables.change
    rows = db.execute(select(table).where(table.c.run_id == run_id).order_by(table.c.id))
    return [Change(row.host, row.task, row.kind, row.text) for row in rows]


NOTHING = Unknown.NOTHING_TO_JUDGE.value


@dataclass(frozen=True)
class RunCounts:
    """What a run found.

    hosts: by outcome; failed: by severity; hosts_in_need: not seen, or not all well; hosts_unjudged: seen, and with
    nothing to judge.
    waived: how many of those that failed a waiver covered when they were observed. unknown: could not see; nothing:
    had nothing to judge. sources: how many of the hosts are sources. site_in_need: how much of the site as a whole was
    not seen, or is not well; site_failing: how much of that failed.
    """

    hosts: dict[Outcome, int]
    hosts_in_need: int
    passed: int
    unknown: int
    failed: dict[Severity, int]
    waived: int = 0
    nothing: int = 0
    hosts_unjudged: int = 0
    sources: int = 0
    site_in_need: int = 0
    site_failing: int = 0


def count(db: Connection, run_id: int) -> RunCounts:
    """Return what a run found: as it was counted at its end or, while it runs, by the database."""
    host, result = tables.run_host, tables.result
    kept = db.execute(select(tables.run.c.counted).where(tables.run.c.id == run_id)).scalar()
    if kept:
        return _from_json(json.loads(kept))
    outcomes = db.execute(
        select(host.c.outcome, func.count()).where(host.c.run_id == run_id).group_by(host.c.outcome)
    )
    sources = select(func.count()).where(host.c.run_id == run_id, host.c.seen_from != "")
    of_run = and_(result.c.run_id == run_id, result.c.judgement == 0)
    verdicts = db.execute(
        select(result.c.status, result.c.unknown, result.c.severity, func.count())
        .where(of_run)
        .group_by(result.c.status, result.c.unknown, result.c.severity)
    )
    by_status: dict[str, int] = {}
    failed: dict[Severity, int] = {}
    for status, unknown, severity, number in verdicts:
        key = NOTHING if unknown == NOTHING else status
        by_status[key] = by_status.get(key, 0) + number
        if severity:
            failed[Severity(severity)] = number
    blind = and_(result.c.status == "unknown", result.c.unknown != NOTHING)
    bad = or_(blind, result.c.severity_rank < Severity.INFO.rank)
    not_well = select(result.c.host).where(of_run, bad)
    of_site = select(result.c.severity).where(of_run, bad, result.c.host == SITE_HOST)
    site_bad = db.execute(of_site).scalars().all()
    unseen = host.c.outcome.in_([one.value for one in UNSEEN])
    in_need = (
        select(func.count())
        .select_from(host)
        .where(host.c.run_id == run_id, or_(unseen, host.c.host.in_(not_well)))
    )
    judged = select(result.c.host).where(of_run, result.c.unknown != NOTHING)
    of_nothing = select(result.c.host).where(of_run, result.c.unknown == NOTHING)
    unjudged = (
        select(func.count())
        .select_from(host)
        .where(
            host.c.run_id == run_id,
            host.c.outcome == Outcome.OK.value,
            host.c.host.in_(of_nothing),
            host.c.host.not_in(judged),
        )
    )
    return RunCounts(
        hosts={Outcome(outcome): number for outcome, number in outcomes},
        hosts_in_need=db.execute(in_need).scalar_one(),
        passed=by_status.get("pass", 0),
        unknown=by_status.get("unknown", 0),
        nothing=by_status.get(NOTHING, 0),
        failed=failed,
        waived=_waived(db, run_id),
        hosts_unjudged=db.execute(unjudged).scalar_one(),
        sources=db.execute(sources).scalar_one(),
        site_in_need=len(site_bad),
        site_failing=sum(severity is not None for severity in site_bad),
    )


def _waived(db: Connection, run_id: int) -> int:
    """Count what failed and was covered by a waiver when it was observed."""
    known, result = waivers.of_run(db, run_id), tables.result
    if not known:
        return 0
    rows = db.execute(
        select(result).where(
            result.c.run_id == run_id,
            result.c.judgement == 0,
            result.c.status == Status.FAIL.value,
            result.c.check_id.in_({one.scope.check_id for one in known}),
        )
    )
    return sum(
        covering(
            known, row.check_id, row.host, row.subject, Severity(row.severity), row.observed_at
        )
        is not None
        for row in rows
    )


def _to_json(counted: RunCounts) -> dict[str, Any]:
    values = asdict(counted)
    for new in ("sources", "site_in_need", "site_failing"):
        if not values[new]:
            del values[new]  # an older program reads it too
    values["hosts"] = {outcome.value: number for outcome, number in counted.hosts.items()}
    values["failed"] = {severity.value: number for severity, number in counted.failed.items()}
    return values


def _from_json(values: dict[str, Any]) -> RunCounts:
    hosts = {Outcome(outcome): number for outcome, number in values.pop("hosts").items()}
    failed = {Severity(severity): number for severity, number in values.pop("failed").items()}
    return RunCounts(hosts=hosts, failed=failed, **values)


def of_row(row: Row[tuple[object, ...]]) -> Run:
    """Return the run of a row of the table."""
    values = dict(row._mapping)
    values["limit"] = values.pop("host_limit")
    del values["observations_kept"], values["counted"]
    return Run(**values)
