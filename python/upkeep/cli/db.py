"""`upkeep db`: the database as this program needs it, after a backup; what retention removes; its sites' names."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from ansible_collections.astral.upkeep.plugins.module_utils.host.urls import masked
from upkeep.cli.actions import does
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json, say
from upkeep.cli.stored import run_store
from upkeep.judging.check import load
from upkeep.judging.judge import judge_again, with_next_steps
from upkeep.model import clock
from upkeep.model.errors import StoreError, UsageError
from upkeep.model.remedies import command
from upkeep.model.text import counted
from upkeep.rules.actions import Action
from upkeep.rules.findings import FindingState
from upkeep.services import sites as naming
from upkeep.services.actors import account
from upkeep.services.pruning import prune
from upkeep.services.signing_key import load_installation
from upkeep.services.timekeeper import Timekeeper
from upkeep.site.settings import Settings
from upkeep.site.site import identity_of, settings_of
from upkeep.store import Store, answers, migrate, revisions, sites, versions
from upkeep.store import (
    upgrade as upgrade_schema,
)
from upkeep.store.engine import backup, copies, engines, trial
from upkeep.view.screen import Screen
from upkeep.view.sites import print_sites

BACKUPS = "backups"
"""The folder of backups made before an upgrade, in the state folder."""
SHOWN = 20


def upgrade(inventory: str, *, backed_up: bool) -> None:
    """Bring the database to this program's version; keep a backup of it as it was, if asked for."""
    settings = settings_of(inventory)
    current, newest = _versions(settings)
    screen = Screen(sys.stdout)
    trial.forget(settings.state.absolute())
    if current == newest:
        screen.line(f"the database has version {newest} already")
        screen.flush()
        return
    sqlite = engines.parse(settings.database_url).get_backend_name() == "sqlite"
    if current and backed_up and not sqlite:
        file = _backup_of(settings, current)
        screen.line("wrote ", screen.text(str(file)), ", the database as it was")
        screen.flush()
    version = migrate(settings.database_url, copied=backed_up)
    if current and backed_up and sqlite:
        path = Path(engines.parse(settings.database_url).database or "")
        kept = copies.path_of(path, current)
        screen.line("kept ", screen.text(str(kept)), ", the database as it was")
    screen.line(f"the database has version {version}")
    screen.flush()


def _versions(settings: Settings) -> tuple[str, str]:
    store = Store(*engines.connect(settings.database_url))
    with contextlib.closing(store), store.read() as db:
        return versions(db, store.place)


def _backup_of(settings: Settings, current: str) -> Path:
    now = clock.now()
    folder = settings.state.absolute() / BACKUPS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"upkeep-{current}-{now:%Y%m%dT%H%M%S}.backup"
    try:
        backup.back_up(settings.database_url, file, now, load_installation(settings).key)
    except StoreError as exc:
        remedy = "upkeep db upgrade --no-backup  # or make room there first; nothing was changed"
        raise StoreError(
            f"no backup could be made before the upgrade: {exc}", remedy=remedy
        ) from exc
    return file


def try_upgrade(inventory: str) -> None:
    """Return what an upgrade would change; the database is only read."""
    settings = settings_of(inventory)
    screen = Screen(sys.stdout)
    trial.forget(settings.state.absolute())
    with trial.copy_of(settings.database_url, settings.state.absolute()) as (copy, current):
        newest = revisions()[-1]
        if not current:
            screen.line("the database is empty: there is nothing to upgrade")
        elif current == newest:
            screen.line(f"the database has version {newest} already: there is nothing to upgrade")
        else:
            screen.line(
                f"Tried on a copy: from version {current} to {newest}. Nothing was changed."
            )
            _say_changes(screen, copy, current)
            screen.line()
            screen.line("Next: ", screen.text(command("db", "upgrade", site=inventory)))
    screen.flush()


def _say_changes(screen: Screen, copy: Store, current: str) -> None:
    with copy.begin() as db:
        before = trial.rows_of(db, current)
        upgrade_schema(db)
    newest = revisions()[-1]
    with copy.read() as db:
        after = trial.rows_of(db, newest)
    screen.line()
    screen.line("What it does:")
    for number, said in trial.said_of([one for one in revisions() if one > current]):
        screen.line(f"  {number}  ", screen.text(said))
    changed, filled, lines = trial.compare(before, after)
    screen.line()
    screen.line("What has another name or value then:" if changed else "Nothing is renamed.")
    for one in changed:
        screen.line(f"  {one.table}.{one.column}: {counted(one.rows, 'row')}")
        for key, old, new in one.examples:
            # An older program may have stored what is secret, which a newer one masks.
            moved = new if masked(old) == new else f"{masked(old)} -> {new}"
            screen.line("    ", screen.text(f"{key}: {moved}"))
    screen.line()
    screen.line("What is marked:" if filled or lines else "Nothing is marked.")
    for each in filled:
        values = ", ".join(f"{value!r:.60} {number} times" for value, number in each.values.items())
        screen.line(f"  {each.table}.{each.column}: ", screen.text(values))
    for line in lines:
        screen.line("  ", screen.text(line))
    _say_findings(screen, copy, after)


