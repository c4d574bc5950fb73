"""Says of a list that it is not all there is, and how to get the rest."""

from __future__ import annotations

import sys

from upkeep.model.text import thousands
from upkeep.view.screen import Screen


def say_left_out(left: int, all_of_them: int, *, most: int = 0) -> None:
    """Print on standard error how many rows were left out, whatever the list was printed as; nothing if none was.

    most: up to how many they were counted; then there may be more.
    """
    if left <= 0:
        return
    screen = Screen(sys.stderr)
    if left == most:
        screen.line(
            f"{thousands(left)} and more left out; ask for a shorter time, or for more with -n"
        )
    else:
        screen.line(f"{thousands(left)} more left out; all of them: -n {all_of_them}")
    screen.flush()


def say_older() -> None:
    """Print on standard error that a list ends with the newest, and how to get the others."""
    screen = Screen(sys.stderr)
    screen.line("there are older ones; more of them with -n")
    screen.flush()
