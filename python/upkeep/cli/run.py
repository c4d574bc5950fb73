"""`upkeep run` and `check`: look at hosts now, or do a job on them; print how it stands, and write the report."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
import yaml

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, secrets
from upkeep.cli.actions import does
from upkeep.cli.checks import check_of
from upkeep.cli.lazy import Verb
from upkeep.cli.options import HIGHEST_ID, Json, Limit, Quiet, SiteOption, number_of
from upkeep.cli.output import note, print_json
from upkeep.cli.stored import changes_of, run_store, stored_run
from upkeep.cli.times import time_of
from upkeep.judging.check import Check, load
from upkeep.judging.entries import ParameterError
from upkeep.judging.examine import examine_wanted
from upkeep.judging.wanted import of_entry
from upkeep.model import clock
from upkeep.model.errors import PrintError, StoreError, UpkeepError, UsageError
from upkeep.model.isolation import HostAct
from upkeep.model.occurrence import DUE, FAILED, MISSED, SKIPPED
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.run import agent
from upkeep.services import actors
from upkeep.services.kept_files import (
    report_path,
)
from upkeep.services.proofs import prove_again, prove_checks
from upkeep.services.pruning import prune
from upkeep.services.sites import claim
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.host_limit import absolute_limit, refuse_unknown
from upkeep.site.schedule_file import Procedure
from upkeep.site.settings import passed_over
from upkeep.site.site import Site, load_site
from upkeep.store import Store, doubts, occurrences, site_results
from upkeep.store import answers as stored
from upkeep.view import exit_status
from upkeep.view import model as shown
from upkeep.view.json import run_document
from upkeep.view.report import write_report
from upkeep.view.result import print_result
from upkeep.view.screen import Screen
from upkeep.view.stored import hosts_of, of_run
from upkeep.view.streams import lost
from upkeep.view.terminal import RunView
from upkeep.view.troubles import Troubles

EVIDENCE_CHARACTERS = 20_000


def asked_by_caller(store: Store, site: Site, task: agent.Task) -> agent.Task:
    """Return a task that somebody wants who calls this, with their name.

    Raises: UsageError if they may not.
    """
    changes = task.changes_hosts and not task.check_mode
    action = Action.CHANGE_HOSTS if changes else Action.OBSERVE
    who = actors.someone(store, site.schedule, action, task.procedure, site=site)
    return dataclasses.replace(task, asked_by=who.name)


def run_task(
    site: Site,
    task: agent.Task,
    store: Store,
    *,
    as_json: bool,
    quiet: bool,
    given: Sequence[str] = (),
) -> int:
    """Run the task, print how it stands, write the report; return the exit status.

    given: the check's parameters.
    """
    keeper = Timekeeper(store, site.key, site.name)
    keeper.look()  # before the run's own time is the newest
    out = Screen(sys.stdout)
    with contextlib.suppress(StoreError), store.begin() as db:  # its end says so
        prove_again(db, site.key, keeper.now())
    progress = Screen(io.StringIO()) if quiet else Screen(sys.stderr)
    with RunView(out, progress, site=site.name, quiet=as_json or quiet) as view:
        run_id = carry_out(site, task, store, view, keeper)
    try:
        prove_checks(store, site.key, run_id, keeper.now(), site.settings.state)
    except StoreError as exc:  # what the run has found is shown all the same
        note(f"the checks were not fed their known-bad inputs: {exc}")
    with store.read() as db:
        summary = of_run(db, stored_run(db, run_id))
        report = _write_report(db, site, summary)
        left = site_results.asked_for(db, run_id, load())
        status = exit_status.of_run(summary)
        if quiet and status == exit_status.OK:
            pass
        elif as_json:
            hosts = list(hosts_of(db, run_id))
            results = stored.results_of(db, run_id)
            print_json(run_document(summary, hosts, results, changes_of(db, run_id)))
        else:
            _print_run(
                db, out, dataclasses.replace(summary, given=tuple(given)), report, quiet=quiet
            )
    if task.limit and left and not quiet:
        note(
            f"{', '.join(left)}: judged for the site as a whole, when a run without --limit has ended"
        )
    until = keeper.look().prune_at
    if until is not None:
        prune(store, site.settings, until)
    if why_lost := lost(sys.stdout):
        raise PrintError(why_lost, status, remedy=command("show", str(run_id), site=site.name))
    return status


def carry_out(
    site: Site,
    task: agent.Task,
    store: Store,
    view: RunView,
    keeper: Timekeeper,
    acted: Callable[[HostAct], object] = lambda _act: None,
) -> int:
    """Run the task, and show how it goes; return the run's number. acted: is told what hosts say of their isolation."""
    errors = Screen(sys.stderr)
    for why in passed_over(site.settings.workspace):
        errors.line(errors.text(f"upkeep: {why}; this run works in {site.settings.workspace}"))
    errors.flush()
    view.started(task.title, 0)
    return agent.run(task, store, site.settings.workspace, view, keeper.now, acted)


