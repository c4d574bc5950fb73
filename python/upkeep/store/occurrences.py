"""Occurrences of schedules: made once by their unique key, claimed once, brought to an end once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from upkeep.model.answer import UNSEEN, Outcome
from upkeep.model.clock import STEP_SECONDS
from upkeep.model.occurrence import (
    CLAIMED,
    DEBT,
    DUE,
    MISSED,
    OPEN,
    RUNNING,
    SKIPPED,
    Debt,
    NewOccurrence,
    Occurrence,
)
from upkeep.model.run_end import Ending, Reason, ending, kept
from upkeep.model.stored_text import name, told
from upkeep.model.text import natural
from upkeep.store import tables
from upkeep.store.engine.statements import insert, insert_new, upsert

UNSEEN_VALUES = {one.value for one in UNSEEN}
NOT_DONE = ("failed", "left_out")
"""What a job notes of a host on which it has not done its work."""


# --- when was looked -------------------------------------------------------------------------------------------------
def look(db: Connection, site: str, schedule: str, rule: str, now: datetime) -> datetime | None:
    """Return until when the rule's due times have become occurrences, and note that they have until now.

    None if the rule is new or was edited: what would have been due before is nobody's. The row's lock makes drivers
    come here one after the other. A time ahead of now comes from a clock that was wrong: from now on it counts again.
    What was looked at before a clock went back is not looked at a second time once it is past again.
    """
    table = tables.timing
    where = (table.c.site == name(site), table.c.schedule == schedule)
    values = {"site": name(site), "schedule": schedule, "rule": rule, "looked_until": now}
    values["reached_at"] = now
    db.execute(insert(db, table).values(values).on_conflict_do_nothing())
    row = db.execute(select(table).where(*where).with_for_update()).one()
    reached: datetime = row.reached_at or row.looked_until
    changed = {"rule": rule, "looked_until": now, "reached_at": max(reached, now)}
    db.execute(update(table).where(*where).values(changed))
    if row.rule != rule:
        return None
    return min(_looked_until(row, now), now)


def _looked_until(row: Row[Any], now: datetime) -> datetime:
    """Return until when was looked, before a clock went back too if it is past that again."""
    looked: datetime = row.looked_until
    reached: datetime = row.reached_at or looked
    return max(looked, reached) if reached <= now else looked


def looked(db: Connection, site: str, now: datetime) -> dict[str, tuple[str, datetime]]:
    """Return by schedule the rule that was looked at, and until when."""
    table = tables.timing
    rows = db.execute(select(table).where(table.c.site == name(site)))
    return {row.schedule: (row.rule, _looked_until(row, now)) for row in rows}


def forget_schedules(db: Connection, site: str, there: Iterable[str], now: datetime) -> None:
    """End what waits of schedules that are not there any more."""
    table = tables.occurrence
    gone = and_(table.c.site == name(site), table.c.schedule.not_in(list(there)))
    values = {"state": SKIPPED, "cause": "its procedure was removed", "finished_at": now}
    values["reasons"] = Reason.REMOVED.value
    db.execute(update(table).where(gone, table.c.state == DUE).values(values))
    for one in (tables.debt, tables.timing):
        where = (one.c.site == name(site), one.c.schedule.not_in(list(there)))
        db.execute(delete(one).where(*where))


# --- a clock that was wrong ------------------------------------------------------------------------------------------
def is_any_early(db: Connection, site: str, now: datetime) -> bool:
    """Return whether anything was missed or skipped without a run whose time has not come: a clock was ahead."""
    table = tables.occurrence
    query = select(table.c.id).where(_early(site, now)).limit(1)
    return db.execute(query).first() is not None


def reopen(db: Connection, site: str, now: datetime) -> set[tuple[str, str]]:
    """Make occurrences wait that were missed or skipped too early; return the schedules, each with the host of a debt.

    What was made for it besides, and has not begun, is removed: catch-ups, and tries to pay a debt. What was struck
    out is owed again.
    """
    table, review = tables.occurrence, tables.review
    again = set()
    for row in db.execute(select(table).where(_early(site, now), table.c.kind == DEBT)).all():
        debt = Debt(row.site, row.schedule, row.host, row.due_at, row.next_due_at, "not seen", now)
        insert_new(db, tables.debt, [asdict(debt)])
        db.execute(delete(table).where(table.c.id == row.id))
        again.add((row.schedule, row.host))
    unbegun = and_(table.c.run_id.is_(None), table.c.state.in_((DUE, MISSED, SKIPPED)))
    besides = (table.c.site == name(site), table.c.kind != DUE, table.c.due_at > now, unbegun)
    reviewed = exists().where(review.c.occurrence_id == table.c.id)
    db.execute(delete(table).where(*besides, ~reviewed))
    values = {"state": DUE, "cause": "", "reasons": "", "driver_id": "", "claimed_at": None}
    values["finished_at"] = None
    early = update(table).where(_early(site, now), table.c.kind == DUE).values(values)
    again |= {(one, "") for one in db.execute(early.returning(table.c.schedule)).scalars()}
    return again


def _early(site: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition for what was missed, skipped or struck out without a run before its time.

    What is skipped is so from its due time on, and by drivers whose clocks differ a little.
    """
    table = tables.occurrence
    a_little = timedelta(seconds=STEP_SECONDS)
    return and_(
        table.c.site == name(site),
        table.c.run_id.is_(None),
        table.c.state.in_((MISSED, SKIPPED)),
        table.c.begins_at > now,
        or_(
            and_(table.c.kind == DUE, table.c.state == MISSED),
            and_(table.c.kind == DUE, table.c.due_at > now + a_little),
            and_(table.c.kind == DEBT, table.c.state == MISSED, table.c.next_due_at > now),
        ),
    )


