# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, grants and tablespaces: what pg_dumpall writes beside the databases, and pg_dump does not.

It can be run by a superuser only. So only those statements are run that pg_dumpall writes there, none by psql's own
reading of the dump. Who is made a superuser by them stays one only where a superuser restores the databases: what
belongs to a superuser may need its rights while it is restored, such as a materialized view of others' tables.
"""

from __future__ import annotations

import os
import re
from typing import Iterable

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    ended_by,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_restored import (
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    TABLESPACES,
    PostgresServer,
    once,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_sql import (
    statements,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

LIMIT_BYTES = 64 << 20
SHOWN_ROLES = 10
_ALLOWED = re.compile(
    rb"(?is)\A(?:SET\s|SELECT pg_catalog\.set_config\('search_path', '', false\);"
    rb"|(?:CREATE|ALTER|DROP|COMMENT ON) (?:ROLE|USER|GROUP|TABLESPACE|DATABASE)\s"
    rb"|(?:GRANT|REVOKE|SECURITY LABEL)\s)"
)
_LOCATION = re.compile(rb"(?is)(\ACREATE TABLESPACE .*\sLOCATION\s+)'(?:[^']|'')*'(\s*;?)\Z")
_DROP = re.compile(rb"(?i)\ADROP\s")


def restore_globals(task: Verification, server: PostgresServer, powers: bool) -> None:
    """Restore the file with roles and grants that the site has declared, if it has. powers: as run_globals.

    Raises: BadBackupError, NotTriedError.
    """
    path = task.verify["globals"]
    if path:
        run_globals(task, server, task.host.read_bytes(path, LIMIT_BYTES), powers)


def run_globals(task: Verification, server: PostgresServer, text: bytes, powers: bool) -> None:
    """Run the statements that make roles and tablespaces. Each tablespace is made in the scratch place.

    powers: who is made a superuser stays one.

    Raises: BadBackupError, NotTriedError.
    """
    run = []
    for one in statements(text):
        if not _ALLOWED.match(one):
            task.finding("a dump of roles has a statement that makes no role")
        elif not _DROP.match(one):
            run.append(_led_in(task, one))
    since = server.log_bytes()
    said = server.run("psql", "-X", "-q", "-f", "-", given=once(b"\n".join(run) + b"\n"))
    errors = [(one.state, one.text) for one in server.errors(since)]
    ended = ended_by(errors)
    if ended:
        raise ended
    if said.status:
        raise NotTriedError(f"roles: psql ended with status {said.status}")
    if not powers:
        _take_power(server)


def _led_in(task: Verification, statement: bytes) -> bytes:
    """Return the statement; that of a tablespace with a place here."""
    if not _LOCATION.match(statement):
        return statement
    top = task.outside(TABLESPACES)
    if not os.path.isdir(top):
        task.scratch.folder(os.path.basename(TABLESPACES))
    number = len(os.listdir(top))
    task.scratch.folder(f"{os.path.basename(TABLESPACES)}/{number}")
    place = f"{TABLESPACES}/{number}".encode("ascii")
    return _LOCATION.sub(lambda one: one.group(1) + b"'" + place + b"'" + one.group(2), statement)


def _take_power(server: PostgresServer) -> None:
    """Let no role of the backup be a superuser, so that nobody becomes one by belonging to it."""
    supers = server.values("SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper")
    names = [name for name in supers if name != server.user]
    server.change("".join(f"ALTER ROLE {quoted(name)} NOSUPERUSER;\n" for name in names))


def add_roles(task: Verification, server: PostgresServer, wanted: Iterable[str]) -> None:
    """Make the roles that are named and not there, and say which they are.

    What they may do is not in the backup. Each becomes a superuser: where it was one, nothing of its own is refused.
    """
    there = set(server.values("SELECT rolname FROM pg_catalog.pg_roles"))
    missing = sorted(set(wanted) - there)
    if not missing:
        return
    server.change(
        "".join(
            f"CREATE ROLE {quoted(name)} SUPERUSER;\n"
            for name in missing
            if not name.startswith("pg_")
        )
    )
    note_roles(task, missing)


def note_roles(task: Verification, missing: Iterable[str]) -> None:
    """Say which roles a backup names and does not have."""
    names = sorted(missing)
    if names:
        more = f" and {len(names) - SHOWN_ROLES} more" if len(names) > SHOWN_ROLES else ""
        shown = ", ".join(names[:SHOWN_ROLES])
        task.note(f"roles not in this backup: {shown}{more}; restored without what they may do")
