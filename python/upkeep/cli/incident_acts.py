"""`upkeep incident isolate`, `release`: acts on hosts, each a run; what became of it is an entry of the incident."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ansible_collections.astral.upkeep.plugins.module_utils.containment.asked import OVERRIDABLE
from upkeep.cli.actions import does
from upkeep.cli.opened import site_to_read
from upkeep.cli.options import HIGHEST_ID, SiteOption, number_of, numbered
from upkeep.cli.output import note
from upkeep.cli.run import carry_out, task_of
from upkeep.cli.stored import run_store
from upkeep.model import clock
from upkeep.model.answer import OWN_NAMES
from upkeep.model.errors import INTERRUPTED, UpkeepError, UsageError
from upkeep.model.isolation import HostAct
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.source import is_source
from upkeep.model.text import exact, natural
from upkeep.rules.actions import Action
from upkeep.rules.incident_acts import SilentPart, ended, stands
from upkeep.rules.incidents import BEGUN, ISOLATE, RELEASE, Acted, Incident
from upkeep.run import agent
from upkeep.services import actors, caller, incidents
from upkeep.services.acts import By
from upkeep.services.incidents import Recording
from upkeep.services.signing_key import load_installation
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.host_limit import plain_names, refuse_unknown
from upkeep.site.inventory import read_inventory
from upkeep.site.schedule_file import Procedure
from upkeep.site.site import Site
from upkeep.store import Connection, Store, acts, alerts, page_queries, run_requests, runs, users
from upkeep.view import incident_acts as view
from upkeep.view.screen import Screen
from upkeep.view.terminal import RunView

PLAYBOOKS = {
    ISOLATE: "astral.upkeep.incident.isolate",
    RELEASE: "astral.upkeep.incident.release",
}
TITLES = {ISOLATE: "Isolate hosts", RELEASE: "Release hosts"}

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
IncidentNumber = Annotated[int, numbered("incident")]
Request = Annotated[
    int | None, typer.Option(hidden=True, parser=number_of("--request", 1, HIGHEST_ID))
]
Hosts = Annotated[
    str, typer.Option("--hosts", metavar="PATTERN", help="The hosts: names, or a group.")
]
OfFinding = Annotated[
    int | None,
    typer.Option(
        "--finding",
        metavar="NUMBER",
        parser=number_of("--finding", 1, HIGHEST_ID),
        help="The host of this finding.",
    ),
]
OfAlert = Annotated[
    int | None,
    typer.Option(
        "--alert",
        metavar="NUMBER",
        parser=number_of("--alert", 1, HIGHEST_ID),
        help="The hosts of this alert.",
    ),
]


@cli.command("isolate")
@does(Action.CONTAIN_INCIDENT)
def isolate(
    number: IncidentNumber,
    hosts: Hosts = "",
    inventory: SiteOption = "",
    finding: OfFinding = None,
    alert: OfAlert = None,
    even_if: Annotated[
        list[str] | None,
        typer.Option("--even-if", metavar="ID", help="Though this stands against it."),
    ] = None,
    request: Request = None,
    yes: Annotated[
        str,
        typer.Option(
            "--yes-isolate",
            metavar="HOSTS",
            help="The names of all these hosts again; without it only what would be done is shown.",
        ),
    ] = "",
) -> int:
    """Isolate hosts of an incident from the network.

    What became of it is written into the record, of each host. Without --yes-isolate nothing is changed: it shows what
    would stay connected, what would be cut and what stands against it.

    Exit status: 0 if all hosts are isolated, or nothing stands against it; 2 if a host is not, or something does; 3 if
    nobody knows.
    """
    asked = HostsAct(
        ISOLATE, number, _Wanted(hosts, finding, alert), tuple(even_if or ()), yes, request
    )
    return _do(asked, inventory)


@cli.command("release")
@does(Action.CONTAIN_INCIDENT)
def release(
    number: IncidentNumber,
    hosts: Hosts = "",
    inventory: SiteOption = "",
    finding: OfFinding = None,
    alert: OfAlert = None,
    request: Request = None,
) -> int:
    """Release hosts from their isolation.

    What became of it is written into the record, of each host.

    Exit status: 0 if all hosts are released; 2 if a host is not; 3 if nobody knows.
    """
    return _do(
        HostsAct(RELEASE, number, _Wanted(hosts, finding, alert), request=request), inventory
    )


@dataclass(frozen=True)
class _Wanted:
    """Which hosts somebody asks for: by Ansible's pattern, or as those of a finding or of an alert."""

    pattern: str = ""
    finding: int | None = None
    alert: int | None = None


@dataclass(frozen=True)
class HostsAct:
    """An act on hosts that somebody asks for.

    confirmed: the hosts' names again; request: under which number somebody has asked for it on the page, where the
    names were repeated.
    """

    act: str
    number: int
    hosts: _Wanted
    even_if: tuple[str, ...] = ()
    confirmed: str = ""
    request: int | None = None