def last_settled(db: Connection, site: str, schedule: str, now: datetime) -> str:
    """Return the state in which the last occurrence before now has ended; empty if there is none."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.schedule == schedule, table.c.due_at <= now)
    query = select(table.c.state).where(*where, table.c.state.not_in(OPEN), table.c.host == "")
    found = db.execute(query.order_by(table.c.due_at.desc(), table.c.id.desc()).limit(1)).scalar()
    return str(found or "")


# --- life ------------------------------------------------------------------------------------------------------------
def make(db: Connection, new: Sequence[NewOccurrence]) -> None:
    """Make the occurrences that are not there yet."""
    rows = []
    for one in new:
        values = vars(one) | {"site": name(one.site), "host": name(one.host, 255)}
        values |= {"lacks": told(one.lacks), "cause": told(one.cause), "driver_id": ""}
        values["finished_at"] = None if one.state in OPEN else one.begins_at
        rows.append(values)
    insert_new(db, tables.occurrence, rows)


def waiting(db: Connection, site: str, now: datetime) -> list[Occurrence]:
    """Return what waits for a driver and may begin, the most urgent first."""
    table = tables.occurrence
    query = (
        select(table)
        .where(table.c.site == name(site), table.c.state == DUE, table.c.begins_at <= now)
        .order_by(table.c.priority, table.c.begins_at, table.c.id)
    )
    return [of_row(row) for row in db.execute(query)]


def under_way(db: Connection, site: str) -> list[Occurrence]:
    """Return what is claimed or runs."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.state.in_((CLAIMED, RUNNING)))
    return [of_row(row) for row in db.execute(select(table).where(*where).order_by(table.c.id))]


def get(db: Connection, occurrence_id: int) -> Occurrence | None:
    """Return the occurrence, or None."""
    table = tables.occurrence
    row = db.execute(select(table).where(table.c.id == occurrence_id)).first()
    return of_row(row) if row else None


def find(db: Connection, site: str, schedule: str, due_at: datetime) -> Occurrence | None:
    """Return the occurrence that was due then, or None."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.schedule == schedule, table.c.kind == DUE)
    row = db.execute(select(table).where(*where, table.c.due_at == due_at)).first()
    return of_row(row) if row else None


def between(
    db: Connection, site: str, after: datetime, until: datetime, count: int = 1000
) -> list[Occurrence]:
    """Return what was due in a time, newest first."""
    table = tables.occurrence
    query = (
        select(table)
        .where(table.c.site == name(site), table.c.due_at > after, table.c.due_at <= until)
        .order_by(table.c.due_at.desc(), table.c.id.desc())
        .limit(count)
    )
    return [of_row(row) for row in db.execute(query)]


def last_run_at(db: Connection, site: str, schedule: str) -> datetime | None:
    """Return when an occurrence of the schedule has ended in a run last."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.schedule == schedule, table.c.run_id.is_not(None))
    return db.execute(select(func.max(table.c.finished_at)).where(*where)).scalar()


