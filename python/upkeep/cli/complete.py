"""Completion for shells: what may stand where the cursor is. Nothing is changed, and nothing of the site's is run.

A shell's script (`data/completion/`) calls the program with the words so far and a variable; it prints a candidate per
line, with its help behind a tab. No candidate means: complete a file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer.main

from upkeep.cli.aliases import renamed
from upkeep.cli.lazy import COMMANDS

VARIABLE = "_UPKEEP_COMPLETE"
SCRIPTS = Path(__file__).parents[1] / "data" / "completion"
SHELLS = ("bash", "zsh", "fish")
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/+-]*\Z|[./~][A-Za-z0-9._@/+-]*\Z|--?[a-z-]+\Z")
"""Only such candidates are offered: no shell has to quote them."""
Candidate = tuple[str, str]


# --- where the cursor is ---------------------------------------------------------------------------------------------
def candidates(cli: typer.Typer, words: Sequence[str]) -> list[Candidate]:
    """Return what the last word may become. words: what stands behind the program's name."""
    *before, current = _joined(words) or [""]
    # A shell that does not split at the equals sign replaces the whole word.
    kept = words[-1].removesuffix(current) if words and words[-1].startswith("--") else ""
    kept = kept if kept.endswith("=") else ""
    group: Any = typer.main.get_command(cli)
    meant = renamed(before, tuple(group.commands))
    before = meant.arguments if meant else before
    found, names, given, awaits = group, [], 0, None
    for word in before:
        if awaits is not None:
            awaits = None
        elif word.startswith("-"):
            awaits = _taking_value(found, word)
        elif not given and word in getattr(found, "commands", {}):
            found = found.commands[word]
            names.append(word)
        else:
            given += 1
    everything = list(_offered(found, names, given, awaits, current, _site(before)))
    return [
        (kept + value, text)
        for value, text in everything
        if value.startswith(current) and PLAIN.match(value)
    ]


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words, with `--option=value` as two; bash gives the equals sign as a word of its own."""
    found: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if word == "=":
            continue
        found += [name, value] if equals and name.startswith("--") else [word]
    if words and words[-1] == "=":
        found.append("")
    return found


def _taking_value(command: Any, word: str) -> Any:
    for one in command.params:
        if word in one.opts and one.param_type_name == "option" and not one.is_flag:
            return one
    return None


def _site(before: Sequence[str]) -> str:
    for name, value in pairwise(before):
        if name in ("-i", "--inventory"):
            return value
    return ""


def _offered(
    command: Any, names: Sequence[str], given: int, awaits: Any, current: str, site: str
) -> Iterator[Candidate]:
    """Yield candidates: an option's values, options, commands, or an argument's values."""
    if awaits is not None:
        yield from _values_of(names, max(awaits.opts, key=len), current, site)
        return
    if current.startswith("-"):
        for one in command.params:
            if one.param_type_name == "option" and not one.hidden:
                yield max(one.opts, key=len), one.help or ""
        yield "--help", "Show this message and exit."
        return
    if not given:
        for name in getattr(command, "commands", {}):
            words = " ".join((*names, name))
            text = (
                COMMANDS[words][1]
                if words in COMMANDS
                else command.commands[name].get_short_help_str(80)
            )
            yield name, text
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    if arguments:
        many = arguments[-1].nargs == -1
        if given < len(arguments) or many:
            argument = arguments[min(given, len(arguments) - 1)]
            name = (argument.metavar or argument.name.upper()).strip("[].…")
            yield from _values_of(names, name, current, site)


def _values_of(names: Sequence[str], name: str, current: str, site: str) -> Iterator[Candidate]:
    from upkeep.cli.completion_values import VALUES

    if name == "--show-completion":
        yield from ((one, "") for one in SHELLS)
    give = VALUES.get(f"{' '.join(names)} {name}", VALUES.get(name))
    if give is None:
        return
    # A site that cannot be read has no names to offer; whoever presses the key wants no error.
    with contextlib.suppress(Exception):
        yield from give(current, site)


def printed(cli: typer.Typer, words: Sequence[str]) -> str:
    """Return the candidates as the shells' scripts read them."""
    lines = []
    for value, text in candidates(cli, words):
        told = "".join(one if one.isprintable() else " " for one in text)
        lines.append(f"{value}\t{told}\n")
    return "".join(lines)
