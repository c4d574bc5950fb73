# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of pg_dump: restored by pg_restore of the version that they need, into a server of their own."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    Budget,
    Counted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    PG_DIRECTORY,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_folders import TOC
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import layer_of
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._members import open_tar
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_archive import (
    ArchiveHead,
    read_head,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    ended_by,
    missing_role,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_globals import (
    add_roles,
    note_roles,
    restore_globals,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    at_least,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_restored import (
    RestoredPostgres,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    MAINTENANCE,
    PostgresServer,
    last_line,
    refuse_without_space,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

INSIDE = "/backup/dump"
HEAD_SECONDS, HEAD_BYTES = 120.0, 1 << 30
_TEMPLATES = ("template0", "template1")
_OWN_ERROR = re.compile(
    r"^pg_restore: error: (?!could not execute query|COPY failed|connection to server)(.*)$",
    re.MULTILINE,
)
FIND_OUT = "decide: find out who put that into the backup"
_IGNORED = re.compile(r"errors ignored on restore: (\d+)")


@contextlib.contextmanager
def restored_archive(task: Verification) -> Iterator[RestoredBackup]:
    """Restore an archive: a file, a tar or a folder of pg_dump."""
    with task.step("stage"):
        head = _head(task)
        for wish in head.wishes:
            task.finding(f"the dump asks for more than a restore: {wish}")
        programs = at_least(head.version, task.host)
        refuse_without_space(task)
        inside, shown = _staged(task)
    server = PostgresServer(task, programs)
    with contextlib.ExitStack() as stack:
        with task.step("start"):
            server.make()
            stack.enter_context(server.running())
            restore_globals(task, server, powers=True)
            add_roles(task, server, head.roles)
        with task.step("restore"):
            _restore(task, server, head, inside, shown)
        yield RestoredPostgres(task, server, _database(head), dumped=head.database)


def _database(head: ArchiveHead) -> str:
    own = head.has_database and head.database not in _TEMPLATES
    return head.database if own else "restored"


def _head(task: Verification) -> ArchiveHead:
    """Read the table of contents, wherever it is."""
    if task.row["kind"] == PG_DIRECTORY:
        path = os.path.join(task.backup.path if task.backup else "", TOC)
        with task.host.open(path, follow_links=False) as raw:
            return read_head(Counted(raw.read, Budget(HEAD_SECONDS, HEAD_BYTES)))
    with task.content() as stream:
        if task.row["kind"] != "pg_tar":
            return read_head(stream)
        with open_tar(stream) as archive:
            member = archive.next()
            inner = archive.extractfile(member)
            return read_head(Counted(inner.read, Budget(HEAD_SECONDS, HEAD_BYTES)))


def _staged(task: Verification) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of the archive in the sandbox, and what must be shown for it."""
    backup = task.backup
    if task.decrypted or backup is None or len(backup.paths) > 1:
        return task.unpacked("dump"), []
    if task.row["kind"] != PG_DIRECTORY:
        with task.host.open(backup.paths[0], follow_links=False) as raw:
            wrapped = layer_of(Counted(raw.read, Budget(HEAD_SECONDS, HEAD_BYTES)).peek())
        if wrapped:
            return task.unpacked("dump"), []
    return task.shown(backup.paths[0], INSIDE)


def _restore(
    task: Verification,
    server: PostgresServer,
    head: ArchiveHead,
    inside: str,
    shown: list[tuple[str, str]],
) -> None:
    """Restore it, and judge what pg_restore and the server said.

    Raises: BadBackupError, NotTriedError.
    """
    server.change("DROP DATABASE postgres")
    if head.has_database and _database(head) == head.database:
        arguments = ["--dbname", MAINTENANCE, "--create"]
    else:
        server.change(f"CREATE DATABASE {quoted(_database(head))} TEMPLATE template0")
        arguments = ["--dbname", _database(head)]
    if task.row["kind"] != "pg_tar":  # which pg_restore reads with one process only
        arguments += ["--jobs", str(max(1, task.verify["jobs"]))]
    arguments.append("--no-tablespaces")  # they are places of another machine
    since = server.log_bytes()
    said = server.run("pg_restore", *arguments, inside, reads=shown)
    task.row["restore_seconds"] = round(said.seconds, 3)
    task.row["programs"]["pg_restore"] = server.programs.words
    _judge(task, server, since, said)
    size = server.values(
        "SELECT sum(pg_catalog.pg_database_size(oid)) FROM pg_catalog.pg_database WHERE datname = current_database()",
        _database(head),
    )
    task.row["restored_bytes"] = int(size[0])


def _judge(task: Verification, server: PostgresServer, since: int, said: Finished) -> None:
    """Raise BadBackupError or NotTriedError if it was not restored as a whole."""
    errors = server.errors(since)
    roles = {missing_role(one.state, one.text) for one in errors} - {""}
    note_roles(task, roles)
    if said.status and not server.answers():
        raise NotTriedError("the server ended while it was restored: it may need more memory_bytes")
    own = _OWN_ERROR.search(said.err)
    rest = [(one.state, one.text) for one in errors if not missing_role(one.state, one.text)]
    ended = ended_by(rest)
    ignored = _IGNORED.search(said.err)
    whole = not said.status or (roles and ignored and int(ignored.group(1)) <= len(errors))
    if task.row["findings"] and (own or ended or not whole):
        raise BadBackupError(task.row["findings"][0], FIND_OUT)
    if isinstance(ended, NotTriedError):
        raise ended
    if own:
        raise BadBackupError(f"pg_restore: {own.group(1)[:200]}")
    if ended:
        raise ended
    if not whole:
        raise BadBackupError(f"pg_restore: {last_line(said.err)}")
