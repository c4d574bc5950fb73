# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a backup of MariaDB: its tables counted and checked, and asked what the site asserts."""

from __future__ import annotations

import os
import re
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_announced import (
    lost_rows,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_errors import (
    NO_DATABASE,
    NO_SUCH,
    SqlError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    ACCOUNTS,
    SOCKET,
    MariaDbServer,
    program,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

OWN = ("mysql", "sys", "information_schema", "performance_schema")
_COUNT = "SELECT COUNT(*) FROM "
TABLES_LIMIT = 5000
AT_ONCE = 200
"""Of how many tables is asked at once: what a program of the sandbox prints is kept up to a limit."""
_NOT_OURS = ", ".join(f"'{name}'" for name in OWN)
_ELSEWHERE = "'FEDERATED', 'CONNECT', 'SPIDER', 'OQGRAPH', 'S3'"
"""Engines whose rows are not in the backup."""
_LISTED = (
    "SELECT HEX(table_schema), HEX(table_name), table_type, COALESCE(engine, '') IN ({elsewhere})"
    " FROM information_schema.tables WHERE table_schema NOT IN ({own}) ORDER BY table_schema, table_name"
    " LIMIT {limit} OFFSET {offset};"
)


def _counted(*counted: tuple[str, str, str]) -> str:
    """Return statements that count what is of a site: name of the figure, table, column with the database."""
    return " ".join(
        f"SELECT '{name}', COUNT(*) FROM {table} WHERE {column} NOT IN ({_NOT_OURS});"  # noqa: S608 - names of ours
        for name, table, column in counted
    )


_OF_DATABASES = _counted(
    ("databases", "information_schema.schemata", "schema_name"),
    ("triggers", "information_schema.triggers", "trigger_schema"),
)
_OF_THE_SERVER = _counted(
    ("routines", "information_schema.routines", "routine_schema"), ("events", "mysql.event", "db")
)
_OWN_TABLES = (
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'mysql'"
    " AND table_name IN ('proc', 'event', 'global_priv');"
)


class RestoredMariaDb(RestoredBackup):
    """A server with what came out. main: the database that is meant where none is named; empty for the only one."""

    whole = True
    """Whether the server's own tables must be there: routines, events and accounts."""

    def __init__(self, task: Verification, server: MariaDbServer, main: str = "") -> None:
        self._task, self._server, self._main = task, server, main
        self._databases: list[str] = []
        self._tables: list[tuple[str, str]] = []
        self._views: list[tuple[str, str]] = []
        self._versioned: set[tuple[str, str]] = set()
        self.inserts: dict[tuple[str, str], int] = {}
        """How many statements of a dump insert rows, by database and table."""

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return counts of databases, tables, rows, views, routines, triggers, events and accounts; rows by table."""
        elsewhere = self._list()
        figures = {name: int(number) for name, number in self._server.rows(_OF_DATABASES)}
        if self.whole or self._server.rows(_OWN_TABLES) == [["3"]]:
            figures.update(
                (name, int(number)) for name, number in self._server.rows(_OF_THE_SERVER)
            )
            figures["accounts"] = int(self._server.rows(ACCOUNTS)[0][1])
        if not self._tables:
            raise BadBackupError("it has no table")
        if elsewhere:
            self._task.note(
                f"{elsewhere} tables have their rows in memory or on another server, and were not counted"
            )
        counts = dict(self._counts())
        # Rows that were replaced are loaded, and not counted.
        inserts = {
            key: one
            for key, one in self.inserts.items()
            if key not in self._versioned and key[0] not in OWN
        }
        lost = lost_rows(inserts, counts, gone=not elsewhere)
        if lost:
            raise BadBackupError(lost, "decide: see what hides them in the dump, such as a comment")
        if not any(counts.values()):
            self._task.note("none of its tables has a row")
        figures.update(tables=len(self._tables), rows=sum(counts.values()), views=len(self._views))
        return figures, counts

    def _list(self) -> int:
        """Find databases, tables and views; return how many tables have their rows elsewhere."""
        elsewhere, offset = 0, 0
        self._tables, self._views = [], []
        while True:
            gone = _ELSEWHERE + (", 'MEMORY'" if self._server.restarted else "")
            sql = _LISTED.format(elsewhere=gone, own=_NOT_OURS, limit=AT_ONCE, offset=offset)
            listed = self._server.rows(sql)
            for database, table, kind, away in listed:
                name = (_text(database), _text(table))
                if kind in ("BASE TABLE", "SYSTEM VERSIONED") and away == "1":
                    elsewhere += 1
                elif kind in ("BASE TABLE", "SYSTEM VERSIONED"):
                    self._tables.append(name)
                    if kind == "SYSTEM VERSIONED":
                        self._versioned.add(name)
                elif kind == "VIEW":
                    self._views.append(name)
            if len(listed) < AT_ONCE:
                break
            offset += AT_ONCE
            if offset >= TABLES_LIMIT:
                raise NotTriedError(
                    f"it has more than {TABLES_LIMIT} tables, which are not all counted here"
                )
        self._databases = sorted({name for name, _table in (*self._tables, *self._views)})
        return elsewhere

    def _shown(self, name: tuple[str, str]) -> str:
        return f"{name[0]}.{name[1]}"[:200]

    def _counts(self) -> Iterator[tuple[str, int]]:
        """Yield the rows of each table.

        Raises: BadBackupError if one cannot be read.
        """
        for some in _parts(self._tables):
            lines = [_COUNT + f"{quoted(one[0])}.{quoted(one[1])};" for one in some]
            said = self._server.ask("\n".join(_one_line(one) for one in lines))
            if isinstance(said, SqlError):
                name = self._shown(some[max(0, min(said.line, len(some)) - 1)])
                raise self._server.gone(said) or BadBackupError(f"{name} cannot be read: {said}")
            for name_of, row in zip(some, said):
                yield self._shown(name_of), int(row[0])

    def check(self) -> None:
        """Say which views refer to what is not in it, or run as an account that is not."""
        broken, orphaned = [], []
        for name, bad in self._checked(self._views):
            errors = [text for kind, text in bad if kind == "Error"]
            if errors and all(_NO_DEFINER.match(one) for one in errors):
                orphaned.append(name)
            elif errors:
                broken.append(name)
        self._note_views(broken, "refers", "refer", "to what is not in it")
        self._note_views(orphaned, "runs", "run", "as an account that is not in it")

    def _note_views(self, names: list[tuple[str, str]], one: str, many: str, what: str) -> None:
        if names:
            words = f"1 view {one}" if len(names) == 1 else f"{len(names)} views {many}"
            self._task.note(f"{words} {what}, such as {self._shown(names[0])}")

    def check_tables(self) -> None:
        """Let the server read each table and its indexes.

        Raises: BadBackupError.
        """
        own = [("mysql", _text(row[0])) for row in self._server.rows(_SYSTEM_TABLES)]
        for name, bad in self._checked([*self._tables, *own]):
            for kind, text in bad:
                if kind in ("Error", "error", "status"):
                    raise BadBackupError(f"CHECK TABLE {self._shown(name)}: {text[:160]}")
                self._task.note(f"CHECK TABLE {self._shown(name)}: {text[:160]}")

    def read_rows(self) -> None:
        """Read each row to its last byte, also what CHECK TABLE does not look at: long values.

        Raises: BadBackupError if one cannot be read.
        """
        dumper = program(("mariadb-dump", "mysqldump"), self._task.host)
        line = [dumper, "--no-defaults", f"--socket={SOCKET}", "--user=root", "--skip-lock-tables"]
        line += ["--no-create-info", "--skip-triggers", "--databases", "--", *self._databases]
        said = self._task.sandbox.run(["sh", "-c", 'exec "$0" "$@" >/dev/null', *line])
        if said.status:
            found = re.search(r"rror (\d{4})", said.err)
            number = f"error {found.group(1)}" if found else "no word of why"
            raise BadBackupError(f"its rows cannot be read to the end: {number}")
        # Of a long value the server gives what is before the bad page, and the program is content with it.
        name = self._server.corrupted()
        if name:
            raise BadBackupError(f"{name}: a page of it differs from its checksum")

    def _checked(
        self, names: list[tuple[str, str]]
    ) -> Iterator[tuple[tuple[str, str], list[tuple[str, str]]]]:
        """Yield each table of which CHECK TABLE says more than that it is good, with what it says.

        Raises: BadBackupError, NotTriedError.
        """
        for some in _parts(names):
            lines = [f"CHECK TABLE {quoted(one[0])}.{quoted(one[1])};" for one in some]
            said = self._server.ask("\n".join(_one_line(one) for one in lines))
            if isinstance(said, SqlError):
                name = self._shown(some[max(0, min(said.line, len(some)) - 1)])
                raise self._server.gone(said) or BadBackupError(f"CHECK TABLE {name}: {said}")
            known = {f"{one[0]}.{one[1]}": one for one in some}
            bad: dict[tuple[str, str], list[tuple[str, str]]] = {}
            for row in said:
                name_of, kind, text = row[0], row[-2], row[-1]
                if text not in _GOOD and name_of in known:
                    bad.setdefault(known[name_of], []).append((kind, text))
            yield from bad.items()

    def ask(self, sql: str, database: str) -> str:
        """Return the one value of a statement; nothing for NULL."""
        main = database or self._main or (self._databases[0] if len(self._databases) == 1 else "")
        said = self._server.ask(sql, main)
        if isinstance(said, SqlError):
            if said.number == NO_DATABASE:
                there = ", ".join(self._databases)[:200]
                raise NotTriedError(f"database {main[:80]!r} is not in it; it has {there}")
            if said.number in NO_SUCH:
                raise BadBackupError(str(said))
            raise self._server.gone(said) or NotTriedError(str(said))
        if len(said) > 1 or (said and len(said[0]) > 1):
            raise NotTriedError(f"the statement returned {len(said)} rows; expected one value")
        value = said[0][0] if said else ""
        return "" if value == "NULL" else value

    def take_table(self, table: str, target: str) -> None:
        """Write one table as mariadb-dump prints it. table: `name`, or `database.name` if there are several."""
        self._list()
        found = [one for one in self._tables if table in (f"{one[0]}.{one[1]}", one[1])]
        if len(found) != 1:
            raise NotTriedError(
                f"{table[:100]}: {len(found)} tables have that name; expected 1, such as `database.table`"
            )
        dumper = program(("mariadb-dump", "mysqldump"), self._task.host)
        line = [dumper, "--no-defaults", f"--socket={SOCKET}", "--user=root", "--triggers"]
        self._task.save([*line, "--", *found[0]], target)


_NO_DEFINER = re.compile(r"The user specified as a definer \(.*\) does not exist\Z")
_SYSTEM_TABLES = (
    "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = 'mysql' AND table_type = 'BASE TABLE'"
    " AND engine NOT IN ('CSV') ORDER BY table_name LIMIT 100;"
)
_GOOD = (
    "OK",
    "The storage engine for the table doesn't support check",
    "Table is already up to date",
)


def _parts(names: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def _text(digits: str) -> str:
    return bytes.fromhex(digits).decode("utf-8", "surrogateescape")


def _one_line(statement: str) -> str:
    """Return a statement in one line, so that the line of an error says which it is. No name ends a line."""
    if "\n" in statement or "\r" in statement:
        raise NotTriedError("a table has the end of a line in its name")
    return statement


def restored_bytes(task: Verification, data: str) -> int:
    """Return the bytes of the files of all databases but the server's own."""
    total = 0
    for folder, names, files in os.walk(task.outside(data)):
        names[:] = [name for name in names if name not in OWN]
        if folder == task.outside(data):
            continue  # the server's own files, such as its log
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in files)
    return total
