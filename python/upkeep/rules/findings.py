"""The life of a finding: what is wrong with a subject over time. Pure; the store loads and saves.

A fail opens it, a pass resolves it, an unknown moves nothing. What is not watched any more (its check is not asked
for, its host has left) is retired, and what is not there any more is gone (see absence.py): neither is resolved. What
changes is a transition: the only thing that alerts look at.

A finding that a waiver covers is open all the same. That it is covered, is not any more, or has got worse than the
waiver accepts are transitions too; what happens below a waiver's ceiling is quiet: written down, and told to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from upkeep.model.verdicts import Severity, Status
from upkeep.rules.trouble_groups import Order, Told, in_order
from upkeep.rules.waivers import Waiver, why_not_any_more


class FindingState(StrEnum):
    """How it stands with a finding."""

    OPEN = "open"
    RESOLVED = "resolved"
    RETIRED = "retired"
    GONE = "gone"


class FindingKind(StrEnum):
    """What a transition is. severity, cause: another one, of a finding that stays open."""

    OPENED = "opened"
    REOPENED = "reopened"
    SEVERITY = "severity"
    CAUSE = "cause"
    RESOLVED = "resolved"
    RETIRED = "retired"
    GONE = "gone"
    WAIVED = "waived"
    WAIVER_ENDED = "waiver_ended"
    WAIVER_EXCEEDED = "waiver_exceeded"


@dataclass(frozen=True)
class Finding:
    """A finding as it is now. opening: how often it was opened; count: in how many answers it failed.

    id: 0 until it is kept. procedure: what it is about, if the product says it of itself.
    waiver_id: the waiver that was found to cover it last; it may have ended since.
    seen_of, seen_by, seen_as: how it was seen to fail last: of which set, by which parameters (a hash), as which user.
    A program of before has not written that down: None, empty and None.
    cause: what is wrong, as the check names it; empty where that is the subject.
    """

    id: int
    fingerprint: str
    site: str
    host: str
    check_id: str
    subject: str
    status: str
    severity: Severity
    message: str
    remedy: str
    opening: int
    count: int
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    waiver_id: int | None = None
    procedure: str = ""
    seen_of: str | None = None
    seen_by: str = ""
    seen_as: int | None = None
    cause: str = ""

    @property
    def order(self) -> tuple[Order, int]:
        """Worst first, then like to like."""
        return in_order(self.severity.rank, self.check_id, self.host, self.subject), self.id

    def tell(self) -> Told:
        """Return by what it is put together with others."""
        apart = (self.severity, self.status, self.waiver_id)
        names = (self.host, self.check_id, self.subject)
        return Told(*names, Status.FAIL, self.message, self.remedy, apart)


@dataclass(frozen=True)
class Sighting:
    """How a subject was seen: of which set, by which parameters (a hash), as which user; and its cause."""

    of: str | None = None
    by: str = ""
    uid: int | None = None
    cause: str = ""


@dataclass(frozen=True)
class SeenResult:
    """The newest result of a subject.

    again: False if an answer was only judged again. how: what else is known of how it was seen.
    """

    fingerprint: str
    site: str
    host: str
    check_id: str
    subject: str
    status: Status
    severity: Severity | None
    message: str
    remedy: str
    at: datetime
    again: bool = True
    procedure: str = ""
    how: Sighting = Sighting()


@dataclass(frozen=True)
class Transition:
    """What happened to a finding, with the message of that time. quiet: alerts pass over it."""

    kind: FindingKind
    at: datetime
    severity: Severity | None
    message: str
    quiet: bool = False


Moved = tuple[Finding | None, tuple[Transition, ...]]


def next_state(known: Finding | None, seen: SeenResult, waiver: Waiver | None = None) -> Moved:
    """Return the finding after a result, None if there is none, and what happened to it.

    waiver: the one that covers the result, if it fails.
    """
    if seen.status is Status.FAIL and seen.severity is not None:
        return _failed(known, seen, seen.severity, waiver)
    if seen.status is Status.PASS and known is not None and known.status == FindingState.OPEN:
        ended = replace(
            known,
            status=FindingState.RESOLVED,
            resolved_at=seen.at,
            last_seen_at=seen.at,
            waiver_id=None,
        )
        return ended, (Transition(FindingKind.RESOLVED, seen.at, None, seen.message),)
    return known, ()


def retired(known: Finding, why: str, at: datetime) -> Moved:
    """Return an open finding whose subject is not watched any more, and why; others stay as they are."""
    if known.status != FindingState.OPEN:
        return known, ()
    ended = replace(known, status=FindingState.RETIRED, resolved_at=at, waiver_id=None)
    return ended, (Transition(FindingKind.RETIRED, at, None, why),)


def covered_anew(
    known: Finding, waiver: Waiver | None, before: Waiver | None, now: datetime
) -> Moved:
    """Return an open finding that another waiver covers now, or none, without a new result.

    before: the waiver that covered it until now.
    """
    number = waiver.id if waiver else None
    if known.status != FindingState.OPEN or number == known.waiver_id:
        return known, ()
    changed = replace(known, waiver_id=number)
    if waiver is not None:
        # From one waiver to another: nothing that anybody must be told of.
        quiet = known.waiver_id is not None
        told = Transition(FindingKind.WAIVED, now, known.severity, by_whom(waiver), quiet)
        return changed, (told,)
    why = why_not_any_more(before, now) if before else f"waiver {known.waiver_id} does not exist"
    message = f"{known.message} ({why})"
    return changed, (Transition(FindingKind.WAIVER_ENDED, now, known.severity, message),)


def by_whom(waiver: Waiver) -> str:
    """Return which waiver it is, by whom, until when and why."""
    until = f"{waiver.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"waiver {waiver.id}, approved by {waiver.approved_by}, until {until}: {waiver.reason}"


def _failed(
    known: Finding | None, seen: SeenResult, severity: Severity, waiver: Waiver | None
) -> tuple[Finding, tuple[Transition, ...]]:
    opened = Finding(
        id=0,
        fingerprint=seen.fingerprint,
        site=seen.site,
        host=seen.host,
        check_id=seen.check_id,
        subject=seen.subject,
        status=FindingState.OPEN,
        severity=severity,
        message=seen.message,
        remedy=seen.remedy,
        opening=1,
        count=1,
        opened_at=seen.at,
        last_seen_at=seen.at,
        resolved_at=None,
        waiver_id=waiver.id if waiver else None,
        procedure=seen.procedure,
        seen_of=seen.how.of,
        seen_by=seen.how.by,
        seen_as=seen.how.uid,
        cause=seen.how.cause,
    )
    if known is None:
        return opened, _told(FindingKind.OPENED, seen, severity, seen.message, waiver)
    # It says what was seen now, and keeps who it is.
    again = replace(
        opened,
        id=known.id,
        fingerprint=known.fingerprint,
        site=known.site,
        opening=known.opening + 1,
        count=known.count + (1 if seen.again else 0),
    )
    if not seen.how.by:
        again = replace(again, seen_of=known.seen_of, seen_by=known.seen_by, seen_as=known.seen_as)
    if known.status != FindingState.OPEN:
        return again, _told(FindingKind.REOPENED, seen, severity, seen.message, waiver)
    still = replace(again, opening=known.opening, opened_at=known.opened_at)
    kind, about = _while_open(known, seen, severity, waiver)
    return still, _told(kind, seen, severity, seen.message + about, waiver) if kind else ()


def _while_open(
    known: Finding, seen: SeenResult, severity: Severity, waiver: Waiver | None
) -> tuple[FindingKind | None, str]:
    """Return what happens to an open finding that fails again, and what its message says of waivers."""
    if known.waiver_id and not waiver:
        if severity.rank < known.severity.rank:
            return FindingKind.WAIVER_EXCEEDED, f" (worse than waiver {known.waiver_id} accepts)"
        return FindingKind.WAIVER_ENDED, f" (waiver {known.waiver_id} is no longer in force)"
    if waiver and not known.waiver_id:
        return FindingKind.WAIVED, f" ({by_whom(waiver)})"
    if known.severity is not severity:
        return FindingKind.SEVERITY, ""
    # A program of before knew no causes: that one is named now is nothing new.
    is_new = known.cause != seen.how.cause and bool(known.seen_by)
    return FindingKind.CAUSE if is_new else None, ""


def _told(
    kind: FindingKind, seen: SeenResult, severity: Severity, message: str, waiver: Waiver | None
) -> tuple[Transition, ...]:
    """Return what happened; what a waiver covers is quiet, and that it is covered is told where it was not open."""
    told = Transition(kind, seen.at, severity, message)
    if waiver is None or kind is FindingKind.WAIVED:
        return (told,)
    quiet = replace(told, quiet=True)
    if kind in (FindingKind.SEVERITY, FindingKind.CAUSE):
        return (quiet,)
    return (quiet, Transition(FindingKind.WAIVED, seen.at, severity, by_whom(waiver)))
