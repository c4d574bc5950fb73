"""Faults of Redis, planted on real servers: each is found, and gone when it is undone."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from patience import eventually
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import redis
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_activity,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.verdicts import Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
CHECKS = tuple(f"database_{topic}" for topic in redis.ENGINE.topics["database_activity"])


class RedisServer:
    """A server in a folder of its own. port: 0 until it is started."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = folder

    def run(self, *words: str) -> str:
        """Run one command that must succeed."""
        command = ["redis-cli", "-p", str(self.port), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
        return done.stdout.strip()

    def declared(self, **more: Any) -> dict[str, Any]:
        return {"kind": "redis", "address": "127.0.0.1", "port": self.port, **more}


@contextmanager
def started(*settings: str) -> Iterator[RedisServer]:
    for program in ("redis-server", "redis-cli"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory(prefix="redis", dir="/tmp") as home:
        Path(home, "data").mkdir()
        server = RedisServer(Path(home, "data"))
        command = ["redis-server", "--port", str(server.port), "--bind", "127.0.0.1", "--dir", str(server.folder),
                   "--enable-debug-command", "yes", "--enable-protected-configs", "yes", *settings]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: server.run("ping") == "PONG", "redis-server")
                yield server
            finally:
                process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with started() as one:
        yield one


def see(declared: dict[str, Any]) -> Observation:
    params = {"databases": [declared], "discover": False, "timeout_seconds": 30}
    [seen] = database_activity.gather(params, Host())
    assert seen.error == ""
    return seen


def judged(check: str, declared: dict[str, Any], **limits: Any) -> Verdict:
    module = importlib.import_module(f"upkeep.checks.databases.{check}")
    found = verdict_of(module.CHECK, see(declared), module.Limits(**limits), NOW)
    assert isinstance(found, Verdict)
    return found


Commands = tuple[tuple[str, ...], ...]
FAULTS: tuple[tuple[str, Commands, Commands, str, str, dict[str, Any]], ...] = (
    (
        "a copy that fails",
        (("config", "set", "dbfilename", "taken"), ("bgsave",)),
        (("config", "set", "dbfilename", "dump.rdb"), ("bgsave",)),
        "database_persistence", "the last copy failed", {},
    ),
    (
        "changes that are not saved",
        (("set", "a", "1"),),
        (("save",),),
        "database_persistence", "1 change since the last copy", {"medium_hours": 0.0},
    ),
    (
        "full, and no key may be removed",
        (("config", "set", "maxmemory", "2mb"), ("debug", "populate", "20000", "key", "100")),
        (("flushall",), ("config", "set", "maxmemory", "0")),
        "database_memory", "then writes are refused; limit 95 %", {},
    ),
    (
        "no key that may be removed",
        (("config", "set", "maxmemory-policy", "volatile-lru"), ("debug", "populate", "20000", "key", "100"),
         ("config", "set", "maxmemory", "2mb")),
        (("flushall",), ("config", "set", "maxmemory", "0"), ("config", "set", "maxmemory-policy", "noeviction")),
        "database_memory", "then writes are refused", {},
    ),
    (
        "a primary that is gone",
        (("replicaof", "127.0.0.1", "1"),),
        (("replicaof", "no", "one"),),
        "database_replication", "receives nothing from 127.0.0.1:1", {},
    ),
)  # fmt: skip
"""Name, commands that plant it, those that undo it, the check that must fail, words in its message, its limits."""


@pytest.mark.parametrize("fault", FAULTS, ids=[one[0] for one in FAULTS])
def test_a_fault_is_found_and_gone_when_it_is_undone(
    server: RedisServer, fault: tuple[Any, ...]
) -> None:
    name, plant, undo, check, words, limits = fault
    server.run("save")
    taken = server.folder / "taken"
    taken.mkdir(exist_ok=True)  # no file can have its name
    (taken / "file").touch()
    for command in plant:
        server.run(*command)

    def failed() -> bool:
        found = judged(check, server.declared(), **limits)
        return found.status is Status.FAIL and words in found.message

    try:
        eventually(failed, name)
    finally:
        for command in undo:
            server.run(*command)
    eventually(
        lambda: judged(check, server.declared(), **limits).status is Status.PASS, f"undone: {name}"
    )


def test_a_fresh_server_has_no_fault() -> None:
    with started() as one:
        found = {check: judged(check, one.declared()) for check in CHECKS}

    assert {
        check: said.message for check, said in found.items() if said.status is not Status.PASS
    } == {}


def test_a_server_that_keeps_nothing_is_not_judged() -> None:
    with started("--save", "") as one:
        one.run("set", "a", "1")
        found = judged("database_persistence", one.declared(), medium_hours=0.0)

    assert found.status is Status.UNKNOWN
    assert found.message == "it is set to keep nothing on disk"


def test_an_account_that_may_only_ping_says_what_it_lacks(server: RedisServer) -> None:
    server.run("acl", "setuser", "pinger", "on", ">canary-of-redis", "+ping")

    found = judged("database_memory", server.declared(user="pinger", password="canary-of-redis"))

    assert found.status is Status.UNKNOWN
    assert found.message == "could not be read: permission denied: ACL SETUSER pinger +info"


def test_what_an_account_may_not_configure_is_judged_all_the_same(server: RedisServer) -> None:
    server.run("acl", "setuser", "reader", "on", ">canary-of-redis", "+ping", "+info")
    declared = server.declared(user="reader", password="canary-of-redis")

    assert see(declared).data["persistence"]["save_points"] is None
    assert judged("database_persistence", declared).status is Status.PASS


def test_a_replica_is_seen_from_both_ends(server: RedisServer) -> None:
    with started("--replicaof", f"127.0.0.1 {server.port}") as replica:

        def follows() -> bool:
            links = [see(one.declared()).data["replication"] for one in (server, replica)]
            return [[one["state"] for one in link] for link in links] == [
                ["streaming"],
                ["streaming"],
            ]

        eventually(follows, "the replica")
        assert judged("database_replication", server.declared()).status is Status.PASS
        assert judged("database_replication", replica.declared()).status is Status.PASS


def test_a_server_that_is_down_is_unknown() -> None:
    found = judged("database_memory", {"kind": "redis", "address": "127.0.0.1", "port": 1})

    assert found.status is Status.UNKNOWN
    assert found.remedy == "fix what database_connect says first"
