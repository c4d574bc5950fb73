"""The job db_optimize on real servers: its plan, what it does, what stands in its way, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from patience import eventually
from service.disks import small
from service.majors import ADMINISTRATOR, CLERK, MAJORS, MajorServer, own_server, shared_server

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_optimization,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_optimization_shape import (
    DatabaseOptimization,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize import postgresql
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import Record
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.run import (
    difference,
    has_changed,
    optimize,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import Window
from upkeep.checks.databases.database_optimized import Limits, judge
from upkeep.judging.shapes import typed
from upkeep.model.verdicts import Severity

THRESHOLDS = {
    "changed_rows": 1000,
    "changed_share": 0.1,
    "dead_rows": 1000,
    "dead_share": 0.1,
    "freeze_share": 0.9,
    "bloat_bytes": 1 << 20,
    "bloat_share": 0.4,
    "analyzed_days": 7,
    "log_bytes": 100_000,
    "free_share": 0.2,
}
PARAMS: dict[str, Any] = {
    "discover": False,
    "timeout_seconds": 60,
    "run_as": "",
    "actions": ["analyze", "vacuum", "reindex", "optimize", "checkpoint"],
    "rewrite": [],
    "lock_timeout_seconds": 0.2,
    "retries": 1,
    "pause_seconds": 0,
    "throttle_milliseconds": 0,
    "patience_seconds": 3600,
    "server_elsewhere": False,
    "run": "31",
    "thresholds": THRESHOLDS,
}
OTHERS = [pytest.param(one, marks=pytest.mark.thorough) for one in MAJORS[1:-1]]
ON_EACH = pytest.mark.parametrize("shop", [MAJORS[0], *OTHERS, MAJORS[-1]], indirect=True)
ON_OLDEST = pytest.mark.parametrize(
    "shop",
    [MAJORS[0], *OTHERS, pytest.param(MAJORS[-1], marks=pytest.mark.thorough)],
    indirect=True,
)
ON_NEWEST = pytest.mark.parametrize(
    "shop",
    [pytest.param(MAJORS[0], marks=pytest.mark.thorough), *OTHERS, MAJORS[-1]],
    indirect=True,
)
CHILD = """
import json, sys, time
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize import postgresql
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import Record
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.run import optimize
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import Window
params = json.load(sys.stdin)
job = Job(params, Window("600", time.time()), Record(params["folder"]), Host())
print(optimize(job), json.dumps([one.as_row() for one in job.ended]))
"""


class Clock:
    """A clock that moves only when somebody waits; `waited` is called then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waited()


@dataclass
class Shop:
    """A database with a table `orders` of which most rows were deleted, and a small one `other`."""

    server: MajorServer
    name: str
    record: Path
    clock: Clock = field(default_factory=Clock)

    def params(self, **more: Any) -> dict[str, Any]:
        declared = self.server.declared(self.name, ADMINISTRATOR, address=str(self.server.home))
        return {**PARAMS, "databases": [declared], "folder": str(self.record), **more}

    def job(self, *, check: bool = False, minutes: float = 60, **more: Any) -> Job:
        window = Window(str(minutes), time.time(), self.clock.monotonic, self.clock.sleep)
        record = Record(str(self.record), make=not check)
        return Job(self.params(**more), window, record, Host(), check)

    def run(self, **how: Any) -> Job:
        job = self.job(**how)
        assert optimize(job) == ""
        return job

    def execute(self, sql: str) -> list[Any]:
        return self.server.execute(sql, self.name)

    def invalid(self) -> set[str]:
        rows = self.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        return {row[0] for row in rows}

    @contextmanager
    def transaction(self, *statements: str) -> Iterator[psycopg.Connection[Any]]:
        """Give a session with an open transaction in which these were run."""
        with closing(self.server.connect(self.name)) as db:
            for one in ("BEGIN ISOLATION LEVEL REPEATABLE READ", *statements):
                db.execute(one)
            yield db

    @contextmanager
    def child(self, **more: Any) -> Iterator[subprocess.Popen[str]]:
        """Give a process of its own that does the job."""
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(self.params(**more)))
            process.stdin.close()
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def has_made(self) -> bool:
        """Return whether a REINDEX works, and its new index is written down."""
        file = self.record / "record.json"
        entries = json.loads(file.read_text())["reindexing"] if file.exists() else []
        return any(one["made"] for one in entries)

    def sessions(self) -> int:
        rows = self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'upkeep db_optimize'"
        )
        return int(rows[0][0])


