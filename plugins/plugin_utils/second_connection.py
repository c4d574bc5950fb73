# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second connection to a host, beside the one that an action has: the same way, as the same account."""

from __future__ import annotations

import copy
from typing import Any

UNSHARED = "-o ControlMaster=no -o ControlPath=none -o ControlPersist=no"


def beside(action: Any, *, is_new: bool = False) -> Any:
    """Return a copy of the action with a connection of its own: what that knows of a prompt is of one command.

    is_new: whether it must be a new one of the network's, and none that ssh has kept from before.
    """
    other = copy.copy(action)
    connection = other._connection = copy.copy(action._connection)
    connection._shell = copy.copy(connection._shell)
    connection.become = copy.copy(connection.become)
    connection._options = dict(connection._options)
    if connection.transport == "ssh":
        connection._options["reconnection_retries"] = 0
        if is_new:  # of each option ssh takes what it reads first
            given = connection._options.get("ssh_args") or ""
            connection._options["ssh_args"] = f"{UNSHARED} {given}".strip()
    return other
