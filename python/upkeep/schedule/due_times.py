"""When a procedure is due: rules of RFC 5545 in a time zone, pure.

dateutil is the engine. Rules of days and longer are kept in local time: where daylight saving skips a due time, it is
due as long after midnight as on any day (02:30 becomes 03:30); where it repeats one, the first of the two counts.
Rules of hours and shorter run through in elapsed time, so that one of minutes is due 120 times in the two hours that
a clock calls one. A rule without a start counts from Monday, 2024-01-01: never from now, which changes.
"""

from __future__ import annotations

import hashlib
import operator
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate, chain, groupby, product, repeat
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

from upkeep.site import rule_words
from upkeep.site.schedule_file import Schedule

ANCHOR = datetime(2024, 1, 1)
ONE_DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
HORIZONS = (timedelta(days=2), timedelta(days=40), timedelta(days=400), timedelta(days=366 * 30))
"""How far ahead the next due time is looked for, step by step: 29 February on a Sunday comes every 28 years."""
_SECONDS = {HOURLY: 3600, MINUTELY: 60}


@dataclass(frozen=True)
class Timing:
    """When something is due.

    key: what it is of, for its own share of jitter. rule: an RRULE's value. zone: an IANA name. starts: local time
    from which the rule counts. skip: local times at which it is not due; midnight stands for the whole day.
    """

    key: str
    rule: str
    zone: str = "UTC"
    starts: datetime | None = None
    skip: tuple[datetime, ...] = ()
    jitter_seconds: float = 0.0


def timing_of(schedule: Schedule, procedure_id: str) -> Timing | None:
    """Return when the procedure is due; None for one that only runs by hand."""
    procedure = schedule.procedures[procedure_id]
    if procedure.rule is None:
        return None
    return Timing(
        procedure_id,
        rule_words.parse(procedure.rule),
        schedule.zone_of(procedure),
        procedure.starts,
        procedure.skip,
        procedure.jitter or 0.0,
    )


