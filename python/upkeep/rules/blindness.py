"""When a check has gone blind: it is asked for on a host that answers, and can read nothing that it could judge. Pure.

A check is blind on a host if each of its results there is `cannot_see`. One with a real verdict on any subject sees,
and so does one that had nothing to judge. What blinds it is the cause: one empty journal is one trouble, however many
checks read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Result, Severity, Unknown

LOOKS = 3
LEAST = timedelta(minutes=30)
MOST = timedelta(days=7)
"""A check has gone blind after three looks in at least half an hour, or after two that are a week apart."""
NAMED_CHECKS = 6
ALL = "*"


@dataclass(frozen=True)
class HostLook:
    """What of a host's checks saw something in one answer, and what saw nothing.

    blind: by check, what could not be seen and why. asked: the checks that were asked for, None for all that the host's
    groups list; due: those of them that they list.
    """

    host: str
    at: datetime
    seeing: frozenset[str]
    blind: Mapping[str, tuple[str, str]]
    due: frozenset[str]
    asked: frozenset[str] | None


@dataclass(frozen=True)
class Spot:
    """A check that can read nothing on a host. subject: what it cannot see; from_first: it has never seen there."""

    host: str
    check: str
    subject: str
    why: str
    since: datetime
    looks: int
    from_first: bool = False


@dataclass(frozen=True)
class Blind:
    """What fails for a host: a cause, and the checks that it blinds. subject: the gather, and what it could not see."""

    subject: str
    checks: tuple[str, ...]
    severity: Severity
    message: str
    from_first: bool


def look_of(observed: Observed) -> HostLook | None:
    """Return how the checks of a host saw; None if the host did not answer: that is a trouble of its own."""
    if observed.outcome is not Outcome.OK:
        return None
    seeing = frozenset(one.check for one in observed.results if not _sees_nothing(one))
    blind: dict[str, tuple[str, str]] = {}
    for one in sorted(observed.results, key=lambda one: (one.check, one.subject)):
        if one.is_blind and one.check not in seeing:
            blind.setdefault(one.check, (one.subject, one.message))
    asked = None if ALL in observed.asked else frozenset(observed.asked)
    due = frozenset(item.check for item in observed.due)
    return HostLook(observed.host, observed.observed_at, seeing, blind, due, asked)


def _sees_nothing(result: Result) -> bool:
    """Return whether it says nothing of what is there. An isolation makes no check blind, nor lets a blind one see."""
    return result.is_blind or result.unknown is Unknown.ISOLATED


def next_spots(
    known: Mapping[str, Spot], look: HostLook, before: Collection[str]
) -> tuple[dict[str, Spot], set[str]]:
    """Return the spots of a host that are new or changed, by check, and the checks that have none any more.

    before: the checks that have seen something there before this look.
    """
    changed = {}
    for check, (subject, why) in look.blind.items():
        spot = known.get(check)
        if spot is None:
            first = check not in before
            changed[check] = Spot(look.host, check, subject, why, look.at, 1, first)
        elif look.at > spot.since:
            changed[check] = replace(spot, subject=subject, why=why, looks=spot.looks + 1)
    gone = {check for check in known if check in look.seeing or _is_left_out(check, look)}
    return changed, gone


def _is_left_out(check: str, look: HostLook) -> bool:
    asked_for = look.asked is None or check in look.asked
    return asked_for and check not in look.due


def has_gone_blind(spot: Spot, now: datetime, after: timedelta | None) -> bool:
    """Return whether the check has seen nothing for so long. after: the site's own limit."""
    if spot.from_first:
        return True
    age = now - spot.since
    if after is not None:
        return spot.looks > 1 and age >= after
    return (spot.looks >= LOOKS and age >= LEAST) or (spot.looks > 1 and age >= MOST)


def by_cause(spots: Iterable[Spot], gathers: Mapping[str, str]) -> dict[str, list[Spot]]:
    """Return what can read nothing on one host by what blinds it: the gather, and what that could not see."""
    causes: dict[str, list[Spot]] = {}
    for spot in spots:
        gather = gathers.get(spot.check, spot.check)
        subject = gather if spot.subject in ("", ALL, gather) else f"{gather}: {spot.subject}"
        causes.setdefault(subject, []).append(spot)
    return dict(sorted(causes.items()))


def blind_ones(
    spots: Iterable[Spot],
    now: datetime,
    after: timedelta | None,
    *,
    gathers: Mapping[str, str],
    intruders: Collection[str],
) -> Iterator[Blind]:
    """Yield what has gone blind on one host, by cause.

    gathers: of each check; intruders: the checks that detect them.
    """
    for subject, alike in by_cause(spots, gathers).items():
        gone = [spot for spot in alike if has_gone_blind(spot, now, after)]
        if not gone:
            continue
        gone.sort(key=lambda spot: spot.check)
        checks = tuple(spot.check for spot in gone)
        since = min(spot.since for spot in gone)
        names = ", ".join(checks[:NAMED_CHECKS])
        more = f" and {len(checks) - NAMED_CHECKS} more" if len(checks) > NAMED_CHECKS else ""
        yield Blind(
            subject,
            checks,
            Severity.HIGH if any(one in intruders for one in checks) else Severity.MEDIUM,
            f"{names}{more} {'have' if len(checks) > 1 else 'has'} had no data since"
            f" {since:%Y-%m-%d %H:%M} UTC: {gone[0].why}",
            any(spot.from_first for spot in gone),
        )
