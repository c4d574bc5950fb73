"""Servers that do not answer, and a host that is too slow to ask them."""

from __future__ import annotations

import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.databases import engine
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
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

SECONDS = 2
KINDS = ("postgresql", "pgbouncer", "mariadb", "redis")


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    return str(request.param)


@pytest.fixture
def silent() -> Iterator[int]:
    """Give a port where connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield int(listening.getsockname()[1])


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this host count as one that has processors to spare, whatever else runs on it."""
    monkeypatch.setattr(engine, "waited_seconds", lambda: 0.0)
    monkeypatch.setattr(children, "waited_seconds", lambda _process: 0.0)
    for module in (engine, _mariadb_client):
        monkeypatch.setattr(module, "refuse_starved", lambda *_given: None)


def see(gather: Any, *declared: dict[str, Any]) -> list[Observation]:
    params = {
        "databases": [{"address": "127.0.0.1", "user": "upkeep", **one} for one in declared],
        "discover": False,
        "timeout_seconds": SECONDS,
        "catalog_seconds": 60,
    }
    return list(gather.gather(params, Host()))


@pytest.mark.parametrize(
    "gather", [databases, database_activity, database_objects, database_statements]
)
@pytest.mark.usefixtures("idle")
def test_the_time_that_is_told_is_the_one_declared(silent: int, way: str, gather: Any) -> None:
    declared = [
        {"kind": kind, "port": silent, "name": "shop" if kind != "redis" else ""} for kind in KINDS
    ]

    seen = see(gather, *declared)

    assert seen
    assert {one.subject: one.data["reason"] for one in seen} == {
        one.subject: f"no answer within {SECONDS} s" for one in seen
    }


def test_many_that_refuse_are_told_as_that(way: str) -> None:
    """However long this host takes for all of them."""
    declared = [{"kind": KINDS[number % 2], "port": number} for number in range(1, 25)]

    seen = see(databases, *declared)

    assert len(seen) == 24
    assert [one.subject for one in seen if "refused" not in one.data["reason"]] == []


def test_a_client_that_is_slow_to_start_says_nothing_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands for the client of a starved host does not come to its first line."""
    for name in ("psql", "mariadb"):
        (tmp_path / name).write_text("#!/bin/sh\nsleep 3600\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(sys.modules, "psycopg", None)

    seen = see(databases, *({"kind": kind, "port": 1} for kind in KINDS[:3]))

    assert len(seen) == 3
    for one in seen:
        assert one.error == f"this host was too busy to ask within {SECONDS} s"


def test_a_process_without_a_processor_says_nothing_of_the_server(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = iter(range(0, 1000, 10))
    monkeypatch.setattr(engine, "waited_seconds", lambda: float(next(waited)))

    seen = see(
        databases,
        *({"kind": kind, "port": silent} for kind in ("postgresql", "pgbouncer", "redis")),
    )

    assert [one.error for one in seen] == [f"this host was too busy to ask within {SECONDS} s"] * 3
