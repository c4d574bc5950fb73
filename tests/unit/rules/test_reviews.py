"""What people sign: when it opens and is due, who may sign, how it stands. Tables of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from upkeep.model.occurrence import Occurrence
from upkeep.model.roles import Role
from upkeep.rules.reviews import (
    Asked,
    FollowUp,
    Form,
    ReviewStanding,
    ReviewState,
    ReviewVerdict,
    Signature,
    Signer,
    end_of,
    end_of_date,
    gap_of,
    party_of,
    people_able,
    record_of,
    refusal,
    refuse_hand_over,
    signature_of,
    standing,
    terms,
)
from upkeep.schedule.calendars import calendars_of
from upkeep.services.schedule_lint import lint
from upkeep.site.schedule_file import DAY, HOUR, Procedure, Review, Schedule

ZONE = ZoneInfo("America/New_York")
SCHEDULE = Schedule.model_validate(
    {
        "time_zone": "America/New_York",
        "procedures": {"audit": {"title": "Audit", "rule": "first monday 09:00", "owner": "ops"}},
        "calendar": {"holidays": ["2027-01-18", "2027-12-31"]},
        "people": {name: {"name": name.title()} for name in ("ann", "bob", "cat", "dan", "eve")},
        "teams": {
            "ops": {"title": "Operations", "members": ["ann", "bob"]},
            "legal": {"title": "Legal", "members": ["cat"]},
            "compliance": {"title": "Compliance", "members": ["dan", "cat"]},
            "guests": {"title": "Guests"},
        },
    }
)
HOURS = calendars_of(SCHEDULE, Path()).hours("ops")


def local(text: str) -> datetime:
    """A local time of the team, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


# --- until when ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "seconds", "end"),
    [
        ("2027-01-04 09:00", 0.5 * HOUR, "2027-01-04 17:00"),
        ("2027-01-04 09:00", 8 * HOUR, "2027-01-04 17:00"),
        ("2027-01-04 09:00", 8 * HOUR + 1, "2027-01-05 17:00"),
        ("2027-01-04 16:00", 2 * HOUR, "2027-01-05 17:00"),
        ("2027-01-04 03:00", 2 * HOUR, "2027-01-04 17:00"),
        ("2027-01-04 17:00", 0.5 * HOUR, "2027-01-05 17:00"),
        ("2027-01-18 10:00", 1 * HOUR, "2027-01-19 17:00"),
        ("2027-01-15 18:00", 1 * HOUR, "2027-01-19 17:00"),
        ("2027-01-12 09:00", 1 * DAY, "2027-01-12 17:00"),
        ("2027-03-30 09:00", 2 * DAY, "2027-03-31 17:00"),
        ("2027-01-11 08:00", 14 * DAY, "2027-01-25 17:00"),
        ("2027-01-12 08:00", 14 * DAY, "2027-01-25 17:00"),
        ("2027-01-13 08:00", 14 * DAY, "2027-01-26 17:00"),
        ("2027-12-30 09:00", 2 * DAY, "2028-01-03 17:00"),
        ("2027-03-12 09:00", 3 * DAY, "2027-03-15 17:00"),
    ],
    ids=[
        "the same day", "just the whole day", "just more than it", "what the day has no time for", "before hours",
        "at their end", "on a holiday", "Friday evening before a long weekend", "a full day", "two days",
        "day 14 is a Sunday", "day 14 is a Monday", "day 14 is a Tuesday", "ends on a holiday and a weekend",
        "daylight saving begins on the way",
    ],
)  # fmt: skip
def test_a_review_is_due_at_the_end_of_a_business_day(at: str, seconds: float, end: str) -> None:
    assert end_of(HOURS, local(at), seconds) == local(end)


def test_the_day_of_a_follow_up_ends_as_any_business_day() -> None:
    assert end_of_date(HOURS, date(2027, 1, 18)) == local("2027-01-19 17:00")
    assert end_of_date(HOURS, date(2027, 1, 19)) == local("2027-01-19 17:00")


