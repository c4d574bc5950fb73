# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a backup of PostgreSQL: its databases in a server of the sandbox, counted, checked and asked."""

from __future__ import annotations

import contextlib
import re

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    is_lack,
    without_data,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    SOCKET,
    AnswerError,
    PostgresServer,
    answer_error,
    last_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

CHUNK_TABLES = 200
KEPT_TABLES = 2000
MOST_ASKED = 20
UNKNOWN_NAMES = ("42P01", "42703", "3D000", "3F000", "42883")
"""A table, column, database, schema or function that is not there. Source: PostgreSQL, appendix A."""
_USERS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'"
_COUNTED = f"c.relkind IN ('r', 'm') AND c.relispopulated AND {_USERS}"
_LISTED = (
    "SELECT n.nspname || chr(31) || c.relname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
)
_TABLES = _LISTED + _COUNTED + " ORDER BY c.oid OFFSET {} LIMIT " + str(CHUNK_TABLES)
_NAMED = _LISTED + "c.relkind IN ('r', 'm', 'p') AND " + _USERS + " AND c.relname = {} LIMIT 100"
_COLLATIONS = (
    "SELECT count(*) FROM pg_catalog.pg_collation WHERE collversion IS NOT NULL"
    " AND collversion <> pg_catalog.pg_collation_actual_version(oid)"
)
_DATABASE_COLLATIONS = (
    "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = current_database() AND datcollversion IS NOT NULL"
    " AND datcollversion <> pg_catalog.pg_database_collation_actual_version(oid)"
)
_AMCHECK = "SELECT count(*) FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'"
_FAULT = re.compile(r"(heap table|btree index|sequence|table|index) \"[^\"]+\"[^:\n]*:")


