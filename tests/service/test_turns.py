"""A live host behind dead ones has its turn, however many they are and however short the run."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from alert_samples import MONDAY, SITE, full, run, seen

from upkeep.model.answer import Observed, Outcome
from upkeep.model.verdicts import Status
from upkeep.run.callback import upkeep_inventory
from upkeep.store import Store, runs


def gave(host: str, outcome: Outcome, number: int) -> Observed:
    at = MONDAY + timedelta(hours=number)
    if outcome is Outcome.OK:
        return seen(full(Status.PASS), host=host, at=at)
    return Observed(host, outcome, at, "for a test")


@pytest.mark.parametrize(
    ("history", "answered", "silent"),
    [
        ([], [], []),
        ([{"a": "ok", "b": "ok"}], ["a", "b"], []),
        ([{"a": "ok", "b": "unreachable", "c": "timed_out"}], ["a"], ["b", "c"]),
        ([{"a": "failed", "b": "skipped"}], ["b"], ["a"]),
        # Who was not tried goes before who was tried in vain, and who was tried last goes last.
        ([{"a": "unreachable", "b": "not_begun", "c": "not_begun"}], [], ["b", "c", "a"]),
        ([{"a": "unreachable"}, {"b": "unreachable", "a": "not_begun"}], [], ["a", "b"]),
        # What was once seen is not forgotten because a run had no time for it.
        ([{"a": "ok"}, {"a": "not_begun"}], ["a"], []),
        ([{"a": "ok"}, {"a": "unreachable"}], [], ["a"]),
        ([{"a": "unreachable"}, {"a": "ok"}], ["a"], []),
        ([{"a": "ok"}, *[{"b": "ok"}] * 20], ["b"], []),
    ],
)
def test_whose_turn_it_is(
    store: Store, history: list[dict[str, str]], answered: list[str], silent: list[str]
) -> None:
    for number, hosts in enumerate(history):
        answers = [gave(host, Outcome(outcome), number) for host, outcome in hosts.items()]
        run(store, MONDAY + timedelta(hours=number), *answers)
        run(store, MONDAY + timedelta(hours=number), procedure="weekly")

    with store.read() as db:
        assert runs.turns(db, SITE, "daily") == (answered, silent)


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield int(listening.getsockname()[1])


@pytest.mark.long
def test_the_live_one_is_first_the_next_time_and_the_others_take_turns(
    tmp_path: Path, deaf: int
) -> None:
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    away: dict[str, Any] = {"ansible_host": "127.0.0.1", "ansible_port": deaf}
    hosts: dict[str, Any] = {f"dead{number}": away for number in range(1, 5)}
    hosts["live"] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    tree = {"all": {"hosts": hosts, "vars": {"upkeep_checks_all": ["memory_available"]}}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (site / "ansible.cfg").write_text("[defaults]\ntimeout = 15\n")
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text('state = "../state"\nworkspace = "../work"\nforks = 1\nrun_timeout_seconds = 24\n')  # fmt: skip

    def outcomes() -> dict[str, str]:
        document = json.loads(warm.run(["run", "daily", "-i", str(site), "--json"]).stdout)
        return {one["name"]: one["outcome"] for one in document["hosts"]}

    found = outcomes()
    for _again in range(8):
        if found["live"] == "ok":
            break
        before, found = found, outcomes()
        tried = {host for host, outcome in before.items() if outcome != "not_begun"}
        now = {host for host, outcome in found.items() if outcome != "not_begun"}
        assert not tried & now or tried | now >= set(hosts)  # each has its turn before one has two

    assert found["live"] == "ok"
    assert outcomes()["live"] == "ok"


@pytest.mark.parametrize(
    ("hosts", "forks", "seconds", "expected"),
    [
        (1, 10, 3600, 10),
        (0, 10, 3600, 10),
        (3003, 50, 240, 6),
        (3003, 50, 3600, 10),
        (10_000, 10, 60, 5),
        (1090, 50, 240, 10),
    ],
)
def test_two_runs_reach_all_where_that_can_be(
    hosts: int, forks: int, seconds: float, expected: int
) -> None:
    assert upkeep_inventory.connect_seconds(hosts, forks, seconds) == expected


SSH = """#!/bin/sh
# Says how long it was told to wait for a connection, and makes none.
for word; do case $word in ConnectTimeout=*) echo "${word#*=}" >> "%s";; esac; done
exit 255
"""


@pytest.mark.parametrize(
    ("seconds", "configured", "own", "expected"),
    [
        (600, "", {}, {"10"}),
        (120, "", {"ansible_ssh_timeout": 20}, {"20", "7"}),
        (75, "[defaults]\ntimeout = 30\n", {}, {"30"}),
    ],
    ids=["usual", "many hosts, and one of its own", "the site's own"],
)
def test_a_connection_is_given_less_time_where_hosts_are_many_for_the_time_of_the_run(
    tmp_path: Path, seconds: int, configured: str, own: dict[str, Any], expected: set[str]
) -> None:
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    said = tmp_path / "said"
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH % said)
    ssh.chmod(0o755)
    variables = {"upkeep_checks_all": ["memory_available"], "ansible_ssh_executable": str(ssh)}
    hosts = {"h0": own, **{f"h{number}": {} for number in range(1, 30)}}
    tree = {"all": {"hosts": hosts, "vars": variables}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    (site / "ansible.cfg").write_text(configured)
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text(f'state = "../state"\nworkspace = "../work"\nforks = 1\nrun_timeout_seconds = {seconds}\n')  # fmt: skip

    warm.run(["run", "daily", "-i", str(site)])

    assert set(said.read_text().split()) == expected
