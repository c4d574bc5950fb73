"""What a function raises stands on a line of its own, where a reader looks for it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "python/upkeep", "plugins/action", "plugins/plugin_utils", "plugins/module_utils",
)  # fmt: skip
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
ERROR = r"(?:[A-Z]\w*\.)?[A-Z]\w+Error|SystemExit|UsageError"


def told_aside(docstring: str) -> list[str]:
    """The lines that tell in running text what is raised. A function that does nothing else may begin with it."""
    first, *others = docstring.splitlines() or [""]
    lines = others if re.match(rf"Raise (?:{ERROR})\b", first) else [first, *others]
    return [
        line
        for line in lines
        if re.search(rf"\b[Rr]aises? (?:{ERROR})\b", line)
        and not line.lstrip().startswith("Raises: ")
    ]


@pytest.mark.parametrize(
    ("docstring", "aside"),
    [
        ("Return it; raise ValueError if it is none.", 1),
        ("Return it.\n\nOf both. Raises ValueError if it is none.", 1),
        ("Return it.\n\nRaises ValueError.", 1),
        ("Return it.\n\nRaises: ValueError.", 0),
        ("Raise ValueError if it is none.", 0),
        ("Raise ValueError.\n\nAnd raise TypeError.", 1),
        ("Return what it raises.", 0),
    ],
)
def test_the_test_sees_what_it_looks_for(docstring: str, aside: int) -> None:
    assert len(told_aside(docstring)) == aside


def test_what_is_raised_stands_on_its_own_line() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {line.strip()}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for line in told_aside(ast.get_docstring(node) or "")
    ]

    assert found == []
