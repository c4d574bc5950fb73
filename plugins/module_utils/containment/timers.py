# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A timer that releases the host: whether it is armed."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Dict

from ansible_collections.astral.upkeep.plugins.module_utils.containment.processes import (
    stat_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

UNIT = "upkeep-isolation"
SYSTEMD, PROCESS = "systemd", "process"


@dataclass(frozen=True)
class DeadMan:
    """A timer that is armed. how: systemd or process. started: of the process, in the kernel's ticks."""

    name: str
    how: str
    seconds: int
    pid: int = 0
    started: str = ""

    def as_row(self) -> Dict[str, Any]:
        """Return it as the state keeps it."""
        return asdict(self)


def problem(host: Host, one: DeadMan) -> str:
    """Return why a timer is not armed; empty if it is."""
    if one.how == SYSTEMD:
        return _unit_problem(host, one)
    try:
        fields = stat_of(one.pid)
        if fields[0] == "Z" or fields[19] != one.started:
            return f"its process {one.pid} has ended"
        if fields[0] == "T":
            return f"its process {one.pid} was stopped"
        if fields[3] != str(one.pid):
            return f"its process {one.pid} is in the session of {fields[3]}"
        held = [os.readlink(f"/proc/{one.pid}/fd/{number}") for number in ("0", "1", "2")]
    except (OSError, IndexError):
        return f"its process {one.pid} is gone"
    if any(name.startswith(("socket:", "pipe:")) or "/pts/" in name for name in held):
        return f"its process {one.pid} holds the connection's {', '.join(held)}"
    return ""


def _unit_problem(host: Host, one: DeadMan) -> str:
    unit = f"{UNIT}-{one.name}.timer"
    try:
        shown = host.run(
            ["systemctl", "show", "--property=ActiveState,NextElapseUSecMonotonic", unit]
        ).out
    except HostError as exc:
        return str(exc)
    said = dict(line.partition("=")[::2] for line in shown.splitlines())
    if said.get("ActiveState") != "active":
        return f"{unit} is {said.get('ActiveState') or 'not there'}"
    if said.get("NextElapseUSecMonotonic") in (None, "", "0", "infinity"):
        return f"{unit} has no time at which it ends"
    return ""
