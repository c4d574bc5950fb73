# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job on PostgreSQL: ANALYZE and VACUUM of what has changed, REINDEX CONCURRENTLY of what is bloated."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    OK,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines.postgresql import (
    DATABASES,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import subject
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_place import (
    data_folder,
    no_space,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_plan import (
    blocked_by,
    index_steps,
    table_steps,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_rests import (
    LOCKED,
    Rests,
    holders_words,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_sql import (
    ABOUT,
    HOLDERS,
    INDEXES,
    OLDEST,
    TABLES,
    VACUUMED,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._psql import (
    CANCELLED,
    DEADLOCK,
    Psql,
    why,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    StandbyError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job, Tried
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    DONE,
    SKIPPED,
    UNKNOWN,
    Ended,
    PlannedStep,
)

DROP_SHARE, DROP_SECONDS = 0.1, 30.0
"""What is kept of the window for dropping what a REINDEX leaves that it ends: this share of it, this long at most."""
NOT_COUNTED = "the server has done nothing: the account must own the table, or be a superuser"
COUNTED_SECONDS = 10.0
"""How long to wait until the server has counted what was done: until 14, that reaches it late."""


def databases(job: Job, database: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the databases of a server; the one declared if it has a name.

    Raises: AccessRefusedError, HostError, OptimizeError through a pool.
    """
    if database["name"]:
        return [database]
    found = Psql(job.host, database, job.params).ask(DATABASES)
    return [{**database, "name": str(one["name"])} for one in found["databases"]]


def work(job: Job, database: Dict[str, Any], rests: List[Rests]) -> None:
    """Plan and do what is due in one database. rests: takes what may be left of it, for the job's last act.

    Raises: OptimizeError, AccessRefusedError, HostError.
    """
    task = PostgresWork(job, database)
    rests.append(task.rests)
    task.rests.first_act()
    job.work_off(task.due_tables(), task.keep_table)
    if job.wants("reindex"):  # after it, as the estimate needs current statistics
        job.work_off(task.due_indexes(), task.reindex)


class PostgresWork:
    """One database."""

    def __init__(self, job: Job, database: Dict[str, Any]) -> None:
        """Ask what it is.

        Raises: StandbyError, OptimizeError, AccessRefusedError, HostError: nothing is done then.
        """
        self.job, self.subject = job, subject(database)
        self.psql = Psql(job.host, database, job.params)
        about = self.psql.ask(ABOUT)
        self.psql.number = about["number"]
        if about["standby"]:
            raise StandbyError("it is a standby: what is done on its primary comes to it")
        self.folder = ""
        if not job.params["server_elsewhere"]:
            self.folder = data_folder(self.psql, about, job.host)
        self.place = {"server": about["system"], "database": about["database"]}
        self.rests = Rests(job, self.psql, self.subject, self.place)

    def due_tables(self) -> List[PlannedStep]:
        """Return the statements that are due on tables."""
        actions = [one for one in ("analyze", "vacuum") if self.job.wants(one)]
        rows = self._tables(0) if actions else []
        return table_steps(rows, self.job.limits, actions, self.subject, self.job.estimate)

    def due_indexes(self) -> List[PlannedStep]:
        """Return the statements that are due on indexes."""
        found = self._indexes(0)
        if found["unseen"]:
            said = f"{found['unseen']} large indexes are not judged: the account may not see their statistics"
            self.job.note(self.subject, UNKNOWN, f"{said} (GRANT SELECT on their tables)")
        return index_steps(found["rows"], self._reindexed, self.subject, self.job.estimate)

    def _tables(self, oid: int) -> List[Dict[str, Any]]:
        limits = self.job.limits
        found: List[Dict[str, Any]] = self.psql.ask(
            TABLES
            % {
                "table": int(oid),
                "dead": max(1, int(limits["dead_rows"])),
                "changed": max(1, int(limits["changed_rows"])),
                "freeze": float(limits["freeze_share"]),
            }
        )
        return found

    def _indexes(self, oid: int) -> Dict[str, Any]:
        limits = self.job.limits
        found: Dict[str, Any] = self.psql.ask(
            INDEXES
            % {
                "index": int(oid),
                "bytes": int(limits["bloat_bytes"]),
                "share": float(limits["bloat_share"]),
            }
        )
        return found

    def _key(self, oid: int) -> str:
        return f"{self.place['server']}/{self.place['database']}/{oid}"

    def _reindexed(self, oid: int) -> Dict[str, Any] | None:
        found: Dict[str, Any] | None = self.job.record.said["reindexed"].get(self._key(oid))
        return found

    def keep_table(self, step: PlannedStep) -> Ended:
        """Run ANALYZE or VACUUM."""
        runs, before = self._measured_table(step)
        ended = self.job.try_step(step, lambda: self._try_table(step))
        ended.before, ended.after = before, before
        if ended.outcome == DONE:
            ended.after, proved = self._counted(step, runs)
            if not proved:
                ended.outcome, ended.cause = SKIPPED, NOT_COUNTED
            rest = ended.after.get("dead_rows") or 0
            if proved and step.action == "vacuum" and rest > self.job.limits["dead_rows"]:
                ended.cause = f"{rest} dead rows are left: an old transaction, slot or standby may still need them"
        return ended

    def _counted(self, step: PlannedStep, runs: int) -> Tuple[Dict[str, Any], bool]:
        """Return the measures after a statement, and whether the server has counted it: it skips what is not ours."""
        ends = time.monotonic() + COUNTED_SECONDS
        while True:
            now, after = self._measured_table(step)
            if now > runs or time.monotonic() > ends:
                return after, now > runs
            time.sleep(0.2)

    def _measured_table(self, step: PlannedStep) -> Tuple[int, Dict[str, Any]]:
        """Return how often statements such as ours have worked on a table, and its measures."""
        try:
            [row] = self._tables(step.oid)
        except (AccessRefusedError, ValueError):
            return 0, {"bytes": None, "dead_rows": None, "changed_rows": None}
        found = {"bytes": row["bytes"], "dead_rows": row["dead"], "changed_rows": row["changed"]}
        if "FREEZE" in step.statement:
            found["oldest_transaction"] = row["age"]
        return row["runs"], found

    def _try_table(self, step: PlannedStep) -> Tried:
        if self.psql.ask(VACUUMED.format(oid=step.oid))["any"]:
            return Tried("another VACUUM works on it")
        return self._acted(step, self._settings(self.job.params["lock_timeout_seconds"]))

    def _settings(self, lock_seconds: float) -> Dict[str, Any]:
        return {
            "lock_timeout": int(lock_seconds * 1000),
            "vacuum_cost_delay": f"{self.job.params['throttle_milliseconds']:g}ms",
        }

    def _acted(
        self, step: PlannedStep, settings: Dict[str, Any], seconds: float = 0.0, **how: Any
    ) -> Tried:
        """Run the statement of a step, and say how that ended. seconds: until when; the window's end without them."""
        window = self.job.window
        until = seconds or max(0.001, window.left)
        began = time.monotonic()
        state = self.psql.act(step.statement, settings, until, **how)
        if state == OK:
            return Tried()
        if state == CANCELLED:
            over = time.monotonic() - began >= until - 1.0
            end = f"cancelled at the end of the window, {window.words}"
            return Tried(end if over else "somebody has cancelled it", cancelled=True)
        if state == DEADLOCK:
            return Tried(why(state), again=True)
        if state == LOCKED:
            held = self._holders(step)
            wait = settings["lock_timeout"] / 1000
            return Tried(f"no lock within {wait:g} s{held}", again=True)
        return Tried(why(state))

    def _holders(self, step: PlannedStep) -> str:
        oids = f"{step.oid}, {step.table_oid}" if step.table_oid else str(step.oid)
        try:
            found = self.psql.ask(HOLDERS.format(oids=oids, all="false"))
        except AccessRefusedError:
            return ""
        return f": {holders_words(found)} one" if found else ""

    def reindex(self, step: PlannedStep) -> Ended:
        """Build an index anew beside itself, and leave nothing of it behind."""
        before = self._measured_index(step.oid)
        ended = self.job.try_step(step, lambda: self._try_reindex(step))
        ended.before, ended.after = before, before
        if ended.outcome != DONE:
            return ended
        try:
            new = self._named(step)
            ended.after = self._measured_index(new)
            said = {"bytes": ended.after["bytes"], "at": iso(self.job.host.now())}
            if said["bytes"] is not None:
                self.job.record.keep_reindexed(self._key(new), said)
        except AccessRefusedError as exc:
            ended.after, ended.cause = {"bytes": None}, f"not measured afterwards: {exc}"
        return ended

    def _try_reindex(self, step: PlannedStep) -> Tried:
        """Try it once, if nothing stands in the way, and drop what a failed one leaves."""
        job = self.job
        if self._named(step) != step.oid:  # a try before this one has come as far as that
            return Tried()
        patience = job.params["patience_seconds"]
        blocked = blocked_by(self.psql.ask(OLDEST), patience)
        if blocked:
            return Tried(blocked, again=True)
        held = self._holders(
            step
        )  # at the begin no longer than for any lock; later as long as the patience
        if held and not job.window.pause(job.params["lock_timeout_seconds"]):
            return Tried(f"no lock{held}", again=True)
        held = held and self._holders(step)
        if held:
            wait = job.params["lock_timeout_seconds"]
            return Tried(f"no lock within {wait:g} s{held}", again=True)
        space = (
            no_space(self.psql, self.folder, step.oid, step.size_bytes, job.host)
            if self.folder
            else ""
        )
        if space:
            return Tried(space)
        left = job.window.left
        seconds = left - min(DROP_SECONDS, left * DROP_SHARE)
        entry = self.rests.begin(step)
        try:
            # It also waits for transactions that are younger than the patience, and blocks nobody meanwhile.
            settings = self._settings(max(patience, job.params["lock_timeout_seconds"]))
            label = f"reindex {step.name}"
            tried = self._acted(
                step, settings, seconds, watch=lambda: self.rests.watch(entry, label)
            )
        finally:
            self.rests.drop(entry)
        return tried

    def _named(self, step: PlannedStep) -> int:
        """Return the OID of the index of a step's name: a REINDEX gives it another one."""
        name = step.statement.rpartition("CONCURRENTLY ")[2].replace("'", "''")
        return int(self.psql.ask(f"select to_json('{name}'::regclass::oid::bigint)"))

    def _measured_index(self, oid: int) -> Dict[str, Any]:
        try:
            [row] = self._indexes(oid)["rows"]
        except (AccessRefusedError, ValueError):
            return {"bytes": None, "wasted_share": None}
        size = row["bytes"]
        return {"bytes": size, "wasted_share": round(row["wasted"] / size, 3) if size else 0.0}
