# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of PostgreSQL in SQL: run by a psql that does nothing but send statements, as a role that may do little.

Such a dump is program text. What it asks of psql is taken out and told; psql is in its restricted mode beside that. A
role without rights runs it, unless that cannot be: then a superuser does, in a server made anew.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Callable, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    ended_by,
    missing_role,
    reaches_out,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_globals import (
    LIMIT_BYTES,
    note_roles,
    restore_globals,
    run_globals,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    at_least,
    installed,
    restricted_psql,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_restored import (
    RestoredPostgres,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    ADMIN,
    PostgresServer,
    last_line,
    refuse_without_space,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_sql import (
    SqlSections,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

OWNER = "upkeep_restore"
"""The role without rights that runs a dump."""
DATABASE = "restored"
HEAD_BYTES = 1 << 17
WHOLE_SERVER = "sql pg_dumpall"
_VERSION = re.compile(rb"(?m)^-- Dumped (?:from database|by pg_dump) version ([\d.]+)")
_ASCII = re.compile(rb"(?m)^SET client_encoding = 'SQL_ASCII';")
_OTHERS = re.compile(rb"(?i)`|\bENGINE\s*=|\bAUTOINCREMENT\b|^PRAGMA\b|^GO\b")
_REFUSED = re.compile(r"backslash commands are restricted")
_DENIED, _SYNTAX = "42501", "42601"
_EXPECTED = re.compile(
    r"must be owner of extension plpgsql|database \"(?:postgres|template1)\" already exists"
    r"|invalid value for parameter \"default_tablespace\""
)
"""What a new server has already, or has not, whichever dump comes."""


class _MayNotError(Exception):
    """The role without rights could not run the dump."""


@contextlib.contextmanager
def restored_sql(task: Verification) -> Iterator[RestoredBackup]:
    """Run a dump in SQL, of one database or of all."""
    with task.step("stage"):
        head = _head(task)
        programs = _programs(task, head)
        psql = restricted_psql(programs, task.host)
        refuse_without_space(task)
    server = PostgresServer(task, programs)
    with contextlib.ExitStack() as stack:
        try:
            _run(task, server, stack, psql, OWNER, head)
        except _MayNotError as exc:
            stack.close()
            task.note(f"restored as a superuser, for a role without rights may not: {exc}")
            _run(task, server, stack, psql, ADMIN, head)
        yield RestoredPostgres(task, server, "" if _is_whole(task) else _main(server))


def _is_whole(task: Verification) -> bool:
    return bool(task.row["kind"] == WHOLE_SERVER)


def _main(server: PostgresServer) -> str:
    """Return the database of a dump of one: its own, if it made one."""
    own = server.values("SELECT datname FROM pg_catalog.pg_database WHERE NOT datistemplate")
    others = [one for one in own if one != DATABASE]
    if others:
        server.change(f"DROP DATABASE {DATABASE}")
    return others[0] if len(others) == 1 else "" if others else DATABASE


def _head(task: Verification) -> bytes:
    with task.content() as stream:
        return stream.peek(HEAD_BYTES)


def _programs(task: Verification, head: bytes) -> PostgresPrograms:
    """Return the version that the dump needs: the newest one if it does not say.

    Raises: NotTriedError.
    """
    said = [version_of(one.decode("ascii")) for one in _VERSION.findall(head)]
    here = installed(task.host)
    if task.row["kind"] == "sql" and _OTHERS.search(head):
        raise NotTriedError("SQL of an unknown program, and not of PostgreSQL")
    return here[-1] if here and not said else at_least(max(said, default=(0,)), task.host)


def _run(
    task: Verification,
    server: PostgresServer,
    stack: contextlib.ExitStack,
    psql: PostgresPrograms,
    user: str,
    head: bytes,
) -> None:
    """Run the dump in a new server.

    Raises: _MayNotError if the user lacks a right; BadBackupError, NotTriedError.
    """
    with task.step("start"):
        server.make()
        stack.enter_context(server.running())
        restore_globals(task, server, powers=user == ADMIN)
        _prepare(task, server, head)
    before, since = task.row["seconds"].get("restore", 0.0), server.log_bytes()
    with task.step("restore"), task.content() as stream:
        sections = SqlSections(task.reader(stream))
        said = _send(task, server, sections, psql, user)
    task.row["restore_seconds"] = round(task.row["seconds"]["restore"] - before, 3)
    _judge(task, server, since, sections, said, user)
    sizes = server.values(
        "SELECT sum(pg_catalog.pg_database_size(oid)) FROM pg_catalog.pg_database WHERE NOT datistemplate"
    )
    task.row["restored_bytes"] = int(sizes[0])


def _prepare(task: Verification, server: PostgresServer, head: bytes) -> None:
    """Make the role without rights, and what it is to have."""
    lines = [f"CREATE ROLE {OWNER} LOGIN CREATEDB;"]
    if _is_whole(task):
        lines += [f"ALTER DATABASE {name} OWNER TO {OWNER};" for name in ("postgres", "template1")]
    else:
        how = "ENCODING 'SQL_ASCII' LOCALE 'C'" if _ASCII.search(head) else ""
        lines += ["DROP DATABASE postgres;"]
        lines += [f"CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0 {how};"]
    server.change("\n".join(lines))
    if server.programs.version[0] < 15:
        for name in ("postgres", "template1") if _is_whole(task) else (DATABASE,):
            server.change(f"ALTER SCHEMA public OWNER TO {OWNER}", name)
    _join(server)


def _join(server: PostgresServer) -> None:
    """Let the role without rights give its objects to those to whom the dump says they belong."""
    names = server.values("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'")
    others = [quoted(one) for one in names if one not in (ADMIN, OWNER)]
    server.change("".join(f"GRANT {one} TO {OWNER};\n" for one in others))


def _send(
    task: Verification,
    server: PostgresServer,
    sections: SqlSections,
    psql: PostgresPrograms,
    user: str,
) -> str:
    """Send the dump, each section into its database; return what psql printed of errors."""
    said = ""
    while not sections.ended:
        database, give = sections.database or DATABASE, sections.section()
        if _is_whole(task) and not sections.database:
            _send_roles(task, server, give, powers=user == ADMIN)
            continue
        done = server.run(
            "psql", "-X", "-q", "--output=/dev/null", "-f", "-",
            database=database, user=user, programs=psql, given=_restricting(give),
        )  # fmt: skip
        said += done.err
        if done.status:
            sections.drain()
            return said + f"\npsql: {last_line(done.err)}"
    return said


def _send_roles(
    task: Verification, server: PostgresServer, give: Callable[[int], bytes], powers: bool
) -> None:
    text = b""
    for data in iter(lambda: give(0), b""):
        text += data
        if len(text) > LIMIT_BYTES:
            raise NotTriedError(f"more than {LIMIT_BYTES >> 20} MiB of roles")
    run_globals(task, server, text, powers)
    _join(server)


def _restricting(give: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return what gives a section behind a line that restricts psql, with a key that the dump cannot know."""
    first = [f"\\restrict {os.urandom(16).hex()}\n".encode("ascii")]

    def read(size: int) -> bytes:
        return first.pop() if first else give(size)

    return read


def _judge(
    task: Verification,
    server: PostgresServer,
    since: int,
    sections: SqlSections,
    said: str,
    user: str,
) -> None:
    """Raise if the dump was not restored as a whole, or asked for more."""
    for word in sections.asked:
        task.finding(f"the dump asks for a psql command: {word}")
    errors = server.errors(since)
    for one in errors:
        wish = reaches_out(one.state, one.text)
        if wish:
            task.finding(f"the dump asks for more than a restore: {wish}")
    rest = [(one.state, one.text) for one in errors if not _EXPECTED.search(one.text)]
    if "ERROR:" in said and not errors:
        raise NotTriedError("psql tells of errors that the server did not write down")
    if not rest and _REFUSED.search(said) and not sections.asked:
        task.finding("the dump asks for a psql command")
    if task.row["findings"]:
        raise BadBackupError(
            task.row["findings"][0], "decide: find out who put that into the backup"
        )
    there = set(server.values("SELECT rolname FROM pg_catalog.pg_roles"))
    roles = ({missing_role(*one) for one in rest} - {""}) | (sections.owners - there)
    rest = [one for one in rest if not missing_role(*one)]
    denied = [text for state, text in rest if state == _DENIED]
    if denied and user == OWNER:
        raise _MayNotError(denied[0][:120])
    note_roles(task, roles)
    if task.row["kind"] == "sql" and any(state == _SYNTAX for state, _text in rest):
        raise NotTriedError("SQL of an unknown program, which PostgreSQL does not take")
    ended = ended_by(rest)
    if ended:
        raise ended
    lost = said.rpartition("\npsql: ")
    if lost[1]:
        raise NotTriedError(f"psql: {lost[2][:200]}")
