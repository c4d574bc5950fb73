"""Findings as they are kept: what `upkeep.rules.findings` says of each is loaded, moved and saved here.

Each move is a row of finding_event, a transition: the only thing that alerts look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from upkeep.checks.upkeep.blind import ID as BLIND
from upkeep.checks.upkeep.forged_result import ID as FORGED_RESULT
from upkeep.checks.upkeep.occurrence_missed import ID as OCCURRENCE_MISSED
from upkeep.checks.upkeep.run_failed import ID as RUN_FAILED
from upkeep.judging.check import CONNECTION, DECLARED, load
from upkeep.judging.judge import EVERYTHING
from upkeep.model.answer import OWN_HOST as OWN_HOST
from upkeep.model.answer import SITE_HOST, Observed
from upkeep.model.source import is_source
from upkeep.model.stored_text import name
from upkeep.model.verdicts import Severity, Status
from upkeep.rules import absence
from upkeep.rules.findings import Finding as Finding
from upkeep.rules.findings import (
    FindingKind,
    FindingState,
    Moved,
    SeenResult,
    Sighting,
    Transition,
    covered_anew,
    next_state,
    retired,
)
from upkeep.rules.waivers import Waiver, together
from upkeep.store import blind_spots, tables, waivers
from upkeep.store.engine.statements import Values, batched

OPEN, RESOLVED, RETIRED = (
    FindingState.OPEN.value,
    FindingState.RESOLVED.value,
    FindingState.RETIRED.value,
)
GONE = FindingState.GONE.value
NOT_SAID = Sighting()
NOT_ASKED = "the check is not listed for this host any more"
OF_NO_LIST = (FORGED_RESULT, BLIND)
"""What is told of a host and follows from no list of what is due on it, nor from the way to it."""
NO_RUN = 0


@dataclass(frozen=True)
class Looks:
    """Hosts with checks that are looked at anew. first: never before; upgraded: not by this version of the program."""

    first: Collection[tuple[str, str]] = ()
    upgraded: Collection[tuple[str, str]] = ()


NOTHING_NEW = Looks()


def move(
    db: Connection,
    run_id: int,
    site: str,
    rows: Sequence[Values],
    *,
    looks: Looks = NOTHING_NEW,
    judgement: int = 0,
    how: Mapping[str, Sighting] | None = None,
) -> None:
    """Move the findings by new results.

    rows: of the result table, each the newest of its subject, whose latest_result this transaction has just written:
    that row's lock makes two runs that see the same subject come here one after the other.
    looks: which hosts and checks are new. how: each was seen, by fingerprint.
    judgement: the number of the judging again.
    """
    by_key = {row["fingerprint"]: row for row in rows if row["status"] != Status.UNKNOWN.value}
    known = _known(db, by_key)
    failing = [row for row in by_key.values() if row["status"] == Status.FAIL.value]
    covered = _covered(db, site, failing)
    told: dict[str, tuple[Transition, ...]] = {}
    opened, changed = [], []
    for key, row in by_key.items():
        before = known.get(key)
        seen = _seen(row, site, (how or {}).get(key, NOT_SAID), again=not judgement)
        after, told[key] = next_state(before, seen, covered.get(key))
        if after is not None and before is None:
            opened.append(after)
        elif after is not None and after != before:
            changed.append(after)
    ids = {one.fingerprint: one.id for one in changed} | _insert(db, opened)
    _update(db, changed)
    new = {one.fingerprint for one in opened}
    events = []
    for key, transitions in told.items():
        pair = by_key[key]["host"], by_key[key]["check_id"]
        is_first = key in new and pair in looks.first
        for one in transitions:
            upgraded = pair in looks.upgraded and one.kind in (
                FindingKind.OPENED,
                FindingKind.REOPENED,
            )
            same = {"first": is_first, "upgraded": upgraded, "judgement": judgement}
            events.append(_event(ids[key], run_id, one) | same)
    if events:
        db.execute(insert(tables.finding_event), events)


def _known(db: Connection, keys: Iterable[str]) -> dict[str, Finding]:
    table = tables.finding
    known = {}
    for some in batched(keys):
        for row in db.execute(select(table).where(table.c.fingerprint.in_(some))):
            known[row.fingerprint] = of_row(row)
    return known


def _seen(row: Values, site: str, how: Sighting, *, again: bool) -> SeenResult:
    return SeenResult(
        fingerprint=row["fingerprint"],
        site=site,
        host=row["host"],
        check_id=row["check_id"],
        subject=row["subject"],
        status=Status(row["status"]),
        severity=Severity(row["severity"]) if row["severity"] else None,
        message=row["message"],
        remedy=row["remedy"],
        at=row["observed_at"],
        again=again,
        procedure=row.get("procedure", ""),
        how=how,
    )


def _insert(db: Connection, opened: Sequence[Finding]) -> dict[str, int]:
    """Keep new findings; return their numbers, by fingerprint."""
    if not opened:
        return {}
    table = tables.finding
    values = [_values(one) for one in opened]
    for one in values:
        del one["id"]
    made = db.execute(insert(table).returning(table.c.id, table.c.fingerprint), values)
    return {one.fingerprint: one.id for one in made}


def _update(db: Connection, changed: Sequence[Finding]) -> None:
    if not changed:
        return
    values = [_values(one) for one in changed]
    for one in values:
        one["key"] = one.pop("id")
    columns: Values = {column: bindparam(column) for column in values[0] if column != "key"}
    table = tables.finding
    db.execute(update(table).where(table.c.id == bindparam("key")).values(columns), values)


def _values(one: Finding) -> Values:
    return vars(one) | {
        "status": str(one.status),
        "severity": one.severity.value,
        "severity_rank": one.severity.rank,
    }


def _event(finding_id: int, run_id: int, one: Transition) -> Values:
    return {
        "finding_id": finding_id,
        "run_id": run_id,
        "kind": one.kind.value,
        "at": one.at,
        "severity": one.severity.value if one.severity else None,
        "message": one.message,
        "handled_at": one.at if one.quiet else None,
    }


# --- waivers ---------------------------------------------------------------------------------------------------------
def settle_waivers(db: Connection, site: str, now: datetime) -> int:
    """Apply the waivers that hold now, and no others, to the open findings; return how many changed.

    For when a waiver begins or ends; what hosts say anew is covered as it comes.
    """
    table, latest = tables.finding, tables.latest_result
    holding = waivers.in_force(db, site, now)
    checks = {one.scope.check_id for one in holding} | ({BLIND} if holding else set())
    query = select(table, latest.c.run_id).outerjoin(
        latest, latest.c.fingerprint == table.c.fingerprint
    )
    query = query.where(table.c.site == site, table.c.status == OPEN)
    query = query.where(or_(table.c.waiver_id.is_not(None), table.c.check_id.in_(checks)))
    # As whoever sees a subject does: first the lock of its latest result, in one order; then it is looked at.
    for keys in batched(sorted(one.fingerprint for one in db.execute(query))):
        mine = select(latest.c.fingerprint).where(latest.c.fingerprint.in_(keys))
        db.execute(mine.order_by(latest.c.fingerprint).with_for_update())
    rows = db.execute(query.order_by(table.c.fingerprint)).all()
    blinds = _blinds(db, site, {one.host for one in rows if one.check_id == BLIND})
    used = set()
    before = waivers.by_number(db, [one.waiver_id for one in rows if one.waiver_id])
    changed = 0
    for row in rows:
        values = dict(row._mapping)
        run_id = values.pop("run_id") or 0
        one = of_values(values)
        names = (one.check_id, one.host, one.subject)
        fitting = together(holding, *names, one.severity, blinds.get(names, ()))
        used |= {each.id for each in fitting}
        waiver = next(iter(fitting), None)
        after, told = covered_anew(one, waiver, before.get(one.waiver_id or 0), now)
        if after is None or after == one:
            continue
        same = (table.c.status == OPEN, table.c.severity == one.severity.value)
        moved = update(table).where(table.c.id == one.id, *same).values(waiver_id=after.waiver_id)
        if not db.execute(moved).rowcount:
            continue  # it has moved meanwhile, and was looked at then
        changed += 1
        db.execute(insert(tables.finding_event), [_event(one.id, run_id, each) for each in told])
    waivers.used(db, used, now)
    return changed


def _blinds(
    db: Connection, site: str, hosts: Collection[str]
) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """Return the checks that can read nothing because of it, by the names of what fails of blindness on some hosts."""
    found = blind_spots.blinded(db, site, hosts)
    return {(BLIND, host, subject): checks for (host, subject), checks in found.items()}


def _covered(db: Connection, site: str, failing: Sequence[Values]) -> dict[str, Waiver]:
    """Return the waivers that cover failures, by their fingerprint.

    What was observed before a waiver was approved is covered too, when it is judged again after that.
    """
    if not failing:
        return {}
    at = min(row["observed_at"] for row in failing)
    holding = waivers.in_force(db, site, at)
    if not holding:
        return {}
    covered = {}
    seen: dict[int, datetime] = {}
    blinds = _blinds(db, site, {row["host"] for row in failing if row["check_id"] == BLIND})
    for row in failing:
        names = (row["check_id"], row["host"], row["subject"])
        still = [one for one in holding if one.ends_at > row["observed_at"]]
        fitting = together(still, *names, Severity(row["severity"]), blinds.get(names, ()))
        if fitting:
            covered[row["fingerprint"]] = fitting[0]
        for one in fitting:
            seen[one.id] = max(row["observed_at"], seen.get(one.id, row["observed_at"]))
    for number in sorted(seen):
        waivers.used(db, [number], seen[number])
    return covered


def on_hosts(
    db: Connection, run_id: int, site: str, hosts: Sequence[str]
) -> dict[str, list[Finding]]:
    """Return the open findings of some hosts that no later run has seen, by host.

    Of the site as a whole, those that a run of this procedure has ever seen: of others it says nothing, for its hosts
    may be others too.
    """
    found: dict[str, list[Finding]] = {}
    run, table, result = tables.run, tables.finding, tables.result
    procedure = select(run.c.procedure).where(run.c.id == run_id).scalar_subquery()
    its_own = select(run.c.id).where(run.c.site == site, run.c.procedure == procedure)
    seen = select(result.c.id).where(
        result.c.run_id.in_(its_own),
        result.c.judgement == 0,
        result.c.fingerprint == table.c.fingerprint,
    )
    for some in batched(hosts):
        where = [table.c.site == site, table.c.host.in_(some)]
        if SITE_HOST in some:
            where.append(or_(table.c.host != SITE_HOST, seen.exists()))
        for one in _open_on(db, *where, run_id=run_id):
            found.setdefault(one.host, []).append(of_row(one))
    return found


def settle_absent(
    db: Connection, run_id: int, observed: Observed, still: Sequence[Finding]
) -> None:
    """Move those of a host's open findings of which its answer says nothing, by what their absence means.

    observed: asked for by the host's groups; still: the findings that no result of it is about.
    """
    asked, at = observed.asked, observed.observed_at
    due = {one.check for one in observed.due}
    for one in still:
        if one.subject == CONNECTION or one.check_id in OF_NO_LIST:
            continue
        if EVERYTHING not in asked and one.check_id not in asked:
            continue
        if one.check_id not in due:
            _end(db, run_id, one, retired(one, NOT_ASKED, at))
        elif (check := load().get(one.check_id)) is not None:
            look = absence.look_of(observed, check.id)
            if absence.is_there(one, observed, check):
                moved = absence.passed_over(one, look, at)
            else:
                moved = absence.unseen(one, look, check.absence or DECLARED, at)
            _end(db, run_id, one, moved)


def retire_hosts(db: Connection, run_id: int, hosts: Iterable[str], at: datetime) -> int:
    """Retire what a run's procedure last saw on these hosts; return how many findings that is.

    For hosts that have left the inventory: absent.py says which.
    """
    run, table, latest = tables.run, tables.finding, tables.latest_result
    now = db.execute(select(run.c.site, run.c.procedure).where(run.c.id == run_id)).one()
    before = select(run.c.id).where(run.c.site == now.site, run.c.procedure == now.procedure)
    retired = 0
    for some in batched(sorted(hosts)):
        gone = _open_on(
            db,
            table.c.site == now.site,
            table.c.host.in_(some),
            latest.c.run_id.in_(before),
            run_id=run_id,
        )
        missed = table.c.check_id == OCCURRENCE_MISSED
        subjects = [on_host(now.procedure, one) for one in some]
        gone += _open_own(db, table.c.site == now.site, missed, table.c.subject.in_(subjects))
        retired += _retire(db, run_id, at, [(one, _left(one.host)) for one in gone])
        mine = (latest.c.site == now.site, latest.c.host.in_(some), latest.c.run_id.in_(before))
        spot = tables.blind_spot
        db.execute(delete(spot).where(spot.c.site == now.site, spot.c.host.in_(some)))
        cut_off = tables.isolated_host
        db.execute(delete(cut_off).where(cut_off.c.site == now.site, cut_off.c.host.in_(some)))
        # Nothing is known of it now; unless a later run has seen it meanwhile.
        db.execute(delete(latest).where(*mine, latest.c.run_id <= run_id))
    return retired


def _left(host: str) -> str:
    """Return why what was seen there is retired."""
    if is_source(host):
        return "no host is asked about the source any more"
    return "the host is not in the inventory"


def retire_unscheduled(db: Connection, site: str, asked: Collection[str], at: datetime) -> int:
    """Retire findings of checks that no procedure asks for any more; return how many.

    asked: all checks that the site's procedures name; for a site whose procedures all name theirs.
    """
    table = tables.finding
    where = (
        table.c.site == site,
        table.c.check_id.not_in([*asked, *OF_NO_LIST]),
        table.c.subject != CONNECTION,
    )
    gone = _open_on(db, *where)
    return _retire(db, 0, at, [(one, "no procedure runs the check any more") for one in gone])


def retire_procedures(db: Connection, site: str, there: Collection[str], at: datetime) -> int:
    """Retire what the product has said of procedures that are not there any more; return how many findings."""
    table = tables.finding
    of_procedures = table.c.check_id.in_((RUN_FAILED, OCCURRENCE_MISSED))
    told = _open_own(db, table.c.site == name(site), of_procedures)
    gone = [one for one in told if one.procedure not in there]
    return _retire(db, 0, at, [(one, "the procedure was removed") for one in gone])


def on_host(procedure: str, host: str) -> str:
    """Return the subject of what the product says itself of a procedure on one host: `daily on web1`."""
    return name(f"{procedure} on {host}")


def open_of_check(db: Connection, site: str, hosts: Collection[str], check: str) -> list[Finding]:
    """Return the open findings of one check on some hosts."""
    table = tables.finding
    found = []
    for some in batched(sorted(hosts)):
        mine = (table.c.site == site, table.c.check_id == check, table.c.host.in_(some))
        rows = db.execute(select(table).where(*mine, table.c.status == OPEN))
        found += [of_row(row) for row in rows]
    return found


def own_subjects(db: Connection, site: str, check: str) -> set[str]:
    """Return the subjects for which one of Upkeep's own checks fails."""
    table = tables.finding
    found = _open_own(db, table.c.site == name(site), table.c.check_id == check)
    return {one.subject for one in found}


