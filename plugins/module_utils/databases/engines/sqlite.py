# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: a file. It is only read, nothing is made beside it, and its application is not kept waiting for long."""

from __future__ import annotations

import sqlite3
import time
import urllib.parse
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._sqlite_file import (
    flags_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._sqlite_objects import (
    TOPICS,
    cause_of,
    read,
    why_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Open the file for reading only and read its schema."""
    path = database["name"]
    flags, write_ahead = flags_of(host, path)
    started = time.monotonic()
    try:
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(path)}?{flags}", uri=True, timeout=max(1, seconds - 1)
        )
        try:
            connected = time.monotonic()
            tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
            answer = connection.execute("select 40 + 2").fetchone()[0]
            asked = time.monotonic()
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise AccessRefusedError(why_of(exc), cause_of(exc)) from exc
    return {
        "answer": answer,
        "version": f"{sqlite3.sqlite_version} (this reader's)",
        "objects": tables,
        "write_ahead": write_ahead,
        "connect_seconds": connected - started,
        "query_seconds": asked - connected,
        "raw": f"{tables} objects in the schema\n",
    }


ENGINE = Engine(
    kind="sqlite",
    port=None,
    ask=ask,
    expected=42,
    topics={"database_objects": TOPICS},
    read=read,
)
