"""Security updates are installed as they come out.

What the host's own package manager would install now. What it knows is as old as its lists: an answer from stale lists,
or from lists without any of security updates, is unknown, not a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.check import Check
from upkeep.readings import figure, numbers, short
from upkeep.verdicts import Measure, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Params:
    """How many security updates may wait, and how old the package lists may be.

    max_updates: number of packages.
    max_list_days: age of the package lists, in days.
    """

    max_updates: int = 0
    max_list_days: float = 7.0


def judge(seen: Observation, params: Params, now: datetime) -> Verdict:
    """Judge the number of pending security updates."""
    data = seen.data
    counted = numbers(data, "security")
    if counted is None:
        return unknown("no number of updates was given")
    measure = Measure("pending", counted[0])
    limit = f"at most {params.max_updates}"
    if counted[0] > params.max_updates:
        updates = data.get("security_updates")
        named = (
            [update.get("package") for update in updates if isinstance(update, dict)]
            if isinstance(updates, list)
            else []
        )
        names = ", ".join(short(name, 40) for name in named[:5])
        more = ", …" if counted[0] > 5 else ""
        text = f"{counted[0]:.0f} security updates pending, {limit}: {names}{more}"
        return failed(Severity.HIGH, text, measure)
    refresh = (
        f"refresh them: {'dnf makecache' if data.get('manager') == 'dnf' else 'apt-get update'}"
    )
    if unread := data.get("unread"):
        text = (
            f"{len(unread)} lines of the list of updates were not understood, such as {unread[0]!r}"
        )
        return unknown(text)
    age = numbers(data, "lists_age_seconds")
    if age is None:
        return unknown("the host has no package lists", remedy=refresh)
    days = age[0] / 86400
    if days > params.max_list_days:
        text = f"package lists are {days:.0f} d old, at most {params.max_list_days:g} d"
        return unknown(text, remedy=refresh)
    if figure(data, "security_lists") == 0:
        return unknown(
            "none of the package lists is of security updates",
            remedy="name the distribution's security archive in /etc/apt/sources.list.d; apt-get update",
        )
    return passed(
        f"{counted[0]:.0f} security updates pending, {limit}; lists {days:.1f} d old", measure
    )


CHECK = Check(
    title="No security update is pending",
    gather="package_updates",
    params=Params(),
    judge=judge,
    source="apt-get(8), --simulate; Checkmk apt: security updates are critical; CIS Debian Benchmark 1.2.2.1",
    remedy="see and install them: apt-get -s dist-upgrade | grep -i security; unattended-upgrade -v",
    controls=("45 CFR 164.308(a)(5)(ii)(B)",),
)
