"""Whether all that was signed is there, as it was signed, and reviews are as their records say."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from upkeep.model.text import counted
from upkeep.rules import incident_chain, review_chain, reviews
from upkeep.rules.incident_chain import KnownIncidents
from upkeep.rules.incidents import RECORD, entry_of
from upkeep.rules.review_chain import KnownReviews, RecordEvent
from upkeep.rules.reviews import Signature
from upkeep.rules.signatures import Signed, broken, holds
from upkeep.services import chain_end
from upkeep.services.chain_end import End
from upkeep.store import Connection, files, records, review_evidence, review_records
from upkeep.store import incidents as stored_incidents
from upkeep.store import reviews as stored
from upkeep.store.reviews import UNREADABLE, KeptReview


def problems_of(
    db: Connection,
    trusted: frozenset[str],
    end: End | None = None,
    go_on: Callable[[], object] = lambda: None,
) -> Iterator[str]:
    """Yield what is wrong with the chain of signatures, record by record, and with reviews; nothing if all holds.

    end: the newest record that this installation has noted, outside of the database. go_on: is called for each record.
    """
    kept = list(records.chain(db))
    yield from broken(_each(kept, go_on), trusted)
    yield from chain_end.missing(end, (one.signed for one in kept))
    known = KnownReviews()
    incidents = _Incidents()
    signed: dict[str, list[Signature]] = {}
    damaged: set[str] = set()
    seen: set[str] = set()
    for one in kept:
        go_on()
        place = f"record {one.signed.number}"
        try:
            event, named, made = _read(db, one.signed)
            said = [*review_chain.follow(known, event), *incidents.follow(event)]
        except UNREADABLE:
            incidents.damaged |= _named_by(one) if one.kind == RECORD else set()
            damaged |= _named_by(one) if one.kind != RECORD else set()
            if holds(one.signed.key, one.signed.text, one.signed.signature):
                yield f"{place}: it was signed, but this program does not know its content"
            continue
        if made:
            signed.setdefault(event.about, []).append(made)
        if (event.record.get("kind"), event.record.get("about")) != (one.kind, one.about):
            yield f"{place}: it is stored under {one.kind} {one.about}, for which it was not signed"
        yield from said
        new = [sha256 for sha256 in named if sha256 not in seen]
        seen.update(new)
        yield from (f"{place}: {problem}" for sha256 in new if (problem := _lost(db, sha256)))
    yield from _raw_lost(db, go_on)
    kept_reviews, unreadable = stored.everything(db)
    for number in unreadable:
        damaged.add(str(number))
        yield f"review {number}: its row cannot be read; this program did not write it like this"
    rows = [(one.terms, bool(one.closed_at)) for one in kept_reviews]
    yield from review_chain.against(known, rows, damaged)
    rows_of_incidents = stored_incidents.everything(db)
    yield from incident_chain.against(incidents.known, rows_of_incidents, incidents.damaged)
    for review in kept_reviews:
        if str(review.id) in damaged:
            continue  # what its records say is not known
        yield from _unlike_signed(review, signed.get(str(review.id), []))


@dataclass
class _Incidents:
    """What the records say of incidents. damaged: the numbers of those of which a record cannot be read."""

    known: KnownIncidents = field(default_factory=KnownIncidents)
    damaged: set[str] = field(default_factory=set)

    def follow(self, event: RecordEvent) -> Iterator[str]:
        """Take a record in; yield what it says of incidents that the records before it do not allow."""
        if event.kind == RECORD:
            entry = entry_of(event.record)
            yield from incident_chain.follow(
                self.known,
                event.about,
                str(event.record["site"]),
                replace(entry, number=event.number),
            )
        elif event.kind == review_chain.RENAMED:
            self.known.rename(event.record)


def _each(kept: Sequence[records.KeptRecord], go_on: Callable[[], object]) -> Iterator[Signed]:
    for one in kept:
        go_on()
        yield one.signed


def remarks_of(db: Connection) -> Iterator[str]:
    """Yield what is no mistake and says less than is recorded by now: what older programs have opened and signed."""
    known = KnownReviews()
    for one in records.chain(db):
        with suppress(*UNREADABLE):
            list(review_chain.follow(known, _read(db, one.signed)[0]))
    if known.version_1:
        count = counted(known.version_1, "signature")
        yield f"{count} of version 1: what the review asked, and four_eyes, are not part of them"
    rows = [one.terms for one in stored.everything(db)[0]]
    for some, words in (
        (known.older, "opened before openings were recorded; recorded as they stood then"),
        (
            review_chain.unrecorded(known, rows),
            "opened before openings were recorded; not recorded yet",
        ),
    ):
        if some:
            yield f"{counted(len(some), 'review')} ({_ranges(some)}) {words}"


def _named_by(one: records.KeptRecord) -> set[str]:
    """Return what a record is about, by itself and by the row that it is kept in."""
    try:
        return {one.about, str(json.loads(one.signed.text)["about"])}
    except UNREADABLE:
        return {one.about}


def _read(db: Connection, one: Signed) -> tuple[RecordEvent, list[str], Signature | None]:
    """Return a record as far as it is about reviews, the hashes that it names, and what somebody has signed by it.

    It is what it says itself, whatever the row says that it is kept in.
    """
    record = json.loads(one.text)
    kind, about = record["kind"], record["about"]
    named = [record.get("evidence_sha256", ""), record.get("listed_sha256", "")]
    named += [each["sha256"] for each in record.get("attachments", ())]
    named.append(record.get("review", {}).get("evidence_sha256", ""))
    listed = made = None
    if kind == review_chain.LISTED:
        with suppress(ValueError):
            listed = review_records.listed(db, record)
    if kind == review_chain.SIGNED:
        made = reviews.signature_of({**record, "number": one.number})
    event = RecordEvent(one.number, kind, about, record, listed)
    return event, [*filter(None, named)], made


def _lost(db: Connection, sha256: str) -> str:
    """Return what is wrong with what is kept by a hash; empty if nothing is."""
    try:
        content = files.content_of(db, sha256)
    except zlib.error:
        content = b""
    if content is None:
        return f"the content that it names by the hash {sha256} is missing"
    right = hashlib.sha256(content).hexdigest() == sha256
    return "" if right else f"the content that it names by the hash {sha256} is different"


def _raw_lost(db: Connection, go_on: Callable[[], object]) -> Iterator[str]:
    """Yield what is wrong with what hosts said, of what reviews show: it is kept as long as they are."""
    for sha256, packed in review_evidence.named_raw(db):
        go_on()
        if packed is None:
            yield f"raw evidence {sha256}: a review shows it, but it is missing"
            continue
        try:
            right = hashlib.sha256(zlib.decompress(packed)).hexdigest() == sha256
        except (zlib.error, TypeError):
            right = False
        if not right:
            yield f"raw evidence {sha256}: a review shows it, but it is different"


def _unlike_signed(review: KeptReview, signed: Sequence[Signature]) -> Iterator[str]:
    """Yield it if a review is kept as signed that is not, or as open that is."""
    closed_at = reviews.standing(review.asked, signed, review.opened_at).closed_at
    if closed_at != review.closed_at:
        found, expected = (
            f"closed at {one.isoformat()}" if one else "open"
            for one in (review.closed_at, closed_at)
        )
        yield f"review {review.id}: it is stored as {found}; by its signatures it is {expected}"


def _ranges(numbers: Sequence[int]) -> str:
    """Return `1 to 12, 14`."""
    found: list[list[int]] = []
    for one in sorted(numbers):
        if found and one == found[-1][1] + 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in found)
