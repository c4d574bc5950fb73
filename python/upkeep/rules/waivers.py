"""What a waiver covers, when it holds, who may ask for one and who may say yes. Pure.

A waived failure is a failure that somebody has accepted for a time: it still fails, and is counted apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from fnmatch import fnmatchcase

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from upkeep.model.reason import says
from upkeep.model.roles import Role
from upkeep.model.verdicts import Severity
from upkeep.rules.actions import Action, refusal, words_of
from upkeep.rules.width import Watched, Width, is_exact, measure, names_nothing

LONGEST = timedelta(days=90)
UNUSED_AFTER = timedelta(days=30)
MOST = 0.5
"""The share of what a check watches that a waiver may cover at most: with more, the check is as good as off."""
MOST_PATTERN = 255
MOST_SUBJECT = 1_000
MOST_REASON = 4_000


class WaiverState(Enum):
    """The state of a waiver. lapsed: its end came before anybody approved it."""

    REQUESTED = "requested"
    HOLDS = "holds"
    EXPIRED = "expired"
    REVOKED = "revoked"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class WaiverScope:
    """What is waived: all four must fit. severity: the worst that is accepted; what is worse is not covered."""

    check_id: str
    host_pattern: str
    subject_glob: str
    severity: Severity

    def covers(self, check: str, host: str, subject: str, severity: Severity) -> bool:
        """Return whether such a failure is waived."""
        return self.names(check, host, subject) and severity.rank >= self.severity.rank

    def names(self, check: str, host: str, subject: str) -> bool:
        """Return whether it is about that subject, whatever its severity."""
        return (
            check == self.check_id
            and _fits(host, self.host_pattern)
            and (
                subject == self.subject_glob
                or fnmatchcase(subject, _without_marks(self.subject_glob))
            )
        )


@dataclass(frozen=True)
class Waiver:
    """A waiver as it is kept. used_at: when it covered a failure last, to the hour."""

    id: int
    site: str
    scope: WaiverScope
    reason: str
    requested_by: str
    requested_at: datetime
    ends_at: datetime
    approved_by: str = ""
    approved_at: datetime | None = None
    revoked_by: str = ""
    revoked_at: datetime | None = None
    revoked_why: str = ""
    used_at: datetime | None = None

    def state(self, now: datetime) -> WaiverState:
        """Return its state at a time."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return WaiverState.REVOKED
        if self.approved_at is None or self.approved_at > now:
            return WaiverState.REQUESTED if now < self.ends_at else WaiverState.LAPSED
        return WaiverState.HOLDS if now < self.ends_at else WaiverState.EXPIRED

    def holds(self, at: datetime) -> bool:
        """Return whether it is approved, has not ended and has not been revoked."""
        return self.state(at) is WaiverState.HOLDS

    def unused(self, now: datetime) -> bool:
        """Return whether it holds and has covered nothing for a long time."""
        if not self.holds(now) or self.approved_at is None:
            return False
        return now - max(self.approved_at, self.used_at or self.approved_at) >= UNUSED_AFTER


@dataclass(frozen=True)
class Who:
    """Somebody as far as waivers and silences go. person: their id in the schedule, which two users may share."""

    name: str
    role: Role
    person: str = ""
    shared: bool = False
    off: bool = False


def covering(
    waivers: Iterable[Waiver],
    check: str,
    host: str,
    subject: str,
    severity: Severity,
    at: datetime,
) -> Waiver | None:
    """Return the waiver that covers a failure at a time, of several the one that ends last; None if there is none."""
    holding = [one for one in waivers if one.holds(at)]
    return next(iter(together(holding, check, host, subject, severity)), None)


def together(
    holding: Collection[Waiver],
    check: str,
    host: str,
    subject: str,
    severity: Severity,
    blinds: Collection[str] = (),
) -> tuple[Waiver, ...]:
    """Return the waivers that cover a failure, the one that counts first; empty if it is not covered.

    One that names it is enough, of several the one that ends last. blinds: the checks that read nothing because of it.
    Where each of them is waived on just that host, for a subject such as this one, nobody misses what they would see;
    then the first of those waivers to end counts, for it is over with it.
    """
    found = [one for one in holding if one.scope.covers(check, host, subject, severity)]
    if found:
        return (max(found, key=_end),)
    on_host = [one for one in holding if one.scope.host_pattern == host]
    each = [
        [one for one in on_host if one.scope.covers(blinded, host, subject, severity)]
        for blinded in blinds
    ]
    if not all(each):
        return ()
    return tuple(sorted({max(fitting, key=_end) for fitting in each}, key=_end))


def _end(waiver: Waiver) -> tuple[datetime, int]:
    return waiver.ends_at, waiver.id


def why_not_any_more(waiver: Waiver, now: datetime) -> str:
    """Return in words why a waiver that covered something does not hold any more."""
    state = waiver.state(now)
    if state is WaiverState.REVOKED:
        why = f": {waiver.revoked_why}" if waiver.revoked_why else ""
        return f"waiver {waiver.id} was revoked by {waiver.revoked_by}{why}"
    if state is WaiverState.EXPIRED:
        return f"waiver {waiver.id} ended on {waiver.ends_at:%Y-%m-%d %H:%M} UTC"
    return f"waiver {waiver.id} does not cover it any more"


