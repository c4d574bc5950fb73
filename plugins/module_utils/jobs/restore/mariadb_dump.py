# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of mysqldump and mariadb-dump: loaded into a server of its own, by a client that runs no program.

A dump is a program. What it asks for beside SQL is refused by the client (--sandbox), by the rights of the account that
loads it, by the options of the server, and by the sandbox; and each such wish is a finding.
"""

from __future__ import annotations

import contextlib
import re
from typing import Callable, Iterator, Optional, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_announced import (
    OWN_DATABASE,
    Announced,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_errors import (
    DENIED,
    GRANTS,
    SqlError,
    elsewhere,
    forbidden,
    of_a_dump,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_own import (
    OwnTables,
    own_tables,
    tell_changes,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    ACCOUNTS,
    MariaDbServer,
    quoted,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_tables import (
    RestoredMariaDb,
    restored_bytes,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import prove_beside
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

Failed = Optional[Tuple[SqlError, str]]
"""The error at which a dump ended, and where that was; None if it did not."""
UNNAMED = "restored"
"""The database of a dump that does not name its own."""
_DATABASE = re.compile(rb"^-- Host: .*?\s+Database: ([^\r\n]{0,64})\r?$", re.MULTILINE)
_SERVER = re.compile(rb"^-- Server version\s+([\w.+~:-]{1,60})", re.MULTILINE)
_PRODUCT = re.compile(rb"^-- MySQL dump ", re.MULTILINE)
_ALL = re.compile(rb"^-- Current Database: `", re.MULTILINE)


def database_of(head: bytes) -> str:
    """Return the database that a dump of a single one names at its beginning; empty if it is of several."""
    found = _DATABASE.search(head)
    if found is None:
        return UNNAMED
    if _ALL.search(head):
        return ""
    return found.group(1).strip().decode("utf-8", "surrogateescape")


def other_server(text: str, here: tuple[int, int]) -> str:
    """Return what server a backup is of, if it is none of MariaDB of at most this version; empty otherwise."""
    version = version_of(text)
    if version is None:
        return f"{text[:60]}, which is not MariaDB" if text else "an unknown server"
    return (
        f"MariaDB {version[0]}.{version[1]}, which is later than {here[0]}.{here[1]}"
        if version > here
        else ""
    )


@contextlib.contextmanager
def restored_mariadb_dump(task: Verification) -> Iterator[RestoredBackup]:
    """Load a dump into a new server.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    prove_beside(task)
    with contextlib.ExitStack() as stack:
        with task.step("start"):
            server = MariaDbServer(task)
            server.install()
            stack.enter_context(server.started(accounts=True))
            server.add_loader()
            before = own_tables(server)
        with task.step("restore"):
            main, other, failed, said = _load(task, server)
        if failed and failed[0].number == GRANTS:
            task.note("it grants all rights there are, and was loaded by an account that has them")
            with task.step("start"):
                server.begin_again()
                before = own_tables(server)
            del task.row["seconds"]["restore"]
            with task.step("restore"):
                main, other, failed, said = _load(task, server)
        _refuse_elsewhere(failed, main)
        refuse_failed(task, server, failed, other)
        for line in said.pagers[:1]:
            task.finding(
                f"line {line} of the dump asks for a pager, a program that the client runs"
            )
        yield loaded(task, server, main, said, before)


def _load(task: Verification, server: MariaDbServer) -> tuple[str, str, Failed, Announced]:
    """Load a dump; return its database if it is of one, whose it is if of another server, where it failed, its text."""
    with task.content() as stream:
        head = stream.peek()
        main = database_of(head)
        said = _SERVER.search(head)
        other = other_server(said.group(1).decode("ascii") if said else "", server.version)
        text = Announced(main)
        return main, other, load(server, text.reader(task.reader(stream)), main), text


def load(server: MariaDbServer, read: Callable[[int], bytes], main: str) -> Failed:
    """Load a dump; return the error at which it ended and where that was, if it did."""
    if main:
        server.rows(f"CREATE DATABASE IF NOT EXISTS {quoted(main)};")
    error = server.feed(read, main)
    where = f"line {error.line} of the dump" if error and error.line else "the dump"
    return (error, where) if error else None


def _refuse_elsewhere(failed: Failed, main: str) -> None:
    """Raise NotTriedError if a dump of one database refers to another one: alone it cannot be judged."""
    table = elsewhere(failed[0], main) if failed else ""
    if table:
        raise NotTriedError(
            f"it refers to {table}, which is in another database and not in this dump",
            "decide: dump both databases into one file (--databases)",
        )


def refuse_failed(task: Verification, server: MariaDbServer, failed: Failed, other: str) -> None:
    """Raise what the error says of the backup, if there is one.

    Raises: BadBackupError, NotTriedError.
    """
    if failed is None:
        return
    error, where = failed
    gone = server.gone(error) if error.number != 2002 else None
    if gone is not None:
        raise gone
    wish = forbidden(error)
    if wish:
        task.finding(f"{where} asks {wish}")
        raise BadBackupError(
            task.row["findings"][0], "decide: find out who put that into the backup"
        )
    raise of_a_dump(error, where, other)


def loaded(
    task: Verification, server: MariaDbServer, main: str, text: Announced, before: OwnTables
) -> RestoredMariaDb:
    """Return what was loaded, and write down how large it is, how long it took, and what it has changed.

    before: the server's own tables, when nothing was loaded yet.
    """
    row = task.row
    row["restored_bytes"] = restored_bytes(task, server.data)
    row["restore_seconds"] = row["seconds"]["restore"]
    if server.events_on:
        task.finding("the dump asks to switch events on")
    # What the dump has written into mysql.* holds from now on: accounts that a view runs as, and our own.
    server.ask("FLUSH PRIVILEGES;")
    said = server.ask(ACCOUNTS)
    if isinstance(said, SqlError) and said.number in DENIED:
        server.let_everybody_in()
    if OWN_DATABASE not in text.databases:
        tell_changes(task, before, own_tables(server))
    ours, others = server.rows(ACCOUNTS)[0]
    if ours == "1" and others == "0":
        task.note("accounts and their rights are not in it")
    restored = RestoredMariaDb(task, server, main)
    restored.inserts = text.inserts
    return restored
