"""Runs, checks and findings on the command line: load the site, open the store, call, print."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO
from zoneinfo import ZoneInfo

import typer
import yaml

from upkeep.cli.actions import does
from upkeep.cli.options import Json, Limit, SiteOption
from upkeep.judging.check import Check, Told, every, load
from upkeep.judging.documentation import options_of
from upkeep.judging.entries import ParameterError, validate
from upkeep.judging.judge import judge_again, with_next_steps
from upkeep.judging.limits import limits_now
from upkeep.judging.wanted import WantedCheck, of_entry
from upkeep.model import clock
from upkeep.model.answer import Observed
from upkeep.model.errors import ConfigurationError, UpkeepError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.occurrence import DUE, FAILED, MISSED, SKIPPED
from upkeep.model.remedies import command
from upkeep.model.verdicts import Status
from upkeep.rules.actions import Action
from upkeep.run import agent
from upkeep.services import actors
from upkeep.services.kept_files import (
    remove_reports,
    remove_stray_reports,
    report_path,
    sweep_workspaces,
)
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.asked import asked_by
from upkeep.site.host_limit import absolute_limit
from upkeep.site.schedule_file import Procedure
from upkeep.site.settings import Settings, passed_over
from upkeep.site.site import Site, key_of, load_site, settings_of
from upkeep.store import Store, findings, occurrences, open_store, runs
from upkeep.store import answers as stored
from upkeep.store.engine import retention
from upkeep.system import machine
from upkeep.view import exit_status, lists
from upkeep.view import model as shown
from upkeep.view.json import check_document, dumps, finding_document, run_document
from upkeep.view.left_out import say_older
from upkeep.view.report import write_report
from upkeep.view.result import print_result
from upkeep.view.screen import Lasting, Screen
from upkeep.view.stored import finding_of, hosts_of, of_run
from upkeep.view.terminal import RunView
from upkeep.view.troubles import Troubles

EVIDENCE_CHARACTERS = 20_000


def prune_database(inventory: str) -> None:
    """Remove what the settings no longer ask for."""
    settings = settings_of(inventory)
    store = _store(settings)
    now = Timekeeper(store, key_of(inventory), inventory).look().prune_at
    if now is None:
        remedy = (
            f"timedatectl; if it is right: {command('doctor', '--accept-clock', site=inventory)}"
        )
        raise UsageError("the clock has stepped, and nothing confirms it yet", remedy=remedy)
    gone, reports = _prune(store, settings, now)
    counts = dataclasses.asdict(gone) | {"reports": reports}
    _out().line("removed " + ", ".join(f"{count} {name}" for name, count in counts.items()))


# --- a run -----------------------------------------------------------------------------------------------------------
def _asked(store: Store, site: Site, task: agent.Task) -> agent.Task:
    """Return a task that somebody wants who calls this, with their name; raise UsageError if they may not."""
    changes = task.changes_hosts and not task.check_mode
    action = Action.CHANGE_HOSTS if changes else Action.OBSERVE
    who = actors.someone(store, site.schedule, action, task.procedure)
    return dataclasses.replace(task, asked_by=who.name)


def _run(site: Site, task: agent.Task, store: Store, *, as_json: bool) -> int:
    """Run the task, print how it stands, write the report; return the exit status."""
    keeper = Timekeeper(store, site.key, site.name)
    keeper.look()  # before the run's own time is the newest
    printed = Lasting(sys.stdout)
    out, errors = Screen(printed), Screen(Lasting(sys.stderr))
    for why in passed_over(site.settings.workspace):
        errors.line(errors.text(f"upkeep: {why}; this run works in {site.settings.workspace}"))
    errors.flush()
    with RunView(out, errors, site=site.name, quiet=as_json) as view:
        view.started(task.title, 0)
        run_id = agent.run(task, store, site.settings.workspace, view, keeper.now)
    with store.read() as db:
        summary = of_run(db, _stored_run(db, run_id))
        report = _write_report(db, site.settings, summary)
        if as_json:
            hosts = list(hosts_of(db, run_id))
            results = stored.results_of(db, run_id)
            _print_json(run_document(summary, hosts, results, _changes(db, run_id)), printed)
        else:
            _print_run(db, out, summary, report)
    out.flush()
    if printed.lost is not None and not isinstance(printed.lost, BrokenPipeError):
        see = command("show", str(run_id), site=site.name)
        errors.line(f"upkeep: what was found could not be printed: {printed.lost.strerror}")
        errors.line(f"→ {see}")
        errors.flush()
    until = keeper.look().prune_at
    if until is not None:
        _prune(store, site.settings, until)
    return exit_status.of_run(summary)


def _task(site: Site, name: str, procedure: Procedure, limit: str) -> agent.Task:
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
    """Claim the occurrence that was due then for a run by hand; raise UsageError with what there is."""
    try:
        at = datetime.fromisoformat(due)
    except ValueError:
        raise UsageError(f"--for {due!r}; expected a time such as 2026-11-23T03:00") from None
    if at.tzinfo is None:
        procedure = site.schedule.procedures[task.procedure]
        at = at.replace(tzinfo=ZoneInfo(site.schedule.zone_of(procedure)))
    with store.begin() as db:
        found = occurrences.find(db, task.site, task.procedure, at.astimezone(UTC))
        remedy = command("occurrences", site=site.name)
        if found is None:
            raise UsageError(f"{task.procedure} was not due at {at.isoformat()}", remedy=remedy)
        by = f"by hand {os.getpid()}"
        states = (DUE, MISSED, SKIPPED, FAILED)
        if not occurrences.claim(db, found.id, by, clock.now(), states):
            raise UsageError(f"the occurrence of {due} is {found.state}", remedy=remedy)
        return found.id, by


def _write_report(db: Any, settings: Settings, summary: shown.RunSummary) -> Path | None:
    """Write the run's report; a report that cannot be written costs a line, not the run."""
    path = report_path(settings.state, summary.id or 0)
    checks = load()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_report(
            path,
            summary,
            hosts_of(db, summary.id or 0),
            stored.results_of(db, summary.id or 0),
            titles=lambda name: checks[name].title if name in checks else name,
            evidence=lambda sha256: _evidence_text(db, sha256),
        )
    except (OSError, UpkeepError) as exc:
        _note(f"no report: {exc}")
        return None
    return path


