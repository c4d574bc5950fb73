#!/usr/bin/env python3
"""Name each phrase of tools/phrases.txt in the texts of the project, with what to write instead.

    tools/phrases.py [FILE ...]

Without a file it reads all of them, except NOT_READ. The exit status is 1 if there is any phrase.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PHRASES = ROOT / "tools" / "phrases.txt"

READ = (
    "README.md",
    "README.rst",
    "changelogs",
    "docs",
    "inventory",
    "playbooks",
    "plugins",
    "python/upkeep",
    "roles",
)
ENDINGS = {
    ".md",
    ".rst",
    ".py",
    ".yml",
    ".yaml",
    ".toml",
    ".html",
    ".j2",
    ".txt",
    ".css",
    ".js",
    ".json",
}
NOT_READ = (
    "docs/glossary.md",  # it says what not to write
    "python/upkeep/store/migrations",  # what is stored stays as it was written
    "changelogs/changelog.yaml",
)
# Between two words: a blank, a line break, the marks of a comment, or of a literal that goes on.
BETWEEN = r"[\s\"#]+(?:f\")?"


def phrases(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return each pattern of a list of phrases with its replacement.

    Raises:
        ValueError: a line has no replacement, or its pattern is not a regular expression; with its number.

    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        pattern, arrow, instead = line.partition(" => ")
        if not arrow or not instead.strip():
            raise ValueError(f"phrases.txt:{number}: {line!r}: expected PATTERN => REPLACEMENT")
        try:
            compiled = re.compile(pattern.replace(" ", BETWEEN), re.IGNORECASE)
        except re.error as exc:
            raise ValueError(f"phrases.txt:{number}: {line!r}: {exc}") from exc
        found.append((compiled, instead.strip()))
    return found


def hits(text: str, known: list[tuple[re.Pattern[str], str]]) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the phrase and the replacement of each phrase in a text, in its order."""
    found = [(match, instead) for pattern, instead in known for match in pattern.finditer(text)]
    for match, instead in sorted(found, key=lambda one: one[0].start()):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead


def files() -> Iterator[Path]:
    """Yield the files that are read, sorted."""
    left_out = [ROOT / name for name in NOT_READ]
    for name in READ:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.suffix in ENDINGS and not any(path.is_relative_to(one) for one in left_out):
                yield path


def main() -> int:
    """Print each phrase that was found; return 1 if there is one."""
    known = phrases(PHRASES.read_text(encoding="utf-8"))
    bad = 0
    for path in [Path(name).resolve() for name in sys.argv[1:]] or files():
        for line, phrase, instead in hits(path.read_text(encoding="utf-8"), known):
            sys.stdout.write(f"{path.relative_to(ROOT)}:{line}: {phrase!r}: write {instead}\n")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
