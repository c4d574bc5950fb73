"""The job db_optimize on files of SQLite and on a real MariaDB."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from patience import eventually
from service.test_db_optimize import PARAMS, THRESHOLDS, Clock, outcomes

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.job import Job
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import Record
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.run import (
    has_changed,
    optimize,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.window import Window

NOBODY = 65534


def run(folder: Path, declared: dict[str, Any], *, check: bool = False, **more: Any) -> Job:
    clock = Clock()
    blank = {"name": "", "address": "", "port": None, "user": "", "password": "", "tls": False}
    params = {**PARAMS, "databases": [{**blank, "explain_as": None, **declared}], **more}
    window = Window("60", time.time(), clock.monotonic, clock.sleep)
    job = Job(params, window, Record(str(folder / "record"), make=not check), Host(), check)
    assert optimize(job) == ""
    return job


@pytest.fixture
def file(short: Path) -> Iterator[Path]:
    """A database in write-ahead mode with an index without statistics, half empty, that an application has open."""
    path = short / "shop.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
        db.execute("CREATE INDEX by_item ON orders (item)")
        rows = [(f"item {one}",) for one in range(20_000)]
        db.execute("BEGIN")
        db.executemany("INSERT INTO orders (item) VALUES (?)", rows)
        db.execute("COMMIT")
        db.execute("DELETE FROM orders WHERE id % 4 > 0")
        if os.geteuid() == 0:
            for one in short.glob("shop.db*"):
                os.chown(one, NOBODY, NOBODY)
        yield path


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Path]:
    """A folder that the file's owner can reach."""
    with tempfile.TemporaryDirectory(prefix="lite", dir="/tmp") as folder:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield Path(folder)


def test_a_file_is_analyzed_its_log_emptied_and_rewritten_only_if_named(
    file: Path, tmp_path: Path
) -> None:
    declared = {"kind": "sqlite", "name": str(file)}
    log = Path(f"{file}-wal")
    before = log.stat().st_size

    planned = run(tmp_path, declared, check=True)
    assert outcomes(planned) == [
        ("optimize", str(file), "planned"),
        ("checkpoint", str(file), "planned"),
    ]
    assert "orders" in planned.ended[0].step.why
    assert log.stat().st_size == before

    done = run(tmp_path, declared)
    assert [(one.step.action, one.outcome) for one in done.ended] == [
        ("optimize", "done"),
        ("checkpoint", "done"),
    ]
    assert done.ended[0].before["tables_without_statistics"] == 1
    assert done.ended[0].after["tables_without_statistics"] == 0
    assert done.ended[1].after["log_bytes"] == 0
    assert {one.stat().st_uid for one in file.parent.glob("shop.db*")} == {file.stat().st_uid}

    again = run(tmp_path, declared)
    assert outcomes(again) == []
    assert not has_changed(again)

    size = file.stat().st_size
    rewritten = run(tmp_path, declared, rewrite=[str(file)], actions=["checkpoint"])
    assert outcomes(rewritten) == [("rewrite", str(file), "done")]
    assert run(tmp_path, declared, actions=["checkpoint"]).ended[0].outcome == "done"
    assert file.stat().st_size < size


def test_a_file_that_is_read_keeps_its_log_and_one_that_is_written_its_statistics(
    file: Path, tmp_path: Path
) -> None:
    declared = {"kind": "sqlite", "name": str(file)}
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM orders").fetchall()
        job = run(tmp_path, declared, actions=["checkpoint"])
        assert job.ended[0].cause == "somebody reads or writes it, so its log stays"

        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        job = run(tmp_path, declared, actions=["optimize"])
        assert job.ended[0].cause == f"{file}: it is in use by another process"
        assert job.ended[0].outcome == "skipped"


def test_what_only_its_application_has_is_said_without_its_content(
    short: Path, tmp_path: Path
) -> None:
    path = short / "own.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.create_collation("canary", lambda one, other: (one > other) - (one < other))
        db.execute("CREATE TABLE t (a TEXT COLLATE canary)")
        db.execute("CREATE INDEX i ON t (a)")
        db.executemany("INSERT INTO t VALUES (?)", [(str(one),) for one in range(5000)])
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)

    job = run(tmp_path, {"kind": "sqlite", "name": str(path)})

    said = [one.cause for one in job.ended] + [one["why"] for one in job.notes]
    assert all("canary" not in one for one in said)
    assert not has_changed(job)


def test_what_is_no_database_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("SQLite? No, it is a text of mine")

    [note] = run(tmp_path, {"kind": "sqlite", "name": str(path)}).notes

    assert note["outcome"] == "unknown"
    assert note["why"] == f"{path}: not a database of SQLite"


Sql = Callable[[str], str]