def claim(
    db: Connection,
    occurrence_id: int,
    driver_id: str,
    now: datetime,
    states: Sequence[str] = (DUE,),
) -> bool:
    """Claim an occurrence for a driver; False if somebody else has."""
    table = tables.occurrence
    where = (table.c.id == occurrence_id, table.c.state.in_(states))
    values = {
        "state": CLAIMED,
        "driver_id": driver_id,
        "claimed_at": now,
        "cause": "",
        "reasons": "",
        "finished_at": None,
    }
    return db.execute(update(table).where(*where).values(values)).rowcount == 1


def give_back(db: Connection, occurrence_id: int, driver_id: str) -> bool:
    """Make an occurrence wait again that its driver has claimed and not begun."""
    table = tables.occurrence
    where = (table.c.id == occurrence_id, table.c.state == CLAIMED, table.c.driver_id == driver_id)
    values = {"state": DUE, "driver_id": "", "claimed_at": None}
    return (
        db.execute(update(table).where(*where, table.c.run_id.is_(None)).values(values)).rowcount
        == 1
    )


def begin(db: Connection, occurrence_id: int, driver_id: str, run_id: int) -> bool:
    """Tie a claimed occurrence to the run that begins; False if the driver has not got it, or it has a run."""
    table = tables.occurrence
    claimed = and_(table.c.state == CLAIMED, table.c.driver_id == driver_id)
    where = (table.c.id == occurrence_id, claimed, table.c.run_id.is_(None))
    changed = update(table).where(*where).values(state=RUNNING, run_id=run_id)
    return db.execute(changed).rowcount == 1


def end(
    db: Connection,
    occurrence_id: int,
    ended: Ending,
    now: datetime,
    states: Sequence[str] = OPEN,
) -> bool:
    """Bring an occurrence to its end; False if it has come to one."""
    table = tables.occurrence
    where = (table.c.id == occurrence_id, table.c.state.in_(states))
    values = {"state": ended.state, "cause": told(ended.cause), "finished_at": now}
    values["reasons"] = kept(ended.reasons)
    return db.execute(update(table).where(*where).values(values)).rowcount == 1


def run_ended(
    db: Connection,
    run_id: int,
    status: str,
    cause: str,
    now: datetime,
    reason: Reason | None = None,
) -> Occurrence | None:
    """Bring a run's occurrence to its end, if it has one, and return it; write up or strike out what hosts owe.

    Done is executed on every host by its end time, whatever the verdicts; what was not is partial, and says why.
    """
    table = tables.occurrence
    row = db.execute(select(table).where(table.c.run_id == run_id)).first()
    run = db.execute(select(tables.run).where(tables.run.c.id == run_id)).one()
    outcomes = {
        one.host: one.outcome
        for one in db.execute(select(tables.run_host).where(tables.run_host.c.run_id == run_id))
        if not one.seen_from  # a source is owed by whoever looks at it
    }
    unseen = sorted(host for host, outcome in outcomes.items() if outcome in UNSEEN_VALUES)
    _settle(db, run, executed_on(db, run_id))
    if row is None:
        return None
    one = of_row(row)
    if one.owed and status not in ("interrupted", "crashed"):
        why = dict.fromkeys(_left_out(db, run_id), f"isolated in run {run_id}")
        why |= dict.fromkeys(unseen, f"not checked in run {run_id}")
        _owe(db, one, why, now)
    ended = ending(
        status,
        cause,
        reason,
        unseen=unseen,
        failed_jobs=_failed_jobs(db, run_id),
        late=now - one.ends_by,
        is_any_seen=Outcome.OK.value in outcomes.values(),
    )
    end(db, one.id, ended, now, (CLAIMED, RUNNING))
    return get(db, one.id)


def _left_out(db: Connection, run_id: int) -> set[str]:
    """Return the hosts that a job left as they are."""
    table = tables.change
    where = (table.c.run_id == run_id, table.c.kind == "left_out")
    return set(db.execute(select(table.c.host).where(*where)).scalars())


def _failed_jobs(db: Connection, run_id: int) -> int:
    table = tables.change
    where = (table.c.run_id == run_id, table.c.kind == "failed")
    return int(db.execute(select(func.count(table.c.host.distinct())).where(*where)).scalar_one())


