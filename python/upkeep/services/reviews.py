"""Reviews as they happen: opened after their run, told of when they are late, signed, handed over.

What is decided is in rules/reviews.py; what is kept, in store/reviews.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from upkeep.checks.upkeep.review_overdue import ID as CHECK
from upkeep.model import occurrence
from upkeep.model.errors import UsageError
from upkeep.model.occurrence import Occurrence
from upkeep.model.reason import says
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import shown, written
from upkeep.model.verdicts import Severity
from upkeep.rules import lacking, reviews, targets
from upkeep.rules.lacking import Lacking
from upkeep.rules.review_chain import What
from upkeep.rules.review_failures import failures, refuse_unexplained
from upkeep.rules.reviews import Attachment, Form, ReviewStanding, ReviewState, Signature, Signer
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.schedule.due_times import next_due, timing_of
from upkeep.services import chain_end
from upkeep.services.acts import Leader, Proved, act, refuse, signer_of
from upkeep.services.signing_key import Installation, load_installation
from upkeep.site.schedule_file import DAY, Procedure, Review, Schedule
from upkeep.site.site import Site
from upkeep.store import (
    Connection,
    Store,
    drivers,
    files,
    occurrences,
    own_troubles,
    records,
    review_evidence,
    review_records,
    users,
)
from upkeep.store import reviews as stored
from upkeep.store.reviews import KeptReview, NewReview

STEP_SECONDS = 15.0
MOST_FILES = 10
MOST_FILE_BYTES = 20_000_000
MOST_TEXT = 20_000
MOST_FOLLOW_UPS = 20
FOLLOW_UP_WITHIN = timedelta(days=3660)
FIRST_PERIOD = timedelta(days=31)
UNSAFE = re.compile(r"[^\w.() +=@,-]+")


class Reviews:
    """Opens reviews and tells of those that are late."""

    name = "reviews"

    def __init__(self, store: Store, leader: Leader) -> None:
        self.store = store
        self.leader = leader
        self.told: dict[str, tuple[str, str]] = {}
        self.installation: Installation | None = None
        self._use(leader.site)

    def step(self, now: datetime) -> float:
        """Do what is due; return after how many seconds to come again."""
        if self.leader.site is not self.site:
            self._use(self.leader.site)
        with self.store.read() as db:
            holds = drivers.active_revision(db, self.site.key) == self.leader.revision
        if holds:
            try:
                self._open(now)
            finally:
                self._tell(now)  # what is owed is told though nothing can be opened
        return STEP_SECONDS

    def _open(self, now: datetime) -> None:
        """Open what is due, and record what older programs have opened."""
        if self.installation is None:
            self.installation = load_installation(self.site.settings)
            with self.store.begin() as db:
                review_records.list_older(db, self.installation.key, now)
            chain_end.note(self.installation.folder, self.store)
        open_due(self.store, self.site, self.installation, self.calendars, now)
        renew_late(self.store, self.site, self.installation, now)

    def _use(self, site: Site) -> None:
        self.calendars = calendars_of(site.schedule, site.folder)
        self.site = site
        self.installation = None

    def _tell(self, now: datetime) -> None:
        """Tell, procedure by procedure, of what must be signed soon or should have been; once for each change."""
        said = {
            name: ("", "") for name, one in self.site.schedule.procedures.items() if one.reviews
        }
        with self.store.read() as db:
            waiting = list(waiting_ones(db, self.site.key, now))
        for name in {review.procedure for review, _standing in waiting} | set(self.told):
            said.setdefault(name, ("", ""))
        for name in said:
            said[name] = _message([one for one in waiting if one[0].procedure == name])
        for name, (level, text) in said.items():
            if self.told.get(name) == (level, text):
                continue
            remedy = first(command("review", "list", site=self.site.name), "see which")
            severity = Severity(level) if level else None
            with self.store.begin() as db:
                own_troubles.tell(
                    db, self.site.key, own_troubles.of(CHECK, name), now, severity, text, remedy
                )
            self.told[name] = (level, text)


def _message(waiting: Sequence[tuple[KeptReview, ReviewStanding]]) -> tuple[str, str]:
    """Return severity and words for what a procedure's reviews are like; empty if all is well."""
    late = [review for review, standing in waiting if standing.overdue]
    soon = [review for review, standing in waiting if standing.state is ReviewState.REMINDED]
    if not late and not soon:
        return "", ""
    some = late or soon
    titles = ", ".join(one.title for one in some[:3]) + (" …" if len(some) > 3 else "")
    count = "a review" if len(some) == 1 else f"{len(some)} reviews"
    first = min(one.due_at for one in some)
    if late:
        text = f"{count} not signed, the first due by {first:%Y-%m-%d %H:%M} UTC: {titles}"
        return Severity.MEDIUM.value, text
    return Severity.LOW.value, f"{count} to sign by {first:%Y-%m-%d %H:%M} UTC: {titles}"