def shop_of(server: MajorServer, folder: Path, rows: int = 100_000) -> Shop:
    shop = Shop(server, server.fresh(), folder / "record")
    with closing(server.connect(shop.name)) as db:
        db.execute("CREATE TABLE orders (id int PRIMARY KEY, item text)")
        db.execute("CREATE TABLE other (id int)")
        db.execute("ALTER TABLE orders SET (autovacuum_enabled = false)")
        db.execute(f"INSERT INTO orders SELECT i, 'item ' || i FROM generate_series(1, {rows}) i")
        db.execute("DELETE FROM orders WHERE id % 10 > 0")
    eventually(lambda: _dead(shop) > 0, "the server has counted the rows")
    return shop


def _dead(shop: Shop) -> int:
    rows = shop.execute("SELECT n_dead_tup FROM pg_stat_all_tables WHERE relname = 'orders'")
    return int(rows[0][0])


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return shop_of(shared_server(request.param), tmp_path)


@pytest.fixture
def bloated(shop: Shop) -> Shop:
    """The same, where its indexes alone are due."""
    shop.execute("VACUUM ANALYZE orders")
    return shop


def outcomes(job: Job) -> list[tuple[str, str, str]]:
    return [(one.step.action, one.step.name, one.outcome) for one in job.ended]


@ON_EACH
def test_the_plan_is_shown_done_and_not_due_again(shop: Shop) -> None:
    before = shop.execute("SELECT pg_relation_size('orders_pkey')")[0][0]
    planned = shop.job(check=True)
    optimize(planned)

    assert outcomes(planned) == [("vacuum", "public.orders", "planned")]
    text = difference(planned)["after"]
    assert 'VACUUM (ANALYZE, TRUNCATE false) "public"."orders"' in text
    assert "90000 of 100000 rows are dead" in text
    assert "SHARE UPDATE EXCLUSIVE" in text
    assert _dead(shop) == 90_000
    assert not shop.record.exists()

    done = shop.run()

    assert outcomes(done) == [
        ("vacuum", "public.orders", "done"),
        ("reindex", "public.orders_pkey", "done"),
    ]
    vacuum, reindex = done.ended
    assert vacuum.before["dead_rows"] == 90_000
    assert vacuum.after["dead_rows"] == 0
    assert reindex.before["bytes"] == before
    assert reindex.after["bytes"] < before / 4
    assert reindex.after["wasted_share"] < 0.4 < reindex.before["wasted_share"]
    assert shop.invalid() == set()
    assert done.record.reindexing == []

    again = shop.run()

    assert outcomes(again) == []
    assert not has_changed(again)
    assert difference(again)["after"] == ""


@ON_NEWEST
def test_a_lock_is_waited_for_again_and_then_left_alone(shop: Shop) -> None:
    with shop.transaction("LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE") as holder:
        pid = holder.info.backend_pid
        job = shop.run(actions=["vacuum"])

        assert outcomes(job) == [("vacuum", "public.orders", "skipped")]
        assert job.ended[0].cause == (
            f"no lock within 0.2 s: session {pid} of {ADMINISTRATOR} holds one"
        )
        assert job.ended[0].seconds >= 0.4  # it was tried twice

        shop.clock.waited = lambda: holder.execute("ROLLBACK") and None
        job = shop.run(actions=["vacuum"])

    assert outcomes(job) == [("vacuum", "public.orders", "done")]


