"""Counters of statements of a real MariaDB: what is read of them, and that no data is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest
from live_mariadb import Live

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_statements import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases.database_slow_statements import CHECK
from upkeep.judging.shapes import typed

SECRET = "Qzxwvk"


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
        "statements": "permission denied (error 1142): GRANT SELECT ON performance_schema.* TO 'upkeep'@'localhost'"
    }
