# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: a file."""

from __future__ import annotations

import sqlite3
import time
import urllib.parse
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

HEADER = b"SQLite format 3\0"  # source: SQLite's Database File Format, 1.3


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Open the file for reading only and read its schema.

    A database in write-ahead mode that nobody has open is read as it lies (`immutable`), as SQLite would otherwise
    make a `-shm` file beside it; owned by us, that would shut out the application.
    """
    path = database["name"]
    try:
        head = host.read_head(path, 100)
        if not head.startswith(HEADER):
            found = f"{path}: begins with {head[:16]!r}" if head else f"{path}: empty"
            raise AccessRefusedError(f"{found}; a database of SQLite begins with {HEADER!r}")
        write_ahead = head[18:20] == b"\x02\x02"
        alone = write_ahead and not host.exists(f"{path}-wal")
        if write_ahead and not alone and not host.exists(f"{path}-shm"):
            raise AccessRefusedError(
                "a write-ahead log without an index was left behind; the database was not opened"
            )
    except HostError as exc:
        raise AccessRefusedError(str(exc)) from exc
    flags = "?mode=ro&immutable=1" if alone else "?mode=ro"
    started = time.monotonic()
    try:
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(path)}{flags}", uri=True, timeout=max(1, seconds - 1)
        )
        try:
            connected = time.monotonic()
            tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
            answer = connection.execute("select 40 + 2").fetchone()[0]
            asked = time.monotonic()
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise AccessRefusedError(str(exc)) from exc
    return {
        "answer": answer,
        "version": f"{sqlite3.sqlite_version} (this reader's)",
        "objects": tables,
        "write_ahead": write_ahead,
        "connect_seconds": connected - started,
        "query_seconds": asked - connected,
        "raw": f"{tables} objects in the schema\n",
    }


ENGINE = Engine(kind="sqlite", port=None, ask=ask, expected=42)
