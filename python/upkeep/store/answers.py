"""What hosts gave: observations, evidence, results, measures; written once, however often it is handed in."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from operator import itemgetter
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, func, select, update
from sqlalchemy.exc import InternalError, OperationalError, StatementError

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.connection.host_unreachable import ID as HOST_UNREACHABLE
from upkeep.checks.upkeep.check_broken import ID as CHECK_BROKEN
from upkeep.checks.upkeep.forged_result import ID as FORGED_RESULT
from upkeep.judging.check import CONNECTION, load
from upkeep.judging.judge import EVERYTHING, Past, judge_deferred, with_next_steps
from upkeep.model import clock
from upkeep.model.answer import SITE_HOST, Due, Observed, Outcome, Request, Seen
from upkeep.model.errors import StoreError
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import fingerprint, name, number, packed, shown, told
from upkeep.model.verdicts import Measure, Result, Severity, Status, Unknown
from upkeep.rules.absence import CheckLook, look_of
from upkeep.rules.findings import Sighting
from upkeep.rules.waivers import Waiver, covering
from upkeep.store import findings, isolated_hosts, past, restores, runs, sites, tables, waivers
from upkeep.store.engine.statements import (
    Values,
    batched,
    insert,
    insert_new,
    lock_evidence,
    upsert,
)
from upkeep.system.release import version

ROWS_AT_ONCE = 1000
REFUSED = (
    StatementError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""What an answer raises that the database refuses."""
RESULT_KEYS = ["run_id", "judgement", "fingerprint"]


def add_host(db: Connection, run_id: int, observed: Observed) -> bool:
    """Record what a host gave in a run; False if this very answer is already there.

    A host may answer more than once in a run: of one subject, the verdict of its latest answer stands. Findings and
    latest results move with it, unless they know a later run, or a later answer in this one. (Runs are numbered as
    they begin: a clock that was wrong for a while must not stop them until it is that late again.)

    An answer that the database refuses costs this host its results, and no other.
    """
    return bool(_add_alone(db, run_id, observed))


def _add_alone(db: Connection, run_id: int, observed: Observed) -> list[Observed]:
    """Record one answer; return it as it was judged, or as it was refused, if it was not there yet."""
    try:
        with db.begin_nested():
            return _add_answers(db, run_id, [observed])
    except (OperationalError, InternalError):
        raise
    except REFUSED as exc:
        cause = exc.orig if isinstance(exc, StatementError) and exc.orig else exc
        message = " ".join(f"its answer could not be stored: {cause}".split())
        at = observed.observed_at if observed.observed_at.tzinfo else clock.now()
        failed = Observed(observed.host, Outcome.FAILED, at, message, seen_from=observed.seen_from)
        return _add_answers(db, run_id, [failed])


def add_hosts(db: Connection, run_id: int, answers: Sequence[Observed]) -> list[Observed]:
    """Record what several hosts gave, as `add_host` does, in few statements.

    Return the answers that were not there yet, each with the results of its checks that were left to the driver.
    """
    added: list[Observed] = []
    while answers:
        # One statement cannot move the same row twice: a host's second answer waits for its first.
        first: dict[str, Observed] = {}
        for one in answers:
            first.setdefault(one.host, one)
        try:
            with db.begin_nested():
                added += _add_answers(db, run_id, list(first.values()))
        except (OperationalError, InternalError):
            raise
        except REFUSED:
            for one in first.values():
                added += _add_alone(db, run_id, one)
        answers = [one for one in answers if one is not first[one.host]]
    return added


def settle_forged(db: Connection, run_id: int, hosts: Collection[str], at: datetime) -> None:
    """Resolve what was said of forged results of hosts that gave none in this run."""
    site, table = _site(db, run_id), tables.finding
    kept = [name(host, 255) for host in sorted(hosts)]
    rows = []
    for some in batched(kept):
        where = (table.c.site == site, table.c.status == findings.OPEN, table.c.host.in_(some))
        mine = select(table).where(*where, table.c.check_id == FORGED_RESULT)
        rows += [
            passed_row(run_id, findings.of_row(one), "nothing was forged", at)
            for one in db.execute(mine)
        ]
    rows.sort(key=itemgetter("fingerprint"))
    latest = [latest_row(site, row) for row in rows]
    newest = ("run_id", "observed_at")
    stands = upsert(db, tables.latest_result, latest, ["fingerprint"], newest=newest)
    findings.move(db, run_id, site, [row for row in rows if row["fingerprint"] in stands])


