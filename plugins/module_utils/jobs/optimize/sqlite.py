# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job on files of SQLite: in a process of the file's owner, that ends with this one."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sqlite3
import stat
import time
import urllib.parse
from typing import Any, Callable, Dict, List, NoReturn, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import subject
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job, Tried
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    Ended,
    PlannedStep,
    size_words,
)

HEADER = b"SQLite format 3\0"
_PR_SET_PDEATHSIG = 1
ANALYZED_ROWS = 1000
"""How many rows of an index ANALYZE reads. Source: SQLite, pragma analysis_limit."""
TIMES = 2
STEPS_BETWEEN_LOOKS = 10_000
LOOK_SECONDS = 60.0
How = Tuple[float, float, str]
"""Within how many seconds a process works, how long it waits for a lock, and SQLite's options of the file."""


def work(job: Job, database: Dict[str, Any]) -> None:
    """Plan and do what is due in one file.

    Raises: OptimizeError, HostError.
    """
    task = SqliteWork(job, database)
    job.work_off(task.due(), task.do)


class SqliteWork:
    """One file."""

    def __init__(self, job: Job, database: Dict[str, Any]) -> None:
        """Look at it.

        Raises: OptimizeError, HostError.
        """
        self.job, self.subject, self.path = job, subject(database), database["name"]
        info = job.host.stat(self.path, follow_links=False)
        if not stat.S_ISREG(info.st_mode) or not job.host.read_head(self.path, 16, False) == HEADER:
            raise OptimizeError(f"{self.path}: not a database of SQLite")
        if os.geteuid() not in (0, info.st_uid):
            raise OptimizeError(f"{self.path}: belongs to another account; only root can become it")
        self.owner = (info.st_uid, info.st_gid)

    def due(self) -> List[PlannedStep]:
        """Return what is due.

        Raises: OptimizeError if that cannot be seen.
        """
        seen = self._look()
        size, limits = self.job.host.stat(self.path).st_size, self.job.limits
        steps = []
        if self.job.wants("optimize") and seen["due"]:
            tables = f"{len(seen['due'])} tables have no statistics, or have grown since: {', '.join(seen['due'][:5])}"
            steps.append(
                self._step("optimize", "PRAGMA optimize", tables, "RESERVED (reads go on)", size)
            )
        log = self._log_bytes()
        if self.job.wants("checkpoint") and log >= max(1, limits["log_bytes"]):
            why = f"its write-ahead log has {size_words(log)}"
            lock = "EXCLUSIVE on its log, for a moment"
            steps.append(
                self._step("checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", why, lock, log)
            )
        free = seen["free"] / max(1, seen["pages"])
        named = self.path in self.job.params["rewrite"]
        if named and free >= limits["free_share"] and seen["free"]:
            why = f"{free:.0%} of its pages are free"
            steps.append(
                self._step("rewrite", "VACUUM", why, "EXCLUSIVE (nothing else goes on)", size)
            )
        return steps

    def _step(self, action: str, statement: str, why: str, lock: str, size: int) -> PlannedStep:
        seconds = self.job.estimate(f"sqlite {action}", size)
        return PlannedStep(self.subject, action, self.path, statement, why, lock, size, seconds)

    def _log_bytes(self) -> int:
        try:
            return self.job.host.stat(f"{self.path}-wal", follow_links=False).st_size
        except HostError:
            return 0

    def do(self, step: PlannedStep) -> Ended:
        """Do one statement."""
        before = self._measures()
        ended = self.job.try_step(step, lambda: self._try(step))
        ended.before, ended.after = before, self._measures()
        return ended

    def _look(self) -> Dict[str, Any]:
        """Return what `_looked_at` does, without writing anything.

        A database in write-ahead mode that nobody has open is read as it lies: SQLite would make files beside it.
        """
        write_ahead = self.job.host.read_head(self.path, 20)[18:20] == b"\x02\x02"
        alone = write_ahead and not self.job.host.exists(f"{self.path}-wal")
        mode = "mode=ro&immutable=1" if alone else "mode=ro"
        found: Dict[str, Any] = self._in_child(_looked_at, (LOOK_SECONDS, 1.0, mode))
        return found

    def _measures(self) -> Dict[str, Any]:
        try:
            seen = self._look()
            size = self.job.host.stat(self.path).st_size
        except (OptimizeError, HostError):
            return {"bytes": None, "log_bytes": None}
        return {
            "bytes": size,
            "log_bytes": self._log_bytes(),
            "free_share": seen["free"] / max(1, seen["pages"]),
            "tables_without_statistics": len(seen["due"]),
        }

    def _try(self, step: PlannedStep) -> Tried:
        if step.action == "rewrite":
            space = self.job.host.statvfs(os.path.dirname(self.path))
            free = space.f_bavail * space.f_frsize
            if free < TIMES * step.size_bytes:
                return Tried(
                    f"{size_words(free)} free; expected {size_words(TIMES * step.size_bytes)}, twice the file"
                )
        wait = self.job.params["lock_timeout_seconds"]

        def act(db: sqlite3.Connection) -> Any:
            if step.action == "optimize":
                _let_optimize_see(db)
            return db.execute(step.statement).fetchall()

        try:
            rows = self._in_child(act, (self.job.window.left, wait, "mode=rw"))
        except OptimizeError as exc:
            return Tried(str(exc), again="in use" in str(exc), cancelled=self.job.window.left <= 0)
        if step.action == "checkpoint" and rows and rows[0][0]:
            return Tried("somebody reads or writes it, so its log stays", again=True)
        return Tried()

    def _in_child(self, act: Callable[[sqlite3.Connection], Any], how: How) -> Any:
        """Return what a function gives of the open database, in a process of the file's owner.

        What root would make beside the file could shut its owner out, or be led elsewhere by its owner.

        Raises: OptimizeError with the reason, in our words.
        """
        reader, writer = os.pipe()
        libc = ctypes.CDLL(None)
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(self.path, self.owner, libc, act, how, writer)
        os.close(writer)
        try:
            with os.fdopen(reader, "rb") as stream:
                said = stream.read(8_000_000)
            os.waitpid(child, 0)
        except BaseException:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGTERM)
                os.waitpid(child, 0)
            raise
        try:
            problem, value = json.loads(said)
        except (ValueError, RecursionError) as exc:
            raise OptimizeError(f"{self.path}: the process that works on it has ended") from exc
        if problem:
            raise OptimizeError(f"{self.path}: {problem}")
        return value