def _print_run(db: Any, out: Screen, summary: shown.RunSummary, report: Path | None) -> None:
    """Print how the run stands, from what was written down."""
    troubles = Troubles(summary.site)
    names = []
    for host in hosts_of(db, summary.id or 0):
        troubles.add_host(host)
        names.append(host.name)
    troubles.add_results(stored.results_of(db, summary.id or 0))
    only_host = names[0] if len(names) == 1 else ""
    where = str(report) if report else ""
    print_result(out, summary, troubles, report=where, only_host=only_host)


def _evidence_text(db: Any, sha256: str) -> str:
    raw = stored.evidence_of(db, sha256)
    return raw[:EVIDENCE_CHARACTERS].decode("utf-8", "backslashreplace") if raw else ""


# --- judging again ---------------------------------------------------------------------------------------------------
def _wanted_now(site: Site) -> dict[str, Sequence[WantedCheck]]:
    """Return what each host's groups ask for today; values that only a run can resolve stay as they are."""
    from upkeep.site.inventory import read_inventory

    hosts = read_inventory(str(site.inventory), environment=site.environment)
    try:
        return {host: asked_by(host, one).wanted for host, one in hosts.items()}
    except ParameterError as exc:
        raise ConfigurationError(str(exc), remedy=command("doctor", site=site.name)) from exc


def _show_judgement(summary: shown.RunSummary, again: Sequence[Observed], *, as_json: bool) -> int:
    """Print the new verdicts of a run, in the shape of a run."""
    tally = shown.RunTally()
    results = [result for observed in again for result in observed.results]
    for observed in again:
        tally.add(observed)
    summary = tally.into(summary)
    hosts = [shown.HostInRun.of(observed) for observed in again]
    if as_json:
        _print_json(run_document(summary, hosts, results))
    else:
        bad = [one for one in results if one.status is not Status.PASS]
        lists.print_run(_out(), summary, hosts, bad, clock.now())
    return exit_status.of_run(summary)


