"""What completion is reckoned from: a month's occurrences and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, select

from upkeep.model import occurrence
from upkeep.model.run_end import read
from upkeep.model.stored_text import name
from upkeep.rules.completion import (
    Completion,
    EndedOccurrence,
    Looked,
    Unopened,
    complete,
    month_of,
)
from upkeep.rules.reviews import ReviewVerdict, in_force, standing
from upkeep.site.schedule_file import Schedule
from upkeep.store import reviews, tables
from upkeep.store.reviews import Item, KeptReview


def completion(
    db: Connection, site: str, schedule: Schedule, month: str, now: datetime
) -> Completion:
    """Return how much of what was due in a month was done."""
    begins, ends = month_of(month, schedule.time_zone)
    looked = reviews.between(db, site, begins, ends)
    opened = {(one.procedure, one.item, one.due_of) for one in looked}
    reviewed = [one for one, procedure in schedule.procedures.items() if procedure.reviews]
    missed = _missed(db, site, reviewed, begins, ends)
    unopened = _unopened(
        schedule, missed, opened, reviews.watched(db, site), reviews.opened_until(db, site)
    )
    due = _ended(db, site, begins, ends)
    return complete(schedule, month, due, _looked(db, looked, now), unopened, now)


def _looked(db: Connection, found: list[KeptReview], now: datetime) -> Iterator[Looked]:
    """Yield the reviews with how they stand."""
    signed = reviews.signatures(db, (one.id for one in found))
    for one in found:
        said = [
            each.reason
            for each in in_force(signed[one.id])
            if each.verdict is ReviewVerdict.NOT_APPLICABLE
        ]
        yield Looked(
            procedure=one.procedure,
            team=one.owner,
            item=one.item,
            what=one.title,
            due_of=one.due_of,
            due_at=one.due_at,
            standing=standing(one.asked, signed[one.id], now),
            reason="; ".join(said),
        )


def _unopened(
    schedule: Schedule,
    missed: Iterable[tuple[str, datetime]],
    opened: set[tuple[str, str, datetime]],
    since: Mapping[Item, datetime],
    until: Mapping[Item, datetime],
) -> Iterator[Unopened]:
    """Yield the reviews of missed due times for which a later one stands."""
    for of, due_at in missed:
        procedure = schedule.procedures[of]
        for review in procedure.reviews:
            item = (of, review.id)
            asked = item in since and since[item] < due_at < until.get(item, due_at)
            if asked and (*item, due_at) not in opened:
                yield Unopened(of, review.owner or procedure.owner, due_at)


def _missed(
    db: Connection, site: str, of: Sequence[str], begins: datetime, ends: datetime
) -> Iterator[tuple[str, datetime]]:
    """Yield what was missed of these procedures, oldest first."""
    table = tables.occurrence
    where = (*_due_in(site, begins, ends), table.c.schedule.in_(of), _IS_MISSED)
    for row in db.execute(
        select(table.c.schedule, table.c.due_at).where(*where).order_by("due_at")
    ):
        yield row.schedule, row.due_at


def _ended(
    db: Connection, site: str, begins: datetime, ends: datetime
) -> Iterator[EndedOccurrence]:
    """Yield what was due in a time, added up where it is read: a procedure may be due every two minutes.

    What a debt did belongs to the occurrence of its host; what was missed and caught up on counts as its catch-up.
    """
    table, again = tables.occurrence, tables.occurrence.alias()
    caught_up = exists().where(
        again.c.site == table.c.site, again.c.schedule == table.c.schedule,
        again.c.due_at == table.c.due_at, again.c.kind == occurrence.CATCH_UP,
    )  # fmt: skip
    alike = (table.c.schedule, table.c.kind, table.c.state, table.c.cause, table.c.reasons)
    first, last = func.min(table.c.due_at), func.max(table.c.due_at)
    query = (
        select(*alike, func.count().label("times"), first.label("first"), last.label("last"))
        .where(*_due_in(site, begins, ends))
        .where(table.c.kind != occurrence.DEBT, ~(_IS_MISSED & caught_up))
        .group_by(*alike)
        .order_by(first)
    )
    for row in db.execute(query):
        is_again = row.kind == occurrence.CATCH_UP
        why = read(row.reasons)
        yield EndedOccurrence(
            row.schedule, row.state, row.cause, row.times, row.first, row.last, is_again, why
        )


_IS_MISSED = (tables.occurrence.c.kind == occurrence.DUE) & (
    tables.occurrence.c.state == occurrence.MISSED
)


def _due_in(site: str, begins: datetime, ends: datetime) -> tuple[ColumnElement[bool], ...]:
    table = tables.occurrence
    return table.c.site == name(site), table.c.due_at >= begins, table.c.due_at < ends