@pytest.mark.thorough
@ON_NEWEST
def test_a_table_that_is_locked_whole_does_not_stop_the_plan(bloated: Shop) -> None:
    with bloated.transaction("LOCK TABLE orders"):
        job = bloated.run()

    assert outcomes(job) == [("reindex", "public.orders_pkey", "skipped")]
    assert job.ended[0].cause.startswith("no lock within")
    assert bloated.invalid() == set()
    assert job.record.reindexing == []


@ON_NEWEST
def test_the_window_ends_a_reindex_and_nothing_invalid_is_left(bloated: Shop) -> None:
    with bloated.transaction("SELECT * FROM other"):  # its end would wait for that snapshot
        job = bloated.run(minutes=0.05)

    assert outcomes(job) == [
        ("drop", "public.orders_pkey_ccnew", "done"),
        ("reindex", "public.orders_pkey", "cancelled"),
    ]
    assert job.ended[1].cause.startswith("cancelled at the end of the window, ")
    assert bloated.invalid() == set()
    assert job.record.reindexing == []
    assert job.findings == []
    assert bloated.sessions() == 0
    assert _locks(bloated) == 0


def _locks(shop: Shop) -> int:
    rows = shop.execute("SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass")
    return int(rows[0][0])


@ON_NEWEST
def test_what_would_not_end_in_the_window_does_not_begin(shop: Shop) -> None:
    job = shop.job(minutes=1)
    job.record.said["rates"] = {"vacuum": 1000.0}
    job.record.save()

    assert optimize(job) == ""

    assert outcomes(job) == [("vacuum", "public.orders", "skipped")]
    assert "and the window ends at" in job.ended[0].cause
    assert _dead(shop) == 90_000


@ON_EACH
def test_what_an_old_snapshot_keeps_is_a_finding_and_the_first_act_of_the_next_run(
    bloated: Shop,
) -> None:
    with bloated.transaction("SELECT count(*) FROM orders") as reader:
        job = bloated.run(minutes=0.05)

        assert ("reindex", "public.orders_pkey", "cancelled") in outcomes(job)
        assert bloated.invalid() == {"orders_pkey_ccnew"}
        [finding] = job.findings
        assert finding["index"] == '"public"."orders_pkey_ccnew"'
        assert finding["why"].startswith("invalid index, made by run 31; it could not be dropped: ")
        assert f"session {reader.info.backend_pid} of {ADMINISTRATOR}" in finding["why"]

        [seen] = database_optimization.gather({"optimize_folder": str(bloated.record)}, Host())
        verdict = judge(typed(DatabaseOptimization, seen), Limits(), datetime.now(UTC))
        assert verdict.severity is Severity.MEDIUM
        assert 'invalid index "public"."orders_pkey_ccnew", made by run 31' in verdict.message

        planned = bloated.job(check=True, actions=[])
        optimize(planned)
        assert outcomes(planned) == [("drop", "public.orders_pkey_ccnew", "planned")]
        assert planned.ended[0].step.why == "an invalid index, made by run 31"

    job = bloated.run(run="32")

    assert outcomes(job) == [
        ("drop", "public.orders_pkey_ccnew", "done"),
        ("reindex", "public.orders_pkey", "done"),
    ]
    assert bloated.invalid() == set()
    assert job.findings == []


@ON_EACH
def test_a_killed_run_is_cleared_by_the_next_and_nobody_elses_index_is_touched(
    bloated: Shop,
) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        bloated.execute("CREATE UNIQUE INDEX CONCURRENTLY orders_pkey_ccnew ON orders ((id % 7))")
    assert bloated.invalid() == {"orders_pkey_ccnew"}

    with bloated.transaction("SELECT * FROM other"), bloated.child() as process:
        eventually(bloated.has_made, "the REINDEX has made its new index")
        process.send_signal(signal.SIGKILL)
        process.wait()
        eventually(lambda: bloated.sessions() == 0, "the server has cancelled it")

    assert bloated.invalid() == {"orders_pkey_ccnew", "orders_pkey_ccnew1"}

    job = bloated.run(run="32")

    assert outcomes(job) == [
        ("drop", "public.orders_pkey_ccnew1", "done"),
        ("reindex", "public.orders_pkey", "done"),
    ]
    assert bloated.invalid() == {"orders_pkey_ccnew"}


