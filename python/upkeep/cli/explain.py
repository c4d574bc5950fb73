"""Explain on the command line: what a host is looked at for, and what a check is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.cli.options import Json, SiteOption
from upkeep.cli.output import print_json
from upkeep.judging.check import SelfCheck, every, load, own_of_program
from upkeep.judging.documentation import options_of
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.services.explain import KnownSite, explain_host
from upkeep.site.site import load_site
from upkeep.view import explain as view
from upkeep.view import lists
from upkeep.view.json import check_document, told_document
from upkeep.view.screen import Screen

cli = typer.Typer(rich_markup_mode=None)


@cli.command("explain")
@does(Action.LOOK)
def explain(
    name: Annotated[
        str, typer.Argument(metavar="HOST|CHECK", help="A host, a source, or the id of a check.")
    ],
    check: Annotated[str, typer.Argument(help="Only this check of the host, in full.")] = "",
    inventory: SiteOption = "",
    as_json: Json = False,
) -> None:
    """Explain what a host is checked for, or a check.

    Of a host: its checks and their limits, from which file and line they come, and when they are due. A name that is
    both means the check; with a check behind it, it means the host.
    """
    if not check and name in own_of_program():  # whatever the site, and whether it can be read
        _explain_check(name, as_json=as_json)
        return
    site = load_site(inventory)
    if not check and name in every():
        _explain_check(name, as_json=as_json, site=site.name)
        return
    known = KnownSite(site)
    there = [*known.inventory.given, *known.lookers, *every()]
    if not check and name not in there:
        remedy = f"{command('check', 'list')}  # lists the checks"
        raise UsageError(
            f"there is no host and no check {name!r}{nearest(name, there)}", remedy=remedy
        )
    now = clock.now()
    found = explain_host(known, name, now)
    asked = {one.check.id for one in found.checks}
    if check and check not in asked:
        remedy = command("explain", name, site=site.name)
        if check not in load():
            raise UsageError(f"there is no check {check!r}{nearest(check, asked)}", remedy=remedy)
        raise UsageError(f"{name} does not ask for {check}", remedy=remedy)
    folder = str(site.folder.absolute())
    if as_json:
        print_json(view.host_document(found, check))
    elif check:
        view.print_host_check(Screen(sys.stdout), found, check, site.name, folder, now)
    else:
        view.print_host(Screen(sys.stdout), found, site.name, folder, now)


def _explain_check(name: str, *, as_json: bool, site: str = "") -> None:
    """Print the page of a check, or of what Upkeep tells of itself. site: whose own it is, if that is needed."""
    rule = every()[name]
    if as_json:
        document = (
            told_document(rule) if isinstance(rule, SelfCheck) else check_document(load()[name])
        )
        print_json({"check": document})
    elif isinstance(rule, SelfCheck):
        lists.print_self_check(Screen(sys.stdout), rule)
    else:
        one = load()[name]
        lists.print_check(Screen(sys.stdout), one, options_of(one.gather), site)
