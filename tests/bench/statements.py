"""Measure what it costs to see a server's 5,000 statements beside `COPY` of all of them from the same view."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.majors import MONITOR, PASSWORD, MajorServer, own_server

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_statements import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

STATEMENTS = 5_000
COPY = "COPY (SELECT * FROM pg_stat_statements) TO STDOUT"


def statements(folder: Path, rounds: int, count: int = STATEMENTS) -> list[str]:
    """Compare the gather with COPY through psql: both connect, both as an account of pg_monitor."""
    folder.chmod(0o755)
    server = own_server(18, folder / "server")
    try:
        server.execute("CREATE EXTENSION pg_stat_statements")
        plant(server, count)
        known = server.execute("SELECT count(*) FROM pg_stat_statements")[0][0]
        ours: list[float] = []
        theirs: list[float] = []
        for _one in range(rounds):
            ours.append(timed(lambda: seen(server)))
            theirs.append(timed(lambda: copied(server)))
    finally:
        server.stop()
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        f"{known} statements | gathered in {statistics.median(ours):.3f} s, COPY {statistics.median(theirs):.3f} s",
        "---|---",
        f"gather / COPY | {ratio:.2f} × (at most 1.5)",
    ]


def plant(server: MajorServer, count: int) -> None:
    """Let the server know so many statements, of different lengths."""
    with server.connect() as db:
        for number in range(count):
            columns = ", ".join(f"c.relname AS a{one}" for one in range(1 + number % 40))
            tests = " AND ".join(f"c.oid > {one}" for one in range(1 + number // 40))
            db.execute(f"SELECT {columns} FROM pg_class AS c WHERE relname = 'x' AND {tests}")


def seen(server: MajorServer) -> None:
    """See the server as a host would."""
    params = {"databases": [server.declared()], "discover": False, "timeout_seconds": 60}
    [one] = gather(params, Host())
    if one.data["unread"] or not one.data["statements"]["worst"]:
        raise RuntimeError(f"not read: {one.data['unread']}")


def copied(server: MajorServer) -> None:
    """Copy the whole view through psql."""
    place = f"host=127.0.0.1 port={server.port} user={MONITOR} dbname=postgres"
    subprocess.run(
        ["psql", "-X", "-q", place, "-c", COPY],
        env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def timed(call: Callable[[], Any]) -> float:
    """Return how long a call takes, in seconds."""
    began = time.monotonic()
    call()
    return time.monotonic() - began
