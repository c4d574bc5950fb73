# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of day that may stand beside a date in a name, with the zone that they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Match

# How long before the writing a time of day may lie, by its form, so that it is believed. Else the day alone counts.
SURE_SECONDS = float("inf")
DOUBTFUL_SECONDS = 2 * 3600  # a version, a port or a number looks alike
HOUR_SECONDS = 3600  # two digits may be any number
BEFORE_SECONDS = 6 * 3600  # what stands before a date may belong to something else
PORTS = ("1433", "1521", "1526", "2049", "1194", "1812", "1883", "2222", "2375", "2379", "2380")
"""Ports that look as a time of day does."""

ZONE_HOURS = dict(
    (
        *(("z", 0), ("utc", 0), ("gmt", 0), ("wet", 0), ("bst", 1), ("cet", 1), ("cest", 2)),
        *(
            ("eet", 2),
            ("eest", 3),
            ("msk", 3),
            ("jst", 9),
            ("aest", 10),
            ("aedt", 11),
            ("nzst", 12),
        ),
        *(("nzdt", 13), ("edt", -4), ("est", -5), ("cdt", -5), ("mst", -7), ("mdt", -6)),
        *(("pst", -8), ("pdt", -7)),
    )
)


@dataclass(frozen=True)
class ClockInName:
    """A time of day beside a date.

    second: of the day. precision: seconds that it leaves open. offset: of its zone from UTC in seconds, None if it says
    none. trusted: how many seconds before the writing it may lie to be believed. end: where it ends in the name.
    """

    second: int
    precision: int
    offset: int | None = None
    trusted: float = SURE_SECONDS
    start: int = 0
    end: int = 0


_ZONES = "|".join(sorted((zone for zone in ZONE_HOURS if zone != "z"), key=len, reverse=True))
_OFFSET = (
    r"(?P<sign>[+-])(?P<zh>0[0-9]|1[0-4])(?:(?P<zc>[:-]?)(?P<zm>00|15|30|45))?(?![0-9])(?!:[0-9])"
)
_ZONE = rf"(?:(?P<zone>z|[-_ ]?(?:{_ZONES}))(?![a-z0-9])|[-_ ]?(?:utc|gmt)?{_OFFSET})"
_NOON = r"(?:[-_ .]?(?P<half>[ap])\.?m(?![a-z]))?"
# Behind a time of day no letters follow but what pgBackRest writes: F, D or I.
_BOUND = r"(?![0-9])(?!(?![fdi](?![a-z0-9]))[a-z])(?!\.[0-9]{1,2}(?![0-9a-z]))"
_COMPACT = r"(?P<h>[01][0-9]|2[0-3])(?P<mi>[0-5][0-9])(?P<se>[0-5][0-9])?(?:(?<=[0-9]{6})(?:[0-9]{3}|[0-9]{6}))?h?"
_APART = (
    r"(?P<h>[01]?[0-9]|2[0-3])(?:(?P<c>[-:_.\uff1a\ua789\uf03a]|%3a)|h)(?P<mi>[0-5][0-9])"
    r"(?:(?:(?P=c)|m)(?P<se>[0-5][0-9]))?[ms]?"
)
_HOUR = r"(?P<h>[01][0-9]|2[0-3])(?:h(?![0-9])|(?![-_.:]?[0-9]))"
_DAYS = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}"
_JOIN = rf"(?:(?:[-_. ,@+~/]{{1,3}}|%20)(?:at[-_ ]|t)?|t|[-_. ,]{{1,2}}{_DAYS}[-_. ,]{{1,2}}|)"
_FRACTION = r"(?:[.,][0-9]{1,9}(?![0-9]))?"
_FLAGS = re.IGNORECASE | re.ASCII
AFTER = tuple(
    re.compile(_JOIN + clock + (_FRACTION if exact else "") + _NOON + zone + _BOUND, _FLAGS)
    for clock, exact in ((_COMPACT, True), (_APART, True), (_HOUR, False))
    for zone in ((_ZONE, "") if exact else ("",))
)
BEFORE = tuple(
    re.compile(rf"(?<![0-9a-z.]){clock}{_NOON}[-_ t]{{1,3}}\Z", _FLAGS)
    for clock in (_COMPACT, _APART.replace(r"_.\uff1a", r"_\uff1a"))
)


def clocks_after(text: str, end: int) -> list[ClockInName]:
    """Return the times of day that stand right behind a date."""
    clocks = []
    for pattern in AFTER:
        match = pattern.match(text, end)
        clock = _clock(match) if match else None
        if match is None or clock is None:
            continue
        clocks.append(clock)
        sign, colon = match.groupdict().get("sign"), match.groupdict().get("zc") == ":"
        if sign != "-" or colon:  # else it may be a number of something, and no offset
            break
    return clocks


def clocks_before(text: str, start: int) -> list[ClockInName]:
    """Return the time of day that stands right before a date. It may be a number, so it is trusted less."""
    for pattern in BEFORE:
        match = pattern.search(text[:start], max(0, start - 16))
        clock = _clock(match) if match else None
        if match and clock:
            plain = clock.precision > 1 and not re.search("[:h]", match.group())
            trusted = DOUBTFUL_SECONDS if plain else BEFORE_SECONDS
            return [replace(clock, trusted=min(clock.trusted, trusted))]
    return []


def _clock(match: Match[str]) -> ClockInName | None:
    """Return the time of day that was matched; None if it is none after all."""
    have = match.groupdict()
    hour, minute, second = int(have["h"]), have.get("mi"), have.get("se")
    half = (have.get("half") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    offset = None
    if have.get("zone"):
        offset = ZONE_HOURS[have["zone"].strip("-_ ").lower()] * 3600
    elif have.get("sign"):
        if have["sign"] == "-" and not have["zm"] and have.get("c") != ":":
            return None
        east = 1 if have["sign"] == "+" else -1
        offset = east * (int(have["zh"]) * 3600 + int(have["zm"] or 0) * 60)
    precision = 1 if second else 60 if minute else 3600
    return ClockInName(
        hour * 3600 + int(minute or 0) * 60 + int(second or 0),
        precision,
        offset,
        SURE_SECONDS if half or offset is not None else _trusted(match),
        match.start(),
        match.end(),
    )


def _trusted(match: Match[str]) -> float:
    """Return how long before the writing a time of day may lie, by its form: a version or a port looks alike."""
    have = match.groupdict()
    mark = have.get("c")
    if not have.get("mi"):
        return SURE_SECONDS if match.group().lower().endswith("h") else HOUR_SECONDS
    if mark == "." or (mark in ("-", "_") and len(have["h"]) == 1):
        return DOUBTFUL_SECONDS
    port = not mark and not have.get("se") and have["h"] + have["mi"] in PORTS
    return DOUBTFUL_SECONDS if port else SURE_SECONDS