def begin_judgement(db: Connection, run_id: int, judged_at: datetime) -> int:
    """Record that a run's observations are judged again; return the judgement's number, 1 for the first."""
    table = tables.judgement
    # Two that judge the same run at once get a number each: the second waits here for the first.
    db.execute(select(tables.run.c.id).where(tables.run.c.id == run_id).with_for_update())
    newest = db.execute(select(func.max(table.c.number)).where(table.c.run_id == run_id)).scalar()
    number = int(newest or 0) + 1
    values = {"run_id": run_id, "number": number, "judged_at": judged_at}
    db.execute(sqlalchemy.insert(table).values(values | {"version": version()}))
    return number


def add_judgement(db: Connection, run_id: int, number: int, observed: Observed) -> None:
    """Keep the verdicts of an answer that was judged again, beside those of the run itself.

    Only what is still the newest observation of its subject moves its finding, and what is known of it now.
    """
    report = tables.report
    site = _site(db, run_id)
    report_id = db.execute(select(report.c.id).where(*_same_answer(run_id, observed))).scalar_one()
    broken = findings.own_subjects(db, site, CHECK_BROKEN)
    rows = _result_rows(run_id, report_id, number, site, observed, broken)
    upsert(db, tables.result, rows, RESULT_KEYS, newest=("observed_at",))
    newest = _still_newest(db, run_id, rows)
    stands = upsert(
        db,
        tables.latest_result,
        [latest_row(site, row) for row in newest],
        ["fingerprint"],
        newest=("run_id", "observed_at"),
    )
    moved = [row for row in newest if row["fingerprint"] in stands]
    how = {key: Sighting(cause=one.cause) for key, one in _sightings(site, observed).items()}
    findings.move(db, run_id, site, moved, judgement=number, how=how)


def observed_in(db: Connection, run_id: int) -> Iterator[Observed]:
    """Yield what each host gave in a run, with its evidence and its first verdicts, one answer after the other."""
    report, host = tables.report, tables.run_host
    rows = db.execute(
        select(
            report,
            host.c.outcome,
            host.c.message,
            host.c.seconds,
            host.c.python,
            host.c.clock_offset_seconds,
            host.c.seen_from,
            host.c.isolation,
            host.c.isolated_since,
            host.c.isolated_by,
        )
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
            clock_offset_seconds=row.clock_offset_seconds,
            requests=tuple(Request(**one) for one in json.loads(row.requests)),
            due=tuple(Due(**one) for one in json.loads(row.due)),
            seen=tuple(_seen(db, row.id)),
            results=tuple(_results(db, _of_report(row.id))),
            seen_from=row.seen_from,
            isolated=runs.isolated_of(row),
        )


def past_of(db: Connection, run_id: int, observed: Observed) -> Past:
    """Return the past that the checks with history of an answer were judged with.

    A check is not in it if that is not kept any more, or if it had none then.
    """
    report = tables.report
    said = db.scalar(select(report.c.judged_with).where(*_same_answer(run_id, observed)))
    return past.of_reports(db, observed, load(), past.kept(db, said))


def _same_answer(run_id: int, observed: Observed) -> tuple[ColumnElement[bool], ...]:
    report = tables.report
    return (
        report.c.run_id == run_id,
        report.c.host == name(observed.host, 255),
        report.c.observed_at == observed.observed_at,
    )


