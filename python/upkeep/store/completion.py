"""What completion is reckoned from: a month's occurrences and reviews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from upkeep.completion import Completion, Looked, Unopened, complete, month_of
from upkeep.reviews import Verdict, in_force, standing
from upkeep.schedule_file import Schedule
from upkeep.store import occurrences, reviews, tables
from upkeep.store.occurrences import Occurrence
from upkeep.store.reviews import Item, Kept
from upkeep.store.texts import name


def completion(
    db: Connection, site: str, schedule: Schedule, month: str, now: datetime
) -> Completion:
    """Return how much of what was due in a month was done."""
    begins, ends = month_of(month, schedule.time_zone)
    due = list(_occurrences(db, site, begins, ends))
    looked = reviews.between(db, site, begins, ends)
    opened = {(one.procedure, one.item, one.due_of) for one in looked}
    unopened = _unopened(
        schedule, due, opened, reviews.watched(db, site), reviews.opened_until(db, site)
    )
    return complete(schedule, month, due, _looked(db, looked, now), unopened, now)


def _looked(db: Connection, found: list[Kept], now: datetime) -> Iterator[Looked]:
    """Yield the reviews with how they stand."""
    signed = reviews.signatures(db, (one.id for one in found))
    for one in found:
        said = [
            each.reason
            for each in in_force(signed[one.id])
            if each.verdict is Verdict.NOT_APPLICABLE
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
    due: list[Occurrence],
    opened: set[tuple[str, str, datetime]],
    since: Mapping[Item, datetime],
    until: Mapping[Item, datetime],
) -> Iterator[Unopened]:
    """Yield the reviews of missed due times for which a later one stands."""
    for one in due:
        procedure = schedule.procedures.get(one.schedule)
        if procedure is None or one.kind != occurrences.DUE or one.state != occurrences.MISSED:
            continue
        for review in procedure.reviews:
            item = (one.schedule, review.id)
            asked = item in since and since[item] < one.due_at < until.get(item, one.due_at)
            if asked and (*item, one.due_at) not in opened:
                yield Unopened(one.schedule, review.owner or procedure.owner, one.due_at)


def _occurrences(
    db: Connection, site: str, begins: datetime, ends: datetime
) -> Iterator[Occurrence]:
    """Yield what was due in a time, oldest first."""
    table = tables.occurrence
    where = (table.c.site == name(site), table.c.due_at >= begins, table.c.due_at < ends)
    query = select(table).where(*where).order_by(table.c.due_at, table.c.id)
    for row in db.execute(query.execution_options(yield_per=1000)):
        yield occurrences.of_row(row)