def _say_findings(screen: Screen, copy: Store, before: trial.Rows) -> None:
    """Judge the newest answers with this program's checks, and say which findings that would move."""
    checks = load()
    with copy.begin() as db:
        judged = trial.newest_runs(db)
        for run in judged:
            folder = sites.folder_of(db, run.site)
            number = answers.begin_judgement(db, run.id, clock.now())
            for one in answers.observed_in(db, run.id):
                past = answers.past_of(db, run.id, one)
                again = with_next_steps(judge_again(one, checks, one.due, past), folder)
                answers.add_judgement(db, run.id, number, again)
        after = trial.rows_of(db, revisions()[-1])
    moved = []
    known = before.get("finding", {})
    for key, row in after.get("finding", {}).items():
        was = known[key]["status"] if key in known else ""
        if row["status"] != was:
            verb = "opens" if row["status"] == FindingState.OPEN.value else f"is {row['status']}"
            moved.append(
                f"{verb}: {row['host']}: {row['check_id']} {row['subject']}: {row['message']}"
            )
    screen.line()
    if not judged:
        screen.line("There is no answer of a host to judge with this program's checks.")
        return
    numbers = ", ".join(f"run {one.id} of {one.procedure}" for one in judged)
    screen.line(screen.text(f"With this program's checks, the newest answers ({numbers}):"))
    for line in sorted(moved)[:SHOWN]:
        screen.line("  ", screen.text(line))
    if len(moved) > SHOWN:
        screen.line(f"  and {len(moved) - SHOWN} more")
    if not moved:
        screen.line("  move no finding")


def prune_database(inventory: str) -> None:
    """Remove what the settings no longer ask for."""
    settings = settings_of(inventory)
    with run_store(settings) as store:
        now = Timekeeper(store, identity_of(inventory, settings).key, inventory).look().prune_at
        if now is None:
            remedy = f"timedatectl; if it is right: {command('doctor', '--accept-clock', site=inventory)}"
            raise UsageError("the clock has stepped, and nothing confirms it yet", remedy=remedy)
        gone, reports = prune(store, settings, now)
    counts = dataclasses.asdict(gone) | {"reports": reports}
    Screen(sys.stdout).line(
        "removed " + ", ".join(f"{count} {name}" for name, count in counts.items())
    )


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
database_group = typer.Typer(
    help="The database: upgrade, back up, restore, prune.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(database_group, name="db")


@database_group.command("upgrade")
@does(Action.MAINTAIN)
def upgrade_command(
    inventory: SiteOption = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Try it on a copy, and say what it would change."),
    ] = False,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Make no backup of the database first.")
    ] = False,
) -> None:
    """Bring the database to this program's version, after a backup."""
    if dry_run:
        try_upgrade(inventory)
    else:
        upgrade(inventory, backed_up=not no_backup)


@database_group.command("prune")
@does(Action.MAINTAIN)
def prune_command(inventory: SiteOption = "") -> None:
    """Remove what the site's retention no longer asks for."""
    prune_database(inventory)


# --- its sites --------------------------------------------------------------------------------------------------------
sites_group = typer.Typer(
    help="List the sites in the database; rename one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
database_group.add_typer(sites_group, name="sites")


@sites_group.callback()
@does(Action.LOOK)
def list_sites(context: typer.Context, inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the sites of the database: by which name each is known, and from which folders it acts."""
    if context.invoked_subcommand:
        return
    with run_store(settings_of(inventory)) as store, store.read() as db:
        found = sites.everyone(db)
    if as_json:
        print_json({"sites": [dataclasses.asdict(one) for one in found]})
    else:
        print_sites(Screen(sys.stdout), found, clock.now())


def _renamer(settings: Settings) -> naming.Renamer:
    return naming.Renamer(load_installation(settings), account())


@sites_group.command("rename")
@does(Action.MAINTAIN)
def rename_site(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its id, or the path that it had.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The id that its upkeep.toml says.")],
    inventory: SiteOption = "",
) -> None:
    """Give a site another name; it keeps all its records.

    Stop `upkeep serve` first.
    """
    settings = settings_of(inventory)
    with run_store(settings) as store:
        was = naming.rename(store, old, new, _renamer(settings), clock.now())
    say(f"{was} is {new} now" if was != new else f"it is {new} already")


@sites_group.command("join")
@does(Action.MAINTAIN)
def join_sites(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The site that ends.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The site that goes on.")],
    inventory: SiteOption = "",
) -> None:
    """Join two sites that always were one.

    The history of the first becomes the second's. Stop `upkeep serve` first.
    """
    settings = settings_of(inventory)
    with run_store(settings) as store:
        was = naming.join(store, source, into, _renamer(settings), clock.now())
    say(f"{was} is {into} now")
