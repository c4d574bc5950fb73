"""PgBouncer: what its console shows, and what is asked through it in each of its modes leaves nothing for the next."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from patience import PATIENCE_SECONDS, eventually
from service.majors import MONITOR, PASSWORD, MajorServer, own_server
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import nothing_found
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _postgresql_client,
    pgbouncer,
    postgresql,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
    databases,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases import (
    database_connect,
    database_pool,
    database_pooler,
    database_sequences,
)
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
WATCHER = "watcher"
MODES = ("session", "transaction", "statement")
OWN = """select pg_backend_pid(), current_setting('statement_timeout'), current_setting('lock_timeout'),
  current_setting('search_path'), current_setting('transaction_read_only'),
  (select count(*) from pg_prepared_statements), (select count(*) from pg_locks where locktype = 'advisory')"""
UNTOUCHED = ("0", "0", '"$user", public', "off", 0, 0)


@dataclass(frozen=True)
class Pool:
    """A PgBouncer: a database of each mode's name with one connection to the server, and `nowhere` without one."""

    server: MajorServer
    port: int
    process: int

    def declared(self, name: str, **more: Any) -> dict[str, Any]:
        return self.server.declared(name, port=self.port, **more)

    def console(self, **more: Any) -> dict[str, Any]:
        return {"kind": "pgbouncer", "address": "127.0.0.1", "port": self.port, "user": WATCHER,
                "password": PASSWORD, "name": "", "tls": False, "explain_as": None, **more}  # fmt: skip

    def connect(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=MONITOR, password=PASSWORD, dbname=name,
            autocommit=True, prepare_threshold=None, connect_timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def next_client(self, name: str) -> tuple[Any, ...]:
        """Return the server's process, and what the next client finds."""
        with self.connect(name) as db:
            row = db.execute(OWN).fetchone()
        assert row is not None
        return tuple(row)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pooled(server: MajorServer) -> Iterator[Pool]:
    """Start PgBouncer before a server, as an account without privileges; its socket lies beside the server's."""
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        pytest.skip("pgbouncer is not installed")
    port = free_port()
    home = server.home / "pool"
    home.mkdir()
    quoted = PASSWORD.replace('"', '""')
    (home / "users").write_text("".join(f'"{one}" "{quoted}"\n' for one in (MONITOR, WATCHER)))
    lines = [
        f"{mode} = host=127.0.0.1 port={server.port} dbname=postgres pool_mode={mode} pool_size=1"
        for mode in MODES
    ]
    lines += [f"* = host=127.0.0.1 port={server.port} pool_mode=transaction pool_size=1"]
    lines += ["nowhere = host=127.0.0.1 port=1 pool_mode=transaction", "[pgbouncer]"]
    settings = {"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": server.home,
                "auth_type": "scram-sha-256", "auth_file": home / "users", "stats_users": WATCHER,
                "logfile": home / "log", "max_client_conn": 20}  # fmt: skip
    lines += [f"{name} = {value}" for name, value in settings.items()]
    (home / "pool.ini").write_text("\n".join(["[databases]", *lines, ""]))
    if server.account:
        for path in (home, *home.iterdir()):
            shutil.chown(path, server.account)
    process = subprocess.Popen(
        [program, str(home / "pool.ini")],
        user=server.account, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: (server.home / f".s.PGSQL.{port}").exists(), "pgbouncer")
        yield Pool(server, port, process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module", params=[pytest.param(13, marks=pytest.mark.thorough), 18])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    folder = Path(tempfile.mkdtemp(prefix="pool", dir="/tmp"))
    left_behind.remove_at_the_end(folder)
    folder.chmod(0o755)
    server = own_server(request.param, folder / "server")
    try:
        with pooled(server) as started:
            yield started
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    return str(request.param)


def see(
    gather: Any, *declared: dict[str, Any], discover: bool = False, seconds: int = 30
) -> list[Observation]:
    params = {
        "databases": list(declared),
        "discover": discover,
        "timeout_seconds": seconds,
        "catalog_seconds": 30,
    }
    return list(gather.gather(params, Host()))


def judged(module: Any, seen: Observation, **limits: Any) -> Verdict:
    verdict = verdict_of(module.CHECK, seen, module.Limits(**limits), NOW)
    assert verdict is not None
    return verdict


def connected(seen: Observation) -> Verdict:
    """Judge whether the server lets us in, however slowly a busy machine starts the client."""
    return judged(database_connect, seen, medium_seconds=100.0, high_seconds=100.0)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_asked_leaves_nothing_for_the_next_client(pool: Pool, mode: str, way: str) -> None:
    before = pool.next_client(mode)

    [answer] = see(databases, pool.declared(mode))
    [activity] = see(database_activity, pool.declared(mode))
    questions = {"slow": "select to_json(pg_sleep(600))", "quick": "select to_json(1)"}
    late = _postgresql_client.ask_all(Host(), pool.declared(mode), questions, 4).by_name

    after = pool.next_client(mode)
    assert connected(answer).status is Status.PASS
    assert activity.data["connected"] is True
    assert activity.data["unread"] == {"logins": "permission denied"}
    assert (late["slow"].state, late["quick"].value) == ("57014", 1)
    assert before[1:] == UNTOUCHED
    assert after[1:] == UNTOUCHED
    assert after[0] == before[0]  # the server's connection that we had


def test_the_servers_log_has_no_warning_of_us(pool: Pool) -> None:
    for mode in MODES:
        see(databases, pool.declared(mode))
        see(database_activity, pool.declared(mode))

    assert not re.search(r"WARNING|FATAL|PANIC", (pool.server.home / "log").read_text())


def test_databases_behind_a_pool_are_not_looked_at_one_by_one(pool: Pool, way: str) -> None:
    """PgBouncer would keep a connection to each of them for ten minutes."""
    names = [pool.server.fresh() for _each in range(3)]

    [seen] = see(database_objects, pool.declared(""))

    assert seen.subject == f"postgresql {MONITOR}@127.0.0.1:{pool.port}"
    assert set(seen.data["unread"].values()) == {postgresql.POOLED}
    verdict = judged(database_sequences, seen)
    assert verdict.status is Status.UNKNOWN
    assert "declare those to look at, each by its name" in verdict.message
    held = pool.server.execute(
        "SELECT datname FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    assert not {name for (name,) in held} & set(names)
    [named] = see(database_objects, pool.declared(names[0]))
    assert named.data["connected"] is True


@pytest.mark.parametrize("mode", MODES)
def test_a_pool_is_told_from_a_server_by_the_process_that_answers(
    pool: Pool, mode: str, way: str
) -> None:
    through, value = postgresql.listed(Host(), pool.declared(mode), 30)
    _through, again = postgresql.listed(Host(), pool.declared(mode), 30)
    direct, own = postgresql.listed(Host(), pool.server.declared(), 30)
    _direct, other = postgresql.listed(Host(), pool.server.declared(), 30)

    assert again["process"] == value["process"] != through
    assert own["process"] != other["process"]
    assert direct == (None if way == "psql" else own["process"])


def test_the_console_is_asked(pool: Pool, way: str) -> None:
    with pool.connect("transaction"):
        [answer] = see(databases, pool.console())
        [activity] = see(database_activity, pool.console())

    assert answer.subject == f"pgbouncer {WATCHER}@127.0.0.1:{pool.port}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer.data["version"])
    assert answer.data["max_connections"] == 20
    assert answer.data["connections"] >= 2
    assert connected(answer).status is Status.PASS
    assert judged(database_pool, answer).status is Status.PASS
    assert activity.data["unread"] == {}
    assert "transaction" in {one["database"] for one in activity.data["pools"]}
    assert "pgbouncer" not in {one["database"] for one in activity.data["pools"]}
    assert judged(database_pooler, activity).status is Status.PASS


@pytest.mark.parametrize(
    "change", [{"user": MONITOR}, {"password": "wrong-canary"}, {"user": "nobody"}]
)
def test_the_console_refuses_others(pool: Pool, way: str, change: dict[str, str]) -> None:
    [seen] = see(databases, pool.console(**change))
    [unread] = see(database_activity, pool.console(**change))

    assert connected(seen).severity is Severity.CRITICAL
    assert seen.data["denied"] is True, seen.data["reason"]
    assert judged(database_pooler, unread).status is Status.UNKNOWN
    assert "canary" not in repr([seen, unread])


@pytest.mark.parametrize(
    ("name", "severity", "words"),
    [("transaction", Severity.HIGH, "1 client waits"), ("nowhere", Severity.CRITICAL, "and PgBouncer has none")],
)  # fmt: skip
def test_a_client_that_waits_is_told(pool: Pool, name: str, severity: Severity, words: str) -> None:
    def wait() -> None:
        try:
            with pool.connect(name) as db:
                db.execute("select 1")
        except psycopg.Error:
            pass  # the pool ends

    with pool.connect("transaction") as holder, holder.transaction():
        holder.execute("select 1")
        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()

        def told() -> Verdict | None:
            [seen] = see(database_activity, pool.console())
            limits = {"medium_seconds": 0.1, "high_seconds": 0.2, "without_server_seconds": 1}
            verdict = judged(database_pooler, seen, **limits)
            return verdict if verdict.severity is severity else None

        verdict = eventually(told, "the waiting client")

    assert words in verdict.message
    assert f"{name} as {MONITOR}" in verdict.message


def test_a_pool_without_a_free_connection_is_told_as_that(pool: Pool, way: str) -> None:
    """Its console says it, where the site declares that too; an outage is what nobody explains."""
    declared = pool.declared("transaction")
    with pool.connect("transaction") as holder, holder.transaction():
        holder.execute("select 1")
        [busy, console] = see(databases, declared, pool.console(), seconds=3)
        [alone] = see(databases, declared, seconds=3)
    [free] = see(databases, declared)

    assert busy.subject.startswith("postgresql ")
    assert busy.data["cause"] == "pool full"
    assert re.fullmatch(
        r"the pool is full: \d clients? waits?, and each of its 1 connections to the server is in use",
        busy.data["reason"],
    )
    verdict = connected(busy)
    assert verdict.status is Status.UNKNOWN
    assert verdict.message == f"not asked: {busy.data['reason']}"
    assert verdict.remedy == "fix what database_pooler says first"
    assert connected(console).status is Status.PASS
    assert connected(alone).severity is Severity.CRITICAL
    assert connected(free).status is Status.PASS


def test_the_socket_of_a_pool_is_no_server_that_is_down(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgresql_client, "SOCKETS", (f"{pool.server.home}/.s.PGSQL.*",))
    for kind, engine in databases.ENGINES.items():
        if kind not in ("postgresql", "pgbouncer"):
            monkeypatch.setitem(databases.ENGINES, kind, replace(engine, found=nothing_found))

    servers, _all = postgresql.found(Host())
    pools, _all = pgbouncer.found(Host())
    seen = see(databases, discover=True)

    assert [one["port"] for one in servers] == [pool.server.port]
    assert [one["port"] for one in pools] == [pool.port]
    [found] = [one for one in seen if one.data.get("kind") == "pgbouncer"]
    assert connected(found).status is Status.UNKNOWN
    assert connected(found).message.startswith("answers, but refuses this account")
