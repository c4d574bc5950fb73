"""What Python keeps of our collection when Ansible imports it: our files, and nothing else."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host import host
from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.system import bytecode

UTILS = "ansible_collections.astral.upkeep.plugins"


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    bytecode.use()
    bytecode.use()
    assert [one for one in sys.meta_path if one is bytecode._Finder] == [sys.meta_path[0]]
    return bytecode._Finder


@pytest.mark.parametrize("module", [host, payload])
def test_a_file_of_ours_is_loaded_as_python_does(finder: Any, module: Any) -> None:
    name, folder = module.__name__, module.__file__.rpartition("/")[0]

    found = finder.find_spec(name, [folder])

    assert isinstance(found.loader, SourceFileLoader)
    assert (found.name, found.origin) == (name, module.__file__)


@pytest.mark.parametrize(
    "name",
    [
        f"{UTILS}.module_utils.host",  # a folder
        f"{UTILS}.module_utils.host.of_tomorrow",
        f"{UTILS}.modules.observe",
        "ansible_collections.other.upkeep.plugins.module_utils.host.host",
        "json",
    ],
)
def test_all_else_is_left_to_others(finder: Any, name: str) -> None:
    folder = host.__file__.rpartition("/")[0]

    assert (
        finder.find_spec(name, [folder.rpartition("/")[0] if name.endswith(".host") else folder])
        is None
    )
    assert finder.find_spec(name, None) is None
