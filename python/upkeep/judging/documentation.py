"""What a gather's parameters are, out of the documentation of its module: said once, read everywhere."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.judging.check import CONNECTION, Check


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


def example(check: Check) -> str:
    """Return an entry for the check as a site writes it, in YAML: with what it needs, and its limits as they are.

    Of a check that no site asks for, a sentence.
    """
    if check.gather == CONNECTION:
        return "no site lists it: it runs whenever a host is connected to"
    limits = {
        name: int(one) if isinstance(one, float) and one.is_integer() else one
        for name, one in dataclasses.asdict(check.limits).items()
        if isinstance(one, bool | int | float | str)
    }
    said = {**check.needs, **limits}
    first = f"check: {check.id}" if said else check.id
    lines = [f"  - {first}", *(f"    {name}: {_flow(one)}" for name, one in said.items())]
    return "\n".join([f"upkeep_checks_{check.family}:", *lines])


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()


def _option(name: str, said: dict[str, Any]) -> Option:
    description = said.get("description", "")
    text = description if isinstance(description, str) else " ".join(map(str, description))
    return Option(
        name, said.get("type", "str"), said.get("default"), bool(said.get("required")), text
    )
