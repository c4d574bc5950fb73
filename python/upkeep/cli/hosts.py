"""`upkeep host`: those that are no longer in the inventory, and a person's word that they were removed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.model.text import counted
from upkeep.rules.actions import Action
from upkeep.services import actors
from upkeep.store import absent
from upkeep.view.absent import print_absent
from upkeep.view.json import dumps, plain
from upkeep.view.screen import Screen

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
host_group = typer.Typer(
    help="Hosts that are no longer in the inventory.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(host_group, name="host")


@host_group.command("list")
@does(Action.LOOK)
def list_absent(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List hosts that are no longer in the inventory.

    So many went at once that their findings stay open until a person accepts that.
    """
    with opened(inventory) as (site, store), store.read() as db:
        found = absent.waiting(db, site.key)
    if as_json:
        documents = [asdict(one) for one in found]
        sys.stdout.write(dumps({"version": 1, **plain({"absent_hosts": documents})}) + "\n")
        return
    zone = ZoneInfo(site.schedule.time_zone)
    print_absent(Screen(sys.stdout), found, zone, clock.now(), inventory)


@host_group.command("accept")
@does(Action.ACCEPT_HOSTS)
def accept(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", help="All that are absent, if not given."),
    ] = None,
    inventory: SiteOption = "",
) -> None:
    """Accept that absent hosts were removed.

    What was found on them is retired.
    """
    hosts = names or []
    with opened(inventory) as (site, store):
        with store.read() as db:
            there = {one.host for one in absent.waiting(db, site.key)}
        wanted = {name(one) for one in hosts} or there
        for one in sorted(wanted - there):
            listed = command("host", "list", site=inventory)
            message = f"{one} is not among the absent hosts{nearest(one, there)}"
            raise UsageError(message, remedy=f"{listed}  # lists them")
        some = ", ".join(sorted(wanted))
        actors.record(store, site.schedule, Action.ACCEPT_HOSTS, some[:200], site=site)
        with store.begin() as db:
            retired = absent.accept(db, site.key, wanted, clock.now())
    screen = Screen(sys.stdout)
    screen.line(
        screen.text(
            f"{counted(len(wanted), 'host')} left the inventory;"
            f" {counted(retired, 'finding')} retired"
        )
    )
    screen.flush()
