"""Counters of statements of a real MariaDB: what is read of them, and that no data is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from live_mariadb import Live

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _mariadb_slow_log,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_statements import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases import (
    database_new_statements,
    database_slow_statements,
    database_statement_regression,
)
from upkeep.checks.databases.database_slow_statements import CHECK
from upkeep.judging.check import PastMoment
from upkeep.judging.shapes import typed
from upkeep.model.verdicts import Status, Verdict

SECRET = "Qzxwvk"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LINES = "put two lines into my.cnf, `[mysqld]` and `performance_schema = ON`"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    if os.geteuid() or not all(shutil.which(one) for one in ("mariadbd", "mariadb")):
        pytest.skip("it needs root and MariaDB's server")
    one = Live("--performance-schema=ON", "--innodb-buffer-pool-size=8M")
    yield one
    one.close()


def see(live: Live, user: str = "root") -> Observation:
    declared = {"kind": "mariadb", "address": f"{live.folder}/s", "user": user}
    params = {"databases": [declared], "discover": False, "timeout_seconds": 60}
    [seen] = gather(params, Host())
    return seen


def test_counters_are_read_and_no_data_is(live: Live) -> None:
    statements = [
        "CREATE DATABASE shop; USE shop; CREATE TABLE person (name text)",
        f"INSERT INTO person VALUES ('{SECRET}'), (\"{SECRET}\") # {SECRET}\n",
        f"CREATE USER {SECRET[:1]}lerk IDENTIFIED BY '{SECRET}'",
        f"SET @x = '{SECRET}'",
        *[f"SELECT name, sleep(0.001) FROM person WHERE name = '{SECRET}'"] * 12,
    ]

    before = see(live)
    live.run("mariadb", "-e", ";\n".join(statements))
    seen = see(live)

    assert (seen.error, seen.data["unread"], before.data["unread"]) == ("", {}, {})
    assert SECRET not in json.dumps([seen.data, seen.raw])
    [ours] = [one for one in seen.data["statements"]["worst"] if one["calls"] == 12]
    assert ours["shape"] == "SELECT NAME , `sleep` (?) FROM `person` WHERE NAME = ?"
    assert ours["database"] == "shop"
    assert ours["mean_seconds"] >= 0.002
    assert ours["total_seconds"] == pytest.approx(12 * ours["mean_seconds"], rel=0.01)
    assert ours["since"] > before.data["statements"]["at"][:19]
    assert CHECK.shape is not None
    assert typed(CHECK.shape, seen).statements.known >= 5


def test_an_account_without_the_grant_says_what_it_lacks(live: Live) -> None:
    live.run("mariadb", "-e", "CREATE USER upkeep@localhost")

    seen = see(live, "upkeep")

    assert seen.data["unread"] == {
        "statements": "permission denied (error 1142); the slow log: it is off"
    }
    assert seen.data["unseen"] == {
        "statements": {"objects": 0, "grant": "GRANT SELECT ON performance_schema.* TO 'upkeep'@'localhost'"}
    }  # fmt: skip


@pytest.fixture
def plain() -> Iterator[Live]:
    """A server as its package sets it: it counts no statements, and logs none."""
    if os.geteuid() or not all(shutil.which(one) for one in ("mariadbd", "mariadb")):
        pytest.skip("it needs root and MariaDB's server")
    one = Live("--innodb-buffer-pool-size=8M", "--slow-query-log-file=slow.log")
    one.run("mariadb", "-e", "CREATE DATABASE shop; CREATE TABLE shop.person (name text)")
    one.run("mariadb", "-e", "INSERT INTO shop.person VALUES ('a'); CREATE USER upkeep@localhost")
    one.run("mariadb", "-e", "SET GLOBAL long_query_time = 0.05")
    yield one
    one.close()


def judged(module: Any, seen: Observation, *earlier: Observation, **limits: Any) -> Verdict:
    def of(one: Observation) -> Any:
        return typed(module.CHECK.shape, one)

    past = [PastMoment(NOW - timedelta(hours=25), of(one)) for one in earlier]
    verdict = module.CHECK.judge(of(seen), module.Limits(**limits), NOW, past)
    assert isinstance(verdict, Verdict)
    return verdict


def slow(live: Live, times: int = 3) -> None:
    """Run a statement that is slow, this often; each time with another value in it."""
    live.run("mariadb", "shop", "-e", ";".join(
        f"SELECT name, sleep(0.06) FROM person WHERE name <> '{SECRET}{number}'" for number in range(times)
    ))  # fmt: skip


def of_ours(seen: Observation) -> dict[str, Any]:
    """Return what is told of that statement; on a busy machine others may be slow too."""
    shape = "SELECT name, sleep(?) FROM person WHERE name <> ?"
    [one] = [one for one in seen.data["slow_calls"]["worst"] if one["shape"] == shape]
    return dict(one)


def test_a_server_that_neither_counts_nor_logs_says_so_with_two_lines_once(plain: Live) -> None:
    seen = see(plain)

    verdicts = [
        judged(module, seen)
        for module in (
            database_slow_statements,
            database_new_statements,
            database_statement_regression,
        )
    ]

    assert {one.status for one in verdicts} == {Status.UNKNOWN}
    assert {one.message for one in verdicts} == {
        "could not be read: performance_schema is off; the slow log: it is off"
    }
    assert LINES in verdicts[0].remedy
    assert {one.remedy for one in verdicts[1:]} == {"fix what database_slow_statements says first"}


@pytest.mark.parametrize("kept_in", ["FILE", "TABLE", "FILE,TABLE"])
def test_slow_calls_are_told_and_are_no_counters(plain: Live, kept_in: str) -> None:
    plain.run(
        "mariadb", "-e", f"SET GLOBAL log_output = '{kept_in}'; SET GLOBAL slow_query_log = ON"
    )
    before = see(plain)
    slow(plain)
    seen = see(plain)

    log, ours = seen.data["slow_calls"], of_ours(seen)
    assert SECRET not in json.dumps([seen.data, seen.raw])
    assert "statements" not in seen.data
    assert (ours["database"], ours["calls"]) == ("shop", 3)
    assert (ours["rows"], ours["examined_rows"]) == (3, 3)
    assert log["total_seconds"] + 1e-9 >= ours["total_seconds"] >= 0.18
    assert (log["from_seconds"], log["one_in"], log["cut"]) == (0.05, 1, False)

    first = judged(database_slow_statements, seen)
    second = judged(database_slow_statements, seen, before)
    failed = judged(database_slow_statements, seen, before, min_busy_percent=0.0001)
    assert first.status is Status.UNKNOWN
    assert "that slow calls are logged is known for" in first.message
    assert second.status is Status.PASS
    assert second.message.startswith("slow log of 24 h 00 min, calls slower than 50 ms: ")
    assert failed.status is Status.FAIL
    assert ": 3 calls of " in failed.message or "; 3 calls of " in failed.message
    for module in (database_new_statements, database_statement_regression):
        verdict = judged(module, seen, before)
        assert verdict.status is Status.UNKNOWN
        assert LINES in verdict.remedy
        assert "slow_query_log" not in verdict.remedy  # it is on already


def test_a_log_that_was_rotated_is_read_on(plain: Live) -> None:
    plain.run("mariadb", "-e", "SET GLOBAL slow_query_log = ON")
    log = plain.folder / "data/slow.log"
    slow(plain, 2)
    log.rename(f"{log}.1")
    plain.run("mariadb", "-e", "FLUSH SLOW LOGS")
    slow(plain, 1)

    assert of_ours(see(plain))["calls"] == 3


def test_a_log_that_is_too_large_is_told_as_cut(
    plain: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.run("mariadb", "-e", "SET GLOBAL slow_query_log = ON")
    slow(plain, 30)
    monkeypatch.setattr(_mariadb_slow_log, "LIMIT_BYTES", 2000)

    seen = see(plain)

    assert seen.data["slow_calls"]["cut"] is True
    assert 0 < of_ours(seen)["calls"] < 30
    verdict = judged(database_slow_statements, seen, seen)
    assert verdict.status is Status.UNKNOWN
    assert "only the newest part was" in verdict.message


@pytest.mark.parametrize("kept_in", ["FILE", "TABLE"])
def test_what_cannot_be_read_of_a_slow_log_is_told(plain: Live, kept_in: str) -> None:
    plain.run(
        "mariadb", "-e", f"SET GLOBAL log_output = '{kept_in}'; SET GLOBAL slow_query_log = ON"
    )
    slow(plain)
    if kept_in == "FILE":
        Path(plain.folder / "data/slow.log").unlink()

    verdict = judged(database_slow_statements, see(plain, "upkeep"))

    said = verdict.message + verdict.remedy
    assert {
        "FILE": "/slow.log: no such file",
        "TABLE": "GRANT SELECT ON mysql.slow_log TO 'upkeep'@'localhost'",
    }[kept_in] in said
    assert (
        "performance_schema is off" in said
    )  # which everybody may ask: no grant is asked for in vain


def test_the_slow_log_of_another_host_is_not_looked_for_here(
    plain: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.run("mariadb", "-e", "SET GLOBAL slow_query_log = ON")
    monkeypatch.setattr(_mariadb_slow_log.os, "uname", lambda: os.uname_result(["", "web1", "", "", ""]))  # fmt: skip

    said = judged(database_slow_statements, see(plain)).message

    assert "it is a file on the server's host" in said
