# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed REINDEX has left: found by what was written down before it, and dropped."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    OK,
    PORT,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_plan import (
    SHARED,
    own_rests,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._postgresql_sql import (
    ALIVE,
    BUILDING,
    HOLDERS,
    OF_TABLE,
    ORPHANS,
    quoted,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize._psql import (
    NAME,
    Psql,
    why,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job, Tried
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.step import (
    DONE,
    Ended,
    PlannedStep,
)

LOCKED = "55P03"
ORPHAN_TURNS = 10
REST_PAUSE_SECONDS = 5.0


def last_acts(job: Job, all_rests: Sequence[Rests]) -> None:
    """Try to drop what is left until the window's end; what cannot be dropped is a finding."""
    left = list(all_rests)
    while left:
        left = [one for one in left if one.try_again()]
        if not left or not job.window.pause(REST_PAUSE_SECONDS):
            break
    for one in all_rests:
        one.report()


class Rests:
    """The rests in one database. place: its server and database, as the record names them."""

    def __init__(self, job: Job, psql: Psql, subject: str, place: Dict[str, Any]) -> None:
        self.job, self.psql, self.subject, self.place = job, psql, subject, place

    def begin(self, step: PlannedStep) -> Dict[str, Any]:
        """Write down what is there before a REINDEX; return the entry.

        Raises: AccessRefusedError, OptimizeError: then it may not begin.
        """
        indexes = self.psql.ask(OF_TABLE.format(oid=step.table_oid))
        entry = {
            **self.place,
            "subject": self.subject,
            "name": str(self.psql.database.get("name") or "postgres"),
            "port": int(self.psql.database.get("port") or PORT),
            "table_oid": step.table_oid,
            "index": step.name.split(".", 1)[1],
            "schema": step.name.split(".", 1)[0],
            "index_oid": step.oid,
            "before": [one["oid"] for one in indexes],
            "made": [],
            "run": self.job.run,
            "began_at": iso(self.job.host.now()),
            "why": "",
        }
        for one in indexes:
            if one["oid"] == step.oid:
                entry.update(index=one["name"], schema=one["schema"])
        self.job.record.begin(entry)
        return entry

    def watch(self, entry: Dict[str, Any], label: str) -> None:
        """Look at the REINDEX that works: write down the index that it makes, and tell how far it is."""
        try:
            sql = BUILDING.format(oid=entry["table_oid"], name=NAME)
            seen = self.psql.ask(sql, 10.0)
        except AccessRefusedError:
            return
        if not seen["ours"]:
            return
        made = seen["index"]
        if made and made not in [*entry["before"], *entry["made"]]:
            entry["made"].append(made)
            self.job.record.save()
        share = seen["share"]
        phase = str(seen["phase"] or "")[:40]
        self.job.progress(
            {
                "title": label,
                "step": phase,
                "share": share if share is None else min(1.0, share),
            }
        )

    def entries(self) -> List[Dict[str, Any]]:
        """Return what was begun in this database and has left something, or may have."""
        return [
            one
            for one in self.job.record.reindexing
            if all(one.get(name) == value for name, value in self.place.items())
        ]

    def first_act(self) -> None:
        """Drop what runs before this one have left; in check mode, plan it."""
        entries = self.entries()
        if self.job.check_mode:
            for entry in entries:
                self.job.work_off([self._step(entry, one) for one in self._found(entry)], _not_now)
            return
        alive = self.psql.ask(ALIVE)
        for gone in self.job.record.reindexing:
            if gone.get("server") == self.place["server"] and gone.get("database") not in alive:
                self.job.record.end(gone)
        for _turn in range(ORPHAN_TURNS):  # the session of a killed run may still work
            if not self._orphans() or not self.job.window.pause(1.0):
                break
        for entry in entries:
            self.drop(entry)

    def try_again(self) -> bool:
        """Try once more to drop what is left; return whether something still is."""
        left = [entry for entry in self.entries() if not self._try_all(entry)]
        return bool(left)

    def report(self) -> None:
        """Say of each rest whose it is."""
        self.job.findings += [finding(one) for one in self.entries()]

    def drop(self, entry: Dict[str, Any]) -> None:
        """Drop the rest of one REINDEX, as often as the site allows; forget the entry if none is left."""
        try:
            self._drop(entry)
        except AccessRefusedError as exc:
            entry["why"] = f"what it left could not be looked at: {exc}"[:300]
            self.job.record.save()

    def _drop(self, entry: Dict[str, Any]) -> None:
        for one in self._found(entry):
            step = self._step(entry, one)
            ended = self.job.try_step(step, lambda step=step: self._drop_one(step))  # type: ignore[misc]
            ended.before = {"invalid index": 1}
            ended.after = {"invalid index": int(ended.outcome != DONE)}
            self.job.ended.append(ended)
        self._settle(entry)

    def _try_all(self, entry: Dict[str, Any]) -> bool:
        """Try once to drop the rest of an entry; return whether nothing is left of it."""
        try:
            for one in self._found(entry):
                step = self._step(entry, one)
                if not self._drop_one(step).cause:
                    done = Ended(
                        step, DONE, before={"invalid index": 1}, after={"invalid index": 0}
                    )
                    self.job.ended.append(done)
            return self._settle(entry)
        except AccessRefusedError as exc:
            entry["why"] = str(exc)[:200]
            return False

    def _orphans(self) -> int:
        """Cancel the job's sessions that work on without a client, and return how many there are."""
        return int(self.psql.ask(ORPHANS.format(name=NAME))["any"])

    def _found(self, entry: Dict[str, Any]) -> List[Dict[str, Any]]:
        indexes = self.psql.ask(OF_TABLE.format(oid=int(entry["table_oid"])))
        return own_rests(entry, indexes)

    def _settle(self, entry: Dict[str, Any]) -> bool:
        """Write down what is left of an entry; forget it if that is nothing."""
        left = self._found(entry)
        if not left and not self._orphans():
            self.job.record.end(entry)
            return True
        if not left:
            entry["why"] = "its session still works"
            self.job.record.save()
            return False
        entry["made"] = sorted({*entry["made"], *(one["oid"] for one in left)})
        entry["rests"] = [f"{quoted(one['schema'])}.{quoted(one['name'])}" for one in left]
        entry["why"] = self._holders(entry, left)
        self.job.record.save()
        return False

    def _holders(self, entry: Dict[str, Any], left: List[Dict[str, Any]]) -> str:
        oids = [int(entry["table_oid"]), *(one["oid"] for one in left)]
        found = self.psql.ask(HOLDERS.format(oids=", ".join(str(one) for one in oids), all="true"))
        if not found:
            return "it could not be dropped"
        return f"it could not be dropped: {holders_words(found)} a lock on its table"

    def _step(self, entry: Dict[str, Any], one: Dict[str, Any]) -> PlannedStep:
        name = f"{quoted(one['schema'])}.{quoted(one['name'])}"
        return PlannedStep(
            self.subject,
            "drop",
            f"{one['schema']}.{one['name']}",
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
            f"an invalid index, {made_by(entry)}",
            SHARED,
            0,
            0.0,
            one["oid"],
            int(entry["table_oid"]),
        )

    def _drop_one(self, step: PlannedStep) -> Tried:
        """Drop one, if nobody builds on its table, and it is still the same."""
        busy = self.psql.ask(BUILDING.format(oid=step.table_oid, name=NAME))
        if busy["any"]:
            return Tried("an index of its table is being built", again=True)
        now = self.psql.ask(OF_TABLE.format(oid=step.table_oid))
        same = [one for one in now if one["oid"] == step.oid and not one["valid"]]
        if not same or f"{same[0]['schema']}.{same[0]['name']}" != step.name:
            return Tried("" if not same else "it has another name now", again=False)
        wait = self.job.params["lock_timeout_seconds"]
        settings = {"lock_timeout": int(wait * 1000)}
        state = self.psql.act(step.statement, settings, max(0.001, self.job.window.left))
        if state == OK:
            return Tried()
        return Tried(why(state), again=state == LOCKED)


def _not_now(step: PlannedStep) -> Ended:
    return Ended(step, DONE)


def made_by(entry: Dict[str, Any]) -> str:
    """Return which run has made something, such as `made by run 31`."""
    at = str(entry.get("began_at") or "")[:16].replace("T", " ")
    return f"made by run {entry['run']}" if entry.get("run") else f"made by this job at {at} UTC"


def holders_words(found: List[Dict[str, Any]]) -> str:
    """Return `session 4711 of shop (psql) holds`."""
    named = [
        f"session {one['pid']} of {one['account']}"
        + (f" ({one['application']})" if one["application"] else "")
        for one in found
    ]
    return f"{', '.join(named)} {'holds' if len(named) == 1 else 'hold'}"


def finding(entry: Dict[str, Any]) -> Dict[str, str]:
    """Return what is said of a rest that could not be dropped."""
    return {
        "subject": str(entry["subject"]),
        "index": ", ".join(entry.get("rests") or [f"{entry['schema']}.{entry['index']}_ccnew"]),
        "why": f"invalid index, {made_by(entry)}; {entry.get('why') or 'not looked at yet'}",
        "run": str(entry["run"]),
    }
