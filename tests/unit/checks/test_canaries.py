"""Canaries stay what today's gathers give, and a wheel carries them."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hatchling.builders.wheel import WheelBuilder

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.canaries import SUFFIX, canary_of
from upkeep.judging.check import CONNECTION, load

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "python"
CANARIES = sorted((PACKAGE / "upkeep" / "checks").rglob(f"*{SUFFIX}"))
GATHERED = sorted(name for name, one in load().items() if one.gather != CONNECTION)
LIBRARY = "ansible_collections.astral.upkeep.plugins.module_utils"


@pytest.fixture
def made_anew(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("canaries")


def test_a_canary_of_a_recorded_file_is_what_the_gather_makes_of_it_today(
    made_anew: ModuleType,
) -> None:
    found = dict(made_anew.made_anew())
    recorded = [path for path in CANARIES if "recorded" in json.loads(path.read_text("utf-8"))]

    assert sorted(found) == recorded
    assert len(recorded) > 3
    old = [path.name for path, text in found.items() if path.read_text("utf-8") != text]
    assert old == [], "tools/canaries.py makes them anew"


def sources(module: ModuleType) -> Iterator[str]:
    """The text of a gather, and of what it uses of the library."""
    known: set[str] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one.__name__ not in known:
            known.add(one.__name__)
            text = inspect.getsource(one)
            yield text
            names = [
                node.module or ""
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.ImportFrom)
            ]
            waiting += [
                found
                for name in names
                if name.startswith(LIBRARY)
                if (found := sys.modules.get(name)) is not None and found.__file__
            ]


def words(text: str) -> Iterator[str]:
    """What a program names: its texts, keywords and fields."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@pytest.mark.parametrize("name", GATHERED)
def test_a_canary_has_no_field_that_its_gather_does_not_know(name: str) -> None:
    check = load()[name]
    canary = canary_of(check)
    assert canary is not None
    module = payload.gathers()[check.gather]
    known = {word for text in sources(module) for word in words(text)}

    assert set(canary.observation.data) - known == set()


def test_a_wheel_carries_each_canary_and_each_schema(tmp_path: Path) -> None:
    """A check without its canary would go on unproved, and say nothing."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())

    schemas = (PACKAGE / "upkeep" / "schemas").glob("*.json")
    wanted = {path.relative_to(PACKAGE).as_posix() for path in (*CANARIES, *schemas)}
    assert len(wanted) > len(GATHERED)
    assert wanted - carried == set()