# --- small things ----------------------------------------------------------------------------------------------------
def _check(name: str) -> Check:
    """Return the check; raise UsageError with the nearest."""
    found = load().get(name)
    if found is None and name in every():
        message = f"{name} is told by Upkeep itself: it looks at no host"
        raise UsageError(message, remedy=command("checks", name))
    if found is None:
        message = f"there is no check {name!r}{nearest(name, load())}"
        raise UsageError(message, remedy="upkeep checks  # lists them")
    return found


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
            validate(one.check, one.params)
    except ParameterError as exc:
        raise UsageError(str(exc), remedy=f"upkeep checks {check.id}") from exc
    return entry


def _store(settings: Settings) -> Store:
    """Return the store, after having brought runs without an end to theirs."""
    store = open_store(settings.database_url)
    for sentence in agent.recover(store):
        _note(sentence)
    sweep_workspaces(store, settings.workspace, machine.boot_id())
    return store


def _prune(store: Store, settings: Settings, now: datetime) -> tuple[retention.Pruned, int]:
    """Remove what the settings no longer ask for, in the store and beside it; return what, and how many reports."""
    removed = 0

    def forget(run_ids: Sequence[int]) -> None:
        nonlocal removed
        removed += remove_reports(settings.state, run_ids)

    gone = retention.prune(store, _policy(settings), now, forget)
    return gone, removed + remove_stray_reports(store, settings.state, settings.keep_runs_days, now)


def _policy(settings: Settings) -> retention.Policy:
    return retention.Policy(
        settings.keep_runs_days,
        settings.keep_observations_days,
        settings.keep_measures_days,
        settings.keep_findings_days,
    )


def _stored_run(db: Any, run_id: int) -> runs.Run:
    found = runs.get(db, run_id)
    if found is None:
        raise UsageError(f"there is no run {run_id}", remedy="upkeep runs  # lists them")
    return found


def _changes(db: Any, run_id: int, host: str = "") -> list[dict[str, str]]:
    """Return what the run's jobs did, on all hosts or on one."""
    done = [dataclasses.asdict(one) for one in runs.changes(db, run_id)]
    return [one for one in done if host in ("", one["host"])]


def _print_json(document: Mapping[str, Any], out: Lasting | TextIO | None = None) -> None:
    """Print one document; each has the version of its shape in it."""
    (out or sys.stdout).write(dumps({"version": 1, **document}) + "\n")


def _note(text: str) -> None:
    """Print a line that is no result."""
    screen = Screen(sys.stderr)
    screen.line(("upkeep: ", "bold"), screen.text(text))
    screen.flush()


def _out() -> Screen:
    return Screen(sys.stdout)


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("run")
@does(Action.OBSERVE, Action.CHANGE_HOSTS)
def run_procedure(
    procedure: Annotated[str, typer.Argument(help="Id of a procedure of the schedule.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; show what would be.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changes, or would.")] = False,
    fulfils: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="DUE",
            help="The due time of the occurrence that this run stands for; a run by hand stands for none otherwise.",
        ),
    ] = "",
    occurrence: Annotated[str, typer.Option(hidden=True)] = "",
    request: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: Json = False,
) -> int:
    """Run a procedure on its hosts now."""
    # A driver that has claimed an occurrence gives its schedule: the file may have been broken since.
    site = load_site(inventory, [], sys.stdin.read()) if occurrence else load_site(inventory)
    asked = site.procedure(procedure)
    task = _task(site, procedure, asked, limit)
    task = dataclasses.replace(task, check_mode=check, diff=diff, checks=asked.checks)
    store = _store(site.settings)
    if occurrence:
        number, _colon, driver = occurrence.partition(":")
        task = dataclasses.replace(task, occurrence=(int(number), driver))
    elif request is not None:
        task = dataclasses.replace(task, request=request)
    else:
        task = _asked(store, site, task)
    if fulfils:
        if check or limit:
            raise UsageError("--for stands for the whole occurrence: without --check and --limit")
        task = dataclasses.replace(task, occurrence=_claim_by_hand(store, site, task, fulfils))
    return _run(site, task, store, as_json=as_json)


