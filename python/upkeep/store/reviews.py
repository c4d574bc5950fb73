"""Reviews: opened once by their unique key, handed over, signed, closed; and what signatures say of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from upkeep.model import occurrence
from upkeep.model.errors import StoreError
from upkeep.model.occurrence import Occurrence
from upkeep.model.stored_text import name, shown
from upkeep.rules.reviews import Asked, Signature, signature_of
from upkeep.rules.signatures import canonical, digest
from upkeep.site.schedule_file import FourEyes
from upkeep.store import occurrences, records, tables
from upkeep.store.engine.statements import batched, insert, insert_new

KIND = "review"
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
"""What comes of a text that is not what this program writes, such as half a JSON document or no date."""
Item = tuple[str, str]
"""A procedure's id and its review's id."""


@dataclass(frozen=True)
class NewReview:
    """A review to be opened.

    due_of: when its procedure was due. definition: what the schedule asks for. parent: the signature that asked for
    it, of a follow-up. since: when it was reviewed last. gap: what is missing of its evidence.
    """

    site: str
    procedure: str
    item: str
    due_of: datetime
    title: str
    owner: str
    opened_at: datetime
    due_at: datetime
    remind_at: datetime
    parties: tuple[str, ...] = ()
    four_eyes: FourEyes = "no"
    definition: dict[str, Any] = field(default_factory=dict)
    parent: int | None = None
    occurrence_id: int | None = None
    run_id: int | None = None
    since: datetime | None = None
    gap: str = ""
    evidence_sha256: str = ""

    @property
    def asked(self) -> Asked:
        """What it asks for."""
        return Asked(self.owner, self.due_at, self.remind_at, self.parties, self.four_eyes)


@dataclass(frozen=True)
class KeptReview(NewReview):
    """A review as it is kept. closed_at: since when nobody needs to sign any more."""

    id: int = 0
    closed_at: datetime | None = None

    @property
    def terms(self) -> dict[str, Any]:
        """All that it asks and shows, as its records say it; all but since when nobody needs to sign."""
        definition = canonical(self.definition)
        return {
            "id": self.id,
            "site": self.site,
            "procedure": self.procedure,
            "item": self.item,
            "title": self.title,
            "owner": self.owner,
            "due_of": self.due_of.isoformat(),
            "opened_at": self.opened_at.isoformat(),
            "due_at": self.due_at.isoformat(),
            "gap": self.gap,
            "parties": list(self.parties),
            "four_eyes": self.four_eyes,
            "definition_sha256": digest(definition),
            "remind_at": self.remind_at.isoformat(),
            "parent": self.parent,
            "occurrence_id": self.occurrence_id,
            "run_id": self.run_id,
            "since": self.since.isoformat() if self.since else None,
            "evidence_sha256": self.evidence_sha256,
        }


# --- opening ---------------------------------------------------------------------------------------------------------
def watch(
    db: Connection, site: str, items: Collection[Item], now: datetime
) -> dict[Item, datetime]:
    """Return since when the schedule asks for each of these, from now on for new ones; forget those that are gone."""
    table = tables.review_item
    rows = db.execute(select(table).where(table.c.site == name(site)))
    known = {(row.procedure, row.item): row.since for row in rows}
    for procedure, item in set(known) - set(items):
        where = (table.c.procedure == procedure, table.c.item == item)
        db.execute(delete(table).where(table.c.site == name(site), *where))
    new = [one for one in items if one not in known]
    insert_new(
        db,
        table,
        [
            {"site": name(site), "procedure": procedure, "item": item, "since": now}
            for procedure, item in new
        ],
    )
    return {one: known.get(one, now) for one in items}


def watched(db: Connection, site: str) -> dict[Item, datetime]:
    """Return since when the schedule asks for each review, so far."""
    table = tables.review_item
    rows = db.execute(select(table).where(table.c.site == name(site)))
    return {(row.procedure, row.item): row.since for row in rows}


def opened_until(db: Connection, site: str) -> dict[Item, datetime]:
    """Return the due time of the newest that has been opened of each."""
    table = tables.review
    rows = db.execute(
        select(table.c.procedure, table.c.item, func.max(table.c.due_of).label("due_of"))
        .where(table.c.site == name(site), table.c.parent.is_(None))
        .group_by(table.c.procedure, table.c.item)
    )
    return {(row.procedure, row.item): row.due_of for row in rows}


def occurrences_after(
    db: Connection, site: str, procedure: str, after: datetime
) -> list[Occurrence]:
    """Return what was due of a procedure after a time, and its catch-ups, oldest first."""
    table = tables.occurrence
    where = (
        table.c.site == name(site),
        table.c.schedule == procedure,
        table.c.due_at > after,
        table.c.kind.in_((occurrence.DUE, occurrence.CATCH_UP)),
    )
    # In the order of the unique key: SQLite would else go through what all procedures had.
    query = select(table).where(*where).order_by(table.c.due_at, table.c.kind, table.c.host)
    found = [occurrences.of_row(row) for row in db.execute(query)]
    return sorted(found, key=lambda one: (one.due_at, one.id))


def open_one(db: Connection, new: NewReview) -> int | None:
    """Open a review; return its number, or None if somebody else has."""
    values = asdict(new) | {"site": name(new.site), "owner": shown(new.owner, 100)}
    values |= {"title": shown(new.title), "gap": shown(new.gap)}
    values |= {key: json.dumps(values[key]) for key in ("parties", "definition")}
    table = tables.review
    made = insert(db, table).values(values).on_conflict_do_nothing().returning(table.c.id)
    row = db.execute(made).first()
    return row.id if row else None


def set_evidence(db: Connection, review_id: int, sha256: str, gap: str, run_id: int | None) -> None:
    """Replace the evidence that a review shows."""
    values = {"evidence_sha256": sha256, "gap": shown(gap), "run_id": run_id}
    db.execute(update(tables.review).where(tables.review.c.id == review_id).values(values))


def hand_over(db: Connection, review_id: int, owner: str) -> None:
    """Hand a review over to another team or person; its due time stays."""
    values = {"owner": shown(owner, 100)}
    db.execute(update(tables.review).where(tables.review.c.id == review_id).values(values))


def set_closed(db: Connection, review_id: int, closed_at: datetime | None) -> None:
    """Record since when all have signed, or that somebody must again."""
    changed = update(tables.review).where(tables.review.c.id == review_id)
    db.execute(changed.values(closed_at=closed_at))


# --- reading ---------------------------------------------------------------------------------------------------------
def get(db: Connection, site: str, review_id: int, *, lock: bool = False) -> KeptReview | None:
    """Return the site's review, or None; lock: nobody else signs it or moves it until the transaction ends."""
    if review_id >= 2**31:
        return None
    table = tables.review
    query = select(table).where(table.c.id == review_id, table.c.site == name(site))
    row = db.execute(query.with_for_update() if lock else query).first()
    return of_row(row) if row else None


