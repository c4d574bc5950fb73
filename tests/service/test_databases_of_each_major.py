"""PostgreSQL of each version answers what it is asked, by psycopg and by psql, and nothing stays behind."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from psycopg import sql
from service.majors import CLERK, MAJORS, MONITOR, MajorServer, shared_server

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _postgresql_client,
    postgresql,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
    database_objects,
    database_statements,
    databases,
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


@pytest.mark.parametrize("server", [18], indirect=True)
def test_a_slow_question_costs_only_its_own_answer(server: MajorServer, way: str) -> None:
    questions = {"slow": "select to_json(pg_sleep(3600))", "quick": "select to_json(1)"}

    replies = _postgresql_client.ask_all(Host(), server.declared(), questions, 6).by_name

    assert replies["slow"].state == "57014"
    assert replies["quick"].value == 1


def test_an_account_without_rights_says_what_it_lacks(server: MajorServer, way: str) -> None:
    name = server.fresh()
    server.execute("CREATE SEQUENCE ticket AS smallint START 32000", name)
    server.execute("SELECT nextval('ticket')", name)

    [seen] = see(database_objects, server.declared(name, CLERK))

    assert seen.data["sequences"] == []
    assert seen.data["unseen"]["sequences"]["objects"] == 1


def said_in_log(server: MajorServer, since: int, account: str) -> list[str]:
    """Return what the server has complained of to an account since its log had this many bytes."""
    with (server.home / "log").open("rb") as log:
        log.seek(since)
        lines = log.read().decode(errors="replace").splitlines()
    complaints = re.compile(rf" {account}@\S+ (WARNING|ERROR|FATAL|PANIC):")
    return [line for line in lines if complaints.search(line)]


@pytest.mark.parametrize("right", ["", "IN ROLE pg_monitor"])
def test_nothing_that_is_asked_stands_in_the_log_of_the_server(
    server: MajorServer, right: str
) -> None:
    name, closed = server.fresh(), server.fresh()
    server.execute(f"REVOKE CONNECT ON DATABASE {closed} FROM public")
    account = f"{name}_asks"
    server.execute(f"CREATE ROLE {account} LOGIN PASSWORD 'no' {right}")
    server.execute("CREATE SEQUENCE ticket; CREATE TABLE paper (id int4 PRIMARY KEY)", name)
    since = (server.home / "log").stat().st_size

    for gather in (databases, database_activity, database_objects, database_statements):
        for one in (name, ""):
            [seen, *_others] = see(gather, server.declared(one, account, password="no"))
            assert seen.data["connected"] is True

    assert said_in_log(server, since, account) == []


@pytest.mark.parametrize("server", [13, 18], indirect=True)
def test_a_database_that_lets_the_account_not_in_is_not_tried(server: MajorServer) -> None:
    closed = server.fresh()
    server.execute(f"REVOKE CONNECT ON DATABASE {closed} FROM public")

    seen = {one.subject: one.data for one in see(database_objects, server.declared("", CLERK))}

    data = seen[f"postgresql {CLERK}@127.0.0.1:{server.port}/{closed}"]
    assert data["connected"] is False
    assert data["reason"] == (f"permission denied: GRANT CONNECT ON DATABASE {closed} TO {CLERK}")


@pytest.mark.parametrize("server", [13, 18], indirect=True)
def test_the_grant_names_each_schema_and_can_be_run(server: MajorServer) -> None:
    name = server.fresh()
    schemas = [*(f"branch_{number}" for number in range(15)), "\x1b[31mred\\", 'say "x"', "order"]
    for one in schemas:
        schema = sql.Identifier(one)
        server.execute(sql.SQL("CREATE SCHEMA {}").format(schema), name)
        server.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, sql.Identifier(CLERK)), name)  # fmt: skip
        server.execute(sql.SQL("CREATE SEQUENCE {}.ticket").format(schema), name)
    [seen] = see(database_objects, server.declared(name, CLERK))
    unseen = seen.data["unseen"]["sequences"]
    assert unseen["objects"] == len(schemas)
    assert all(statement.isprintable() for statement in unseen["statements"])

    for statement in unseen["statements"]:
        server.execute(statement, name)

    [seen] = see(database_objects, server.declared(name, CLERK))
    assert "sequences" not in seen.data["unseen"]
