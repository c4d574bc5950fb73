"""Databases on real servers: up, down, wrong password, saturated, paused, locked."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import PATIENCE_SECONDS, eventually
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import databases
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases import database_connect, database_pool
from upkeep.model.verdicts import Severity, Status, Verdict

try:
    import psycopg
except ImportError:
    psycopg = None

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PASSWORD = 'it\'s a "canary" # \\ secret'
SECONDS = 3
"""For a server that does not answer."""


@dataclass(frozen=True)
class Server:
    """A private server. process: what is paused; database: how it is declared."""

    process: int
    database: dict[str, Any]
    run: Callable[..., subprocess.CompletedProcess[str]]


def see(*declared: dict[str, Any], seconds: int = 30) -> list[Observation]:
    params = {"databases": list(declared), "discover": False, "timeout_seconds": seconds}
    return databases.gather(params, Host())


def see_alone(declared: dict[str, Any]) -> Observation:
    """See a server of which nobody else has a connection; those of the test before take a moment to go."""

    def look() -> Observation | None:
        [seen] = see(declared)
        return seen if seen.data.get("connections") == 1 else None

    found = eventually(look)
    assert found is not None
    return found


def connect(seen: Observation) -> Verdict:
    return verdict_of(database_connect.CHECK, seen, database_connect.Limits(), NOW)


def pool(seen: Observation) -> Verdict | None:
    return verdict_of(database_pool.CHECK, seen, database_pool.Limits(), NOW)


def need(*programs: str) -> None:
    for program in programs:
        if Host().which(program) is None and not Path(program).exists():
            pytest.skip(f"{program} is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def paused(process: int) -> Iterator[None]:
    """Stop a server's processes, the first first, so that it makes no more; let them go on afterwards."""
    os.kill(process, signal.SIGSTOP)
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True
    )
    family = [process]
    for one in map(int, listed.stdout.split()):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(one, signal.SIGSTOP)
            family.append(one)
    try:
        yield
    finally:
        for one in reversed(family):  # an ended child is there until the first one goes on
            os.kill(one, signal.SIGCONT)


# PostgreSQL


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    """A server with TCP and a socket, max_connections 8 of which 3 are reserved, and a user with a password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([os.environ["PATH"], *map(str, programs)])
    initdb, server = (shutil.which(name, path=path) for name in ("initdb", "postgres"))
    if initdb is None or server is None:
        need("initdb", "postgres")
    user = "postgres" if os.geteuid() == 0 else None  # initdb refuses root
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as home:
        if user:
            shutil.chown(home, user)
        Path(home, "password").write_text(PASSWORD)
        Path(home, "password").chmod(0o644)
        subprocess.run(
            [initdb, "-D", f"{home}/data", "-U", "shop", "-A", "scram-sha-256",
             f"--pwfile={home}/password", "-E", "UTF8", "--locale=C"],
            check=True, user=user, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        settings = f"listen_addresses=127.0.0.1 port={port} unix_socket_directories={home}"
        settings += (
            " fsync=off max_connections=8 superuser_reserved_connections=3 max_wal_senders=0"
        )
        command = [server, "-D", f"{home}/data"]
        for setting in settings.split():
            command += ["-c", setting]
        with Path(home, "log").open("wb") as log:
            process = subprocess.Popen(command, user=user, stdout=log, stderr=log, cwd="/")

        def run(sql: str, who: str = "shop") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["psql", "-X", "-h", home, "-p", str(port), "-U", who, "-d", "postgres", "-c", sql],
                env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True, text=True,
            )  # fmt: skip

        try:
            eventually(lambda: run("select 1").returncode == 0, "postgres")
            # An ordinary user: the reserved connections are not for it.
            quoted = PASSWORD.replace("'", "''")
            made = run(f"create role clerk login password '{quoted}'")
            assert made.returncode == 0, made.stderr
            yield Server(
                process.pid,
                {"kind": "postgresql", "address": "127.0.0.1", "port": port, "user": "clerk",
                 "password": PASSWORD, "name": "postgres"},
                run,
            )  # fmt: skip
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to ask PostgreSQL."""
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    else:
        pytest.importorskip("psycopg")
    return str(request.param)


def test_postgresql_answers(postgresql: Server, way: str) -> None:
    seen = see_alone(postgresql.database)

    assert seen.error == ""
    assert seen.subject == f"postgresql clerk@127.0.0.1:{postgresql.database['port']}/postgres"
    assert seen.data["version"].split(".")[0].isdigit()
    assert (seen.data["max_connections"], seen.data["reserved_connections"]) == (8, 3)
    assert seen.data["connections"] == 1
    assert seen.data["in_recovery"] is False
    assert connect(seen).status is Status.PASS
    assert pool(seen).message.startswith("1 of 5 connections in use (20.0 %)")


