# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer, a pool in front of PostgreSQL: what its console shows, which knows SHOW and the simple protocol alone."""

from __future__ import annotations

import importlib
import json
import re
import secrets
import time
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    Patience,
    TopicAnswers,
    is_late,
    run_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    environment_of,
    settings_of,
    sockets,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 6432
CONSOLE = "pgbouncer"
NAME = "PgBouncer"
MOST_POOLS = 100
LOOK_AGAIN_SECONDS = 1.0
CONNECTED = ("sv_active", "sv_idle", "sv_used", "sv_tested")
SEPARATOR = "\x1f"

Rows = List[Dict[str, str]]


def found(host: Host) -> Tuple[List[Dict[str, Any]], bool]:
    """Return the pools that have a socket on this host: it is like a server's, but no lock lies beside it."""
    pools: List[Dict[str, Any]] = [
        {"kind": "pgbouncer", "address": folder, "port": port}
        for folder, port, locked in sockets(host)
        if not locked
    ]
    return pools, True


def ask(host: Host, database: Dict[str, Any], seconds: int) -> Dict[str, Any]:
    """Ask for the version, and how many of its clients' connections are in use."""
    shown, connect_seconds, query_seconds = _show(
        host, database, ("VERSION", "LISTS", "CONFIG"), seconds
    )
    kind, version = _version(shown["VERSION"])
    lists = {row.get("list"): row.get("items") for row in shown["LISTS"]}
    most = {row.get("key"): row.get("value") for row in shown["CONFIG"]}.get("max_client_conn")
    answer = {
        "answer": kind,
        "version": version,
        "connections": _whole(lists.get("used_clients")),
        "max_connections": _whole(most),
        "reserved_connections": 0,
    }
    times = {"connect_seconds": connect_seconds, "query_seconds": query_seconds}
    return {**answer, **times, "raw": json.dumps(answer)}


def read(host: Host, database: Dict[str, Any], gather: str, seconds: float) -> TopicAnswers:
    """Read the pools."""
    shown, _connect, _query = _show(host, database, ("VERSION", "POOLS", "DATABASES"), seconds)
    answers = TopicAnswers({"version": _version(shown["VERSION"])[1]})
    if not shown["POOLS"]:  # its own is always there
        answers.unread["pools"] = "SHOW POOLS gave nothing"
        return answers
    pools = parse_pools(shown["POOLS"], shown["DATABASES"])
    before = {_name(one) for one in pools if is_stranded(one)}
    if before:
        # While PgBouncer cannot log in to the server, it does not count how long its clients wait.
        time.sleep(LOOK_AGAIN_SECONDS)
        again, _connect, _query = _show(host, database, ("POOLS",), seconds)
        pools = parse_pools(again["POOLS"], shown["DATABASES"])
        for one in pools:
            if is_stranded(one) and _name(one) in before:
                one["max_wait_seconds"] = max(LOOK_AGAIN_SECONDS, one["max_wait_seconds"])
    answers.values["pools"] = worst_first(pools)[:MOST_POOLS]
    return answers


def crowded(host: Host, console: Dict[str, Any], database: Dict[str, Any], seconds: int) -> str:
    """Return that a pool has no connection for another client of a database, as its console says it."""
    shown, _connect, _query = _show(host, console, ("POOLS", "DATABASES"), seconds)
    name = database.get("name") or "postgres"
    return full(name, shown["POOLS"], shown["DATABASES"])


def full(name: str, pools: Rows, databases: Rows) -> str:
    """Return that all connections of a database's fullest pool are in use, and how many wait; empty if one is free.

    One that an administrator has paused gives none to anybody.

    Source: PgBouncer, usage: SHOW POOLS, SHOW DATABASES.
    """
    if name in paused(databases):
        return f'the pool is paused: RESUME "{name}" on the console of PgBouncer ends that'
    sizes = [_whole(row.get("pool_size")) or 0 for row in databases if row.get("name") == name]
    said: List[Tuple[int, int]] = []
    for row in pools:
        free = sum(_whole(row.get(one)) or 0 for one in CONNECTED[1:])
        used, waiting = _whole(row.get("sv_active")) or 0, _whole(row.get("cl_waiting")) or 0
        is_full = used and not free and (waiting or used >= min(sizes, default=used + 1))
        if row.get("database") == name and is_full:
            said.append((waiting, used))
    if not said:
        return ""
    waiting, used = max(said)
    clients = "1 client waits" if waiting == 1 else f"{waiting} clients wait"
    return (
        f"the pool is full: {clients}, and each of its {used} connections to the server is in use"
    )


def _name(pool: Dict[str, Any]) -> Tuple[str, str]:
    return pool["database"], pool["account"]


def is_stranded(pool: Dict[str, Any]) -> bool:
    """Say whether clients of a pool wait, and it has no connection to the server."""
    return bool(pool["waiting"] and not pool["servers"])


