# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of database that there are. A new one is a file in engines/ and has its lines here.

They are imported by name, as a host is sent what a file imports and nothing else; a test compares them with the files.
"""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Engine
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.mariadb import (
    ENGINE as MARIADB,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.pgbouncer import (
    ENGINE as PGBOUNCER,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.postgresql import (
    ENGINE as POSTGRESQL,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.redis import (
    ENGINE as REDIS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.sqlite import (
    ENGINE as SQLITE,
)

ENGINES: Dict[str, Engine] = {
    one.kind: one for one in (POSTGRESQL, PGBOUNCER, MARIADB, REDIS, SQLITE)
}


def server(database: Dict[str, Any]) -> str:
    """Return the server of a database as a subject: `postgresql 127.0.0.1:5432`; a file is its own."""
    if database["kind"] == "sqlite":
        return f"sqlite {database['name']}"
    return f"{database['kind']} {place(database)}"


def subject(database: Dict[str, Any]) -> str:
    """Return `postgresql shop@127.0.0.1:5432/orders`, without what is not declared.

    Of a socket that has no port, a colon ends the path: `mariadb shop@/run/mysqld/mysqld.sock:/orders`.
    """
    if database["kind"] == "sqlite":
        return f"sqlite {database['name']}"
    user = f"{database['user']}@" if database.get("user") else ""
    name = f"/{database['name']}" if database.get("name") else ""
    at = place(database)
    ended = ":" if name and at.startswith("/") and at == database.get("address") else ""
    return f"{database['kind']} {user}{at}{ended}{name}"


def place(database: Dict[str, Any]) -> str:
    """Return the address and port; of a socket that has no port, the path alone."""
    kind = database["kind"]
    address = database.get("address") or "localhost"
    if ":" in address:
        address = f"[{address}]"
    if address.startswith("/") and kind not in ("postgresql", "pgbouncer"):
        return str(address)
    return f"{address}:{database.get('port') or ENGINES[kind].port}"
