"""What commands print beside their own lists: one JSON document, or one line for a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from upkeep.view.json import dumps, plain
from upkeep.view.screen import Screen


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document; each has the version of its shape in it."""
    sys.stdout.write(dumps({"version": 1, **plain(document)}) + "\n")


def say(text: str) -> None:
    """Print on standard error what a command has done."""
    screen = Screen(sys.stderr)
    screen.line(screen.text(text))
    screen.flush()


def note(text: str) -> None:
    """Print on standard error what is no result, with the program's name before it."""
    screen = Screen(sys.stderr)
    screen.line(("upkeep: ", "bold"), screen.text(text))
    screen.flush()
