# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: a copy of the database opened by sqlite3 in the sandbox, or a dump of it loaded; checked and counted.

A dump of sqlite3 is a program, too: a line in it that begins with a dot runs one, or opens a file. The option -safe
refuses that.

Source: the chapters on the command-line shell, and PRAGMA integrity_check, in SQLite's documentation.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.followed import followed
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import prove_beside
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

INSTALL = "apt-get install --yes sqlite3"
_FILE = "database.sqlite"
_TABLES = (
    "SELECT hex(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name LIMIT 200 OFFSET {offset}"
)
_FIGURES = "SELECT type, count(*) FROM sqlite_master WHERE type IN ('index', 'trigger', 'view') GROUP BY type"
_PLURALS = {"index": "indexes", "trigger": "triggers", "view": "views"}
_COUNT = "SELECT count(*) FROM "
AT_ONCE = 200
TABLES_LIMIT = 5000
_LINE = re.compile(r"^(?:(?:Parse|Runtime) error|Error|line \d+)\b.*", re.MULTILINE)
_REFUSED = re.compile(r"^line (\d+): cannot (run|use|open) .*safe mode", re.MULTILINE)
_OF_ITS_APPLICATION = re.compile(
    r"no such (?:module|function|collation sequence|tokenizer)|unknown function|error in tokenizer constructor"
)
_LACKS = re.compile(
    r"may not be modified|unable to open|disk is full|out of memory|unsupported file format"
)


