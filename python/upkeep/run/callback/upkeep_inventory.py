# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a run to its hosts, and write down what Ansible has made of the inventory, as each play begins.

Which hosts the run is for, and in which order: a run that is stopped must name those that it had not begun, and has no
time to ask Ansible once more. Which sources could not be read: Ansible goes on without their hosts, and its warning is
a text among others. A run that has taken its hosts works on no others, and does not begin with half an inventory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import IGNORED
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import inventory_loader
from ansible.utils.path import unfrackpath

CONNECT_VARIABLE = "ansible_ssh_timeout"
CONNECT_SECONDS = 10
"""Ansible's own default."""
CONNECT_SECONDS_LEAST = 5
"""What a host far away on a busy machine may need for the first bytes of SSH."""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Adds a line of JSON for each play to the file `inventory` beside the run's events."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "upkeep_inventory"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Limit all plays to the run's hosts, before any play has counted its own; end Ansible where that fails.

        Ansible would go on after any other exception of a callback.
        """
        folder = os.environ.get("AWX_ISOLATED_DATA_DIR")
        if not folder:
            return
        try:
            turns = read_turns(folder)
            if turns["only"] is None:
                return
            manager = playbook.get_plays()[0].get_variable_manager()._inventory
            keep_to(manager, frozenset(turns["only"]))
            half = unread(manager) if turns["whole"] else []
            if half:
                tell(folder, {"hosts": [], "others": [], "unread": half})
        except Exception as exc:
            raise SystemExit(f"the run cannot be limited to its hosts: {exc!r}") from exc
        if half:
            raise SystemExit(f"not started: a source of the inventory cannot be read: {half[0]}")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Add the play's hosts, all batches of a `serial` together, and the sources that could not be read."""
        folder = os.environ.get("AWX_ISOLATED_DATA_DIR")
        if not folder:
            return
        manager = play.get_variable_manager()._inventory
        turns = read_turns(folder)
        take_turns(manager, turns)
        hosts = [host.name for host in manager.get_hosts(play.hosts, ignore_restrictions=True)]
        seconds = connect_seconds(len(hosts), turns["forks"], turns["seconds"])
        own = C.config.get_config_value_and_origin("DEFAULT_TIMEOUT")[1] != "default"
        everybody = manager._inventory.groups["all"]
        if seconds < CONNECT_SECONDS and not own and CONNECT_VARIABLE not in everybody.vars:
            # As a variable of the group `all`, of which any other of the inventory takes precedence.
            everybody.set_variable(CONNECT_VARIABLE, seconds)
        everybody = getattr(manager, "upkeep_usual", manager.get_hosts)
        those = {host.name for host in everybody(play.hosts, ignore_restrictions=True)}
        others = sorted(those.difference(hosts))
        tell(folder, {"hosts": hosts, "others": others, "unread": unread(manager)})


def read_turns(folder: str) -> dict[str, Any]:
    """Return what the driver says of the run's hosts."""
    with open(os.path.join(folder, "..", "..", "turns.json"), encoding="utf-8") as stream:  # noqa: PTH118, PTH123
        turns: dict[str, Any] = json.load(stream)
    return turns


def tell(folder: str, told: dict[str, Any]) -> None:
    """Report to the driver."""
    with open(os.path.join(folder, "inventory"), "a", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
        stream.write(json.dumps(told) + "\n")


def keep_to(manager: Any, only: Collection[str]) -> None:
    """Limit an InventoryManager to these hosts, by their names, wherever a limit of Ansible's holds.

    In such a limit a name is a pattern: where the host has left the inventory, a group may be called so.
    """
    usual = manager.get_hosts

    def get_hosts(pattern: Any = "all", ignore_limits: bool = False, **options: Any) -> list[Any]:
        hosts = usual(pattern, ignore_limits=ignore_limits, **options)
        return hosts if ignore_limits else [host for host in hosts if host.name in only]

    manager.upkeep_usual = usual
    manager.get_hosts = get_hosts


def connect_seconds(hosts: int, forks: int, seconds: float) -> int:
    """Return how long a connection may take to be made: as usual, or less where hosts are many for the run's time.

    If none of them answers, two runs must reach each of them once. A second of each turn is Ansible's.
    """
    fits = int(2 * seconds * forks / max(hosts, 1)) - 1
    return max(CONNECT_SECONDS_LEAST, min(CONNECT_SECONDS, fits))


def take_turns(manager: Any, turns: dict[str, Any]) -> None:
    """Reorder the hosts of an InventoryManager: first who answered last time, last who did not.

    Ansible knows orders by name only. A live host behind a thousand dead ones would never have its turn.
    """
    if not turns["silent"] or hasattr(manager, "upkeep_turns"):
        return
    answered = set(turns["answered"])
    place = {name: number for number, name in enumerate(turns["silent"], 2)}
    usual = manager.get_hosts

    def get_hosts(*arguments: Any, **options: Any) -> list[Any]:
        hosts = usual(*arguments, **options)
        return sorted(hosts, key=lambda one: 0 if one.name in answered else place.get(one.name, 1))

    manager.upkeep_turns = turns
    manager.get_hosts = get_hosts


def unread(manager: Any) -> list[str]:
    """Return the sources of an InventoryManager that could not be read as what they are."""
    read = {str(one) for one in manager._inventory.processed_sources if one}
    there = list(sources(manager._sources))
    return [one for one in there if one not in read or failed_script(manager, one)]


def failed_script(manager: Any, source: str) -> bool:
    """Return whether a program has failed, and Ansible has then read its text as a list of hosts in INI.

    `#!/bin/false` is an empty one, and a line with another program's path is a host of that name.
    """
    if not os.path.isfile(source) or not os.access(source, os.X_OK):  # noqa: PTH113
        return False
    try:
        with open(source, "rb") as stream:  # noqa: PTH123
            if stream.read(2) != b"#!":
                return False
    except OSError:  # who may run it and not read it has read no INI
        return False
    hosts = manager._inventory.hosts.values()
    given = {host.name for host in hosts if str(host.vars.get("inventory_file")) == source}
    as_ini = InventoryData()
    try:
        inventory_loader.get("ini").parse(as_ini, manager._loader, source)
    except Exception:  # whatever it is, it is no INI: the program has given what there is
        return False
    return set(as_ini.hosts) == given


def sources(given: Any) -> Iterator[str]:
    """Yield each single source, as InventoryManager.parse_source goes through folders."""
    for one in given or ():
        source = str(one) if "," in one else str(unfrackpath(one, follow=False))
        yield from _below(source)


def _below(source: str) -> Iterator[str]:
    if not os.path.isdir(source):  # noqa: PTH112
        yield source
        return
    for name in sorted(os.listdir(source)):  # noqa: PTH208
        if not IGNORED.search(os.fsencode(name)):
            yield from _below(os.path.join(source, name))  # noqa: PTH118
