"""Alerts: transitions that nobody has looked at yet, the alerts they make, and who has acknowledged them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, func, or_, select, update
from sqlalchemy import insert as new_row

from upkeep.model.errors import UsageError
from upkeep.model.stored_text import shown, written
from upkeep.model.text import exact
from upkeep.model.verdicts import Severity
from upkeep.rules.alerts.groups import FLAPPING_FOR, SETTLES_FOR, TELLS_EVERY, Board
from upkeep.rules.alerts.model import (
    ACKNOWLEDGED,
    CLOSED,
    INCIDENT,
    UNACKNOWLEDGED,
    WITHDRAWN,
    Alert,
    AlertTransition,
    Group,
    Member,
    Past,
)
from upkeep.store import tables
from upkeep.store.engine.statements import batched, insert, insert_new
from upkeep.store.findings import OPEN as FINDING_OPEN
from upkeep.store.runs import RUNNING

AT_ONCE = 5_000
FIRST_WAITS = timedelta(hours=1)
"""A first look, or one after an upgrade, is told as one when its run has ended; a run that hangs is not waited for."""


@dataclass(frozen=True)
class AlertEvent:
    """What happened to an alert."""

    at: datetime
    kind: str
    actor: str
    text: str


def begin(db: Connection, site: str, now: datetime) -> None:
    """Keep others off this site's transitions until the transaction ends.

    When a site's alerts begin, what is behind is only told as it stands: what is open becomes a first look, for
    history wakes nobody.
    """
    made = db.execute(
        insert(db, tables.alerting)
        .values(site=site, began_at=now)
        .on_conflict_do_nothing()
        .returning(tables.alerting.c.site)
    ).first()
    if made is None:
        where = tables.alerting.c.site == site
        db.execute(select(tables.alerting).where(where).with_for_update())
        _bring_back(db, site, now)
        return
    event, finding = tables.finding_event, tables.finding
    of_site = select(finding.c.id).where(finding.c.site == site)
    to_do = and_(event.c.handled_at.is_(None), event.c.finding_id.in_(of_site))
    of_open = of_site.where(finding.c.status == FINDING_OPEN)
    newest = (
        select(func.max(event.c.id))
        .where(event.c.finding_id.in_(of_open), event.c.kind.not_in(("severity", "cause")))
        .group_by(event.c.finding_id)
    )
    db.execute(update(event).where(to_do, event.c.id.in_(newest)).values(first=True))
    db.execute(update(event).where(to_do, event.c.id.not_in(newest)).values(handled_at=now))


def _bring_back(db: Connection, site: str, now: datetime) -> None:
    """Move times forward that a clock that was ahead has set, or they would wait until that time comes.

    A round may be up to TELLS_EVERY ahead by itself: then it is what a group that flaps tells next.
    """
    table = tables.alert
    ours = (table.c.site == site, table.c.closed_at.is_(None))
    latest = now + TELLS_EVERY
    db.execute(update(table).where(*ours, table.c.round_at > latest).values(round_at=latest))
    settles_at = now + SETTLES_FOR
    late = update(table).where(*ours, table.c.settles_at > settles_at)
    db.execute(late.values(settles_at=settles_at))


def pending(db: Connection, site: str, now: datetime) -> list[tuple[AlertTransition, str]]:
    """Return the transitions that nobody has looked at, oldest first, each with its finding's remedy.

    Those of a first look, or of the first one after an upgrade, wait until its run has ended, and with them what
    happens to the same findings meanwhile.
    """
    event, finding, run = tables.finding_event, tables.finding, tables.run
    to_do = and_(event.c.handled_at.is_(None), finding.c.site == site)
    as_one = or_(event.c.first, event.c.upgraded)
    waits = and_(
        as_one, run.c.status == RUNNING, event.c.at > now - FIRST_WAITS, run.c.site == site
    )
    waiting = (
        select(event.c.finding_id)
        .join(run, run.c.id == event.c.run_id)
        .where(event.c.handled_at.is_(None), waits)
    )
    rows = db.execute(
        select(
            event,
            finding.c.host,
            finding.c.check_id,
            finding.c.subject,
            finding.c.severity.label("finding_severity"),
            finding.c.remedy,
            finding.c.cause,
            func.coalesce(func.nullif(finding.c.procedure, ""), run.c.procedure).label("procedure"),
        )
        .join(finding, finding.c.id == event.c.finding_id)
        .outerjoin(run, run.c.id == event.c.run_id)
        .where(to_do, event.c.finding_id.not_in(waiting))
        .order_by(event.c.id)
        .limit(AT_ONCE)
    )
    return [(_transition(row), row.remedy) for row in rows]


def handled(db: Connection, transitions: Iterable[AlertTransition], now: datetime) -> None:
    """Mark transitions as looked at: none is looked at twice, in whatever order transactions end."""
    table = tables.finding_event
    numbers = [one.event_id for one in transitions]
    for some in batched(numbers):
        db.execute(update(table).where(table.c.id.in_(some)).values(handled_at=now))


def load_board(db: Connection, site: str, now: datetime) -> Board:
    """Return the site's open alerts, ready to be given what happened."""
    table = tables.alert
    # Locked: who acknowledges meanwhile waits, instead of being overwritten.
    rows = db.execute(
        select(table)
        .where(table.c.closed_at.is_(None), table.c.site == site)
        .order_by(table.c.id)
        .with_for_update()
    )
    found = [_alert(row) for row in rows]
    known: dict[str, Past] = {}

    def past(key: str) -> Past:
        if key not in known:
            known[key] = _past(db, key, now)
        return known[key]

    @cache  # a storm has thousands of transitions of one check, and what was opened before this step stays so
    def causes_of_late(check: str, team: str) -> frozenset[str]:
        return _causes_of_late(db, site, check, team, now)

    def causes(alert_id: int) -> set[str]:
        known = tables.alert_cause
        return set(db.execute(select(known.c.key).where(known.c.alert_id == alert_id)).scalars())

    held = members(db, [one.id for one in found])
    return Board(site, now, found, held, past, causes_of_late, causes)


