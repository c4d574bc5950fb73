"""When a procedure is due: rules of RFC 5545 in a time zone, pure.

dateutil is the engine. Rules of days and longer are kept in local time: where daylight saving skips a due time, it is
due as long after midnight as on any day (02:30 becomes 03:30); where it repeats one, the first of the two counts.
Rules of hours and shorter run through in elapsed time, so that one of minutes is due 120 times in the two hours that
a clock calls one. A rule without a start counts from Monday, 2024-01-01: never from now, which changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import product
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, WEEKLY, YEARLY, rrule, rrulestr

from upkeep.schedule_file import Schedule

ANCHOR = datetime(2024, 1, 1)
ONE_DAY = timedelta(days=1)
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
        procedure.rule,
        schedule.zone_of(procedure),
        procedure.starts,
        procedure.skip,
        procedure.jitter or 0.0,
    )


def due_times(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when it is due, in UTC, after < due <= until, ascending."""
    rule, zone = _rule(timing.rule), ZoneInfo(timing.zone)
    days = {one.date() for one in timing.skip if one.time() == time()}
    times = set(timing.skip)
    expand = _by_elapsed_time if rule.often else _by_local_time
    for local, due in expand(rule, timing.starts or ANCHOR, zone, after, until):
        if after < due <= until and local not in times and local.date() not in days:
            yield due


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


# --- days and longer: local time -------------------------------------------------------------------------------------
def _by_local_time(
    rule: _Rule, anchor: datetime, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield local time and UTC."""
    first = after.astimezone(zone).date() - ONE_DAY
    last = until.astimezone(zone).date() + ONE_DAY
    days = _locals_by_day(rule, anchor, first, last)
    for locals_ in days:
        # A time that is moved out of the gap may come after the next one, or upon it.
        seen: dict[datetime, datetime] = {}
        for local in locals_:
            seen.setdefault(_utc(local, zone), local)
        for due in sorted(seen):
            if _ended(rule, seen[due], due):
                return
            yield seen[due], due


def _locals_by_day(
    rule: _Rule, anchor: datetime, first: date, last: date
) -> Iterator[list[datetime]]:
    """Yield the local times of each day on which it is due."""
    if not rule.days:
        whole = rrulestr(rule.text, dtstart=anchor)
        of_first, of_last = datetime.combine(first, time()), datetime.combine(last, time.max)
        for local in whole.between(of_first, of_last, inc=True):
            yield [local]
        return
    times = [
        time(hour, minute, min(second, 59))
        for hour, minute, second in product(
            rule.numbers("BYHOUR", anchor.hour),
            rule.numbers("BYMINUTE", anchor.minute),
            rule.numbers("BYSECOND", anchor.second),
        )
    ]
    begin = max(first, anchor.date())
    for year in range(begin.year, last.year + 1):
        for day in _days(rule.days, anchor.date(), year):
            if begin <= day <= last:
                locals_ = [datetime.combine(day, one) for one in times]
                yield [local for local in locals_ if local >= anchor]


@lru_cache(maxsize=8192)
def _days(text: str, anchor: date, year: int) -> tuple[date, ...]:
    """Return the days of a year on which a rule of days is due; shared by all rules of the same days."""
    begin, end = datetime(year, 1, 1), datetime(year, 12, 31)
    start = datetime.combine(anchor, time())
    rule = rrulestr(text, dtstart=start)
    assert isinstance(rule, rrule)
    rule = rule.replace(dtstart=_later_anchor(rule, start, begin))
    return tuple(local.date() for local in rule.between(begin, end, inc=True))


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
def _by_elapsed_time(
    rule: _Rule, anchor: datetime, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield local time and UTC.

    While a zone's offset stays, local time is elapsed time; each such stretch is walked through on its own, with the
    anchor where it would stand if that offset had always been.
    """
    begins = _utc(anchor, zone)
    for begin, end, offset in _stretches(zone, max(after, begins - ONE_DAY), until):
        parsed = rrulestr(rule.text, dtstart=(begins + offset).replace(tzinfo=None))
        assert isinstance(parsed, rrule)
        local_begin = (begin + offset).replace(tzinfo=None)
        if parsed._count is None:  # type: ignore[attr-defined]
            start = _later_anchor(parsed, parsed._dtstart, local_begin)  # type: ignore[attr-defined]
            parsed = parsed.replace(dtstart=start)
        for local in parsed.xafter(local_begin, inc=True):
            due = local.replace(tzinfo=UTC) - offset
            if due >= end:
                break
            if _ended(rule, local, due):
                return
            yield local, due


def _stretches(
    zone: ZoneInfo, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Yield the times between which the zone's offset stays, in UTC, with that offset; the last includes its end."""
    begin, final = begin.astimezone(UTC), end.astimezone(UTC) + timedelta(seconds=1)
    offset = _offset(zone, begin)
    at = begin
    while at < final:
        later = min(at + ONE_DAY, final)
        if _offset(zone, later) != offset:
            low, high = at, later
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            later = high.replace(microsecond=0)
            yield begin, later, offset
            begin, offset = later, _offset(zone, later)
        at = later
    yield begin, final, offset


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Return a local time in UTC: the first of two, and past the gap where there is none (PEP 495, fold=0)."""
    return local.replace(tzinfo=zone).astimezone(UTC)