# --- who may what ----------------------------------------------------------------------------------------------------
def refuse_request(
    scope: WaiverScope, reason: str, ends_at: datetime, by: Who, longest: timedelta, now: datetime
) -> str:
    """Return why such a waiver cannot be asked for, or nothing; how wide it is comes after that."""
    return (
        refuse_actor(by, Action.REQUEST_WAIVER)
        or _refuse_scope(scope)
        or ("a waiver needs a reason" if not says(reason) else "")
        or _refuse_end(ends_at, longest, now)
    )


def width(watched: Iterable[Watched], scope: WaiverScope) -> Width:
    """Return how much a waiver would cover of what is watched of its check."""
    return measure(watched, lambda one: scope.names(one.check, one.host, one.subject))


def refuse_width(scope: WaiverScope, found: Width, *, by_name: bool) -> str:
    """Return why a waiver is too wide, or nothing. by_name: what detects intruders, or blindness, names its host."""
    if by_name and not is_exact(scope.host_pattern):
        return (
            f"{scope.check_id} detects intruders, or reports that hosts or Upkeep itself cannot "
            "be checked; a waiver for it must name one host"
        )
    wide = found.hosts > 1 or names_nothing(scope.host_pattern)
    if not wide or found.share <= MOST:
        return ""
    return (
        f"a waiver of more than {MOST:.0%} of what {scope.check_id} watches would disable the "
        f"check ({found}); name a host or fewer subjects"
    )


def refuse_approval(
    waiver: Waiver, requester: Who | None, by: Who, longest: timedelta, now: datetime
) -> str:
    """Return why somebody may not approve a waiver, or nothing; how wide it is comes after that.

    requester: who asked for it, None if there is no such user any more.
    """
    said = refuse_actor(by, Action.APPROVE_WAIVER)
    if said:
        return said
    state = waiver.state(now)
    if state is not WaiverState.REQUESTED:
        return f"waiver {waiver.id} does not wait for approval: it {_STANDS[state]}"
    return refuse_other("a waiver", waiver.requested_by, requester, by) or _refuse_end(
        waiver.ends_at, longest, now
    )


def refuse_revocation(waiver: Waiver, by: Who, why: str, now: datetime) -> str:
    """Return why somebody may not revoke a waiver, or withdraw its request; or nothing."""
    said = refuse_actor(by, Action.REVOKE_WAIVER)
    if said:
        return said
    state = waiver.state(now)
    if state not in (WaiverState.REQUESTED, WaiverState.HOLDS):
        return f"waiver {waiver.id} cannot be revoked: it {_STANDS[state]}"
    return "" if says(why) else "revoking a waiver needs a reason"


_STANDS = {
    WaiverState.REQUESTED: "is not approved yet",
    WaiverState.HOLDS: "is approved already",
    WaiverState.EXPIRED: "has ended",
    WaiverState.REVOKED: "was revoked",
    WaiverState.LAPSED: "ended before it was approved",
}


def refuse_actor(by: Who, action: Action, *, own: bool = True) -> str:
    """Return why somebody may not do something, or nothing. own: it takes a user of one's own."""
    if by.off:
        return f"{by.name} is disabled"
    if own and by.shared:
        return f"{by.name} is shared by several people; to {words_of(action)} you need a user of your own"
    return refusal(action, by.name, by.role)


def refuse_other(what: str, requested_by: str, requester: Who | None, by: Who) -> str:
    """Return why it is not known that somebody else than who asked says yes, or nothing.

    Two users of one person are one. Whoever has no person may be anybody, so also the other one.
    """
    person = requester.person if requester else ""
    if by.name == requested_by or (person and person == by.person):
        return f"the person who asked for {what} may not approve it"
    for name, known in ((by.name, by.person), (requested_by, person)):
        if not known:
            return (
                f"{name} is not a person in the schedule, so it is not certain that two people "
                f"agree to {what}"
            )
    return ""


def _refuse_scope(scope: WaiverScope) -> str:
    """Return what is wrong with a scope: each part must say something."""
    parts = {
        "check": scope.check_id,
        "host pattern": scope.host_pattern,
        "subject glob": scope.subject_glob,
    }
    for name, text in parts.items():
        if not text.strip():
            return f"a waiver without a {name} would cover too much"
    if len(scope.host_pattern) > MOST_PATTERN or len(scope.subject_glob) > MOST_SUBJECT:
        return f"a pattern is longer than {MOST_PATTERN} or {MOST_SUBJECT} characters"
    known_as = masked(scope.subject_glob)
    if known_as != scope.subject_glob:  # masked by us, its wildcards might fit more than was meant
        return (
            "the subject seems to contain a secret; subjects are stored without secrets, as "
            f"{known_as!r}"
        )
    return ""


def _refuse_end(ends_at: datetime, longest: timedelta, now: datetime) -> str:
    if ends_at <= now:
        return "a waiver must end in the future"
    if ends_at - now > longest:
        return f"a waiver may last at most {longest.total_seconds() / 86400:g} days"
    return ""


def _without_marks(pattern: str) -> str:
    """Return a pattern of subjects in which what masks a URL stands for itself.

    Of a URL that is shown as `…/health?token=*` the `?` and the `*` are no wildcards: whoever writes it down as it is
    shown means that one, not `…?token=* (2)` or `…?token=*&scope=*`. Elsewhere in it, a `*` is one.
    """
    if "://" not in pattern:
        return pattern
    return re.sub(r"(?<=[=?&;])\*", "[*]", pattern).replace("?", "[?]")


def _fits(text: str, pattern: str) -> bool:
    """Return whether a name fits a pattern; it always fits itself, whatever brackets are in it."""
    return text == pattern or fnmatchcase(text, pattern)
