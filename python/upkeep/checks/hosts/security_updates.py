"""Security updates are installed as they come out.

What is out for the packages that a host has, also for those that are on hold, pinned or excluded. What the package
manager knows is as old as its lists, each archive's by itself: an answer from a stale list, or from lists without any
of security updates, is unknown, not a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import figure, numbers, short
from upkeep.model.remedies import look
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How many security updates may wait, and how old the package lists may be.

    max_updates: number of packages.
    max_list_days: age of the package lists, in days.
    """

    max_updates: int = 0
    max_list_days: float = 7.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the number of pending security updates."""
    data = seen.data
    counted = numbers(data, "security")
    if counted is None:
        return unknown("no number of updates was given")
    measure = Measure("pending", counted[0])
    limit = f"at most {limits.max_updates}"
    if counted[0] > limits.max_updates:
        text = f"{counted[0]:.0f} security updates pending, {limit}: {_names(data, counted[0])}"
        dnf = "dnf updateinfo list --security  # see them; `dnf upgrade --security` installs them"
        remedy = dnf if data.get("manager") == "dnf" else ""
        return failed(Severity.HIGH, text, measure, remedy=remedy)
    if data.get("unread"):
        return unknown(f"could not look for all updates: {short(data['unread'], 300)}")
    refresh = "dnf makecache" if data.get("manager") == "dnf" else "apt-get update"
    age = numbers(data, "lists_age_seconds")
    if age is None:
        return unknown("the host has no package lists", remedy=look(refresh, "refresh the lists"))
    archives = [one for one in data.get("archives") or () if isinstance(one, dict)]
    ages = [figure(one, "age_seconds") for one in archives if _counts(one)]
    stale = [one for one in archives if _is_stale(one, limits.max_list_days)]
    days = max([age[0], *(one for one in ages if one is not None)]) / 86400
    if stale:
        why = look(refresh, "refresh the lists, and see why they were not")
        return unknown(_told(stale, limits.max_list_days), remedy=why)
    if days > limits.max_list_days:
        text = f"package lists are {days:.0f} d old, at most {limits.max_list_days:g} d"
        return unknown(text, remedy=look(refresh, "refresh the lists"))
    if figure(data, "security_lists") == 0:
        return unknown(
            "none of the package lists is a list of security updates",
            remedy="decide: name the distribution's security archive in /etc/apt/sources.list.d, and refresh the lists",
        )
    return passed(
        f"{counted[0]:.0f} security updates pending, {limit}; lists {days:.1f} d old", measure
    )


def _names(data: Mapping[str, Any], count: float) -> str:
    """Return the first updates, each with why it is not installed by itself."""
    updates = data.get("security_updates")
    rows = [one for one in updates if isinstance(one, dict)] if isinstance(updates, list) else []
    named = [
        short(one.get("package"), 40) + (f" ({short(one['kept'], 20)})" if one.get("kept") else "")
        for one in rows[:5]
    ]
    return ", ".join(named) + (", …" if count > 5 else "")


def _counts(archive: Mapping[str, Any]) -> bool:
    """Return whether new security updates are to be expected from the archive."""
    return archive.get("security") is True and archive.get("quiet") is not True


def _is_stale(archive: Mapping[str, Any], max_days: float) -> bool:
    """Return whether an archive's own list is too old; of another than security ones, by the archive's own word."""
    age = figure(archive, "age_seconds")
    if age is not None and age <= max_days * 86400:
        return False
    return _counts(archive) or (archive.get("expired") is True and age is not None)


def _told(stale: list[dict[str, Any]], max_days: float) -> str:
    """Return which list is stale, the oldest first, and how many are."""
    ages = {id(one): figure(one, "age_seconds") for one in stale}
    oldest = max(stale, key=lambda one: ages[id(one)] or float("inf"))
    name, age = short(oldest.get("name", "?"), 60), ages[id(oldest)]
    more = f"; {len(stale) - 1} more are too old" if len(stale) > 1 else ""
    if age is None:
        return f"there is no list of {name} whose age is known{more}"
    return f"the list of {name} is {age / 86400:.0f} d old, at most {max_days:g} d{more}"


CHECK = Check(
    title="No security update is pending",
    trouble="Pending security update",
    gather="package_updates",
    since="0.1.0",
    why="Attackers use a vulnerability soon after the update that fixes it is published.",
    cannot_see=(
        "Software that the system's package manager did not install: containers, npm or pip "
        "packages, programs in /opt. Vulnerabilities without an update."
    ),
    limits=Limits(),
    judge=judge,
    measures={"pending": MeasureKind.STATE},
    source="apt-get(8), --simulate; Checkmk apt: security updates are critical; CIS Debian Benchmark 1.2.2.1",
    remedy="apt-get -s dist-upgrade | grep -i security; apt-mark showhold  # see them; `apt-get upgrade` installs them",
    controls=("45 CFR 164.308(a)(5)(ii)(B)",),
    absence=DECLARED,
)
