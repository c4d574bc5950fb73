# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases as a client sees them: does it get in, is a trivial question answered, how fast, how full is the pool."""

from __future__ import annotations

import importlib
import json
import re
import sqlite3
import ssl
import time
import urllib.parse
from functools import partial
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.children import side_by_side
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

ARGUMENTS: dict[str, dict[str, Any]] = {
    "databases": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {
                "type": "str",
                "required": True,
                "choices": ["postgresql", "mariadb", "redis", "sqlite"],
            },
            "name": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "user": {"type": "str", "default": ""},
            "password": {"type": "str", "default": "", "no_log": True},
            "tls": {"type": "bool", "default": False},
        },
    },
    "discover": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 8},
}
TIMEOUT_SECONDS = 60
SET = "databases"
TOOLS = ("psql|python:psycopg",)
RAW_LIMIT_CHARACTERS = 8_000
PORTS = {"postgresql": 5432, "mariadb": 3306, "redis": 6379}
SQLITE = b"SQLite format 3\0"  # source: SQLite's Database File Format, 1.3
POSTGRESQL_SOCKETS = ("/var/run/postgresql/.s.PGSQL.*", "/tmp/.s.PGSQL.*")  # noqa: S108 - where servers put them
MARIADB_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")

# Reserved slots are those that ordinary users cannot have; since 16 there are two kinds.
# Who is no member of pg_read_all_stats is not told what kind others' sessions are of, nor their state; those of clients
# are in a database.
POSTGRESQL_QUESTION = """
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
MARIADB_QUESTION = """
select 'answer', 40 + 2 union all select 'version', version() union all select 'read_only', @@global.read_only
union all select 'max_connections', @@global.max_connections;
show global status where variable_name in ('Threads_connected', 'Threads_running', 'Max_used_connections',
  'Connection_errors_max_connections', 'Aborted_connects', 'Uptime')"""
DENIED = re.compile(
    r"authentication failed|role .* does not exist|no pg_hba\.conf entry|permission denied|no password supplied"
    r"|ERROR (1044|1045|1698)\b|\b(NOAUTH|WRONGPASS|NOPERM)\b",
    re.IGNORECASE,
)
SATURATED = re.compile(
    r"too many clients|remaining connection slots|too many connections|ERROR (1040|1203|1226)\b"
    r"|max number of clients reached",
    re.IGNORECASE,
)


class AccessRefusedError(Exception):
    """The database could not be used; the text is its own reason, or the system's."""


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared database, and per one found on this host of a kind that none is declared of.

    Not getting in is data (`connected` false, `reason`): it is what was asked. An error says that there are no means
    to ask.
    """
    wanted = {subject(database): (database, True) for database in params["databases"]}
    whole = True
    if params["discover"]:
        kinds = {database["kind"] for database in params["databases"]}
        found, whole = discovered(host)
        for database in found:
            if database["kind"] not in kinds:
                wanted.setdefault(subject(database), (database, False))
    seconds = params["timeout_seconds"]
    answers = side_by_side(
        {
            name: partial(probe, host, database, seconds)
            for name, (database, _shown) in wanted.items()
        },
        seconds + 2,
    )
    seen = []
    for name, (database, declared) in wanted.items():
        answer = answers[name]
        if answer.error.startswith("no answer within"):  # the child itself hangs, in a library
            data = _refusal(f"no answer within {seconds} s")
        elif answer.error:
            seen.append(Observation(name, error=_scrub(answer.error, database), of=SET))
            continue
        else:
            data = answer.value
        raw = _scrub(data.pop("raw", "") or data.get("reason", ""), database)
        data["reason"] = _scrub(data["reason"], database)
        data = {"kind": database["kind"], "declared": declared, **data}
        seen.append(Observation(name, data, raw=raw[:RAW_LIMIT_CHARACTERS], of=SET))
    return Whole(seen, [SET]) if whole else seen


def subject(database: dict[str, Any]) -> str:
    """Return `postgresql shop@127.0.0.1:5432/orders`, without what is not declared."""
    if database["kind"] == "sqlite":
        return f"sqlite {database['name']}"
    user = f"{database['user']}@" if database.get("user") else ""
    address = database.get("address") or "localhost"
    if ":" in address:
        address = f"[{address}]"
    port = f":{database.get('port') or PORTS[database['kind']]}"
    if address.startswith("/") and database["kind"] != "postgresql":
        port = ""
    name = f"/{database['name']}" if database.get("name") else ""
    return f"{database['kind']} {user}{address}{port}{name}"


def discovered(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return databases that listen on this host where their packages put them, and whether those are all.

    Nobody's password is tried.
    """
    found: list[dict[str, Any]] = []
    for pattern in POSTGRESQL_SOCKETS:
        for path in host.glob(pattern):
            folder, _slash, name = path.rpartition("/")
            port = name.rpartition(".")[2]
            if port.isdigit():  # beside it lies .s.PGSQL.5432.lock
                found.append(
                    {"kind": "postgresql", "address": folder, "port": int(port), "name": "postgres"}
                )
    found += [
        {"kind": "mariadb", "address": path} for path in MARIADB_SOCKETS if _is_there(host, path)
    ]
    try:
        host.connect("127.0.0.1", PORTS["redis"], 1.0).close()
    except HostError as exc:
        return found, isinstance(exc.__cause__, ConnectionRefusedError)
    return [*found, {"kind": "redis", "address": "127.0.0.1"}], True


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


