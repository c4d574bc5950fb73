# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every date and time of day that the characters of a name may mean. Which of them is meant is decided in _names."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Iterator, Match, Pattern

STRONG, WEAK, FAINT = 0, 1, 2
"""How much a form looks like a date: as one; as a version or a number too; as any six digits do."""
SURE_SECONDS = float("inf")
DOUBTFUL_SECONDS = 2 * 3600
HOUR_SECONDS = 3600
BEFORE_SECONDS = 6 * 3600
EPOCH_FROM = (
    1_420_070_400  # 2015: what is less may as well be a number of something, as Oracle's DBID is
)
EPOCH_UNTIL = 4_102_444_800  # 2100
EPOCH_DIGITS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
PORTS = ("1433", "1521", "1526", "2049", "1194", "1812", "1883", "2222", "2375", "2379", "2380")
"""Ports that look as a time of day does."""

MONTH_NAMES = (
    ("january", "januar", "jänner", "jan"),
    ("february", "februar", "feb"),
    ("march", "märz", "maerz", "mar", "mär", "mrz"),
    ("april", "apr"),
    ("may", "mai"),
    ("june", "juni", "jun"),
    ("july", "juli", "jul"),
    ("august", "aug"),
    ("september", "sept", "sep"),
    ("october", "oktober", "oct", "okt"),
    ("november", "nov"),
    ("december", "dezember", "dec", "dez"),
)
MONTHS = {word: number for number, words in enumerate(MONTH_NAMES, 1) for word in words}
ZONE_HOURS = {
    "z": 0,
    "utc": 0,
    "gmt": 0,
    "wet": 0,
    "bst": 1,
    "cet": 1,
    "cest": 2,
    "eet": 2,
    "eest": 3,
    "msk": 3,
    "jst": 9,
    "aest": 10,
    "aedt": 11,
    "nzst": 12,
    "nzdt": 13,
    "est": -5,
    "edt": -4,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
}


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


@dataclass(frozen=True)
class DayInName:
    """A day, or a week, that characters of a name may mean, and the times of day beside it.

    grade: STRONG, WEAK or FAINT. start, end: where it stands in the name.
    """

    first: date
    start: int
    end: int
    grade: int
    days: int = 1
    clocks: tuple[ClockInName, ...] = ()


@dataclass(frozen=True)
class EpochInName:
    """Seconds since 1970 in a name, with the same fields."""

    at: float
    start: int
    end: int
    grade: int


def _compiled(pattern: str) -> Pattern[str]:
    """Return the pattern of a date. Digits are [0-9]; ~ is a separator, and the same one all over the date."""
    months = "|".join(sorted(MONTHS, key=len, reverse=True))
    for short, meant in (
        ("<Y>", "(?P<y>20[0-9]{2})"),
        ("<MON>", f"(?P<mon>{months})(?![a-z])"),
        ("<RUN>", "(?=(?:[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})?(?![0-9]))"),
        ("<END>", "(?![0-9])"),
        ("<ANY>", "[-_. ,]{0,2}"),
        ("#", "[0-9]"),
    ):
        pattern = pattern.replace(short, meant)
    return re.compile("(?<![0-9])" + pattern, re.IGNORECASE | re.ASCII)


