"""The names that commands had: each means the command that it is now, with the same options and exit status."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

Words = tuple[str, ...]

ALIASES: Mapping[Words, Words] = {
    ("runs",): ("run", "list"),
    ("judge",): ("run", "judge"),
    ("checks",): ("check", "list"),
    ("findings",): ("finding", "list"),
    ("alerts",): ("alert", "list"),
    ("alerts", "show"): ("alert", "show"),
    ("alerts", "test"): ("alert", "test"),
    ("ack",): ("alert", "ack"),
    ("reviews",): ("review", "list"),
    ("sign",): ("review", "sign"),
    ("waivers",): ("waiver", "list"),
    ("waive",): ("waiver",),
    ("waive", "request"): ("waiver", "ask"),
    ("baselines",): ("baseline", "list"),
    ("occurrences",): ("occurrence", "list"),
    ("procedures",): ("schedule", "list", "--settings"),
    ("completion",): ("schedule", "completion"),
    ("hosts",): ("host", "list"),
    ("hosts", "accept"): ("host", "accept"),
    ("oncall",): ("oncall", "list"),
    ("user", "off"): ("user", "disable"),
    ("user", "on"): ("user", "enable"),
    ("backup",): ("db", "backup"),
    ("restore",): ("db", "restore"),
}
"""Each old name, and what it is now."""
TOOK_WORDS: Mapping[str, frozenset[str]] = {"restore": frozenset({"list", "show", "try"})}
"""Old names that took an argument and are groups today, each with the group's commands; a test compares them."""
HELP = frozenset({"--help", "-h"})


@dataclass(frozen=True)
class OldName:
    """A command by an old name: the words that were typed, those that it has now, and all that was typed in these."""

    old: Words
    new: Words
    arguments: list[str]


def renamed(arguments: Sequence[str], commands: Container[str]) -> OldName | None:
    """Return what arguments that begin with an old name mean; None if they do not. commands: the names of today.

    An old name that is a group's today was a command by itself only: no word follows it. One that took an argument is
    meant by any word but those of the group, and not by itself.
    """
    for length in (2, 1):
        old = tuple(arguments[:length])
        rest = list(arguments[length:])
        if old not in ALIASES:
            continue
        of_today = len(old) == 1 and old[0] in commands
        if of_today and _is_of_today(old[0], rest):
            continue
        return OldName(old, ALIASES[old], [*ALIASES[old], *rest])
    return None


def _is_of_today(group: str, rest: Sequence[str]) -> bool:
    """Return whether what follows the name of a group, which was a command's once, is for the group."""
    if group in TOOK_WORDS:
        return not rest or rest[0] in TOOK_WORDS[group] | HELP
    return bool(rest) and (not rest[0].startswith("-") or bool(HELP.intersection(rest)))


def told(meant: OldName) -> str:
    """Return the sentence for who has typed an old name."""
    return f"upkeep {' '.join(meant.old)} is now upkeep {' '.join(meant.new)}"
