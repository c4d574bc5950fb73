"""`upkeep incident isolate`, `release`: acts on hosts, each a run; what became of it is an entry of the incident."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import HIGHEST_ID, SiteOption, number_of, numbered
from upkeep.cli.output import note, say
from upkeep.cli.run import run_task, task_of
from upkeep.cli.stored import run_store
from upkeep.model import clock
from upkeep.model.answer import Outcome
from upkeep.model.errors import UsageError
from upkeep.model.remedies import command
from upkeep.model.text import natural
from upkeep.rules.actions import Action
from upkeep.rules.incidents import BEGUN, SUCCEEDED, Acted
from upkeep.services import actors, incidents
from upkeep.services.acts import By
from upkeep.services.incidents import Recording
from upkeep.services.signing_key import load_installation
from upkeep.site.host_limit import refuse_unknown
from upkeep.site.inventory import read_inventory
from upkeep.site.schedule_file import Procedure
from upkeep.site.site import Site, load_site
from upkeep.store import Store, acts, run_requests, runs, users

PLAYBOOKS = {
    "isolate": "astral.upkeep.incident.isolate",
    "release": "astral.upkeep.incident.release",
}
TITLES = {"isolate": "Isolate hosts", "release": "Release hosts"}
WELL = (Outcome.OK, Outcome.SKIPPED)
"""How a host's part of such a run ends well: nothing need be observed in it."""
ENDED = ("done", "partial")
"""Runs in which each host that is not told of otherwise has ended its part."""

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
IncidentNumber = Annotated[int, numbered("incident")]
Request = Annotated[
    int | None, typer.Option(hidden=True, parser=number_of("--request", 1, HIGHEST_ID))
]
Hosts = Annotated[str, typer.Option("--hosts", metavar="PATTERN", help="The hosts.")]


