# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of PostgreSQL in the sandbox, with our own configuration and nothing of a backup's.

It listens on a socket in the scratch place only, archives nothing, follows nobody, and starts no other programs.
What goes wrong in it is known by its log: there each error has its SQLSTATE and its command, and none has the data.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import IO, Callable, Iterator, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    Version,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import (
    Finished,
    Server,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

ADMIN = "upkeep_admin"
"""The superuser of a server that we make: no dump has a role of that name."""
DATA, SOCKET, CONF = "/scratch/data", "/scratch/socket", "/scratch/conf"
TABLESPACES = "/scratch/tablespaces"
MAINTENANCE = "template1"
"""The database that is in each server."""
SESSION = (
    '-c statement_timeout=0 -c search_path="$user",public -c default_transaction_read_only=off'
    " -c role=none"
)
"""What holds in each session, whatever a backup has set for its databases and roles.

Names are looked for in pg_catalog first, which is not named; a superuser stays one, who sees all rows.
"""
MIB = 1 << 20
GROWS = 3
"""How many times the size of a dump its database has at least: dumps are packed, or without indexes."""
_LIBRARY = re.compile(r"[\w.$/-]+\Z")
_LINE = re.compile(r"([0-9A-Z]{5}) ([^|]*)\|(ERROR|FATAL|PANIC|WARNING|LOG):  (.*)")
_LINE_BYTES = 20_000
_ERROR_LIMIT = 100_000


@dataclass(frozen=True)
class ServerError:
    """What a server wrote into its log. state: SQLSTATE. command: of the session, such as `CREATE TABLE`."""

    level: str
    state: str
    command: str
    text: str


class NotStartedError(RestoreError):
    """A server that did not start. said: what it wrote."""

    def __init__(self, why: str, said: list[ServerError]) -> None:
        super().__init__(why)
        self.said = said


class PostgresServer:
    """A server. user: its superuser. programs: of its version. reads: what it is shown of the host, as Sandbox.run."""

    def __init__(self, task: Verification, programs: PostgresPrograms, user: str = ADMIN) -> None:
        self.task, self.programs, self.user = task, programs, user
        self.reads: list[tuple[str, str]] = []
        self._server: Server | None = None
        self._logs: list[str] = []
        task.row["programs"]["postgres"] = programs.words

    def make(self) -> None:
        """Make an empty one, or make it anew.

        Raises: NotTriedError.
        """
        for inside in (DATA, TABLESPACES):
            self.task.remove(inside)
        words = ["-D", DATA, "-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        said = self.run("initdb", *words, "--no-sync")
        if said.status:
            raise NotTriedError(f"initdb: {last_line(said.err)}")

    @contextlib.contextmanager
    def running(self, settings: Mapping[str, str] | None = None) -> Iterator[None]:
        """Keep it running. settings: what differs from ours.

        Raises: NotStartedError.
        """
        self._configure({**our_settings(self.task, self.programs.version), **(settings or {})})
        self.clear()
        argv = [
            self.programs.path("postgres"),
            "-D",
            DATA,
            "-c",
            f"config_file={CONF}/postgresql.conf",
        ]
        shown = [*self.programs.shown(), *self.reads]
        with self.task.sandbox.server(argv, shown) as server:
            self._server = server
            self._logs.append(server.log)
            if not server.wait_for(self.answers):
                said = list(self.said())
                fatal = [one.text for one in said if one.level in ("FATAL", "PANIC")]
                raise NotStartedError(fatal[-1] if fatal else last_line(server.said()), said)
            yield

    def answers(self) -> bool:
        """Return whether it answers a query.

        Raises: NotStartedError if the superuser's name is another one, or this one is none.
        """
        said = self.run("psql", "-X", "-Atc", _IS_SUPERUSER, database=MAINTENANCE)
        lesser = not said.status and said.out.strip() != "on"
        if lesser or (said.status and _NO_ROLE.search(said.err)):
            raise NotStartedError(NO_ROLE, [])
        return not said.status

    def clear(self) -> None:
        """Remove what says that a server is running, and the settings that a backup brings."""
        for name in ("postmaster.pid", "postgresql.auto.conf"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.task.outside(DATA), name))

    def _configure(self, settings: Mapping[str, str]) -> None:
        """Write its configuration where its files are not."""
        scratch = self.task.scratch
        for inside in (CONF, SOCKET):
            path = self.task.outside(inside)
            if os.path.lexists(path):
                shutil.rmtree(path)
            scratch.folder(os.path.basename(inside))
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        for name, text in (
            ("postgresql.conf", "".join(lines)),
            ("pg_hba.conf", "local all all trust\n"),
            ("pg_ident.conf", ""),
        ):
            path = os.path.join(self.task.outside(CONF), name)
            with open(path, "x", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), 0o644)
                stream.write(text)

    def run(
        self,
        name: str,
        *arguments: str,
        database: str = "",
        options: str = "",
        user: str = "",
        given: Callable[[int], bytes] | IO[bytes] | None = None,
        programs: PostgresPrograms | None = None,
        reads: list[tuple[str, str]] | None = None,
    ) -> Finished:
        """Run one of its programs, that connects to it. options: settings of its session, as `-c name=value`.

        Raises: CancelledError, NotTriedError.
        """
        used = programs or self.programs
        environment = {
            "PGHOST": SOCKET,
            "PGUSER": user or self.user,
            "PGDATABASE": database or MAINTENANCE,
            "PGOPTIONS": f"{SESSION} {options}".strip(),
            "PGCONNECT_TIMEOUT": "20",
        }
        shown = [*used.shown(), *(reads or [])]
        argv = [used.path(name), *arguments]
        return self.task.sandbox.run(argv, shown, environment, given=given)

    def values(self, sql: str, database: str = "") -> list[str]:
        """Return the values of the one column of a statement of ours; it is given by standard input.

        Raises: NotTriedError if it is not answered; AnswerError with the reason.
        """
        said = self.run(
            "psql", "-X", "-q", "-A", "-t", "-0", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-",
            database=database,
            options="-c default_transaction_read_only=on",
            given=once(sql.encode("utf-8")),
        )  # fmt: skip
        if said.status:
            raise answer_error(said.err)
        return said.out.split("\0")[:-1]

    def change(self, sql: str, database: str = "") -> None:
        """Run statements of ours.

        Raises: AnswerError.
        """
        said = self.run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-",
            database=database,
            given=once(sql.encode("utf-8")),
        )  # fmt: skip
        if said.status:
            raise answer_error(said.err)

    def forget_settings(self) -> None:
        """Remove the settings that a backup has for its databases and roles: they would steer what we ask.

        Raises: AnswerError.
        """
        self.change("DELETE FROM pg_catalog.pg_db_role_setting")

    def log_bytes(self) -> int:
        """Return how long its log is."""
        return os.path.getsize(self._server.log) if self._server else 0

    def said(self, since: int = 0) -> Iterator[ServerError]:
        """Yield what it wrote into its log since it was started last. since: from which byte on."""
        yield from _read_log(self._logs[-1], since) if self._logs else ()

    def said_before(self) -> Iterator[ServerError]:
        """Yield what it wrote into its logs since it was started first."""
        for log in self._logs:
            yield from _read_log(log, 0)

    def errors(self, since: int = 0) -> list[ServerError]:
        """Return the errors in its log."""
        return [one for one in self.said(since) if one.level in ("ERROR", "FATAL", "PANIC")]


