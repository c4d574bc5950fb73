"""What people sign: when it opens, when it is due, who may sign, how it stands. Pure; services/reviews.py does it.

A review opens when the run that collects its evidence has ended, or had its time: then it names the gap. It is done
when all who must have signed it have. A signature is never changed: a correction is a new one that names the old.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any

from upkeep.model import occurrence
from upkeep.model.occurrence import Occurrence
from upkeep.model.reason import says
from upkeep.model.roles import Role
from upkeep.model.run_end import Reason
from upkeep.rules import actions
from upkeep.rules.actions import Action
from upkeep.rules.lacking import Lacking
from upkeep.rules.review_chain import VERSION
from upkeep.schedule.calendars import OpenHours
from upkeep.site.fields import within
from upkeep.site.schedule_file import DAY, FourEyes, Procedure, Review, Schedule

ONE_DAY = timedelta(days=1)
JUST_BEFORE = timedelta(microseconds=1)


class ReviewVerdict(Enum):
    """What somebody says of a review. Of several signatures the worst holds."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"


class ReviewState(Enum):
    """How a review stands, in the words that people see."""

    OPEN = "open"
    REMINDED = "reminded"
    OVERDUE = "overdue"
    AWAITING_SECOND = "awaiting second"
    SIGNED = "signed"
    NOT_APPLICABLE = "not applicable"
    CORRECTED = "corrected"


UNSEEN = "pass needs a note of what you checked, or a file"
DONE = (ReviewState.SIGNED, ReviewState.NOT_APPLICABLE, ReviewState.CORRECTED)


@dataclass(frozen=True)
class Terms:
    """Until when a review is due, and when its owner is reminded, in UTC."""

    due_at: datetime
    remind_at: datetime


@dataclass(frozen=True)
class Asked:
    """What a review asks for. parties: teams of which each must sign; owner: a team, or a person of a follow-up."""

    owner: str
    due_at: datetime
    remind_at: datetime
    parties: tuple[str, ...] = ()
    four_eyes: FourEyes = "no"


@dataclass(frozen=True)
class FollowUp:
    """What must be done next. owner: a team or a person; due: a day."""

    owner: str
    due: date
    text: str


@dataclass(frozen=True)
class Attachment:
    """A file that belongs to a signature. name: for people; nothing is ever opened by it."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Form:
    """What somebody fills in. reason: of `not applicable`; alone: why nobody else signs, where that is possible."""

    verdict: ReviewVerdict
    note: str = ""
    reason: str = ""
    alone: str = ""
    on_behalf_of: str = ""
    follow_ups: tuple[FollowUp, ...] = ()
    corrects: int | None = None


@dataclass(frozen=True)
class Signature:
    """One signature.

    number: of its record in the chain. who: a person's id, or the user's name. lacking: in what was collected.
    """

    number: int
    at: datetime
    user: str
    who: str
    verdict: ReviewVerdict
    authenticated: str = ""
    party: str = ""
    reason: str = ""
    note: str = ""
    alone: str = ""
    on_behalf_of: str = ""
    corrects: int | None = None
    evidence_sha256: str = ""
    attachments: tuple[Attachment, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signer:
    """A user as far as signing goes. person: their id in the schedule, or empty."""

    user: str
    person: str
    role: Role
    shared: bool = False
    off: bool = False

    @property
    def who(self) -> str:
        """What tells them from others, whatever accounts they have."""
        return self.person or self.user


@dataclass(frozen=True)
class ReviewStanding:
    """How a review stands.

    overdue: its time is over without all signatures. waits_for: teams, or `a second person`. closed_at: when the last
    signature that it needed came. alone: why only one has signed, if so. signed: how many people have, while others
    must.
    """

    state: ReviewState
    verdict: ReviewVerdict | None = None
    overdue: bool = False
    waits_for: tuple[str, ...] = ()
    closed_at: datetime | None = None
    alone: str = ""
    signed: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nobody needs to sign any more."""
        return self.state in DONE


