"""The commands of ours that a document prints: lines of its blocks, and its spans."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SPAN = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"^(?:sudo (?:-u \w+ )?)?(?:[A-Z_]+=\S+ )*(?:sudo (?:-u \w+ )?)?upkeep (?=\S)")
ENDS = re.compile(r"\s+#.*|\s{2,}(?=\S).*|\s+[|<>].*|\s*[\\…]+$|\s*&&.*")
"""What is not the command any more: a comment, words in the next column, what the shell does with it."""


@dataclass(frozen=True)
class Problem:
    """Why a printed command is none."""

    command: str
    why: str


def printed(text: str) -> Iterator[str]:
    """Yield the words behind `upkeep`, as they are printed in a document of Markdown."""
    for line in text.splitlines():
        found = [line.strip()] if line.startswith("    ") else SPAN.findall(line)
        for one in found:
            begins = CALL.match(one)
            if begins:
                yield ENDS.sub("", one[begins.end() :]).strip()


def words_of(command: str) -> list[str]:
    """Return the words as a shell has them; what may be left out is there without its brackets."""
    return shlex.split(command.replace("[", "").replace("]", ""))


def resolve(tree: Any, words: Sequence[str]) -> tuple[Any, list[str], list[str]]:
    """Return the command, the words that name it, and what is left."""
    rest, names = list(words), []
    found = tree
    while rest and rest[0] in getattr(found, "commands", {}):
        names.append(rest.pop(0))
        found = found.commands[names[-1]]
    return found, names, rest


def problems(tree: Any, command: str) -> list[Problem]:
    """Return what a printed command has that does not exist: a command or an option."""
    found, names, rest = resolve(tree, words_of(command))
    options: Mapping[str, Any] = {name: one for one in found.params for name in one.opts}
    wrong = [
        Problem(command, f"there is no option {word}")
        for word in rest
        if word.startswith("-")
        and word != "--"
        and word.partition("=")[0] not in {*options, "--help", "-h"}
    ]
    takes = any(one.param_type_name == "argument" for one in found.params)
    plain = [word for word in rest[:1] if not word.startswith("-")]
    if plain and not takes:
        wrong.append(Problem(command, f"{' '.join(['upkeep', *names])} takes no {plain[0]!r}"))
    return wrong