def task_of(site: Site, name: str, procedure: Procedure, limit: str) -> agent.Task:
    """Return what the procedure asks to be run."""
    settings = site.settings
    environment = site.environment
    own_arguments = "ANSIBLE_SSH_ARGS" in os.environ
    if site.config:
        own_arguments = own_arguments or "ssh_args" in site.config.read_text(encoding="utf-8")
    if not own_arguments:
        # A connection that is kept open outlives the run, and knows a host whose key has changed since.
        arguments = "-o ControlMaster=no -o ControlPath=none"
        if settings.fast_key_exchange:
            arguments += " -o KexAlgorithms=curve25519-sha256"
        environment["ANSIBLE_SSH_ARGS"] = arguments
    return agent.Task(
        procedure=name,
        title=procedure.title,
        playbook=site.playbook(procedure),
        inventory=str(site.inventory),
        site=site.key,
        folder=site.identity.folder,
        hosts=procedure.hosts,
        limit=absolute_limit(limit),
        forks=settings.forks,
        host_timeout_seconds=settings.host_timeout_seconds,
        run_timeout_seconds=min(settings.run_timeout_seconds, procedure.duration),
        changes_hosts=procedure.changes,
        absent_percent=settings.absent_hosts_percent,
        blind_after=site.schedule.alerts.blind_after,
        environment=environment,
    )


def _claim_by_hand(store: Store, site: Site, task: agent.Task, due: str) -> tuple[int, str]:
    """Claim the occurrence that was due then for a run by hand.

    Raises: UsageError with what there is.
    """
    procedure = site.schedule.procedures[task.procedure]
    zone = ZoneInfo(site.schedule.zone_of(procedure))
    at = time_of(due, zone, "--for")
    with store.begin() as db:
        found = occurrences.find(db, task.site, task.procedure, at)
        remedy = command("occurrence", "list", site=site.name)
        if found is None:
            raise UsageError(
                f"{task.procedure} was not due at {at.astimezone(zone).isoformat()}", remedy=remedy
            )
        by = f"by hand {os.getpid()}"
        states = (DUE, MISSED, SKIPPED, FAILED)
        if not occurrences.claim(db, found.id, by, clock.now(), states):
            raise UsageError(f"the occurrence of {due} is {found.state}", remedy=remedy)
        return found.id, by


def _write_report(db: Any, site: Site, summary: shown.RunSummary) -> Path | None:
    """Write the run's report; a report that cannot be written costs a line, not the run."""
    path = report_path(site.settings.state, summary.id or 0)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_report(
            path,
            summary,
            hosts_of(db, summary.id or 0),
            stored.results_of(db, summary.id or 0),
            evidence=lambda sha256: _evidence_text(db, sha256),
            zone=ZoneInfo(site.schedule.time_zone),
        )
    except (OSError, UpkeepError) as exc:
        note(f"no report: {exc}")
        return None
    return path


def _print_run(
    db: Any,
    out: Screen,
    summary: shown.RunSummary,
    report: Path | None,
    *,
    quiet: bool,
) -> None:
    """Print how the run stands, from what was written down. quiet: only what did not pass."""
    troubles = Troubles(summary.place)
    names = []
    for host in hosts_of(db, summary.id or 0):
        troubles.add_host(host)
        names.append(host.name)
    troubles.add_results(stored.results_of(db, summary.id or 0))
    only_host = names[0] if len(names) == 1 else ""
    where = str(report) if report else ""
    doubted = doubts.in_run(db, summary.id or 0)
    print_result(
        out,
        summary,
        troubles,
        report=where,
        only_host=only_host,
        doubts=doubted,
        quiet=quiet,
    )


