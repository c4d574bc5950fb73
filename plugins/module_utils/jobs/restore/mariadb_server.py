# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of MariaDB in the sandbox: on its own data, behind its own socket, with no setting of anybody else.

Source: mariadbd(8), mariadb(1), mariadb-install-db(1).
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Callable, Iterator, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.followed import followed
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_errors import (
    GONE,
    SqlError,
    of_a_dump,
    sql_error,
    warned,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import (
    Finished,
    Server,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

SOCKET = "/scratch/sql.sock"
LOADER = "upkeep_restore"
"""The account that loads dumps: all rights but those of an administrator, which a dump does not need."""
ACCOUNTS = (
    "SELECT COALESCE(SUM(user = 'upkeep_restore'), 0),"
    " COALESCE(SUM(user NOT IN ('upkeep_restore', 'mariadb.sys', 'PUBLIC', 'root', '')), 0) FROM mysql.global_priv;"
)
"""Asks whether the account that loads dumps is still there, and how many others there are that no new server has."""
INSTALL = "apt-get install --yes mariadb-server  # or the package of that name of your system"
_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/libexec", "/bin", "/sbin")
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)-MariaDB")
_SAFE = (
    *("--skip-networking", "--event-scheduler=OFF", "--local-infile=0", "--skip-log-bin"),
    *("--skip-slave-start", "--skip-name-resolve", "--skip-stack-trace", "--skip-symbolic-links"),
    *("--max-allowed-packet=1G", "--innodb-flush-log-at-trx-commit=2"),
)
_CRASHED = re.compile(r"got signal|\[ERROR\].*(?:corrupt|checksum|Assertion)", re.IGNORECASE)
_SHUT_DOWN = re.compile(r"\(initiated by: [^\n]{0,200}\): Normal shutdown")
"""Nobody but what is restored asks for that: we end it otherwise."""
_CORRUPTED = re.compile(
    r"\[ERROR\] InnoDB: (?:File '([^'\n]{1,500})' is corrupted|[^\n]{0,500}page corruption)"
)
_NO_SANDBOX = re.compile(r"\S+: unknown option '--sandbox'")
_ESCAPED = re.compile(r"\\([0nt\\])")
_PLAIN = {"0": "\0", "n": "\n", "t": "\t", "\\": "\\"}
# A name is looked up in no network: one try says so.
_CLIENT = {"RES_OPTIONS": "timeout:1 attempts:1", "EDITOR": "/bin/false", "VISUAL": "/bin/false"}


def program(names: Sequence[str], host: Host) -> str:
    """Return the path of the first of these programs that is installed where the sandbox has it.

    Raises: NotTriedError.
    """
    for name in names:
        for folder in _FOLDERS:
            if host.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
    raise NotTriedError(f"{names[0]} is not installed", INSTALL)


def version_of(text: str) -> tuple[int, int] | None:
    """Return major and minor version of a server of MariaDB that a text names; None if it names none."""
    found = _VERSION.search(text)
    return None if found is None else (int(found.group(1)), int(found.group(2)))


class MariaDbServer:
    """A server in the sandbox. data: its folder in the sandbox. version: (10, 11). version_text: as it says itself."""

    def __init__(
        self, task: Verification, data: str = "/scratch/data", settings: Sequence[str] = ()
    ) -> None:
        self.task, self.data, self.settings = task, data, list(settings)
        self._server = program(("mariadbd", "mysqld"), task.host)
        self._client = program(("mariadb", "mysql"), task.host)
        said = task.sandbox.run([self._server, "--no-defaults", "--version"]).out
        version = version_of(said)
        if version is None:
            raise NotTriedError("the server that is installed here is not MariaDB", INSTALL)
        self.version = version
        self.version_text = said.split("Ver ", 1)[-1].split(" ", 1)[0][:60]
        task.row["programs"]["mariadbd"] = self.version_text
        self._running: Server | None = None
        self._stack = contextlib.ExitStack()
        self._loader = LOADER
        self.restarted = self.events_on = False
        for name in ("none", "tmp"):
            task.scratch.folder(name)

    def install(self) -> None:
        """Make the data of a new server.

        Raises: NotTriedError.
        """
        maker = program(("mariadb-install-db", "mysql_install_db"), self.task.host)
        made = self.task.sandbox.run(
            [
                *(maker, "--no-defaults", "--force", f"--datadir={self.data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", "--skip-name-resolve"),
            ]
        )
        if made.status:
            lines = [one for one in made.err.splitlines() if "ERROR" in one] or ["no word of why"]
            raise NotTriedError(f"mariadb-install-db: {lines[0][:200]}")

    @contextlib.contextmanager
    def started(self, *, accounts: bool) -> Iterator[None]:
        """Run it. accounts: as of its data; else everybody may do everything, and it loads no plugin and no event.

        Raises: NotTriedError, BadBackupError if it ends at once: of a copy's data the one who called knows more.
        """
        with self._stack:
            self._start(accounts)
            yield

    def _start(self, accounts: bool) -> None:
        memory = min(max(self.task.sandbox.memory_bytes // 4, 32 << 20), 1 << 30)
        line = [
            self._server,
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={SOCKET}",
            *_SAFE,
        ]
        # No file can be read or written by SQL, and no library be loaded.
        line += ["--secure-file-priv=/scratch/none", "--plugin-dir=/scratch/none"]
        line += ["--tmpdir=/scratch/tmp", "--pid-file=/scratch/tmp/pid"]
        line += [f"--innodb-buffer-pool-size={memory}", *self.settings]
        line += [] if accounts else ["--skip-grant-tables"]
        self._running = self._stack.enter_context(self.task.sandbox.server(line))
        if not self._running.wait_for(self._answers):
            raise BadBackupError(f"the server does not start: {self._complaint()}")

    def _answers(self) -> bool:
        said = self._run(["--execute=SELECT 1"], None)
        error = sql_error(said.err)
        return not said.status or (error is not None and error.number not in (2002, *GONE))

    def let_everybody_in(self) -> None:
        """Start it again, so that it asks for no account: what was restored may have replaced ours.

        Tables that are in memory alone are empty then.
        """
        self._stop()
        self._start(accounts=False)
        self.restarted = True

    def begin_again(self) -> None:
        """Make a new server, into which an administrator loads."""
        self._stop()
        self.task.remove(self.data)
        self.install()
        self._start(accounts=True)
        self._loader = "root"

    def _stop(self) -> None:
        self._stack.close()
        self.task.remove(SOCKET)

    def _complaint(self) -> str:
        lines = (
            [one for one in self._running.said().splitlines() if "[ERROR]" in one]
            if self._running
            else []
        )
        return lines[0].split("[ERROR]", 1)[1].strip()[:200] if lines else "no word of why"

    def command(self, *more: str, user: str = "root") -> list[str]:
        """Return the command of a client. What is in a row stands in one line."""
        line = [self._client, "--no-defaults", f"--socket={SOCKET}", f"--user={user}", "--batch"]
        line += ["--skip-column-names", "--local-infile=0", "--max-allowed-packet=1G"]
        return [*line, "--default-character-set=utf8mb4", *more]

    def _run(
        self, more: Sequence[str], given: Callable[[int], bytes] | None, user: str = "root"
    ) -> Finished:
        return self.task.sandbox.run(
            self.command(*more, user=user), environment=_CLIENT, given=given
        )

    def ask(self, sql: str, database: str = "") -> list[list[str]] | SqlError:
        """Return the rows of statements, or the error at which they ended. NULL is the word of that name."""
        parts = [sql.encode("utf-8", "surrogateescape"), b""]
        said = self._run([f"--database={database}"] if database else [], lambda _size: parts.pop(0))
        error = sql_error(said.err)
        if said.status or error:
            return error or SqlError(-1, 0, f"the client ended with status {said.status}")
        return [[_unescaped(one) for one in line.split("\t")] for line in said.out.splitlines()]

    def rows(self, sql: str) -> list[list[str]]:
        """Return the rows of our own statements.

        Raises: BadBackupError, NotTriedError.
        """
        said = self.ask(sql)
        if isinstance(said, SqlError):
            raise self.gone(said) or of_a_dump(said, "what was restored cannot be asked", "")
        return said

    def gone(self, error: SqlError) -> BadBackupError | NotTriedError | None:
        """Return what it says of the backup that the server has ended; None if it has not.

        Raises: NotTriedError if it had too much memory.
        """
        if error.number not in GONE and error.number != 2002:
            return None
        self.task.sandbox.refuse_out_of_memory("mariadb")
        said = self._running.said() if self._running else ""
        if _SHUT_DOWN.search(said):
            self.task.finding("the backup asks the server to shut down")
            return BadBackupError(
                self.task.row["findings"][-1], "decide: find out who put that into the backup"
            )
        if _CRASHED.search(said):
            return BadBackupError(f"the server ended while it read the data: {self._complaint()}")
        how = self._running.end() if self._running else ""
        return NotTriedError(f"the server {how or 'does not answer'}, and does not say why")

    def corrupted(self) -> str:
        """Return the file in which the server has found a bad page, as its log says; it may go on without a word."""
        found = _CORRUPTED.search(self._running.said()) if self._running else None
        if found is None:
            return ""
        return os.path.normpath(found.group(1))[:200] if found.group(1) else "a file of InnoDB"

    def feed(self, read: Callable[[int], bytes], database: str) -> SqlError | None:
        """Let the client load a dump, without files and programs; return the error at which it ended, if it did.

        Raises: what read raises; NotTriedError if the client cannot do without.
        """
        more = ["--sandbox", "--show-warnings", *([f"--database={database}"] if database else [])]
        # No dump can know it.
        mark = os.urandom(8).hex()
        last = f"\nSELECT '{mark}', @@event_scheduler;\n".encode("ascii")
        said = self._run(more, followed(read, last), self._loader)
        if _NO_SANDBOX.match(said.err):
            raise NotTriedError(
                "this client of MariaDB has no option --sandbox, without which a dump may run programs",
                "decide: install a client of 10.5.25, 10.6.18, 10.11.8, 11.4 or later",
            )
        error = sql_error(said.err)
        if error is None and said.status:
            return SqlError(-1, 0, f"the client ended with status {said.status}")
        reached = re.search(rf"^{mark}\t(\w+)$", said.out, re.MULTILINE)
        if error is None and reached is None:
            return SqlError(
                -1, 0, "the client has ended before it, or its last statement does not end"
            )
        self.events_on = bool(reached) and reached.group(1) != "OFF"  # type: ignore[union-attr]
        return error or warned(said.out)

    def add_loader(self) -> None:
        """Make the account that loads dumps."""
        self.rows(
            f"CREATE USER {LOADER}@localhost; GRANT ALL PRIVILEGES ON *.* TO {LOADER}@localhost WITH GRANT OPTION;"
            f"REVOKE SUPER, SHUTDOWN ON *.* FROM {LOADER}@localhost;"
        )


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: _PLAIN[found.group(1)], text)


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return "`" + name.replace("`", "``") + "`"


def settings_of(text: str) -> list[str]:
    """Return the options of a copy's backup-my.cnf without which its data cannot be opened; of no other use."""
    found = []
    for name, pattern in _NEEDED.items():
        said = re.search(rf"^{name}\s*=\s*({pattern})\s*$", text, re.MULTILINE)
        if said:
            found.append(f"--{name.replace('_', '-')}={said.group(1)}")
    return found


_NEEDED: dict[str, Any] = {
    "innodb_page_size": r"\d{4,5}",
    "innodb_data_file_path": r"[\w.-]+:\d+[KMGkmg]?(?::autoextend(?::max:\d+[KMGkmg]?)?)?"
    r"(?:;[\w.-]+:\d+[KMGkmg]?(?::autoextend(?::max:\d+[KMGkmg]?)?)?)*",
    "innodb_undo_tablespaces": r"\d{1,3}",
    "innodb_checksum_algorithm": r"\w+",
}