def of_connections(db: Connection, site: str, hosts: Sequence[str]) -> list[Finding]:
    """Return what is open on the way to these hosts."""
    table = tables.finding
    found: list[Any] = []
    for some in batched(hosts):
        where = (table.c.site == site, table.c.status == OPEN, table.c.subject == CONNECTION)
        found += db.execute(select(table).where(*where, table.c.host.in_(some))).all()
    return [of_row(row) for row in found]


def _open_own(db: Connection, *where: ColumnElement[bool]) -> list[Any]:
    """Return the open findings that are the product's own, in the order in which all lock them."""
    table = tables.finding
    query = select(table).where(table.c.status == OPEN, table.c.host == OWN_HOST, *where)
    return list(db.execute(query.order_by(table.c.fingerprint)))


def _open_on(db: Connection, *where: ColumnElement[bool], run_id: int | None = None) -> list[Any]:
    """Return the open findings that no later run than this one has seen, in the order in which all lock them."""
    table, latest = tables.finding, tables.latest_result
    query = select(table).outerjoin(latest, latest.c.fingerprint == table.c.fingerprint)
    query = query.where(table.c.status == OPEN, table.c.host != OWN_HOST, *where)
    if run_id is not None:
        query = query.where(or_(latest.c.run_id.is_(None), latest.c.run_id <= run_id))
    return list(db.execute(query.order_by(table.c.fingerprint)))