def test_no_view_of_the_databases_owner_answers_for_the_server(
    postgresql: Server, way: str
) -> None:
    if psycopg is None:
        pytest.skip("psycopg is not installed")
    declared = postgresql.database
    settings = {"host": declared["address"], "port": declared["port"], "user": "shop",
                "password": PASSWORD, "dbname": "postgres"}  # fmt: skip
    lie = "SELECT 'client backend' AS backend_type, 1 AS datid, 'idle' AS state FROM generate_series(1, 99)"
    with psycopg.connect(**settings, autocommit=True) as db:
        db.execute("ALTER ROLE clerk SET search_path = public, pg_catalog")
        db.execute(f"CREATE VIEW public.pg_stat_activity AS {lie}")
        db.execute("GRANT SELECT ON public.pg_stat_activity TO PUBLIC")
        try:
            db.execute("SET search_path = public, pg_catalog")
            found = db.execute("SELECT count(*) FROM pg_stat_activity").fetchone()
            assert found == (99,)

            [seen] = see(declared)
        finally:
            db.execute("DROP VIEW public.pg_stat_activity")
            db.execute("ALTER ROLE clerk RESET search_path")

    assert seen.error == ""
    assert seen.data["connections"] == 2


def test_postgresql_refuses_a_wrong_password(postgresql: Server, way: str) -> None:
    [seen] = see({**postgresql.database, "password": "wrong-canary-word"})

    verdict = connect(seen)
    assert verdict.severity is Severity.CRITICAL
    assert verdict.message == 'FATAL:  password authentication failed for user "clerk"'.replace(
        "  ", " "
    )
    unseen = pool(seen)
    assert unseen is not None
    assert unseen.status is Status.UNKNOWN
    assert "wrong-canary-word" not in repr(seen)


def test_postgresql_has_no_such_database(postgresql: Server, way: str) -> None:
    [seen] = see({**postgresql.database, "name": "nowhere"})

    assert connect(seen).message == 'FATAL: database "nowhere" does not exist'
    assert connect(seen).remedy.startswith("decide: correct the name")


def test_postgresql_is_down(way: str) -> None:
    [seen] = see({"kind": "postgresql", "address": "127.0.0.1", "port": free_port()})

    assert connect(seen).severity is Severity.CRITICAL
    assert "Connection refused" in connect(seen).message


def test_postgresql_is_full(postgresql: Server, way: str) -> None:
    if psycopg is None:
        pytest.skip("psycopg is not installed")
    declared = postgresql.database
    settings = {"host": declared["address"], "port": declared["port"], "user": "clerk",
                "password": PASSWORD, "dbname": "postgres"}  # fmt: skip
    see_alone(declared)
    with ExitStack() as held:
        for _number in range(4):
            connection = held.enter_context(psycopg.connect(**settings))
            connection.execute("select 1")  # and stays idle in transaction
        [nearly] = see(declared)
        held.enter_context(psycopg.connect(**settings))
        [full] = see(declared)

    assert pool(nearly).severity is Severity.CRITICAL
    assert pool(nearly).message.startswith("5 of 5 connections in use (100.0 %)")
    assert "idle in transaction" in pool(nearly).message
    assert connect(nearly).status is Status.PASS
    assert connect(full).severity is Severity.CRITICAL
    assert pool(full).severity is Severity.CRITICAL
    assert pool(full).message.startswith("no connection is left: FATAL:")


def test_postgresql_counts_the_connections_of_others(postgresql: Server, way: str) -> None:
    # An ordinary user is shown others' connections, and not what kind they are of.
    if psycopg is None:
        pytest.skip("psycopg is not installed")
    declared = postgresql.database
    settings = {"host": declared["address"], "port": declared["port"], "user": "shop",
                "password": PASSWORD, "dbname": "postgres"}  # fmt: skip
    with ExitStack() as held:
        for _number in range(4):
            held.enter_context(psycopg.connect(**settings))
        [seen] = see(declared)

    assert seen.data["states"]["not shown"] == 4
    assert pool(seen).message.startswith("5 of 5 connections in use (100.0 %)")


def test_postgresql_is_paused(postgresql: Server, way: str) -> None:
    with paused(postgresql.process):
        seen, down = see(
            postgresql.database,
            {"kind": "postgresql", "address": "127.0.0.1", "port": 1},
            seconds=SECONDS,
        )

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message.startswith(
        (f"no answer within {SECONDS} s", "connection timeout expired")
    )
    assert "refused" in connect(down).message  # the paused one cost only itself


