"""The page of the schedule: when each procedure is due next, what became of what was due, and what hosts owe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from upkeep import words
from upkeep.roles import Role
from upkeep.schedule import next_due, timing_of
from upkeep.schedule_file import Schedule
from upkeep.store import occurrences
from upkeep.web.html import page
from upkeep.web.routing import GET, Ask, Route

BACK = timedelta(days=31)
OCCURRENCES = 60
KINDS = {
    "done": "pass",
    "failed": "fail",
    "missed": "fail",
    "partial": "unknown",
    "skipped": "unknown",
}
SIGNS = {"pass": "✓", "fail": "✗", "unknown": "?"}


@dataclass(frozen=True)
class Row:
    """A procedure on the page. words: when it is due, as people say it; empty for one by hand."""

    id: str
    title: str
    words: str
    next_due: datetime | None
    owner: str
    lacks: tuple[str, ...]


def rows_of(schedule: Schedule, now: datetime) -> list[Row]:
    """Return the procedures, the next one first, those by hand last."""
    rows = []
    for name, procedure in schedule.procedures.items():
        timing = timing_of(schedule, name)
        due = next_due(timing, now) if timing else None
        team = schedule.teams.get(procedure.owner)
        said = words.describe(procedure.rule) if procedure.rule else ""
        owner = team.title if team else procedure.owner
        rows.append(Row(name, procedure.title, said, due, owner, procedure.lacks))
    far = datetime.max.replace(tzinfo=now.tzinfo)
    return sorted(rows, key=lambda one: one.next_due or far)


def show_schedule(ask: Ask) -> Response:
    """Show what is due next, what was due, and what is owed."""
    schedule = ask.setting.schedule()
    with ask.store.read() as db:
        found = occurrences.between(db, ask.setting.site, ask.now - BACK, ask.now, OCCURRENCES)
        owed = occurrences.debts(db, ask.setting.site)
    kinds = {one.id: KINDS.get(one.state, "soft") for one in found}
    return page(
        ask,
        "schedule.html",
        rows=rows_of(schedule, ask.now) if schedule else [],
        badly=[one for one in found if one.state not in ("done", *occurrences.OPEN)],
        occurrences=found,
        kinds=kinds,
        signs=SIGNS,
        owed=owed,
        zone=schedule.time_zone if schedule else "UTC",
    )


ROUTES = (Route(GET, "/schedule", Role.VIEWER, show_schedule),)