def waiting_ones(
    db: Connection, site: str, now: datetime, due_before: datetime | None = None
) -> Iterator[tuple[KeptReview, ReviewStanding]]:
    """Yield what must be signed still, the soonest due first, with how it stands; all, or what is due by then."""
    return standings(db, stored.open_ones(db, site, due_before), now)


def standings(
    db: Connection, found: Sequence[KeptReview], now: datetime
) -> Iterator[tuple[KeptReview, ReviewStanding]]:
    """Yield reviews with how they stand."""
    signed = stored.signatures(db, (one.id for one in found))
    for one in found:
        yield one, reviews.standing(one.asked, signed[one.id], now)


# --- opening ---------------------------------------------------------------------------------------------------------
def open_due(
    store: Store, site: Site, installation: Installation, calendars: Calendars, now: datetime
) -> list[int]:
    """Open the reviews whose evidence has been collected, or should have been; return their numbers."""
    procedures = site.schedule.procedures
    items = [(name, one.id) for name, each in procedures.items() for one in each.reviews]
    with store.read() as db:
        known = stored.watched(db, site.key)
        until = stored.opened_until(db, site.key)
    # What is wrong in the file now was asked for, and will be again: its reviews are not forgotten.
    stay = [one for one in known if one[0] in site.schedule.left_out]
    if set(known) != {*items, *stay}:
        with store.begin() as db:
            known = stored.watch(db, site.key, [*items, *stay], now)
    made = []
    for name, procedure in procedures.items():
        after = {
            one.id: max(known[name, one.id], until.get((name, one.id), known[name, one.id]))
            for one in procedure.reviews
        }
        if not after:
            continue
        with store.read() as db:
            found = stored.occurrences_after(db, site.key, name, min(after.values()))
        for review in procedure.reviews:
            later = [one for one in found if one.due_at > after[review.id]]
            for due in _due_ones(later, site.settings.run_timeout_seconds, now):
                place = (site.key, name)
                new = _new(store, calendars, place, procedure, review, due, now)
                made.append(_open(store, installation, site.schedule, new, now))
    return [number for number in made if number is not None]


def _due_ones(
    found: Sequence[Occurrence], run_timeout_seconds: float, now: datetime
) -> list[tuple[Occurrence, str]]:
    """Return the occurrences that open a review now, oldest first, each with what is missing of its evidence."""
    by_due: dict[datetime, list[Occurrence]] = {}
    for one in found:
        by_due.setdefault(one.due_at, []).append(one)
    due: list[tuple[Occurrence, str]] = []
    for those in by_due.values():
        gap = reviews.gap_of(those, now, run_timeout_seconds)
        if gap is None and those[-1].state != occurrence.SKIPPED:
            break  # what came later waits for it
        if gap is not None:
            due.append((those[-1], gap))
    # Of several that were missed, the last stands for all: nobody signs for weeks in which nothing was looked at.
    newest = due[-1][0] if due else None
    return [one for one in due if one[0].state != occurrence.MISSED or one[0] is newest]


