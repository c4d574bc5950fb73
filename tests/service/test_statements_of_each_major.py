"""Counters of statements of PostgreSQL of each version: what is read of them, what is not told, and what is judged."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from service.majors import CLERK, MAJORS, MONITOR, MajorServer, own_server, shared_server

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_statements import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import load
from upkeep.judging.judge import judge
from upkeep.model.answer import Due, Seen
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Result, Status

SECRET = "Qzxwvk"
SCHEMA = "Own Stats"


@pytest.fixture(params=["psycopg", "psql"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psql":
        monkeypatch.setitem(sys.modules, "psycopg", None)  # its import raises ImportError
    return str(request.param)


def see(declared: dict[str, Any]) -> Observation:
    params = {"databases": [declared], "discover": False, "timeout_seconds": 60}
    [seen] = gather(params, Host())
    return seen


def counted(server: MajorServer) -> str:
    """Make a database with the extension, in a schema of a name that must be quoted."""
    name = server.fresh()
    server.execute(f'CREATE SCHEMA "{SCHEMA}"', name)
    server.execute(f'CREATE EXTENSION pg_stat_statements SCHEMA "{SCHEMA}"', name)
    server.execute(f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO {MONITOR}', name)
    return name


@pytest.mark.parametrize("major", MAJORS)
def test_counters_are_read_and_no_data_is(major: int, way: str) -> None:
    server = shared_server(major)
    name = counted(server)
    with server.connect(name) as db:
        db.execute("CREATE TABLE person (name text)")
        for _one in range(25):
            db.execute(f"SELECT count(*), '{SECRET}' FROM person, pg_sleep(0.004) WHERE name = '{SECRET}'")  # fmt: skip
        for statement in (
            f"ALTER ROLE {CLERK} SET application_name = '{SECRET}'",
            f"ALTER ROLE {CLERK} RESET application_name",
            f"DO $$ begin perform '{SECRET}'; end $$",
            f"COMMENT ON TABLE person IS '{SECRET}'",
            f"INSERT INTO person VALUES ('{SECRET}'), (E'{SECRET}'), ($x${SECRET}$x$) -- {SECRET}",
            f"SET application_name = '{SECRET}'",
        ):
            db.execute(statement)

    seen = see(server.declared(name))

    assert (seen.error, seen.data["unread"], seen.data["unseen"]) == ("", {}, {})
    assert SECRET not in json.dumps([seen.data, seen.raw])
    found = seen.data["statements"]
    assert (found["evicted"] is None) is (major == 13)
    [ours] = [one for one in found["worst"] if one["database"] == name and one["calls"] == 25]
    assert ours["shape"] == "SELECT count(*), $1 FROM person, pg_sleep($2) WHERE name = $3"
    assert (ours["since"] is not None) is (major >= 17)
    assert ours["mean_seconds"] >= 0.004
    assert ours["total_seconds"] == pytest.approx(ours["mean_seconds"] * 25)
    assert ours["rows"] == 25


@pytest.mark.parametrize("major", [13, 18])
def test_who_may_not_see_others_statements_says_what_it_lacks(major: int) -> None:
    server = shared_server(major)
    name = counted(server)
    barred = see(server.declared(name, CLERK))
    server.execute(f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO {CLERK}', name)

    seen = see(server.declared(name, CLERK))

    assert barred.data["unread"]["statements"] == "the account may not use its schema"
    assert barred.data["unseen"]["statements"]["statements"] == [
        f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO {CLERK}'
    ]
    assert barred.data["unseen"]["statements"]["database"] == name
    assert seen.data["unread"] == {}
    assert seen.data["unseen"]["statements"]["objects"] > 0
    assert seen.data["unseen"]["statements"]["statements"] == [
        f"GRANT pg_read_all_stats TO {CLERK}"
    ]


def test_without_the_extension_the_statement_and_the_setting_are_told() -> None:
    server = shared_server(18)
    name = server.fresh()
    seen = see(server.declared(name))

    assert seen.data["unread"]["statements"] == "this database has no pg_stat_statements"
    assert seen.data["unseen"]["statements"] == {
        "objects": 0,
        "statements": ["CREATE EXTENSION pg_stat_statements"],
        "database": name,
        "setting": "",  # the server has loaded it
    }
    place = f"runuser -u postgres -- psql -h {server.home} -p {server.port} -d {name}"
    told = [one for fault in FAULTS for one in judged(fault[2], [seen])]
    assert {(one.message, command_of(one.remedy)) for one in told} == {
        (
            "could not be read: this database has no pg_stat_statements",
            f"{place} -c 'CREATE EXTENSION pg_stat_statements'",
        )
    }  # so they are told as one


def test_an_extension_that_is_not_loaded_is_told() -> None:
    home = Path(tempfile.mkdtemp(prefix="upkeep-pg-"), "server")
    home.parent.chmod(0o755)
    server = own_server(18, home, shared_preload_libraries="")
    try:
        seen = see(server.declared(counted(server)))
        bare = see(server.declared("postgres"))
    finally:
        server.stop()
        shutil.rmtree(home.parent)

    setting = "shared_preload_libraries = 'pg_stat_statements'"
    assert seen.data["unread"]["statements"] == "pg_stat_statements is not loaded"
    assert (
        seen.data["unseen"]["statements"]["statements"],
        seen.data["unseen"]["statements"]["setting"],
    ) == ([], setting)
    assert bare.data["unseen"]["statements"]["statements"] == [
        "CREATE EXTENSION pg_stat_statements"
    ]
    assert bare.data["unseen"]["statements"]["setting"] == setting


def test_where_nothing_is_counted_that_is_told() -> None:
    """That the account which asks is not counted itself says nothing of the others."""
    home = Path(tempfile.mkdtemp(prefix="upkeep-pg-"), "server")
    home.parent.chmod(0o755)
    server = own_server(18, home)
    try:
        name = counted(server)
        server.execute(f"ALTER ROLE {MONITOR} SET pg_stat_statements.track = 'none'")
        other = see(server.declared(name))
        server.execute("ALTER SYSTEM SET pg_stat_statements.track = 'none'")
        server.execute("SELECT pg_reload_conf()")
        server.execute(f"ALTER ROLE {MONITOR} RESET pg_stat_statements.track")
        none = see(server.declared(name))
    finally:
        server.stop()
        shutil.rmtree(home.parent)

    assert other.data["statements"]["worst"]
    assert none.data["unread"]["statements"] == (
        "nothing is counted: pg_stat_statements.track is none; set it to top"
    )


FAULTS = (
    ("a statement that takes 21 ms, 110 times", "SELECT count(*) FROM pg_sleep(0.021)", "database_slow_statements", "% of the load: {name} "),
    ("a statement that no check has seen", "SELECT count(*) FROM pg_sleep(0.021)", "database_new_statements", "new within "),
    ("a function that takes 20 ms instead of 1 ms", "UPDATE pace SET seconds = 0.02", "database_statement_regression", "more than the "),
)  # fmt: skip
"""What is planted, with which statement, which check must fail, and words of its message."""


def judged(check: str, looks: list[Observation], **limits: Any) -> list[Result]:
    """Return what the check says of the last look at a server."""
    past = {check: {looks[-1].subject: [(datetime.now(UTC), one) for one in looks[:-1]]}}
    due = [Due(check, 0, limits)]
    return judge("db1", due, [Seen(0, looks[-1])], {}, load(), datetime.now(UTC), past)


def failures(name: str, results: list[Result]) -> list[str]:
    """Return what is said of statements of this database alone: others use the server, too."""
    return [one.message for one in results if one.status is Status.FAIL and name in one.message]


@pytest.mark.parametrize("major", [13, 18])
def test_planted_statements_are_named(major: int) -> None:
    server = shared_server(major)
    name = counted(server)
    look: Callable[[], Observation] = lambda: see(server.declared(name))  # noqa: E731
    with server.connect(name) as db:
        looks = [look(), look(), look()]
        for _one in range(20):  # before 17, a statement is compared from its second look on
            db.execute(FAULTS[0][1])
        looks.append(look())
        for _one in range(110):
            db.execute(FAULTS[0][1])
        looks.append(look())

    slow = failures(name, judged(FAULTS[0][2], looks[-2:]))
    new = failures(name, judged(FAULTS[1][2], [*looks[:3], looks[-1]]))
    looks.append(look())

    assert [FAULTS[0][3].format(name=name) in one for one in slow] == [True]
    assert [one.startswith(FAULTS[1][3]) for one in new] == [True]
    assert failures(name, judged(FAULTS[0][2], looks[-2:])) == []
    assert failures(name, judged(FAULTS[1][2], looks)) == []


@pytest.mark.parametrize("major", [13, 18])
def test_a_statement_that_becomes_slower_is_named(major: int) -> None:
    server = shared_server(major)
    name = counted(server)
    looks = []
    with server.connect(name) as db:
        db.execute("CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0.001)")
        db.execute("CREATE FUNCTION visit() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(seconds) FROM pace'")  # fmt: skip
        for number in range(24):
            if number == 20:
                db.execute(FAULTS[2][1])
            for _one in range(20):
                db.execute("SELECT visit()")
            looks.append(see(server.declared(name)))

    limits = {"min_calls": 20, "min_load_percent": 0}
    before = failures(name, judged(FAULTS[2][2], looks[:20], **limits))
    after = failures(name, judged(FAULTS[2][2], looks, **limits))

    assert before == []
    assert [FAULTS[2][3] in one and "SELECT visit()" in one for one in after] == [True]
