"""A next step asks the server that the check looked at, wherever it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from pasted import problems
from verdicts import of_canary

from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import (
    server,
    subject,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases._sessions import placed
from upkeep.checks.databases.database_pool import CHECK as POOL
from upkeep.judging.canaries import canary_of
from upkeep.judging.check import load
from upkeep.model.remedies import command_of
from upkeep.model.verdicts import Severity

CLIENT = re.compile(r"(runuser -u postgres -- psql|psql|mariadb|redis-cli)(?= )")
OF_DATABASES = {name: one for name, one in sorted(load().items()) if name.startswith("database_")}
USUAL = {
    "postgresql": "runuser -u postgres -- psql -c x  # see",
    "pgbouncer": "psql -p 6432 -U pgbouncer -d pgbouncer -c x  # see",
    "mariadb": "mariadb -e x  # see",
    "redis": "redis-cli info  # see",
}
PLACES: list[tuple[str, dict[str, Any], str]] = [
    ("postgresql", {}, "runuser -u postgres -- psql"),
    ("postgresql", {"port": 5433}, "psql -U postgres -h localhost -p 5433"),
    ("postgresql", {"address": "127.0.0.1", "port": 5433}, "psql -U postgres -h 127.0.0.1 -p 5433"),
    ("postgresql", {"address": "/var/run/postgresql", "port": 5433}, "runuser -u postgres -- psql -p 5433"),
    ("postgresql", {"address": "/var/run/postgresql"}, "runuser -u postgres -- psql"),
    ("postgresql", {"address": "/srv/a b", "port": 6517}, "runuser -u postgres -- psql -h '/srv/a b' -p 6517"),
    ("postgresql", {"address": "db1.example.org"}, "psql -U postgres -h db1.example.org"),
    ("postgresql", {"address": "192.0.2.7", "port": 5433}, "psql -U postgres -h 192.0.2.7 -p 5433"),
    ("postgresql", {"address": "2001:db8::1"}, "psql -U postgres -h 2001:db8::1"),
    ("postgresql", {"address": "::1"}, "runuser -u postgres -- psql"),
    ("pgbouncer", {}, "psql -p 6432"),
    ("pgbouncer", {"port": 6433}, "psql -p 6433"),
    ("pgbouncer", {"address": "/srv/pool"}, "psql -h /srv/pool -p 6432"),
    ("pgbouncer", {"address": "10.0.0.5", "port": 7000}, "psql -h 10.0.0.5 -p 7000"),
    ("pgbouncer", {"address": "2001:db8::1"}, "psql -h 2001:db8::1 -p 6432"),
    ("mariadb", {}, "mariadb"),
    ("mariadb", {"port": 3307}, "mariadb -h 127.0.0.1 -P 3307"),
    ("mariadb", {"address": "/run/mysqld/mysqld.sock"}, "mariadb -S /run/mysqld/mysqld.sock"),
    ("mariadb", {"address": "/tmp/maria/s.sock"}, "mariadb -S /tmp/maria/s.sock"),
    ("mariadb", {"address": "10.0.0.5", "port": 3307}, "mariadb -h 10.0.0.5 -P 3307"),
    ("mariadb", {"address": "10.0.0.5"}, "mariadb -h 10.0.0.5"),
    ("mariadb", {"address": "::1"}, "mariadb -h ::1"),
    ("redis", {}, "redis-cli"),
    ("redis", {"port": 6580}, "redis-cli -h 127.0.0.1 -p 6580"),
    ("redis", {"address": "/run/redis/redis.sock"}, "redis-cli -s /run/redis/redis.sock"),
    ("redis", {"address": "cache1"}, "redis-cli -h cache1"),
    ("redis", {"address": "2001:db8::1", "port": 6380}, "redis-cli -h 2001:db8::1 -p 6380"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "declared", "client"), PLACES)
@pytest.mark.parametrize("account", ["", "upkeep", "a@b"])
@pytest.mark.parametrize("name", ["", "shop", "a/b@c:d"])
def test_a_next_step_is_for_the_place_of_its_subject(
    kind: str, declared: dict[str, Any], client: str, account: str, name: str
) -> None:
    database = {"kind": kind, "user": account, "name": name, **declared}
    for about in (subject(database), server(database)):
        told = placed(USUAL[kind], about)
        rest = USUAL[kind].partition(" -U" if kind == "pgbouncer" else CLIENT_OF[kind])
        assert told == f"{client}{rest[1] if kind == 'pgbouncer' else ''}{rest[2]}"


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize(
    ("socket", "client"),
    [
        ("/run/postgresql/.s.PGSQL.5432", "runuser -u postgres -- psql"),
        ("/run/postgresql/.s.PGSQL.5433", "runuser -u postgres -- psql -p 5433"),
        ("/srv/pg/.s.PGSQL.5432", "runuser -u postgres -- psql -h /srv/pg"),
        ("/srv/a b/.s.PGSQL.6001", "runuser -u postgres -- psql -h '/srv/a b' -p 6001"),
    ],
)
def test_a_server_asked_by_tcp_lets_its_administrator_in_by_its_socket(
    address: str, socket: str, client: str
) -> None:
    """The port that was asked may be a pool's; that of the socket is the server's."""
    about = subject({"kind": "postgresql", "address": address, "port": 6432, "name": "shop"})

    assert placed(USUAL["postgresql"], about, socket) == f"{client} -c x  # see"


def test_a_socket_is_that_of_a_server_on_this_host() -> None:
    about = subject({"kind": "postgresql", "address": "192.0.2.7"})

    told = placed(USUAL["postgresql"], about, "/run/postgresql/.s.PGSQL.5432")
    assert told == "psql -U postgres -h 192.0.2.7 -c x  # see"


CLIENT_OF = {
    "postgresql": "runuser -u postgres -- psql",
    "mariadb": "mariadb",
    "redis": "redis-cli",
}


@pytest.mark.parametrize("address", ["a\nb", "-evil", "\u202edb1", "/srv/" + "x" * 300])
def test_a_place_that_is_nothing_to_paste_leaves_the_words(address: str) -> None:
    about = subject({"kind": "mariadb", "address": address})

    assert placed("mariadb -e x  # decide: do so", about) == "decide: do so"


@pytest.mark.parametrize("kind", USUAL)
def test_who_holds_connections_is_asked_of_the_server(kind: str) -> None:
    full = {"kind": kind, "connected": False, "saturated": True, "reason": "full"}
    seen = Observation(subject({"kind": kind, "address": "192.0.2.7", "port": 7001}), full)

    verdict = POOL.judge(POOL.shape(subject=seen.subject, **full), POOL.limits, None)

    assert verdict.severity is Severity.CRITICAL
    words = shlex.split(command_of(verdict.remedy))
    assert words[words.index("-h") + 1] == "192.0.2.7"
    assert "7001" in words
    assert "6432" not in words
    assert problems(verdict.remedy) == []


def test_no_check_has_a_client_in_the_step_that_is_told_without_a_place() -> None:
    assert {name for name, one in OF_DATABASES.items() if CLIENT.match(one.remedy)} == set()


def kind_of(name: str) -> str:
    """Return the kind of database of a check's canary."""
    canary = canary_of(OF_DATABASES[name])
    return canary.observation.subject.partition(" ")[0] if canary else ""


@pytest.mark.parametrize("name", [name for name in OF_DATABASES if kind_of(name) in USUAL])
def test_each_step_of_a_canary_is_for_its_server(name: str) -> None:
    """What a check says of its canary, moved to a server elsewhere, is asked of that server."""
    check = OF_DATABASES[name]
    canary = canary_of(check)
    assert canary is not None
    moved = subject({"kind": kind_of(name), "address": "192.0.2.7", "port": 7001, "name": "shop"})
    verdict = of_canary(
        check, replace(canary, observation=replace(canary.observation, subject=moved))
    )

    assert verdict is not None
    command = command_of(verdict.remedy or check.remedy)
    if CLIENT.match(command):
        words = shlex.split(command)
        assert (words[words.index("-h") + 1], "7001" in words) == ("192.0.2.7", True)
