"""Plan on the command line: what a run of a procedure would do. Nothing is run."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json
from upkeep.model import clock
from upkeep.rules.actions import Action
from upkeep.services.explain import KnownSite
from upkeep.services.plan import RUNS_LOOKED_AT, plan_of
from upkeep.site.site import load_site
from upkeep.store import open_store, runs
from upkeep.view import plan as view
from upkeep.view.screen import Screen

cli = typer.Typer(rich_markup_mode=None)


@cli.command("plan")
@does(Action.LOOK)
def plan(
    procedure: Annotated[str, typer.Argument(help="Id of a procedure of the schedule.")],
    inventory: SiteOption = "",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing if the run can be planned.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run would do, without running anything.

    That is: which checks on which hosts, which jobs, and how long it would take.
    """
    site = load_site(inventory)
    site.procedure(procedure)  # before the inventory and the store are asked
    with closing(open_store(site.settings.database_url)) as store, store.read() as db:
        lengths = runs.lengths(db, site.key, procedure, RUNS_LOOKED_AT)
    now = clock.now()
    found = plan_of(KnownSite(site), procedure, lengths, now)
    if quiet:
        return
    if as_json:
        print_json(view.plan_document(found))
    else:
        view.print_plan(Screen(sys.stdout), found, site.name, now)
