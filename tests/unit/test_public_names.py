"""What others build on keeps its name: modules, playbooks, roles, commands, documents, tables, settings, metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_runner
import pytest

from upkeep.cli.aliases import ALIASES
from upkeep.cli.main import cli
from upkeep.site.settings import ID, Settings
from upkeep.store.tables import metadata

ROOT = Path(__file__).parents[2]
NAMES = Path(__file__).parent / "recorded" / "public_names.txt"
METRICS = ROOT / "python" / "upkeep" / "serve" / "metrics.py"


def collection() -> Iterator[str]:
    """Yield what a playbook names."""
    for kind, paths in (
        ("module", (ROOT / "plugins" / "modules").glob("*.py")),
        ("playbook", (ROOT / "playbooks").glob("*.yml")),
        ("role", (ROOT / "roles").iterdir()),
    ):
        for path in paths:
            yield f"{kind} astral.upkeep.{path.stem}"


def commands(command: Any, *words: str) -> Iterator[str]:
    """Yield each command, with its options and arguments."""
    for one in command.params:
        is_option = one.param_type_name == "option"
        named = sorted(one.opts + one.secondary_opts) if is_option else [one.name.upper()]
        yield " ".join(["command", *words, *named])
    for name, below in getattr(command, "commands", {}).items():
        yield " ".join(["command", *words, name])
        yield from commands(below, *words, name)


def aliases(known: set[str]) -> Iterator[str]:
    """Yield each command under its old name, with the options and arguments of the new one."""
    for old, new in ALIASES.items():
        words = [one for one in new if not one.startswith("-")]
        began = " ".join(["command upkeep", *words])
        for name in known:
            if name == began or name.startswith(f"{began} "):
                yield " ".join(["command upkeep", *old]) + name.removeprefix(began)


def keys(node: object, path: str) -> Iterator[str]:
    """Yield the keys of documents that a schema describes."""
    if isinstance(node, dict):
        for name, one in node.get("properties", {}).items():
            yield f"schema {path}.{name}"
            yield from keys(one, f"{path}.{name}")
        for key, one in node.items():
            if key != "properties":
                yield from keys(one, path)
    elif isinstance(node, list):
        for one in node:
            yield from keys(one, path)


def schemas() -> Iterator[str]:
    """Yield each schema of a JSON document, with its keys."""
    for path in (ROOT / "python" / "upkeep" / "schemas").glob("*.json"):
        name = path.name.removesuffix(".schema.json")
        yield f"schema {name}"
        yield from keys(json.loads(path.read_text(encoding="utf-8")), name)


def names() -> set[str]:
    """Return all public names."""
    found = {*collection(), *commands(command_runner.get_command(cli), "upkeep"), *schemas()}
    found |= set(aliases(found))
    found |= {
        f"column {table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
    }
    found |= {
        "setting id" if name == ID else f"setting UPKEEP_{name.upper()}"
        for name in Settings.model_fields
    }
    metrics = re.findall(r'"(upkeep_[a-z_]+)"', METRICS.read_text(encoding="utf-8"))
    return found | {f"metric {name}" for name in metrics}


@pytest.mark.parametrize(
    ("kind", "at_least"),
    [
        ("module", 18),
        ("playbook", 3),
        ("role", 1),
        ("command", 250),
        ("schema", 300),
        ("column", 300),
        ("setting", 10),
        ("metric", 9),
    ],
)
def test_each_kind_of_name_is_found(kind: str, at_least: int) -> None:
    assert sum(one.startswith(f"{kind} ") for one in names()) >= at_least


def test_no_public_name_goes_and_each_new_one_is_written_down() -> None:
    known = set(NAMES.read_text(encoding="utf-8").splitlines())

    assert known - names() == set(), "others build on it: keep the old name beside the new one"
    assert names() - known == set(), f"add the new names to {NAMES.name}"