def _retire(db: Connection, run_id: int, at: datetime, gone: Sequence[tuple[Any, str]]) -> int:
    """Retire findings, each for a reason; return how many that is."""
    found = [(of_row(row), why) for row, why in gone]
    return sum(_end(db, run_id, one, retired(one, why, at)) for one, why in found)


def _end(db: Connection, run_id: int, one: Finding, moved: Moved) -> bool:
    """Keep a finding that was moved without a result; return whether it has ended.

    What is known of its subject now goes with it.
    """
    table, latest = tables.finding, tables.latest_result
    after, told = moved
    if after is None or after == one:
        return False
    if told:
        # Whoever sees the subject again waits for this row, or has it already: then it is there after all.
        known = delete(latest).where(latest.c.fingerprint == one.fingerprint)
        if run_id:
            known = known.where(latest.c.run_id <= run_id)
        db.execute(known)
    values = {key: value for key, value in _values(after).items() if key != "id"}
    mine = (table.c.id == one.id, table.c.status == OPEN, table.c.count == one.count)
    if not db.execute(update(table).where(*mine).values(values)).rowcount:
        return False
    if told:
        db.execute(insert(tables.finding_event), [_event(one.id, run_id, each) for each in told])
    return bool(told)


def waived_by(db: Connection, site: str) -> dict[int, int]:
    """Return how many open findings each waiver of a site covers, by the waiver's number."""
    table = tables.finding
    query = select(table.c.waiver_id, func.count().label("number")).where(
        table.c.site == site, table.c.status == OPEN, table.c.waiver_id.is_not(None)
    )
    return {row.waiver_id: row.number for row in db.execute(query.group_by(table.c.waiver_id))}


