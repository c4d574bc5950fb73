"""`upkeep finding`: what is wrong now."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, Quiet, SiteOption
from upkeep.cli.output import print_json
from upkeep.cli.stored import site_store
from upkeep.model import clock
from upkeep.rules.actions import Action
from upkeep.store import findings, runs
from upkeep.view import exit_status, lists
from upkeep.view import model as shown
from upkeep.view.json import finding_document
from upkeep.view.screen import Screen
from upkeep.view.stored import finding_of

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
finding_group = typer.Typer(
    help="What is wrong now, and since when.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(finding_group, name="finding")


@finding_group.command("list")
@does(Action.LOOK)
def list_findings(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones, too.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """List what is wrong now, worst first, and since when."""
    with site_store(inventory) as (store, site), store.read() as db:
        rows = findings.with_waivers(db, findings.open_ones(db, everything, site=site), clock.now())
        last = next((one.procedure for one in runs.recent(db, 1, site=site)), "")
    found = [one for one, _waiver in rows]
    # What is waived fails all the same, and counts.
    failed: dict[Any, int] = {}
    for one in found:
        if one.status == findings.OPEN:
            failed[one.severity] = failed.get(one.severity, 0) + 1
    status = exit_status.of_counts(shown.Counts(failed=failed))
    if quiet and status == exit_status.OK:
        return status
    if as_json:
        print_json({"findings": [finding_document(one) for one in found], "more": False})
    else:
        shown_findings = [finding_of(*row) for row in rows]
        lists.print_findings(
            Screen(sys.stdout), shown_findings, clock.now(), last=last, site=inventory
        )
    return status