def save(db: Connection, board: Board) -> dict[int, Alert]:
    """Record what has changed; return the alerts that did, by the numbers that the board knows them by."""
    saved: dict[int, Alert] = {}
    # Those that closed first: a group that opens again in the same moment may be open only once.
    for number in sorted(board.changed, key=lambda one: board.alerts[one].status != CLOSED):
        one = board.alerts[number]
        values = {key: value for key, value in asdict(one).items() if key != "id"}
        if number > 0:
            db.execute(update(tables.alert).where(tables.alert.c.id == number).values(values))
            saved[number] = one
        else:
            made = db.execute(
                new_row(tables.alert).values(values).returning(tables.alert.c.id)
            ).scalar_one()
            saved[number] = replace(one, id=int(made))
    for number, one in board.alerts.items():
        saved.setdefault(number, one)
    _save_members(db, board, saved)
    causes = [
        {
            "alert_id": saved[one.alert_id].id,
            "key": one.key,
            "since": board.now,
            "told_at": None if one.is_news else board.now,
        }
        for one in board.new_causes
    ]
    insert_new(db, tables.alert_cause, causes)
    events = [
        {
            "alert_id": saved[one.alert_id].id,
            "at": board.now,
            "kind": one.kind,
            "actor": one.actor,
            "text": shown(one.text),
        }
        for one in board.events
    ]
    if events:
        db.execute(new_row(tables.alert_event), events)
    return saved


