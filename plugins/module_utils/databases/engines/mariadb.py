# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB, and MySQL as far as its way carries."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Engine,
    run_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 3306
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock")
QUESTION = """
select 'answer', 40 + 2 union all select 'version', version() union all select 'read_only', @@global.read_only
union all select 'max_connections', @@global.max_connections;
show global status where variable_name in ('Threads_connected', 'Threads_running', 'Max_used_connections',
  'Connection_errors_max_connections', 'Aborted_connects', 'Uptime')"""


def found(host: Host) -> tuple[list[dict[str, Any]], bool]:
    """Return the servers that have a socket on this host."""
    return [{"kind": "mariadb", "address": path} for path in SOCKETS if _is_there(host, path)], True


def _is_there(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


def ask(host: Host, database: dict[str, Any], seconds: int) -> dict[str, Any]:
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
        port = database.get("port") or PORT
        command += [f"--host={address}", f"--port={port}"]
        command += ["--protocol=tcp"] if address != "localhost" or database.get("port") else []
    command += ["--ssl"] if database.get("tls") else []
    command += [f"--database={database['name']}"] if database.get("name") else []
    file = "[client]\n" + "\n".join(options) + "\n" if options else ""
    out, wall = run_client(host, [*command, f"--execute={QUESTION}"], seconds, input_text=file)
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
    """Return the answer from lines of name and value.

    Raises: AccessRefusedError if it is not whole.
    """
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
        raise AccessRefusedError(f"unexpected answer without {exc}") from exc


ENGINE = Engine(
    kind="mariadb",
    port=PORT,
    ask=ask,
    expected=42,
    found=found,
    denied=re.compile(r"ERROR (1044|1045|1698)\b"),
    saturated=re.compile(r"too many connections|ERROR (1040|1203|1226)\b", re.IGNORECASE),
    holders="mariadb -e 'show processlist'",
)
