"""`upkeep doctor`: what stands in the way; and a person's word that this machine's clock is right."""

from __future__ import annotations

import dataclasses
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, Limit, Quiet, SiteOption
from upkeep.cli.output import print_json
from upkeep.model import clock
from upkeep.rules.actions import Action
from upkeep.services import actors
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.host_limit import absolute_limit, refuse_unknown
from upkeep.site.site import load_site
from upkeep.store import open_store
from upkeep.view import lists
from upkeep.view.screen import Screen


def _accept_clock(inventory: str) -> None:
    """Believe this machine's clock as it stands, and write down who says so."""
    site = load_site(inventory)
    host = socket.gethostname()
    with closing(open_store(site.settings.database_url)) as store:
        actors.record(store, site.schedule, Action.ACCEPT_CLOCK, host, site=site)
        step = Timekeeper(store, site.key, site.name).accept()
    said = f"its step of {step:+,.0f} s is believed" if step else "it had made no step"
    screen = Screen(sys.stdout)
    screen.line(screen.text(f"{host}: the clock says {clock.now():%Y-%m-%d %H:%M:%S} UTC; {said}"))
    screen.flush()


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("doctor")
@does(Action.LOOK, Action.ACCEPT_CLOCK)
def run_doctor(
    inventory: SiteOption = "",
    limit: Limit = "",
    quiet: Quiet = False,
    as_json: Json = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-clock",
            help="After a step of this machine's clock: accept the new time. See timedatectl first.",
        ),
    ] = False,
) -> int:
    """Find what stands in the way, and say what to do.

    All hosts are examined side by side. With --accept-clock nothing is examined: Upkeep, and a driver that runs
    here, go by this machine's time again; by it procedures become due or are missed, and old data is removed.
    """
    from upkeep.doctor.doctor import examine

    if accept:
        _accept_clock(inventory)
        return 0
    site = load_site(inventory)
    refuse_unknown(limit, Path(site.inventory))
    lines = examine(site, absolute_limit(limit))
    found = {line.status for line in lines}
    wrong = [line for line in lines if line.status != "ok"]
    if wrong or not quiet:
        if as_json:
            told = wrong if quiet else lines
            print_json({"lines": [dataclasses.asdict(line) for line in told]})
        else:
            lists.print_doctor(Screen(sys.stdout), lines, quiet=quiet)
    return 2 if "fail" in found else 3 if "unknown" in found else 1 if "warn" in found else 0