def _save_members(db: Connection, board: Board, saved: Mapping[int, Alert]) -> None:
    """Record who is in which alert now: those that left first, for a finding is in one at a time."""
    table = tables.alert_finding
    joined = {(one.alert_id, one.finding_id): one for one in board.joined}
    now_in = {key for key in joined if board.where.get(key[1]) == key[0]}
    left = {(number, finding): how for number, finding, how in board.left}
    rows = [
        {
            "alert_id": saved[number].id,
            "finding_id": finding,
            "severity": joined[number, finding].severity,
            "joined_at": board.now,
            "left_at": None if (number, finding) in now_in else board.now,
            "how": "" if (number, finding) in now_in else left.get((number, finding), ""),
        }
        for number, finding in joined
    ]
    for (number, finding), how in left.items():
        if (number, finding) not in joined:
            mine = (table.c.alert_id == saved[number].id, table.c.finding_id == finding)
            db.execute(update(table).where(*mine).values(left_at=board.now, how=how))
    rows.sort(key=lambda row: row["left_at"] is None)
    if rows:
        statement = insert(db, table)
        changed = {name: statement.excluded[name] for name in ("severity", "left_at", "how")}
        keys = ["alert_id", "finding_id"]
        db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def told(db: Connection, alert: Alert, now: datetime) -> None:
    """Record that somebody was told of the alert's present round."""
    table = tables.alert
    values: dict[str, Any] = {"told_round": alert.round}
    if alert.told_at is None:
        values["told_at"] = now
    db.execute(update(table).where(table.c.id == alert.id).values(values))


def news(db: Connection, site: str) -> dict[int, dict[str, datetime]]:
    """Return, for each open alert, the causes of which nobody was notified yet, and since when each is there."""
    cause, table = tables.alert_cause, tables.alert
    query = select(cause.c.alert_id, cause.c.key, cause.c.since).join(
        table, table.c.id == cause.c.alert_id
    )
    found: dict[int, dict[str, datetime]] = {}
    where = (cause.c.told_at.is_(None), table.c.site == site, table.c.closed_at.is_(None))
    for row in db.execute(query.where(*where)):
        found.setdefault(row.alert_id, {})[row.key] = row.since
    return found


def told_news(
    db: Connection, alert: Alert, keys: Collection[str], now: datetime, *, counts: bool
) -> None:
    """Record that people have heard of an alert's new causes. counts: by a message that told nothing else."""
    cause, table = tables.alert_cause, tables.alert
    for some in batched(sorted(keys)):
        mine = (cause.c.alert_id == alert.id, cause.c.key.in_(some))
        db.execute(update(cause).where(*mine).values(told_at=now))
    values: dict[str, Any] = {"news_at": now}
    if counts:
        values["news"] = alert.news + 1
    db.execute(update(table).where(table.c.id == alert.id).values(values))


def note(
    db: Connection, alert_id: int, at: datetime, kind: str, text: str = "", by: str = ""
) -> None:
    """Record what happened to an alert."""
    values = {"alert_id": alert_id, "at": at, "kind": kind, "actor": shown(by, 200)}
    db.execute(new_row(tables.alert_event).values(values | {"text": shown(text)}))


def acknowledge(
    db: Connection, alert_id: int, by: str, at: datetime, until: datetime, note_text: str = ""
) -> Alert:
    """Record that it is acknowledged until then; nobody is notified before that, unless it gets worse.

    until: in the zone in which the alert's history is to say it.

    Raises: UsageError if there is no such alert, or it is closed.
    """
    table, note_text = tables.alert, written(note_text)
    values = {
        "status": ACKNOWLEDGED,
        "acknowledged_by": shown(by, 200),
        "acknowledged_at": at,
        "acknowledged_until": until,
        "note": note_text,
    }
    mine = (table.c.id == alert_id, table.c.status != CLOSED)
    if not db.execute(update(table).where(*mine).values(values)).rowcount:
        found = get(db, alert_id)
        how = f"alert {alert_id} is closed: {found.closed_how}" if found else ""
        raise UsageError(how or f"there is no alert {alert_id}", remedy="upkeep alert list")
    text = f"until {exact(until, seconds=False)}" + (f": {note_text}" if note_text else "")
    note(db, alert_id, at, "acknowledged", text, by)
    out = tables.outbox
    repeats = (out.c.alert_id == alert_id, out.c.kind == "alert", out.c.state == "waiting")
    db.execute(update(out).where(*repeats, out.c.due_at <= at).values(state="withdrawn"))
    found = get(db, alert_id)
    if found is None:
        raise AssertionError
    return found