@ON_OLDEST
def test_a_session_whose_client_was_killed_too_is_cancelled_by_the_next_run(
    bloated: Shop,
) -> None:
    with bloated.transaction("SELECT * FROM other"):
        with bloated.child() as process:
            eventually(bloated.has_made, "the REINDEX has made its new index")
            process.send_signal(signal.SIGSTOP)
            for client in psutil.Process(process.pid).children():
                client.kill()
        if bloated.server.major < 14:  # it does not notice that nobody listens any more
            assert bloated.sessions() == 1

        job = bloated.run(actions=[], run="32")

        assert outcomes(job) == [("drop", "public.orders_pkey_ccnew", "done")]
        assert bloated.invalid() == set()
        assert bloated.sessions() == 0


@ON_NEWEST
def test_a_signal_cancels_the_statement_and_drops_what_it_made(bloated: Shop) -> None:
    with bloated.transaction("SELECT * FROM other"), bloated.child() as process:
        eventually(bloated.has_made, "the REINDEX has made its new index")
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        said = process.stdout.read()

    assert said.startswith("cancelled by SIGTERM")
    assert bloated.invalid() == set()
    assert bloated.sessions() == 0
    assert Record(str(bloated.record)).reindexing == []


@pytest.mark.thorough  # the record's own test is fast
@ON_NEWEST
def test_two_runs_do_not_work_at_once(bloated: Shop) -> None:
    with bloated.transaction("SELECT * FROM other"), bloated.child() as process:
        eventually(bloated.has_made, "the REINDEX has made its new index")
        with pytest.raises(Exception, match="another run is at work"):
            optimize(bloated.job())
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.mark.thorough
@ON_NEWEST
def test_no_reindex_begins_behind_an_old_transaction(bloated: Shop) -> None:
    with bloated.transaction("SELECT * FROM other") as db:
        job = bloated.run(patience_seconds=0)

        assert outcomes(job) == [("reindex", "public.orders_pkey", "skipped")]
        assert f"it would wait for session {db.info.backend_pid} of" in job.ended[0].cause
    assert job.record.reindexing == []


