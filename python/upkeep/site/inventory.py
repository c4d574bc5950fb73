"""Read an inventory as Ansible reads it, in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upkeep.model.errors import ConfigurationError
from upkeep.system import child

TIMEOUT_SECONDS = 120
PROGRAM = Path(sys.executable).parent / "ansible-inventory"
ENVIRONMENT = "upkeep_environment"
"""The variable by which hosts of production, staging, … are told apart."""


WHOLE = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True"}
"""Lets Ansible fail where it would go on without the hosts of a source that it cannot read."""


def read_inventory(
    inventory: str,
    limit: str = "",
    environment: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
    stop: child.Stop | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the variables of each host, by name; templates in them are not resolved.

    Raises: ConfigurationError with what Ansible says of an inventory that it cannot read; whole: also if it cannot read
    one of several sources.
    """
    return hosts_of(read_listing(inventory, limit, environment, whole=whole, stop=stop))


def read_listing(
    inventory: str,
    limit: str = "",
    environment: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
    stop: child.Stop | None = None,
) -> dict[str, Any]:
    """Return what `ansible-inventory --list` says, groups too; raise as read_inventory does."""
    return _list(inventory, limit, {**(environment or {}), **(WHOLE if whole else {})}, stop)


def hosts_of(listing: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of each host that is listed, by name."""
    groups = {name: group for name, group in listing.items() if name != "_meta"}
    variables = listing.get("_meta", {}).get("hostvars", {})
    names = {name for group in groups.values() for name in group.get("hosts", ())}
    return {name: variables.get(name, {}) for name in sorted(names | set(variables))}


STATIC = {
    "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml,ansible.builtin.ini,ansible.builtin.toml",
    "ANSIBLE_VARS_ENABLED": "",
    **WHOLE,
}
"""Lets Ansible read files of hosts and groups, and run nothing: no script, no plugin of the site's, no vault."""


def read_static(inventory: Path) -> dict[str, Any] | None:
    """Return what the inventory's files list, without running anything of the site's; None if they do not say it all.

    A script, the configuration of a plugin, or an ansible.cfg that says how an inventory is read: only a run tells.
    Variables are those of the inventory's own files, without group_vars and host_vars.
    """
    config = inventory.parent / "ansible.cfg"
    if config.is_file() and "[inventory]" in config.read_text(encoding="utf-8", errors="replace"):
        return None
    sources = [inventory] if inventory.is_file() else inventory.rglob("*")
    if any(one.is_file() and _is_script(one) for one in sources):
        return None
    own = {name: one for name, one in os.environ.items() if not name.startswith("ANSIBLE_")}
    try:
        return _list(str(inventory), "", STATIC, inherited=own)
    except ConfigurationError:
        return None


def _is_script(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"#!"


@dataclass(frozen=True)
class Place:
    """Where a host stands in the inventory. groups: those that hold its groups too; environment: such as staging."""

    groups: frozenset[str] = frozenset()
    environment: str = ""


def read_places(
    inventory: str,
    environment: Mapping[str, str] | None = None,
    stop: child.Stop | None = None,
) -> dict[str, Place]:
    """Return where each host stands.

    Raises: ConfigurationError as read_inventory does, or if it is stopped.
    """
    listed = _list(inventory, "", environment, stop)
    variables = listed.pop("_meta", {}).get("hostvars", {})
    found: dict[str, set[str]] = {}

    def descend(group: str, above: frozenset[str]) -> None:
        if group in above:
            return
        groups = above | {group}
        for host in listed.get(group, {}).get("hosts", ()):
            found.setdefault(host, set()).update(groups)
        for below in listed.get(group, {}).get("children", ()):
            descend(below, groups)

    for group in listed:
        descend(group, frozenset())
    return {
        host: Place(frozenset(groups), str(variables.get(host, {}).get(ENVIRONMENT, "")))
        for host, groups in found.items()
    }


def _list(
    inventory: str,
    limit: str,
    environment: Mapping[str, str] | None,
    stop: child.Stop | None = None,
    inherited: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return what ansible-inventory lists."""
    command = [str(PROGRAM), "-i", inventory, "--list"]
    command += ["--limit", limit] if limit else []
    told = child.told_environment({"ANSIBLE_NOCOLOR": "1", **(environment or {})}, inherited)
    try:
        done = child.run(command, seconds=TIMEOUT_SECONDS, environment=told, stop=stop)
    except OSError as exc:
        raise ConfigurationError(f"{inventory}: ansible-inventory: {exc}") from exc
    if done.stopped:
        remedy = f"ansible-inventory -i {shlex.quote(inventory)} --list"
        raise ConfigurationError(f"{inventory}: ansible-inventory: {done.stopped}", remedy=remedy)
    if done.status:
        said = " ".join(done.complaint.decode("utf-8", "replace").split())
        raise ConfigurationError(f"{inventory}: {said[:500]}")
    listed: dict[str, dict[str, Any]] = json.loads(done.output)
    return listed
