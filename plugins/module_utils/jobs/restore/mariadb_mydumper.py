# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of mydumper: their files loaded in the order in which myloader takes them, by the client of mariadb_dump.py.

Source: mydumper.c and myloader.c.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    CancelledError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_announced import (
    Announced,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_dump import (
    loaded,
    other_server,
    refuse_failed,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_own import (
    own_tables,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    MariaDbServer,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    NO_LIMIT,
    RestoredBackup,
    Verification,
)

_FILE = re.compile(r"(.+?)\.sql(?:\.gz|\.zst|\.lz4)?\Z")
_ROLES = (
    ("create", re.compile(r"([^.]+)-schema-create\Z")),
    ("sequence", re.compile(r"([^.]+)\..+-schema-sequence\Z")),
    ("post", re.compile(r"([^.]+)-schema-post\Z")),
    ("triggers", re.compile(r"([^.]+)(?:\..+)?-schema-triggers\Z")),
    ("view", re.compile(r"([^.]+)\..+-schema-view\Z")),
    ("table", re.compile(r"([^.]+)\..+-schema\Z")),
    ("data", re.compile(r"([^.]+)\..+\Z")),
)
_ORDER = ("create", "sequence", "table", "data", "view", "triggers", "post")
_WHOLE = ("triggers", "post")
"""Statements in these may have semicolons in them: one ends where the end of a line follows one, as for myloader."""
_SERVER = re.compile(r"^# ?(?:SERVER|server).*?(\d+\.\d+\.\d+\S*)", re.MULTILINE)
STATEMENTS_BYTES = 64 << 20


def in_order(names: list[str]) -> list[tuple[str, str, str]]:
    """Return the files of a folder that are loaded, in their order: role, database and name of each."""
    found = []
    for name in sorted(names):
        stem = _FILE.match(name)
        for role, pattern in _ROLES if stem else ():
            match = pattern.match(stem.group(1))  # type: ignore[union-attr]
            if match:
                found.append((role, match.group(1), name))
                break
    return sorted(found, key=lambda one: _ORDER.index(one[0]))


def delimited(text: bytes, mark: bytes) -> bytes:
    """Return statements that end with a semicolon and a line's end so that the client takes each as one."""
    statements = [one for one in re.split(rb";[ \t]*\r?\n", text.strip() + b"\n") if one.strip()]
    lines = [b"DELIMITER " + mark]
    lines += [one.strip().rstrip(b";") + b"\n" + mark for one in statements]
    return b"\n".join([*lines, b"DELIMITER ;", b""])


class _Feed:
    """All files as one stream. It keeps in mind at which line each begins."""

    def __init__(
        self,
        task: Verification,
        folder: FolderFiles,
        files: list[tuple[str, str, str]],
        budget: Budget,
    ) -> None:
        self._task, self._folder, self._budget = task, folder, budget
        self._line = 1
        self._begins: list[tuple[int, str]] = []
        self._pieces = self._all(files)
        self._left = b""
        self.text = Announced("", everywhere=True)

    def read(self, size: int) -> bytes:
        """Return up to size bytes; nothing at the end."""
        try:
            while not self._left:
                self._left = next(self._pieces, b"")
                if not self._left:
                    return b""
        except BrokenError as exc:
            raise BadBackupError(str(exc)) from exc
        except OutOfBudgetError as exc:
            raise CancelledError(str(exc)) from exc
        except (UnreadError, HostError) as exc:
            raise NotTriedError(str(exc)) from exc
        data, self._left = self._left[:size], self._left[size:]
        return data

    def _all(self, files: list[tuple[str, str, str]]) -> Iterator[bytes]:
        made = {database for role, database, _name in files if role == "create"}
        yield from self._counted(b"SET FOREIGN_KEY_CHECKS=0;\n")
        for number, (role, database, name) in enumerate(files):
            quoted_name = quoted(database).encode("utf-8", "surrogateescape")
            if role != "create" and database not in made:
                made.add(database)
                yield from self._counted(b"CREATE DATABASE IF NOT EXISTS " + quoted_name + b";\n")
            self._begins.append((self._line, name))
            if role != "create":
                yield from self._counted(b"USE " + quoted_name + b";\n")
            self.text.at(database)
            for piece in self._file(role, name):
                if role == "data":
                    self.text.look(piece)
                yield from self._counted(piece)
            self.text.look(b"\n")
            yield from self._counted(b"\n")
            self._task.progress(number / len(files))

    def _file(self, role: str, name: str) -> Iterator[bytes]:
        with self._folder.content(name, self._budget) as (stream, _layer):
            if role not in _WHOLE:
                yield from iter(stream.read, b"")
                return
            parts = []
            for part in iter(stream.read, b""):
                parts.append(part)
                if stream.count > STATEMENTS_BYTES:
                    raise UnreadError(f"{name[:200]}: has more than {STATEMENTS_BYTES} B")
        # No file can know it.
        yield delimited(b"".join(parts), b"//" + os.urandom(6).hex().encode("ascii"))

    def _counted(self, *pieces: bytes) -> Iterator[bytes]:
        for piece in pieces:
            self._line += piece.count(b"\n")
            yield piece

    def where(self, line: int) -> str:
        """Return the file in which a line of the stream is."""
        found = [name for begin, name in self._begins if begin <= line]
        return found[-1][:200] if found else "its beginning"


def refuse_unfit(names: list[str]) -> None:
    """Raise NotTriedError for a folder whose rows are no statements."""
    if any(re.search(r"\.dat(\.gz|\.zst|\.lz4)?\Z", name) for name in names):
        raise NotTriedError("its rows are in files for LOAD DATA (.dat), which are not loaded here")


@contextlib.contextmanager
def restored_mydumper(task: Verification) -> Iterator[RestoredBackup]:
    """Load a folder of mydumper into a new server.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    path = task.backup.path if task.backup else ""
    folder = FolderFiles(path, task.host)
    names = task.host.names(path)
    files = in_order(names)
    refuse_unfit(names)
    with contextlib.ExitStack() as stack:
        with task.step("start"):
            server = MariaDbServer(task)
            server.install()
            stack.enter_context(server.started(accounts=True))
            server.add_loader()
            before = own_tables(server)
        with task.step("restore"):
            feed = _Feed(
                task,
                folder,
                files,
                Budget(max(1.0, task.sandbox.ends - time.monotonic()), NO_LIMIT),
            )
            said = _SERVER.search(folder.text("metadata"))
            other = other_server(said.group(1), server.version) if said else ""
            error = server.feed(feed.read, "")
            refuse_failed(task, server, (error, feed.where(error.line)) if error else None, other)
        if feed.text.pagers:
            task.finding("its files ask for a pager, a program that the client runs")
        yield loaded(task, server, "", feed.text, before)
