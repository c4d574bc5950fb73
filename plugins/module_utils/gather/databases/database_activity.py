# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What database servers do now: sessions, locks, replication, and how they are set. It is cheap to ask."""

from __future__ import annotations

from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import (
    ARGUMENTS as DECLARED,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._topics import (
    Asking,
    of_servers,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = DECLARED
TIMEOUT_SECONDS = 60
NETWORK = True
SET = "databases"
TOOLS = ("psql|python:psycopg",)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per server; not getting in is data, as it is of `databases`."""
    asking = Asking("database_activity", SET, params["timeout_seconds"], TIMEOUT_SECONDS)
    return of_servers(params, host, asking)
