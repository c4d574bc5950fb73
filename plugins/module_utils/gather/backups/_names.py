# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a backup was taken, by its name.

A name holds dates in every order, and versions, periods, ports and numbers that look as dates do. The time of writing
tells which is which: the backup was taken at it or a little before. A copied old backup was not; so what looks like
nothing but a date is believed without that, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._name_clocks import (
    ClockInName,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._name_stamps import (
    FAINT,
    STRONG,
    DayInName,
    days,
    epochs,
)

FUTURE_SECONDS = 600
NEAR_SECONDS = 2 * 86_400
SAME_SECONDS = 86_400 + 14 * 3600
AHEAD = timedelta(hours=14)
"""How far the zone is ahead of UTC in which a day begins first."""
LONGEST = 512


@dataclass(frozen=True)
class NamedTime:
    """The time that a name says.

    at: the latest that it allows, in seconds since 1970: of a day alone its last second in the host's zone, or the time
    of writing if that is earlier. words: what says so, such as `2026-11-25 in its name`.
    """

    at: float
    words: str


@dataclass(frozen=True)
class _Meant:
    """One reading: the times from begins to ends. exact: seconds since 1970, which no version looks like."""

    begins: float
    ends: float
    grade: int
    start: int
    end: int
    exact: bool = False


def named_at(name: str, written: float | None, now: float) -> NamedTime | None:
    """Return when a backup was taken, by its name; None if that says nothing that is to be believed.

    written: the time of writing of its files, None if it is not known. A time later than both that and now is none.
    Without an offset in the name it is the host's zone, or UTC if the time would else be later than the writing.
    """
    limit = now if written is None else min(written + FUTURE_SECONDS, now)
    nearest = now if written is None else min(written, now)
    text = name[:LONGEST]
    meant = [
        _Meant(one.at, one.at, one.grade, one.start, one.end, exact=True)
        for one in epochs(text)
        if one.at <= limit
    ]
    try:
        for day in days(text, datetime.fromtimestamp(nearest).year):
            meant += _of_day(day, limit, nearest)
    except (ValueError, OverflowError, OSError):
        return None  # the clock, or the time of writing, is out of all range
    best = _best(meant, nearest, written is not None)
    if best is None:
        return None
    at = min(best.ends, max(best.begins, nearest))
    return NamedTime(at, f"{text[best.start : best.end].strip('-_. ')} in its name")


def _best(meant: list[_Meant], nearest: float, is_written: bool) -> _Meant | None:
    """Return the reading at or a little before the writing; else the last of those that need no such proof."""
    near = [one for one in meant if nearest - one.ends <= NEAR_SECONDS]
    sure = [one for one in meant if one.grade == STRONG]
    groups = [
        [one for one in near if one.grade == STRONG],
        [one for one in near if one.grade != STRONG],
        sure,
    ]
    if not is_written:
        groups = [sure, [one for one in meant if one.grade != FAINT], near]
    chosen = next((group for group in groups if group), [])
    best = max(chosen, key=lambda one: (one.begins, -one.ends), default=None)
    # Beside it GitLab writes its version, and that may look like a time of the day.
    exact = [
        one for one in chosen if one.exact and best and best.begins - one.begins <= SAME_SECONDS
    ]
    return max(exact, key=lambda one: one.begins, default=best)


def _of_day(day: DayInName, limit: float, nearest: float) -> list[_Meant]:
    """Return what a day means with the times beside it; as a day alone, if none of them can be meant."""
    meant = []
    for clock in day.clocks:
        begins = _begins(day.first, clock, limit)
        if begins is None or nearest - begins > clock.trusted + clock.precision:
            continue
        ends = begins + clock.precision - 1
        start, end = min(day.start, clock.start), max(day.end, clock.end)
        meant.append(_Meant(begins, ends, day.grade, start, end))
    if meant:
        return meant
    midnight = datetime.combine(day.first, time())
    begins = midnight.timestamp()
    if begins > limit:
        begins = (midnight - AHEAD).replace(tzinfo=timezone.utc).timestamp()
    ends = (midnight + timedelta(days=day.days)).timestamp() - 1
    return [_Meant(begins, ends, day.grade, day.start, day.end)] if begins <= limit else []


def _begins(day: date, clock: ClockInName, limit: float) -> float | None:
    """Return the first second that the time means; None if it is later than the limit in each zone that it may be."""
    moment = datetime.combine(day, time()) + timedelta(seconds=clock.second)
    if clock.offset is not None:
        at = moment.replace(tzinfo=timezone.utc).timestamp() - clock.offset
        return at if at <= limit else None
    # Where daylight saving repeats an hour, it may be the second of the two.
    local = [moment.replace(fold=fold).timestamp() for fold in (1, 0)]
    utc = moment.replace(tzinfo=timezone.utc).timestamp()
    return next((at for at in (*sorted(local, reverse=True), utc) if at <= limit), None)
