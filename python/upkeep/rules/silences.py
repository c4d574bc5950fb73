"""What a silence covers, how long it may last, who makes one alone and who says yes to a wide one. Pure.

What a silence covers still fails and is listed; nobody is notified of it until the silence ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from upkeep.model.nearest import nearest
from upkeep.model.reason import says
from upkeep.rules.actions import Action
from upkeep.rules.waivers import Who, refuse_other
from upkeep.rules.waivers import refuse_actor as refuse_actor
from upkeep.rules.width import Watched, Width, is_exact, measure, names_nothing

ALONE = 0.2
"""The share of what is watched that one person may keep quiet without another."""
MOST_CHECK, MOST_HOST = 200, 255


@dataclass(frozen=True)
class SilenceScope:
    """What is kept quiet. severity: the worst of it, 1 to 4."""

    check_pattern: str
    host_pattern: str
    severity: int = 2

    def fits(self, check: str, host: str, *, by_name: bool) -> bool:
        """Return whether it is about such a check; by_name: only if it names check and host exactly."""
        if by_name:
            return (check, host) == (self.check_pattern, self.host_pattern)
        return _fits(check, self.check_pattern) and _fits(host, self.host_pattern)


@dataclass(frozen=True)
class Known:
    """What a silence can name: the checks there are, and whether by name only; the hosts that were ever checked.

    A host that is none of them is a mistyped one, unless nothing was checked yet.
    """

    checks: Mapping[str, bool]
    hosts: Collection[str]


@dataclass(frozen=True)
class Silence:
    """What is kept quiet, until when. needs_approval: it is so wide that it holds only once somebody else says yes."""

    id: int
    site: str
    check_pattern: str
    host_pattern: str
    severity: int
    reason: str
    made_by: str
    made_at: datetime
    begins_at: datetime
    ends_at: datetime
    ended_by: str
    needs_approval: bool = False
    approved_by: str = ""
    approved_at: datetime | None = None

    @property
    def scope(self) -> SilenceScope:
        """What it covers."""
        return SilenceScope(self.check_pattern, self.host_pattern, self.severity)

    @property
    def waits(self) -> bool:
        """Whether another person must approve it, and it silences nothing yet."""
        return self.needs_approval and self.approved_at is None

    def covers(self, check: str, host: str, severity: int, *, by_name: bool) -> bool:
        """Return whether it keeps such a finding quiet; by_name: only if it names check and host exactly."""
        return (
            not self.waits
            and severity >= self.severity
            and self.scope.fits(check, host, by_name=by_name)
        )

    def within(self, longest: timedelta) -> Silence:
        """Return it as it holds: one that was made before there was a limit ends by the limit all the same."""
        return replace(self, ends_at=min(self.ends_at, self.begins_at + longest))


def keep_quiet(
    silences: Collection[Silence],
    check: str,
    host: str,
    severity: int,
    *,
    by_name: bool,
    blinds: Collection[str] = (),
) -> bool:
    """Return whether these keep a finding quiet: one that covers it; or, of what blinds checks, one of each by name.

    by_name: whether no pattern covers it. blinds: the checks that cannot be done because of it.
    """
    if any(one.covers(check, host, severity, by_name=by_name) for one in silences):
        return True
    return bool(blinds) and all(
        any(one.covers(blinded, host, severity, by_name=True) for one in silences)
        for blinded in blinds
    )


def width(
    watched: Iterable[Watched], scopes: Collection[SilenceScope], by_name: Callable[[str], bool]
) -> Width:
    """Return how much these keep quiet together of what is watched and a pattern may cover.

    by_name: says which checks no pattern covers.
    """

    def covers(one: Watched) -> bool:
        named = by_name(one.check)
        return any(scope.fits(one.check, one.host, by_name=named) for scope in scopes)

    return measure((one for one in watched if covers(one) or not by_name(one.check)), covers)


def needs_another(
    scope: SilenceScope, alone: Width, together: Width, by_pattern: Collection[str]
) -> bool:
    """Return whether a silence takes a second person.

    alone: what it covers itself; together: with all that the same person keeps quiet already. One check on one host
    is never too much. by_pattern: all checks that a pattern may cover; of a host that is still to come, all of them.
    A pattern of hosts that covers nothing yet may cover all of them tomorrow.
    """
    one_host = is_exact(scope.host_pattern)
    if is_exact(scope.check_pattern) and one_host and together.things < 2:
        return False
    if not one_host and not alone.results:
        return True
    many = together.things > 1 and together.share > ALONE
    many_hosts = alone.hosts > 1 and alone.host_share > ALONE
    fitting = sum(_fits(check, scope.check_pattern) for check in by_pattern)
    unbounded = names_nothing(scope.host_pattern) and fitting > ALONE * len(by_pattern)
    return many or many_hosts or unbounded


def refuse(
    scope: SilenceScope,
    reason: str,
    ends_at: datetime,
    by: Who,
    longest: timedelta,
    now: datetime,
    known: Known,
) -> str:
    """Return why such a silence cannot be made, or nothing."""
    return (
        refuse_actor(by, Action.SILENCE, own=False)
        or _refuse_patterns(scope, known.checks)
        or _refuse_unknown(scope, known)
        or ("" if says(reason) else "a silence needs a reason")
        or refuse_end("a silence", ends_at, longest, now)
    )


def refuse_end(what: str, ends_at: datetime, longest: timedelta, now: datetime) -> str:
    """Return what is wrong with the end of a silence, or nothing."""
    if ends_at <= now:
        return f"{what} must end later than it begins, and later than now"
    if ends_at - now > longest:
        return f"{what} ends at most {longest.total_seconds() / 86400:g} days from now"
    return ""


def refuse_approval(
    silence: Silence, requester: Who | None, by: Who, longest: timedelta, now: datetime
) -> str:
    """Return why somebody may not say yes to a silence, or nothing. requester: None if there is no such user."""
    said = refuse_actor(by, Action.APPROVE_SILENCE)
    if said:
        return said
    if not silence.waits:
        return f"silence {silence.id} needs no approval"
    if silence.ends_at <= now:
        return f"silence {silence.id} ended before it was approved"
    return refuse_other("a silence", silence.made_by, requester, by) or refuse_end(
        "a silence", silence.ends_at, longest, now
    )


def _refuse_patterns(scope: SilenceScope, checks: Mapping[str, bool]) -> str:
    check, host = scope.check_pattern, scope.host_pattern
    if not check.strip() or not host.strip():
        return "a silence names a check and a host, or patterns of them"
    if len(check) > MOST_CHECK or len(host) > MOST_HOST:
        return f"a pattern is longer than {MOST_CHECK} or {MOST_HOST} characters"
    if not (check + host).isprintable():
        return "a pattern holds a control character"
    exact = is_exact(check) and is_exact(host)
    fitting = [one for one in checks if _fits(one, check)]
    if fitting and not exact and all(checks[one] for one in fitting):
        return (
            f"{', '.join(sorted(fitting)[:3])}: a check that detects intruders, or says that hosts or Upkeep itself"
            " cannot be checked, is silenced by its exact name on one host only"
        )
    return ""


def _refuse_unknown(scope: SilenceScope, known: Known) -> str:
    check, host, checks, hosts = scope.check_pattern, scope.host_pattern, known.checks, known.hosts
    if not any(_fits(one, check) for one in checks):
        what = "there is no check" if is_exact(check) else "no check fits"
        return f"{what} {check!r}{nearest(check, checks)}"
    if hosts and is_exact(host) and host not in hosts:
        return (
            f"no host {host!r} was ever checked (a host that is still to come takes a pattern, such as"
            f" {host + '*'!r}, and a second person){nearest(host, hosts)}"
        )
    return ""


def _fits(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern)