@pytest.mark.parametrize(
    ("review", "opened", "due", "reminded"),
    [
        ({}, "2027-01-04 09:20", "2027-01-04 17:00", "2027-01-04 15:00"),
        ({"reminder": "1 d"}, "2027-01-04 09:20", "2027-01-04 17:00", "2027-01-04 09:20"),
        ({"within": "1 w", "reminder": "2 d"}, "2027-01-04 09:20", "2027-01-11 17:00", "2027-01-09 17:00"),
        ({}, "2027-01-04 17:20", "2027-01-05 17:00", "2027-01-05 15:00"),
        ({"within": "2 w"}, "2027-01-06 09:20", "2027-01-19 17:00", "2027-01-19 15:00"),
    ],
    ids=["its day", "reminded at once", "a week", "opened when the day was over", "a holiday at its end"],
)  # fmt: skip
def test_terms(review: dict[str, str], opened: str, due: str, reminded: str) -> None:
    one = Review.model_validate({"id": "a", "title": "A", **review})
    procedure = Procedure(title="Audit", duration="2 h")

    found = terms(one, procedure, HOURS, local("2027-01-04 09:00"), local(opened))

    assert (found.due_at, found.remind_at) == (local(due), local(reminded))


# --- when it opens ---------------------------------------------------------------------------------------------------
DUE_AT = local("2027-01-04 09:00")


def occurrence(state: str, cause: str = "", kind: str = "due", **more: object) -> Occurrence:
    one = Occurrence(
        "site", "audit", DUE_AT, DUE_AT, DUE_AT + timedelta(hours=2), None, state=state, cause=cause, kind=kind
    )  # fmt: skip
    return replace(one, **more)


@pytest.mark.parametrize(
    ("those", "minutes", "gap"),
    [
        ([occurrence("due")], 59, None),
        ([occurrence("running")], 59, None),
        ([occurrence("running")], 60, "the run that collects the evidence has not ended within 1 h"),
        ([occurrence("done")], 1, ""),
        ([occurrence("partial", "lacks A; b", lacks="A; b", reasons="lacks")], 1, ""),
        ([occurrence("partial", "late", reasons="lacks,late")], 1, ""),
        ([occurrence("partial", "not seen: web2; lacks A", reasons="unseen,lacks")], 1, "not seen: web2; lacks A"),
        ([occurrence("failed", "run failed: no host matches")], 1, "run failed: no host matches"),
        ([occurrence("missed", "no driver was running")], 1, "nothing was collected: no driver was running"),
        ([occurrence("missed"), occurrence("running", kind="catch_up")], 30, None),
        ([occurrence("missed"), occurrence("done", kind="catch_up")], 30, ""),
        ([occurrence("skipped", "blackout: Year's end")], 999, None),
        ([occurrence("done", kind="debt", host="web2")], 999, None),
        ([], 999, None),
    ],
)  # fmt: skip
def test_a_review_opens_after_its_run_or_the_runs_time(
    those: list[Occurrence], minutes: int, gap: str | None
) -> None:
    assert gap_of(those, DUE_AT + timedelta(minutes=minutes), 3600.0) == gap


# --- how it stands ---------------------------------------------------------------------------------------------------
NOW = local("2027-01-04 12:00")
ASKED = Asked("ops", due_at=local("2027-01-04 17:00"), remind_at=local("2027-01-04 15:00"))


def signed(number: int, who: str = "ann", hours: float = 0, **more: object) -> Signature:
    verdict = more.pop("verdict", ReviewVerdict.PASS)
    one = Signature(number, NOW + timedelta(hours=hours), who, who, verdict)  # type: ignore[arg-type]
    return replace(one, **more)  # type: ignore[arg-type]


A, B = signed(1), signed(2, "bob", 1)
FIXED = signed(3, "ann", 9, corrects=1, verdict=ReviewVerdict.FAIL)
PARTIES = {"parties": ("compliance", "legal")}
ONE_PARTY = {"parties": ("compliance",), "four_eyes": "required"}


