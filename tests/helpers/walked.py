"""The walks of docs/write-a-check.md, step by step, as they are printed.

A section called `Walk N: …` is a walk. A block of code is a file, where the line before it ends with its path (`path`:),
or commands: each line that begins with `$ ` is one, and the lines below it are what it prints. `…` stands for anything.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "write-a-check.md"
ANYTHING = "…"
OF_A_CHECK = "the six of a check"
"""In the table: the files of its first row."""


@dataclass(frozen=True)
class WrittenFile:
    """A file that the reader writes."""

    path: str
    text: str


@dataclass
class TypedCommand:
    """A command that the reader types, and the lines that it prints."""

    line: str
    prints: list[str] = field(default_factory=list)

    def missing(self, said: str) -> list[str]:
        """Return the lines that were not said, or not in this order."""
        lines = iter(said.splitlines())
        return [one for one in self.prints if not any(_is_like(one, line) for line in lines)]


@dataclass(frozen=True)
class Walk:
    """A walk. touches: patterns of the files of the checkout that it touches, and files how many, as the table says."""

    title: str
    steps: list[WrittenFile | TypedCommand]
    touches: list[str]
    files: int


def walks() -> list[Walk]:
    """Return the walks of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    table = re.findall(r"^\| \[([^]]+)\]\(#walk-\S+\) \| (\d+) \| (.*) \|$", text, re.MULTILINE)
    rows = {name: (int(files), which) for name, files, which in table}
    of_a_check = table[0][2]
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        title, _line, body = section.partition("\n")
        if title.startswith("Walk "):
            name = title.partition(": ")[2]
            files, which = rows[name]
            touches = re.findall(r"`([^`]+)`", which.replace(OF_A_CHECK, of_a_check))
            found.append(Walk(name, list(_steps(body)), touches, files))
    return found


def _steps(body: str) -> Iterator[WrittenFile | TypedCommand]:
    for before, block in re.findall(
        r"^(\S.*)\n\n((?:    .*\n|\n(?=\n*    ))+)", body, re.MULTILINE
    ):
        text = textwrap.dedent(block)
        named = re.search(r"`([^`]+)`:$", before)
        if text.startswith("$ "):
            yield from _commands(text)
        elif named:
            yield WrittenFile(named[1], text)
        else:
            raise ValueError(f"the block below {before!r} is no file and no command")


def _commands(text: str) -> list[TypedCommand]:
    found: list[TypedCommand] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(TypedCommand(line.removeprefix("$ ")))
        else:
            found[-1].prints.append(line)
    return found


def _is_like(pattern: str, line: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split(ANYTHING))), line) is not None
