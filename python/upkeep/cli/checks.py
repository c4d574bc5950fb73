"""`upkeep check list`: the checks there are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json
from upkeep.judging.check import Check, SelfCheck, every, load
from upkeep.judging.documentation import options_of
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.view import lists
from upkeep.view.json import check_document
from upkeep.view.screen import Screen


def check_of(name: str) -> Check:
    """Return the check.

    Raises: UsageError with the nearest.
    """
    found = load().get(name)
    if found is None and name in every():
        message = f"{name} is about Upkeep itself: it checks no host"
        raise UsageError(message, remedy=command("explain", name))
    if found is None:
        message = f"there is no check {name!r}{nearest(name, load())}"
        raise UsageError(message, remedy="upkeep check list  # lists them")
    return found


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("list")
@does(Action.LOOK)
def list_checks(
    check: Annotated[str, typer.Argument(help="Show all of this one.", hidden=True)] = "",
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """List the checks there are.

    With a site, its own checks too. `upkeep explain CHECK` shows one with its parameters, limits and source.
    """
    if inventory:
        from upkeep.site.site import load_site

        load_site(inventory)
    told = every().get(check)
    if isinstance(told, SelfCheck) and not as_json:
        lists.print_self_check(Screen(sys.stdout), told)
        return
    chosen = {check: check_of(check)} if check else dict(load())
    if as_json:
        print_json({"checks": [check_document(one) for one in chosen.values()]})
    elif check:
        one = chosen[check]
        lists.print_check(Screen(sys.stdout), one, options_of(one.gather), inventory)
    else:
        lists.print_checks(Screen(sys.stdout), chosen)
