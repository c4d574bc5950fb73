"""`upkeep init`: a site to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from upkeep.cli.actions import does
from upkeep.model.remedies import command
from upkeep.rules.actions import Action
from upkeep.services.sites import free_id
from upkeep.site.settings import FILE
from upkeep.view.screen import Screen

# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)


@cli.command("init")
@does(Action.MAINTAIN)
def init_site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
) -> None:
    """Write a small, commented site to start from."""
    from upkeep.site.init import id_for, write_site

    site_id = free_id(folder, id_for(folder))
    written = write_site(folder, site_id)
    screen = Screen(sys.stdout)
    for path in written:
        screen.line(screen.text(str(path)))
    screen.line()
    screen.line(f"In the database the site is {site_id!r}, wherever its folder lies ({FILE}).")
    place = screen.text(str(folder))
    screen.line(
        f"Next: name your hosts in {place}/inventory/hosts.yml, and who is notified in {place}/schedule.yml, then"
    )
    screen.line(f"  {screen.text(command('schedule', 'lint', site=str(folder)))}")
    screen.line(f"  {screen.text(command('doctor', site=str(folder)))}")