# Groups: y, m, d as they are called; a and b are day and month in either order; p, q, r those and a year of two
# digits; j the day of a year, w a week and n a day of it.
DATES = tuple(
    (_compiled(pattern), grade)
    for pattern, grade in (
        (r"<Y>(?P<s>[-_ ])(?P<m>#{1,2})(?P=s)(?P<d>#{1,2})<END>", STRONG),
        (r"<Y>(?P<m>##)(?P<d>##)<RUN>", STRONG),
        (r"<Y>[-_. ]?(?P<m>##)[-_. ]?(?P<d>##)<END>", WEAK),
        (r"<Y>\.(?P<m>#{1,2})\.(?P<d>#{1,2})<END>", WEAK),
        (r"(?P<a>#{1,2})(?P<s>[-_ ])(?P<b>#{1,2})(?P=s)<Y><END>", STRONG),
        (r"(?P<a>##)\.(?P<b>##)\.<Y><END>", STRONG),
        (r"(?P<a>##)(?P<b>##)<Y><RUN>", STRONG),
        (r"(?P<a>#{1,2})[-_. ]?(?P<b>#{1,2})[-_. ]?<Y><END>", WEAK),
        (r"(?P<p>##)(?P<s>[-_ ])(?P<q>##)(?P=s)(?P<r>##)<END>", FAINT),
        (r"(?<!#\.)(?P<p>##)\.(?P<q>##)\.(?P<r>##)<END>(?!\.#)", FAINT),
        (r"(?P<p>##)(?P<q>##)(?P<r>##)(?=(?:####|#{6})?(?!#))", FAINT),
        (r"(?P<d>#{1,2})(?:st|nd|rd|th)?<ANY><MON><ANY><Y><END>", STRONG),
        (r"<Y><ANY><MON><ANY>(?P<d>#{1,2})<END>", STRONG),
        (r"(?<![a-z])<MON><ANY>(?P<d>#{1,2})(?:st|nd|rd|th)?<ANY><Y><END>", STRONG),
        (
            r"(?<![a-z])<MON>[-_ ]{1,2}(?P<d>#{1,2})[-_ ](?P<clock>##[-:_.]##[-:_.]##"
            r"(?:[-_ ][a-z]{3,4})?)[-_ ]<Y><END>",
            STRONG,
        ),
        (r"(?P<d>#{1,2})<ANY><MON><ANY>(?P<yy>##)<END>", FAINT),
        (r"(?<![a-z])<MON><ANY>(?P<d>#{1,2})<END>", FAINT),
        (r"(?P<d>#{1,2})<ANY><MON>", FAINT),
        (r"<Y>[-_. ]?(?:k?w|week)[-_. ]?(?P<w>[0-5]#)(?:-?(?P<n>[1-7]))?<END>", STRONG),
        (r"<Y>[-_. ]?(?P<j>[0-3]##)<END>", WEAK),
    )
)

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

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", _FLAGS)
_TO = r"(?P<to>-|--|_-_| - |\.\.|[_ -](?:to|bis|until)[_ -]|_)"
PERIODS = (
    re.compile(
        r"(?<![0-9])(20[0-9]{2})(?P<s>[-_.]?)([0-9]{2})(?P=s)([0-9]{2})"
        + _TO
        + r"(20[0-9]{2})(?P=s)([0-9]{2})(?P=s)([0-9]{2})(?![0-9])",
        _FLAGS,
    ),
    re.compile(
        r"(?<![0-9])([0-9]{2})(?P<s>[-_.]?)([0-9]{2})(?P=s)(20[0-9]{2})"
        + _TO
        + r"([0-9]{2})(?P=s)([0-9]{2})(?P=s)(20[0-9]{2})(?![0-9])",
        _FLAGS,
    ),
)


def epochs(text: str) -> list[EpochInName]:
    """Return every number that is a time of this century in seconds, or in thousandths to billionths of them."""
    found = []
    for match in re.finditer(r"(?<![0-9])[0-9]{10,19}(?![0-9])", text):
        unit = EPOCH_DIGITS.get(len(match.group()))
        at = int(match.group()) // unit if unit else 0
        if unit and at < EPOCH_UNTIL:
            far = at >= EPOCH_FROM and not _glued(text, match.start(), match.end())
            found.append(EpochInName(at, match.start(), match.end(), STRONG if far else FAINT))
    return found


def days(text: str, year: int) -> list[DayInName]:
    """Return every day that the text may mean, with the times beside it. year: that of the writing, on the host."""
    text = UUID.sub(lambda match: "\0" * len(match.group()), text)
    found: dict[tuple[int, int, date], DayInName] = {}
    for pattern, grade in DATES:
        for match in _everywhere(pattern, text):
            for first, length in _dates(match, year):
                day = DayInName(first, match.start(), match.end(), grade, length)
                day = _with_clocks(_graded(day, text), match, text)
                old = found.get((day.start, day.end, first))
                if _is_whole(day, text) and (old is None or day.grade < old.grade):
                    found[(day.start, day.end, first)] = day
    return _set_apart(_without_periods(list(found.values()), text))


def _everywhere(pattern: Pattern[str], text: str) -> Iterator[Match[str]]:
    """Yield the matches, those that overlap too."""
    match = pattern.search(text)
    while match:
        yield match
        match = pattern.search(text, match.start() + 1)


def _dates(match: Match[str], year: int) -> Iterator[tuple[date, int]]:
    """Yield the dates that a match may mean, and how many days each is long."""
    have = {key: value for key, value in match.groupdict().items() if value}
    if "w" in have:
        yield from _weeks(int(have["y"]), int(have["w"]), int(have.get("n", 0)))
    elif "j" in have:
        day, length = int(have["j"]), 366 if calendar.isleap(int(have["y"])) else 365
        if 0 < day <= length:
            yield date(int(have["y"]), 1, 1) + timedelta(days=day - 1), 1
    else:
        for one in _parts(have, year):
            try:
                yield date(*one), 1
            except ValueError:  # such as a 31 February
                continue


