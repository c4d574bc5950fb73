"""Whether reviews and the records of them say the same, in both directions. Pure; store/review_records.py writes them.

The machine records what a review asks when it opens, and whenever it moves; from version 2 on people's signatures
repeat it. What older programs opened is listed in one record. So each record leads to a row, and each row to a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

TERMS = "review_terms"
LISTED = "reviews_listed"
SIGNED = "review"
RENAMED = "site_name"
VERSION = 2
"""Of records that name all that a review asks; those of version 1 name a part of it."""


class What(Enum):
    """What the machine records of a review."""

    OPENED = "opened"
    HANDED_OVER = "handed_over"
    COLLECTED = "collected"


MAY_MOVE = {
    What.OPENED: frozenset[str](),
    What.HANDED_OVER: frozenset({"owner"}),
    What.COLLECTED: frozenset({"evidence_sha256", "gap", "run_id"}),
}
"""What else may change of a review, and never the rest: until when it is due, what it asks, who must sign."""


@dataclass(frozen=True)
class RecordEvent:
    """A record as far as it is about reviews. listed: the terms in a record of older ones; None if they are lost."""

    number: int
    kind: str
    about: str
    record: Mapping[str, Any]
    listed: Iterable[Mapping[str, Any]] | None = None


@dataclass
class KnownReviews:
    """What the records say, up to one of them. terms, at: by the review's number; signed: with the last signature's.

    begun: whether the machine records openings by now. whole: whether all that was listed could be read.
    """

    terms: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    signed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    signed_at: dict[str, int] = field(default_factory=dict)
    older: list[int] = field(default_factory=list)
    version_1: int = 0
    begun: bool = False
    whole: bool = True

    def take(self, about: str, terms: Mapping[str, Any], number: int) -> None:
        """Apply these terms from that record on."""
        self.terms[about] = terms
        self.at[about] = number

    def rename(self, was: str, now: str) -> None:
        """Apply another name of a site to what the records before said of its reviews."""
        for said in (self.terms, self.signed):
            for about, terms in said.items():
                if terms.get("site") == was:
                    said[about] = {**terms, "site": now}


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what a review's terms are not those that were recorded."""
    for key, value in expected.items():
        if found.get(key) != value:
            yield f"its {key} is {found.get(key)!r:.100}; the record has {value!r:.100}"


def follow(known: KnownReviews, event: RecordEvent) -> Iterator[str]:
    """Take a record in; yield what it says that the records before it do not allow."""
    if event.kind == LISTED:
        yield from _listed(known, event)
    elif event.kind == TERMS:
        yield from _moved(known, event)
    elif event.kind == SIGNED:
        yield from _signed(known, event)
    elif event.kind == RENAMED:
        known.rename(event.record["was"], event.record["now"])


def against(
    known: KnownReviews, rows: Iterable[tuple[Mapping[str, Any], bool]], damaged: Iterable[str] = ()
) -> Iterator[str]:
    """Yield in what reviews are not as the records say.

    rows: the terms of each, and whether all have signed. damaged: those of which a record cannot be read.
    """
    there = set(damaged)
    for terms, is_closed in rows:
        about = str(terms["id"])
        if about in there:
            continue
        there.add(about)
        yield from (f"review {about}: {one}" for one in _unlike(known, about, terms, is_closed))
    for about in sorted((known.at.keys() | known.signed.keys()) - there, key=_number):
        numbers = [each[about] for each in (known.at, known.signed_at) if about in each]
        yield f"review {about}: it does not exist any more, but record {max(numbers)} names it"


def unrecorded(known: KnownReviews, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the reviews that opened before the machine recorded any."""
    return [] if known.begun else [one["id"] for one in rows if str(one["id"]) not in known.terms]


def _listed(known: KnownReviews, event: RecordEvent) -> Iterator[str]:
    known.begun = True
    if event.listed is None:
        known.whole = False
        return
    for terms in event.listed:
        about = str(terms["id"])
        if about in known.terms:
            yield f"record {event.number}: it lists review {about}, which record {known.at[about]} names"
        known.take(about, terms, event.number)
        known.older.append(terms["id"])


def _moved(known: KnownReviews, event: RecordEvent) -> Iterator[str]:
    what, terms, about = What(event.record["what"]), event.record["review"], event.about
    place = f"record {event.number}"
    known.begun = True
    before = known.terms.get(about)
    if what is What.OPENED:
        if before is not None:
            yield f"{place}: it opens review {about} again, after record {known.at[about]}"
    elif before is None:
        if known.whole:
            yield f"{place}: no record before it opens review {about}"
    else:
        fixed = {key: value for key, value in before.items() if key not in MAY_MOVE[what]}
        yield from (f"{place}: {one}" for one in differences(terms, fixed))
    known.take(about, terms, event.number)


def _signed(known: KnownReviews, event: RecordEvent) -> Iterator[str]:
    terms, about = event.record["review"], event.about
    before = known.terms.get(about)
    if event.record["version"] < VERSION:
        known.version_1 += 1
    elif before is not None:
        yield from (f"record {event.number}: {one}" for one in differences(terms, before))
    elif known.whole:
        yield f"record {event.number}: no record before it opens review {about}"
    shown = {"evidence_sha256": event.record["evidence_sha256"]}
    known.signed[about], known.signed_at[about] = {**terms, **shown}, event.number


def _unlike(
    known: KnownReviews, about: str, terms: Mapping[str, Any], is_closed: bool
) -> Iterator[str]:
    """Yield in what one review is not as the records say."""
    if about in known.terms:
        yield from differences(terms, known.terms[about])
    elif known.begun and known.whole:
        yield "no record opens it"
    signed = known.signed.get(about)
    if signed is None:
        return
    # While somebody must sign still, it may be handed over; what they are shown stays.
    said = signed if is_closed else {"evidence_sha256": signed["evidence_sha256"]}
    recorded = known.terms.get(about, {})
    new = {key: value for key, value in said.items() if recorded.get(key) != value}
    yield from differences(terms, new)


def _number(about: str) -> tuple[int, str]:
    return (int(about), "") if about.isdecimal() else (0, about)