def limits_in_run(db: Connection, run_id: int) -> dict[str, list[dict[str, Any]]]:
    """Return the limits that a site set for each check that was due in a run, each once; empty ones too."""
    # Hosts of one group are asked the same, to the letter.
    said = db.scalars(
        select(tables.report.c.due).where(tables.report.c.run_id == run_id).distinct()
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for text in said:
        for one in json.loads(text):
            limits = found.setdefault(one["check"], [])
            if one["limits"] not in limits:
                limits.append(one["limits"])
    return found


def results_of(
    db: Connection, run_id: int, host: str = "", *, judgement: int = 0
) -> Iterator[Result]:
    """Yield a run's results, worst first: what failed by severity, then unknown, then what passed.

    judgement: 0 for the run's own verdicts, or the number of a later judgement.
    """
    table = tables.result
    where = and_(table.c.run_id == run_id, table.c.judgement == judgement)
    found = _results(db, and_(where, table.c.host == name(host, 255)) if host else where)
    known = waivers.of_run(db, run_id)
    return (_with_waiver(one, known) for one in found) if known else found


def _with_waiver(one: Result, known: Sequence[Waiver]) -> Result:
    """Return the result with the waiver that covered it when it was observed."""
    if one.severity is None or one.observed_at is None:
        return one
    names = (one.check, one.host, one.subject)
    waiver = covering(known, *names, one.severity, one.observed_at)
    return replace(one, waiver=waiver.id) if waiver else one


@dataclass(frozen=True)
class Latest:
    """What is known of a subject now, and the run that saw it."""

    host: str
    check_id: str
    subject: str
    status: Status
    severity: Severity | None
    message: str
    observed_at: datetime
    run_id: int


def latest(db: Connection, site: str, host: str = "") -> Iterator[Latest]:
    """Yield what is known now of each subject of a site, or of one host, by host, check and subject."""
    table = tables.latest_result
    columns = [table.c[one.name] for one in fields(Latest)]
    query = select(*columns).where(table.c.site == name(site))
    query = query.order_by(table.c.host, table.c.check_id, table.c.subject)
    if host:
        query = query.where(table.c.host == name(host, 255))
    for row in db.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        values = dict(row._mapping)
        values["status"] = Status(row.status)
        values["severity"] = Severity(row.severity) if row.severity else None
        yield Latest(**values)


def evidence_of(db: Connection, sha256: str) -> bytes | None:
    """Return the raw bytes behind an observation, or None if they are not kept any more."""
    table = tables.evidence
    packed = db.execute(select(table.c.content).where(table.c.sha256 == sha256)).scalar()
    return zlib.decompress(packed) if packed is not None else None


def series(
    db: Connection, site: str, check: str, host: str, subject: str, measure: str, since: datetime
) -> list[tuple[datetime, float]]:
    """Return a measure's values, oldest first."""
    table = tables.measure
    key = fingerprint(name(site), name(check, 200), name(host, 255), name(subject))
    rows = db.execute(
        select(table.c.observed_at, table.c.value)
        .where(
            table.c.fingerprint == key,
            table.c.name == name(measure, 100),
            table.c.observed_at >= since,
        )
        .order_by(table.c.observed_at)
    )
    return [(row.observed_at, row.value) for row in rows]


def newest_values(
    db: Connection, site: str, measure: str
) -> list[tuple[str, str, datetime, float]]:
    """Return host, subject, time and value of a measure in the newest result of each subject that has it."""
    known, values = tables.latest_result.c, tables.measure.c
    rows = db.execute(
        select(known.host, known.subject, known.observed_at, func.max(values.value))
        .where(
            known.site == name(site),
            values.fingerprint == known.fingerprint,
            values.observed_at == known.observed_at,
            values.name == name(measure, 100),
        )
        .group_by(known.host, known.subject, known.observed_at)
        .order_by(known.host, known.subject, known.observed_at)
    )
    return [(host, subject, at, value) for host, subject, at, value in rows]


def _add_answers(db: Connection, run_id: int, answers: Sequence[Observed]) -> list[Observed]:
    """Record answers, one a host; return those that were not there yet, judged."""
    site = _site(db, run_id)
    ids = _add_reports(db, run_id, answers)
    new = [
        (ids[one.host], _judged(db, site, ids[one.host], one)) for one in answers if one.host in ids
    ]
    if not new:
        return []
    answered = [one for _id, one in new]
    _add_run_hosts(db, run_id, answered)
    isolated_hosts.note_answers(db, site, answered)
    _add_observations(db, new)
    restores.add(db, run_id, site, answered)
    broken = findings.own_subjects(db, site, CHECK_BROKEN)
    rows = [row for id_, one in new for row in _result_rows(run_id, id_, 0, site, one, broken)]
    rows.sort(key=itemgetter("fingerprint"))  # in one order, so that no two writers lock crosswise
    upsert(db, tables.result, rows, RESULT_KEYS, newest=("observed_at",))
    insert_new(db, tables.measure, list(_measure_rows(run_id, rows)))
    known = [*rows, *_connection_rows(db, run_id, site, answered)]
    known.sort(key=itemgetter("fingerprint"))
    latest = [latest_row(site, row) for row in known]
    stands = upsert(
        db, tables.latest_result, latest, ["fingerprint"], newest=("run_id", "observed_at")
    )
    looks = _looked_at(db, site, answered)
    moved = [row for row in known if row["fingerprint"] in stands]
    how = {key: one for _id, each in new for key, one in _sightings(site, each).items()}
    findings.move(db, run_id, site, moved, looks=looks, how=how)
    _settle_absent(db, run_id, site, answered, rows)
    return answered


def _judged(db: Connection, site: str, report_id: int, observed: Observed) -> Observed:
    """Return the answer with the results of the checks that were left to us, and remember what they are judged with."""
    if not observed.deferred:
        return observed
    checks = load()
    found = past.find(db, site, observed, checks)
    past.keep(db, report_id, found.reports)
    judged = judge_deferred(observed, checks, found.past)
    return with_next_steps(judged, sites.folder_of(db, site))


def _connection_rows(
    db: Connection, run_id: int, site: str, answers: Sequence[Observed]
) -> Iterator[Values]:
    """Yield what moves findings on the way to hosts: a fail where a host could not be looked at, a pass where it was.

    A host that answered nothing of what was due (no Python, no root) is as blind a spot as one that is away. One that
    the run's own end left without an answer, and one on which nothing was due, say nothing of the way to it. Of whoever
    looks at sources, those may be all that was due.
    """
    hosts = {name(one.host, 255): one for one in answers if not one.seen_from}
    seen = sorted(host for host, one in hosts.items() if one.outcome is Outcome.OK)
    away = (Outcome.UNREACHABLE, Outcome.TIMED_OUT)
    folder = sites.folder_of(db, site)
    for one in findings.of_connections(db, site, seen):
        yield passed_row(run_id, one, "the host has answered", hosts[one.host].observed_at)
    told_of: set[str] = set()
    for answer in answers:
        host = name(answer.looker, 255)
        # Where it is known what is wrong with the way, that it is away says nothing more.
        named = any(one.subject == CONNECTION for one in answer.results)
        blind = answer.outcome in away and not answer.seen_from
        blind = blind or (answer.outcome is Outcome.FAILED and bool(answer.due))
        if not blind or named or host in told_of or host in seen:
            continue
        told_of.add(host)
        key = fingerprint(site, HOST_UNREACHABLE, host, CONNECTION)
        yield {
            "run_id": run_id,
            "fingerprint": key,
            "host": host,
            "check_id": HOST_UNREACHABLE,
            "subject": CONNECTION,
            "status": Status.FAIL.value,
            "severity": Severity.HIGH.value,
            "severity_rank": Severity.HIGH.rank,
            "message": told(answer.message),
            "remedy": first(command("doctor", site=folder, limit=host), "see why"),
            "observed_at": answer.observed_at,
        }


def passed_row(run_id: int, one: findings.Finding, message: str, at: datetime) -> Values:
    """Return what resolves a finding that comes from no check."""
    return {
        "run_id": run_id,
        "fingerprint": one.fingerprint,
        "host": one.host,
        "check_id": one.check_id,
        "subject": one.subject,
        "status": Status.PASS.value,
        "severity": None,
        "severity_rank": None,
        "message": message,
        "remedy": "",
        "observed_at": at,
    }


def _looked_at(db: Connection, site: str, answers: Sequence[Observed]) -> findings.Looks:
    """Return which hosts answer which checks, or this version of them, for the first time; and remember it."""
    table, program = tables.watched, version()[:40]
    answered = {
        (name(one.host, 255), name(check, 200)): one.observed_at
        for one in answers
        for check in _answered(one)
    }
    known: dict[tuple[str, str], str] = {}
    for hosts in batched(sorted({host for host, _check in answered})):
        where = (table.c.site == site, table.c.host.in_(hosts))
        found = db.execute(select(table.c.host, table.c.check_id, table.c.program).where(*where))
        known |= {(row.host, row.check_id): row.program for row in found}
    first = sorted(answered.keys() - known)
    rows = [
        {"site": site, "host": host, "check_id": check, "since": answered[host, check]}
        for host, check in first
    ]
    insert_new(db, table, [one | {"program": program} for one in rows])
    upgraded = sorted(pair for pair in answered if known.get(pair, program) != program)
    if upgraded:
        mine = (
            table.c.site == site,
            table.c.host == bindparam("of_host"),
            table.c.check_id == bindparam("of_check"),
        )
        pairs = [{"of_host": host, "of_check": check} for host, check in upgraded]
        db.execute(update(table).where(*mine).values(program=program), pairs)
    return findings.Looks(set(first), set(upgraded))


def _answered(observed: Observed) -> set[str]:
    """Return the checks whose gather has answered."""
    if observed.outcome is not Outcome.OK:
        return set()
    failed = {one.check for one in observed.results if one.subject == EVERYTHING}
    return {one.check for one in observed.due} - failed


def _settle_absent(
    db: Connection, run_id: int, site: str, answers: Sequence[Observed], rows: Sequence[Values]
) -> None:
    """Move what the hosts' groups, or their answers, do not speak of any more.

    Nothing follows from a run that was limited to some hosts, from a check by hand with its own parameters, from a
    host that was not seen, nor from a check that could not see all (absence.py).
    """
    telling = [one for one in answers if one.asked and one.outcome in (Outcome.OK, Outcome.SKIPPED)]
    limit = select(tables.run.c.host_limit).where(tables.run.c.id == run_id)
    if not telling or db.execute(limit).scalar_one():
        return
    seen = {row["fingerprint"] for row in rows}
    still = findings.on_hosts(db, run_id, site, [name(one.host, 255) for one in telling])
    for one in telling:
        mine = still.get(name(one.host, 255), ())
        findings.settle_absent(
            db, run_id, one, [found for found in mine if found.fingerprint not in seen]
        )


def _still_newest(db: Connection, run_id: int, rows: Sequence[Values]) -> list[Values]:
    """Return the rows of whose subjects nothing newer is known than what they judge."""
    table = tables.latest_result
    newest = set()
    for keys in batched(row["fingerprint"] for row in rows):
        where = (table.c.fingerprint.in_(keys), table.c.run_id == run_id)
        found = db.execute(select(table.c.fingerprint, table.c.observed_at).where(*where))
        newest |= {(one.fingerprint, one.observed_at) for one in found}
    return [row for row in rows if (row["fingerprint"], row["observed_at"]) in newest]


def _site(db: Connection, run_id: int) -> str:
    site = db.execute(select(tables.run.c.site).where(tables.run.c.id == run_id)).scalar()
    if site is None:
        raise StoreError(f"there is no run {run_id}")
    return str(site)


def _add_reports(db: Connection, run_id: int, answers: Sequence[Observed]) -> dict[str, int]:
    """Return the new answers' rows by host; none for one that is there already: whoever gets the row goes on."""
    table = tables.report
    values = [
        {
            "run_id": run_id,
            "host": name(one.host, 255),
            "observed_at": one.observed_at,
            "requests": packed([asdict(request) for request in one.requests]),
            "due": packed([asdict(due) for due in one.due]),
        }
        for one in answers
    ]
    made = db.execute(
        insert(db, table).on_conflict_do_nothing().returning(table.c.id, table.c.host), values
    )
    ids = {row.host: int(row.id) for row in made}
    stored = {one.host: name(one.host, 255) for one in answers}
    return {host: ids[kept] for host, kept in stored.items() if kept in ids}


def _add_run_hosts(db: Connection, run_id: int, answers: Sequence[Observed]) -> None:
    """Keep how it went with the hosts; a later answer's outcome stands."""
    values = [
        {
            "run_id": run_id,
            "host": name(one.host, 255),
            "outcome": one.outcome.value,
            "message": told(one.message),
            "observed_at": one.observed_at,
            "seconds": one.seconds,
            "python": shown(one.python, 40),
            "clock_offset_seconds": one.clock_offset_seconds,
            "seen_from": name(one.seen_from, 255) if one.seen_from else "",
            "isolation": shown(one.isolated.id, 40) if one.isolated else "",
            "isolated_since": one.isolated.since if one.isolated else None,
            "isolated_by": shown(one.isolated.by, 200) if one.isolated else "",
        }
        for one in answers
        if one.host != SITE_HOST
    ]
    upsert(db, tables.run_host, values, ["run_id", "host"], newest=("observed_at",))


def _add_observations(db: Connection, answers: Sequence[tuple[int, Observed]]) -> None:
    """Keep observations by their answer's row, and the evidence behind them once by its hash."""
    proofs = {
        one.sha256: one.observation.raw.encode("utf-8", "surrogateescape")
        for _id, answer in answers
        for one in answer.seen
        if one.sha256
    }
    lock_evidence(db, shared=True)
    known: set[str] = set()
    table = tables.evidence
    for some in batched(proofs):
        known |= set(db.execute(select(table.c.sha256).where(table.c.sha256.in_(some))).scalars())
    new = [
        {"sha256": sha256, "size_bytes": len(raw), "content": zlib.compress(raw, 6)}
        for sha256, raw in sorted(
            proofs.items()
        )  # in one order, so that no two writers lock crosswise
        if sha256 not in known
    ]
    insert_new(db, table, new)
    rows = [
        {
            "report_id": report_id,
            "number": number,
            "request": one.request,
            "subject": name(one.observation.subject),
            "data": packed(one.observation.data),
            "error": told(one.observation.error),
            "evidence_sha256": one.sha256,
        }
        for report_id, answer in answers
        for number, one in enumerate(answer.seen)
    ]
    insert_new(db, tables.observation, rows)


def _result_rows(
    run_id: int,
    report_id: int,
    judgement: int,
    site: str,
    observed: Observed,
    broken: Collection[str],
) -> list[Values]:
    """Return the results' rows in the order of their keys. broken: the checks whose results are doubted."""
    rows = {}
    for result in observed.results:
        # Of whoever answered, whatever stands in the result.
        host, check = name(observed.host, 255), name(result.check, 200)
        subject = name(result.subject)
        key = fingerprint(site, check, host, subject)
        rows[key] = {
            "run_id": run_id,
            "report_id": report_id,
            "judgement": judgement,
            "fingerprint": key,
            "host": host,
            "check_id": check,
            "subject": subject,
            "status": result.status.value,
            "severity": result.severity.value if result.severity else None,
            "severity_rank": result.severity.rank if result.severity else None,
            "message": told(result.message),
            "remedy": told(result.remedy),
            "measures": packed([asdict(measure) for measure in result.measures]),
            "controls": packed(list(result.controls)),
            "observed_at": result.observed_at or observed.observed_at,
            "evidence_sha256": result.evidence_sha256,
            "observation": result.observation,
            "unknown": result.unknown.value if result.unknown else "",
            "doubted": check in broken,
        }
    return [rows[key] for key in sorted(rows)]


def _sightings(site: str, observed: Observed) -> dict[str, Sighting]:
    """Return how each subject that failed was seen, by the fingerprint of its result."""
    looks: dict[str, CheckLook] = {}
    found = {}
    for one in observed.results:
        if one.status is not Status.FAIL:
            continue
        if one.check not in looks:
            looks[one.check] = look_of(observed, one.check)
        look = looks[one.check]
        behind = observed.seen[one.observation] if one.observation is not None else None
        of = behind.observation.of if behind else ""
        keys = (name(one.check, 200), name(observed.host, 255), name(one.subject))
        how = Sighting(cause=name(one.cause))
        if look.uid is not None:
            how = Sighting(shown(of, 100), look.asked, look.uid, how.cause)
        found[fingerprint(site, *keys)] = how
    return found


def _measure_rows(run_id: int, rows: Sequence[Values]) -> Iterator[Values]:
    """Yield a row for each measure that is a number; what is none stands in the result only."""
    for row in rows:
        for measure in json.loads(row["measures"]):
            value = number(measure["value"])
            if value is None:
                continue
            yield {
                "run_id": run_id,
                "fingerprint": row["fingerprint"],
                "name": name(measure["name"], 100),
                "unit": shown(measure["unit"], 40),
                "value": value,
                "observed_at": row["observed_at"],
            }


def latest_row(site: str, row: Values) -> Values:
    """Return what is known of a subject now, by a row of the result table."""
    names = ("fingerprint", "host", "check_id", "subject", "status", "severity", "message")
    kept = {name: row[name] for name in (*names, "observed_at", "run_id")}
    own = {name: row.get(name, none) for name, none in (("unknown", ""), ("doubted", False))}
    return {"site": site} | own | kept


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


def _of_report(report_id: int) -> ColumnElement[bool]:
    return and_(tables.result.c.report_id == report_id, tables.result.c.judgement == 0)


def _results(db: Connection, where: Any) -> Iterator[Result]:
    table = tables.result
    order = case((table.c.status == "fail", 0), (table.c.status == "unknown", 1), else_=2)
    rows = (
        select(table)
        .where(where)
        .order_by(order, table.c.severity_rank, table.c.check_id, table.c.host, table.c.subject)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    for row in db.execute(rows):
        yield of_row(row)


def _why_unknown(row: Row[Any]) -> Unknown | None:
    if row.status != Status.UNKNOWN.value:
        return None
    return Unknown(row.unknown) if row.unknown else Unknown.CANNOT_SEE


def of_row(row: Row[Any]) -> Result:
    """Return the result of a row of the table."""
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
        unknown=_why_unknown(row),
        doubted=row.doubted,
    )
