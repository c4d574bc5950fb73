"""Servers that are really stopped: each is told as one that does not answer, and takes no more than its time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import left_behind
import pytest
from live_mariadb import Live
from patience import eventually
from service.majors import own_server
from service.test_database_redis_faults import started
from service.test_databases_through_pools import pooled
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases import engine
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    Patience,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _mariadb_client,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
    database_statements,
    databases,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import children
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, Ran
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases import database_connect, database_locks, database_unsafe_tables
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SECONDS = 2
GATHERS = (databases, database_activity, database_objects, database_statements)


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this host count as one that has processors to spare, whatever else runs on it."""
    monkeypatch.setattr(engine, "waited_seconds", lambda: 0.0)
    monkeypatch.setattr(children, "waited_seconds", lambda _process: 0.0)
    for module in (engine, _mariadb_client):
        monkeypatch.setattr(module, "refuse_starved", lambda *_given: None)


@pytest.fixture(scope="module")
def maria() -> Iterator[Live]:
    if os.geteuid() or not all(shutil.which(one) for one in ("mariadbd", "mariadb")):
        pytest.skip("it needs root and MariaDB's server")
    one = Live("--innodb-buffer-pool-size=8M")
    yield one
    one.close()


@contextmanager
def stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def see(
    gather: Any, *declared: dict[str, Any], host: Host | None = None, seconds: int = SECONDS
) -> list[Observation]:
    params = {
        "databases": list(declared),
        "discover": False,
        "timeout_seconds": seconds,
        "catalog_seconds": 60,
    }
    return list(gather.gather(params, host or Host()))


def judged(module: Any, seen: Observation) -> Verdict:
    verdict = verdict_of(module.CHECK, seen, module.Limits(), NOW)
    assert isinstance(verdict, Verdict)
    return verdict


def does_not_answer(declared: dict[str, Any]) -> None:
    """See that each gather tells it, and that it is an outage to the check that asks whether it answers."""
    for gather in GATHERS:
        for one in see(gather, declared):
            assert one.error == ""
            assert one.data["reason"] == f"no answer within {SECONDS} s"
    [answer] = see(databases, declared)
    assert answer.data["cause"] == "late"
    assert judged(database_connect, answer).severity is Severity.CRITICAL


@pytest.mark.parametrize("way", ["psycopg", "psql"])
def test_postgresql_and_its_pool(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    folder = Path(tempfile.mkdtemp(prefix="stop", dir="/tmp"))
    left_behind.remove_at_the_end(folder)
    folder.chmod(0o755)
    server = own_server(18, folder / "server")
    try:
        with pooled(server) as pool:
            process = int((server.home / "data/postmaster.pid").read_text().split()[0])
            with stopped(process):
                does_not_answer(server.declared())
            with stopped(pool.process):
                does_not_answer(pool.console())
                does_not_answer(pool.declared("transaction"))
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_mariadb(maria: Live) -> None:
    declared = {"kind": "mariadb", "address": f"{maria.folder}/s", "user": "root"}
    with stopped(maria.process.pid):
        does_not_answer(declared)
        does_not_answer({**declared, "name": "shop"})
        [activity] = see(database_activity, declared)

    assert judged(database_locks, activity).status is Status.UNKNOWN
    assert "no answer within 2 s" in judged(database_locks, activity).message


def test_redis() -> None:
    with started() as server, stopped(int(server.run("info").split("process_id:")[1].split()[0])):
        does_not_answer(server.declared())


def test_sqlite_whose_application_holds_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE job (id)")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("INSERT INTO job VALUES (1)")
        [seen] = see(databases, {"kind": "sqlite", "name": str(path)})

    assert seen.data["reason"] == "its application holds a lock"
    assert judged(database_connect, seen).status is Status.UNKNOWN


class TimedHost(Host):
    """A host that writes down until when each client of a database may run."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def run(self, command: list[str], timeout_seconds: float = 20.0, *more: Any, **how: Any) -> Ran:
        now = time.monotonic()
        with self.file.open("a") as file:
            file.write(json.dumps([now, now + timeout_seconds]) + "\n")
        return super().run(command, timeout_seconds, *more, **how)


def test_all_questions_of_a_server_have_one_time_together(maria: Live, tmp_path: Path) -> None:
    """The second client of a server has what the first one has left."""
    host = TimedHost(tmp_path / "runs")

    declared = {"kind": "mariadb", "address": f"{maria.folder}/s", "user": "root"}
    see(database_activity, declared, host=host, seconds=60)

    runs = [json.loads(line) for line in host.file.read_text().splitlines()]
    assert len(runs) == 2
    assert runs[1][1] <= runs[0][1] + 1  # each is noted a moment after it was reckoned


def test_the_other_databases_of_a_server_that_does_not_answer_are_not_waited_for(
    maria: Live, tmp_path: Path
) -> None:
    host = TimedHost(tmp_path / "runs")
    names = ("one", "two", "three", "four")
    declared = [
        {"kind": "mariadb", "address": f"{maria.folder}/s", "user": "root", "name": name}
        for name in names
    ]
    with stopped(maria.process.pid):
        first, *others = see(database_objects, *declared, host=host)

    assert len(host.file.read_text().splitlines()) == 1
    assert first.data["reason"] == f"no answer within {SECONDS} s"
    assert {one.data["reason"] for one in others} == {
        "not asked: what was asked there before had no answer in time"
    }
    assert {judged(database_unsafe_tables, one).status for one in (first, *others)} == {
        Status.UNKNOWN
    }


def test_a_server_that_stops_in_mid_answer_takes_no_more_than_its_time(
    maria: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot end its own statement any more."""
    monkeypatch.setattr(_mariadb_client, "SETTINGS", ())
    declared = {"address": f"{maria.folder}/s", "user": "root"}

    def works() -> bool:
        said = maria.run("mariadb", "-e", "show full processlist").stdout
        return b"sleep(600)" in said

    def stop() -> None:
        eventually(works, "the question")
        os.kill(maria.process.pid, signal.SIGSTOP)

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    try:
        with pytest.raises(AccessRefusedError, match=r"^no answer within 6 s$"):
            _mariadb_client.ask_all(
                Host(), declared, {"slow": "select sleep(600)", "other": "select 1"}, Patience(6)
            )
        assert not works_still(stopper)
    finally:
        os.kill(maria.process.pid, signal.SIGCONT)


def works_still(thread: threading.Thread) -> bool:
    thread.join(60)
    return thread.is_alive()
