# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks PostgreSQL."""

from __future__ import annotations

import importlib
import json
import re
import time
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._engine import (
    AccessRefusedError,
    Engine,
    run_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 5432
SOCKETS = ("/var/run/postgresql/.s.PGSQL.*", "/tmp/.s.PGSQL.*")  # noqa: S108 - where servers put them

# Reserved slots are those that ordinary users cannot have; since 16 there are two kinds.
# Who is no member of pg_read_all_stats is not told what kind others' sessions are of, nor their state; those of clients
# are in a database.
QUESTION = """
with client as (select state from pg_stat_activity
  where backend_type = 'client backend' or backend_type is null and datid is not null)
select json_build_object(
  'answer', 40 + 2,
  'version', current_setting('server_version'),
  'in_recovery', pg_is_in_recovery(),
  'max_connections', current_setting('max_connections')::int,
  'reserved_connections', current_setting('superuser_reserved_connections')::int
    + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
  'connections', (select count(*) from client),
  'states', (select coalesce(json_object_agg(state, n), '{}') from (
    select coalesce(state, 'not shown') as state, count(*) as n from client group by 1) as by_state)
)"""


def found(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return the servers that have a socket on this host."""
    servers: list[dict[str, Any]] = []
    for pattern in SOCKETS:
        for path in host.glob(pattern):
            folder, _slash, name = path.rpartition("/")
            port = name.rpartition(".")[2]
            if port.isdigit():  # beside it lies .s.PGSQL.5432.lock
                servers.append(
                    {"kind": "postgresql", "address": folder, "port": int(port), "name": "postgres"}
                )
    return servers, True


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask through psycopg where Python has it, else through psql; both by libpq, so a ~/.pgpass counts."""
    settings = {
        "host": database.get("address") or "localhost",
        "port": str(database.get("port") or PORT),
        "dbname": database.get("name") or "postgres",
        "user": database.get("user") or "",
        "password": database.get("password") or "",
        "sslmode": "require" if database.get("tls") else "",
        "connect_timeout": str(max(2, seconds)),
        "application_name": "upkeep",
        # Without the path, a view of the role or of the database's owner could answer for the server's own.
        "options": f"-c statement_timeout={seconds * 1000} -c default_transaction_read_only=on"
        " -c search_path=pg_catalog,pg_temp",
    }
    settings = {name: value for name, value in settings.items() if value}
    try:
        psycopg: Any = importlib.import_module("psycopg")
    except ImportError:
        return _psql(host, settings, seconds)
    started = time.monotonic()
    try:
        with psycopg.connect(**settings) as connection:
            connected = time.monotonic()
            answer = connection.execute(QUESTION).fetchone()[0]
            asked = time.monotonic()
    except psycopg.Error as exc:
        raise AccessRefusedError(str(exc)) from exc
    times = {"connect_seconds": connected - started, "query_seconds": asked - connected}
    return {**answer, **times, "raw": json.dumps(answer)}


def _psql(host: Host, settings: dict[str, str], seconds: int) -> dict[str, Any]:
    """Ask through psql; the connect time has the start of the program in it."""
    if host.which("psql") is None:
        raise HostError("neither psycopg nor psql is installed")
    names = {"dbname": "PGDATABASE", "application_name": "PGAPPNAME"}
    environment = {
        names.get(key, "PG" + key.replace("_", "").upper()): value
        for key, value in settings.items()
    }
    environment["PGCONNECT_TIMEOUT"] = environment.pop("PGCONNECTTIMEOUT")
    command = ["psql", "-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    command += ["-c", "\\timing on", "-c", QUESTION]
    out, wall = run_client(host, command, seconds, environment=environment)
    return {**parse_psql(out, wall), "raw": out}


def parse_psql(text: str, wall_seconds: float) -> dict[str, Any]:
    """Return the answer and its times from psql's output with timing on.

    Raises: AccessRefusedError if there is none.
    """
    answer = next((line for line in text.splitlines() if line.startswith("{")), "")
    timed = re.search(r"^Time: ([\d.]+) ms", text, re.MULTILINE)
    try:
        data: dict[str, Any] = json.loads(answer)
    except ValueError as exc:
        raise AccessRefusedError(f"psql: no answer in {text[:200]!r}") from exc
    query = float(timed.group(1)) / 1000 if timed else None
    connect = max(0.0, wall_seconds - query) if query is not None else None
    return {**data, "connect_seconds": connect, "query_seconds": query}


ENGINE = Engine("postgresql", PORT, found, ask)
