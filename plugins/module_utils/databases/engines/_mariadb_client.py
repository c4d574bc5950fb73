# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to MariaDB or MySQL, through the client program; the password goes to its standard input.

The client ends at the first error. Then those questions that are left are asked on another connection, so that each
question costs only its own answer.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Patience,
    connect_seconds,
    is_late,
    late,
    refuse_starved,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 3306
# What one of both does not know stands in a comment that only the other reads. A list of JSON is cut as a list of texts
# is. Times of InnoDB's transactions are the system's.
SETTINGS = (
    "set session sql_mode = '', time_zone = 'SYSTEM', group_concat_max_len = 1000000, lock_wait_timeout = 1"
    " /*M!100100 , max_statement_time = {seconds} */"
    " /*!80000 , max_execution_time = {milliseconds}, information_schema_stats_expiry = 0 */",
    "set session transaction read only",
)
DENIED = (1044, 1045, 1142, 1143, 1227, 1370, 1698)
WHY = {
    1054: "the server has no such column",
    1064: "the server does not know such a question",
    1109: "the server has no such view",
    1146: "the server has no such table",
    1205: "waited for a lock",
    1969: "no answer within its time",
    3024: "no answer within its time",
    **dict.fromkeys(DENIED, "permission denied"),
}
"""By the server's number of the error. Its own text can hold a row of data, so it is not passed on."""
_ESCAPED = {"\\t": "\t", "\\n": "\n", "\\\\": "\\", "\\0": "\0"}


@dataclass(frozen=True)
class Table:
    """What one question gave: rows by name of the column, or the number of the error that it ended with."""

    rows: List[Dict[str, str]] = field(default_factory=list)
    error: int = 0

    @property
    def why(self) -> str:
        """Return why there are no rows, in words; empty if there was no error."""
        if not self.error:
            return ""
        known = WHY.get(self.error)
        return f"{known} (error {self.error})" if known else f"error {self.error}"

    def value(self) -> Any:
        """Return the JSON value that is the first column of the first row; None without one."""
        for row in self.rows[:1]:
            for text in row.values():
                return json.loads(text)
        return None


def command_of(host: Host, database: Mapping[str, Any], seconds: float) -> Tuple[List[str], str]:
    """Return the client's command, and what it reads from its standard input.

    Raises: HostError if there is none.
    """
    program = next((name for name in ("mariadb", "mysql") if host.which(name)), None)
    if program is None:
        raise HostError("neither mariadb nor mysql is installed")
    address = database.get("address") or "localhost"
    options = [f"user={option_value(database['user'])}"] if database.get("user") else []
    if database.get("password"):
        options.append(f"password={option_value(database['password'])}")
    command = [program, "--defaults-extra-file=/dev/stdin"] if options else [program]
    command += ["--batch", f"--connect-timeout={connect_seconds(database, seconds)}"]
    if address.startswith("/"):
        command.append(f"--socket={address}")
    else:
        port = database.get("port") or PORT
        command += [f"--host={address}", f"--port={port}"]
        command += ["--protocol=tcp"] if address != "localhost" or database.get("port") else []
    command += ["--ssl"] if database.get("tls") else []
    command += [f"--database={database['name']}"] if database.get("name") else []
    return command, "[client]\n" + "\n".join(options) + "\n" if options else ""


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


def ask_all(
    host: Host, database: Mapping[str, Any], questions: Mapping[str, str], patience: Patience
) -> Dict[str, Table]:
    """Ask questions, each of which is one statement that changes nothing.

    patience: how long connecting, these questions and those that were asked before with it may take together.
    Raises: AccessRefusedError if there is no connection, HostError without a client.
    """
    left = dict(questions)
    tables: Dict[str, Table] = {}
    while left:
        room = patience.left
        if room <= 0:
            return {**tables, **dict.fromkeys(left, Table(error=3024))}
        command, file = command_of(host, database, math.ceil(room))
        nonce = secrets.token_hex(8)
        execute = f"--execute={script(left, nonce, room)}"
        try:
            ran = host.run(
                [*command, "--default-character-set=utf8mb4", execute], room, input_text=file
            )
        except HostError as exc:
            refuse_starved(host, command[0], room)
            raise AccessRefusedError(late(patience.seconds)) from exc
        answered = parse(ran.out, nonce)
        if ran.status != 0 and not answered and is_late(ran.err):
            refuse_starved(host, command[0], room)
            raise AccessRefusedError(late(connect_seconds(database, patience.seconds)))
        if ran.status != 0 and not answered:
            raise AccessRefusedError(ran.err.strip() or f"{command[0]} ended with {ran.status}")
        if ran.status != 0:
            said = re.search(r"^ERROR (\d+)", ran.err, re.MULTILINE)
            answered[list(answered)[-1]] = Table(error=int(said.group(1)) if said else 2000)
        elif len(answered) < len(left):
            raise AccessRefusedError("the answer is not whole")
        tables.update(answered)
        left = {name: sql for name, sql in left.items() if name not in tables}
    return tables


def script(questions: Mapping[str, str], nonce: str, seconds: float) -> str:
    """Return the statements: a line of the nonce and its name precedes the answer to each question."""
    each = max(1.0, seconds / 2)
    lines = [one.format(seconds=f"{each:.1f}", milliseconds=int(each * 1000)) for one in SETTINGS]
    for name, sql in questions.items():
        lines += [f"select '{nonce} {name}' as '{nonce}'", " ".join(sql.split())]
    return ";\n".join(lines) + ";"


def parse(text: str, nonce: str) -> Dict[str, Table]:
    """Return the answers in the client's output, each with its names of columns above its rows."""
    tables: Dict[str, Table] = {}
    name, header = "", None
    for line in text.split("\n"):
        if line == nonce:
            header = None
        elif line.startswith(f"{nonce} "):
            name, header = line[len(nonce) + 1 :], None
            tables[name] = Table()
        elif not line or name not in tables:
            continue
        elif header is None:
            header = line.split("\t")
        else:
            values = [re.sub(r"\\[tn0\\]", _unescaped, one) for one in line.split("\t")]
            tables[name].rows.append(dict(zip(header, values)))
    return tables


def _unescaped(found: Any) -> str:
    return _ESCAPED[found.group()]
