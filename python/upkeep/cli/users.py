"""`upkeep user`: who may sign in to the page. A password is asked for, or read; it is never an argument."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import say
from upkeep.model import clock
from upkeep.model.errors import ConfigurationError, UpkeepError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.roles import Role
from upkeep.model.text import ago, exact
from upkeep.rules.actions import Action
from upkeep.services import actors
from upkeep.site.schedule_file import Schedule, load_schedule
from upkeep.site.site import settings_of
from upkeep.store import Store, open_store, users
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import Piece, Screen

MISSING = "pip install 'upkeep[web]'"


def add(
    inventory: str, name: str, role: str, person: str, *, shared: bool, password_stdin: bool
) -> None:
    """Add a user."""
    with _opened(inventory) as (store, schedule):
        name, level = name.strip().lower(), _role(role)
        if not users.NAME.fullmatch(name):
            raise UsageError(f"{name!r}; a name is letters, digits and . _ @ -")
        _known_person(schedule, person)
        with store.read() as db:
            if users.get(db, name):
                raise UsageError(
                    f"there is a user {name}",
                    remedy=f"upkeep user password {name}  # or: user role, user enable",
                )
        free = actors.makes_the_first_admin(store, level)
        who = actors.someone(store, schedule, Action.ADD_USER, name, free=free, site=None)
        kept = _new_password(name, password_stdin=password_stdin)
        actors.note(store, who, Action.ADD_USER, name, f"role {level.value}")
        with store.begin() as db:
            users.add(db, name, level, kept, clock.now(), person=person, shared=shared)
        say(f"{name} may sign in, as {level.value}")


def turn(inventory: str, name: str, *, on: bool) -> None:
    """Let a user sign in no more and end all their sessions, or let them sign in again."""
    with _opened(inventory) as (store, schedule):
        user = _user(store, name)
        what = Action.TURN_USER_ON if on else Action.TURN_USER_OFF
        free = on and actors.makes_the_first_admin(store, user.role)
        actors.record(store, schedule, what, user.name, free=free, site=None)
        with store.begin() as db:
            if on:
                users.turn_on(db, user.name)
            else:
                users.turn_off(db, user.name, clock.now())
        say(
            f"{user.name} {'may sign in again' if on else 'is disabled; their sessions have ended'}"
        )


@contextmanager
def _opened(inventory: str) -> Iterator[tuple[Store, Schedule | None]]:
    """Yield the open store, and the schedule if the site has one that can be read."""
    path = Path(inventory)
    folder = (path if path.is_dir() else path.parent) if inventory else None
    schedule = None
    if folder and (folder / "schedule.yml").is_file():
        try:
            schedule = load_schedule(folder / "schedule.yml")
        except ConfigurationError as exc:
            # A user must be turned off also while the schedule is broken.
            say(f"the schedule cannot be used: {str(exc).splitlines()[0]}")
    with closing(open_store(settings_of(inventory).database_url)) as store:
        yield store, schedule


def _known_person(schedule: Schedule | None, person: str) -> None:
    if person and schedule and person not in schedule.people:
        near = nearest(person, schedule.people)
        raise UsageError(f"there is no person {person!r} in the schedule{near}")


def _user(store: Store, name: str) -> users.User:
    with store.read() as db:
        found = users.get(db, name.strip().lower())
        known = {one.name: None for one in users.everyone(db)}
    if found is None:
        message = f"there is no user {name!r}{nearest(name, known)}"
        raise UsageError(message, remedy="upkeep user list")
    return found


def _role(text: str) -> Role:
    known = {one.value: one for one in Role}
    if text not in known:
        there = ", ".join(known)
        raise UsageError(
            f"there is no role {text!r}{nearest(text, known)}", remedy=f"one of {there}"
        )
    return known[text]


def _new_password(name: str, *, password_stdin: bool) -> str:
    """Ask for a password twice, or read it from standard input; return what is kept of it."""
    try:
        from upkeep.services import passwords
    except ModuleNotFoundError as exc:
        raise UpkeepError(f"passwords need the package {exc.name}", remedy=MISSING) from exc
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        if not sys.stdin.isatty():
            raise UsageError("no terminal to ask for a password", remedy="use --password-stdin")
        password = getpass.getpass(f"Password of {name}: ")
        if getpass.getpass("Once more: ") != password:
            raise UsageError("the two passwords differ")
    problem = passwords.problem_of(password, name)
    if problem:
        raise UsageError(problem)
    return passwords.hashed(password)


def _status(one: users.User, screen: Screen, now: datetime) -> str:
    """Return whether a user may sign in."""
    if not one.disabled_at:
        return "may sign in"
    return f"disabled {ago(one.disabled_at, now) if screen.live else exact(one.disabled_at)}"


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
user_group = typer.Typer(
    help="Who may sign in to the web page.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(user_group, name="user")
UserName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@user_group.command("add")
@does(Action.ADD_USER)
def user_add_command(
    name: UserName,
    role: Annotated[
        str, typer.Option("--role", help="viewer, operator, approver, admin or auditor.")
    ] = "viewer",
    person: Annotated[str, typer.Option("--person", help="Their id in schedule.yml.")] = "",
    shared: Annotated[bool, typer.Option("--shared", help="Several people use it.")] = False,
    inventory: SiteOption = "",
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a user; the password is asked for."""
    add(inventory, name, role, person, shared=shared, password_stdin=password_stdin)