@pytest.fixture(scope="module")
def mariadb() -> Iterator[tuple[Path, Sql]]:
    """A server with a socket, and a function that runs SQL as root; with a table that has changed."""
    for program in ("mariadbd", "mariadb-install-db", "mariadb"):
        if Host().which(program) is None:
            pytest.skip(f"{program} is not installed")
    user = "mysql" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="my", dir="/tmp") as home:
        if user:
            shutil.chown(home, user)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={home}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        with Path(home, "log").open("wb") as log:
            process = subprocess.Popen(
                [str(Host().which("mariadbd")), "--no-defaults", f"--datadir={home}/data",
                 f"--socket={home}/sock", "--skip-networking", f"--pid-file={home}/pid",
                 "--innodb-buffer-pool-size=8M"],
                user=user, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip

        def sql(statement: str) -> str:
            done = subprocess.run(
                ["mariadb", "--no-defaults", f"--socket={home}/sock", "-uroot", "-N", "-e", statement],
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        def answers() -> bool:
            command = [
                "mariadb",
                "--no-defaults",
                f"--socket={home}/sock",
                "-uroot",
                "-e",
                "select 1",
            ]
            return subprocess.run(command, capture_output=True).returncode == 0

        try:
            eventually(answers, "mariadbd")
            sql("create database shop; create table shop.`or``ders` (id int primary key, item text) "
                "stats_auto_recalc=0; create table shop.other (id int) stats_auto_recalc=0")  # fmt: skip
            yield Path(home), sql
        finally:
            process.terminate()
            process.wait()


def test_mariadb_is_analyzed_and_named_tables_are_rewritten(
    mariadb: tuple[Path, Sql], tmp_path: Path
) -> None:
    home, sql = mariadb
    declared = {"kind": "mariadb", "address": f"{home}/sock", "user": "root"}
    always = {**THRESHOLDS, "analyzed_days": 0}
    sql("insert into shop.`or``ders` select seq, repeat('x', 2000) "
        "from shop.seq_1_to_5000; analyze table shop.`or``ders`; "
        "update mysql.innodb_table_stats set last_update = '2026-01-01' where table_name like 'or%';"
        "update shop.`or``ders` set item = repeat('y', 2000)")  # fmt: skip

    planned = run(tmp_path, declared, check=True, thresholds=always)
    assert outcomes(planned) == [("analyze", "shop.or`ders", "planned")]
    assert planned.ended[0].step.statement == "ANALYZE NO_WRITE_TO_BINLOG TABLE `shop`.`or``ders`"

    done = run(tmp_path, declared, thresholds=always)
    assert outcomes(done) == [("analyze", "shop.or`ders", "done")]
    assert outcomes(run(tmp_path, declared, thresholds=always)) == []

    sql("delete from shop.`or``ders` where id > 100; analyze table shop.`or``ders`")
    eventually(lambda: int(_free(sql)) > 4 << 20, "the server has purged what was deleted")
    rewritten = run(tmp_path, declared, actions=[], rewrite=["shop.or`ders"])
    assert outcomes(rewritten) == [("rewrite", "shop.or`ders", "done")]
    assert int(_free(sql)) < 4 << 20
    assert outcomes(run(tmp_path, declared, actions=[], rewrite=["shop.or`ders"])) == []


def _free(sql: Sql) -> str:
    return sql("select data_free from information_schema.tables where table_name = 'or`ders'")


def test_mariadb_is_left_alone_behind_an_old_statement_a_lock_and_as_a_replica(
    mariadb: tuple[Path, Sql], tmp_path: Path
) -> None:
    home, sql = mariadb
    declared = {"kind": "mariadb", "address": f"{home}/sock", "user": "root", "name": "shop"}
    how: dict[str, Any] = {"thresholds": {**THRESHOLDS, "analyzed_days": 0, "changed_rows": 1}}
    sql("insert into shop.other values (1), (2), (3); "
        "update mysql.innodb_table_stats set last_update = '2026-01-01' where table_name = 'other';"
        "insert into shop.other values (4)")  # fmt: skip
    command = ["mariadb", "--no-defaults", f"--socket={home}/sock", "-uroot", "-N", "-e"]
    with subprocess.Popen([*command, "lock tables shop.other write; select sleep(600)"]) as holder:
        try:
            eventually(lambda: "sleep" in sql("show processlist"), "the lock is held")
            job = run(tmp_path, declared, **how)
            assert outcomes(job)[0][2] == "skipped"
            assert "no lock within its time" in job.ended[0].cause
            job = run(tmp_path, declared, patience_seconds=0, **how)
            assert "patience is 0 s" in job.ended[0].cause
        finally:
            holder.kill()
            held = "select id from information_schema.processlist where info like 'select sleep%'"
            for number in sql(held).split():
                sql(f"kill {number}")
    sql("set global read_only = 1")
    try:
        [note] = run(tmp_path, declared, **how).notes
    finally:
        sql("set global read_only = 0")
    assert (note["outcome"], note["why"]) == ("skipped", "it is a replica, or read-only")
