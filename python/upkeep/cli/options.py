"""Options that many commands have, each written once."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from upkeep.model.errors import UsageError

FILES_OF_A_SITE = ("schedule.yml", "schedule.schema.json", "upkeep.toml")
HIGHEST_ID = 2**31 - 1
MOST_SHOWN = 1_000_000
MOST_DAYS = 36_500
LISTS = {
    "check": "upkeep check list",
    "procedure": "upkeep schedule list",
    "run": "upkeep run list",
    "finding": "upkeep finding list --all",
    "alert": "upkeep alert list --all",
    "incident": "upkeep incident list --all",
    "silence": "upkeep silence list",
    "review": "upkeep review list --all",
    "waiver": "upkeep waiver list --all",
    "override": "upkeep oncall list",
}
"""What is called by its id or number, each with the command that lists those there are."""


def number_of(word: str, least: int, most: int) -> Callable[[Any], int]:
    """Return what reads a number of an option or argument, called word: within these limits.

    Raises: what it returns raises UsageError for any other text.
    """

    def read(given: Any) -> int:
        found = _whole(given)
        if found is None or not least <= found <= most:
            raise UsageError(
                f"{word}: found {given!r:.80}; expected a number from {least} to {most}"
            )
        return found

    return read


def _whole(given: Any) -> int | None:
    """Return the whole number that was given; None if it is none."""
    text = str(given).strip()
    # More digits than any number here has: Python refuses to read some thousands of them.
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 30 else None


def numbered(noun: str, *, several: bool = False) -> Any:
    """Return the argument that names a run, an alert or the like by its number."""

    def read(given: Any) -> int:
        found = _whole(given)
        listed = f"{LISTS[noun]}  # lists them"
        if found is None and not str(given).strip().removeprefix("-").isdecimal():
            message = f"{noun.upper()}: found {given!r:.80}; expected a number"
            raise UsageError(message, remedy=listed)
        if found is None or not 0 < found <= HIGHEST_ID:
            raise UsageError(f"there is no {noun} {given!s:.80}", remedy=listed)
        return found

    help_ = "Their numbers." if several else "Its number."
    return typer.Argument(metavar=noun.upper(), parser=read, help=help_)


def counting(help_: str = "Show at most this many.") -> Any:
    """Return the option that says how many rows are shown."""
    read = number_of("--count", 1, MOST_SHOWN)
    return typer.Option("--count", "-n", metavar="N", parser=read, help=help_)


def _site(given: str) -> str:
    """Return the site that was given.

    Raises: UsageError for a file of a site, which Ansible would take for an inventory.
    """
    path = Path(given)
    if path.name in FILES_OF_A_SITE and path.is_file():
        folder = shlex.quote(str(path.parent))
        raise UsageError(f"-i: {given} is a file of a site; give the site's folder: -i {folder}")
    return given


SiteOption = Annotated[
    str,
    typer.Option(
        "-i",
        "--inventory",
        callback=_site,
        metavar="SITE",
        help="The site's folder, or an Ansible inventory. This machine, if not given.",
    ),
]
Limit = Annotated[
    str, typer.Option("--limit", "-l", metavar="PATTERN", help="Only hosts of this pattern.")
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only what did not pass; nothing if all is well."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