class RestoredSqlite(RestoredBackup):
    """A copy of a database file."""

    def __init__(self, task: Verification, path: str) -> None:
        self._task, self._path = task, path
        self._tables: list[str] = []

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many tables, rows, views, triggers and indexes there are, and the rows of each table."""
        self._list()
        if not self._tables:
            raise BadBackupError("it has no table")
        counts: dict[str, int] = {}
        for start in range(0, len(self._tables), AT_ONCE):
            some = self._tables[start : start + AT_ONCE]
            lines = self._lines(" ".join(_COUNT + _name(one) + ";" for one in some))
            counts.update((name[:200], int(number)) for name, number in zip(some, lines))
        if not any(counts.values()):
            self._task.note("none of its tables has a row")
        figures = {"tables": len(self._tables), "rows": sum(counts.values())}
        for line in self._lines(_FIGURES):
            kind, _bar, number = line.partition("|")
            figures[_PLURALS[kind]] = int(number)
        return figures, counts

    def _list(self) -> None:
        """Find its tables.

        Raises: BadBackupError, NotTriedError.
        """
        self._tables = []
        while True:
            found = self._lines(_TABLES.format(offset=len(self._tables)))
            self._tables += [bytes.fromhex(one).decode("utf-8", "replace") for one in found]
            if len(found) < AT_ONCE:
                break
            if len(self._tables) >= TABLES_LIMIT:
                raise NotTriedError(
                    f"it has {TABLES_LIMIT} tables or more, which are not all counted here"
                )

    def check(self) -> None:
        """Let SQLite check its structure, and its foreign keys.

        Raises: BadBackupError.
        """
        said = self._lines("PRAGMA integrity_check(5)")
        if said != ["ok"]:
            raise BadBackupError(f"integrity_check: {said[0][:200] if said else 'says nothing'}")
        broken = self._lines("SELECT count(*) FROM pragma_foreign_key_check")
        if broken != ["0"]:
            self._task.note(
                f"foreign_key_check: {broken[0][:20]} rows without the row they refer to"
            )

    def ask(self, sql: str, database: str) -> str:
        """Return the one value of a statement."""
        if sql.lstrip().startswith("."):
            raise NotTriedError(
                "the statement begins with a dot: a command of sqlite3 is not asked, only SQL"
            )
        lines = self._lines(sql, "-readonly")
        if len(lines) > 1:
            raise NotTriedError(f"the statement returned {len(lines)} rows; expected one value")
        return lines[0] if lines else ""

    def take_table(self, table: str, target: str) -> None:
        """Write one table as `.dump` prints it."""
        self._list()
        if table not in self._tables:
            raise NotTriedError(f"{table[:100]}: no such table was restored")
        self._task.save([*command(self._path), f".dump {_text(table)}"], target)

    def _lines(self, sql: str, *options: str) -> list[str]:
        # What begins with a dash would be taken for an option.
        said = self._task.sandbox.run([*command(self._path, *options), f" {sql}"])
        if said.status:
            raise told(said.err)
        return said.out.splitlines()


def command(path: str, *options: str) -> list[str]:
    """Return sqlite3's command for a database, without anybody's settings."""
    return ["sqlite3", *options, "-batch", "-bail", "-init", "/dev/null", path]


def told(err: str) -> RestoreError:
    """Return what a message of sqlite3 says of the backup. What it quotes may be a row, and is left out."""
    found = _LINE.search(err)
    line = re.split("['\"]", found.group() if found else "no word of why")[0].strip(" :")[:160]
    if _OF_ITS_APPLICATION.search(line):
        return NotTriedError(
            f"it needs what only its own application has: sqlite3: {line}",
            "decide: that is of the application that made it; verify it on a host whose sqlite3 has that",
        )
    if _LACKS.search(line):
        return NotTriedError(f"sqlite3: {line}")
    if re.search(r"syntax error|unrecognized token|incomplete input|near$", line):
        return NotTriedError(f"sqlite3: {line}")
    return BadBackupError(f"sqlite3: {line}")


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _begin(task: Verification) -> None:
    """Note what program there is, and what speaks for or against the file itself.

    Raises: NotTriedError, BadBackupError.
    """
    if task.host.which("sqlite3") is None:
        raise NotTriedError("sqlite3 is not installed", INSTALL)
    task.row["programs"]["sqlite3"] = task.sandbox.run(["sqlite3", "--version"]).out.split(" ")[0][
        :40
    ]
    prove_beside(task)
    path = task.backup.paths[0] if task.backup else ""
    if path and task.host.stat(path).st_mode & stat.S_IWOTH:
        task.note("everybody on this host may change the backup")


def _ended(task: Verification, path: str) -> RestoredSqlite:
    task.row["restored_bytes"] = os.path.getsize(task.outside(path))
    task.row["restore_seconds"] = task.row["seconds"]["restore"]
    return RestoredSqlite(task, path)


@contextlib.contextmanager
def restored_sqlite(task: Verification) -> Iterator[RestoredBackup]:
    """Copy the database, with what is in the log or the journal beside it, and open the copy.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    _begin(task)
    with task.step("restore"):
        path = task.unpacked(_FILE)
        beside = task.backup.paths[0] if task.backup and not task.decrypted else ""
        for end in ("-wal", "-journal") if beside else ():
            if task.host.exists(beside + end):
                task.copied(beside + end, _FILE + end)
    yield _ended(task, path)


@contextlib.contextmanager
def restored_sqlite_dump(task: Verification) -> Iterator[RestoredBackup]:
    """Load a dump into a new database.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    _begin(task)
    path = f"/scratch/{_FILE}"
    with task.step("restore"):
        with task.content() as stream:
            mark = os.urandom(8).hex()  # no dump can know it
            given = followed(task.reader(stream), f"\nSELECT '{mark}';\n".encode("ascii"))
            said = task.sandbox.run(command(path, "-safe"), given=given)
        if re.search(r"unknown option: -*safe", said.err):
            raise NotTriedError(
                "this sqlite3 has no option -safe, without which a dump may run programs",
                "decide: install sqlite3 3.37 or later",
            )
        refused = _REFUSED.search(said.err)
        if refused:
            task.finding(
                f"line {refused.group(1)} of the dump asks for what runs programs or opens files"
            )
            raise BadBackupError(
                task.row["findings"][0], "decide: find out who put that into the backup"
            )
        if said.status:
            error = told(said.err)
            # A statement of a dump is the backup's, not the site's.
            lacks = _LACKS.search(str(error)) or _OF_ITS_APPLICATION.search(str(error))
            raise error if lacks else BadBackupError(str(error))
        if mark not in said.out.splitlines():
            raise BadBackupError(
                "sqlite3 has ended before the dump, or its last statement does not end"
            )
    yield _ended(task, path)