@cli.command("isolate")
@does(Action.CONTAIN_INCIDENT)
def isolate(
    number: IncidentNumber,
    hosts: Hosts,
    inventory: SiteOption = "",
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

    What became of it is written into the record. Without --yes-isolate nothing is changed: it shows what would stay
    connected and what stands against it.
    """
    asked = HostsAct("isolate", number, hosts, {"isolation_even_if": even_if or []}, yes, request)
    return _do(asked, inventory)


@cli.command("release")
@does(Action.CONTAIN_INCIDENT)
def release(
    number: IncidentNumber, hosts: Hosts, inventory: SiteOption = "", request: Request = None
) -> int:
    """Release hosts from their isolation.

    What became of it is written into the record.
    """
    return _do(HostsAct("release", number, hosts, {}, "", request), inventory)


@dataclass(frozen=True)
class HostsAct:
    """An act on hosts that somebody asks for.

    told: what the playbook is told besides; confirmed: the hosts' names again; request: under which number somebody has
    asked for it on the page, where the names were repeated.
    """

    act: str
    number: int
    pattern: str
    told: Mapping[str, Any]
    confirmed: str = ""
    request: int | None = None


def _do(asked: HostsAct, inventory: str) -> int:
    """Do an act on hosts, and record what became of it."""
    act, number, told = asked.act, asked.number, asked.told
    site = load_site(inventory)
    with run_store(site.settings) as store:
        by = _by(site, store, asked)
        names = _names(site, asked.pattern)
        to = Recording(store, site, load_installation(site.settings), site.name)
        really = act != "isolate" or _is_confirmed(asked, names)
        begins = incidents.enter if really else incidents.refuse_act
        begins(to, number, Acted(act, names, BEGUN), by, clock.now())
        made = Procedure(title=f"{TITLES[act]}, incident {number}", hosts=",".join(names))
        task = task_of(site, f"incident {act}", made, ",".join(names))
        variables = {
            **told,
            "upkeep_confirm": ",".join(names),
            "upkeep_actor": by.name,
            "upkeep_incident": str(number),
        }
        task = dataclasses.replace(
            task,
            playbook=PLAYBOOKS[act],
            changes_hosts=True,
            takes_hosts=False,
            check_mode=not really,
            diff=True,
            variables=variables,
            asked_by=by.name,
            request=asked.request,
        )

        def ended(run_id: int) -> None:
            if really:
                _record(to, number, (act, names), run_id, by)

        status = run_task(site, task, store, as_json=False, quiet=False, ended=ended)
    if not really:
        again = command(
            "incident", act, str(number), "--hosts", asked.pattern, "--yes-isolate", ",".join(names),
            *(word for one in told.get("isolation_even_if", ()) for word in ("--even-if", one)),
            site=inventory,
        )  # fmt: skip
        say(f"nothing was changed; to isolate: {again}")
    return status


def _names(site: Site, pattern: str) -> tuple[str, ...]:
    """Return the hosts of a pattern, by their exact names.

    Raises: UsageError if there are none.
    """
    refuse_unknown(pattern, Path(site.inventory))
    found = sorted(read_inventory(str(site.inventory), pattern, site.environment), key=natural)
    if not pattern.strip() or not found:
        raise UsageError(f"--hosts {pattern!r:.200}: the inventory has no such host")
    return tuple(found)


def _by(site: Site, store: Store, asked: HostsAct) -> By:
    """Return who asks: who calls this, or who has asked on the page, where the driver calls it.

    Raises: UsageError if they may not, or nobody has asked for just that.
    """
    target = f"incident {asked.number}"
    if asked.request is None:
        known = actors.someone(store, site.schedule, Action.CONTAIN_INCIDENT, target, site=site)
        return By(known.user, acts.CLI, known.account)
    with store.read() as db:
        found = run_requests.get(db, asked.request)
        wanted = (asked.number, f"incident {asked.act}", asked.pattern, None)
        if found is None or wanted != (
            found.incident_id, found.procedure, found.host_limit, found.run_id,
        ):  # fmt: skip
            raise UsageError(f"nobody has asked for that under the number {asked.request}")
        user = users.get(db, found.asked_by)
    if user is None:
        raise UsageError(f"there is no user {found.asked_by} any more")
    return By(user, acts.WEB)


def _is_confirmed(asked: HostsAct, names: Sequence[str]) -> bool:
    """Return whether the hosts' names were given again; False if none were.

    Raises: UsageError if they are others.
    """
    again = asked.pattern if asked.request is not None else asked.confirmed
    given = sorted({one.strip() for one in again.split(",") if one.strip()}, key=natural)
    if not given:
        return False
    if given != list(names):
        expected = ",".join(names)
        raise UsageError(
            f"--yes-isolate: found {','.join(given):.200}; expected the names of all hosts of --hosts: {expected:.500}"
        )
    return True


def _record(
    to: Recording, number: int, what: tuple[str, tuple[str, ...]], run_id: int, by: By
) -> None:
    """Enter what became of the act: on which hosts it was done, and on which it was not."""
    act, names = what
    done, status, cause = _outcome(to.store, run_id, names)
    others = tuple(one for one in names if one not in done)
    entries = [Acted(act, done, SUCCEEDED, run_id)] if done else []
    entries += [Acted(act, others, status, run_id, cause)] if others else []
    for one in entries:
        try:
            incidents.enter(to, number, one, by, clock.now())
        except UsageError as exc:  # it was closed meanwhile: the act was done all the same
            note(f"not in the record of incident {number}: {exc}")


def _outcome(store: Store, run_id: int, names: Sequence[str]) -> tuple[tuple[str, ...], str, str]:
    """Return on which hosts an act was done, and how the run ended else, with why."""
    with store.read() as db:
        run = runs.get(db, run_id)
        outcomes = {one.host: one for one in runs.hosts(db, run_id)}
        failed = {one.host: one.text for one in runs.changes(db, run_id) if one.kind == "failed"}
    if run is None:
        return (), "lost", f"there is no run {run_id}"
    # Of a host on which all went well and nothing was observed, a run keeps no row.
    ended = run.status in ENDED
    bad = {one for one, host in outcomes.items() if host.outcome not in WELL} | failed.keys()
    well = [one for one in names if ended and one not in bad]
    why = next((failed[one] for one in names if one in failed), "") or run.cause
    status = "failed" if run.status == "done" else run.status
    return tuple(well), status, why
