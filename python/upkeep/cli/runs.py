"""`upkeep run list`, `show` and `run judge`: what earlier runs have found, and what today's checks say of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import zone_of
from upkeep.cli.options import Json, Quiet, SiteOption, counting, numbered
from upkeep.cli.output import note, print_json
from upkeep.cli.stored import changes_of, run_store, site_store, stored_run
from upkeep.judging.check import load
from upkeep.judging.entries import ParameterError
from upkeep.judging.judge import judge_again, with_history, with_next_steps
from upkeep.judging.limits import limits_now
from upkeep.judging.wanted import WantedCheck
from upkeep.model import clock
from upkeep.model.answer import SITE_HOST, Due, Observed
from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.model.remedies import command
from upkeep.model.verdicts import Status
from upkeep.rules.actions import Action
from upkeep.services.kept_files import (
    report_path,
)
from upkeep.services.proofs import prove_again
from upkeep.site.asked import asked_by
from upkeep.site.site import Site, load_site, settings_of
from upkeep.store import answers as stored
from upkeep.store import doubts, runs, site_results, sites
from upkeep.view import exit_status, lists
from upkeep.view import model as shown
from upkeep.view.json import run_document
from upkeep.view.left_out import say_older
from upkeep.view.screen import Screen
from upkeep.view.stored import hosts_of, of_run


def _wanted_now(site: Site) -> dict[str, Sequence[WantedCheck]]:
    """Return what each host's groups ask for today; values that only a run can resolve stay as they are."""
    from upkeep.site.inventory import read_inventory

    hosts = read_inventory(str(site.inventory), environment=site.environment)
    try:
        return {host: asked_by(host, one).wanted for host, one in hosts.items()}
    except ParameterError as exc:
        raise ConfigurationError(str(exc), remedy=command("doctor", site=site.name)) from exc


def _show_judgement(
    summary: shown.RunSummary,
    again: Sequence[Observed],
    doubted: Mapping[str, int],
    *,
    now: datetime,
    as_json: bool,
) -> int:
    """Print the new verdicts of a run, in the shape of a run. doubted: of which checks they are, and how many."""
    tally = shown.RunTally()
    results = [
        replace(result, doubted=result.check in doubted)
        for observed in again
        for result in observed.results
    ]
    for observed in again:
        tally.add(observed)
    summary = tally.into(summary)
    hosts = [shown.HostInRun.of(observed) for observed in again if observed.host != SITE_HOST]
    if as_json:
        print_json(run_document(summary, hosts, results))
    else:
        bad = [one for one in results if one.status is not Status.PASS]
        lists.print_run(Screen(sys.stdout), summary, hosts, bad, now, doubts=doubted)
    return exit_status.of_run(summary)


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("list")
@does(Action.LOOK)
def list_runs(
    inventory: SiteOption = "",
    count: Annotated[int, counting("Show at most this many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    with site_store(inventory) as (store, site), store.read() as db:
        found = runs.recent(db, count + 1, site=site)
        more = len(found) > count
        summaries = [of_run(db, one) for one in found[:count]]
    if as_json:
        documents = [run_document(one, (), ()) for one in summaries]
        listed = [one["run"] | {"counts": one["counts"]} for one in documents]
        print_json({"runs": listed, "more": more})
    else:
        now = clock.now().astimezone(zone_of(inventory))
        lists.print_runs(Screen(sys.stdout), summaries, now, inventory)
    if more:
        say_older()


@cli.command("show")
@does(Action.LOOK)
def show_run(
    run_id: Annotated[int, numbered("run")],
    inventory: SiteOption = "",
    limit: Annotated[
        str, typer.Option("--limit", "-l", metavar="HOST", help="Only this host.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="What passed, too.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Show a run: what did not pass, worst first."""
    settings = settings_of(inventory)
    with run_store(settings) as store, store.read() as db:
        summary = of_run(db, stored_run(db, run_id))
        if quiet and exit_status.of_run(summary) == exit_status.OK:
            return exit_status.OK
        hosts = [one for one in hosts_of(db, run_id) if limit in ("", one.name)]
        if limit and not hosts and limit != SITE_HOST:
            raise UsageError(f"run {run_id} has no host {limit!r}", remedy=f"upkeep show {run_id}")
        if as_json:
            results = stored.results_of(db, run_id, limit)
            print_json(run_document(summary, hosts, results, changes_of(db, run_id, limit)))
        else:
            shown_results = [
                one
                for one in stored.results_of(db, run_id, limit)
                if everything or one.status is not Status.PASS
            ]
            report = report_path(settings.state, run_id)
            where = str(report) if report.exists() and not quiet else ""
            out = Screen(sys.stdout)
            for change in changes_of(db, run_id, limit):
                out.line(out.text("{host}: {kind}: {task}".format(**change), 500))
            doubted = doubts.in_run(db, run_id, limit)
            now = clock.now().astimezone(zone_of(inventory))
            lists.print_run(out, summary, hosts, shown_results, now, report=where, doubts=doubted)
    return exit_status.of_run(summary)


@cli.command("judge")
@does(Action.LOOK)
def judge_run(
    run_id: Annotated[int, numbered("run")],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> int:
    """Judge a run's stored observations again.

    With SITE, by its limits of today; without it, by those of the run.
    """
    again: list[Observed] = []
    with run_store(settings_of(inventory)) as store, store.begin() as db:
        run = stored_run(db, run_id)
        wanted = _wanted_now(load_site(inventory)) if inventory else None
        prove_again(db, run.site, clock.now())
        number = stored.begin_judgement(db, run_id, clock.now())
        folder = sites.folder_of(db, run.site)
        asked: dict[str, Sequence[Due]] = {}
        for observed in stored.observed_in(db, run_id):
            past = stored.past_of(db, run_id, observed)
            due = observed.due
            if wanted is not None:
                due, kept = limits_now(observed, wanted.get(observed.host, ()))
                if kept:
                    note(f"{observed.host}: limits of the run, not of today, for {', '.join(kept)}")
            asked[observed.host] = due
            stays = [one for one in with_history(due, load()) if one not in past]
            if stays:
                why = "what they were judged with is not kept any more"
                note(f"{observed.host}: verdicts of the run for {', '.join(stays)}: {why}")
            judged = with_next_steps(judge_again(observed, load(), due, past), folder)
            stored.add_judgement(db, run_id, number, judged)
            again.append(judged)
        at = site_results.judged_at(db, run_id)
        found = at and site_results.judge_run(db, run_id, run.site, load(), at, due=asked)
        if found:
            stored.add_judgement(db, run_id, number, found)
            again.append(found)
        summary = of_run(db, run)
        doubted = doubts.in_run(db, run_id, judgement=number)
    now = clock.now().astimezone(zone_of(inventory))
    return _show_judgement(summary, again, doubted, now=now, as_json=as_json)
