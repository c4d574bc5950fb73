"""`upkeep today`: the home page in the terminal."""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, Quiet, SiteOption
from upkeep.cli.output import print_json
from upkeep.model import clock
from upkeep.rules.actions import Action
from upkeep.schedule.calendars import calendars_of
from upkeep.services import actors
from upkeep.view import exit_status
from upkeep.view.screen import Screen
from upkeep.view.today import (
    CLAUSE_COLUMNS,
    TERMINAL_CLAUSE_COLUMNS,
    Viewer,
    print_today,
    today_document,
    today_of,
)
from upkeep.view.upcoming import next_of_each

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("today")
@does(Action.LOOK)
def today(inventory: SiteOption = "", quiet: Quiet = False, as_json: Json = False) -> int:
    """Show what needs attention, what runs, what is coming up.

    As the home page does. Exit status: 2 if anything critical or high is open; else 3 if anything cannot be checked, or
    nothing was checked yet; else 1 if anything medium or low is open.
    """
    with opened(inventory) as (site, store):
        now = clock.now()
        coming = tuple(next_of_each(calendars_of(site.schedule, site.folder), now))
        user = actors.actor(store, site.schedule, Action.LOOK.value).user
        person = user.person if user else ""
        with store.read() as db:
            viewer = Viewer(site.key, site.name, site.schedule, coming, now, person)
            found = today_of(db, viewer, CLAUSE_COLUMNS if as_json else TERMINAL_CLAUSE_COLUMNS)
    status = exit_status.of_counts(found.counts) if found.summary.hosts else exit_status.UNKNOWN
    if quiet and status == exit_status.OK:
        return status
    if as_json:
        print_json(today_document(found))
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        first = next(iter(site.schedule.procedures), "daily")
        print_today(Screen(sys.stdout), found, zone, now, site.name, first)
    return status
