"""What alerts ask the site's calendar and rota for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from upkeep.rules.alerts.policy import Times
from upkeep.schedule import rota
from upkeep.schedule.calendars import calendars_of
from upkeep.site.schedule_file import Schedule
from upkeep.store.silences import KeptOverride


class OnCallCalendar(Protocol):
    """Hours, rotas and maintenance windows."""

    def window(self, at: datetime) -> datetime | None:
        """Return when the maintenance window began that is open at a time; None if none is."""

    def times(self, team: str, overrides: Sequence[KeptOverride]) -> Times:
        """Return the team's hours, and who of it is on call."""


class SiteCalendar:
    """Those of a site's schedule."""

    def __init__(self, schedule: Schedule, folder: Path) -> None:
        self.schedule = schedule
        self.calendars = calendars_of(schedule, folder)

    def window(self, at: datetime) -> datetime | None:
        """Return when the maintenance window began that is open at a time; None if none is."""
        found = self.calendars.window(at)
        return found.begins if found else None

    def window_from(self, at: datetime) -> datetime | None:
        """Return at if a window is open then, else when the next one begins; None if none comes."""
        if self.window(at) is not None:
            return at
        found = self.calendars.next_window(at)
        return found.begins if found else None

    def times(self, team: str, overrides: Sequence[KeptOverride]) -> Times:
        """Return the team's hours, and who of it is on call."""
        taken = [rota.Override(one.team, one.person, one.begins, one.ends) for one in overrides]

        def people(at: datetime) -> Sequence[str]:
            return rota.on_call(self.schedule, team, at, taken).people

        return Times(self.calendars.hours(team), people, self.window_from)

    def handover(
        self, team: str, at: datetime, overrides: Sequence[KeptOverride]
    ) -> rota.Handover | None:
        """Return when somebody else of a team is called first, and who."""
        taken = [rota.Override(one.team, one.person, one.begins, one.ends) for one in overrides]
        return rota.handover(self.schedule, team, at, taken)
