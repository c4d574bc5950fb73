"""What is lacking in what was collected for a review, and what it needs to pass then. Tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from upkeep.rules import lacking
from upkeep.rules.lacking import Lacking
from upkeep.rules.reviews import UNSEEN, Form, ReviewVerdict, refuse_unseen, says

SINCE, UNTIL = "2027-01-04T09:15:00+00:00", "2027-01-11T09:15:00+00:00"
BEFORE = "2027-01-03T03:00:00+00:00"
SEEN = {"pass": 1, "fail": 0, "unknown": 0}
FAILS = {"pass": 0, "fail": 2, "unknown": 0}
BLIND = {"pass": 0, "fail": 0, "unknown": 3}
NOTHING = {"pass": 0, "fail": 0, "unknown": 0}
RUN = {"id": 7, "status": "done", "hosts": {"ok": 2, "unreachable": 1}}
NO_RUN = "no run has collected evidence for it"
DISK = f"disk_space: neither passed nor failed since {SINCE}"
USED = f"disk_space: no value of used since {SINCE}"


def check(now: dict[str, int], since: dict[str, int] = NOTHING, **more: Any) -> dict[str, Any]:
    return {"check": "disk_space", "now": now, "since": since, **more}


def measure(*series: dict[str, Any], at_most: float | None = None) -> dict[str, Any]:
    limits = {"at_most": at_most, "at_least": None}
    return {"check": "disk_space", "name": "used", **limits, "series": list(series)}


def line(meets: bool | None = None, *, count: int = 3, unseen: float = 0.0) -> dict[str, Any]:
    base = {"host": "web1", "subject": "/", "count": count}
    return base | {"meets": meets, "unseen": unseen}


NOT_KNOWN = "disk_space: whether used meets its target is not known for"


def evidence(
    *checks: dict[str, Any], measures: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    base: dict[str, Any] = {"since": SINCE, "until": UNTIL, "gap": "", "lacks": [], "run": RUN}
    return base | {"checks": list(checks), "measures": measures or []} | more


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, Lacking(True, ("nothing was collected",))),
        (evidence(), Lacking(True, ("it shows no check and no measure",))),
        (evidence(lacks=["locks"]), Lacking(True, ("not collected by any check yet: locks", "it shows no check and no measure"))),
        (evidence(check(SEEN, SEEN, seen_at=UNTIL)), Lacking(False)),
        (evidence(check(FAILS, seen_at=UNTIL)), Lacking(False)),
        (evidence(check(BLIND, SEEN, seen_at=BEFORE)), Lacking(False)),
        (evidence(check(SEEN), lacks=["locks"]), Lacking(False, ("not collected by any check yet: locks",))),
        (evidence(check(BLIND, BLIND, seen_at=None)), Lacking(True, (DISK,))),
        (evidence(check(NOTHING, seen_at=None)), Lacking(True, (DISK,))),
        (evidence(check(NOTHING)), Lacking(True, (DISK,))),
        (evidence(check(SEEN, seen_at=BEFORE)), Lacking(True, (DISK,))),
        (evidence(check(SEEN, seen_at=SINCE)), Lacking(True, (DISK,))),
        (evidence(check(NOTHING), check(SEEN)), Lacking(False, (DISK,))),
        (evidence(check(NOTHING), measures=[measure()]), Lacking(True, (DISK, USED))),
        (evidence(check(NOTHING), measures=[measure(line())]), Lacking(False, (DISK,))),
        (evidence(check(NOTHING), measures=[measure(line(count=0))]), Lacking(True, (DISK, USED))),
        (evidence(check(SEEN), measures=[measure(line(True), line(False), at_most=80)]), Lacking(False)),
        (evidence(check(SEEN), measures=[measure(line(unseen=0.9), at_most=80)]),
         Lacking(False, (f"{NOT_KNOWN} / on web1: 90 % of the time was not observed",))),
        (evidence(check(SEEN), measures=[measure(line(unseen=0.9))]), Lacking(False)),
        (evidence(check(SEEN), measures=[measure(*[line(count=0, unseen=1.0)] * 12, at_most=80)]),
         Lacking(False, (USED, *[f"{NOT_KNOWN} / on web1: 100 % of the time was not observed"] * 10,
                         f"{NOT_KNOWN} 2 more"))),
        (evidence(check(SEEN), run=None), Lacking(True, (NO_RUN,))),
        (evidence(check(SEEN), run=None, gap="nothing was collected: no driver was running"),
         Lacking(True, ("nothing was collected: no driver was running", NO_RUN))),
        (evidence(check(SEEN), run={"id": 7, "hosts": {"unreachable": 3}}), Lacking(True, ("run 7 has reached no host",))),
        (evidence(check(SEEN), run={"id": 7, "hosts": {}}), Lacking(True, ("run 7 has reached no host",))),
        (evidence(check(SEEN), gap="web2 did not answer"), Lacking(False, ("web2 did not answer",))),
    ],
    ids=[
        "no evidence", "nothing asked", "nothing asked, and a gap of the schedule", "seen", "what fails is seen",
        "unknown now, seen in between", "a gap of the schedule beside what was seen", "all unknown", "never answered",
        "never answered, by an older program", "seen before the time", "seen at its very begin", "one of two checks",
        "neither checks nor values", "values only", "subjects without a value", "a target that is met, and one that is missed",
        "too little of it was seen for its target", "too little of a trend", "many of which nobody knows", "no run", "missed, though others have looked", "no host answered",
        "a run that has not begun to see", "a host that did not answer",
    ],
)  # fmt: skip
def test_what_is_lacking(found: dict[str, Any], expected: Lacking) -> None:
    assert lacking.of(found, has_run=True) == expected


def test_a_follow_up_has_no_run_of_its_own() -> None:
    assert lacking.of(evidence(check(SEEN), run=None), has_run=False) == Lacking(False)
    assert lacking.of({}, has_run=False).nothing


def test_when_it_was_collected() -> None:
    assert lacking.collected_at({}) is None
    assert lacking.collected_at(evidence()) == datetime(2027, 1, 11, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nothing", "form", "has_file", "refused"),
    [
        (True, Form(ReviewVerdict.PASS), False, True),
        (True, Form(ReviewVerdict.PASS, note=" \n\t"), False, True),
        (True, Form(ReviewVerdict.PASS, note="..."), False, True),
        (True, Form(ReviewVerdict.PASS, note="\u200b\u00a0"), False, True),
        (True, Form(ReviewVerdict.PASS, reason="it is a reason of another verdict"), False, True),
        (True, Form(ReviewVerdict.PASS, alone="bob is ill"), False, True),
        (True, Form(ReviewVerdict.PASS, note="read each gauge"), False, False),
        (True, Form(ReviewVerdict.PASS, note="всё осмотрено"), False, False),
        (True, Form(ReviewVerdict.PASS), True, False),
        (True, Form(ReviewVerdict.FAIL, note="red"), False, False),
        (True, Form(ReviewVerdict.NOT_APPLICABLE, reason="sold"), False, False),
        (False, Form(ReviewVerdict.PASS), False, False),
    ],
    ids=[
        "bare", "spaces", "dots", "spaces that nobody sees", "a reason is no note", "alone is no note", "a note",
        "a note in another script", "a file", "fail has its own rule", "so has not applicable", "something was seen",
    ],
)  # fmt: skip
def test_nobody_passes_unseen_what_no_machine_has_seen(
    nothing: bool, form: Form, has_file: bool, refused: bool
) -> None:
    said = refuse_unseen(Lacking(nothing), form, has_file=has_file)

    assert said == (f"nothing was collected for it: {UNSEEN}" if refused else "")


@pytest.mark.parametrize(
    ("text", "is_word"),
    [("", False), (" ", False), ("-", False), ("✓", False), ("ok", True), ("3", True), ("見た", True)],
)  # fmt: skip
def test_a_text_that_says_something(text: str, is_word: bool) -> None:
    assert says(text) is is_word