def _child(
    path: str,
    owner: Tuple[int, int],
    libc: Any,
    act: Callable[[sqlite3.Connection], Any],
    how: How,
    writer: int,
) -> NoReturn:
    """Be the process of the file's owner: write what the function gives, or why it gives nothing, and end."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        if os.geteuid() == 0 and owner[0] != 0:
            os.setgroups([])
            os.setgid(owner[1])
            os.setuid(owner[0])
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ["SQLITE_TMPDIR"] = os.path.dirname(path)  # where its free space was looked at
        said = json.dumps(_acted(path, act, how)).encode("ascii")
        while said:
            said = said[os.write(writer, said) :]
        status = 0
    finally:
        os._exit(status)


def _acted(path: str, act: Callable[[sqlite3.Connection], Any], how: How) -> Tuple[str, Any]:
    """Return why nothing was done, in our words, and what was given."""
    seconds, wait, mode = how
    ends = time.monotonic() + seconds
    try:
        where = f"file:{urllib.parse.quote(path)}?{mode}"
        db = sqlite3.connect(where, uri=True, timeout=min(wait, seconds), isolation_level=None)
        try:
            db.set_progress_handler(lambda: int(time.monotonic() > ends), STEPS_BETWEEN_LOOKS)
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute(f"PRAGMA analysis_limit = {ANALYZED_ROWS}")
            return "", act(db)
        finally:
            db.close()
    except (sqlite3.Error, OSError) as exc:
        return _words(str(exc)), None


def _words(said: str) -> str:
    """Return why SQLite did not do it: its own words may quote the file's content."""
    for part, words in (
        ("locked", "it is in use by another process"),
        ("interrupted", "cancelled at the end of the window"),
        ("no such collation", "it needs a collation that only its application has"),
        ("no such function", "it needs a function that only its application has"),
        ("no such module", "it needs a module that only its application has"),
        ("malformed", "it is damaged"),
        ("readonly", "it cannot be written"),
        ("unable to open", "it cannot be opened"),
        ("full", "the disk is full"),
    ):
        if part in said:
            return words
    return "SQLite refuses it"


def _looked_at(db: sqlite3.Connection) -> Dict[str, Any]:
    """Return its pages, those that are free, and the tables that `PRAGMA optimize` would analyze."""
    _let_optimize_see(db)
    planned = [str(row[0]) for row in db.execute("PRAGMA optimize(-1)").fetchall()]
    return {
        "pages": db.execute("PRAGMA page_count").fetchone()[0],
        "free": db.execute("PRAGMA freelist_count").fetchone()[0],
        "due": sorted({_table_of(one) for one in planned if one.startswith("ANALYZE")})[:200],
    }


def _table_of(statement: str) -> str:
    """Return the table of SQLite's own `ANALYZE "main"."orders"`."""
    return statement.rpartition('"."')[2].rstrip('";')[:100]


def _let_optimize_see(db: sqlite3.Connection) -> None:
    """Plan a query of each index, without running it: SQLite before 3.46 looks at no other table of a connection."""
    for table, column in db.execute(
        "SELECT m.tbl_name, i.name FROM sqlite_master m, pragma_index_info(m.name) i "
        "WHERE m.type = 'index' AND i.seqno = 0 AND i.name IS NOT NULL LIMIT 10000"
    ).fetchall():
        with contextlib.suppress(sqlite3.Error):
            query = f"SELECT 1 FROM {_quoted(table)} WHERE {_quoted(column)} = 1"  # noqa: S608 - names, quoted
            db.execute(f"EXPLAIN {query}").fetchall()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