@pytest.mark.parametrize(
    ("asks", "signatures", "hours", "stands"),
    [
        ({}, [], 0, ReviewStanding(ReviewState.OPEN, waits_for=("ops",))),
        ({}, [], 3, ReviewStanding(ReviewState.REMINDED, waits_for=("ops",))),
        ({}, [], 5, ReviewStanding(ReviewState.REMINDED, waits_for=("ops",))),
        ({}, [], 5.001, ReviewStanding(ReviewState.OVERDUE, overdue=True, waits_for=("ops",))),
        ({}, [A], 9, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=A.at)),
        ({}, [signed(1, verdict=ReviewVerdict.NOT_APPLICABLE)], 9, ReviewStanding(ReviewState.NOT_APPLICABLE, ReviewVerdict.NOT_APPLICABLE, closed_at=A.at)),
        ({}, [A, FIXED], 9, ReviewStanding(ReviewState.CORRECTED, ReviewVerdict.FAIL, closed_at=A.at)),
        ({"four_eyes": "required"}, [A], 1, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, waits_for=("a second person",), signed=1)),
        ({"four_eyes": "required"}, [A], 9, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, overdue=True, waits_for=("a second person",), signed=1)),
        ({"four_eyes": "required"}, [A, B], 9, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=B.at)),
        ({"four_eyes": "required"}, [A, signed(2, "bob", 1, verdict=ReviewVerdict.FAIL)], 9, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.FAIL, closed_at=B.at)),
        ({"four_eyes": "required"}, [A, B, FIXED], 9, ReviewStanding(ReviewState.CORRECTED, ReviewVerdict.FAIL, closed_at=B.at)),
        ({"four_eyes": "required"}, [A, B, replace(FIXED, who="bob")], 9, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.FAIL, overdue=True, waits_for=("a second person",), signed=1)),
        ({"four_eyes": "alone_with_reason"}, [A], 1, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, waits_for=("a second person",), signed=1)),
        ({"four_eyes": "alone_with_reason"}, [replace(A, alone="ill")], 1, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=A.at, alone="ill")),
        (PARTIES, [signed(1, "cat", party="legal")], 1, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, waits_for=("compliance",), signed=1)),
        (PARTIES, [signed(1, "cat", party="legal"), signed(2, "dan", 1, party="compliance")], 1, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=B.at)),
        (ONE_PARTY, [signed(1, "dan", party="compliance")], 1, ReviewStanding(ReviewState.AWAITING_SECOND, ReviewVerdict.PASS, waits_for=("a second person",), signed=1)),
        (ONE_PARTY, [signed(1, "dan", party="compliance"), signed(2, "cat", 1, party="compliance")], 1, ReviewStanding(ReviewState.SIGNED, ReviewVerdict.PASS, closed_at=B.at)),
    ],
    ids=[
        "nobody yet", "reminded", "at its end", "just after it", "signed", "not applicable", "corrected",
        "one of two", "one of two, too late", "both", "the worse verdict holds", "both, and one corrected",
        "corrected by the other one", "alone without a reason", "alone with a reason", "one party", "both parties",
        "one party of which two must sign, and one has", "one party of which two must sign",
    ],
)  # fmt: skip
def test_standing(
    asks: dict[str, object], signatures: list[Signature], hours: float, stands: ReviewStanding
) -> None:
    asked = replace(ASKED, **asks)  # type: ignore[arg-type]

    assert standing(asked, signatures, NOW + timedelta(hours=hours)) == stands


# --- who may ---------------------------------------------------------------------------------------------------------
ANN = Signer("ann.a", "ann", Role.APPROVER)
BOB = Signer("bob.b", "bob", Role.ADMIN)
CAT = Signer("cat", "cat", Role.APPROVER)
PASS = Form(ReviewVerdict.PASS)


