"""What people can use of the program: its commands and its pages, as a site's requirements name them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from upkeep.cli.aliases import renamed
from upkeep.cli.lazy import Commands
from upkeep.judging.check import load
from upkeep.model.nearest import nearest

ANY_PAGE = "/{path:path}"


class CommandsAndPages:
    """The commands of this program, and the pages if those are installed."""

    def wrong_command(self, words: Sequence[str], procedures: Collection[str]) -> str:
        """Return why words after `upkeep` are no command; empty if they are.

        A procedure or a check that stands behind its verb must exist. Options and other arguments are not read. An old
        name is a command, too.
        """
        named = {
            "run": ("procedure", procedures),
            "plan": ("procedure", procedures),
            "check": ("check", load()),
        }
        below: Mapping[str, Any] = Commands()
        meant = renamed(words, below)
        words = meant.arguments if meant else words
        for index, word in enumerate(words):
            if word in below:
                below = getattr(below[word], "commands", {})
            elif index == 1 and words[0] in named and not word.startswith("-"):
                kind, known = named[words[0]]
                return "" if word in known else f"there is no {kind} {word!r}{nearest(word, known)}"
            elif below:
                there = " ".join(["upkeep", *words[: index + 1]])
                return f"there is no command {there!r}{nearest(word, below)}"
            else:
                return ""  # its arguments and options
        return ""

    def wrong_page(self, path: str) -> str:
        """Return why there is no page with this path; empty if there is one, or if pages are not installed."""
        try:
            from upkeep.web.app import ROUTES
        except ImportError:
            return ""
        pages = {one.path for one in ROUTES if one.method == "GET"} - {ANY_PAGE}
        return "" if path in pages else f"there is no page {path!r}{nearest(path, pages)}"
