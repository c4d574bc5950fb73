"""An isolated host stays isolated, and ends to be so when somebody says it.

Hosts are isolated by the role `isolate`, which loads tables of nftables and arms a timer that releases them. Checks
that the tables are those that were loaded, that what is forbidden fails, from the host and from the controller, that
the timers are armed, and that somebody knows when it ends. A host that has released itself by a timer is told for some
days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.gather.incidents._isolation_shape import (
    HostIsolation,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.isolation import released_by_person, why_released_itself
from upkeep.model.verdicts import Severity, Verdict, failed, passed, unknown

STATES = ("none", "armed", "loaded", "confirmed", "released")
AS_LOADED = "as loaded"
ISOLATE = "decide: isolate it again, or see whether it is clean"
RELEASE = "decide: release it, or isolate it again with isolation_renew: true"
SEE_RULES = (
    "nft -s list ruleset  # see what is there, and isolate the host again to put our tables back"
)


@dataclass(frozen=True)
class Limits:
    """When it fails.

    warn_hours: fewer hours than that are left until the host releases itself.
    told_days: for how many days a release that nobody has asked for is a failure.
    """

    warn_hours: float = 4.0
    told_days: float = 3.0


def judge(seen: HostIsolation, limits: Limits, now: datetime) -> Verdict:
    """Judge how the host is isolated, or how it came that it is not any more."""
    if seen.state not in STATES:
        return unknown(f"the host does not say how it stands: {short(seen.state, 40)!r}")
    if seen.state in ("none", "released"):
        return _judge_open(seen, limits, now)
    return _judge_isolated(seen, limits, now)


def _judge_open(seen: HostIsolation, limits: Limits, now: datetime) -> Verdict:
    if seen.left:
        text = f"not isolated, but tables of Upkeep are loaded: {', '.join(short(one, 20) for one in seen.left)}"
        return failed(Severity.HIGH, text, remedy="decide: release it, which deletes them")
    if seen.before_boot:
        by = f"isolated by {short(seen.before_boot.get('by'), 60)} until its reboot"
        if seen.before_boot.get("reboot") == "released":
            return failed(
                Severity.HIGH, f"{by}, which has released it, as was asked for", remedy=ISOLATE
            )
        return failed(Severity.CRITICAL, f"{by}, and should have been so again", remedy=ISOLATE)
    if seen.state == "none":
        return passed("not isolated")
    if seen.released_at is None:
        return unknown("the host does not say when it was released")
    when = f"{seen.released_at:%Y-%m-%d %H:%M}"
    if released_by_person(seen.released_by):
        return passed(f"not isolated; released on {when} {short(seen.released_by, 80)}")
    why = why_released_itself(seen.released_by) or f"by {short(seen.released_by, 40)!r}"
    text = f"released itself on {when}: {why}"
    if now - seen.released_at > timedelta(days=limits.told_days):
        return passed(f"not isolated; {text}")
    return failed(Severity.HIGH, text, remedy=ISOLATE)


def _judge_isolated(seen: HostIsolation, limits: Limits, now: datetime) -> Verdict:
    if seen.since is None:
        return unknown("the host does not say since when it is isolated")
    since = f"isolated since {seen.since:%Y-%m-%d %H:%M} by {short(seen.by, 60)}"
    broken = _broken(seen)
    if broken:
        return failed(Severity.CRITICAL, f"{since}; {broken}", remedy=SEE_RULES)
    if seen.booted:
        text = f"{since}, and again since its reboot; it releases itself half an hour after that"
        return failed(Severity.HIGH, text, remedy=ISOLATE)
    if seen.state != "confirmed":
        return failed(Severity.HIGH, f"{since}, but nobody has confirmed it yet", remedy=ISOLATE)
    if not seen.tables:
        return unknown(f"{since}; its tables were not seen")
    if seen.until is None:
        return unknown(f"{since}; when it ends was not seen")
    left = (seen.until - now) / timedelta(hours=1)
    ends = f"ends in {left:.1f} h" if left >= 0 else f"should have ended {-left:.1f} h ago"
    if seen.timers:
        return failed(
            Severity.HIGH,
            f"{since}; it may not end by itself: {short('; '.join(seen.timers), 300)}",
            remedy=RELEASE,
        )
    if seen.put_back:
        text = f"{since}; its tables were changed, and the host put them back: {short('; '.join(seen.put_back), 200)}"
        return failed(Severity.HIGH, text, remedy=SEE_RULES)
    if not seen.watched:
        return failed(
            Severity.MEDIUM, f"{since}; its tables are not watched any more", remedy=RELEASE
        )
    if left < limits.warn_hours:
        return failed(
            Severity.MEDIUM, f"{since}; {ends}, warned at {limits.warn_hours:g} h", remedy=RELEASE
        )
    if seen.tight is None:
        return unknown(f"{since}; no try has shown that forbidden traffic fails")
    from_both = ", also from the controller" if seen.tried_ports else ""
    return passed(f"{since}; {ends}; forbidden traffic fails{from_both}")


def _broken(seen: HostIsolation) -> str:
    """Return why the host is not cut off; empty if it is."""
    if seen.open_ports:
        ports = ", ".join(map(str, seen.open_ports[:6]))
        return f"forbidden traffic gets through: the controller reaches TCP port {ports}"
    if seen.leaks or seen.tight is False:
        return f"forbidden traffic gets through: {short('; '.join(seen.leaks), 300)}"
    bad = [
        f"{short(name, 20)} is {short(how, 20)}"
        for name, how in sorted(seen.tables.items())
        if how != AS_LOADED
    ]
    if bad:
        return f"its tables are not those that were loaded: {', '.join(bad)}"
    if seen.changed_again:
        return "its tables were changed again after the host had put them back"
    return ""


CHECK = Check(
    title="Isolated hosts are cut off until somebody releases them",
    trouble="Isolation",
    gather="isolation",
    shape=HostIsolation,
    since="0.1.0",
    why="Whoever was cut off may come back unnoticed, or a host may stay cut off that nobody remembers.",
    cannot_see=(
        "What speaks without the host's own network, such as a management controller. Whether the "
        "host lies about itself: whoever has root there can."
    ),
    limits=Limits(),
    judge=judge,
    source="nft(8); NIST SP 800-61, section 3.3.1; Velociraptor's Linux quarantine",
    remedy=RELEASE,
    controls=("45 CFR 164.308(a)(6)(ii)",),
    absence=DECLARED,
    detects_intruders=True,
)
