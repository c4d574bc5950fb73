"""Names what a command does, and lets it be told as whom: `--as NAME`, where that makes a difference."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from upkeep.rules.actions import RULES, Action, Needs
from upkeep.services import caller

MATTERS = frozenset({Needs.ASKER, Needs.USER, Needs.ALWAYS})
OPTION = "as_user"
AsOption = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        help="The user who does it, if not your account's; the password is asked for, or read from standard input.",
    ),
]
Command = Callable[..., Any]


def does(*actions: Action) -> Callable[[Command], Command]:
    """Return a decorator for a command that does these. What the command returns is the exit status; None is 0."""

    def named(command: Command) -> Command:
        made = _ending(command)
        if any(RULES[one].needs in MATTERS for one in actions):
            made = _with_as(made)
        made.actions = actions  # type: ignore[attr-defined]
        return made

    return named


def actions_of(command: Command) -> tuple[Action, ...]:
    """Return what a command does; nothing, if it does not say."""
    found: tuple[Action, ...] = getattr(command, "actions", ())
    return found


def _ending(command: Command) -> Command:
    """Return the command as one that ends the program with its status."""

    @functools.wraps(command)
    def made(**given: Any) -> None:
        status = command(**given)
        if status:
            raise typer.Exit(status)

    return made


def _with_as(command: Command) -> Command:
    """Return the command with one option more."""

    @functools.wraps(command)
    def made(**given: Any) -> Any:
        with caller.acting_as(given.pop(OPTION)):
            return command(**given)

    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    own = [one.replace(annotation=hints[one.name]) for one in signature.parameters.values()]
    more = inspect.Parameter(
        OPTION, inspect.Parameter.KEYWORD_ONLY, default="", annotation=AsOption
    )
    made.__signature__ = signature.replace(parameters=[*own, more])  # type: ignore[attr-defined]
    made.__annotations__ = {**hints, OPTION: AsOption}
    return made