@ON_NEWEST
def test_exclusion_constraints_catalogs_parents_and_temporary_tables_are_left_alone(
    shop: Shop,
) -> None:
    shop.execute("CREATE TABLE booked (room int, EXCLUDE USING btree (room WITH =))")
    shop.execute("CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    shop.execute("CREATE TABLE part PARTITION OF parent FOR VALUES FROM (0) TO (1000000)")
    shop.execute("INSERT INTO booked SELECT generate_series(1, 30000)")
    shop.execute("INSERT INTO parent SELECT generate_series(1, 30000)")
    for table in ("booked", "parent"):
        shop.execute(f"DELETE FROM {table}")
    shop.execute("VACUUM ANALYZE")
    tight = {**THRESHOLDS, "bloat_bytes": 100_000}
    with closing(shop.server.connect(shop.name)) as db:
        db.execute("CREATE TEMPORARY TABLE mine AS SELECT generate_series(1, 30000) AS id")
        db.execute("CREATE INDEX ON mine (id)")
        db.execute("DELETE FROM mine")
        db.execute("VACUUM ANALYZE mine")
        job = shop.run(thresholds=tight)

    assert outcomes(job) == [
        ("reindex", "public.orders_pkey", "done"),
        ("reindex", "public.part_pkey", "done"),
    ]


@ON_NEWEST
def test_an_account_that_may_not_see_the_data_folder_is_told_its_grant(shop: Shop) -> None:
    declared = shop.server.declared(shop.name, CLERK)

    job = shop.run(databases=[declared])

    [note] = job.notes
    assert note["outcome"] == "unknown"
    assert f"GRANT pg_read_all_settings to {CLERK}" in note["why"]
    assert outcomes(job) == []


@ON_NEWEST
def test_a_server_that_is_down_is_unknown_and_the_other_one_is_done(shop: Shop) -> None:
    params = shop.params()
    down = {**params["databases"][0], "port": 1}

    job = shop.run(databases=[down, *params["databases"]], actions=["vacuum"])

    [note] = job.notes
    assert note["outcome"] == "unknown"
    assert outcomes(job) == [("vacuum", "public.orders", "done")]
    last = job.record.said["last"]
    assert [last[name]["outcome"] for name in sorted(last)] == ["unknown", "done"]


@pytest.mark.parametrize("major", [18, pytest.param(13, marks=pytest.mark.thorough)])
def test_a_standby_is_skipped(major: int, short_folder: Path) -> None:
    server = own_server(major, short_folder / "pg")
    try:
        shop = shop_of(server, short_folder)
        server.stop("fast")
        (server.home / "data/standby.signal").touch()
        server.start()

        job = shop.run()

        assert [(one["outcome"], one["why"]) for one in job.notes] == [
            ("skipped", "it is a standby: what is done on its primary comes to it")
        ]
        assert outcomes(job) == []
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_server_that_knows_accounts_of_the_system_is_asked_as_one(short_folder: Path) -> None:
    server = own_server(18, short_folder / "pg")
    try:
        shop = shop_of(server, short_folder)
        server.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        (server.home / "data/pg_hba.conf").write_text("local all all peer\n")
        server.execute("SELECT pg_reload_conf()")
        declared = server.declared("", "", address=str(server.home), password="")

        refused = shop.run(databases=[declared])
        assert [one["outcome"] for one in refused.notes] == ["unknown"]

        job = shop.run(databases=[declared], run_as="postgres", actions=["vacuum"])
        assert [one.outcome for one in job.ended] == ["done"]
        assert job.notes == []
    finally:
        server.stop()


@ON_NEWEST
def test_what_the_server_skips_for_want_of_rights_is_not_called_done(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "COUNTED_SECONDS", 0.5)  # it will never be counted
    worker = f"worker_{shop.name}"
    shop.execute(f"CREATE ROLE {worker} LOGIN IN ROLE pg_read_all_settings, pg_read_all_stats")
    shop.execute("VACUUM ANALYZE orders")
    shop.execute("UPDATE orders SET item = 'other'")
    eventually(lambda: _dead(shop) > 0, "the server has counted the rows")
    declared = shop.server.declared(shop.name, worker, address=str(shop.server.home))
    job = shop.run(databases=[declared])

    assert outcomes(job) == [("vacuum", "public.orders", "skipped")]
    assert job.ended[0].cause.startswith("the server has done nothing: the account must own")
    [note] = job.notes
    assert note["why"].startswith("1 large indexes are not judged")


@pytest.mark.parametrize("major", [18, pytest.param(13, marks=pytest.mark.thorough)])
def test_an_index_that_does_not_fit_twice_is_left_alone(major: int, tmp_path: Path) -> None:
    server = shared_server(major)
    folder = server.home / f"small{os.getpid()}"
    with small(folder, 4) as place:
        if server.account:
            subprocess.run(["chown", server.account, str(place)], check=True)
        space = f"space{os.getpid()}"
        server.execute(f"CREATE TABLESPACE {space} LOCATION '{place}'")
        try:
            shop = shop_of(server, tmp_path)
            shop.execute("VACUUM ANALYZE orders")
            shop.execute(f"ALTER INDEX orders_pkey SET TABLESPACE {space}")

            job = shop.run()

            assert outcomes(job) == [("reindex", "public.orders_pkey", "skipped")]
            assert str(place) in job.ended[0].cause
            assert "twice the index" in job.ended[0].cause
            shop.execute("DROP TABLE orders")
        finally:
            server.execute("CHECKPOINT")
            server.execute(f"DROP TABLESPACE {space}")