def due_times(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when it is due, in UTC, after < due <= until, ascending."""
    rule = _rule(timing.rule)
    expand = _by_elapsed_time if rule.often else _by_local_time
    # Pieces are chained outside of Python's own code: a thousand schedules have millions of due times.
    return chain.from_iterable(expand(rule, _Window(timing, after, until)))


def next_due(timing: Timing, after: datetime) -> datetime | None:
    """Return when it is due next, in UTC; None if never again."""
    begin = (
        max(after, _utc(timing.starts, ZoneInfo(timing.zone)) - ONE_DAY) if timing.starts else after
    )
    for horizon in HORIZONS:
        found = next(due_times(timing, after, begin + horizon), None)
        if found:
            return found
    return None


def as_others_read(timing: Timing) -> Timing | None:
    """Return the timing as RFC 5545 has it, where dateutil is due on more days; None where both are the same.

    A rule of weeks that names no day means the weekday of its start; dateutil takes the whole week. Its reading holds,
    so that no due time is lost by an update; who wrote the rule has to say which days are meant.
    """
    parts = dict(_rule(timing.rule).parts)
    days = {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYEASTER"} & parts.keys()
    if "BYWEEKNO" not in parts or days or parts["FREQ"] not in ("YEARLY", "MONTHLY", "WEEKLY"):
        return None
    weekday = rule_words.CODES[(timing.starts or ANCHOR).weekday()]
    return replace(timing, rule=f"{timing.rule.strip().strip(';')};BYDAY={weekday}")


def begins_at(timing: Timing, due: datetime) -> datetime:
    """Return when to begin what is due then: spread by the jitter, the same for each who asks."""
    if not timing.jitter_seconds:
        return due
    seed = hashlib.sha256(f"{timing.key} {due.astimezone(UTC).isoformat()}".encode()).digest()
    return due + timedelta(seconds=timing.jitter_seconds * int.from_bytes(seed[:6]) / (1 << 48))


# --- a rule, taken apart ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Rule:
    """A rule by its parts.

    days: the rule without its times of day, if the two can be told apart; then expansions of days are shared by all
    rules of the same days. often: whether it comes by hours or less. until: local, or UTC if aware.
    """

    text: str
    parts: tuple[tuple[str, str], ...]
    days: str
    often: bool
    until: datetime | None

    def numbers(self, name: str, default: int) -> list[int]:
        """Return a part's numbers, sorted."""
        text = dict(self.parts).get(name, str(default))
        return sorted({int(number) for number in text.split(",")})


@lru_cache(maxsize=4096)
def _rule(text: str) -> _Rule:
    """Return the rule, taken apart."""
    text = text.strip().upper().removeprefix("RRULE:")
    parts = dict(part.split("=", 1) for part in text.strip(";").split(";"))
    until = _until(parts.pop("UNTIL", ""))
    often = parts["FREQ"] in ("HOURLY", "MINUTELY", "SECONDLY")
    times = ("BYHOUR", "BYMINUTE", "BYSECOND")
    # BYSETPOS counts in the set of days and times, COUNT from the start: neither can do without the whole.
    several = any("," in parts.get(name, "") for name in times)
    whole = often or "COUNT" in parts or ("BYSETPOS" in parts and several)
    days = {name: value for name, value in parts.items() if name not in times}
    joined = ";".join(f"{name}={value}" for name, value in parts.items())
    of_days = "" if whole else ";".join(f"{name}={value}" for name, value in days.items())
    return _Rule(joined, tuple(parts.items()), of_days, often, until)


def _until(text: str) -> datetime | None:
    """Return UNTIL: a local time, or one in UTC; a date is the last day."""
    if not text:
        return None
    if re.fullmatch(r"\d{8}", text):
        return datetime.strptime(text, "%Y%m%d") + ONE_DAY - timedelta(seconds=1)
    found = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")
    return found.replace(tzinfo=UTC) if text.endswith("Z") else found


def _ended(rule: _Rule, local: datetime, due: datetime) -> bool:
    if rule.until is None:
        return False
    return due > rule.until if rule.until.tzinfo else local > rule.until


@lru_cache(maxsize=4096)
def _is_ever_due(text: str, anchor: datetime) -> bool:
    """Return whether the rule is ever due: dateutil walks to the year 9999 after what never comes, such as 30 February.

    The calendar repeats after 400 years, so the walk is made in the last of them.
    """
    late = anchor.replace(year=anchor.year + (9999 - anchor.year) // 400 * 400)
    try:
        return next(iter(rrulestr(text, dtstart=late)), None) is not None
    except ValueError:  # FREQ=HOURLY;INTERVAL=2;BYHOUR=3, counted from midnight
        return False


class _Window:
    """Between which times a rule is asked for, in which zone, and what the timing leaves out.

    latest: of the due times of days that are looked at one by one.
    """

    def __init__(self, timing: Timing, after: datetime, until: datetime) -> None:
        self.anchor = (timing.starts or ANCHOR).replace(microsecond=0)
        self.zone = ZoneInfo(timing.zone)
        self.after = after
        self.until = until
        self.times = frozenset(timing.skip)
        self.days = frozenset(one.date() for one in timing.skip if one.time() == time())
        self.latest = datetime.min.replace(tzinfo=UTC)

    def holds(self, local: datetime, due: datetime) -> bool:
        """Return whether a due time is asked for, and not left out."""
        if not self.after < due <= self.until:
            return False
        return not self.times or (local not in self.times and local.date() not in self.days)


# --- days and longer: local time -------------------------------------------------------------------------------------
def _by_local_time(rule: _Rule, window: _Window) -> Iterator[Iterable[datetime]]:
    """Yield due times, in pieces.

    On most days nothing happens but the rule: there, a due time is the day's and a constant. Only the days near a
    change of the zone's offset, near an end of the window or of the rule, and near what is left out, are looked at one
    by one.
    """
    zone, anchor = window.zone, window.anchor
    first = max(window.after.astimezone(zone).date() - ONE_DAY, anchor.date())
    last = window.until.astimezone(zone).date() + ONE_DAY
    if rule.until is not None:
        last = min(last, rule.until.date() + ONE_DAY)
    if first > last or not _is_ever_due(rule.text, anchor):
        return
    if not rule.days:
        whole = rrulestr(rule.text, dtstart=anchor)
        of_first, of_last = datetime.combine(first, time()), datetime.combine(last, time.max)
        found = whole.between(of_first, of_last, inc=True)
        for _day, locals_ in groupby(found, datetime.date):
            yield _one_by_one(rule, window, locals_)
        return
    odd = {*(one.date() for one in window.times), anchor.date(), first, first + ONE_DAY}
    odd |= {last - ONE_DAY * before for before in range(3)}
    times = _times(rule, anchor.time())
    for year in range(first.year, last.year + 1):
        days = _days(rule.days, anchor.date(), year)
        begin = bisect_left(days, _midnight(first))
        here = {one for one in odd | _days_of_change(zone, year) if one.year == year}
        for day in sorted(one for one in here if first <= one <= last):
            midnight = _midnight(day)
            end = bisect_left(days, midnight)
            yield _even_days(days[begin:end], times, zone)
            begin = bisect_right(days, midnight)
            if begin > end:
                yield _one_by_one(rule, window, [datetime.combine(day, at) for at in times])
        yield _even_days(days[begin : bisect_right(days, _midnight(last))], times, zone)


def _even_days(
    days: Sequence[datetime], times: Sequence[time], zone: ZoneInfo
) -> Iterable[datetime]:
    """Return the due times of days through which the zone's offset stays."""
    if not days:
        return ()
    noon = days[0].replace(hour=12, tzinfo=zone)
    offset = noon.utcoffset() or timedelta()
    shifts = [datetime.combine(date.min, at) - datetime.min - offset for at in times]
    if len(shifts) == 1:
        return map(operator.add, days, repeat(shifts[0]))
    return (day + shift for day in days for shift in shifts)


def _one_by_one(rule: _Rule, window: _Window, locals_: Iterable[datetime]) -> Iterator[datetime]:
    """Yield the due times of one day."""
    # A time that is moved out of the gap may come after the next one, or upon it.
    seen: dict[datetime, datetime] = {}
    for local in locals_:
        if local >= window.anchor:
            seen.setdefault(_utc(local, window.zone), local)
    for due in sorted(seen):
        # A whole day that a zone leaves out falls upon the next.
        new = due > window.latest and not _ended(rule, seen[due], due)
        if new and window.holds(seen[due], due):
            yield due
        window.latest = max(window.latest, due)


@lru_cache(maxsize=8192)
def _times(rule: _Rule, anchor: time) -> tuple[time, ...]:
    """Return the times of day at which a rule of days is due."""
    return tuple(
        time(hour, minute, min(second, 59))
        for hour, minute, second in product(
            rule.numbers("BYHOUR", anchor.hour),
            rule.numbers("BYMINUTE", anchor.minute),
            rule.numbers("BYSECOND", anchor.second),
        )
    )


@lru_cache(maxsize=8192)
def _days(text: str, anchor: date, year: int) -> tuple[datetime, ...]:
    """Return the days of a year on which a rule of days is due, as midnights; shared by all rules of the same days."""
    begin, end = datetime(year, 1, 1), datetime(year, 12, 31)
    start = datetime.combine(anchor, time())
    rule = rrulestr(text, dtstart=start)
    assert isinstance(rule, rrule)
    rule = rule.replace(dtstart=_later_anchor(rule, start, begin))
    return tuple(_midnight(local) for local in rule.between(begin, end, inc=True))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _later_anchor(rule: rrule, anchor: datetime, before: datetime) -> datetime:
    """Return an anchor near the time from which the rule gives the same: a far-back one is walked through.

    It moves by whole intervals; by years where months and years differ in length.
    """
    interval = rule._interval  # type: ignore[attr-defined]
    if rule._freq in (YEARLY, MONTHLY):  # type: ignore[attr-defined]
        months = 12 * interval
        years = (before.year - anchor.year - 1) // (months // 12) * (months // 12)
        if years <= 0 or (anchor.month, anchor.day) == (2, 29):
            return anchor
        return anchor.replace(year=anchor.year + years)
    step = timedelta(days=interval * (7 if rule._freq == WEEKLY else 1))  # type: ignore[attr-defined]
    if rule._freq not in (WEEKLY, DAILY):  # type: ignore[attr-defined]
        step = timedelta(seconds=interval * _SECONDS.get(rule._freq, 1))  # type: ignore[attr-defined]
    steps = (before - anchor) // step - 1
    return anchor + steps * step if steps > 0 else anchor


# --- hours and shorter: elapsed time ---------------------------------------------------------------------------------
def _by_elapsed_time(rule: _Rule, window: _Window) -> Iterator[Iterable[datetime]]:
    """Yield due times, in pieces.

    While a zone's offset stays, local time is elapsed time; each such stretch is walked through on its own, with the
    anchor where it would stand if that offset had always been.
    """
    begins = _utc(window.anchor, window.zone)
    plain = not window.times and rule.until is None
    for begin, end, offset in _stretches(
        window.zone, max(window.after, begins - ONE_DAY), window.until
    ):
        anchor = (begins + offset).replace(tzinfo=None)
        even = _even_steps(rule, anchor)
        if even is not None and plain:
            at, step = even
            first = max(begin, begins, window.after + timedelta.resolution)
            yield _steps(
                _aware(at, offset), step, first, min(end, window.until + timedelta.resolution)
            )
            continue
        for local in _walk(rule, anchor, (begin + offset).replace(tzinfo=None)):
            due = _aware(local, offset)
            if due >= end:
                break
            if _ended(rule, local, due):
                return
            if window.holds(local, due):
                yield (due,)


def _steps(at: datetime, step: timedelta, begin: datetime, end: datetime) -> Iterable[datetime]:
    """Return at and what is whole steps away from it, from begin on and before end."""
    first = at - (at - begin) // step * step
    count = -((first - end) // step)
    return accumulate(chain([first], repeat(step, count - 1)), operator.add) if count > 0 else ()


def _aware(local: datetime, offset: timedelta) -> datetime:
    return local.replace(tzinfo=UTC) - offset


def _walk(rule: _Rule, anchor: datetime, begin: datetime) -> Iterator[datetime]:
    """Yield when the rule is due from then on, while the offset stays."""
    even = _even_steps(rule, anchor)
    if even:
        at, step = even
        at += max(0, -((at - max(begin, anchor)) // step)) * step
        while True:
            yield at
            at += step
    if not _is_ever_due(rule.text, anchor):
        return
    parsed = rrulestr(rule.text, dtstart=anchor)
    assert isinstance(parsed, rrule)
    if parsed._count is None:  # type: ignore[attr-defined]
        parsed = parsed.replace(dtstart=_later_anchor(parsed, anchor, begin))
    yield from parsed.xafter(begin, inc=True)


def _even_steps(rule: _Rule, anchor: datetime) -> tuple[datetime, timedelta] | None:
    """Return from when and how often a rule is due that says no more than that, else None.

    A rule of two minutes has a quarter of a million due times in a year: adding is much faster than dateutil.
    """
    parts = dict(rule.parts)
    unit = parts.pop("FREQ")
    within = {"HOURLY": ("BYMINUTE", "BYSECOND"), "MINUTELY": ("BYSECOND",)}.get(unit)
    if within is None:
        return None
    step = timedelta(seconds=int(parts.pop("INTERVAL", "1")) * (3600 if unit == "HOURLY" else 60))
    given = {name: parts.pop(name) for name in within if name in parts}
    if set(parts) - {"WKST"} or not all(one.isdigit() and int(one) < 60 for one in given.values()):
        return None
    minute = int(given.get("BYMINUTE", anchor.minute))
    second = int(given.get("BYSECOND", anchor.second))
    return anchor.replace(minute=minute, second=second), step


def _stretches(
    zone: ZoneInfo, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yield the times between which the zone's offset stays, in UTC, with that offset; the last includes its end."""
    begin, final = begin.astimezone(UTC), end.astimezone(UTC) + SECOND
    years = range(begin.year, final.year + 1)
    for change in sorted({one for year in years for one in _changes(zone, year)}):
        if begin < change < final:
            yield begin, change, _offset(zone, begin)
            begin = change
    if begin < final:
        yield begin, final, _offset(zone, begin)


@lru_cache(maxsize=4096)
def _changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """Return when the zone's offset changes in a year, and a few days before and after it, in UTC."""
    found = []
    at, final = (
        _midnight(date(year, 1, 1)) - 3 * ONE_DAY,
        _midnight(date(year, 12, 31)) + 3 * ONE_DAY,
    )
    while at < final:
        later = at + ONE_DAY
        if _offset(zone, later) != _offset(zone, at):
            low, high = at, later
            while high - low > SECOND:
                middle = (low + (high - low) / 2).replace(microsecond=0)
                same = _offset(zone, middle) == _offset(zone, at)
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        at = later
    return tuple(found)


@lru_cache(maxsize=4096)
def _days_of_change(zone: ZoneInfo, year: int) -> frozenset[date]:
    """Return the local days on which the zone's offset changes, those that are left out too."""
    found = set()
    for change in _changes(zone, year):
        day, last = (at.astimezone(zone).date() for at in (change - SECOND, change))
        while day <= last:
            found.add(day)
            day += ONE_DAY
    return frozenset(found)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Return a local time in UTC: the first of two, and past the gap where there is none (PEP 495, fold=0)."""
    return local.replace(tzinfo=zone).astimezone(UTC)
