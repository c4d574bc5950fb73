"""The schedule: what comes, what is late, what was due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from starlette.responses import Response

from upkeep.model import occurrence
from upkeep.model.errors import ConfigurationError
from upkeep.rules.actions import Action
from upkeep.schedule.calendars import Calendars, calendars_of
from upkeep.site.schedule_file import Schedule
from upkeep.store import occurrences
from upkeep.store import page_queries as queries
from upkeep.view.schedule import Scheduled, Upcoming
from upkeep.view.upcoming import next_of_each, scheduled
from upkeep.web.html import link, page
from upkeep.web.routing import GET, Ask, PageError, Route

ROWS = 50
# A driver begins within seconds; what waits longer is late.
LATE_AFTER = timedelta(minutes=2)


NOT_DONE = (
    occurrence.PARTIAL,
    occurrence.FAILED,
    occurrence.MISSED,
    occurrence.SKIPPED,
)


@dataclass
class Coming:
    """What is due next, reckoned again when the schedule was edited or the first of it has come."""

    schedule: Callable[[], Schedule | None]
    folder: Path | None
    _of: Schedule | None = None
    _calendars: Calendars | None = None
    _until: datetime | None = None
    _rows: list[Scheduled] = field(default_factory=list)
    _next: list[Upcoming] = field(default_factory=list)

    def next(self, now: datetime) -> list[Upcoming]:
        """Return each procedure's next occurrence, the soonest first."""
        self._look(now)
        return self._next

    def rows(self, now: datetime) -> list[Scheduled]:
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


def show_schedule(ask: Ask) -> Response:
    """Show each procedure with when it is due, what is late, and what was due lately."""
    schedule = ask.setting.schedule()
    coming = ask.setting.coming or Coming(ask.setting.schedule, None)
    if schedule is None:
        raise PageError(404, "This page knows no schedule.", remedy="`upkeep serve -i SITE`")
    site = ask.setting.site
    calendars = coming.calendars(ask.now)
    with ask.store.read() as db:
        late = late_ones(ask)
        debts = occurrences.debts(db, site)
        last = {name: queries.last_occurrence(db, site, name) for name in schedule.procedures}
        lately = queries.occurrences(db, site, ask.now, ROWS + 1, before=ask.number("before"))
    return page(
        ask, "schedule.html", rows=coming.rows(ask.now), coming=coming.next(ask.now)[:10], late=late,
        debts=debts, last=last, lately=lately[:ROWS],
        older=link("", before=lately[ROWS - 1].id) if len(lately) > ROWS else "",
        blackout=calendars.blackout(ask.now) if calendars else None,
        badly=sum(one.state in NOT_DONE for one in lately[:ROWS]),
        teams={name: team.title for name, team in schedule.teams.items()},
        lacks={name: one.lacking for name, one in schedule.procedures.items() if one.lacking},
        titles={name: one.title for name, one in schedule.procedures.items()},
    )  # fmt: skip


def late_ones(ask: Ask) -> list[occurrence.Occurrence]:
    """Return what should have begun and waits, the most urgent first."""
    with ask.store.read() as db:
        return occurrences.waiting(db, ask.setting.site, ask.now - LATE_AFTER)


ROUTES = (Route(GET, "/schedule", Action.LOOK, show_schedule),)
