# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every date that the characters of a name may mean. Which of them is meant is decided in _names."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Iterator, Match, Pattern

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._name_clocks import (
    ClockInName,
    clocks_after,
    clocks_before,
)

STRONG, WEAK, FAINT = 0, 1, 2
"""How much a form looks like a date: as one; as a version or a number too; as any six digits do."""
EPOCH_FROM = 1_420_070_400
"""2015. What is less may as well be a number of something, as the DBID of Oracle is."""
EPOCH_UNTIL = 4_102_444_800
"""2100."""
EPOCH_DIGITS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}

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
    """Return the pattern of a date. # is a digit: [0-9], and of no other script."""
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

_FLAGS = re.IGNORECASE | re.ASCII
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
                day = _graded(_with_clocks(day, match, text), text)
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
    """Return the day, no more than weak if letters stand right before it, and no time to the second behind it."""
    glued = text[max(0, day.start - 1) : day.start].isalnum()
    if any(clock.start >= day.end and clock.precision <= 1 for clock in day.clocks):
        return day
    return replace(day, grade=WEAK) if glued and day.grade == STRONG else day


def _with_clocks(day: DayInName, match: Match[str], text: str) -> DayInName:
    """Return the day with the times of day that stand beside it, or in it."""
    inside = match.groupdict().get("clock")
    if inside:
        clocks = [replace(one, end=day.end) for one in clocks_after("-" + inside, 0)]
    else:
        clocks = clocks_after(text, day.end) or clocks_before(text, day.start)
    return replace(day, clocks=tuple(clocks)) if day.days == 1 else day


def _is_whole(day: DayInName, text: str) -> bool:
    """Return whether what stands right behind the day belongs to it; makes no date of the half of a number."""
    if any(clock.end > day.end for clock in day.clocks):
        return day.grade != FAINT or not text[max(0, day.start - 1) : day.start].isalnum()
    if text[day.end : day.end + 1].isdigit():
        return False
    return day.grade != FAINT or not _glued(text, day.start, day.end)


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
    spans = [_span(day) for day in strong]
    kept = []
    for day in found:
        start, end = _span(day)
        if day.grade == FAINT and any(
            one < end and start < two and (one, two) != (start, end) for one, two in spans
        ):
            continue
        if day.grade == STRONG and any(one.start < day.start < one.end for one in strong):
            day = replace(day, grade=WEAK)
        kept.append(day)
    return kept


def _span(day: DayInName) -> tuple[int, int]:
    """Return where a day, with the times beside it, begins and ends."""
    starts, ends = [clock.start for clock in day.clocks], [clock.end for clock in day.clocks]
    return min([day.start, *starts]), max([day.end, *ends])
