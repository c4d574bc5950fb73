"""Backups that were verified by restoring them: each set as it stands, and each row of the ledgers."""

from __future__ import annotations

from statistics import median

from starlette.responses import Response

from upkeep.model.text import SIGNS, duration
from upkeep.model.verdicts import Status
from upkeep.rules.actions import Action
from upkeep.store import restores
from upkeep.store.restores import KeptRestore, RestoreStanding
from upkeep.view import restores as view
from upkeep.web.html import link, page
from upkeep.web.routing import GET, Ask, PageError, Route

ROWS = 50
TREND = 12
COUNTS = 200


def list_restores(ask: Ask) -> tuple[list[KeptRestore], str]:
    """Return a page of rows, newest first, and the query that gives the next one, empty at the end."""
    host, set_name = ask.query.get("host", ""), ask.query.get("set", "")
    with ask.store.read() as db:
        found = restores.recent(
            db,
            ask.setting.site,
            ROWS + 1,
            host=host,
            set_name=set_name,
            before=ask.number("before"),
        )
    older = ""
    if len(found) > ROWS:
        older = link("", host=host, set=set_name, before=found[ROWS - 1].number)
    return found[:ROWS], older


def sets_of(ask: Ask) -> list[RestoreStanding]:
    """Return how each set stands that is asked for; what did not pass first."""
    host, set_name = ask.query.get("host", ""), ask.query.get("set", "")
    with ask.store.read() as db:
        found = restores.standings(db, ask.setting.site)
    wanted = [one for one in found if host in ("", one.host) and set_name in ("", one.set_name)]
    return sorted(wanted, key=_worst_first)


def _worst_first(one: RestoreStanding) -> tuple[float, str, str]:
    rank = one.severity.rank if one.severity else 9.0 if one.status is Status.PASS else 2.5
    rank = 10.0 if one.has_nothing else rank
    return rank, one.host, one.set_name


def the_restore(ask: Ask) -> KeptRestore:
    """Return the row that is asked for.

    Raises: PageError if there is none.
    """
    number = int(ask.path["id"])
    with ask.store.read() as db:
        found = restores.get(db, ask.setting.site, number) if number < 2**31 else None
    if found is None:
        raise PageError(404, "There is no such restore.")
    return found


def show_restores(ask: Ask) -> Response:
    """Show how each set stands, and the rows of the ledgers, of all, or of a host or set."""
    rows, older = list_restores(ask)
    sets = sets_of(ask)
    return page(
        ask, "restores.html", rows=rows, older=older, sets=sets, view=view, kinds=view.KINDS,
        bad=sum(one.status is not Status.PASS and not one.has_nothing for one in sets),
        well=sum(one.status is Status.PASS for one in sets),
        host=ask.query.get("host", ""), set_name=ask.query.get("set", ""),
        running=[one for one in sets if one.seen is not None and one.seen.running is not None],
    )  # fmt: skip


def show_restore(ask: Ask) -> Response:
    """Show one row: what was restored, how fast, what was asserted; and how long it took before."""
    found = the_restore(ask)
    with ask.store.read() as db:
        series = restores.series(db, ask.setting.site, found.host, found.set_name, TREND)
    counts = sorted(found.document.get("counts", {}).items(), key=lambda each: -each[1])
    return page(
        ask, "restore.html", one=found, facts=view.facts(found, ask.zone, ask.now), view=view,
        kind=view.KINDS.get(found.outcome, "unknown"), sign=view.sign_of(found.outcome, SIGNS),
        series=series[::-1], trend=trend_words(series), counts=counts[:COUNTS],
        assertions=found.document.get("assertions", []),
    )  # fmt: skip


def trend_words(series: list[KeptRestore]) -> str:
    """Return how long the newest restore took beside the median of those before it; empty without three of them.

    series: oldest first.
    """
    *earlier, last = [one.restore_seconds for one in series if one.restore_seconds] or [0.0]
    if len(earlier) < 3:
        return ""
    usual = median(earlier)
    percent = 100 * last / usual
    before = f"the median of the {len(earlier)} before it, {duration(usual)}"
    return f"The newest restore took {duration(last)}, {percent:.0f} % of {before}."


ROUTES = (
    Route(GET, "/restores", Action.LOOK, show_restores),
    Route(GET, "/restores/{id:int}", Action.LOOK, show_restore),
)