def with_waivers(
    db: Connection, found: Iterable[Finding], now: datetime
) -> list[tuple[Finding, Waiver | None]]:
    """Return findings with the waiver that covers them; one that has ended since then covers nothing."""
    found = list(found)
    known = waivers.by_number(db, [one.waiver_id for one in found if one.waiver_id])
    rows = []
    for one in found:
        waiver = known.get(one.waiver_id) if one.waiver_id else None
        if waiver is not None and not waiver.holds(now):
            waiver = None
        rows.append((replace(one, waiver_id=waiver.id if waiver else None), waiver))
    return rows


def open_ones(db: Connection, everything: bool = False, *, site: str = "") -> list[Finding]:
    """Return the open findings, or all of them, worst first, the oldest of a severity first; site: of one only."""
    table = tables.finding
    query = select(table).order_by(table.c.status, table.c.severity_rank, table.c.opened_at)
    if not everything:
        query = query.where(table.c.status == OPEN)
    if site:
        query = query.where(table.c.site == name(site))
    return [of_row(row) for row in db.execute(query)]


def history(db: Connection, finding_id: int) -> list[tuple[datetime, str, str]]:
    """Return what happened to a finding: when, what, and the message then."""
    table = tables.finding_event
    rows = db.execute(select(table).where(table.c.finding_id == finding_id).order_by(table.c.id))
    return [(row.at, row.kind, row.message) for row in rows]


def of_row(row: Any) -> Finding:
    """Return the finding of a row of the table."""
    return of_values(dict(row._mapping))


def of_values(values: Values) -> Finding:
    """Return the finding of the table's columns."""
    values = {column: value for column, value in values.items() if column != "severity_rank"}
    return Finding(**{**values, "severity": Severity(values["severity"])})
