"""Measure what is read of a database of many tables beside psql with the same statements, one after the other."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from service.majors import ADMINISTRATOR, MajorServer

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    statements_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_objects import (
    OBJECTS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

MAJOR = 18
AT_A_TIME = 1000
TABLES = """
DO $$ BEGIN FOR i IN {first}..{last} LOOP
  EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, other int, said text)', i);
END LOOP; END $$"""


def catalog(folder: Path, tables: int, rounds: int) -> list[str]:
    """Compare a gather of a database with so many tables, each with a sequence and an index, with psql."""
    folder.chmod(0o755)
    server = MajorServer(MAJOR, folder / "server", {"max_locks_per_transaction": "1024"})
    try:
        name = server.fresh()
        for first in range(1, tables + 1, AT_A_TIME):
            last = min(tables, first + AT_A_TIME - 1)
            server.execute(TABLES.format(first=first, last=last), name)
        server.execute("VACUUM ANALYZE", name)
        return _compared(server, name, tables, rounds)
    finally:
        server.stop()


def _compared(server: MajorServer, name: str, tables: int, rounds: int) -> list[str]:
    declared = server.declared(name, ADMINISTRATOR, address=str(server.home), password="")
    params = {
        "databases": [declared],
        "discover": False,
        "timeout_seconds": 60,
        "catalog_seconds": 60,
    }
    statements = {
        one.name: ";".join(statements_of(one.sql_for(MAJOR * 10_000), 60)) for one in OBJECTS
    }
    text = "".join(f"{one.replace(';', chr(92) + ';')};\n" for one in statements.values())
    psql = ["psql", "-X", "-q", "-A", "-t", "-h", str(server.home), "-p", str(server.port), "-U", ADMINISTRATOR, "-d", name]  # fmt: skip
    ours: list[float] = []
    theirs: list[float] = []
    for _round in range(rounds + 1):
        began = time.monotonic()
        subprocess.run([*psql, "-f", "-"], input=text, text=True, check=True, stdout=subprocess.DEVNULL, env={**os.environ})  # fmt: skip
        between = time.monotonic()
        (seen,) = database_objects.gather(params, Host())
        ours.append(time.monotonic() - between)
        theirs.append(between - began)
        if seen.data["unread"] or seen.data["unseen"]:
            sys.exit(f"not all was read: {seen.data['unread']} {seen.data['unseen']}")
    slowest, seconds = max(_times(server, name, statements).items(), key=lambda one: one[1])
    own, plain = (statistics.median(times[1:]) for times in (ours, theirs))
    return [
        f"A database of {tables} tables, {len(statements)} topics | wall",
        "---|---",
        f"psql, the same statements | 1 × ({plain:.2f} s)",
        f"`database_objects` | {own / plain:.2f} × ({own:.2f} s)",
        f"the slowest topic, {slowest} | {seconds:.2f} s",
    ]


def _times(server: MajorServer, name: str, statements: dict[str, str]) -> dict[str, float]:
    """Return how long each statement takes on a connection that has read the catalog once."""
    times = {}
    with server.connect(name) as db:
        db.prepare_threshold = None
        for topic, statement in statements.items():
            began = time.monotonic()
            db.execute(statement)
            times[topic] = time.monotonic() - began
    return times
