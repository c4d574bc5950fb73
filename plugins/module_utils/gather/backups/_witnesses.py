# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several statements of when a backup was taken counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

INSIDE, NAME, WRITTEN = "inside", "name", "written"
ORDER = (INSIDE, NAME, WRITTEN)
FUTURE_SECONDS = 600
DISAGREE_SECONDS = 86_400
UNSET_UNTIL = 315_964_800
"""1980-01-06. What is earlier says a file without a time (1970, and 1980 in a zip), or a clock that was never set."""
LAST_SECOND = 253_402_300_799


@dataclass(frozen=True)
class TimeWitness:
    """One statement of when a backup was taken. by: one of ORDER. at: in seconds since 1970. words: what says so."""

    by: str
    at: float
    words: str = ""


@dataclass(frozen=True)
class TakenTime:
    """When a backup was taken.

    at: in seconds since 1970, None if nothing believed says it. by: which witness says it. witnesses: those that were
    believed, the best first. disagree: two of them differ by more than a day, and the oldest was taken. future_at: the
    earliest time that is in the future, and so was not believed.
    """

    at: float | None = None
    by: str = ""
    witnesses: list[TimeWitness] = field(default_factory=list)
    disagree: bool = False
    future_at: float | None = None


def decide(witnesses: list[TimeWitness], now: float) -> TakenTime:
    """Return which witness counts: the best one; the oldest if they differ by more than a day.

    A time inside, or in a name, is a little before or after the writing, as the clocks and zones are: that is no
    contradiction. A copy of an old backup has a new time of writing, and an old one of the others.
    """
    known = [one for one in witnesses if math.isfinite(one.at) and one.at >= UNSET_UNTIL]
    future = [one.at for one in known if one.at > now + FUTURE_SECONDS]
    believed = [one for one in known if one.at <= now + FUTURE_SECONDS]
    believed.sort(key=lambda one: ORDER.index(one.by))
    future_at = min(future, default=None)
    if not believed:
        return TakenTime(future_at=future_at)
    oldest = min(believed, key=lambda one: one.at)
    newest = max(believed, key=lambda one: one.at)
    disagree = newest.at - oldest.at > DISAGREE_SECONDS
    counts = oldest if disagree else believed[0]
    # Nothing in a file is later than its last write: what says so, such as a zip, has the time of another zone.
    at = min([counts.at, *(one.at for one in believed if one.by == WRITTEN)])
    return TakenTime(at, counts.by, believed, disagree, future_at)


def as_data(taken: TakenTime) -> dict[str, Any]:
    """Return the fields of BackupTaken that say when."""
    return {
        "taken_at": _iso(taken.at),
        "taken_by": taken.by,
        "witnesses": [
            {"by": one.by, "at": _iso(one.at), "words": one.words} for one in taken.witnesses
        ],
        "disagree": taken.disagree,
        "future_at": _iso(taken.future_at),
    }


def _iso(at: float | None) -> str | None:
    """Return the time in ISO 8601; one behind the last year that it can say is the end of that."""
    return iso(at if at is None else min(at, LAST_SECOND))
