"""What records of reviews allow after one another, and what is missing at the end of a chain. Tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.rules.review_chain import (
    LISTED,
    SIGNED,
    TERMS,
    KnownReviews,
    RecordEvent,
    against,
    follow,
    unrecorded,
)
from upkeep.rules.signatures import Signed, digest
from upkeep.services import chain_end
from upkeep.services.chain_end import End

ASKS = {"id": 7, "owner": "ops", "four_eyes": "required", "due_at": "5 pm", "gap": "", "run_id": 1, "evidence_sha256": "aa"}  # fmt: skip


def terms(**other: Any) -> dict[str, Any]:
    return ASKS | other


def moved(number: int, what: str, **other: Any) -> RecordEvent:
    return RecordEvent(number, TERMS, "7", {"what": what, "review": terms(**other)})


def signed(number: int, version: int = 2, **other: Any) -> RecordEvent:
    shown = terms(**other)
    return RecordEvent(
        number,
        SIGNED,
        "7",
        {"version": version, "review": shown, "evidence_sha256": shown["evidence_sha256"]},
    )


def listed(number: int, *rows: dict[str, Any]) -> RecordEvent:
    return RecordEvent(number, LISTED, "", {}, rows)


OPENED = moved(1, "opened")
EYES = "its four_eyes is 'no'; the record has 'required'"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([OPENED, signed(2)], []),
        ([OPENED, moved(2, "handed_over", owner="legal"), signed(3, owner="legal")], []),
        ([OPENED, moved(2, "collected", gap="late", run_id=2, evidence_sha256="bb")], []),
        ([listed(1, ASKS), moved(2, "handed_over", owner="legal")], []),
        ([OPENED, moved(2, "handed_over", four_eyes="no")], [f"record 2: {EYES}"]),
        ([OPENED, moved(2, "handed_over", owner="bob", due_at="later")], ["record 2: its due_at is 'later'; the record has '5 pm'"]),
        ([OPENED, moved(2, "handed_over", evidence_sha256="bb")], ["record 2: its evidence_sha256 is 'bb'; the record has 'aa'"]),
        ([OPENED, moved(2, "collected", owner="bob")], ["record 2: its owner is 'bob'; the record has 'ops'"]),
        ([OPENED, moved(2, "opened")], ["record 2: it opens review 7 again, after record 1"]),
        ([moved(1, "handed_over")], ["record 1: no record before it opens review 7"]),
        ([OPENED, signed(2, four_eyes="no")], [f"record 2: {EYES}"]),
        ([OPENED, moved(2, "handed_over", owner="legal"), signed(3)], ["record 3: its owner is 'ops'; the record has 'legal'"]),
        ([signed(1)], ["record 1: no record before it opens review 7"]),
        ([signed(1, version=1)], []),
        ([OPENED, listed(2, ASKS)], ["record 2: it lists review 7, which record 1 names"]),
        ([RecordEvent(1, LISTED, "", {}, None), signed(2), moved(3, "handed_over")], []),
        ([RecordEvent(1, "baseline", "7", {"anything": 1})], []),
    ],
    ids=[
        "opened and signed", "handed over", "collected again", "an older one handed over", "four_eyes moves with its owner",
        "the due time moves with its owner", "evidence moves with its owner", "an owner moves with the evidence",
        "opened twice", "handed over unopened", "signed for less", "signed for the owner of before", "signed unopened",
        "version 1 has no opening", "listed after it opened", "a list that is lost", "records of other things",
    ],
)  # fmt: skip
def test_what_records_allow_after_one_another(events: list[RecordEvent], said: list[str]) -> None:
    known = KnownReviews()

    assert [one for event in events for one in follow(known, event)] == said


@pytest.mark.parametrize(
    ("events", "rows", "said"),
    [
        ([OPENED], [(ASKS, False)], []),
        ([OPENED], [(terms(four_eyes="no"), False)], [f"review 7: {EYES}"]),
        ([OPENED], [], ["review 7: it does not exist any more, but record 1 names it"]),
        ([OPENED, signed(2)], [], ["review 7: it does not exist any more, but record 2 names it"]),
        ([OPENED], [(ASKS, False), (terms(id=8), False)], ["review 8: no record opens it"]),
        ([], [(ASKS, False)], []),
        ([signed(1, version=1)], [(terms(owner="bob"), False)], []),
        ([signed(1, version=1)], [(terms(owner="bob"), True)], ["review 7: its owner is 'bob'; the record has 'ops'"]),
        ([signed(1, version=1)], [(terms(evidence_sha256="b"), False)], ["review 7: its evidence_sha256 is 'b'; the record has 'aa'"]),
        ([signed(1, version=1)], [], ["review 7: it does not exist any more, but record 1 names it"]),
        ([signed(1, 1), listed(2, terms(owner="bob"))], [(terms(owner="bob"), True)], ["review 7: its owner is 'bob'; the record has 'ops'"]),
    ],
    ids=[
        "as recorded", "changed", "gone", "gone and signed", "put in", "before any was recorded", "version 1, handed over",
        "version 1, changed when closed", "version 1, other evidence", "version 1, gone", "changed before it was listed",
    ],
)  # fmt: skip
def test_records_and_reviews_say_the_same(
    events: list[RecordEvent], rows: Any, said: list[str]
) -> None:
    known = KnownReviews()
    for event in events:
        assert list(follow(known, event)) == []

    assert list(against(known, rows)) == said


def test_who_cannot_be_read_is_not_judged() -> None:
    known = KnownReviews()
    assert list(follow(known, OPENED)) == []
    assert list(against(known, [(terms(four_eyes="no"), False)], {"7"})) == []
    assert list(against(known, [], {"7"})) == []
    assert unrecorded(KnownReviews(), [ASKS]) == [7]
    assert unrecorded(known, [ASKS]) == []


CHAIN = [Signed(number, f'{{"number":{number}}}', "", "") for number in (1, 2, 3)]
NOTED = "this installation has noted"


@pytest.mark.parametrize(
    ("end", "chain", "said"),
    [
        (None, CHAIN, ""),
        (End(3, digest(CHAIN[2].text)), CHAIN, ""),
        (End(2, digest(CHAIN[1].text)), CHAIN, ""),
        (End(2, "ff"), CHAIN, f"record 2: {NOTED} a different record, with the hash ff"),
        (End(4, "ff"), CHAIN, f"record 4 is missing at the end: {NOTED} the last record, with the hash ff"),
        (End(9, "ff"), CHAIN, f"records 4 to 9 are missing at the end: {NOTED} the last record, with the hash ff"),
        (End(1, "ff"), [], f"record 1 is missing at the end: {NOTED} the last record, with the hash ff"),
        (End(3, "ff"), [], f"records 1 to 3 are missing at the end: {NOTED} the last record, with the hash ff"),
        (End(2, "ff"), [CHAIN[0], CHAIN[2]], ""),
    ],
    ids=[
        "nothing noted", "the newest", "others have added", "another one", "one is missing", "several are", "the only one",
        "all of them", "a gap, which the chain tells",
    ],
)  # fmt: skip
def test_what_is_missing_at_the_end(end: End | None, chain: list[Signed], said: str) -> None:
    assert list(chain_end.missing(end, chain)) == ([said] if said else [])
