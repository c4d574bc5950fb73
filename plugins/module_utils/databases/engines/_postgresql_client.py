# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to PostgreSQL, directly or through a pool: through psycopg where Python has it, else through psql.

Each question is one message of the simple protocol with all its settings in it, which is one transaction of its own.
So a pool passes it on in each of its modes, and no setting, prepared statement or lock is left for its next client.
"""

from __future__ import annotations

import importlib
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple, Union

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Patience,
    connect_seconds,
    is_late,
    run_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

PORT = 5432
SOCKETS = ("/var/run/postgresql/.s.PGSQL.*", "/tmp/.s.PGSQL.*")  # noqa: S108 - where servers put them
OK = "00000"
DENIED = "42501"
LOCK_TIMEOUT_SECONDS = 1
# Without the path, a view of the role or of the database's owner could answer for the server's own.
SETTINGS = (
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "SET TRANSACTION READ ONLY",
    "SET LOCAL jit = off",  # to compile a question about many objects takes longer than its answer
    f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_SECONDS * 1000}",
)
WHY = {
    DENIED: "permission denied",
    "57014": "no answer within its time",
    "55P03": "waited for a lock",
    "42P01": "the server has no such view",
    "42703": "the server's view has no such column",
    "42883": "the server has no such function",
    "53300": "no connection is left",
    "53400": "a limit of the server's configuration is reached",
    "57P03": "the server is starting or shutting down",
}
"""By SQLSTATE. A server's own text can hold a row of data, so it is not passed on."""

Question = Union[str, Tuple[str, ...]]


@dataclass(frozen=True)
class Reply:
    """What one question gave. value: of JSON types, if `state`, the SQLSTATE, is OK. seconds: None if not measured."""

    state: str
    value: Any = None
    seconds: float | None = None

    @property
    def why(self) -> str:
        """Return why there is no value, in words; empty if there is one."""
        if self.state == OK:
            return ""
        known = WHY.get(self.state)
        return f"{known} (SQLSTATE {self.state})" if known else f"SQLSTATE {self.state}"


@dataclass(frozen=True)
class Replies:
    """What all questions gave, by name, and how long connecting took; None if that was not measured.

    process: that of the server which connecting has named; None if the client does not tell it.
    """

    by_name: Dict[str, Reply]
    connect_seconds: float | None = None
    process: int | None = None


def sockets(host: Host) -> List[Tuple[str, int, bool]]:
    """Return sockets on this host: the folder, the port, and whether a file `.lock` lies beside it.

    A server has one as long as it runs, and leaves it if it is killed. A pool has none.
    """
    found = []
    for pattern in SOCKETS:
        paths = set(host.glob(pattern))
        for path in sorted(paths):
            folder, _slash, name = path.rpartition("/")
            port = name.rpartition(".")[2]
            if port.isdigit():
                found.append((folder, int(port), f"{path}.lock" in paths))
    return found


def ask_all(
    host: Host, database: Mapping[str, Any], questions: Mapping[str, Question], seconds: float
) -> Replies:
    """Ask questions of SQL, each of which returns one row of one JSON value, on one connection.

    A question of several statements is still one message; the last one returns the value.
    All have this many seconds together. One that fails costs its own answer; one for which no time is left has the
    SQLSTATE of a timeout.
    Raises: AccessRefusedError if there is no connection, HostError without psycopg and psql.
    """
    settings = settings_of(database, PORT, "postgres", seconds)
    try:
        psycopg: Any = importlib.import_module("psycopg")
    except ImportError:
        return _through_psql(host, settings, questions, seconds)
    return _through_psycopg(psycopg, settings, questions, seconds)


def settings_of(
    database: Mapping[str, Any], port: int, name: str, seconds: float
) -> Dict[str, str]:
    """Return how libpq connects to a declared database. port, name: used where it has none."""
    settings = {
        "host": database.get("address") or "localhost",
        "port": str(database.get("port") or port),
        "dbname": database.get("name") or name,
        "user": database.get("user") or "",
        "password": database.get("password") or "",
        "sslmode": "require" if database.get("tls") else "",
        "connect_timeout": str(max(2, connect_seconds(database, seconds))),
        "application_name": "upkeep",
    }
    return {name: value for name, value in settings.items() if value}


def environment_of(settings: Mapping[str, str]) -> Dict[str, str]:
    """Return settings of libpq as environment."""
    names = {
        "dbname": "PGDATABASE",
        "application_name": "PGAPPNAME",
        "connect_timeout": "PGCONNECT_TIMEOUT",
    }
    return {names.get(key, "PG" + key.upper()): value for key, value in settings.items()}


