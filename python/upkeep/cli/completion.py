"""`upkeep schedule completion`: how much of what was due in a month was done."""

from __future__ import annotations

import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.rules.actions import Action
from upkeep.rules.completion import month_before
from upkeep.store.completion import completion
from upkeep.view.completion import print_completion, write_csv
from upkeep.view.json import completion_document, dumps
from upkeep.view.screen import Screen

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("completion")
@does(Action.LOOK)
def show_completion(
    inventory: SiteOption = "",
    month: Annotated[
        str,
        typer.Option(
            "--month", metavar="MONTH", help="Such as 2027-01; the last one, if not given."
        ),
    ] = "",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet.")] = False,
) -> None:
    """Show how much of a month was completed on time.

    Per procedure and team: the rate is done and signed, divided by due.
    """
    if as_json and as_csv:
        raise UsageError("--json or --csv, not both")
    # Without the procedures it is not known what was due to be signed: the rate would be too good.
    with opened(inventory, needs="procedures") as (site, store), store.read() as db:
        now = clock.now()
        month = month or month_before(now, site.schedule.time_zone)
        found = completion(db, site.key, site.schedule, month, now)
    if as_json:
        sys.stdout.write(dumps(completion_document(found)) + "\n")
    elif as_csv:
        write_csv(found, sys.stdout)
    else:
        titles = {name: team.title for name, team in site.schedule.teams.items()}
        zone = ZoneInfo(site.schedule.time_zone)
        print_completion(Screen(sys.stdout), found, titles, zone, inventory)