def unacknowledge(db: Connection, alert_id: int, by: str, at: datetime) -> Alert:
    """Begin a new round of an acknowledged alert, as when an acknowledgement expires; return the alert as it was.

    Raises: UsageError if there is no such alert, or nobody has acknowledged it.
    """
    table = tables.alert
    row = db.execute(select(table).where(table.c.id == alert_id).with_for_update()).first()
    if row is None:
        raise UsageError(f"there is no alert {alert_id}", remedy="upkeep alert list")
    before = _alert(row)
    if before.status != ACKNOWLEDGED:
        closed = f"closed: {before.closed_how}" if before.status == CLOSED else ""
        raise UsageError(
            f"alert {alert_id} is {closed or 'not acknowledged'}", remedy="upkeep alert list"
        )
    begins = {"round": before.round + 1, "round_at": at, "round_why": WITHDRAWN}
    values = UNACKNOWLEDGED | begins
    db.execute(update(table).where(table.c.id == alert_id).values(values))
    note(db, alert_id, at, WITHDRAWN, f"was acknowledged by {before.acknowledged_by}", by)
    return before


def open_alerts(db: Connection, site: str | None = None) -> list[Alert]:
    """Return the alerts that are not closed, worst first, the oldest of a severity first."""
    table = tables.alert
    query = select(table).where(table.c.closed_at.is_(None))
    if site is not None:
        query = query.where(table.c.site == site)
    rows = db.execute(query.order_by(table.c.severity, table.c.opened_at, table.c.id))
    return [_alert(row) for row in rows]


def of_finding(db: Connection, finding_id: int) -> list[Alert]:
    """Return the open alerts that a finding is in."""
    table, held = tables.alert, tables.alert_finding
    mine = select(held.c.alert_id).where(held.c.finding_id == finding_id, held.c.left_at.is_(None))
    rows = db.execute(select(table).where(table.c.id.in_(mine), table.c.closed_at.is_(None)))
    return [_alert(row) for row in rows]


def recent(db: Connection, count: int, site: str | None = None) -> list[Alert]:
    """Return the newest alerts, closed ones too, newest first."""
    table = tables.alert
    query = select(table).order_by(table.c.id.desc()).limit(count)
    if site is not None:
        query = query.where(table.c.site == site)
    return [_alert(row) for row in db.execute(query)]


def get(db: Connection, alert_id: int) -> Alert | None:
    """Return the alert, or None."""
    row = db.execute(select(tables.alert).where(tables.alert.c.id == alert_id)).first()
    return _alert(row) if row else None


def history(db: Connection, alert_id: int) -> list[AlertEvent]:
    """Return what happened to an alert, oldest first."""
    table = tables.alert_event
    rows = db.execute(select(table).where(table.c.alert_id == alert_id).order_by(table.c.id))
    return [AlertEvent(row.at, row.kind, row.actor, row.text) for row in rows]


def members(
    db: Connection, alert_ids: Collection[int], *, everything: bool = False
) -> list[Member]:
    """Return the findings that are in alerts, in their order; with those that have left, if everything."""
    table, finding = tables.alert_finding, tables.finding
    found = []
    for some in batched(alert_ids):
        query = (
            select(
                table.c.alert_id,
                table.c.finding_id,
                table.c.severity.label("mapped"),
                table.c.how,
                finding,
            )
            .join(finding, finding.c.id == table.c.finding_id)
            .where(table.c.alert_id.in_(some))
        )
        if not everything:
            query = query.where(table.c.left_at.is_(None))
        found += [_member(row) for row in db.execute(query)]
    return sorted(found, key=lambda one: one.order)


