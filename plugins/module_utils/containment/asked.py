# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of an isolation, within its bounds."""

from __future__ import annotations

import secrets
import time
from typing import Any, Dict, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    network_of,
    port_of,
)

CONFIRM_SECONDS = (10, 600)
LONGEST_HOURS = (1, 24 * 14)
OVERRIDABLE = [
    "network_storage",
    "network_login",
    "router",
    "hypervisor",
    "cluster_member",
    "only_database",
    "tunnel",
    "controller",
    "too_many_hosts",
    "connection",
    "unseen",
]
"""What may stand against an isolation and be overridden; see obstacles.py."""


def bounded(asked: Dict[str, Any], name: str, limits: Tuple[int, int]) -> int:
    """Return a number that is asked for; the least if none is.

    Raises: IsolationError if it is out of its limits.
    """
    value = int(asked.get(name) or limits[0])
    if not limits[0] <= value <= limits[1]:
        raise IsolationError(f"{name}: found {value}; expected {limits[0]} to {limits[1]}")
    return value


def target_of(entry: Any, number: int) -> Tuple[str, int]:
    """Return address and port of what the site wants to be tried.

    Raises: IsolationError if it is neither.
    """
    where = f"isolation_probe, entry {number}"
    if not isinstance(entry, dict):
        raise IsolationError(f"{where}: found {str(entry)[:80]!r}; expected to and port")
    address = network_of(entry.get("to"), f"{where}, to").network_address
    return str(address), port_of(entry.get("port"), f"{where}, port")


def new_id() -> str:
    """Return what names an isolation, and when it began."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"


def source_of(module: Any) -> str:
    """Return a module's own text, also out of the archive in which Ansible sends it.

    Raises: IsolationError if it is not there.
    """
    text: str | None = module.__loader__.get_source(module.__name__)
    if text is None:
        raise IsolationError(f"{module.__name__}: its text is not there")
    return text
