"""What a gather's parameters are, out of the documentation of its module: said once, read everywhere."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import CONNECTION


@dataclass(frozen=True)
class Option:
    """A parameter as ansible-doc shows it. default: None if there is none."""

    name: str
    type: str
    default: Any
    required: bool
    description: str


def options_of(gather: str) -> list[Option]:
    """Return the gather's parameters, in the order of their documentation; the connection has none."""
    if gather == CONNECTION:
        return []
    path = payload.FOLDER.parent / "modules" / f"{gather}_info.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            documented = yaml.safe_load(ast.literal_eval(node.value)).get("options") or {}
            return [_option(name, said) for name, said in documented.items()]
    return []


def _option(name: str, said: dict[str, Any]) -> Option:
    description = said.get("description", "")
    text = description if isinstance(description, str) else " ".join(map(str, description))
    return Option(
        name, said.get("type", "str"), said.get("default"), bool(said.get("required")), text
    )
