"""`upkeep finding`: what is wrong now."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import zone_of
from upkeep.cli.options import Json, Quiet, SiteOption, numbered
from upkeep.cli.output import print_json
from upkeep.cli.stored import site_store
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.store import alerts, answers, findings, page_queries, runs
from upkeep.view import exit_status
from upkeep.view import findings as view
from upkeep.view import model as shown
from upkeep.view.alerts import state_of
from upkeep.view.json import finding_document, plain
from upkeep.view.report import excerpt
from upkeep.view.screen import Screen
from upkeep.view.stored import finding_of

EVENTS = 100
LOOKED_BACK = 10
EVIDENCE_BYTES = 100_000
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
    """List what is wrong now, worst first, and since when.

    Exit status: 2 if anything critical or high is open, 1 if anything medium or low; 3 if nothing was checked yet.
    """
    with site_store(inventory) as (store, site), store.read() as db:
        rows = findings.with_waivers(db, findings.open_ones(db, everything, site=site), clock.now())
        recent = [one.procedure for one in runs.recent(db, LOOKED_BACK, site=site)]
        checked = page_queries.stand(db, site).hosts > 0
    last = next((one for one in recent if one != shown.RESTORE_TRY), "")
    found = [one for one, _waiver in rows]
    # What is waived fails all the same, and counts.
    failed: dict[Any, int] = {}
    for one in found:
        if one.status == findings.OPEN:
            failed[one.severity] = failed.get(one.severity, 0) + 1
    status = exit_status.of_counts(shown.Counts(failed=failed))
    if not failed and not checked:
        status = exit_status.UNKNOWN
    if quiet and status == exit_status.OK:
        return status
    if as_json:
        print_json({"findings": [finding_document(one) for one in found], "more": False})
    else:
        shown_findings = [finding_of(*row) for row in rows]
        view.print_findings(
            Screen(sys.stdout),
            shown_findings,
            clock.now(),
            last=last,
            site=inventory,
            checked=checked,
        )
    return status


@finding_group.command("show")
@does(Action.LOOK)
def show_finding(
    finding: Annotated[int, numbered("finding")],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Show a finding: since when, next step, alert, history, evidence."""
    now = clock.now()
    with site_store(inventory) as (store, site), store.read() as db:
        found = page_queries.finding(db, finding)
        if found is None or found.site != site:
            raise UsageError(
                f"there is no finding {finding}",
                remedy=f"{command('finding', 'list', '--all', site=inventory)}  # lists them",
            )
        ((found, waiver),) = findings.with_waivers(db, [found], now)
        held = alerts.of_finding(db, finding)
        events = page_queries.events(db, finding, EVENTS)
        newest = page_queries.newest_result(db, found.fingerprint)
        raw = answers.evidence_of(db, newest[1].evidence_sha256) if newest else None
    run_id = newest[0] if newest else None
    text = raw[:EVIDENCE_BYTES].decode("utf-8", "backslashreplace") if raw else ""
    if as_json:
        document = finding_document(found)
        document |= {"alerts": [one.id for one in held], "run": run_id, "evidence": text}
        document["history"] = [plain(asdict(one)) for one in events]
        print_json({"finding": document})
        return
    view.print_finding(
        Screen(sys.stdout),
        finding_of(found, waiver),
        view.FindingRecord(
            [f"alert {one.id}, {state_of(one, now)}" for one in held],
            events,
            run_id,
            excerpt(text) if text else None,
        ),
        now.astimezone(zone_of(inventory)),
        inventory,
    )
