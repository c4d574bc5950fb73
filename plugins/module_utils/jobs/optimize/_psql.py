# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL through its own client psql: direct connections, each of which ends with its statement."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any, Callable, Dict, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import scrub
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    OK,
    PORT,
    WHY,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.client import (
    Client,
    values_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)

NAME = "upkeep db_optimize"
"""Of each of the job's sessions: at most one works at a time, beside one that looks at it."""
ASK_LOCK_SECONDS = 1
LOST, CANCELLED, DEADLOCK = "08006", "57014", "40P01"
NO_CONNECTION, ENDED_BY_SIGINT = 2, 3
"""What psql ends with. Source: psql(1), Exit Status; src/bin/psql/settings.h."""
WATCH_SECONDS = 2.0
POOLED = "pooled"
"""Stands for a SQLSTATE: the session is not the one that our client has begun."""
THROUGH_POOL = (
    "a pool answers there, and what the job sets for its session would hold for another client's; declare the"
    " server's own port or socket"
)
_NO_SETTINGS = re.compile(r"unsupported startup parameter|command-line options", re.IGNORECASE)
"""What pools say of settings that a session begins with. Source: PgBouncer, client.c; Amazon RDS Proxy."""
# What a session begins with is sent by its client and applied by the server that begins it. A pool gives a session that
# it has begun itself, with other settings, in each of its modes; a port that is passed on changes nothing. Nothing is
# set before this is known, as that would stay in a session of a pool.
OWN = r"""\set own off
\set pooled off
SELECT ok AS own, NOT ok AS pooled FROM (SELECT coalesce(
  pg_catalog.current_setting('upkeep.session', true) OPERATOR(pg_catalog.=) '{nonce}', false) AS ok) AS one \gset
\if :pooled
\echo {nonce} pooled
\quit
\elif :own
\else
\quit
\endif"""
LATE_SECONDS = 5.0
"""How long after its own timeout a statement is left to the server before it is cancelled from here."""


class Psql:
    """One database. params: of the module; `run_as` and `timeout_seconds` are needed."""

    def __init__(self, host: Host, database: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        self.host, self.database = host, dict(database)
        self.run_as, self.seconds = params["run_as"], params["timeout_seconds"]
        self.number = 0
        """The version of the server as it numbers it, once it was asked."""

    def ask(self, sql: str, seconds: float = 0.0) -> Any:
        """Return the one JSON value of a question.

        Raises: AccessRefusedError with the reason, OptimizeError through a pool.
        """
        seconds = seconds or self.seconds
        settings = {
            "statement_timeout": max(1, int(seconds * 1000)),
            "lock_timeout": ASK_LOCK_SECONDS * 1000,
            "default_transaction_read_only": "on",
        }
        client, nonce = self._start(sql, settings)
        try:
            if not client.wait(seconds + LATE_SECONDS):
                client.cancel()
        except BaseException:
            client.cancel()
            raise
        state, text = self._said(client, nonce)
        if state != OK:
            raise AccessRefusedError(why(state))
        try:
            return json.loads(text)
        except ValueError as exc:
            raise AccessRefusedError("the answer is no JSON") from exc

    def act(
        self,
        statement: str,
        settings: Mapping[str, Any],
        seconds: float,
        watch: Callable[[], None] = lambda: None,
    ) -> str:
        """Run one statement and return its SQLSTATE. watch: is called every few seconds while it works.

        The server ends it after these seconds; so does this process, if the server does not. If this process is
        asked to end, or killed, it is cancelled too.

        Raises: AccessRefusedError if there is no connection, OptimizeError through a pool.
        """
        ends = time.monotonic() + seconds
        own = {"statement_timeout": max(1, int(seconds * 1000)), **settings}
        if self.number >= 140000:  # else the server works on for a client that was killed
            own["client_connection_check_interval"] = 2000
        client, nonce = self._start(statement, own)
        wait = 0.2
        try:
            while not client.wait(wait):
                if time.monotonic() > ends + LATE_SECONDS:
                    client.cancel()
                    break
                watch()
                wait = min(WATCH_SECONDS, 2 * wait)
        except BaseException:
            client.cancel()
            raise
        return self._said(client, nonce)[0]

    def _start(self, statement: str, settings: Mapping[str, Any]) -> tuple[Client, str]:
        """Start psql with one statement. Its settings come before it, as statements of their own."""
        database = self.database
        environment = values_of(
            {
                "PGHOST": database.get("address") or "localhost",
                "PGPORT": database.get("port") or PORT,
                "PGDATABASE": database.get("name") or "postgres",
                "PGUSER": database.get("user"),
                "PGPASSWORD": database.get("password"),
                "PGSSLMODE": "require" if database.get("tls") else "",
                "PGAPPNAME": NAME,
                "PGCONNECT_TIMEOUT": 10,
            }
        )
        nonce = secrets.token_hex(8)
        environment["PGOPTIONS"] = f"-c upkeep.session={nonce}"
        # Without the path, an object of the database's owner could answer for the server's own.
        lines = [OWN.replace("{nonce}", nonce)]
        lines += ["SET search_path = pg_catalog, pg_temp;", "SET client_min_messages = error;"]
        lines += [f"SET {name} = '{value}';" for name, value in settings.items()]
        lines += [f"{statement.strip()};", f"\\echo {nonce} :SQLSTATE"]
        command = ["psql", "-X", "-w", "-q", "-A", "-t", "-v", "VERBOSITY=sqlstate", "-f", "-"]
        script = "\n".join(lines) + "\n"
        client = Client(
            self.host, command, environment=environment, script=script, run_as=self.run_as
        )
        return client, nonce

    def _said(self, client: Client, nonce: str) -> tuple[str, str]:
        """Return the SQLSTATE and the value; the state of a lost connection if there is none.

        Raises: AccessRefusedError if there was no connection, OptimizeError through a pool.
        """
        status, out, err = client.ended()
        text, found, state = out.rpartition(f"{nonce} ")
        if state.strip() == POOLED or (not found and _NO_SETTINGS.search(err)):
            raise OptimizeError(THROUGH_POOL)
        if found:
            return state.strip(), text
        if status == ENDED_BY_SIGINT:
            return CANCELLED, ""
        if status == NO_CONNECTION and ("failed" in err or "could not connect" in err):
            raise AccessRefusedError(scrub(" ".join(err.split())[:400], self.database))
        if status > 0 and not out and "psql: error" in err:
            raise AccessRefusedError(scrub(" ".join(err.split())[:400], self.database))
        return LOST, ""


def why(state: str) -> str:
    """Return why a statement failed, in words; what the server itself says may hold a row."""
    known: Dict[str, str] = {
        **WHY,
        LOST: "the connection was lost",
        DEADLOCK: "it and another session waited for each other",
        CANCELLED: "it was cancelled",
        "25006": "the server or the role is read-only",
        "53100": "the disk is full",
    }
    return f"{known[state]} (SQLSTATE {state})" if state in known else f"SQLSTATE {state}"
