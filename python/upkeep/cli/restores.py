"""`upkeep restore`: the restore ledger, and what can be taken out of a backup."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, Quiet, SiteOption, counting
from upkeep.cli.output import print_json
from upkeep.cli.run import asked_by_caller, run_task, task_of
from upkeep.cli.stored import run_store
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.site.host_limit import refuse_unknown
from upkeep.site.inventory import read_inventory
from upkeep.site.schedule_file import Procedure
from upkeep.site.site import Site, load_site
from upkeep.store import Connection, Store, restores
from upkeep.view import restores as view
from upkeep.view.left_out import say_older
from upkeep.view.model import RESTORE_TRY
from upkeep.view.screen import Screen

PLAYBOOK = "astral.upkeep.backup_restore"
TEMPLATE = re.compile(r"\{[{%#]")
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="Of this host.")]

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
restore_group = typer.Typer(
    help="Backups that were verified by restoring them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(restore_group, name="restore")


@restore_group.command("list")
@does(Action.LOOK)
def list_restores(
    inventory: SiteOption = "",
    host: Host = "",
    set_name: Annotated[str, typer.Option("--set", metavar="SET", help="Of this set.")] = "",
    count: Annotated[int, counting()] = 30,
    as_json: Json = False,
) -> None:
    """List verifications of backups, newest first.

    What is shown is what was seen of the hosts' ledgers last. The next check or run sees what came since.
    """
    with opened(inventory) as (site, store), store.read() as db:
        found = restores.recent(db, site.key, count + 1, host=host, set_name=set_name)
        known = restores.standings(db, site.key)
        sets = [one for one in known if host in ("", one.host) and set_name in ("", one.set_name)]
    if known and not found and not sets:
        _refuse_unseen(set_name, host, known)
    more, found = len(found) > count, found[:count]
    if as_json:
        documents = [view.restore_document(one) for one in found]
        standing = [view.standing_document(one) for one in sets]
        print_json({"restores": documents, "sets": standing, "more": more})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_restores(Screen(sys.stdout), found, sets, zone, clock.now(), inventory)
    if more:
        say_older()


@restore_group.command("show")
@does(Action.LOOK)
def show_restore(
    restore: Annotated[str, typer.Argument(help="Its id or number.")],
    inventory: SiteOption = "",
    host: Host = "",
    as_json: Json = False,
) -> None:
    """Show a verification: what was restored, how fast, what was asserted."""
    with opened(inventory) as (site, store), store.read() as db:
        found = _the_restore(db, site, restore, host, inventory)
    if as_json:
        print_json({"restore": view.restore_document(found)})
        return
    view.print_restore(Screen(sys.stdout), found, ZoneInfo(site.schedule.time_zone), clock.now())


def _the_restore(
    db: Connection, site: Site, given: str, host: str, inventory: str
) -> restores.KeptRestore:
    """Return the row of that id on its host, or of that number.

    Raises: UsageError if there is none, or if several hosts have one.
    """
    found = restores.called(db, site.key, given, host)
    if not found and given.isdecimal() and len(given) < 10:
        numbered = restores.get(db, site.key, int(given))
        found = [numbered] if numbered and host in ("", numbered.host) else []
    if not found:
        listed = f"{command('restore', 'list', site=inventory)}  # lists them"
        raise UsageError(f"there is no restore {given:.80}", remedy=listed)
    hosts = sorted({one.host for one in found})
    if len(found) > 1:
        several = f"{len(found)} restores are called {given:.80}"
        names = ", ".join(hosts) if len(hosts) > 1 else ", ".join(str(one.number) for one in found)
        word = "--host" if len(hosts) > 1 else "by its number"
        raise UsageError(several, remedy=f"name one, {word}: {names:.300}")
    return found[0]


@restore_group.command("try")
@does(Action.CHANGE_HOSTS)
def try_restore(
    set_name: Annotated[str, typer.Argument(metavar="SET", help="Name of the set.")],
    to: Annotated[
        str, typer.Option("--to", metavar="DIR", help="Folder on the host; nothing in it changes.")
    ],
    inventory: SiteOption = "",
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="On this host.")] = "",
    table: Annotated[str, typer.Option("--table", help="Take this table, as SQL.")] = "",
    file: Annotated[str, typer.Option("--file", help="Take this file.")] = "",
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Take a table or a file out of a set's newest backup.

    The set is restored in a sandbox on its host, as when it is verified. Nothing is written into a live database, and
    no file that is there is changed.
    """
    wanted = _wanted(set_name, table, file, to)
    site = load_site(inventory)
    with run_store(site.settings) as store:
        host = host or _host_of(store, site, set_name)
        _refuse_other_hosts(site, host)
        what = f"table {table}" if table else f"file {file}"
        made = Procedure(title=f"{what} out of {set_name}", playbook=PLAYBOOK)
        task = task_of(site, RESTORE_TRY, made, host)
        told = {"upkeep_restore": wanted}
        task = dataclasses.replace(task, changes_hosts=True, diff=True, variables=told)
        task = asked_by_caller(store, site, task)
        return run_task(site, task, store, as_json=as_json, quiet=quiet)


def _wanted(set_name: str, table: str, file: str, to: str) -> dict[str, Any]:
    """Return what the playbook is told.

    Raises: UsageError for what it cannot do, and for what Ansible would take for a template.
    """
    if bool(table) == bool(file):
        raise UsageError("expected --table or --file, and not both")
    if not to.startswith("/"):
        raise UsageError(f"--to: found {to!r:.200}; expected an absolute path on the host")
    wanted = {"set": set_name, "table": table or None, "file": file or None, "to": to}
    for name, text in wanted.items():
        if text is not None and TEMPLATE.search(text):
            raise UsageError(f"{name}: found {text!r:.200}; Ansible would take it for a template")
    return wanted


def _host_of(store: Store, site: Site, set_name: str) -> str:
    """Return the host that has the set, as far as one was seen.

    Raises: UsageError if none was, or several.
    """
    with store.read() as db:
        sets = restores.standings(db, site.key)
    hosts = sorted({one.host for one in sets if one.set_name == set_name})
    if len(hosts) == 1:
        return hosts[0]
    if hosts:
        names = f"--host with one of {', '.join(hosts):.300}"
        raise UsageError(f"{len(hosts)} hosts have a set {set_name!r:.80}", remedy=names)
    near = nearest(set_name, {one.set_name for one in sets})
    remedy = "if it was not checked yet, name its host with --host"
    raise UsageError(f"no set {set_name!r:.80} was seen on any host{near}", remedy=remedy)


def _refuse_unseen(set_name: str, host: str, known: Sequence[restores.RestoreStanding]) -> None:
    """Refuse the name of a set or a host of which nothing was seen.

    Raises: UsageError.
    """
    for what, given, names in (
        ("set", set_name, {one.set_name for one in known}),
        ("host", host, {one.host for one in known}),
    ):
        if given and given not in names:
            raise UsageError(
                f"no verification of {what} {given!r:.80} was seen{nearest(given, names)}",
                remedy=f"{command('restore', 'list')}  # lists them",
            )


def _refuse_other_hosts(site: Site, host: str) -> None:
    """Refuse what names no host, or more than that one: a group or a pattern.

    Raises: UsageError.
    """
    refuse_unknown(host, Path(site.inventory))
    named = sorted(read_inventory(str(site.inventory), host, site.environment))
    if named != [host]:
        what = (
            f"it names {', '.join(named):.200}" if named else "the inventory has none of that name"
        )
        raise UsageError(f"--host {host!r:.80}: expected the name of one host; {what}")