def statements_of(question: Question, seconds: float) -> List[str]:
    """Return the statements of a question's message: its settings come first."""
    asked = (question,) if isinstance(question, str) else question
    timeout = f"SET LOCAL statement_timeout = {_milliseconds(seconds)}"
    return [timeout, *SETTINGS, *(one.strip() for one in asked)]


def _milliseconds(seconds: float) -> int:
    """Return a timeout in whole seconds, below one in tenths.

    Before version 18, pg_stat_statements counts each value as a statement of its own: many would push out others.
    """
    step = 1000 if seconds >= 1 else 100
    return max(step, int(seconds * 1000) // step * step)


def _through_psycopg(
    psycopg: Any, settings: Mapping[str, str], questions: Mapping[str, Question], seconds: float
) -> Replies:
    started = time.monotonic()
    patience = Patience(min(seconds, float(settings["connect_timeout"])))
    replies: Dict[str, Reply] = {}
    try:
        with psycopg.connect(**settings, autocommit=True, prepare_threshold=None) as connection:
            connected = time.monotonic()
            process = int(connection.info.backend_pid)
            for name, question in questions.items():
                left = started + seconds - time.monotonic()
                if len(replies) < len(questions) - 1:  # a slow one leaves time for the others
                    left /= 2
                replies[name] = _one(psycopg, connection, question, left)
    except psycopg.Error as exc:
        if is_late(str(exc)):
            raise patience.refused() from exc
        raise AccessRefusedError(str(exc)) from exc
    return Replies(replies, connected - started, process)


def _one(psycopg: Any, connection: Any, question: Question, left: float) -> Reply:
    """Ask one question. A connection that is lost meanwhile costs all: its error is raised."""
    if left <= 0:
        return Reply("57014")
    began = time.monotonic()
    try:
        cursor = connection.execute(";".join(statements_of(question, left)))
        while cursor.nextset():
            pass
        row = cursor.fetchone()
    except psycopg.Error as exc:
        if not exc.sqlstate or connection.closed:
            raise
        return Reply(exc.sqlstate)
    return Reply(OK, row[0] if row else None, time.monotonic() - began)


def _through_psql(
    host: Host, settings: Mapping[str, str], questions: Mapping[str, Question], seconds: float
) -> Replies:
    """Ask through psql; the connect time has the start of the program in it.

    It cannot tell how much time is left: of several questions, each has less than half of it, so that a slow one costs
    only its own answer. The server gives up before psql is stopped, which would cost all.
    """
    if host.which("psql") is None:
        raise HostError("neither psycopg nor psql is installed")
    environment = environment_of(settings)
    nonce = secrets.token_hex(8)
    lines = [
        "\\timing on",
        "\\set SHOW_ALL_RESULTS off",
    ]  # from 15 on it would show more than the last result
    share = 0.9 * seconds / min(2, len(questions))
    for name, question in questions.items():
        # psql sends what `\;` separates as one message.
        lines += ["\\;".join(statements_of(question, share)) + ";"]
        lines += [f"\\echo {nonce} {name} :SQLSTATE"]
    command = ["psql", "-X", "-w", "-q", "-A", "-t", "-f", "-"]
    out, wall = run_client(
        host,
        command,
        seconds,
        environment=environment,
        input_text="\n".join(lines) + "\n",
    )
    return parse_psql(out, nonce, questions, wall)


def parse_psql(text: str, nonce: str, names: Mapping[str, Any], wall_seconds: float) -> Replies:
    """Return the replies in psql's output, each of which ends with a line of the nonce, its name and SQLSTATE."""
    replies: Dict[str, Reply] = {}
    value, timed = "", None
    spent = 0.0
    for line in text.splitlines():
        time_said = re.match(r"Time: ([\d.]+) ms", line)
        if line.startswith(f"{nonce} "):
            name, _space, state = line[len(nonce) + 1 :].partition(" ")
            replies[name] = _parsed(state, value, timed)
            spent += timed or 0.0
            value, timed = "", None
        elif time_said:
            timed = float(time_said.group(1)) / 1000
        elif line:
            value += line + "\n"  # json_agg puts each element on a line of its own
    missing = {name: Reply("57014") for name in names if name not in replies}
    return Replies({**replies, **missing}, max(0.0, wall_seconds - spent))


def _parsed(state: str, value: str, seconds: float | None) -> Reply:
    """Return what a question gave; what is no JSON value is an answer of another kind: `XX000`, an internal error."""
    if state != OK:
        return Reply(state)
    try:
        return Reply(OK, json.loads(value), seconds)
    except ValueError:
        return Reply("XX000")
