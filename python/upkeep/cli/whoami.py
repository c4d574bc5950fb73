"""`upkeep whoami`: as whom a command acts, and what that allows."""

from __future__ import annotations

import socket
import sys

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json
from upkeep.model.remedies import command
from upkeep.model.text import wrap
from upkeep.rules.actions import Action, words_of
from upkeep.services import actors
from upkeep.services.actors import Actor
from upkeep.store import users
from upkeep.view.screen import Screen


def _sentence(who: Actor, site: str, *, users_there: bool) -> list[str]:
    """Return who it is, and what to do where it is nobody. users_there: whether Upkeep has any."""
    account = f"the account {who.account} on {socket.gethostname()}"
    if who.user:
        person = f", the person {who.user.person} of schedule.yml" if who.user.person else ""
        return [f"You are the user {who.user.name}, {who.user.role.value}{person}; by {account}."]
    if who.barred:
        return [f"You act as nobody: {who.barred}.", "Commands that act take --as NAME."]
    nobody = f"You are not a user of Upkeep: {account} belongs to none."
    if not users_there:
        return [nobody, "There is no user yet, so any account may do what is below."]
    return [
        nobody,
        f"Commands that act take --as NAME; the users: {command('user', 'list', site=site)}",
    ]


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("whoami")
@does(Action.LOOK)
def whoami(inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show who you are to Upkeep, and what you may do.

    That is: your account, the user whose account that is, their role, and their person in the schedule.
    """
    with opened(inventory) as (site, store):
        who = actors.actor(store, site.schedule, Action.LOOK.value)
        allowed = actors.allowed(store, who)
        with store.read() as db:
            users_there = bool(users.everyone(db))
    may = [one for one, role in allowed.items() if not role]
    others = {one: role for one, role in allowed.items() if role}
    if as_json:
        document = {
            "account": who.account,
            "user": who.user.name if who.user else None,
            "role": who.user.role.value if who.user else None,
            "person": (who.user.person or None) if who.user else None,
            "barred": who.barred,
            "may": [one.value for one in may],
            "may_not": [{"action": one.value, "role": role} for one, role in others.items()],
        }
        print_json(document)
        return
    screen = Screen(sys.stdout)
    for line in _sentence(who, inventory, users_there=users_there):
        screen.line(screen.text(line, 400))
    by_role: dict[str, list[str]] = {}
    for one, role in others.items():
        by_role.setdefault(role, []).append(words_of(one))
    said = [("May", list(map(words_of, may)))]
    said += [(f"Needs the role {role}", words) for role, words in by_role.items()]
    for heading, words in said:
        text = f"{heading}: {', '.join(words) or 'nothing'}."
        for line in wrap(text, screen.width) if screen.live else [text]:
            screen.line(line)
    screen.flush()
