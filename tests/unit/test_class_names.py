"""One name for one thing: a class name stands once in the driver and the collection."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "python" / "upkeep", ROOT / "plugins")
EACH = {
    "Limits": "python/upkeep/checks/",
    "ActionModule": "plugins/action/",
    "ModuleDocFragment": "plugins/doc_fragments/",
}
"""What has this name in each file of a folder: the code that loads the file asks for it."""


def test_no_class_name_stands_twice() -> None:
    found = defaultdict(list)
    for path in sorted(one for folder in SOURCES for one in folder.rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        if "/migrations/" in where:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{where}:{node.lineno}")

    assert len(found) > 200
    twice = {name: places for name, places in found.items() if len(places) > 1}
    for name, folder in EACH.items():
        assert all(place.startswith(folder) for place in found[name])
        twice.pop(name, None)
    assert twice == {}