@pytest.mark.parametrize(
    ("asks", "signatures", "signer", "form", "said"),
    [
        ({}, [], ANN, PASS, ""),
        ({}, [], BOB, PASS, ""),
        ({}, [], replace(ANN, role=Role.OPERATOR), PASS, "to sign reviews you need the role approver; ann.a is operator"),
        ({}, [], replace(ANN, shared=True), PASS, "ann.a is a shared account: its signature would not say who signed"),
        ({}, [], replace(ANN, off=True), PASS, "ann.a is disabled"),
        ({}, [], CAT, PASS, "Cat is not a member of Operations"),
        ({}, [], replace(ANN, person=""), PASS, "ann.a is not a member of Operations"),
        ({"owner": "cat"}, [], CAT, PASS, ""),
        ({"owner": "cat"}, [], ANN, PASS, "Ann is not a member of Cat"),
        (PARTIES, [], ANN, PASS, "Ann is not a member of Compliance or Legal"),
        (PARTIES, [], CAT, PASS, ""),
        (PARTIES, [signed(1, "cat", party="legal")], CAT, PASS, "cat has already signed; another person must sign next"),
        ({}, [A], BOB, PASS, "the review is already signed; a correction must name the old signature"),
        ({}, [A], ANN, PASS, "ann.a has already signed; a correction must name the old signature"),
        ({"four_eyes": "required"}, [A], ANN, PASS, "ann.a has already signed; another person must sign next"),
        ({"four_eyes": "required"}, [A], replace(ANN, user="ann.admin"), PASS, "ann.admin has already signed; another person must sign next"),
        ({"four_eyes": "required"}, [A], BOB, PASS, ""),
        ({}, [A], ANN, Form(ReviewVerdict.FAIL, note="misread", corrects=1), ""),
        ({}, [A], BOB, Form(ReviewVerdict.FAIL, note="misread", corrects=1), ""),
        ({}, [A], ANN, Form(ReviewVerdict.PASS, corrects=1), "a correction needs a note of what was wrong"),
        ({}, [A], ANN, Form(ReviewVerdict.FAIL, note="x", corrects=7), "signature 7 is not one of this review"),
        ({}, [A, FIXED], BOB, Form(ReviewVerdict.FAIL, note="x", corrects=1), "signature 1 has been corrected already"),
        ({}, [], ANN, Form(ReviewVerdict.NOT_APPLICABLE), "not applicable needs a reason"),
        ({}, [], ANN, Form(ReviewVerdict.NOT_APPLICABLE, reason="no such system any more"), ""),
        ({}, [], ANN, Form(ReviewVerdict.FAIL), "fail needs a note of what is wrong, or a follow-up"),
        ({}, [], ANN, Form(ReviewVerdict.FAIL, follow_ups=(FollowUp("ops", date(2027, 2, 1), "mend it"),)), ""),
        ({}, [], ANN, Form(ReviewVerdict.PASS, follow_ups=(FollowUp("ops", date(2027, 2, 1), " "),)), "a follow-up needs a text"),
        ({}, [], ANN, Form(ReviewVerdict.PASS, alone="ill"), "one person alone may not sign this review: four_eyes is `no`"),
        ({"four_eyes": "alone_with_reason"}, [], ANN, Form(ReviewVerdict.PASS, alone="ill"), ""),
    ],
)  # fmt: skip
def test_who_may_sign_what(
    asks: dict[str, object], signatures: list[Signature], signer: Signer, form: Form, said: str
) -> None:
    asked = replace(ASKED, **asks)  # type: ignore[arg-type]

    assert refusal(SCHEDULE, asked, signatures, signer, form) == said


@pytest.mark.parametrize(
    ("asks", "signer", "owner", "said"),
    [
        ({}, ANN, "legal", ""),
        ({}, ANN, "bob", ""),
        ({}, CAT, "cat", "Cat is not a member of Operations"),
        ({}, replace(CAT, role=Role.ADMIN), "legal", ""),
        ({}, replace(ANN, role=Role.OPERATOR), "legal", "to hand over reviews you need the role approver; ann.a is operator"),
        ({}, replace(ANN, shared=True, role=Role.ADMIN), "legal", "ann.a is a shared account: its signature would not say who signed"),
        ({}, ANN, "nobody", "there is no team and no person 'nobody'"),
        (PARTIES, CAT, "ops", "its parties must sign: compliance, legal"),
        ({"four_eyes": "required"}, ANN, "compliance", ""),
        ({"four_eyes": "required"}, ANN, "legal", "two people must sign it, and of Legal only cat may"),
        ({"four_eyes": "required"}, ANN, "ann", "two people must sign it, and of Ann only ann may"),
        ({"four_eyes": "alone_with_reason"}, ANN, "legal", ""),
        ({}, ANN, "guests", "somebody must sign it, and of Guests nobody may"),
    ],
)  # fmt: skip
def test_who_may_hand_a_review_over_to_whom(
    asks: dict[str, object], signer: Signer, owner: str, said: str
) -> None:
    asked = replace(ASKED, **asks)  # type: ignore[arg-type]

    assert refuse_hand_over(SCHEDULE, asked, signer, owner, set(SCHEDULE.people)) == said


