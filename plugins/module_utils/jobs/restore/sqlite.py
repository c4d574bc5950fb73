# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite: copied, opened by sqlite3 in the sandbox, checked and counted."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Restored, Task

_FILE = "database.sqlite"
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name LIMIT 2000"
)


class RestoredSqlite(Restored):
    """A copy of a database file."""

    def __init__(self, task: Task, path: str) -> None:
        self._task, self._path = task, path

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many tables and rows there are, and the rows of each table."""
        counts = {}
        for name in self._lines(_TABLES):
            quoted = '"' + name.replace('"', '""') + '"'
            # a name of the database's own, quoted, in the sandbox
            counts[name[:200]] = int(self._lines(f"SELECT count(*) FROM {quoted}")[0])  # noqa: S608
        if not counts:
            raise BadBackupError("it has no table")
        return {"tables": len(counts), "rows": sum(counts.values())}, counts

    def check(self) -> None:
        """Let SQLite check its structure, and its foreign keys."""
        said = self._lines("PRAGMA integrity_check(5)")
        if said != ["ok"]:
            raise BadBackupError(f"integrity_check: {said[0][:200] if said else 'says nothing'}")
        broken = self._lines("PRAGMA foreign_key_check")
        if broken:
            self._task.note(f"foreign_key_check: {len(broken)} rows without the row they refer to")

    def ask(self, sql: str, database: str) -> str:
        """Return the one value of a statement."""
        lines = self._lines(sql)
        if len(lines) > 1:
            raise NotTriedError(f"the statement returned {len(lines)} rows; expected one value")
        return lines[0] if lines else ""

    def take_table(self, table: str, target: str) -> None:
        """Write one table as `.dump` prints it."""
        self._task.save([*self._command(), f".dump {_quoted(table)}"], target)

    def _command(self) -> list[str]:
        return ["sqlite3", "-batch", "-bail", "-init", "/dev/null", self._path]

    def _lines(self, sql: str) -> list[str]:
        said = self._task.sandbox.run([*self._command(), sql])
        if said.status:
            raise BadBackupError(f"sqlite3: {_last(said.err)}")
        return said.out.splitlines()


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "no word of why"


@contextlib.contextmanager
def restored_sqlite(task: Task) -> Iterator[Restored]:
    """Copy the database, with what is in its log, and open the copy."""
    if task.host.which("sqlite3") is None:
        raise NotTriedError("sqlite3 is not installed", "apt-get install --yes sqlite3")
    with task.step("restore"):
        path = task.unpacked(_FILE)
        log = f"{task.backup.paths[0]}-wal" if task.backup else ""
        if log and task.host.exists(log):
            task.copied(log, f"{_FILE}-wal")
    task.row["restored_bytes"] = os.path.getsize(task.outside(path))
    task.row["restore_seconds"] = task.row["seconds"]["restore"]
    task.row["programs"]["sqlite3"] = task.sandbox.run(["sqlite3", "--version"]).out.split(" ")[0]
    yield RestoredSqlite(task, path)