@cli.command("check")
@does(Action.OBSERVE)
def run_check(
    check: Annotated[str, typer.Argument(help="Id of a check; `upkeep checks` lists them.")],
    inventory: SiteOption = "",
    limit: Limit = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="A parameter, as in the site."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Run one check now: as the hosts ask for it or, with -p, with these parameters."""
    site, given = load_site(inventory), parameter or []
    entry = _entry(_check(check), given)
    procedure = Procedure(title=_check(check).title)
    task = _task(site, f"check {check}", procedure, limit)
    if given or not site.name:
        task = dataclasses.replace(task, entries=(entry,))
    store = _store(site.settings)
    task = _asked(store, site, dataclasses.replace(task, checks=(check,)))
    return _run(site, task, store, as_json=as_json)


@cli.command("checks")
@does(Action.LOOK)
def list_checks(
    check: Annotated[str, typer.Argument(help="Show all of this one.")] = "",
    as_json: Json = False,
) -> None:
    """List the checks there are, or one with its parameters, limits and source."""
    told = every().get(check)
    if isinstance(told, Told) and not as_json:
        lists.print_told(_out(), told)
        return
    chosen = {check: _check(check)} if check else dict(load())
    if as_json:
        _print_json({"checks": [check_document(one) for one in chosen.values()]})
    elif check:
        lists.print_check(_out(), chosen[check], options_of(chosen[check].gather))
    else:
        lists.print_checks(_out(), chosen)


@cli.command("procedures")
@does(Action.LOOK)
def list_procedures(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the procedures of the site's schedule."""
    site = load_site(inventory)
    procedures = site.schedule.procedures
    if as_json:
        _print_json(
            {
                "procedures": [
                    {"id": name} | one.model_dump(mode="json") for name, one in procedures.items()
                ]
            }
        )
        return
    rows = [
        shown.ProcedureShown(name, one.title, one.hosts, one.owner)
        for name, one in procedures.items()
    ]
    lists.print_procedures(_out(), rows, clock.now())


@cli.command("runs")
@does(Action.LOOK)
def list_runs(
    inventory: SiteOption = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="So many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    store = _store(settings_of(inventory))
    with closing(store), store.read() as db:
        found = runs.recent(db, count + 1, site=key_of(inventory))
        more = len(found) > count
        summaries = [of_run(db, one) for one in found[:count]]
    if as_json:
        documents = [run_document(one, (), ()) for one in summaries]
        listed = [one["run"] | {"counts": one["counts"]} for one in documents]
        _print_json({"runs": listed, "more": more})
    else:
        lists.print_runs(_out(), summaries, clock.now(), inventory)
    if more:
        say_older()


@cli.command("show")
@does(Action.LOOK)
def show_run(
    run_id: Annotated[int, typer.Argument(metavar="RUN", min=1, help="Number of a run.")],
    inventory: SiteOption = "",
    limit: Annotated[
        str, typer.Option("--limit", "-l", metavar="HOST", help="Only this host.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="What passed, too.")] = False,
    as_json: Json = False,
) -> int:
    """Show a run: what did not pass, worst first."""
    settings = settings_of(inventory)
    store = _store(settings)
    with closing(store), store.read() as db:
        summary = of_run(db, _stored_run(db, run_id))
        hosts = [one for one in hosts_of(db, run_id) if limit in ("", one.name)]
        if limit and not hosts:
            raise UsageError(f"run {run_id} has no host {limit!r}", remedy=f"upkeep show {run_id}")
        if as_json:
            results = stored.results_of(db, run_id, limit)
            _print_json(run_document(summary, hosts, results, _changes(db, run_id, limit)))
        else:
            shown_results = [
                one
                for one in stored.results_of(db, run_id, limit)
                if everything or one.status is not Status.PASS
            ]
            report = report_path(settings.state, run_id)
            where = str(report) if report.exists() else ""
            out = _out()
            for change in _changes(db, run_id, limit):
                out.line(out.text("{host}: {kind}: {task}".format(**change), 500))
            lists.print_run(out, summary, hosts, shown_results, clock.now(), report=where)
    return exit_status.of_run(summary)


@cli.command("findings")
@does(Action.LOOK)
def list_findings(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones, too.")] = False,
    as_json: Json = False,
) -> int:
    """List what is wrong now, worst first, and since when."""
    store = _store(settings_of(inventory))
    with closing(store), store.read() as db:
        site = key_of(inventory)
        rows = findings.with_waivers(db, findings.open_ones(db, everything, site=site), clock.now())
        last = next((one.procedure for one in runs.recent(db, 1, site=site)), "")
    found = [one for one, _waiver in rows]
    if as_json:
        _print_json({"findings": [finding_document(one) for one in found], "more": False})
    else:
        shown_findings = [finding_of(*row) for row in rows]
        lists.print_findings(_out(), shown_findings, clock.now(), last=last, site=inventory)
    # What is waived fails all the same, and counts.
    failed: dict[Any, int] = {}
    for one in found:
        if one.status == findings.OPEN:
            failed[one.severity] = failed.get(one.severity, 0) + 1
    return exit_status.of_counts(shown.Counts(failed=failed))


@cli.command("judge")
@does(Action.LOOK)
def judge_run(
    run_id: Annotated[int, typer.Argument(metavar="RUN", min=1, help="Number of a run.")],
    inventory: SiteOption = "",
    as_json: Json = False,
) -> int:
    """Judge a run's stored observations again, with today's checks and limits."""
    store = _store(settings_of(inventory))
    again: list[Observed] = []
    with store.begin() as db:
        run = _stored_run(db, run_id)
        wanted = _wanted_now(load_site(inventory)) if inventory else None
        number = stored.begin_judgement(db, run_id, clock.now())
        for observed in stored.observed_in(db, run_id):
            due = observed.due
            if wanted is not None:
                due, kept = limits_now(observed, wanted.get(observed.host, ()))
                if kept:
                    _note(
                        f"{observed.host}: limits of the run, not of today, for {', '.join(kept)}"
                    )
            judged = with_next_steps(judge_again(observed, load(), due), run.site)
            stored.add_judgement(db, run_id, number, judged)
            again.append(judged)
        summary = of_run(db, run)
    return _show_judgement(summary, again, as_json=as_json)


@cli.command("doctor")
@does(Action.LOOK, Action.ACCEPT_CLOCK)
def run_doctor(
    inventory: SiteOption = "",
    limit: Limit = "",
    as_json: Json = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-clock",
            help="Only say that this machine's clock is right, after a step that is held; look at timedatectl first.",
        ),
    ] = False,
) -> int:
    """Find out, for all hosts side by side, what stands in the way; say what to do.

    With --accept-clock nothing is examined: the time of day of this machine is believed from now on, also by the
    driver that runs here, and things become due, are missed and removed by it again.
    """
    from upkeep.cli.clock import accept_clock
    from upkeep.doctor.doctor import examine

    if accept:
        accept_clock(inventory)
        return 0
    lines = examine(load_site(inventory), absolute_limit(limit))
    if as_json:
        _print_json({"lines": [dataclasses.asdict(line) for line in lines]})
    else:
        lists.print_doctor(_out(), lines)
    found = {line.status for line in lines}
    return 2 if "fail" in found else 3 if "unknown" in found else 1 if "warn" in found else 0


@cli.command("init")
@does(Action.MAINTAIN)
def init_site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
) -> None:
    """Write a small, commented site to start from."""
    from upkeep.site.init import write_site

    written = write_site(folder)
    screen = _out()
    for path in written:
        screen.line(screen.text(str(path)))
    screen.line()
    place = screen.text(str(folder))
    screen.line(
        f"Next: name your hosts in {place}/inventory/hosts.yml, and who is told in {place}/schedule.yml, then"
    )
    screen.line(f"  {screen.text(command('schedule', 'lint', site=str(folder)))}")
    screen.line(f"  {screen.text(command('doctor', site=str(folder)))}")