def _new(
    store: Store,
    calendars: Calendars,
    place: tuple[str, str],
    procedure: Procedure,
    review: Review,
    due: tuple[Occurrence, str],
    now: datetime,
) -> NewReview:
    """Return a review that must be opened, as far as it has no evidence yet. due: as _due_ones gives it."""
    (site, name), (one, gap) = place, due
    owner = review.owner or procedure.owner
    hours = calendars.hours(review.parties[0] if review.parties else owner)
    terms = reviews.terms(review, procedure, hours, one.due_at, now)
    with store.read() as db:
        before = stored.previous(db, site, (name, review.id), one.due_at)
        return NewReview(
            site=site,
            procedure=name,
            item=review.id,
            due_of=one.due_at,
            title=review.title,
            owner=owner,
            opened_at=now,
            due_at=terms.due_at,
            remind_at=terms.remind_at,
            parties=review.parties,
            four_eyes=review.four_eyes,
            definition=review.model_dump(mode="json"),
            occurrence_id=one.id,
            run_id=one.run_id,
            since=before.opened_at
            if before
            else _period_before(calendars.schedule, name, one.due_at),
            gap=gap,
        )


def _open(
    store: Store, installation: Installation, schedule: Schedule, new: NewReview, now: datetime
) -> int | None:
    """Open one review with its evidence; return its number, or None if somebody else has."""
    with store.read() as db:
        document = review_evidence.collect(db, new, schedule, now)
    with store.begin() as db:
        whole = replace(new, evidence_sha256=review_evidence.keep(db, document))
        made = review_records.open_one(db, installation.key, whole, now)
    chain_end.note(installation.folder, store)
    return made


def _period_before(schedule: Schedule, procedure: str, due: datetime) -> datetime:
    """Return the start of a first review's period: as long before its due time as the next one is after it."""
    timing = timing_of(schedule, procedure)
    following = next_due(timing, due) if timing else None
    return due - (following - due if following else FIRST_PERIOD)


def renew_late(store: Store, site: Site, installation: Installation, now: datetime) -> None:
    """Collect once more for reviews that opened before their run had ended, once it has; not if somebody has signed."""
    with store.read() as db:
        waiting = [one for one in stored.open_ones(db, site.key) if one.gap and one.occurrence_id]
        signed = stored.signatures(db, (one.id for one in waiting))
        ended = {one.id: occurrences.get(db, one.occurrence_id or 0) for one in waiting}
    for one in waiting:
        there = ended[one.id]
        if there is None or signed[one.id] or there.state in occurrence.OPEN:
            continue
        gap = reviews.gap_of([there], now, site.settings.run_timeout_seconds)
        if gap is None or (gap, there.run_id) == (one.gap, one.run_id):
            continue
        with suppress(UsageError):  # somebody has signed meanwhile
            there_now = replace(one, gap=gap, run_id=there.run_id)
            renew(store, installation, there_now, now, site.schedule)


def renew(
    store: Store, installation: Installation, review: KeptReview, now: datetime, schedule: Schedule
) -> str:
    """Collect what there is now for a review, which shows it from now on; return its hash.

    Raises: UsageError if somebody has signed: what they were shown stays.
    """
    with store.read() as db:
        document = review_evidence.collect(db, review, schedule, now)
    with store.begin() as db:
        _locked(db, installation, review.site, review.id, now)
        if stored.signatures_of(db, review.id):
            raise UsageError(f"review {review.id} is signed: its evidence does not change any more")
        sha256 = review_evidence.keep(db, document)
        stored.set_evidence(db, review.id, sha256, review.gap, review.run_id)
        new = stored.get(db, review.site, review.id)
        review_records.record(db, installation.key, What.COLLECTED, new, now)
    chain_end.note(installation.folder, store)
    return sha256


# --- signing ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Given:
    """A file that somebody hands in with a signature."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Submission:
    """What somebody hands in to sign a review: the form, and files.

    evidence_sha256: of what they were shown; empty for what the review shows now.
    """

    form: Form
    given: Sequence[Given] = ()
    evidence_sha256: str = ""


@dataclass(frozen=True)
class SigningContext:
    """Where a site's reviews are signed. site: its key."""

    store: Store
    site: str
    installation: Installation


