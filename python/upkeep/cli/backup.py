"""`upkeep db backup` and `upkeep db restore`: a copy of the product's own database, and the way back."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import SiteOption
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.remedies import command
from upkeep.model.text import size
from upkeep.rules.actions import Action
from upkeep.services import actors, chain_end
from upkeep.services.signing_key import SIGNING, load_installation, trusted_keys
from upkeep.site.site import settings_of
from upkeep.store import acts, open_store
from upkeep.store.engine import backup
from upkeep.view.screen import Screen

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def _signing(inventory: str) -> Path:
    return settings_of(inventory).state.absolute() / "signing" / "key"


def _say(verb: str, file: Path, made: backup.Backup) -> None:
    screen = Screen(sys.stdout)
    rows = sum(made.tables.values())
    what = f"{rows} rows of {len(made.tables)} tables, {size(made.bytes)}, as of {made.made_at}"
    screen.line(verb, " ", screen.text(str(file)), f": {what}, signed by {made.fingerprint}")
    screen.flush()


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("backup")
@does(Action.MAINTAIN)
def back_up(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; FILE.json beside it.")],
    inventory: SiteOption = "",
) -> None:
    """Write a signed backup of the database.

    Others may go on writing to the database meanwhile.
    """
    settings = settings_of(inventory)
    key = load_installation(settings).key
    made, odd = backup.back_up(settings.database_url, file, clock.now(), key)
    _say("wrote", file, made)
    screen = Screen(sys.stderr)
    for one in odd:
        screen.line("the database's own schema is not Upkeep's: ", screen.text(one))
    if odd:
        screen.line("The backup holds its rows only, so a restore removes this.")
    screen.flush()


@cli.command("restore")
@does(Action.MAINTAIN)
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `upkeep db backup` wrote.")],
    inventory: SiteOption = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is in the database now; it is lost.")
    ] = False,
    trust_key: Annotated[
        str,
        typer.Option(
            "--trust-key",
            metavar="FINGERPRINT",
            help="Take a backup that another installation's key has signed; `upkeep db backup` says which.",
        ),
    ] = "",
) -> None:
    """Restore a backup; stop `upkeep serve` first."""
    if trust_key and not FINGERPRINT.fullmatch(trust_key):
        message = (
            f"--trust-key: found {trust_key!r:.80}; expected SHA256:… as `upkeep db backup` said"
        )
        raise UsageError(message, remedy=f"ssh-keygen -lf {_signing(inventory)}")
    settings = settings_of(inventory)
    trust = backup.KeyTrust(trusted_keys(settings), trust_key)
    act = acts.Act(
        clock.now(), "", "restore backup", file.name, way=acts.CLI, account=actors.account()
    )
    done = backup.restore(settings.database_url, file, trust, act, replace=replace)
    with contextlib.closing(open_store(settings.database_url)) as store:
        chain_end.note(settings.state.absolute() / SIGNING, store, restored=True)
    _say("restored", file, done.made)
    screen = Screen(sys.stdout)
    for one in done.back or []:
        screen.line(screen.text(one))
    users = command("user", "list", site=inventory)
    if done.back is None:
        screen.line(f"What was there before was not read: compare the users: {users}")
    elif not done.back:
        screen.line("No user is other than before.")
    screen.line("All sessions have ended: everybody signs in again.")
    screen.flush()
