# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job on MariaDB: ANALYZE TABLE of what has changed, and OPTIMIZE TABLE of tables that the site names."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.declared import scrub
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._mariadb_client import (
    PORT,
    option_value,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import subject
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.client import Client
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
    StandbyError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job, Tried
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    Ended,
    PlannedStep,
    size_words,
)

ASK_SECONDS, LATE_SECONDS = 60.0, 5.0
TIMES = 2
DAY_SECONDS = 86400.0
ABOUT = """select @@global.read_only, @@hostname, @@datadir, version()"""
REPLICA = "show all slaves status"
# Names are told as hexadecimal: they may have a tab or a line's end in them.
TABLES = """
select hex(t.table_schema), hex(t.table_name), coalesce(t.data_length, 0) + coalesce(t.index_length, 0),
  coalesce(t.data_free, 0), coalesce(t.table_rows, 0), coalesce(unix_timestamp(t.update_time), 0),
  coalesce(unix_timestamp(s.last_update), 0), unix_timestamp()
from information_schema.tables t
  left join mysql.innodb_table_stats s on s.database_name = t.table_schema and s.table_name = t.table_name
where t.table_type = 'BASE TABLE' and t.engine = 'InnoDB'
  and t.table_schema not in ('mysql', 'sys', 'performance_schema', 'information_schema')"""
# A statement that works holds the tables that it reads: ANALYZE would make those behind it wait for that.
OLDEST = """
select coalesce(max(unix_timestamp() - unix_timestamp(trx_started)), 0) from information_schema.innodb_trx
union all select coalesce(max(time), 0) from information_schema.processlist
where command = 'Query' and id <> connection_id()"""
WHY = {
    "1142": "permission denied",
    "1143": "permission denied",
    "1205": "no lock within its time",
    "1227": "permission denied",
    "1317": "it was cancelled",
    "1969": "cancelled at the end of the window",
    "1021": "the disk is full",
    "1114": "the disk is full",
    "1290": "the server is read-only",
}
LOCKED, CANCELLED = ("1205",), ("1317", "1969")


class MariaStatementError(AccessRefusedError):
    """A statement failed. number: of the server's error; empty if it was none of the server's."""

    def __init__(self, number: str) -> None:
        super().__init__(
            f"{WHY[number]} (error {number})" if number in WHY else f"error {number or 'not known'}"
        )
        self.number = number


def work(job: Job, database: Dict[str, Any]) -> None:
    """Plan and do what is due in a server, or in the one database that is declared.

    Raises: OptimizeError, AccessRefusedError, HostError.
    """
    task = MariaWork(job, database)
    job.work_off(task.due(), task.do)


