"""The job and what may stand before a server: a pool in each of its modes, and a port that is passed on."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from patience import PATIENCE_SECONDS, eventually
from service.majors import ADMINISTRATOR, MajorServer, own_server
from service.test_databases_through_pools import MODES, free_port
from service.test_db_optimize import Shop, outcomes, shop_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize import _psql

UNTOUCHED = ("0", "0", '"$user", public', "off", "notice")
OWN = """select current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('search_path'),
  current_setting('default_transaction_read_only'), current_setting('client_min_messages')"""


@pytest.fixture(scope="module")
def server() -> Iterator[MajorServer]:
    """A server that listens on its socket alone: on TCP, its port is free for what stands before it."""
    folder = Path(tempfile.mkdtemp(prefix="front", dir="/tmp"))
    left_behind.remove_at_the_end(folder)
    folder.chmod(0o755)
    one = own_server(18, folder / "server", listen_addresses="")
    yield one
    one.stop()
    shutil.rmtree(folder)


@contextmanager
def started(server: MajorServer, port: int, *command: str) -> Iterator[None]:
    """Start what listens on a port of loopback."""
    if Host().which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    program = str(Host().which(command[0]))
    with subprocess.Popen(
        [program, *command[1:]], user=server.account, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            eventually(lambda: process.poll() is not None or _accepts(port), command[0])
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _accepts(port: int) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user=ADMINISTRATOR, dbname="postgres").close()
    except psycopg.Error:
        return False
    return True


@contextmanager
def pooled(server: MajorServer, folder: Path, mode: str, ignored: str) -> Iterator[None]:
    """Start a pool on the server's own port. ignored: settings of a session's begin that it takes and drops."""
    lines = [
        "[databases]", f"* = host={server.home} port={server.port} pool_size=1", "[pgbouncer]",
        "listen_addr = 127.0.0.1", f"listen_port = {server.port}", "unix_socket_dir =", "auth_type = any",
        f"pool_mode = {mode}", f"ignore_startup_parameters = {ignored}", f"logfile = {folder}/pool.log",
    ]  # fmt: skip
    lines[1] += f" user={ADMINISTRATOR}"
    (folder / "pool.ini").write_text("\n".join([*lines, ""]))
    for path in (folder, folder / "pool.ini"):
        if server.account:
            shutil.chown(path, server.account)
    with started(server, server.port, "pgbouncer", f"{folder}/pool.ini"):
        yield


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pool", dir="/tmp") as folder:
        yield Path(folder)


def declared(shop: Shop, port: int, **more: Any) -> dict[str, Any]:
    return shop.server.declared(shop.name, ADMINISTRATOR, address="127.0.0.1", port=port, **more)


@pytest.mark.parametrize("ignored", ["extra_float_digits", "options"])
@pytest.mark.parametrize("mode", MODES)
def test_a_pool_on_the_servers_own_port_is_told_from_the_server(
    server: MajorServer, tmp_path: Path, home: Path, mode: str, ignored: str
) -> None:
    shop = shop_of(server, tmp_path)
    named = declared(shop, server.port)
    with pooled(server, home, mode, ignored):
        jobs = [
            shop.run(databases=[named]),
            shop.run(databases=[named], server_elsewhere=True),
            shop.run(databases=[{**named, "name": ""}]),
        ]
        with psycopg.connect(
            host="127.0.0.1", port=server.port, user=ADMINISTRATOR, dbname=shop.name,
            autocommit=True, prepare_threshold=None,
        ) as db:  # fmt: skip
            left = db.execute(OWN).fetchone()

    for one in jobs:
        assert outcomes(one) == []
        assert [(note["outcome"], note["why"]) for note in one.notes] == [
            ("unknown", _psql.THROUGH_POOL)
        ]
    assert left == UNTOUCHED


def test_a_port_that_is_passed_on_is_no_pool(server: MajorServer, tmp_path: Path) -> None:
    shop = shop_of(server, tmp_path)
    port = free_port()
    to = f"UNIX-CONNECT:{server.home}/.s.PGSQL.{server.port}"
    with started(server, port, "socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", to):
        job = shop.run(databases=[declared(shop, port)])

    assert job.notes == []
    assert ("vacuum", "public.orders", "done") in outcomes(job)


def test_the_socket_of_the_server_is_no_pool(
    server: MajorServer, tmp_path: Path, home: Path
) -> None:
    shop = shop_of(server, tmp_path)
    with pooled(server, home, "transaction", "options"):
        job = shop.run()

    assert job.notes == []
    assert ("vacuum", "public.orders", "done") in outcomes(job)
