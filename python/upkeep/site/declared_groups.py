"""The groups that an inventory's files declare, and the owners' rules that name another one.

Files of hosts in YAML alone say them at once; for anything else Ansible must be asked, which takes a second.
`upkeep schedule lint` and `upkeep doctor` ask it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from upkeep.model.errors import ConfigurationError
from upkeep.model.nearest import nearest
from upkeep.site.schedule_file import Schedule
from upkeep.site.yaml_file import YamlFile
from upkeep.site.yaml_file import load as load_yaml

VARIABLES = ("group_vars", "host_vars")
OF_ANSIBLE = ("all", "ungrouped")
"""Groups that are there without a declaration."""


def unknown_groups(schedule: Schedule, inventory: Path, file: YamlFile) -> Iterator[str]:
    """Yield the owners' rules that name a group that the inventory does not declare, as lines with their place.

    Nothing is yielded if the files do not say all groups.
    """
    known = declared_groups(inventory)
    if known is None:
        return
    for index, rule in enumerate(schedule.alerts.owners):
        if rule.group is not None and rule.group not in known:
            place = file.place(("alerts", "owners", index, "group"))
            there = f"there is no group {rule.group!r}{nearest(rule.group, known)}"
            yield f"{place}: alerts.owners.{index}.group: {there}"


def declared_groups(inventory: Path) -> frozenset[str] | None:
    """Return the groups that an inventory's YAML files declare; None if other sources may declare more."""
    groups = set(OF_ANSIBLE)
    sources = [inventory] if inventory.is_file() else sorted(inventory.rglob("*"))
    for path in sources:
        inside = path.relative_to(inventory).parts
        if not path.is_file() or any(one in VARIABLES or one.startswith(".") for one in inside):
            continue
        try:
            value = load_yaml(path).value if path.suffix in (".yml", ".yaml") else None
        except ConfigurationError:
            return None
        if not isinstance(value, Mapping) or "plugin" in value:
            return None
        groups |= set(_named_in(value))
    return frozenset(groups)


def _named_in(groups: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the groups of a mapping of groups, and those below each."""
    for name, group in groups.items():
        yield str(name)
        children = group.get("children") if isinstance(group, Mapping) else None
        if isinstance(children, Mapping):
            yield from _named_in(children)