class MariaWork:
    """One server, or one database of it."""

    def __init__(self, job: Job, database: Dict[str, Any]) -> None:
        """Ask what it is.

        Raises: StandbyError, OptimizeError, AccessRefusedError, HostError.
        """
        self.job, self.database, self.subject = job, database, subject(database)
        [[read_only, name, self.folder, version]] = self._ask(ABOUT)
        if "mariadb" not in version.lower():
            raise OptimizeError(f"version {version[:40]!r}: the job knows MariaDB alone")
        if read_only not in ("0", "OFF") or self._ask(REPLICA):
            raise StandbyError("it is a replica, or read-only")
        self.is_here = name == os.uname().nodename and os.path.isdir(self.folder)

    def due(self) -> List[PlannedStep]:
        """Return the statements that are due, the longest neglected first."""
        steps = []
        rows = sorted(self._tables(), key=lambda row: (row["analyzed"], row["name"]))
        for row in rows:
            days = (row["now"] - row["analyzed"]) / DAY_SECONDS
            changed = (
                row["updated"] > row["analyzed"] and row["rows"] >= self.job.limits["changed_rows"]
            )
            if (
                self.job.wants("analyze")
                and (changed or not row["analyzed"])
                and days >= self.job.limits["analyzed_days"]
            ):
                steps.append(self._analyze(row, days))
            free = row["free"] / max(1, row["bytes"] + row["free"])
            named = row["shown"] in self.job.params["rewrite"]
            if named and free >= self.job.limits["free_share"]:
                steps.append(self._optimize(row, free))
        return steps

    def _analyze(self, row: Dict[str, Any], days: float) -> PlannedStep:
        why = (
            f"changed since its statistics were made {days:.0f} days ago"
            if row["analyzed"]
            else "never analyzed"
        )
        seconds = self.job.estimate("mariadb analyze", min(row["bytes"], 64 << 20))
        statement = f"ANALYZE NO_WRITE_TO_BINLOG TABLE {row['name']}"
        lock = "a metadata lock (reads and writes go on)"
        return PlannedStep(
            self.subject, "analyze", row["shown"], statement, why, lock, row["bytes"], seconds
        )

    def _optimize(self, row: Dict[str, Any], free: float) -> PlannedStep:
        seconds = self.job.estimate("mariadb rewrite", row["bytes"])
        statement = f"OPTIMIZE NO_WRITE_TO_BINLOG TABLE {row['name']}"
        why = f"{free:.0%} of its file are free"
        lock = "exclusive for a moment at its begin and end"
        return PlannedStep(
            self.subject, "rewrite", row["shown"], statement, why, lock, row["bytes"], seconds
        )

    def _tables(self, only: str = "") -> List[Dict[str, Any]]:
        """Return the tables. only: one of them, as it is shown."""
        found = []
        for schema, table, size, free, rows, updated, analyzed, now in self._ask(TABLES):
            names = [bytes.fromhex(one).decode("utf-8", "replace") for one in (schema, table)]
            shown = ".".join(names)
            if (only and shown != only) or self.database["name"] not in ("", names[0]):
                continue
            found.append({
                "name": ".".join(_quoted(one) for one in names), "shown": shown, "bytes": int(size), "free": int(free),
                "rows": int(rows), "updated": float(updated), "analyzed": float(analyzed), "now": float(now),
            })  # fmt: skip
        return found

    def do(self, step: PlannedStep) -> Ended:
        """Do one statement."""
        before = self._measured(step)
        ended = self.job.try_step(step, lambda: self._try(step))
        ended.before, ended.after = before, self._measured(step)
        return ended

    def _measured(self, step: PlannedStep) -> Dict[str, Any]:
        try:
            [row] = self._tables(step.name)
        except (AccessRefusedError, ValueError):
            return {"bytes": None, "rows": None}
        return {
            "bytes": row["bytes"],
            "free_bytes": row["free"],
            "rows": row["rows"],
            "statistics_seconds": row["now"] - row["analyzed"] if row["analyzed"] else None,
        }

    def _try(self, step: PlannedStep) -> Tried:
        params = self.job.params
        oldest = max(float(row[0]) for row in self._ask(OLDEST))
        if oldest > params["patience_seconds"]:
            patience = f"patience is {params['patience_seconds']:g} s"
            return Tried(
                f"a transaction or statement is {oldest:.0f} s old; {patience}", again=True
            )
        if step.action == "rewrite" and not params["server_elsewhere"]:
            if not self.is_here:
                return Tried("its data folder is not on this host, so its free space is not known")
            space = self.job.host.statvfs(self.folder)
            free = space.f_bavail * space.f_frsize
            if free < TIMES * step.size_bytes:
                return Tried(
                    f"{size_words(free)} free; expected {size_words(TIMES * step.size_bytes)}, twice the table"
                )
        left = max(1.0, self.job.window.left)
        settings = (
            f"set session lock_wait_timeout = {max(1, int(params['lock_timeout_seconds']))}; "
            f"set session innodb_lock_wait_timeout = {max(1, int(params['lock_timeout_seconds']))}; "
            f"set session max_statement_time = {left:.3f}; "
        )
        try:
            said = self._ask(settings + step.statement, left)
        except MariaStatementError as exc:
            return Tried(str(exc), again=exc.number in LOCKED, cancelled=exc.number in CANCELLED)
        bad = [row for row in said if len(row) == 4 and row[2].lower() == "error"]
        if bad:  # it says so in its rows, and ends well
            cancelled = (
                "interrupt" in bad[0][3].lower() or "max_statement_time" in bad[0][3].lower()
            )
            locked = "lock wait timeout" in bad[0][3].lower()
            cause = (
                "no lock within its time"
                if locked
                else "it was cancelled"
                if cancelled
                else "the server refuses it"
            )
            return Tried(cause, again=locked, cancelled=cancelled)
        return Tried()

    def _ask(self, sql: str, seconds: float = ASK_SECONDS) -> List[List[str]]:
        """Return the rows of the last statement that has some.

        Raises: AccessRefusedError with the reason, HostError without a client.
        """
        database = self.database
        program = next((one for one in ("mariadb", "mysql") if self.job.host.which(one)), None)
        if program is None:
            raise HostError("neither mariadb nor mysql is installed")
        command, options = _command(program, database)
        client = Client(
            self.job.host, [*command, f"--execute={sql}"], environment={}, script=options
        )
        try:
            if not client.wait(seconds + LATE_SECONDS):
                client.cancel()
        except BaseException:
            client.cancel()
            raise
        status, out, err = client.ended()
        if status:
            number = re.search(r"ERROR (\d+)", err)
            if number is None:
                raise AccessRefusedError(
                    scrub(" ".join(err.split())[:200], database) or "no answer"
                )
            if number.group(1).startswith("2") or number.group(1) in (
                "1044",
                "1045",
                "1698",
                "1040",
            ):
                raise AccessRefusedError(scrub(" ".join(err.split())[:300], database))
            raise MariaStatementError(number.group(1))
        return [line.split("\t") for line in out.splitlines()]


def _command(program: str, database: Dict[str, Any]) -> Tuple[List[str], str]:
    """Return the client's command, and its option file, which goes to standard input: the password is in it."""
    options = [f"user={option_value(database['user'])}"] if database.get("user") else []
    if database.get("password"):
        options.append(f"password={option_value(database['password'])}")
    address = database.get("address") or "localhost"
    command = [program, "--defaults-extra-file=/dev/stdin"] if options else [program]
    command += ["--batch", "--skip-column-names", "--connect-timeout=10"]
    if address.startswith("/"):
        command.append(f"--socket={address}")
    else:
        command += [f"--host={address}", f"--port={database.get('port') or PORT}"]
        command += ["--protocol=tcp"] if address != "localhost" or database.get("port") else []
    command += ["--ssl"] if database.get("tls") else []
    return command, "[client]\n" + "\n".join(options) + "\n" if options else ""


def _quoted(name: str) -> str:
    """Return a name as MariaDB writes any name."""
    return "`" + name.replace("`", "``") + "`"