def _evidence_text(db: Any, sha256: str) -> str:
    raw = stored.evidence_of(db, sha256)
    return raw[:EVIDENCE_CHARACTERS].decode("utf-8", "backslashreplace") if raw else ""


def _entry(check: Check, given: Sequence[str]) -> dict[str, Any]:
    """Return an entry as a site would write it, out of NAME=VALUE; values are read as YAML."""
    entry: dict[str, Any] = {"check": check.id}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"-p {text!r}; expected NAME=VALUE")
        try:
            entry[name] = yaml.safe_load(value)
        except yaml.YAMLError as exc:
            raise UsageError(f"-p {name}: {value!r} is no YAML value") from exc
    try:
        for one in of_entry(entry, load()):
            examine_wanted(one)
    except ParameterError as exc:
        raise UsageError(str(exc), remedy=f"upkeep explain {check.id}") from exc
    return entry


def _without_secrets(check: Check, entry: Mapping[str, Any], given: list[str]) -> list[str]:
    """Return the parameters as they may be printed: whoever typed a password does not want it in a log."""
    arguments = getattr(payload.gathers().get(check.gather), "ARGUMENTS", {})
    hidden = sorted(secrets.values(arguments, entry), key=len, reverse=True)
    return secrets.scrub(given, hidden) if any(hidden) else given


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("run", cls=Verb)
@does(Action.OBSERVE, Action.CHANGE_HOSTS)
def run_procedure(
    procedure: Annotated[str, typer.Argument(help="Id of a procedure of the schedule.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; show what would be.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changes, or would.")] = False,
    stands_for: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="DUE",
            help="Count this run as the scheduled one of that due time. Without it a run by hand counts as none.",
        ),
    ] = "",
    occurrence: Annotated[str, typer.Option(hidden=True)] = "",
    request: Annotated[
        int | None, typer.Option(hidden=True, parser=number_of("--request", 1, HIGHEST_ID))
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run a procedure now; list, show or judge earlier runs.

    `upkeep schedule list` lists the procedures. One that is called like a command below is run by `upkeep run -- NAME`.
    """
    # A driver that has claimed an occurrence gives its schedule: the file may have been broken since.
    site = load_site(inventory, [], sys.stdin.read()) if occurrence else load_site(inventory)
    asked = site.procedure(procedure)
    task = task_of(site, procedure, asked, limit)
    task = dataclasses.replace(task, check_mode=check, diff=diff, checks=asked.checks)
    if not occurrence and request is None:
        refuse_unknown(limit, Path(site.inventory))
    with run_store(site.settings) as store:
        if occurrence or request is not None:  # the driver vouches for the text
            claim(store, site.identity, clock.now())
        if occurrence:
            number, _colon, driver = occurrence.partition(":")
            task = dataclasses.replace(task, occurrence=(int(number), driver))
        elif request is not None:
            task = dataclasses.replace(task, request=request)
        else:
            task = asked_by_caller(store, site, task)
        if stands_for:
            if check or limit:
                raise UsageError(
                    "--for stands for the whole occurrence: without --check and --limit"
                )
            task = dataclasses.replace(
                task, occurrence=_claim_by_hand(store, site, task, stands_for)
            )
        return run_task(site, task, store, as_json=as_json, quiet=quiet)


@cli.command("check", cls=Verb)
@does(Action.OBSERVE)
def run_check(
    check: Annotated[str, typer.Argument(help="Id of a check; `upkeep check list` lists them.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="A parameter, as in the site."
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Run one check now; list the checks there are.

    It runs as the hosts ask for it or, with -p, with these parameters.
    """
    site, given = load_site(inventory), parameter or []
    procedure = Procedure(title=check_of(check).title)
    task = task_of(site, f"check {check}", procedure, limit)
    if given or not site.name:
        entry = _entry(check_of(check), given)
        task = dataclasses.replace(task, entries=(entry,))
        given = _without_secrets(check_of(check), entry, given)
    refuse_unknown(limit, Path(site.inventory))
    with run_store(site.settings) as store:
        task = asked_by_caller(
            store, site, dataclasses.replace(task, checks=(check,), by_hand=check)
        )
        return run_task(site, task, store, as_json=as_json, quiet=quiet, given=given)
