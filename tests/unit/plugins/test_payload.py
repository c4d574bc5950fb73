"""What travels to each host: the sources without what only people read, line for line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload, transport

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FILES = sorted(payload.FOLDER.rglob("*.py"))


def sent(path: Path) -> str:
    name = str(path.relative_to(payload.FOLDER))[: -len(".py")].replace("/", ".")
    return payload._source(name)[0]


def without_docstrings(source: str) -> str:
    """The tree of a source with the line of each statement; docstrings are empty."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant(""), lineno=node.body[0].lineno)
    for node in ast.walk(tree):
        for column in ("col_offset", "end_col_offset", "end_lineno"):
            if hasattr(node, column):
                setattr(node, column, 0)
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_sent_does_the_same_on_the_same_lines(path: Path) -> None:
    source = path.read_text("utf-8")

    bare = sent(path)

    assert len(bare.splitlines()) == len(source.splitlines())
    assert without_docstrings(bare).replace("lineno=0", "") == without_docstrings(source).replace(
        "lineno=0", ""
    )
    assert len(bare) < len(source)
    assert payload.IMPORT.findall(source) == [
        (node.module or "").removeprefix(f"{payload.SHARED}.")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(payload.SHARED)
    ]


@pytest.mark.parametrize(
    ("source", "bare"),
    [
        ('"""Module."""\nx = 1  # why\n', "''\nx = 1  # why\n"),
        ("# why\nx = 1\n", "\nx = 1\n"),
        ('def f():\n    """One.\n\n    Two.\n    """\n', "def f():\n ''\n\n\n\n"),
        ('x = """\n# no comment\n"""\n', 'x = """\n# no comment\n"""\n'),
        ('def f():\n    return """\n  # text {0}\n"""\n', 'def f():\n return """\n  # text {0}\n"""\n'),
        ('x = f"""\n# {1}\n"""\n', 'x = f"""\n# {1}\n"""\n'),
        ("x = '#'  # a \"quote\n# why\n", "x = '#'  # a \"quote\n\n"),
        ("x = 'a\\'#'\n# why\n", "x = 'a\\'#'\n\n"),
        ('if x:\n    """{}""".format(x)\n', 'if x:\n """{}""".format(x)\n'),
        ("if x:\n    # why\n    pass\n", "if x:\n\n pass\n"),
        ("if x:\n    f(\n        1,\n    )\n", "if x:\n f(\n  1,\n )\n"),
        ('class A:\n    "Text."\n    b = "# no comment"\n', 'class A:\n \'\'\n b = "# no comment"\n'),
    ],
)  # fmt: skip
def test_docstrings_lines_of_comments_and_room_at_their_beginning_are_left_out(
    source: str, bare: str
) -> None:
    assert payload._bare(source) == bare


def size(gathers: list[str]) -> int:
    return len(payload.build([(name, {}) for name in gathers], 60, transport.new_nonce()))


@pytest.mark.parametrize("name", sorted(payload.gathers()))
def test_the_program_of_each_gather_stays_small(name: str) -> None:
    assert size([name]) < 110_000


def test_the_whole_program_stays_small() -> None:
    """No host is asked for all: a backup host is none of the web."""
    assert size(sorted(payload.gathers())) < 330_000
