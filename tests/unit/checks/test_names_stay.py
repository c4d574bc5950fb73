"""A check's name is the name of its findings, series, waivers and silences for ever, or it is renamed on purpose."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from upkeep.judging.check import every
from upkeep.store import MIGRATIONS
from upkeep.store.aliases import Renamed

NAMES = Path(__file__).parents[1] / "recorded" / "check_names.txt"


def renamed() -> set[str]:
    """Return the checks that a migration renames."""
    found = set()
    for path in (MIGRATIONS / "versions").glob("[0-9]*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for one in getattr(module, "RENAMED", ()):
            assert isinstance(one, Renamed)
            found.add(one.check)
    return found


def test_no_check_loses_its_name_without_a_migration_that_renames_it() -> None:
    once = set(NAMES.read_text(encoding="utf-8").split())
    now = set(every())

    assert once - now - renamed() == set(), "give it a Renamed in a migration: store/aliases.py"
    assert now - once == set(), f"add the new names to {NAMES.name}"
