# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in databases, and how well it is kept: tables, indexes, sequences. Asked daily or less often."""

from __future__ import annotations

from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import (
    ARGUMENTS as DECLARED,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._topics import (
    Asking,
    of_databases,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = {
    **DECLARED,
    "catalog_seconds": {"type": "int", "default": 60},
}
TIMEOUT_SECONDS = 180
NETWORK = True
LIMIT_BYTES = 4_000_000
SET = "databases"
TOOLS = ("psql|python:psycopg",)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per database; not getting in is data, as it is of `databases`."""
    asking = Asking("database_objects", SET, params["catalog_seconds"], TIMEOUT_SECONDS)
    return of_databases(params, host, asking)
