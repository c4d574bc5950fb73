"""What a schedule brings, as it is shown: its procedures with when they are due, and what is due next."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from upkeep.model.errors import ConfigurationError
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.schedule.due_times import begins_at, due_times, next_due, timing_of
from upkeep.site import rule_words
from upkeep.site.schedule_file import Schedule
from upkeep.view import schedule as view


def scheduled(schedule: Schedule, now: datetime) -> list[view.Scheduled]:
    """Return the procedures in the order of the file, each with when it is due and when next."""
    rows = []
    for name, procedure in schedule.procedures.items():
        timing = timing_of(schedule, name)
        rows.append(
            view.Scheduled(
                id=name,
                title=procedure.title,
                words=rule_words.describe(procedure.rule) if procedure.rule else "",
                rule=timing.rule if timing else None,
                time_zone=schedule.zone_of(procedure),
                next_due=next_due(timing, now) if timing else None,
                hosts=procedure.hosts,
                owner=procedure.owner,
                duration_seconds=procedure.duration,
                changes_hosts=procedure.changes,
            )
        )
    return rows


def next_of_each(calendars: Calendars, after: datetime) -> Iterator[view.Upcoming]:
    """Yield each procedure's next occurrence, the soonest first."""
    found = []
    for name in calendars.schedule.procedures:
        timing = timing_of(calendars.schedule, name)
        due = next_due(timing, after) if timing else None
        if due is not None:
            found.append(_occurrence(calendars, name, due, 1))
    yield from sorted(found, key=lambda one: (one.due, one.procedure))


def between(calendars: Calendars, after: datetime, until: datetime) -> Iterator[view.Upcoming]:
    """Yield all that is due then; what comes by hours or minutes is one line, with how many times."""

    def of(name: str) -> Iterator[view.Upcoming]:
        timing = timing_of(calendars.schedule, name)
        if timing is None:
            return
        due = due_times(timing, after, until)
        if any(often in timing.rule.upper() for often in ("HOURLY", "MINUTELY")):
            first = next(due, None)
            if first is not None:
                yield _occurrence(calendars, name, first, 1 + sum(1 for _ in due))
            return
        for one in due:
            yield _occurrence(calendars, name, one, 1)

    each = [of(name) for name in calendars.schedule.procedures]
    return heapq.merge(*each, key=lambda one: (one.due, one.procedure))


def _occurrence(calendars: Calendars, name: str, due: datetime, times: int) -> view.Upcoming:
    schedule = calendars.schedule
    procedure, timing = schedule.procedures[name], timing_of(schedule, name)
    held = calendars.blackout(due) if procedure.changes else None
    return view.Upcoming(
        procedure=name,
        title=procedure.title,
        due=due,
        begins=begins_at(timing, due) if timing else due,
        times=times,
        hosts=procedure.hosts,
        owner=procedure.owner,
        duration_seconds=procedure.duration,
        blackout=held.title if held else None,
    )


@dataclass
class Coming:
    """What is due next, reckoned again when the schedule was edited or the first of it has come."""

    schedule: Callable[[], Schedule | None]
    folder: Path | None
    _of: Schedule | None = None
    _calendars: Calendars | None = None
    _until: datetime | None = None
    _rows: list[view.Scheduled] = field(default_factory=list)
    _next: list[view.Upcoming] = field(default_factory=list)

    def next(self, now: datetime) -> list[view.Upcoming]:
        """Return each procedure's next occurrence, the soonest first."""
        self._look(now)
        return self._next

    def rows(self, now: datetime) -> list[view.Scheduled]:
        """Return the procedures in the order of the file."""
        self._look(now)
        return self._rows

    def calendars(self, now: datetime) -> Calendars | None:
        """Return the site's calendars."""
        self._look(now)
        return self._calendars

    def _look(self, now: datetime) -> None:
        schedule = self.schedule()
        if schedule is None or (schedule is self._of and self._until and now < self._until):
            return
        try:
            calendars = calendars_of(schedule, self.folder or Path())
        except ConfigurationError:
            return  # the scheduler tells of it; what was right last is shown
        upcoming = list(next_of_each(calendars, now))
        self._calendars, self._next = calendars, upcoming
        self._rows = scheduled(schedule, now)
        self._until = upcoming[0].due if upcoming else now + timedelta(days=1)
        self._of = schedule
