"""A command of ours that an error prints exists, and has the program's path and the site in question."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from upkeep.cli import main
from upkeep.model import remedies

SOURCES = Path(main.__file__).parent
TREE = typer.main.get_command(main.cli)


def text_of(node: ast.AST) -> str:
    """Return a text of the source; what is filled in stands there as 1."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(one) or "1" for one in node.values)
    return ""


def printed() -> Iterator[str]:
    """Yield each remedy of an error in the sources that names a command of ours."""
    for path in sorted(SOURCES.rglob("*.py")):
        if "web" in path.relative_to(SOURCES).parts:
            continue  # a page is no shell
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                text = text_of(node.value)
                if "upkeep " in text.partition(remedies.COMMENT)[0]:
                    yield text


REMEDIES = sorted(set(printed()))


def problems(remedy: str) -> list[str]:
    """Return why a remedy is no command of ours that can be pasted."""
    called, *words = shlex.split(remedy.partition(remedies.COMMENT)[0])
    if called != "upkeep":
        return [f"does not begin with the command: {remedy}"]
    found, names = TREE, []
    while words and words[0] in getattr(found, "commands", {}):
        names.append(words.pop(0))
        found = found.commands[names[-1]]
    options = {one for parameter in found.params for one in (*parameter.opts, "--help")}
    unknown = [one for one in words if one.startswith("-") and one not in options]
    plain = [one for one in words if not one.startswith("-")]
    if hasattr(found, "invoke_without_command") and not (words and words[0].startswith("-")):
        return [f"{' '.join(names)} is a group"]
    most = sum(one.param_type_name == "argument" for one in found.params)
    most += sum(one in options for one in words if one != "--help")
    found_wrong = [f"{' '.join(names)} has no option {one}" for one in unknown]
    if len(plain) > most:
        found_wrong.append(f"{' '.join(names)} takes no words such as {plain[-1]!r}")
    return found_wrong


@pytest.mark.parametrize("remedy", REMEDIES)
def test_a_command_in_an_error_is_one(remedy: str) -> None:
    assert problems(remedy) == []


def test_the_test_itself_sees_what_is_none() -> None:
    assert len(REMEDIES) > 10
    assert problems("upkeep run list lists them")
    assert problems("make room, or: upkeep db upgrade")
    assert problems("upkeep db upgrade --no-such")
    assert not problems("upkeep db upgrade --no-backup  # or make room")


@pytest.mark.parametrize(
    ("remedy", "site", "expected"),
    [
        ("upkeep db upgrade", "my site", "upkeep db upgrade -i 'my site'"),
        ("upkeep run list  # lists them", "s", "upkeep run list -i s  # lists them"),
        ("upkeep run list  # lists them", "", "upkeep run list  # lists them"),
        ("upkeep run list -i other", "s", "upkeep run list -i other"),
        ("upkeep check list  # lists them", "s", "upkeep check list -i s  # lists them"),
        ("upkeep init my-site  # writes one", "s", "upkeep init my-site  # writes one"),
        ("free space there; nothing is lost", "s", "free space there; nothing is lost"),
        ("look at the host's clock", "s", "look at the host's clock"),
        ("", "s", ""),
    ],
    ids=["quoted", "comment", "no site", "said already", "lists", "no option", "words", "apostrophe", "empty"],
)  # fmt: skip
def test_a_command_is_completed(remedy: str, site: str, expected: str) -> None:
    assert remedies.completed(remedy, site, main.takes_site) == expected


@pytest.mark.parametrize(
    ("arguments", "site"),
    [
        (["run", "list", "-i", "a"], "a"),
        (["run", "list", "-ia"], "a"),
        (["run", "list", "--inventory", "a"], "a"),
        (["run", "list", "--inventory=a"], "a"),
        (["run", "list"], ""),
    ],
    ids=["short", "joined", "long", "equals", "none"],
)
def test_the_site_is_the_one_that_was_given(arguments: list[str], site: str) -> None:
    assert main._site_given(arguments) == site
