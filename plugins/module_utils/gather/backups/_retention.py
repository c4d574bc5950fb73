# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention as a site declares it: how many hours, days, weeks, months and years have a backup."""

from __future__ import annotations

import bisect
import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Callable, Dict, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    DAILY,
    HOURLY,
    MONTHLY,
    TIERS,
    WEEKLY,
    YEARLY,
)

MOST = {HOURLY: 24 * 366, DAILY: 366 * 20, WEEKLY: 53 * 50, MONTHLY: 12 * 100, YEARLY: 100}
"""More periods than these nobody means."""
MISSING_SHOWN = 5
FUTURE_SECONDS = 600
SLACK = 1 / 48
"""The part of a period by which a backup that is made once in each may be late."""
SLACK_SECONDS = 12 * 3600
"""But not by more than that: a whole year that is lost is missed among backups of every day."""
NO_DATE = "since: {!r} is not a date, use YYYY-MM-DD"
Period = Tuple[float, float, str]
"""Its start and its end in seconds since 1970, and its name, such as `2026-11-24`."""


def tiers(
    times: list[float],
    declared: Dict[str, Any],
    since: float | None,
    now: float,
    zone: tzinfo | None = None,
) -> list[dict[str, Any]]:
    """Return for each declared tier what BackupTier has.

    The periods are those of the calendar, in the host's zone if zone is None. As many are expected as are declared, the
    newest ones: the running period is one of them only if it has a backup already. A period that began before since is
    not expected; without since none is excused, as a backup that is gone would excuse itself. A period without a backup
    counts all the same if those before and after it are hardly more than a period apart: one was made just before, or
    just after, its time.

    Raises: ValueError if a number is none that anybody means.
    """
    taken = sorted(one for one in times if one <= now + FUTURE_SECONDS)
    found = []
    for name in TIERS:
        wanted = declared.get(name)
        if wanted is not None:
            if not 0 < wanted <= MOST[name]:
                raise ValueError(f"{name}: {wanted} is not a number from 1 to {MOST[name]}")
            found.append(_tier(name, wanted, taken, since, _periods(name, now, zone)))
    return found


def since_of(text: str | None, zone: tzinfo | None = None) -> float | None:
    """Return the start of the day since which a set is kept; None if none is declared.

    Raises: ValueError if it is not a date such as 2026-11-01.
    """
    if not text:
        return None
    if not re.match(r"\d{4}-\d\d-\d\d\Z", text):
        raise ValueError(NO_DATE.format(text[:40]))
    try:
        return _at(date.fromisoformat(text), zone)
    except (ValueError, OverflowError) as exc:
        raise ValueError(NO_DATE.format(text[:40])) from exc


def _tier(
    name: str, wanted: int, taken: list[float], since: float | None, period: Callable[[int], Period]
) -> dict[str, Any]:
    """Return what is found of one tier. period: gives the period of a number, 0 is the running one."""
    first = 0 if _has(period(0), taken) else 1
    expected = found = 0
    missing: list[str] = []
    for number in range(first, first + wanted):
        one = period(number)
        if since is not None and one[0] < since:
            break
        expected += 1
        if _has(one, taken) or _is_late(one, taken):
            found += 1
        elif len(missing) < MISSING_SHOWN:
            missing.append(one[2])
    return {
        "name": name,
        "declared": wanted,
        "expected": expected,
        "found": found,
        "missing": missing,
    }


def _has(period: Period, taken: list[float]) -> bool:
    """Return whether a backup was taken in the period."""
    place = bisect.bisect_left(taken, period[0])
    return place < len(taken) and taken[place] < period[1]


def _is_late(period: Period, taken: list[float]) -> bool:
    """Return whether the backups around an empty period are hardly more than a period apart."""
    place = bisect.bisect_left(taken, period[0])
    if not 0 < place < len(taken):
        return False
    length = period[1] - period[0]
    return taken[place] - taken[place - 1] <= length + min(length * SLACK, SLACK_SECONDS)


def _periods(name: str, now: float, zone: tzinfo | None) -> Callable[[int], Period]:
    """Return what gives the period that was a number of periods ago."""
    today = datetime.fromtimestamp(now, zone)
    if name == HOURLY:
        past = timedelta(minutes=today.minute, seconds=today.second, microseconds=today.microsecond)
        begins = now - past.total_seconds()
        return lambda ago: _hour(begins - 3600 * ago, zone)
    day = today.date()
    return {
        DAILY: lambda ago: _days(day - timedelta(days=ago), 1, zone, "%Y-%m-%d"),
        WEEKLY: lambda ago: _days(day - timedelta(days=day.weekday() + 7 * ago), 7, zone, "%G-W%V"),
        MONTHLY: lambda ago: _month(day.year * 12 + day.month - 1 - ago, zone),
        YEARLY: lambda ago: (
            _at(date(day.year - ago, 1, 1), zone),
            _at(date(day.year - ago + 1, 1, 1), zone),
            f"{day.year - ago}",
        ),
    }[name]


def _hour(begins: float, zone: tzinfo | None) -> Period:
    return begins, begins + 3600, f"{datetime.fromtimestamp(begins, zone):%Y-%m-%d %H:%M}"


def _days(day: date, count: int, zone: tzinfo | None, words: str) -> Period:
    return _at(day, zone), _at(day + timedelta(days=count), zone), day.strftime(words)


def _month(number: int, zone: tzinfo | None) -> Period:
    """Return the period of a month, counted from the year 0."""
    begins, ends = (date(one // 12, one % 12 + 1, 1) for one in (number, number + 1))
    return _at(begins, zone), _at(ends, zone), f"{begins:%Y-%m}"


def _at(day: date, zone: tzinfo | None) -> float:
    """Return when a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