def sign(
    signing: SigningContext,
    calendars: Calendars,
    review_id: int,
    handed: Submission,
    by: Proved,
    now: datetime,
) -> Signature:
    """Sign a review, open its follow-ups, and write down who did it.

    Raises: UsageError, and writes that down, if they may not, or what they were shown is not what the review shows by
    now.
    """
    handed = replace(handed, form=_bounded(handed.form))

    def do(db: Connection) -> tuple[Signature, str]:
        review = _locked(db, signing.installation, signing.site, review_id, now)
        _refuse(db, calendars, review, handed, by, now)
        made = _append(db, signing.installation, calendars, review, handed, by, now)
        return made, f"{handed.form.verdict.value}; signature {made.number}"

    made = act(signing.store, by, now, "sign review", f"review {review_id}", do)
    chain_end.note(signing.installation.folder, signing.store)
    return made


def _locked(
    db: Connection, installation: Installation, site: str, review_id: int, now: datetime
) -> KeptReview:
    """Return the site's review, which nobody else signs or moves until the transaction ends.

    Raises: UsageError if there is none, or it is not what was recorded: what somebody has changed is not signed.
    """
    review = stored.get(db, site, review_id, lock=True)
    if review is None:
        raise UsageError(f"there is no review {review_id}", remedy="upkeep review list")
    review_records.list_older(db, installation.key, now)
    said = review_records.moved(db, review)
    if said:
        message = f"review {review_id} was changed in the database: {said}"
        raise UsageError(message, remedy="upkeep review verify")
    return review


def _refuse(
    db: Connection,
    calendars: Calendars,
    review: KeptReview,
    handed: Submission,
    by: Proved,
    now: datetime,
) -> None:
    """Raise UsageError if this may not be signed so."""
    schedule, form, given = calendars.schedule, handed.form, handed.given
    before = stored.signatures_of(db, review.id)
    said = reviews.refusal(schedule, review.asked, before, by.signer, form)
    if not said and handed.evidence_sha256 not in ("", review.evidence_sha256):
        said = "the evidence has changed since it was shown; read it again"
    has_file = any(one.content for one in given)
    if not said and form.on_behalf_of and not has_file:
        said = f"the report of {form.on_behalf_of} must be attached"
    if not said and len(given) > MOST_FILES:
        said = f"{len(given)} files; at most {MOST_FILES}"
    for one in given:
        if not said and len(one.content) > MOST_FILE_BYTES:
            most = f"at most {MOST_FILE_BYTES // 1_000_000} MB"
            said = f"{file_name(one.name)}: {len(one.content) / 1e6:.1f} MB; {most}"
    known = {*schedule.teams, *schedule.people}
    for follow_up in form.follow_ups:
        if not said and known and follow_up.owner not in known:
            said = f"there is no team and no person {follow_up.owner!r}"
        today = now.astimezone(calendars.hours(follow_up.owner).zone).date()
        if not said and not today <= follow_up.due <= today + FOLLOW_UP_WITHIN:
            said = (
                "a follow-up must be due between today and ten years from now; found "
                f"{follow_up.due}"
            )
    said = said or reviews.refuse_unseen(lacking_in(db, review), form, has_file=has_file)
    said = said or refuse_unexplained(failures(review_evidence.shown(db, review)), form)
    refuse(said)


def lacking_in(db: Connection, review: KeptReview) -> Lacking:
    """Return what is lacking in what a review shows."""
    return lacking.of(review_evidence.shown(db, review), has_run=review.parent is None)


