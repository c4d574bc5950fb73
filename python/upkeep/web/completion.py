"""How much of what was due in a month was done: a page, and a file for spreadsheets."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.responses import Response

from upkeep.model.errors import UsageError
from upkeep.model.stored_text import name
from upkeep.rules.actions import Action
from upkeep.rules.completion import COUNTS, Completion, month_before
from upkeep.rules.coverage import coverage, sentence
from upkeep.rules.responses import ResponseFigure
from upkeep.rules.reviews import title_of
from upkeep.site.incident_plans import KINDS
from upkeep.store.completion import completion
from upkeep.store.incidents import figure_of
from upkeep.view.completion import (
    WELL,
    lacking_words,
    not_final_words,
    nothing_words,
    percent,
    then_words,
    total_words,
    write_csv,
)
from upkeep.view.incidents import figure_words
from upkeep.web.html import page
from upkeep.web.routing import GET, Ask, PageError, Route


def month_asked(ask: Ask) -> Completion:
    """Return the month that is asked for, or the last one that has ended."""
    schedule = ask.schedule
    month = ask.query.get("month", "") or month_before(ask.now, ask.zone.key)
    try:
        with ask.store.read() as db:
            return completion(db, name(ask.setting.site), schedule, month, ask.now)
    except UsageError as exc:
        raise PageError(422, f"{exc}.") from exc


def show_completion(ask: Ask) -> Response:
    """Show a month, procedure by procedure."""
    schedule, found = ask.schedule, month_asked(ask)
    zone = ask.zone
    shown = [one for one in COUNTS if any(getattr(row, one) for row in found.rows)]
    following = _month(found.ends, zone) if found.ends <= ask.now else ""
    return page(
        ask, "completion.html", found=found, counts=shown, well=WELL, percent=percent,
        before=_month(found.begins - timedelta(days=1), zone), following=following,
        titles=lambda one: title_of(schedule, one), covered=sentence(coverage(schedule)),
        answer=total_words(found) if found.rows else nothing_words(found),
        then=then_words(found), lacking=lacking_words(found), not_final=not_final_words(found),
        responses=[figure_words(one) for one in _responses(ask, found.month) if one.rows],
    )  # fmt: skip


def _responses(ask: Ask, month: str) -> list[ResponseFigure]:
    """Return how fast people responded to the month's incidents, of each kind."""
    site, zone = ask.setting.site, ask.zone.key
    with ask.store.read() as db:
        return [figure_of(db, site, month, kind, zone, ask.now) for kind in KINDS]


def give_csv(ask: Ask) -> Response:
    """Give a month as a file."""
    found = month_asked(ask)
    text = io.StringIO()
    write_csv(found, text)
    disposition = f'attachment; filename="completion-{found.month}.csv"'
    headers = {"Content-Disposition": disposition}
    return Response(text.getvalue(), 200, headers, "text/csv; charset=utf-8")


def _month(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m}"


ROUTES = (
    Route(GET, "/completion", Action.LOOK, show_completion),
    Route(GET, "/completion.csv", Action.LOOK, give_csv),
)
