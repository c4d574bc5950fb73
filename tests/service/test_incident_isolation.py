"""Hosts of an incident are isolated and released by the driver, with the real playbook: from the command to the record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm
from isolated_hosts import Lab, Speaker, lab, reaches
from jsonschema import validate
from lab.fleet import Host
from lab.site import write_site

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.rules.incidents import Incident
from upkeep.services.actors import account
from upkeep.store import open_store, users
from upkeep.store import incidents as stored
from upkeep.view.json import schema

ONE, TWO, OTHER = "one", "two", "other"
PORT = 7000
SCHEDULE: dict[str, Any] = {
    "procedures": {"watch": {"title": "Watch", "owner": "ops", "checks": ["isolation"]}},
}


class Desk:
    """A site of the lab's hosts, with its commands. The account of the tests is an operator."""

    def __init__(self, hosts: Lab, folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        groups = {
            "web": {"hosts": {ONE: {}, TWO: {"isolation_only_database": True}}},
            "all": {
                "hosts": {},
                "vars": {
                    "isolation_confirm_seconds": 600,
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "upkeep_checks_incidents": ["isolation"],
                },
            },
        }
        write_site(folder, hosts.fleet, groups, schedule=SCHEDULE)
        self.store = open_store(f"sqlite:///{folder}/state/upkeep.db")
        with self.store.begin() as db:
            users.add(db, account(), Role.OPERATOR, "no password", clock.now())

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, "HOME": str(self.folder), "UPKEEP_WORKSPACE": str(self.folder / "work")}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        for host in (ONE, TWO):
            self.hosts.must_be_apart(host)
        return warm.run([*words, "-i", str(self.folder)], env=self.environment)

    def incident(self) -> Incident:
        with self.store.read() as db:
            return stored.load(db, 1)

    def acts(self) -> list[tuple[str, tuple[str, ...], str]]:
        return [(one.act, one.hosts, one.outcome) for one in self.incident().acts]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    with lab(tmp_path_factory.mktemp("driver"), Host(ONE), Host(TWO), Host(OTHER)) as hosts:
        yield hosts


@pytest.fixture
def desk(up: Lab, tmp_path: Path) -> Iterator[Desk]:
    """A site with an open incident; its hosts are as they were afterwards."""
    made = Desk(up, tmp_path)
    opened = made.run("incident", "open", "security", "--title", "Strange logins", "--hosts", ONE)
    assert opened.returncode == 0, opened.stderr
    yield made
    made.store.close()
    up.clean(ONE, TWO)


@pytest.fixture
def speakers() -> Iterator[list[Speaker]]:
    made: list[Speaker] = []
    yield made
    for one in made:
        one.close()


def test_from_the_look_to_the_release(desk: Desk, speakers: list[Speaker]) -> None:
    fleet, address = desk.hosts.fleet, desk.hosts.address(ONE)
    outside = fleet.namespace(OTHER)
    speakers += [
        Speaker(fleet.namespace(ONE), "answer", address, PORT),
        Speaker(outside, "connect", address, PORT),
    ]
    look = desk.run("incident", "isolate", "1", "--hosts", ONE)
    print(look.returncode, look.stdout, look.stderr)
    done = desk.run("incident", "isolate", "1", "--hosts", ONE, "--yes-isolate", ONE)
    print(done.returncode, done.stdout, done.stderr)
    print(desk.run("incident", "status", "1").stdout)
    print(desk.run("incident", "log", "1").stdout)
    document = desk.run("incident", "status", "1", "--json")
    validate(json.loads(document.stdout), schema("incident"))
    assert not reaches(outside, address, PORT)
    freed = desk.run("incident", "release", "1", "--hosts", ONE)
    print(freed.returncode, freed.stdout, freed.stderr)
    print(desk.run("incident", "status", "1").stdout)
    assert 0