def _do(asked: HostsAct, inventory: str) -> int:
    """Do an act on hosts, and record what became of it.

    What is broken in the site and has nothing to do with these hosts holds nothing back.
    """
    act, number = asked.act, asked.number
    for one in asked.even_if:
        if one not in OVERRIDABLE:
            there = ", ".join(OVERRIDABLE)
            raise UsageError(
                f"--even-if: nothing that can stand against it is called {one!r:.80}{nearest(one, OVERRIDABLE)}",
                remedy=f"expected one of: {there}",
            )
    site = site_to_read(inventory)
    with run_store(site.settings) as store:
        pattern = _pattern(store, site, asked.hosts)
        by = _by(site, store, asked, pattern)
        names = _names(site, pattern)
        to = incidents.recording(store, site, load_installation(site.settings))
        really = act != ISOLATE or _is_confirmed(asked, pattern, names)
        with store.read() as db:
            _note_begun(site, incidents.load(db, site, number), names)
        begins = incidents.enter if really else incidents.refuse_act
        begins(to, number, Acted(act, names, BEGUN), by, clock.now())
        heard: dict[str, HostAct | SilentPart] = {}
        run_id, status = None, ""
        try:
            run_id = _run(site, store, _task(site, asked, names, by, really=really), heard)
        except UpkeepError as exc:
            heard |= {name: SilentPart(None, str(exc)) for name in names if name not in heard}
            raise
        finally:
            if run_id is not None:
                status = _add_silent(store, run_id, names, heard)
            ends = [ended(act, name, heard[name], run_id) for name in names if name in heard]
            if really:
                _record(to, number, ends, by)
    screen = Screen(sys.stdout)
    shown = view.ActShown(act, number, pattern, names, asked.even_if, inventory, caller.told())
    code = (
        view.print_ends(screen, shown, ends) if really else view.print_preview(screen, shown, heard)
    )
    return INTERRUPTED if status == "interrupted" else code


def _task(site: Site, asked: HostsAct, names: Sequence[str], by: By, *, really: bool) -> agent.Task:
    """Return the run that does it."""
    hosts = ",".join(names)
    title = f"{TITLES[asked.act]}, incident {asked.number}"
    task = task_of(site, f"incident {asked.act}", Procedure(title=title, hosts=hosts), hosts)
    variables: dict[str, Any] = {
        "upkeep_confirm": hosts,
        "upkeep_actor": by.name,
        "upkeep_incident": str(asked.number),
        "isolation_why": f"incident {asked.number}",
    }
    if asked.even_if:
        variables["isolation_even_if"] = list(asked.even_if)
    return dataclasses.replace(
        task,
        playbook=PLAYBOOKS[asked.act],
        changes_hosts=True,
        contains=True,
        check_mode=not really,
        variables=variables,
        asked_by=by.name,
        request=asked.request,
    )


def _run(site: Site, store: Store, task: agent.Task, heard: dict[str, HostAct | SilentPart]) -> int:
    """Run it, with what hosts say in `heard` as it comes; return the run's number."""
    keeper = Timekeeper(store, site.key, site.name)
    keeper.look()
    errors = Screen(sys.stderr)
    with _ActView(errors, errors, site=site.name, quiet=True) as progress:
        return carry_out(
            site, task, store, progress, keeper, lambda one: heard.update({one.host: one})
        )


class _ActView(RunView):
    """Shows how it goes, and not what tasks say of it: what hosts say of their isolation is told at the end."""

    def job_did(self, host: str, task: str, kind: str, text: str) -> None:
        """Show nothing."""


def _add_silent(
    store: Store, run_id: int, names: Sequence[str], heard: dict[str, HostAct | SilentPart]
) -> str:
    """Add the hosts that have said nothing of their isolation, each with how its part ended; return the status."""
    with store.read() as db:
        run = runs.get(db, run_id)
        outcomes = {one.host: one for one in runs.hosts(db, run_id)}
    cause, status = (run.cause, run.status) if run else (f"there is no run {run_id}", "")
    for name in names:
        part = outcomes.get(name)
        silent = (
            SilentPart(part.outcome, part.message or cause) if part else SilentPart(None, cause)
        )
        heard.setdefault(name, silent)
    return status