def recipients(db: Connection, alert_id: int) -> list[str]:
    """Return who was notified of the alert, or is about to be."""
    table = tables.outbox
    where = (table.c.alert_id == alert_id, table.c.state != "withdrawn")
    return sorted(db.execute(select(table.c.recipient).where(*where).distinct()).scalars())


@dataclass(frozen=True)
class Before:
    """What of alerts is old: what ended before a time; and the last old number of each table of PRUNED_BY."""

    at: datetime
    alert: int
    event: int
    outbox: int
    silence: int
    override: int


PRUNED_BY = (
    tables.alert.c.opened_at,
    tables.alert_event.c.at,
    tables.outbox.c.made_at,
    tables.silence.c.made_at,
    tables.rota_override.c.made_at,
)
"""By which times the rows of these tables are old or young."""


def prune(db: Connection, before: Before) -> int:
    """Forget alerts, messages and silences that are old and have ended; return how many alerts."""
    alert, out, quiet, override = tables.alert, tables.outbox, tables.silence, tables.rota_override
    event = tables.alert_event
    lately = exists().where(event.c.alert_id == alert.c.id, event.c.id > before.event)
    closed = (alert.c.id <= before.alert) & (alert.c.closed_at < before.at) & ~lately
    gone = db.execute(delete(alert).where(closed)).rowcount
    open_ones = select(alert.c.id)
    unneeded = or_(out.c.alert_id.is_(None), out.c.alert_id.not_in(open_ones))
    db.execute(delete(out).where(out.c.id <= before.outbox, unneeded))
    for table, last in ((quiet, before.silence), (override, before.override)):
        db.execute(delete(table).where(table.c.id <= last, table.c.ends_at < before.at))
    return gone


def _past(db: Connection, key: str, now: datetime) -> Past:
    table = tables.alert
    newest = select(func.max(table.c.opening)).where(table.c.group_key == key)
    late = select(func.count()).where(
        table.c.group_key == key, table.c.opened_at >= now - FLAPPING_FOR
    )
    return Past(int(db.execute(newest).scalar() or 0), int(db.execute(late).scalar_one()))


def _causes_of_late(
    db: Connection, site: str, check: str, team: str, now: datetime
) -> frozenset[str]:
    """Return the groups of one cause each that the check has opened recently, by their keys."""
    table = tables.alert
    where = and_(
        table.c.site == site,
        table.c.kind == INCIDENT,
        table.c.check_id == check,
        table.c.team == team,
        table.c.opened_at >= now - FLAPPING_FOR,
    )
    causes = db.execute(select(table.c.cause).where(where).distinct()).scalars()
    return frozenset(Group(site, INCIDENT, check, cause, team).key for cause in causes)


def _transition(row: Row[Any]) -> AlertTransition:
    severity = row.severity or row.finding_severity
    return AlertTransition(
        event_id=row.id,
        finding_id=row.finding_id,
        kind=row.kind,
        at=row.at,
        host=row.host,
        check=row.check_id,
        subject=row.subject,
        severity=Severity(severity) if severity else None,
        message=row.message,
        run_id=row.run_id,
        procedure=row.procedure or "",
        first=row.first,
        judgement=row.judgement,
        upgraded=row.upgraded,
        named_cause=row.cause,
    )


def _member(row: Row[Any]) -> Member:
    return Member(
        alert_id=row.alert_id,
        finding_id=row.finding_id,
        host=row.host,
        check=row.check_id,
        subject=row.subject,
        severity=row.mapped,
        message=row.message,
        remedy=row.remedy,
        since=row.opened_at,
        named_cause=row.cause,
        how=row.how,
    )


def _alert(row: Row[Any]) -> Alert:
    return Alert(**row._mapping)