# MariaDB


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    """A server with TCP and a socket, max_connections 10, and a user with a password."""
    need("mariadbd", "mariadb-install-db", "mariadb")
    user = "mysql" if os.geteuid() == 0 else None
    port = free_port()
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
                 f"--socket={home}/sock", f"--port={port}", "--bind-address=127.0.0.1",
                 f"--pid-file={home}/pid", "--max-connections=10", "--skip-name-resolve",
                 "--innodb-buffer-pool-size=8M"],
                user=user, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip

        def run(sql: str, *options: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["mariadb", "--no-defaults", f"--socket={home}/sock", "-uroot", *options, "-e", sql],
                capture_output=True, text=True,
            )  # fmt: skip

        try:
            eventually(lambda: run("select 1").returncode == 0, "mariadbd")
            quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
            made = run(f"create user clerk@'127.0.0.1' identified by '{quoted}'")
            assert made.returncode == 0, made.stderr
            yield Server(
                process.pid,
                {
                    "kind": "mariadb",
                    "address": "127.0.0.1",
                    "port": port,
                    "user": "clerk",
                    "password": PASSWORD,
                },
                run,
            )
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def test_mariadb_answers(mariadb: Server) -> None:
    [seen] = see(mariadb.database)

    assert seen.error == ""
    assert "MariaDB" in seen.data["version"]
    assert (seen.data["connections"], seen.data["max_connections"]) == (1, 10)
    assert connect(seen).status is Status.PASS
    assert pool(seen).message.startswith("1 of 10 connections in use (10.0 %)")


def test_mariadb_refuses_a_wrong_password(mariadb: Server) -> None:
    [seen] = see({**mariadb.database, "password": "wrong-canary-word"})

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message.startswith("ERROR 1045 (28000): Access denied for user 'clerk'")
    assert connect(seen).remedy.startswith("decide: correct the user or the password")
    assert seen.data["denied"] is True
    assert "wrong-canary-word" not in repr(seen)


def test_mariadb_is_down() -> None:
    need("mariadb")
    [seen] = see({"kind": "mariadb", "address": "127.0.0.1", "port": free_port()})

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message.startswith("ERROR 2002 (HY000): Can't connect")


def test_mariadb_is_full(mariadb: Server) -> None:
    declared = mariadb.database
    client = [
        "mariadb",
        "--no-defaults",
        "--host=127.0.0.1",
        f"--port={declared['port']}",
        "-uclerk",
    ]
    client.append(f"--password={PASSWORD}")
    holding: list[subprocess.Popen[bytes]] = []

    def crowded() -> bool:
        """Say if the next client is refused; if not, add one that stays."""
        asked = subprocess.run([*client, "-e", "select 1"], capture_output=True)
        if asked.returncode != 0:
            return b"ERROR 1040" in asked.stderr
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        holding.append(subprocess.Popen([*client, "-e", "select sleep(5000)"], **quiet))
        return False

    try:
        eventually(crowded, "the crowd")
        [seen] = see(declared)
    finally:
        for process in holding:
            process.kill()
            process.wait()

    assert connect(seen).message.startswith("ERROR 1040")
    assert pool(seen).severity is Severity.CRITICAL


def test_mariadb_is_paused(mariadb: Server) -> None:
    with paused(mariadb.process):
        [seen] = see(mariadb.database, seconds=SECONDS)

    assert connect(seen).severity is Severity.CRITICAL
    assert (
        "within" in connect(seen).message
        or "timed out" in connect(seen).message
        or "ERROR 2013" in connect(seen).message
    )


# Redis


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    """A server with a password and room for five clients."""
    need("redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis", dir="/tmp") as home:
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", home, "--save", "",
             "--maxclients", "5", "--requirepass", "canary-of-redis"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

        def up() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            eventually(up, "redis-server")
            declared = {
                "kind": "redis",
                "address": "127.0.0.1",
                "port": port,
                "password": "canary-of-redis",
            }
            yield Server(process.pid, declared, subprocess.run)
        finally:
            process.kill()
            process.wait()


def test_redis_answers(redis: Server) -> None:
    [seen] = see(redis.database)

    assert seen.error == ""
    assert seen.data["answer"] == "PONG"
    assert (seen.data["connections"], seen.data["max_connections"]) == (1, 5)
    assert connect(seen).status is Status.PASS
    assert pool(seen).status is Status.PASS
    assert "canary" not in repr(seen)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("wrong-canary", "WRONGPASS invalid username-password pair or user is disabled."),
        ("", "NOAUTH Authentication required."),
    ],
)
def test_redis_refuses(redis: Server, password: str, reason: str) -> None:
    [seen] = see({**redis.database, "password": password})

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message == reason
    assert connect(seen).remedy.startswith("decide: correct the user or the password")
    assert seen.data["denied"] is True