@user_group.command("list")
@does(Action.LOOK)
def show(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the users."""
    from upkeep.view.json import dumps

    with _opened(inventory) as (store, _schedule):
        with store.read() as db:
            everyone, sessions = users.everyone(db), users.sessions_of(db)
        if as_json:
            documents = [
                {
                    "name": one.name,
                    "role": one.role.value,
                    "person": one.person,
                    "shared": one.shared,
                    "created_at": one.created_at.isoformat(),
                    "disabled_at": one.disabled_at.isoformat() if one.disabled_at else None,
                    "sessions": sessions.get(one.id, 0),
                }
                for one in everyone
            ]
            sys.stdout.write(dumps({"version": 1, "users": documents}) + "\n")
            return
        screen, now = Screen(sys.stdout), clock.now()
        if not everyone:
            first = command("user", "add", "admin", "--role", "admin", site=inventory)
            print_empty(screen, "There is no user yet", f"first: {first}")
            return
        columns = [
            Column("name", subject=True),
            Column("role"),
            Column("person"),
            Column("status"),
            Column("sessions", right=True),
        ]
        rows: list[list[Piece]] = [
            [
                one.name,
                one.role.value,
                one.person + (" shared" if one.shared else ""),
                _status(one, screen, now),
                str(sessions.get(one.id, 0)),
            ]
            for one in everyone
        ]
        print_columns(screen, columns, rows)
        screen.flush()


@user_group.command("disable")
@does(Action.TURN_USER_OFF)
def disable_command(name: UserName, inventory: SiteOption = "") -> None:
    """Disable a user; their sessions end at once."""
    turn(inventory, name, on=False)


@user_group.command("enable")
@does(Action.TURN_USER_ON)
def enable_command(name: UserName, inventory: SiteOption = "") -> None:
    """Enable a user again."""
    turn(inventory, name, on=True)


@user_group.command("role")
@does(Action.SET_ROLE)
def set_role(
    name: UserName,
    role: Annotated[str, typer.Argument(help="viewer, operator, approver, admin or auditor.")],
    inventory: SiteOption = "",
) -> None:
    """Give a user another role."""
    with _opened(inventory) as (store, schedule):
        user, level = _user(store, name), _role(role)
        detail = f"{user.role.value} to {level.value}"
        free = actors.makes_the_first_admin(store, level)
        actors.record(
            store, schedule, Action.SET_ROLE, user.name, detail=detail, free=free, site=None
        )
        with store.begin() as db:
            users.set_role(db, user.name, level)
        say(f"{user.name} now has the role {level.value}")


@user_group.command("person")
@does(Action.SET_PERSON)
def set_person(
    name: UserName,
    person: Annotated[str, typer.Argument(help="Id of a person in schedule.yml.")],
    inventory: SiteOption = "",
) -> None:
    """Say which person of the schedule a user is.

    Two users of one person count as one.
    """
    with _opened(inventory) as (store, schedule):
        user = _user(store, name)
        _known_person(schedule, person)
        detail = f"{user.person or 'nobody'} to {person}"
        actors.record(store, schedule, Action.SET_PERSON, user.name, detail=detail, site=None)
        with store.begin() as db:
            users.set_person(db, user.name, person)
        say(f"the user {user.name} is the person {person} of schedule.yml")


@user_group.command("password")
@does(Action.SET_PASSWORD)
def set_password(
    name: UserName, inventory: SiteOption = "", password_stdin: PasswordStdin = False
) -> None:
    """Give a user another password; their sessions end at once."""
    with _opened(inventory) as (store, schedule):
        user = _user(store, name)
        who = actors.someone(store, schedule, Action.SET_PASSWORD, user.name, site=None)
        kept = _new_password(user.name, password_stdin=password_stdin)
        actors.note(store, who, Action.SET_PASSWORD, user.name)
        with store.begin() as db:
            users.set_password(db, user.name, kept)
        say(f"{user.name} has a new password; their sessions have ended")
