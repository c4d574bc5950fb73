"""Read an inventory as Ansible reads it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upkeep.errors import ConfigurationError
from upkeep.settings import URLS

TIMEOUT_SECONDS = 120
ENVIRONMENT = "upkeep_environment"
"""The variable by which hosts of production, staging, … are told apart."""


def read_inventory(
    inventory: str, limit: str = "", environment: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the variables of each host, by name; templates in them are not resolved.

    Raises ConfigurationError with what Ansible says of an inventory that it cannot read.
    """
    listed = _list(inventory, limit, environment)
    variables = listed.pop("_meta", {}).get("hostvars", {})
    names = {name for group in listed.values() for name in group.get("hosts", ())}
    return {name: variables.get(name, {}) for name in sorted(names | set(variables))}


@dataclass(frozen=True)
class Place:
    """Where a host stands in the inventory. groups: those that hold its groups too; environment: such as staging."""

    groups: frozenset[str] = frozenset()
    environment: str = ""


def read_places(inventory: str, environment: Mapping[str, str] | None = None) -> dict[str, Place]:
    """Return where each host stands; raise ConfigurationError as read_inventory does."""
    listed = _list(inventory, "", environment)
    variables = listed.pop("_meta", {}).get("hostvars", {})
    found: dict[str, set[str]] = {}

    def descend(group: str, above: frozenset[str]) -> None:
        if group in above:
            return
        groups = above | {group}
        for host in listed.get(group, {}).get("hosts", ()):
            found.setdefault(host, set()).update(groups)
        for child in listed.get(group, {}).get("children", ()):
            descend(child, groups)

    for group in listed:
        descend(group, frozenset())
    return {
        host: Place(frozenset(groups), str(variables.get(host, {}).get(ENVIRONMENT, "")))
        for host, groups in found.items()
    }


def _list(
    inventory: str, limit: str, environment: Mapping[str, str] | None
) -> dict[str, dict[str, Any]]:
    """Return what ansible-inventory lists."""
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", inventory, "--list"]
    command += ["--limit", limit] if limit else []
    told = {name: value for name, value in os.environ.items() if not name.startswith(URLS)}
    try:
        done = subprocess.run(
            command,
            env={**told, "ANSIBLE_NOCOLOR": "1", **(environment or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigurationError(f"{inventory}: ansible-inventory: {exc}") from exc
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ConfigurationError(f"{inventory}: {said[:500]}")
    listed: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return listed