# --- debts -----------------------------------------------------------------------------------------------------------
def debts(db: Connection, site: str) -> list[Debt]:
    """Return what hosts owe, oldest first."""
    table = tables.debt
    rows = db.execute(
        select(table).where(table.c.site == name(site)).order_by(table.c.due_at, table.c.host)
    )
    found = [Debt(**row._mapping) for row in rows]
    return sorted(found, key=lambda one: (one.due_at, natural(one.host)))


def tried(db: Connection, those: Collection[Debt], now: datetime) -> None:
    """Note that debts are tried to be paid."""
    for one in those:
        db.execute(update(tables.debt).where(_of_debt(one)).values(tried_at=now))


def being_tried(db: Connection, site: str) -> set[tuple[str, str]]:
    """Return the schedules and hosts of debts for which a try waits or runs."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.kind == DEBT, table.c.state.in_(OPEN))
    rows = db.execute(select(table.c.schedule, table.c.host, table.c.hosts).where(*where))
    return {(row.schedule, host) for row in rows for host in (row.hosts or row.host).split(",")}


def strike_out(db: Connection, one: Debt) -> bool:
    """Remove a debt; False if it is gone."""
    return db.execute(delete(tables.debt).where(_of_debt(one))).rowcount == 1


def _owe(db: Connection, one: Occurrence, why: Mapping[str, str], now: datetime) -> None:
    rows = [
        asdict(
            Debt(
                one.site,
                one.schedule,
                host,
                one.due_at,
                one.next_due_at,
                reason,
                now,
            )
        )
        for host, reason in sorted(why.items())
    ]
    if one.kind == DEBT:
        return  # it is owed already, and stays as old as it is
    upsert(db, tables.debt, rows, ["site", "schedule", "host"])


def executed_on(db: Connection, run_id: int) -> set[str]:
    """Return the hosts on which a run has done all of its procedure: seen, no job failed, nothing only tried."""
    run, host, change = tables.run, tables.run_host, tables.change
    failed = select(change.c.host).where(change.c.run_id == run_id, change.c.kind.in_(NOT_DONE))
    found = db.execute(
        select(host.c.host)
        .join(run, run.c.id == host.c.run_id)
        .where(run.c.id == run_id, run.c.check_mode.is_(False))
        .where(host.c.outcome == Outcome.OK.value, host.c.host.not_in(failed))
    )
    return set(found.scalars())


def behind(db: Connection, site: str, schedule: str) -> set[str]:
    """Return the hosts that have not caught up with what they owed, and have not executed the procedure since."""
    table, run, host, change = tables.occurrence, tables.run, tables.run_host, tables.change
    missed = db.execute(
        select(table.c.host, func.max(table.c.due_at))
        .where(table.c.site == name(site), table.c.schedule == schedule, table.c.host != "")
        .where(table.c.state == MISSED)
        .group_by(table.c.host)
    )
    owed = {one.host: one[1] for one in missed}
    if not owed:
        return set()
    failed = exists().where(
        change.c.run_id == run.c.id, change.c.host == host.c.host, change.c.kind.in_(NOT_DONE)
    )
    executed = db.execute(
        select(host.c.host, func.max(host.c.observed_at))
        .join(run, run.c.id == host.c.run_id)
        .where(run.c.site == name(site), run.c.procedure == schedule, run.c.check_mode.is_(False))
        .where(
            host.c.observed_at >= min(owed.values()), host.c.outcome == Outcome.OK.value, ~failed
        )
        .group_by(host.c.host)
    )
    since = {one.host: one[1] for one in executed}
    return {host for host, due in owed.items() if host not in since or since[host] < due}


def _settle(db: Connection, run: Row[tuple[object, ...]], hosts: Collection[str]) -> None:
    """Strike out what the hosts owed of the run's procedure."""
    if not hosts:
        return
    table = tables.debt
    where = (table.c.site == run.site, table.c.schedule == run.procedure)
    owing = set(db.execute(select(table.c.host).where(*where)).scalars())
    paid = sorted(owing & set(hosts))
    if paid:
        db.execute(delete(table).where(*where, table.c.host.in_(paid)))


def _of_debt(one: Debt) -> ColumnElement[bool]:
    table = tables.debt
    return and_(
        table.c.site == name(one.site), table.c.schedule == one.schedule, table.c.host == one.host
    )


def of_row(row: Row[tuple[object, ...]]) -> Occurrence:
    """Return the occurrence of a row of the table."""
    return Occurrence(**row._mapping)
