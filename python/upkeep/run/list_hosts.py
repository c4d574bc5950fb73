"""List the hosts that a playbook works on and where each of them is: a program that stands in for ansible-playbook.

    python list_hosts.py FILE PLAYBOOK --list-hosts ANSIBLE'S OPTIONS

Only Ansible knows what its patterns match. The names, where they lead, and which sources of the inventory could not be
read come from one reading of it: a second one may be given another inventory. FILE says what is known so far; Ansible's
own list is for people, and a name may look like two in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import cli
from ansible.cli import playbook
from ansible.inventory.manager import InventoryManager

from upkeep.run.callback.upkeep_inventory import unread

ANSWER = Path(sys.argv[1])


def answer(**known: Any) -> None:
    """Record what is known, whole."""
    draft = ANSWER.with_suffix(".new")
    draft.write_text(json.dumps(known), encoding="utf-8")
    draft.rename(ANSWER)


def machine(host: str, variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where the inventory says that a host is; None if it does not, or not to us, as what is encrypted."""
    # They import our collection, which must be found by Ansible's own importer: that is there by now.
    from upkeep.site.connections import VAULTED
    from upkeep.site.machines import machine_of

    plain = json.dumps(variables, default=lambda _one: {VAULTED: ""}, skipkeys=True)
    found = machine_of(host, json.loads(plain))
    return asdict(found) if found else None


class ListedInventory(InventoryManager):  # type: ignore[misc]
    """Says which source it is reading, for it may not come back."""

    def parse_source(self, source: Any, cache: bool = False) -> Any:
        """Read one source, or all of a folder."""
        answer(reads=str(source))
        return super().parse_source(source, cache=cache)


class Executor(playbook.PlaybookExecutor):  # type: ignore[misc]
    """Writes down the hosts of all plays, in their order."""

    def run(self) -> Any:
        """Return what Ansible lists."""
        listed = super().run()
        found: dict[str, Any] = {}
        for play in (play for entry in listed for play in entry["plays"]):
            for host in self._inventory.get_hosts(play.hosts):
                if host.name not in found:
                    variables = self._variable_manager.get_vars(host=host, include_hostvars=False)
                    found[host.name] = machine(host.name, variables)
        answer(hosts=found, unread=unread(self._inventory))
        return listed


class Lister(playbook.PlaybookCLI):  # type: ignore[misc]
    """Ansible's own command, which says too when a limit leaves no host."""

    inventory: Any = None

    def _play_prereqs(self) -> Any:
        found = super()._play_prereqs()
        self.inventory = found[1]
        answer(unread=unread(self.inventory))
        return found

    def run(self) -> Any:
        """Return the exit status."""
        try:
            return super().run()
        except playbook.AnsibleError:
            if self.inventory is not None and not self.inventory.list_hosts():
                answer(hosts={}, unread=unread(self.inventory))
            raise


if __name__ == "__main__":
    playbook.PlaybookExecutor = Executor
    cli.InventoryManager = ListedInventory
    Lister.cli_executor(["ansible-playbook", *sys.argv[2:]])