# --- when ------------------------------------------------------------------------------------------------------------
def gap_of(those: Iterable[Occurrence], now: datetime, run_timeout_seconds: float) -> str | None:
    """Return what is missing of the evidence of a due time, empty if nothing is; None if no review opens by now.

    those: the occurrence and its catch-up, if there is one. None while a run may still bring evidence, and for what
    was skipped: then there is nothing to review.
    """
    by_kind = {one.kind: one for one in those if one.kind != occurrence.DEBT}
    last = by_kind.get(occurrence.CATCH_UP) or by_kind.get(occurrence.DUE)
    if last is None or last.state == occurrence.SKIPPED:
        return None
    if last.state in occurrence.OPEN:
        if now < last.begins_at + timedelta(seconds=run_timeout_seconds):
            return None
        return (
            f"the run that collects the evidence has not ended within {within(run_timeout_seconds)}"
        )
    if last.state == occurrence.MISSED:
        return f"nothing was collected: {last.cause}"
    # What came late is there all the same, and a gap of the schedule is told beside it.
    return "" if last.why and last.why <= {Reason.LATE, Reason.LACKS} else last.cause


def terms(
    review: Review,
    procedure: Procedure,
    hours: OpenHours,
    due_of: datetime,
    opened_at: datetime,
) -> Terms:
    """Return until when a review is due: in the hours of the team that owns it.

    due_of: when its procedure was due. What opens late has the business day on which it opens: nobody is late because
    a machine was.
    """
    seconds = procedure.duration if review.within is None else review.within
    end = max(end_of(hours, due_of, seconds), end_of(hours, opened_at, 0.0))
    return Terms(end, max(opened_at, end - timedelta(seconds=review.reminder)))


def end_of(hours: OpenHours, at: datetime, seconds: float) -> datetime:
    """Return the end of the business day on which so much time has passed.

    Less than a day is time in which the team works. Days are those of the calendar, with the first one counted: two
    weeks end on day 14. What ends on a holiday or a weekend ends on the next business day.
    """
    if seconds < DAY:
        worked = hours.add(at, seconds) if seconds else at
        return hours.end_of_day(max(at, worked - JUST_BEFORE))
    last = at.astimezone(hours.zone).date() + (math.ceil(seconds / DAY) - 1) * ONE_DAY
    return hours.end_of_day(max(at, _midnight(hours, last)))


def end_of_date(hours: OpenHours, day: date) -> datetime:
    """Return the end of that business day, or of the next one."""
    return hours.end_of_day(_midnight(hours, day))


def _midnight(hours: OpenHours, day: date) -> datetime:
    return datetime.combine(day, time(), hours.zone).astimezone(UTC)


# --- how it stands ---------------------------------------------------------------------------------------------------
def standing(asked: Asked, signatures: Sequence[Signature], now: datetime) -> ReviewStanding:
    """Return how a review stands; signatures in the order of the chain."""
    valid = in_force(signatures)
    waits = _waits_for(asked, valid)
    overdue = bool(waits) and now > asked.due_at
    alone = next((one.alone for one in valid if one.alone), "")
    verdict = _worst(valid)
    if not waits:
        corrected = len(valid) < len(signatures)
        state = (
            ReviewState.CORRECTED
            if corrected
            else ReviewState.NOT_APPLICABLE
            if verdict is ReviewVerdict.NOT_APPLICABLE
            else ReviewState.SIGNED
        )
        return ReviewStanding(state, verdict, closed_at=_closed_at(asked, signatures), alone=alone)
    if valid:
        signed = len({one.who for one in valid})
        return ReviewStanding(ReviewState.AWAITING_SECOND, verdict, overdue, waits, signed=signed)
    if overdue:
        return ReviewStanding(ReviewState.OVERDUE, None, True, waits)
    return ReviewStanding(
        ReviewState.REMINDED if now >= asked.remind_at else ReviewState.OPEN, None, False, waits
    )


def in_force(signatures: Sequence[Signature]) -> list[Signature]:
    """Return the signatures that no later one corrects."""
    corrected = {one.corrects for one in signatures}
    return [one for one in signatures if one.number not in corrected]


def _waits_for(asked: Asked, valid: Sequence[Signature]) -> tuple[str, ...]:
    """Return who must sign still."""
    signed = {one.party for one in valid}
    missing = tuple(party for party in asked.parties if party not in signed)
    if missing or not valid:
        return missing or (asked.owner,)
    alone = asked.four_eyes == "alone_with_reason" and any(one.alone for one in valid)
    if asked.four_eyes == "no" or alone or len({one.who for one in valid}) > 1:
        return ()
    return ("a second person",)


def _worst(valid: Sequence[Signature]) -> ReviewVerdict | None:
    said = {one.verdict for one in valid}
    order = (ReviewVerdict.FAIL, ReviewVerdict.PASS, ReviewVerdict.NOT_APPLICABLE)
    return next((verdict for verdict in order if verdict in said), None)


