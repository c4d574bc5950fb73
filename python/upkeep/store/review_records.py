"""What the machine itself signs of reviews, in the chain of what people sign: that they opened, and what moved since.

So a review that is removed or changed in the database is missed by its records, and one that is put there has none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from upkeep.rules.review_chain import LISTED, TERMS, VERSION, What, differences
from upkeep.rules.signatures import canonical
from upkeep.store import files, records, reviews, tables
from upkeep.store.reviews import KeptReview, NewReview


def open_one(db: Connection, key: Ed25519PrivateKey, new: NewReview, now: datetime) -> int | None:
    """Open a review and record it; return its number, or None if somebody else has opened it."""
    list_older(db, key, now)
    number = reviews.open_one(db, new)
    if number is not None:
        record(db, key, What.OPENED, reviews.get(db, new.site, number), now)
    return number


def record(
    db: Connection,
    key: Ed25519PrivateKey,
    what: What,
    review: KeptReview | None,
    now: datetime,
    **more: str,
) -> None:
    """Append what a review asks from now on. more: who moved it, and why."""
    assert review is not None
    body = {
        "version": VERSION,
        "what": what.value,
        "at": now.astimezone(UTC).isoformat(),
        "review": review.terms,
        **more,
    }
    records.append(db, key, TERMS, str(review.id), body)


def list_older(db: Connection, key: Ed25519PrivateKey, now: datetime) -> None:
    """Record once what older programs have opened, as it stands now; the transaction alone appends from here on."""
    records.hold(db)
    if begun(db):
        return
    older, _unreadable = reviews.everything(db)
    if not older:
        return
    content = canonical({"reviews": [one.terms for one in older]}).encode("ascii")
    body = {
        "version": VERSION,
        "at": now.astimezone(UTC).isoformat(),
        "reviews": len(older),
        "listed_sha256": files.keep(db, content),
    }
    records.append(db, key, LISTED, "", body)


def begun(db: Connection) -> bool:
    """Return whether the machine has recorded anything of reviews yet."""
    table = tables.signature
    query = select(table.c.number).where(table.c.kind.in_((TERMS, LISTED))).limit(1)
    return db.execute(query).first() is not None


def moved(db: Connection, review: KeptReview) -> str:
    """Return in what a review differs from its last record; empty if it does not, or nothing was recorded."""
    last = _last_terms(db, review.id)
    return next(differences(review.terms, last), "") if last else ""


def listed(db: Connection, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the record of older reviews lists.

    Raises: ValueError if that is not kept as it was.
    """
    try:
        content = files.content_of(db, record["listed_sha256"])
    except zlib.error as exc:
        raise ValueError(str(exc)) from exc
    if content is None:
        raise ValueError("not kept")
    found: list[dict[str, Any]] = json.loads(content)["reviews"]
    return found


def _last_terms(db: Connection, number: int) -> dict[str, Any] | None:
    """Return what was recorded last of a review; None if nothing was."""
    mine = records.of(db, TERMS, str(number))
    if mine:
        terms: dict[str, Any] = mine[-1]["review"]
        return terms
    return next(
        (
            one
            for record in records.of(db, LISTED)
            for one in listed(db, record)
            if one["id"] == number
        ),
        None,
    )
