"""Three calendars, never mixed up, pure: blackouts, maintenance windows, and when a team works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from upkeep.model.errors import ConfigurationError
from upkeep.schedule import due_times
from upkeep.site import rule_words
from upkeep.site.fields import DAYS
from upkeep.site.schedule_file import BusinessHours as Hours
from upkeep.site.schedule_file import Schedule, Span

ONE_DAY = timedelta(days=1)
FAR = timedelta(days=366 * 2)
"""Who has no working day in two years has none."""
HOLIDAY_YEARS = 30
"""For so long a holiday that comes again is looked ahead."""


@dataclass(frozen=True)
class Period:
    """A time, from its first moment to the one after its last, in UTC."""

    title: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class OpenHours:
    """When a team works, across daylight saving and holidays. days: of the week, 0 for Monday."""

    zone: ZoneInfo
    days: frozenset[int]
    starts: time
    ends: time
    holidays: frozenset[date] = field(default_factory=frozenset)

    def is_open(self, at: datetime) -> bool:
        """Return whether the team works at a time."""
        day = at.astimezone(self.zone).date()
        begins, ends = self._of(day)
        return self._works(day) and begins <= at < ends

    def opens(self, at: datetime) -> datetime:
        """Return when the team works next: now, if it does.

        Raises: ConfigurationError if nobody works within two years.
        """
        return max(at, next(self._spans(at))[0])

    def add(self, at: datetime, seconds: float) -> datetime:
        """Return when this many seconds of work have passed."""
        left = timedelta(seconds=seconds)
        for begins, ends in self._spans(at):
            begins = max(begins, at)
            if ends - begins >= left:
                return begins + left
            left -= ends - begins
        raise AssertionError("spans do not end")

    def next_day(self, at: datetime) -> datetime:
        """Return when work begins on the next working day, today's not counted."""
        today = at.astimezone(self.zone).date()
        midnight = datetime.combine(today + ONE_DAY, time(), self.zone).astimezone(UTC)
        return next(self._spans(midnight))[0]

    def end_of_day(self, at: datetime) -> datetime:
        """Return when work ends today; on the next working day, if it has ended or nobody works today."""
        return next(self._spans(at))[1]

    def _spans(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the hours of each working day that are not over yet."""
        day = at.astimezone(self.zone).date()
        last = day + FAR
        while day <= last:
            begins, ends = self._of(day)
            if self._works(day) and ends > at:
                yield begins, ends
                last = day + FAR
            day += ONE_DAY
        raise ConfigurationError("business hours: every day for two years is a holiday")

    def _works(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.holidays

    def _of(self, day: date) -> tuple[datetime, datetime]:
        begins, ends = (
            datetime.combine(day, at, self.zone).astimezone(UTC) for at in (self.starts, self.ends)
        )
        return begins, ends


@dataclass(frozen=True)
class Calendars:
    """A site's calendars."""

    schedule: Schedule
    holidays: frozenset[date]

    def blackout(self, at: datetime) -> Period | None:
        """Return the blackout that holds, if any; of several, the one that ends last."""
        return _holding(self.schedule, self.schedule.calendar.blackouts, at)

    def blackouts(self, after: datetime, until: datetime) -> list[Period]:
        """Return the blackouts that touch the time, by their beginning."""
        return sorted(
            _touching(self.schedule, self.schedule.calendar.blackouts, after, until), key=_begin
        )

    def window(self, at: datetime) -> Period | None:
        """Return the maintenance window that holds, if any."""
        return _holding(self.schedule, self.schedule.calendar.maintenance_windows, at)

    def next_window(self, after: datetime) -> Period | None:
        """Return the maintenance window that begins next, or None if there is none."""
        found = []
        for span in self.schedule.calendar.maintenance_windows:
            timing = span_timing(self.schedule, span)
            begins = (
                due_times.next_due(timing, after) if timing else _once(self.schedule, span).begins
            )
            if begins and begins > after:
                found.append(_period(self.schedule, span, begins))
        return min(found, key=_begin, default=None)

    def hours(self, team_id: str) -> OpenHours:
        """Return when a team works; Monday to Friday, nine to five, for one that is not in the file."""
        team = self.schedule.teams.get(team_id)
        hours = team.business_hours if team else Hours()
        zone = self.schedule.zone_of(team) if team else self.schedule.time_zone
        days = frozenset(DAYS.index(day) for day in hours.days)
        return OpenHours(ZoneInfo(zone), days, hours.starts, hours.ends, self.holidays)


def calendars_of(schedule: Schedule, folder: Path) -> Calendars:
    """Return the site's calendars.

    Raises: ConfigurationError if a file of holidays cannot be read.
    """
    holidays: set[date] = set()
    for one in schedule.calendar.holidays:
        holidays |= {one} if isinstance(one, date) else set(_holidays_in(folder / one))
    return Calendars(schedule, frozenset(holidays))


def _holding(schedule: Schedule, spans: Iterable[Span], at: datetime) -> Period | None:
    found = [one for one in _touching(schedule, spans, at, at) if one.begins <= at < one.ends]
    return max(found, key=lambda one: one.ends, default=None)


def _touching(
    schedule: Schedule, spans: Iterable[Span], after: datetime, until: datetime
) -> Iterator[Period]:
    """Yield the periods that touch the time."""
    for span in spans:
        timing = span_timing(schedule, span)
        if timing is None:
            once = _once(schedule, span)
            if once.begins <= until and once.ends > after:
                yield once
            continue
        before = after - timedelta(seconds=span.duration or 0)
        for begins in due_times.due_times(timing, before, until):
            yield _period(schedule, span, begins)


def span_timing(schedule: Schedule, span: Span) -> due_times.Timing | None:
    """Return when a blackout or a window begins that comes again; None for one that comes once."""
    if span.rule is None:
        return None
    return due_times.Timing(span.title, rule_words.parse(span.rule), schedule.zone_of(span))


def _once(schedule: Schedule, span: Span) -> Period:
    zone = ZoneInfo(schedule.zone_of(span))
    assert span.starts is not None  # the file says both, or a rule
    assert span.ends is not None
    begins, ends = (one.replace(tzinfo=zone).astimezone(UTC) for one in (span.starts, span.ends))
    return Period(span.title, begins, ends)


def _period(schedule: Schedule, span: Span, begins: datetime) -> Period:
    if span.rule is None:
        return _once(schedule, span)
    return Period(span.title, begins, begins + timedelta(seconds=span.duration or 0))


def _begin(period: Period) -> datetime:
    return period.begins


def _holidays_in(path: Path) -> Iterator[date]:
    """Yield the days of an iCalendar file's events."""
    try:
        from icalendar import Calendar
    except ModuleNotFoundError as exc:
        message = f"{path}: holidays in a file need the Python package icalendar"
        raise ConfigurationError(message, remedy="pip install 'upkeep[ics]'") from exc
    try:
        events = Calendar.from_ical(path.read_bytes()).walk("VEVENT")
        for event in events:
            yield from _days_of(event)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(f"{path}: not a calendar that can be read: {exc}") from exc


def _days_of(event: object) -> Iterator[date]:
    """Yield the days that an event touches, each time it comes."""
    begin = event["DTSTART"].dt  # type: ignore[index]
    end = event["DTEND"].dt if "DTEND" in event else None  # type: ignore[index, operator]
    first = begin.date() if isinstance(begin, datetime) else begin
    last = (end.date() if isinstance(end, datetime) else end - ONE_DAY) if end else first
    starts = [first]
    rule = event.get("RRULE")  # type: ignore[attr-defined]
    if rule:
        timing = due_times.Timing(
            "", rule.to_ical().decode(), starts=datetime.combine(first, time())
        )
        begin_at = datetime.combine(first, time(), UTC) - ONE_DAY
        times = due_times.due_times(
            timing, begin_at, begin_at + timedelta(days=366 * HOLIDAY_YEARS)
        )
        starts = [due.date() for due in times]
    for start in starts:
        for number in range(max(0, (last - first).days) + 1):
            yield start + number * ONE_DAY
