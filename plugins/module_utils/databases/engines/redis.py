# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis, in its own protocol."""

from __future__ import annotations

import re
import ssl
import time
from typing import Any, Dict, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    Patience,
    TopicAnswers,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._redis_activity import (
    TOPICS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 6379


def found(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return the server that listens on this host, and whether it could be told that none does."""
    try:
        host.connect("127.0.0.1", PORT, 1.0).close()
    except HostError as exc:
        return [], isinstance(exc.__cause__, ConnectionRefusedError)
    return [{"kind": "redis", "address": "127.0.0.1"}], True


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Ask in Redis' own protocol: AUTH where declared, PING, INFO."""
    started = time.monotonic()
    address = database.get("address") or "127.0.0.1"
    patience = Patience(seconds)
    try:
        connection = host.connect(address, database.get("port") or PORT, seconds)
    except HostError as exc:
        raise _refused(exc, patience) from exc
    try:
        with connection:
            if database.get("tls"):
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=address)
            connected = time.monotonic()
            with connection.makefile("rwb") as stream:
                if database.get("password"):
                    user = [database["user"]] if database.get("user") else []
                    _command(stream, "AUTH", *user, database["password"])
                answer = _command(stream, "PING")
                asked = time.monotonic()
                information = _information(stream)
    except (OSError, ValueError) as exc:
        raise _refused(exc, patience) from exc
    return {
        "answer": answer,
        **parse_redis(information),
        "connect_seconds": connected - started,
        "query_seconds": asked - connected,
        "raw": information,
    }


def _refused(exc: Exception, patience: Patience) -> Exception:
    """Return the error of a connection: one that was given up is told by how long was waited."""
    late = any("timed out" in str(one) for one in (exc, exc.__cause__))
    return patience.refused() if late else AccessRefusedError(str(exc))


def _information(stream: Any) -> str:
    """Return what INFO gives; nothing if the account may not ask for it: it is let in all the same."""
    try:
        return _command(stream, "INFO")
    except AccessRefusedError as exc:
        if str(exc).startswith("NOPERM"):
            return ""
        raise


def _command(stream: Any, *words: str) -> str:
    """Send a command, return its simple or bulk reply.

    Raises: AccessRefusedError with an error, ValueError at anything else.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    _send(stream, words)
    return _reply(stream)


def _send(stream: Any, words: Sequence[str]) -> None:
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    stream.write(b"*%d\r\n" % len(parts))
    for part in parts:
        stream.write(b"$%d\r\n%s\r\n" % (len(part), part))
    stream.flush()


def _reply(stream: Any) -> str:
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
    raise ValueError("not an answer of Redis")


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


def read(host: Host, database: Dict[str, Any], _gather: str, seconds: float) -> TopicAnswers:
    """Read all topics: they are in what INFO tells, and what CONFIG GET does."""
    address = database.get("address") or "127.0.0.1"
    patience = Patience(seconds)
    try:
        connection = host.connect(address, database.get("port") or PORT, seconds)
    except HostError as exc:
        raise _refused(exc, patience) from exc
    try:
        with connection:
            if database.get("tls"):
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=address)
            with connection.makefile("rwb") as stream:
                if database.get("password"):
                    user = [database["user"]] if database.get("user") else []
                    _command(stream, "AUTH", *user, database["password"])
                information, points = _information(stream), _save_points(stream)
    except (OSError, ValueError) as exc:
        raise _refused(exc, patience) from exc
    fields = dict(line.split(":", 1) for line in information.splitlines() if ":" in line)
    if not fields:
        account = database.get("user") or "default"
        why = f"permission denied: ACL SETUSER {account} +info"
        return TopicAnswers(unread=dict.fromkeys(TOPICS, why))
    answers = TopicAnswers(
        about={
            "version": fields.get("redis_version", ""),
            "in_recovery": fields.get("role") in ("slave", "replica"),
        }
    )
    for name, take in TOPICS.items():
        try:
            answers.values[name] = take(fields, points)
        except (KeyError, ValueError):
            answers.unread[name] = f"INFO of version {answers.about['version']} does not tell it"
    return answers


def _save_points(stream: Any) -> str | None:
    """Return the setting `save`: after how many seconds and changes a copy is written; None if it may not be read."""
    try:
        reply = _list(stream, "CONFIG", "GET", "save")
    except AccessRefusedError:
        return None
    return reply[1] if len(reply) == 2 else None


def _list(stream: Any, *words: str) -> list[str]:
    """Send a command, return its reply, which is a list of bulk strings."""
    _send(stream, words)
    line: bytes = stream.readline(65_536)
    if line[:1] == b"-":
        raise AccessRefusedError(line[1:].strip().decode("utf-8", "replace"))
    count = line[1:].strip()
    if line[:1] != b"*" or not count.isdigit() or int(count) > 100:
        raise ValueError("not an answer of Redis")
    return [_reply(stream) for _number in range(int(count))]


ENGINE = Engine(
    kind="redis",
    port=PORT,
    ask=ask,
    expected="PONG",
    found=found,
    topics={"database_activity": tuple(TOPICS)},
    read=read,
    denied=re.compile(r"\b(NOAUTH|WRONGPASS|NOPERM)\b"),
    saturated=re.compile(r"max number of clients reached", re.IGNORECASE),
    holders="redis-cli client list",
)
