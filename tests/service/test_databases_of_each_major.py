"""PostgreSQL of each version answers what it is asked, by psycopg and by psql, and nothing stays behind."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from service.majors import CLERK, MAJORS, MONITOR, MajorServer, shared_server

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import postgresql
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation


@pytest.fixture(params=MAJORS)
def server(request: pytest.FixtureRequest) -> MajorServer:
    return shared_server(request.param)


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    return str(request.param)


def see(gather: Any, *declared: dict[str, Any]) -> list[Observation]:
    params = {
        "databases": list(declared),
        "discover": False,
        "timeout_seconds": 60,
        "catalog_seconds": 60,
    }
    return list(gather.gather(params, Host()))


def test_the_trivial_question_is_answered(server: MajorServer, way: str) -> None:
    answer = postgresql.ask(Host(), server.declared(), 30)

    assert answer["answer"] == 42
    assert answer["version"].startswith(f"{server.major}.")
    assert answer["max_connections"] == 40
    assert answer["connect_seconds"] > 0
    assert answer["query_seconds"] > 0


@pytest.mark.parametrize("gather", [database_activity, database_objects])
def test_every_topic_is_read(server: MajorServer, way: str, gather: Any) -> None:
    name = server.fresh()
    server.execute(f"GRANT SELECT ON pg_hba_file_rules TO {MONITOR}", name)
    server.execute(f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {MONITOR}", name)

    [seen] = see(gather, server.declared(name))

    topics = postgresql.ENGINE.topics[gather.__name__.rpartition(".")[2]]
    assert seen.error == ""
    assert seen.data["connected"] is True
    assert seen.data["unread"] == {}
    assert {
        name for name in topics if name in seen.data or name in seen.data["not_offered"]
    } == set(topics)


def test_all_databases_of_a_server_are_looked_at(server: MajorServer) -> None:
    name = server.fresh()

    seen = see(database_objects, server.declared(""))

    assert f"postgresql {MONITOR}@127.0.0.1:{server.port}/{name}" in [one.subject for one in seen]


def test_an_account_without_rights_says_what_it_lacks(server: MajorServer, way: str) -> None:
    name = server.fresh()
    server.execute("CREATE SEQUENCE ticket AS smallint START 32000", name)
    server.execute("SELECT nextval('ticket')", name)

    [seen] = see(database_objects, server.declared(name, CLERK))

    assert seen.data["sequences"] == []
    assert seen.data["unseen"]["sequences"]["objects"] == 1