def _parts(have: dict[str, str], year: int) -> list[tuple[int, int, int]]:
    """Return year, month, day in each order that the form allows."""
    numbers = {key: int(have[key]) for key in "ymdabpqr" if key in have}
    if "mon" in have:
        month, day = MONTHS[have["mon"].lower()], numbers["d"]
        if "yy" in have:
            return [(2000 + int(have["yy"]), month, day)]
        years = [numbers["y"]] if "y" in numbers else [year, year - 1, year + 1]
        return [(one, month, day) for one in years]
    if "p" in numbers:
        p, q, r = numbers["p"], numbers["q"], numbers["r"]
        return [(2000 + p, q, r), (2000 + r, q, p), (2000 + r, p, q)]
    if "a" in numbers:
        a, b = numbers["a"], numbers["b"]
        return [(numbers["y"], b, a), (numbers["y"], a, b)]
    return [(numbers["y"], numbers["m"], numbers["d"])]


def _weeks(year: int, week: int, day: int) -> Iterator[tuple[date, int]]:
    """Yield the week as ISO 8601 counts it, and as date's %W and %U do. day: of it, 0 for all seven."""
    new_year = date(year, 1, 1)
    monday = new_year + timedelta(days=-new_year.weekday() % 7)
    sunday = new_year + timedelta(days=(6 - new_year.weekday()) % 7)
    if 1 <= week <= date(year, 12, 28).isocalendar()[1]:
        yield date.fromisocalendar(year, week, day or 1), 1 if day else 7
    if not day and week <= 53:
        yield monday + timedelta(weeks=week - 1), 7
        yield sunday + timedelta(weeks=week - 1), 7


def _glued(text: str, start: int, end: int) -> bool:
    """Return whether a letter, or a digit of any script, stands right beside it."""
    return text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()


def _graded(day: DayInName, text: str) -> DayInName:
    """Return the day, no more than weak if letters stand right before it."""
    glued = text[max(0, day.start - 1) : day.start].isalnum()
    return replace(day, grade=WEAK) if glued and day.grade == STRONG else day


def _with_clocks(day: DayInName, match: Match[str], text: str) -> DayInName:
    """Return the day with the times of day that stand beside it, or in it."""
    inside = match.groupdict().get("clock")
    if inside:
        clocks = [replace(one, end=day.end) for one in _clocks_after("-" + inside, 0)]
    else:
        clocks = _clocks_after(text, day.end) or _clocks_before(text, day.start)
    return replace(day, clocks=tuple(clocks)) if day.days == 1 else day


def _is_whole(day: DayInName, text: str) -> bool:
    """Return whether what stands right behind the day belongs to it; makes no date of the half of a number."""
    if any(clock.end > day.end for clock in day.clocks):
        return day.grade != FAINT or not text[max(0, day.start - 1) : day.start].isalnum()
    if text[day.end : day.end + 1].isdigit():
        return False
    return day.grade != FAINT or not _glued(text, day.start, day.end)


def _clocks_after(text: str, end: int) -> list[ClockInName]:
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


def _clocks_before(text: str, start: int) -> list[ClockInName]:
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


def _without_periods(found: list[DayInName], text: str) -> list[DayInName]:
    """Return the days with the bounds of a period as weak ones, and none that overlaps with them."""
    for at, pattern in enumerate(PERIODS):
        for match in pattern.finditer(text):
            one, two = match.span("to")
            bounds = (match.start(), one), (two, match.end())
            if not _is_period(match, at == 0):
                continue
            kept = []
            for day in found:
                if (day.start, day.end) in bounds:
                    clocks = tuple(clock for clock in day.clocks if clock.start >= match.end())
                    kept.append(replace(day, grade=WEAK, clocks=clocks))
                elif day.end <= match.start() or day.start >= match.end():
                    kept.append(day)
            found = kept
    return found


def _is_period(match: Match[str], year_first: bool) -> bool:
    """Return whether the two dates are a first and a later day of a period, and not two times of one backup."""
    numbers = [int(one) for at, one in enumerate(match.groups()) if one and at not in (1, 4)]
    try:
        if year_first:
            first, last = date(*numbers[:3]), date(*numbers[3:])
        else:
            first, last = date(*numbers[2::-1]), date(*numbers[:2:-1])
    except (ValueError, TypeError):
        return False
    if match.group("to") == "_":
        return first < last and first.day == 1 and (last + timedelta(days=1)).day == 1
    return first < last


def _set_apart(found: list[DayInName]) -> list[DayInName]:
    """Return the days without what only looks like one because another is cut in half."""
    strong = [day for day in found if day.grade == STRONG]
    kept = []
    for day in found:
        if day.grade == FAINT:
            spans = [(one.start, max([one.end, *(c.end for c in one.clocks)])) for one in strong]
            if any(day.start < end and start < day.end for start, end in spans):
                continue
        elif day.grade == STRONG and any(one.start < day.start < one.end for one in strong):
            day = replace(day, grade=WEAK)
        kept.append(day)
    return kept