def _closed_at(asked: Asked, signatures: Sequence[Signature]) -> datetime | None:
    """Return since when all have signed. A correction that leaves nobody missing does not make it later."""
    closed = None
    for count in range(1, len(signatures) + 1):
        if _waits_for(asked, in_force(signatures[:count])):
            closed = None
        elif closed is None:
            closed = signatures[count - 1].at
    return closed


# --- who may ---------------------------------------------------------------------------------------------------------
def people_of(schedule: Schedule, owner: str) -> tuple[str, ...]:
    """Return the people who may sign for a team; a person who owns a follow-up is the only one."""
    team = schedule.teams.get(owner)
    if team is None:
        return (owner,) if owner in schedule.people else ()
    in_turns = (person for turn in team.rota for person in turn.people)
    return tuple(dict.fromkeys((*team.members, *in_turns)))


def eligible(schedule: Schedule, owner: str, parties: Iterable[str]) -> tuple[str, ...]:
    """Return the people who may sign at all."""
    teams = tuple(parties) or (owner,)
    return tuple(dict.fromkeys(one for team in teams for one in people_of(schedule, team)))


def party_of(
    schedule: Schedule,
    asked: Asked,
    signer: Signer,
    signatures: Sequence[Signature],
    corrects: int | None = None,
) -> str:
    """Return for which party somebody signs: of theirs, the first that has not; empty if there are no parties.

    corrects: the signature that does not count any more.
    """
    own = [party for party in asked.parties if signer.person in people_of(schedule, party)]
    waiting = _waits_for(asked, [one for one in in_force(signatures) if one.number != corrects])
    return next((party for party in own if party in waiting), own[0] if own else "")


def refusal(
    schedule: Schedule, asked: Asked, signatures: Sequence[Signature], signer: Signer, form: Form
) -> str:
    """Return why somebody may not sign this; empty if they may."""
    return next(
        filter(
            None,
            (
                refuse_account(signer, Action.SIGN_REVIEW),
                _refuse_person(schedule, asked, signer),
                _refuse_correction(signatures, form),
                _refuse_again(asked, signatures, signer, form),
                next(_problems(asked, form), ""),
            ),
        ),
        "",
    )


def refuse_account(signer: Signer, action: Action) -> str:
    """Return why a user may not do what needs to be sure of who does it; empty if they may."""
    if signer.off:
        return f"{signer.user} is disabled"
    if signer.shared:
        return f"{signer.user} is a shared account: its signature would not say who signed"
    return actions.refusal(action, signer.user, signer.role)


def _refuse_person(schedule: Schedule, asked: Asked, signer: Signer) -> str:
    if not schedule.teams:
        return ""
    may = eligible(schedule, asked.owner, asked.parties)
    if signer.person and signer.person in may:
        return ""
    teams = " or ".join(title_of(schedule, one) for one in asked.parties or (asked.owner,))
    who = schedule.people[signer.person].name if signer.person in schedule.people else signer.user
    return f"{who} is not a member of {teams}"


def refuse_hand_over(
    schedule: Schedule, asked: Asked, signer: Signer, owner: str, able: Collection[str]
) -> str:
    """Return why somebody may not give a review to another owner; empty if they may.

    able: the people whose user may sign, as `people_able` says. Who may not sign it may not give it to themselves
    either: it takes one of its owner's people, or an admin.
    """
    said = refuse_account(signer, Action.HAND_OVER)
    if not said and not actions.may(signer.role, Action.HAND_OVER_ANY):
        said = _refuse_person(schedule, asked, signer)
    if said:
        return said
    if owner not in schedule.teams and owner not in schedule.people:
        return f"there is no team and no person {owner!r:.100}"
    if asked.parties:
        return "its parties must sign: " + ", ".join(asked.parties)
    named = people_of(schedule, owner)
    may = [one for one in named if one in able]
    if len(may) < (2 if asked.four_eyes == "required" else 1):
        found = f"only {', '.join(may)}" if may else "nobody"
        needed = "two people" if asked.four_eyes == "required" else "somebody"
        role = actions.needed(Action.SIGN_REVIEW)
        why = "" if len(may) == len(named) else f": each needs a user with the role {role}"
        return f"{needed} must sign it, and of {title_of(schedule, owner)} {found} may{why}"
    return ""


def people_able(signers: Iterable[Signer]) -> set[str]:
    """Return the people whose user may sign."""
    return {one.person for one in signers if not refuse_account(one, Action.SIGN_REVIEW)}


