"""Sites of the lab: the folder that `upkeep -i` takes, for hosts that are up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.fleet import Fleet

SCHEDULE: dict[str, Any] = {
    "procedures": {
        "daily": {
            "title": "Daily procedure",
            "playbook": "astral.upkeep.daily",
            "rule": "FREQ=DAILY;BYHOUR=3;BYMINUTE=0",
            "time_zone": "Europe/Berlin",
            "owner": "DevSecOps",
            "duration": "30 min",
        }
    }
}


def ssh_arguments(fleet: Fleet) -> str:
    """Return what ssh needs to trust the lab's hosts and nobody else."""
    options = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(fleet.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "ConnectTimeout": "10",
    }
    return " ".join(f"-o {name}={value}" for name, value in options.items())


def write_site(
    folder: Path,
    fleet: Fleet,
    groups: Mapping[str, Mapping[str, Any]],
    *,
    settings: Mapping[str, Any] | None = None,
    schedule: Mapping[str, Any] = SCHEDULE,
) -> Path:
    """Write a site and return its folder.

    groups: hosts (name → variables) and vars of each; a host of the fleet gets its address.
    """
    inventory = folder / "inventory"
    (inventory / "group_vars").mkdir(parents=True, exist_ok=True)
    children: dict[str, Any] = {}
    for group, content in groups.items():
        hosts = {}
        for name, variables in content["hosts"].items():
            known = fleet.hosts.get(name)
            address = {"ansible_host": known.address} if known else {}
            hosts[name] = {**address, **(variables or {})}
        children[group] = {"hosts": hosts}
        if content.get("vars"):
            text = yaml.safe_dump(dict(content["vars"]), sort_keys=False)
            (inventory / "group_vars" / f"{group}.yml").write_text(text)
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(fleet.key),
        "ansible_ssh_common_args": ssh_arguments(fleet),
    }
    hosts_file = {"all": {"vars": common, "children": children}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts_file, sort_keys=False))
    (folder / "schedule.yml").write_text(yaml.safe_dump(dict(schedule), sort_keys=False))
    values = {"state": str(folder / "state"), **(settings or {})}
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items()]
    (folder / "upkeep.toml").write_text("".join(lines))
    return folder


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