def test_a_user_of_redis_that_may_only_ping_is_let_in_and_figures_are_unknown(
    redis: Server,
) -> None:
    port = str(redis.database["port"])
    command = [
        "redis-cli",
        "-p",
        port,
        "ACL",
        "SETUSER",
        "pinger",
        "on",
        ">canary-of-pinger",
        "+ping",
    ]
    made = redis.run(
        command,
        env={**os.environ, "REDISCLI_AUTH": "canary-of-redis"},
        capture_output=True,
        text=True,
    )
    assert made.stdout.strip() == "OK", made.stdout

    [seen] = see({**redis.database, "user": "pinger", "password": "canary-of-pinger"})

    assert seen.data["connected"] is True
    assert connect(seen).status is Status.PASS
    unseen = pool(seen)
    assert unseen is not None
    assert unseen.message == "the server did not report its number of connections"
    assert "canary" not in repr(seen)


def test_redis_is_down() -> None:
    [seen] = see({"kind": "redis", "address": "127.0.0.1", "port": free_port()})

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message.endswith("connection refused")


def test_redis_is_full(redis: Server) -> None:
    with ExitStack() as held:
        for _number in range(5):
            held.enter_context(socket.create_connection(("127.0.0.1", redis.database["port"])))

        found: list[Observation] = []

        def full() -> bool:
            """Whether the server has noticed them all."""
            found.extend(see(redis.database))
            return bool(pool(found[-1]).severity is Severity.CRITICAL)

        eventually(full, "the crowd")

    assert connect(found[-1]).message == "ERR max number of clients reached"


def test_redis_is_paused(redis: Server) -> None:
    with paused(redis.process):
        [seen] = see(redis.database, seconds=SECONDS)

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message == f"no answer within {SECONDS} s"


# SQLite


@contextmanager
def held_sqlite(path: Path, journal: str, then: str) -> Iterator[None]:
    """Make a database and hold it open in another process, as an application does."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute(f'pragma journal_mode={sys.argv[2]}'); c.execute('create table patient (id int)');"
        "c.execute(sys.argv[3]); print('ready', flush=True); sys.stdin.read(); c.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path, journal, then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as application:
        assert application.stdout is not None
        assert application.stdout.readline() == b"ready\n"
        yield


def test_sqlite_answers(tmp_path: Path) -> None:
    with held_sqlite(tmp_path / "a file?.db", "delete", "select 1"):
        pass
    [seen] = see({"kind": "sqlite", "name": str(tmp_path / "a file?.db")})

    assert seen.data["objects"] == 1
    assert connect(seen).status is Status.PASS
    assert pool(seen) is None


@pytest.mark.parametrize("held_open", [True, False])
def test_sqlite_in_write_ahead_mode_gets_no_new_files(tmp_path: Path, held_open: bool) -> None:
    def files() -> list[tuple[str, int]]:
        return sorted((path.name, path.stat().st_ino) for path in tmp_path.iterdir())

    with ExitStack() as application:
        application.enter_context(held_sqlite(tmp_path / "wal.db", "wal", "select 1"))
        if not held_open:
            application.close()
        before = files()
        [seen] = see({"kind": "sqlite", "name": str(tmp_path / "wal.db")})
        assert files() == before
        assert len(before) == (3 if held_open else 1)

    assert seen.data["objects"] == 1
    assert connect(seen).status is Status.PASS


def test_sqlite_is_locked(tmp_path: Path) -> None:
    with held_sqlite(tmp_path / "busy.db", "delete", "begin exclusive"):
        busy = {"kind": "sqlite", "name": str(tmp_path / "busy.db")}
        [seen] = see(busy, seconds=SECONDS)

    assert connect(seen).status is Status.UNKNOWN
    assert connect(seen).message == "not opened: its application holds a lock"
    assert connect(seen).remedy.startswith("lsof ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file or directory"),
        (
            b"not a database, just text " * 9,
            "a database of SQLite begins with b'SQLite format 3\\x00'",
        ),
    ],
)
def test_sqlite_is_not_one(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "odd.db"
    if content is not None:
        path.write_bytes(content)
    [seen] = see({"kind": "sqlite", "name": str(path)})

    assert connect(seen).severity is Severity.CRITICAL
    assert connect(seen).message.endswith(reason)
    assert "just text" not in repr(seen.data) + seen.raw


def test_no_secret_reaches_a_command_line(
    mariadb: Server, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with paused(mariadb.process), paused(postgresql.process):
        child = os.fork()
        if child == 0:
            see(mariadb.database, postgresql.database)
            os._exit(0)

        def clients() -> list[str]:
            """The command lines of those who ask, once all are there."""
            lines = []
            for one in psutil.Process(child).children(recursive=True):
                with suppress(psutil.Error):
                    lines.append(" ".join(one.cmdline()))
            marks = ("mariadb --defaults-extra-file", "psql -X")
            return lines if all(any(mark in line for line in lines) for mark in marks) else []

        asked = eventually(clients, "clients that ask")
    os.waitpid(child, 0)

    assert not any("canary" in line for line in asked)