class RestoredPostgres(RestoredBackup):
    """A running server.

    main: the database that is asked if none is named. physical: its files are the backup's own. dumped: the name that
    the one database had when it was dumped, if that is known: it may have another one here.
    """

    def __init__(
        self,
        task: Verification,
        server: PostgresServer,
        main: str,
        physical: bool = False,
        dumped: str = "",
    ) -> None:
        self._task, self._server, self._main, self._physical = task, server, main, physical
        self._dumped = dumped
        self._databases: list[str] = []
        server.forget_settings()

    def databases(self) -> list[str]:
        """Return the databases that users have."""
        if not self._databases:
            self._databases = self._server.values(
                "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
            )
        return self._databases

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many databases, tables and rows there are, and the rows of each table.

        Raises: BadBackupError if a table cannot be read, or there is none.
        """
        counts: dict[str, int] = {}
        tables = rows = 0
        for place, database in enumerate(self.databases()):
            self._task.progress(place / len(self.databases()))
            for name, count in self._counted(database):
                tables, rows = tables + 1, rows + count
                if len(counts) < KEPT_TABLES:
                    counts[name] = count
        if not tables:
            raise BadBackupError("it has no table")
        return {"databases": len(self.databases()), "tables": tables, "rows": rows}, counts

    def _counted(self, database: str) -> list[tuple[str, int]]:
        """Return the rows of each table of a database; of a table with parts those of each part."""
        found: list[tuple[str, int]] = []
        while True:
            try:
                names = self._server.values(_TABLES.format(len(found)), database)
                asked = "".join(
                    f"SELECT count(*) FROM ONLY {quoted(schema)}.{quoted(table)};\n"  # noqa: S608 (quoted)
                    for schema, table in (one.split("\x1f", 1) for one in names)
                )
                counts = self._server.values(asked, database) if names else []
            except AnswerError as exc:
                raise self._unreadable(exc) from exc
            if len(counts) != len(names):
                raise NotTriedError(
                    f"{database}: {len(counts)} of {len(names)} tables were counted"
                )
            found += [
                (f"{database}.{name}".replace("\x1f", ".")[:200], int(count))
                for name, count in zip(names, counts)
            ]
            if len(names) < CHUNK_TABLES:
                return found

    def _unreadable(self, exc: AnswerError) -> Exception:
        """Return how a table that cannot be read ends the verification."""
        text = without_data(exc.state, str(exc))
        lost = self._physical and str(exc).startswith("could not open file")
        if not exc.state or (is_lack(exc.state, str(exc)) and not lost):
            return NotTriedError(f"counting: {text}")
        return BadBackupError(f"counting: {text}")

    def check(self) -> None:
        """Let amcheck look at tables and indexes that are the backup's own; those of a dump were made just now."""
        if not self._physical:
            return
        others = self._other_collations()
        if others:
            self._task.note(
                f"collations of another version in {', '.join(others)[:200]}: texts may be in another order here"
            )
        version = self._server.programs.version
        if version[0] < 14 or self._server.values(_AMCHECK) == ["0"]:
            self._task.note("amcheck is not here: tables were read, indexes were not checked")
            return
        said = self._server.run(
            "pg_amcheck", "--all", "--install-missing", "-j", str(self._task.verify["jobs"])
        )
        if not said.status:
            return
        fault = _FAULT.search(said.out)
        if not fault:
            raise NotTriedError(f"pg_amcheck: {last_line(said.err or said.out)}")
        what = f"pg_amcheck: {fault.group(0).rstrip(':')} is damaged"
        if others and fault.group(1) == "btree index":
            raise NotTriedError(f"{what}, or only in the order of another version of its collation")
        raise BadBackupError(what)

    def _other_collations(self) -> list[str]:
        """Return the databases with collations that have another version here."""
        version = self._server.programs.version
        asked = [_COLLATIONS] if version[0] >= 10 else []
        asked += [_DATABASE_COLLATIONS] if version[0] >= 15 else []
        found = []
        for database in self.databases():
            with contextlib.suppress(AnswerError):
                if any(self._server.values(one, database) != ["0"] for one in asked):
                    found.append(database)
        return found

    def ask(self, sql: str, database: str) -> str:
        """Return the one value of a statement of the site. It may read only, and runs no command of psql."""
        if sql.lstrip().startswith("\\"):
            raise NotTriedError("the statement is a command of psql; expected SQL")
        named = self._named(database)
        said = self._asked(sql, named)
        if said.status:
            exc = answer_error(said.err)
            text = without_data(exc.state, str(exc))
            if exc.state not in UNKNOWN_NAMES:
                raise NotTriedError(text) from exc
            others = [] if database else [one for one in self.databases() if one != named]
            for other in others[:MOST_ASKED]:
                if not self._asked(sql, other).status:
                    raise NotTriedError(
                        f"{text} in {named}, but {other} has it; say in `database` which is asked"
                    ) from exc
            raise BadBackupError(text) from exc
        values = said.out.split("\0")[:-1]
        if len(values) > 1:
            raise NotTriedError(f"the statement returned {len(values)} rows; expected one value")
        return values[0] if values else ""

    def _asked(self, sql: str, database: str) -> Finished:
        """Return what psql said to a statement that may only read."""
        return self._server.run(
            "psql", "-X", "-q", "-A", "-t", "-0", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-c", sql,
            database=database,
            options="-c default_transaction_read_only=on",
        )  # fmt: skip

    def _named(self, database: str) -> str:
        """Return the database that is asked.

        Raises: NotTriedError if it is not there, or it is not clear which is meant.
        """
        own = [one for one in self.databases() if one != "postgres"] or self.databases()
        if database in self.databases():
            return database
        if database:
            if len(own) == 1 and database == self._dumped:
                return own[0]
            there = ", ".join(self.databases())[:200]
            how = ", which is asked without `database`" if len(own) == 1 else ""
            raise NotTriedError(f"database {database[:80]!r} is not in it; it has {there}{how}")
        if self._main:
            return self._main
        if len(own) != 1:
            raise NotTriedError(f"it has {len(own)} databases; say in `database` which is asked")
        return own[0]

    def take_table(self, table: str, target: str) -> None:
        """Write one table as pg_dump does. table: `name`, `schema.name` or `database.schema.name`."""
        database, schema, name = self._found(table)
        argv = [
            "env", f"PGHOST={SOCKET}", f"PGUSER={self._server.user}", self._server.programs.path("pg_dump"),
            "-d", f"dbname={_in_conninfo(database)}", "-t", f"{quoted(schema)}.{quoted(name)}",
        ]  # fmt: skip
        self._task.save(argv, target, self._server.programs.shown())

    def _found(self, table: str) -> tuple[str, str, str]:
        """Return the database, schema and name of a table.

        Raises: NotTriedError if there is none, or several are called so.
        """
        wanted = table.split(".")
        if len(wanted) == 3 and len(self.databases()) == 1 and wanted[0] == self._dumped:
            wanted[0] = self.databases()[0]
        found = []
        for database in self.databases():
            for one in self._server.values(_NAMED.format(literal(wanted[-1])), database):
                schema, name = one.split("\x1f", 1)
                if [database, schema, name][3 - len(wanted) :] == wanted:
                    found.append((database, schema, name))
        if len(found) != 1:
            how = "no table" if not found else f"{len(found)} tables"
            raise NotTriedError(
                f"{how} {table[:80]!r} in what was restored; name one as database.schema.table"
            )
        return found[0]


def _in_conninfo(name: str) -> str:
    """Return a value as a connection string takes it."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"