def test_a_review_goes_only_to_people_whose_user_may_sign() -> None:
    asked = replace(ASKED, four_eyes="required")
    signers = [
        Signer("ann.a", "ann", Role.APPROVER),
        Signer("bob.b", "bob", Role.OPERATOR),
        Signer("cat.c", "cat", Role.APPROVER),
        Signer("dan.d", "dan", Role.ADMIN, off=True),
    ]

    able = people_able(signers)

    assert able == {"ann", "cat"}
    role = ": each needs a user with the role approver"
    assert refuse_hand_over(SCHEDULE, asked, ANN, "compliance", able) == (
        f"two people must sign it, and of Compliance only cat may{role}"
    )
    assert refuse_hand_over(SCHEDULE, asked, ANN, "bob", able).endswith(f"of Bob nobody may{role}")


def test_without_teams_every_approver_may_sign() -> None:
    alone = Schedule.model_validate({"procedures": {"audit": {"title": "Audit"}}})

    assert refusal(alone, replace(ASKED, owner=""), [], Signer("x", "", Role.APPROVER), PASS) == ""


def test_somebody_of_two_parties_signs_for_the_one_that_is_waited_for() -> None:
    asked = replace(ASKED, **PARTIES)  # type: ignore[arg-type]

    assert party_of(SCHEDULE, asked, CAT, []) == "compliance"
    assert party_of(SCHEDULE, asked, CAT, [signed(1, "dan", party="compliance")]) == "legal"
    assert party_of(SCHEDULE, ASKED, ANN, []) == ""
    # Who corrects their own signature signs for the same party again.
    assert party_of(SCHEDULE, asked, CAT, [signed(1, "cat", party="compliance")], 1) == "compliance"


def test_a_record_says_what_the_signature_was() -> None:
    form = Form(
        ReviewVerdict.FAIL,
        "a note",
        follow_ups=(FollowUp("ops", date(2027, 2, 1), "mend"),),
        corrects=4,
    )
    record = record_of(
        {"id": 1}, form, ANN, at=NOW, authenticated="password", party="", attachments=(), evidence_sha256="ab",
        lacking=("the keys",),
    )  # fmt: skip

    assert signature_of({**record, "number": 7}) == Signature(
        7, NOW, "ann.a", "ann", ReviewVerdict.FAIL, "password", note="a note", corrects=4, evidence_sha256="ab",
        follow_ups=form.follow_ups, lacking=("the keys",),
    )  # fmt: skip
    del record["lacking"]  # as an older program wrote it
    assert signature_of({**record, "number": 7}).lacking == ()


# --- what cannot be meant --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("review", "said"),
    [
        ({"four_eyes": "required"}, []),
        ({"four_eyes": "required", "owner": "legal"}, ["must be signed by two people, but only cat may"]),
        ({"owner": "legal", "four_eyes": "alone_with_reason"}, []),
        ({"parties": ["legal", "compliance"]}, []),
        ({"parties": ["legal", "press"]}, ["must be signed by two people, but only cat may"]),
        ({"owner": "press"}, ["must be signed by somebody, but nobody may"]),
    ],
)  # fmt: skip
def test_a_review_that_too_few_may_sign_is_remarked_upon(
    review: dict[str, object], said: list[str]
) -> None:
    given = SCHEDULE.model_dump(mode="json", by_alias=True, exclude_unset=True)
    given["procedures"]["audit"]["reviews"] = [{"id": "a", "title": "A", **review}]
    given["teams"]["press"] = {"title": "Press"}
    remarks = lint(calendars_of(Schedule.model_validate(given), Path()), NOW)

    found = [one for one in remarks if one.about == "review audit a"]
    assert [(one.text, one.level) for one in found] == [(text, "error") for text in said]