def _refuse_correction(signatures: Sequence[Signature], form: Form) -> str:
    if form.corrects is None:
        return ""
    if form.corrects not in {one.number for one in signatures}:
        return f"signature {form.corrects} is not one of this review"
    if form.corrects not in {one.number for one in in_force(signatures)}:
        return f"signature {form.corrects} has been corrected already"
    return ""


def _refuse_again(asked: Asked, signatures: Sequence[Signature], signer: Signer, form: Form) -> str:
    others = [one for one in in_force(signatures) if one.number != form.corrects]
    if any(one.who == signer.who for one in others):
        if _waits_for(asked, in_force(signatures)):
            return f"{signer.user} has already signed; another person must sign next"
        return f"{signer.user} has already signed; a correction must name the old signature"
    if form.corrects is None and not _waits_for(asked, others):
        return "the review is already signed; a correction must name the old signature"
    return ""


def _problems(asked: Asked, form: Form) -> Iterator[str]:
    """Yield what is wrong with what somebody filled in."""
    if form.verdict is ReviewVerdict.NOT_APPLICABLE and not says(form.reason):
        yield "not applicable needs a reason"
    if form.verdict is ReviewVerdict.FAIL and not (says(form.note) or form.follow_ups):
        yield "fail needs a note of what is wrong, or a follow-up"
    if form.corrects is not None and not (says(form.note) or says(form.reason)):
        yield "a correction needs a note of what was wrong"
    if form.alone and asked.four_eyes != "alone_with_reason":
        yield f"one person alone may not sign this review: four_eyes is `{asked.four_eyes}`"
    if any(not says(one.text) for one in form.follow_ups):
        yield "a follow-up needs a text"


def refuse_unseen(lacking: Lacking, form: Form, *, has_file: bool) -> str:
    """Return why a review for which nothing was collected may not be passed so; empty if it may.

    Nobody but who signs has seen anything then: each signature says what, or has it attached.
    """
    if form.verdict is not ReviewVerdict.PASS or not lacking.nothing or has_file or says(form.note):
        return ""
    return f"nothing was collected for it: {UNSEEN}"


def title_of(schedule: Schedule, owner: str) -> str:
    """Return a team's title or a person's name."""
    team, person = schedule.teams.get(owner), schedule.people.get(owner)
    return team.title if team else person.name if person else owner


def name_of(schedule: Schedule, signature: Signature) -> str:
    """Return who has signed, as people know them: `Ann Lee (ann)`."""
    person = schedule.people.get(signature.who)
    if person is None or person.name == signature.user:
        return signature.user
    return f"{person.name} ({signature.user})"


# --- the record ------------------------------------------------------------------------------------------------------
def record_of(review: Mapping[str, Any], form: Form, signer: Signer, **more: Any) -> dict[str, Any]:
    """Return what is signed, as JSON types.

    more: at, authenticated, party, attachments, evidence_sha256, lacking, targets.
    """
    return {
        "kind": "review",
        "version": VERSION,
        "review": dict(review),
        "at": more["at"].astimezone(UTC).isoformat(),
        "user": signer.user,
        "who": signer.who,
        "authenticated": more["authenticated"],
        "party": more["party"],
        "verdict": form.verdict.value,
        "reason": form.reason,
        "note": form.note,
        "alone": form.alone,
        "on_behalf_of": form.on_behalf_of,
        "corrects": form.corrects,
        "evidence_sha256": more["evidence_sha256"],
        "lacking": list(more["lacking"]),
        "targets": list(more.get("targets", ())),
        "attachments": [vars(one) for one in more["attachments"]],
        "follow_ups": [
            {"owner": one.owner, "due": one.due.isoformat(), "text": one.text}
            for one in form.follow_ups
        ],
    }


def signature_of(record: Mapping[str, Any]) -> Signature:
    """Return the signature of a record."""
    return Signature(
        number=record["number"],
        at=datetime.fromisoformat(record["at"]),
        user=record["user"],
        who=record["who"],
        verdict=ReviewVerdict(record["verdict"]),
        authenticated=record["authenticated"],
        party=record["party"],
        reason=record["reason"],
        note=record["note"],
        alone=record["alone"],
        on_behalf_of=record["on_behalf_of"],
        corrects=record["corrects"],
        evidence_sha256=record["evidence_sha256"],
        lacking=tuple(record.get("lacking", ())),  # older records do not say
        attachments=tuple(Attachment(**one) for one in record["attachments"]),
        follow_ups=tuple(
            FollowUp(one["owner"], date.fromisoformat(one["due"]), one["text"])
            for one in record["follow_ups"]
        ),
    )
