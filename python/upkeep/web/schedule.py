"""The schedule: what comes, what is late, what was due."""

from __future__ import annotations

from starlette.responses import Response

from upkeep.model import occurrence
from upkeep.rules.actions import Action
from upkeep.rules.coverage import coverage, sentence
from upkeep.store import occurrences
from upkeep.store import page_queries as queries
from upkeep.view.coverage import by_words
from upkeep.view.today import late_ones
from upkeep.view.upcoming import Coming
from upkeep.web.html import link, page
from upkeep.web.routing import GET, Ask, PageError, Route

ROWS = 50


NOT_DONE = (
    occurrence.PARTIAL,
    occurrence.FAILED,
    occurrence.MISSED,
    occurrence.SKIPPED,
)


def show_schedule(ask: Ask) -> Response:
    """Show each procedure with when it is due, what is late, and what was due lately."""
    schedule = ask.setting.schedule()
    coming = ask.setting.coming or Coming(ask.setting.schedule, None)
    if schedule is None:
        raise PageError(
            404, "This page knows no schedule.", remedy="start `upkeep serve` with -i and a site"
        )
    site = ask.setting.site
    calendars = coming.calendars(ask.now)
    requirements = coverage(schedule)
    with ask.store.read() as db:
        late = late_ones(db, site, ask.now)
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
        lacks={name: found for name in schedule.procedures if (found := schedule.lacking_of(name))},
        titles={name: one.title for name, one in schedule.procedures.items()},
        requirements=requirements, covered=sentence(requirements), by=by_words,
    )  # fmt: skip


ROUTES = (Route(GET, "/schedule", Action.LOOK, show_schedule),)