def _read_log(path: str, since: int) -> Iterator[ServerError]:
    with open(path, "rb") as stream:
        stream.seek(since)
        for number, line in enumerate(iter(lambda: stream.readline(_LINE_BYTES), b"")):
            match = _LINE.match(line.decode("utf-8", "replace"))
            if match:
                state, command, level, text = match.groups()
                yield ServerError(level, state, command.strip(), text.strip())
            if number > _ERROR_LIMIT:
                return


_IS_SUPERUSER = "SELECT pg_catalog.current_setting('is_superuser')"
NO_ROLE = "no role of that name"
_NO_ROLE = re.compile(r'role "[^"]*" (?:does not exist|is not permitted to log in)')


class AnswerError(NotTriedError):
    """A statement that was not answered. state: SQLSTATE, empty if the server did not say it."""

    def __init__(self, why: str, state: str) -> None:
        super().__init__(why)
        self.state = state


_VERBOSE = re.compile(r"(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}): (.*)")


def answer_error(err: str) -> AnswerError:
    """Return why psql was not answered, from what it printed with VERBOSITY=verbose."""
    match = _VERBOSE.search(err)
    if match:
        return AnswerError(match.group(2)[:200], match.group(1))
    return AnswerError(f"psql: {last_line(err)}", "")


def once(data: bytes) -> Callable[[int], bytes]:
    """Return what gives these bytes to a program."""
    parts = [data]
    return lambda _size: parts.pop() if parts else b""


def last_line(text: str) -> str:
    """Return the last line that a program has printed, cut."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no word of why"


_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": SOCKET,
    "unix_socket_permissions": "0700",
    "hba_file": f"{CONF}/pg_hba.conf",
    "ident_file": f"{CONF}/pg_ident.conf",
    "ssl": "off",
    "archive_mode": "off",
    "archive_command": "",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "dynamic_library_path": "$libdir",
    "dynamic_shared_memory_type": "mmap",
    "huge_pages": "off",
    "max_locks_per_transaction": "256",
    "work_mem": "16MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "restart_after_crash": "off",
    "default_tablespace": "",
    "temp_tablespaces": "",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%e %i|",
    "log_min_messages": "error",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_statement": "none",
}
"""What holds for each server."""
_SINCE = (
    (10, "max_logical_replication_workers", "0"),
    (11, "jit", "off"),
    (12, "primary_conninfo", ""),
    (12, "restore_command", ""),
    (17, "event_triggers", "off"),
    (17, "allow_alter_system", "off"),
)
"""What holds for each server from a major version on."""


def our_settings(task: Verification, version: Version) -> dict[str, str]:
    """Return the configuration of a server of this version: what lives is not reached, and a restore is fast.

    What a crash would lose is lost: the server and its data end with the verification.
    """
    memory = max(256 * MIB, int(task.verify["memory_bytes"]))
    jobs = max(1, int(task.verify["jobs"]))
    for name in task.verify["preload"]:
        if not _LIBRARY.match(name):
            raise NotTriedError(f"preload: found {name[:40]!r}; expected the name of a library")
    settings = {
        **_SETTINGS,
        "shared_preload_libraries": ",".join(task.verify["preload"]),
        "max_connections": str(50 + jobs),
        "max_worker_processes": str(8 + jobs),
        "shared_buffers": f"{min(512 * MIB, memory // 8) // MIB}MB",
        "maintenance_work_mem": f"{max(16, memory // (8 * (jobs + 1)) // MIB)}MB",
    }
    for least, name, value in _SINCE:
        if version[0] >= least:
            settings[name] = value
    return settings


def refuse_without_space(task: Verification) -> None:
    """Raise NotTriedError if a dump will not fit when it is restored: as large as the last one of its set, at least."""
    before = [one.get("restored_bytes") for one in task.ledger.rows(task.row["set"])]
    known = [one for one in before if isinstance(one, int)]
    size = (task.backup.bytes or 0) if task.backup else 0
    task.scratch.refuse_without_space(max([size * GROWS, *known[:1]]))