# --- which hosts ------------------------------------------------------------------------------------------------------
def _pattern(store: Store, site: Site, wanted: _Wanted) -> str:
    """Return the pattern of the hosts that are asked for.

    Raises: UsageError if that is said in no way or in several, or if what is named has no host.
    """
    given = [bool(wanted.pattern.strip()), wanted.finding is not None, wanted.alert is not None]
    if sum(given) != 1:
        raise UsageError(
            "expected the hosts, in one of these ways: --hosts PATTERN, --finding NUMBER or --alert NUMBER"
        )
    if wanted.pattern.strip():
        return wanted.pattern
    with store.read() as db:
        if wanted.finding is not None:
            what = f"finding {wanted.finding}"
            hosts = _host_of_finding(db, site, wanted.finding)
        else:
            what = f"alert {wanted.alert}"
            hosts = _hosts_of_alert(db, site, wanted.alert or 0)
    real = sorted(
        {one for one in hosts if one not in OWN_NAMES and not is_source(one)}, key=natural
    )
    if not real:
        about = (
            "a source" if any(map(is_source, hosts)) else "Upkeep itself, or the site as a whole"
        )
        raise UsageError(
            f"{what} is about {about} ({', '.join(hosts) or 'nothing'}), and about no host",
            remedy="name the hosts with --hosts",
        )
    return ",".join(real)


def _host_of_finding(db: Connection, site: Site, number: int) -> list[str]:
    found = page_queries.finding(db, number)
    if found is None or found.site != site.key:
        raise UsageError(
            f"there is no finding {number}",
            remedy=f"{command('finding', 'list', site=site.name)}  # lists them",
        )
    return [found.host]


def _hosts_of_alert(db: Connection, site: Site, number: int) -> list[str]:
    found = alerts.get(db, number)
    if found is None or found.site != site.key:
        raise UsageError(
            f"there is no alert {number}",
            remedy=f"{command('alert', 'list', site=site.name)}  # lists them",
        )
    return sorted({one.host for one in alerts.members(db, [number])}, key=natural)


def _names(site: Site, pattern: str) -> tuple[str, ...]:
    """Return the hosts of a pattern, by their exact names.

    Raises: UsageError if there are none, or if one of several names has none: who believes that all are cut off would
    be wrong about that.
    """
    inventory = str(site.inventory)
    refuse_unknown(pattern, Path(inventory), "--hosts")
    found = sorted(read_inventory(inventory, pattern, site.environment), key=natural)
    for name in plain_names(pattern):
        if name not in found and not read_inventory(inventory, name, site.environment):
            raise UsageError(
                f"--hosts: the inventory has no host or group {name!r:.80}{nearest(name, found)}; nothing was done"
            )
    if not pattern.strip() or not found:
        raise UsageError(f"--hosts {pattern!r:.200}: the inventory has no such host")
    return tuple(found)


# --- who asks, and what is recorded -----------------------------------------------------------------------------------
def _by(site: Site, store: Store, asked: HostsAct, pattern: str) -> By:
    """Return who asks: who calls this, or who has asked on the page, where the driver calls it.

    Raises: UsageError if they may not, or nobody has asked for just that.
    """
    target = f"incident {asked.number}"
    if asked.request is None:
        known = actors.someone(store, site.schedule, Action.CONTAIN_INCIDENT, target, site=site)
        return By(known.user, acts.CLI, known.account)
    with store.read() as db:
        found = run_requests.get(db, asked.request)
        wanted = (asked.number, f"incident {asked.act}", pattern, None)
        if found is None or wanted != (
            found.incident_id, found.procedure, found.host_limit, found.run_id,
        ):  # fmt: skip
            raise UsageError(f"nobody has asked for that under the number {asked.request}")
        user = users.get(db, found.asked_by)
    if user is None:
        raise UsageError(f"there is no user {found.asked_by} any more")
    return By(user, acts.WEB)


def _is_confirmed(asked: HostsAct, pattern: str, names: Sequence[str]) -> bool:
    """Return whether the hosts' names were given again; False if none were.

    Raises: UsageError if they are others.
    """
    again = pattern if asked.request is not None else asked.confirmed
    given = sorted({one.strip() for one in again.split(",") if one.strip()}, key=natural)
    if not given:
        return False
    if given != list(names):
        expected = ",".join(names)
        raise UsageError(
            f"--yes-isolate: found {','.join(given):.200}; expected the names of all hosts of --hosts: {expected:.500}"
        )
    return True


def _note_begun(site: Site, incident: Incident, names: Sequence[str]) -> None:
    """Say who has begun an act on one of the hosts, if no end of it is recorded: they may be at it now."""
    for one in stands(incident):
        if one.host in names and one.begun:
            begun = one.begun[-1]
            at = exact(begun.at, ZoneInfo(site.schedule.time_zone))
            note(
                f"{one.host}: {begun.by} has begun to {begun.act} it on {at}, and no end of that is recorded;"
                " if that goes on, the host refuses whoever comes second"
            )


def _record(to: Recording, number: int, ends: Sequence[Acted], by: By) -> None:
    """Enter what became of the act on each host."""
    for one in ends:
        try:
            incidents.enter(to, number, one, by, clock.now())
        except UsageError as exc:  # it was closed meanwhile: the act was done all the same
            note(f"not in the record of incident {number}: {exc}")
