"""`upkeep backup` and `upkeep restore`: a copy of the product's own database, and the way back."""

from __future__ import annotations

import sys
from pathlib import Path

from upkeep import clock
from upkeep.site import settings_of
from upkeep.store import backup
from upkeep.view.screen import Screen
from upkeep.view.text import size


def back_up(file: Path, inventory: str) -> None:
    """Write a backup and say what is in it."""
    made = backup.back_up(settings_of(inventory).database_url, file, clock.now())
    _say("wrote", file, made)


def restore(file: Path, inventory: str, *, replace: bool) -> None:
    """Put a backup's content into the database and say what is in it now."""
    made = backup.restore(settings_of(inventory).database_url, file, replace=replace)
    _say("restored", file, made)


def _say(verb: str, file: Path, made: backup.Backup) -> None:
    screen = Screen(sys.stdout)
    rows = sum(made.tables.values())
    what = f"{rows} rows of {len(made.tables)} tables, {size(made.bytes)}, as of {made.made_at}"
    screen.line(verb, " ", screen.text(str(file)), f": {what}")
    screen.flush()