def worst_first(pools: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return those first that have no connection to give, then those whose clients wait for longest."""
    return sorted(
        pools, key=lambda one: (not is_stranded(one), -one["max_wait_seconds"], -one["waiting"])
    )


def paused(databases: Rows) -> Set[str]:
    """Return the databases of SHOW DATABASES that an administrator has paused."""
    return {row.get("name", "") for row in databases if row.get("paused") == "1"}


def parse_pools(rows: Rows, databases: Rows) -> List[Dict[str, Any]]:
    """Return the pools of SHOW POOLS without the console's own."""
    stopped = paused(databases)
    return [
        {
            "database": row.get("database", "")[:63],
            "account": row.get("user", "")[:63],
            "clients": _whole(row.get("cl_active")) or 0,
            "waiting": _whole(row.get("cl_waiting")) or 0,
            "servers": sum(_whole(row.get(name)) or 0 for name in CONNECTED),
            "max_wait_seconds": (_whole(row.get("maxwait")) or 0)
            + (_whole(row.get("maxwait_us")) or 0) / 1e6,
            "mode": row.get("pool_mode", "")[:20],
            "paused": row.get("database") in stopped,
        }
        for row in rows
        if row.get("database") != CONSOLE
    ]


def _version(rows: Rows) -> Tuple[str, str]:
    """Return `PgBouncer` and `1.18.0`; before version 1.12, it was told as a notice, and both are empty."""
    kind, _space, version = "".join(rows[0].values() if rows else "").partition(" ")
    return kind[:40], version[:40]


def _whole(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdigit() else None


def _show(
    host: Host, database: Dict[str, Any], names: Sequence[str], seconds: float
) -> Tuple[Dict[str, Rows], float, float | None]:
    """Return what SHOW gives by name, and how long connecting and the first one took."""
    settings = settings_of(database, PORT, CONSOLE, seconds)
    try:
        psycopg: Any = importlib.import_module("psycopg")
    except ImportError:
        return _through_psql(host, settings, names, seconds)
    began = time.monotonic()
    patience = Patience(seconds)
    shown: Dict[str, Rows] = {}
    try:
        with psycopg.connect(**settings, autocommit=True, prepare_threshold=None) as connection:
            connected = asked = time.monotonic()
            for name in names:
                cursor = connection.execute(f"SHOW {name}")
                columns = [one.name for one in cursor.description or ()]
                texts = [["" if one is None else str(one) for one in row] for row in cursor]
                shown[name] = [dict(zip(columns, row)) for row in texts]
                asked = time.monotonic() if len(shown) == 1 else asked
    except psycopg.Error as exc:
        if is_late(str(exc)):
            raise patience.refused() from exc
        raise AccessRefusedError(str(exc)) from exc
    return shown, connected - began, asked - connected


def _through_psql(
    host: Host, settings: Mapping[str, str], names: Sequence[str], seconds: float
) -> Tuple[Dict[str, Rows], float, float | None]:
    """Ask through psql; the connect time has the start of the program, and all questions, in it."""
    if host.which("psql") is None:
        raise HostError("neither psycopg nor psql is installed")
    nonce = secrets.token_hex(8)
    lines = [f"\\echo {nonce} {name}\nSHOW {name};\n" for name in names]
    command = ["psql", "-X", "-w", "-q", "-A", "-F", SEPARATOR, "-P", "footer=off", "-f", "-"]
    out, wall = run_client(
        host,
        command,
        seconds,
        environment=environment_of(settings),
        input_text="".join(lines),
    )
    return parse_psql_tables(out, nonce, names), wall, None


def parse_psql_tables(text: str, nonce: str, names: Sequence[str]) -> Dict[str, Rows]:
    """Return the rows of unaligned tables with headers, each of which follows a line of the nonce and its name."""
    shown: Dict[str, Rows] = {name: [] for name in names}
    name, header = "", None
    for line in text.splitlines():
        if line.startswith(f"{nonce} "):
            name, header = line[len(nonce) + 1 :], None
        elif name in shown and header is None:
            header = line.split(SEPARATOR)
        elif name in shown and header is not None:
            shown[name].append(dict(zip(header, line.split(SEPARATOR))))
    return shown


ENGINE = Engine(
    kind="pgbouncer",
    port=PORT,
    ask=ask,
    expected=NAME,
    found=found,
    topics={"database_activity": ("pools",)},
    read=read,
    # A pool of another make has the same sockets and no such console: it answers, and refuses us.
    denied=re.compile(
        r"authentication failed|not allowed|does not exist|no such (user|database)|password|auth failed",
        re.IGNORECASE,
    ),
    saturated=re.compile(r"no more connections allowed", re.IGNORECASE),
    before="postgresql",
    crowded=crowded,
    holders="psql -p 6432 -U pgbouncer -d pgbouncer -c 'SHOW CLIENTS'",
)