def probe(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return what the database says, or why it says nothing; raise HostError without a program to ask with."""
    ask = {"postgresql": _postgresql, "mariadb": _mariadb, "redis": _redis, "sqlite": _sqlite}
    try:
        return {"connected": True, "reason": "", **ask[database["kind"]](host, database, seconds)}
    except AccessRefusedError as exc:
        return _refusal(str(exc))


def _refusal(text: str) -> dict[str, Any]:
    """Return the data of a database that could not be used; its reason in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    meant = [
        line for line in lines if re.search(r"FATAL|ERROR|error|refused|failed", line)
    ] or lines
    reason = re.sub(r"^.*?connection (to server .*? |.*)failed: ", "", meant[-1]) if meant else ""
    return {
        "connected": False,
        "reason": (reason or "no reason given")[:400],
        "denied": bool(DENIED.search(text)),
        "saturated": bool(SATURATED.search(text)),
        "raw": text,
    }


def _scrub(text: str, database: dict[str, Any]) -> str:
    """Return the text without the database's password, should a server or a library repeat it."""
    password = database.get("password") or ""
    return text.replace(password, "********") if len(password) > 2 else text


def _postgresql(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask through psycopg where Python has it, else through psql; both by libpq, so a ~/.pgpass counts."""
    settings = {
        "host": database.get("address") or "localhost",
        "port": str(database.get("port") or PORTS["postgresql"]),
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
            answer = connection.execute(POSTGRESQL_QUESTION).fetchone()[0]
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
    command += ["-c", "\\timing on", "-c", POSTGRESQL_QUESTION]
    out, wall = _run(host, command, seconds, environment=environment)
    return {**parse_psql(out, wall), "raw": out}


def parse_psql(text: str, wall_seconds: float) -> dict[str, Any]:
    """Return the answer and its times from psql's output with timing on; raise RefusedError if there is none."""
    answer = next((line for line in text.splitlines() if line.startswith("{")), "")
    timed = re.search(r"^Time: ([\d.]+) ms", text, re.MULTILINE)
    try:
        data: dict[str, Any] = json.loads(answer)
    except ValueError as exc:
        raise AccessRefusedError(f"psql: no answer in {text[:200]!r}") from exc
    query = float(timed.group(1)) / 1000 if timed else None
    connect = max(0.0, wall_seconds - query) if query is not None else None
    return {**data, "connect_seconds": connect, "query_seconds": query}


def _run(host: Host, command: list[str], seconds: int, **how: Any) -> tuple[str, float]:
    """Return what the client printed and how long it took; raise RefusedError with its reason."""
    started = time.monotonic()
    try:
        ran = host.run(command, timeout_seconds=seconds, **how)
    except HostError as exc:
        raise AccessRefusedError(f"no answer within {seconds} s ({exc})") from exc
    if ran.status != 0:
        raise AccessRefusedError(ran.err.strip() or f"{command[0]} ended with {ran.status}")
    return ran.out, time.monotonic() - started


def _mariadb(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask through the client program; the password goes by standard input, as an option file."""
    program = next((name for name in ("mariadb", "mysql") if host.which(name)), None)
    if program is None:
        raise HostError("neither mariadb nor mysql is installed")
    address = database.get("address") or "localhost"
    options = [f"user={option_value(database['user'])}"] if database.get("user") else []
    if database.get("password"):
        options.append(f"password={option_value(database['password'])}")
    command = [program, "--defaults-extra-file=/dev/stdin"] if options else [program]
    command += ["--batch", "--skip-column-names", f"--connect-timeout={seconds}"]
    if address.startswith("/"):
        command.append(f"--socket={address}")
    else:
        port = database.get("port") or PORTS["mariadb"]
        command += [f"--host={address}", f"--port={port}"]
        command += ["--protocol=tcp"] if address != "localhost" or database.get("port") else []
    command += ["--ssl"] if database.get("tls") else []
    command += [f"--database={database['name']}"] if database.get("name") else []
    file = "[client]\n" + "\n".join(options) + "\n" if options else ""
    out, wall = _run(host, [*command, f"--execute={MARIADB_QUESTION}"], seconds, input_text=file)
    return {**parse_mariadb(out), "connect_seconds": wall, "query_seconds": None, "raw": out}


def option_value(text: str) -> str:
    r"""Return a text as an option file quotes it. Source: MariaDB, Configuring MariaDB with Option Files."""
    for plain, escaped in (
        ("\\", "\\\\"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\t", "\\t"),
        ('"', '\\"'),
    ):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def parse_mariadb(text: str) -> dict[str, Any]:
    """Return the answer from lines of name and value; raise RefusedError if it is not whole."""
    pairs = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    fields = {name.lower(): value for name, value in pairs}
    try:
        return {
            "answer": int(fields["answer"]),
            "version": fields["version"],
            "in_recovery": fields["read_only"] not in ("0", "OFF"),
            "max_connections": int(fields["max_connections"]),
            "reserved_connections": 0,
            "connections": int(fields["threads_connected"]),
            "states": {"running": int(fields.get("threads_running", 0))},
            "most_connections": int(fields.get("max_used_connections", 0)),
            "rejected": int(fields.get("connection_errors_max_connections", 0)),
        }
    except (KeyError, ValueError) as exc:
        raise AccessRefusedError(f"unexpected answer, no {exc}") from exc


def _redis(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask in Redis' own protocol: AUTH where declared, PING, INFO."""
    started = time.monotonic()
    address = database.get("address") or "127.0.0.1"
    try:
        connection = host.connect(address, database.get("port") or PORTS["redis"], seconds)
    except HostError as exc:
        raise AccessRefusedError(str(exc)) from exc
    try:
        with connection:
            if database.get("tls"):
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=address)
            connected = time.monotonic()
            with connection.makefile("rwb") as stream:
                if database.get("password"):
                    user = [database["user"]] if database.get("user") else []
                    _redis_ask(stream, "AUTH", *user, database["password"])
                answer = _redis_ask(stream, "PING")
                asked = time.monotonic()
                information = _redis_ask(stream, "INFO")
    except (OSError, ValueError) as exc:
        late = "timed out" in str(exc)
        raise AccessRefusedError(f"no answer within {seconds} s" if late else str(exc)) from exc
    return {
        "answer": answer,
        **parse_redis(information),
        "connect_seconds": connected - started,
        "query_seconds": asked - connected,
        "raw": information,
    }


def _redis_ask(stream: Any, *words: str) -> str:
    """Send a command, return its simple or bulk reply; raise RefusedError with an error, ValueError at anything else.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    stream.write(b"*%d\r\n" % len(parts))
    for part in parts:
        stream.write(b"$%d\r\n%s\r\n" % (len(part), part))
    stream.flush()
    line: bytes = stream.readline(65_536)
    kind, rest = line[:1], line[1:].strip().decode("utf-8", "replace")
    if kind == b"-":
        raise AccessRefusedError(rest)
    if kind == b"+":
        return rest
    if kind == b"$" and rest.isdigit() and int(rest) <= 1_000_000:
        bulk: bytes = stream.read(int(rest) + 2)
        return bulk[:-2].decode("utf-8", "replace")
    if not line:
        raise ValueError("the server closed the connection")
    raise ValueError(f"not an answer of Redis: {line[:60]!r}")


def parse_redis(text: str) -> dict[str, Any]:
    """Return version, role, clients and memory from INFO. Source: redis.io, commands/info."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def number(name: str) -> int | None:
        value = fields.get(name, "")
        return int(value) if value.isdigit() else None

    return {
        "version": fields.get("redis_version", ""),
        "in_recovery": fields.get("role") == "slave",
        "loading": fields.get("loading") == "1",
        "connections": number("connected_clients"),
        "max_connections": number("maxclients"),
        "reserved_connections": 0,
        "rejected": number("rejected_connections"),
        "used_memory_bytes": number("used_memory"),
        "max_memory_bytes": number("maxmemory") or None,
        "last_save": fields.get("rdb_last_bgsave_status", ""),
    }


def _sqlite(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Open the file for reading only and read its schema.

    A database in write-ahead mode that nobody has open is read as it lies (`immutable`), as SQLite would otherwise
    make a `-shm` file beside it; owned by us, that would shut out the application.
    """
    path = database["name"]
    try:
        head = host.read_head(path, 100)
        if not head.startswith(SQLITE):
            found = f"{path}: begins with {head[:16]!r}" if head else f"{path}: empty"
            raise AccessRefusedError(f"{found}; a database of SQLite begins with {SQLITE!r}")
        write_ahead = head[18:20] == b"\x02\x02"
        alone = write_ahead and not host.exists(f"{path}-wal")
        if write_ahead and not alone and not host.exists(f"{path}-shm"):
            raise AccessRefusedError(
                "its write-ahead log was left behind, without an index; not opened"
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