def open_ones(db: Connection, site: str, due_before: datetime | None = None) -> list[KeptReview]:
    """Return what must be signed still, the soonest due first; due_before: only what is due by then."""
    table = tables.review
    query = select(table).where(table.c.site == name(site), table.c.closed_at.is_(None))
    if due_before is not None:
        query = query.where(table.c.due_at <= due_before)
    return [of_row(row) for row in db.execute(query.order_by(table.c.due_at, table.c.id))]


def between(
    db: Connection, site: str, begins: datetime, ends: datetime, count: int | None = None
) -> list[KeptReview]:
    """Return the reviews whose procedure was due in a time, or that are follow-ups due in it; oldest first."""
    table = tables.review
    due = and_(table.c.parent.is_(None), table.c.due_of >= begins, table.c.due_of < ends)
    follows = and_(table.c.parent.is_not(None), table.c.due_at >= begins, table.c.due_at < ends)
    query = select(table).where(table.c.site == name(site), or_(due, follows))
    rows = db.execute(query.order_by(table.c.due_of, table.c.id).limit(count))
    return [of_row(row) for row in rows]


def everything(db: Connection) -> tuple[list[KeptReview], list[int]]:
    """Return every review of all sites, and the numbers of those whose rows cannot be read."""
    query = select(tables.review).order_by(tables.review.c.id)
    with suppress(*UNREADABLE, StoreError):
        return [of_row(row) for row in db.execute(query)], []
    found, unreadable = [], []
    for number in db.execute(select(tables.review.c.id).order_by(tables.review.c.id)).scalars():
        try:
            found.append(of_row(db.execute(query.where(tables.review.c.id == number)).one()))
        except (*UNREADABLE, StoreError):
            unreadable.append(number)
    return found, unreadable


def newest(db: Connection, site: str, count: int) -> list[KeptReview]:
    """Return the reviews that were opened last, newest first."""
    table = tables.review
    query = select(table).where(table.c.site == name(site))
    rows = db.execute(query.order_by(table.c.opened_at.desc(), table.c.id.desc()).limit(count))
    return [of_row(row) for row in rows]


def previous(db: Connection, site: str, item: Item, before: datetime) -> KeptReview | None:
    """Return the review of the same item before a time, or None."""
    table = tables.review
    where = (table.c.site == name(site), table.c.procedure == item[0], table.c.item == item[1])
    query = select(table).where(*where, table.c.due_of < before)
    row = db.execute(query.order_by(table.c.due_of.desc()).limit(1)).first()
    return of_row(row) if row else None


def signatures(db: Connection, review_ids: Iterable[int]) -> dict[int, list[Signature]]:
    """Return the signatures of each review, in the order of the chain."""
    table = tables.signature
    found: dict[int, list[Signature]] = {number: [] for number in review_ids}
    for some in batched(str(number) for number in found):
        query = select(table.c.about, table.c.text).where(
            table.c.kind == KIND, table.c.about.in_(some)
        )
        for row in db.execute(query.order_by(table.c.number)):
            found[int(row.about)].append(signature_of(json.loads(row.text)))
    return found


def signatures_of(db: Connection, review_id: int) -> list[Signature]:
    """Return the signatures of a review, in the order of the chain."""
    return [signature_of(one) for one in records.of(db, KIND, str(review_id))]


def follow_ups_of(db: Connection, numbers: Sequence[int]) -> list[KeptReview]:
    """Return the follow-ups that signatures asked for."""
    table = tables.review
    rows = db.execute(select(table).where(table.c.parent.in_(numbers)).order_by(table.c.id))
    return [of_row(row) for row in rows]


def of_row(row: Row[Any]) -> KeptReview:
    """Return the review of a row of the table.

    Raises: StoreError if it is none that this program has written.
    """
    values = dict(row._mapping)
    try:
        parties, definition = json.loads(values["parties"]), json.loads(values["definition"])
    except ValueError:
        parties = definition = None
    if not isinstance(parties, list) or not isinstance(definition, dict):
        message = f"review {row.id} cannot be read: its row is not as this program writes it"
        raise StoreError(message, remedy="upkeep review verify  # see what was changed")
    return KeptReview(**values | {"parties": tuple(parties), "definition": definition})