def _append(
    db: Connection,
    installation: Installation,
    calendars: Calendars,
    review: KeptReview,
    handed: Submission,
    by: Proved,
    now: datetime,
) -> Signature:
    form = handed.form
    before = stored.signatures_of(db, review.id)
    attachments = [
        Attachment(file_name(one.name), files.keep(db, one.content), len(one.content))
        for one in handed.given
    ]
    record = reviews.record_of(
        review.terms,
        form,
        by.signer,
        at=now,
        authenticated=by.authenticated,
        party=reviews.party_of(calendars.schedule, review.asked, by.signer, before, form.corrects),
        attachments=attachments,
        evidence_sha256=review.evidence_sha256,
        lacking=lacking_in(db, review).what,
        targets=targets.summary(review_evidence.shown(db, review)),
    )
    signed = records.append(db, installation.key, stored.KIND, str(review.id), record)
    made = reviews.signature_of({**record, "number": signed.number})
    standing = reviews.standing(review.asked, [*before, made], now)
    stored.set_closed(db, review.id, standing.closed_at)
    for number, follow_up in enumerate(form.follow_ups, 1):
        new = _follow_up(calendars, review, made, number, follow_up, now)
        review_records.open_one(db, installation.key, new, now)
    return made


def _follow_up(
    calendars: Calendars,
    review: KeptReview,
    signature: Signature,
    number: int,
    wanted: reviews.FollowUp,
    now: datetime,
) -> NewReview:
    """Return the review that a follow-up is: of what its review showed, by its owner, until its day ends."""
    end = max(
        reviews.end_of_date(calendars.hours(wanted.owner), wanted.due),
        reviews.end_of(calendars.hours(wanted.owner), now, 0.0),
    )
    return NewReview(
        site=review.site,
        procedure=review.procedure,
        item=f"{review.item.split(' ')[0]} follow-up {signature.number}.{number}",
        due_of=now,
        title=wanted.text,
        owner=wanted.owner,
        opened_at=now,
        due_at=end,
        remind_at=max(now, end - timedelta(seconds=DAY)),
        definition={**review.definition, "asks": wanted.text, "lacks": []},
        parent=signature.number,
        since=review.opened_at,
        evidence_sha256=review.evidence_sha256,
    )


@dataclass(frozen=True)
class Handing:
    """To whom a review is given, and why."""

    owner: str
    reason: str


def hand_over(
    signing: SigningContext,
    schedule: Schedule,
    review_id: int,
    to: Handing,
    by: Proved,
    now: datetime,
) -> None:
    """Hand a review over to another team or person; its due time stays.

    Raises: UsageError, and writes that down, if it cannot be, or not by them.
    """

    def do(db: Connection) -> tuple[None, str]:
        review = _locked(db, signing.installation, signing.site, review_id, now)
        reason = written(to.reason)
        able = reviews.people_able(map(signer_of, users.everyone(db)))
        _refuse_hand_over(schedule, review, to, by.signer, able)
        stored.hand_over(db, review_id, to.owner)
        new = stored.get(db, signing.site, review_id)
        who = {"user": by.user.name, "reason": reason}
        review_records.record(db, signing.installation.key, What.HANDED_OVER, new, now, **who)
        return None, f"from {review.owner} to {to.owner}: {reason}"

    act(signing.store, by, now, "hand review over", f"review {review_id}", do)
    chain_end.note(signing.installation.folder, signing.store)


def _refuse_hand_over(
    schedule: Schedule, review: KeptReview, to: Handing, by: Signer, able: Collection[str]
) -> None:
    said = f"review {review.id} is signed" if review.closed_at else ""
    said = said or reviews.refuse_hand_over(schedule, review.asked, by, to.owner, able)
    if not said and not says(to.reason):
        said = "handing over a review needs a reason"
    refuse(said)


def file_name(text: str) -> str:
    """Return a file's name that is harmless wherever it is written: no folder, no control, not hidden, bounded."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    return UNSAFE.sub("_", last).strip(". ")[-150:].strip(". ") or "file"


def _bounded(form: Form) -> Form:
    """Return the form with texts as they may be kept."""
    if len(form.follow_ups) > MOST_FOLLOW_UPS:
        raise UsageError(f"{len(form.follow_ups)} follow-ups; at most {MOST_FOLLOW_UPS}")
    texts: Mapping[str, Any] = {
        key: written(getattr(form, key), MOST_TEXT)
        for key in ("note", "reason", "alone", "on_behalf_of")
    }
    follow_ups = tuple(
        replace(one, owner=shown(one.owner, 100), text=written(one.text, 1_000))
        for one in form.follow_ups
    )
    return replace(form, **texts, follow_ups=follow_ups)
