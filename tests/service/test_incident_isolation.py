"""Hosts of an incident are isolated and released by the driver, with the real playbook: from the command to the record."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import warm
from isolated_hosts import RUN, Lab, Speaker, lab, reaches
from jsonschema import validate
from lab.fleet import Host
from lab.site import write_site
from patience import eventually

from upkeep.model import clock
from upkeep.model.roles import Role
from upkeep.rules.incidents import Incident
from upkeep.services.actors import account
from upkeep.store import incidents as stored
from upkeep.store import open_store, users
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

    assert look.returncode == 0, look.stderr
    assert f"stays: {desk.hosts.controller} tcp 22 (the connection of this run)" in look.stdout
    assert f"would be cut: 1 open connection: tcp {address}:{PORT} with" in look.stdout
    assert desk.hosts.tables(ONE) == []
    assert desk.acts() == []
    again = look.stdout.splitlines()[-1].strip()
    assert again == f"upkeep incident isolate 1 --hosts {ONE} --yes-isolate {ONE} -i {desk.folder}"

    done = desk.run(*shlex.split(again)[1:-2])

    assert done.returncode == 0, done.stderr
    assert "what is forbidden fails, by " in done.stdout
    assert not reaches(outside, address, PORT)
    acted = desk.incident().acts[-1]
    assert (acted.outcome, acted.run) == ("done", 2)
    assert acted.found is not None
    assert (acted.found.state, acted.found.by) == ("confirmed", account())
    assert acted.found.cut_sockets >= 1
    assert acted.found.proofs_held >= 2
    assert acted.found.leaks == ()
    assert acted.found.until is not None
    kept = json.loads(fleet.run(ONE, "cat", f"{RUN}/{acted.found.id}/state.json").stdout)
    assert kept["why"] == "incident 1"
    assert desk.incident().steps["isolate"].text == f"isolate on {ONE}"
    for name, words in (("incident", ("status", "1")), ("incident_log", ("log", "1"))):
        validate(json.loads(desk.run("incident", *words, "--json").stdout), schema(name))
    assert f"✓ {ONE}  isolated, " in desk.run("incident", "status", "1").stdout

    desk.run("check", "isolation", "--limit", ONE)
    status = desk.run("incident", "status", "1").stdout
    assert "forbidden traffic fails, also from the controller" in status

    freed = desk.run("incident", "release", "1", "--hosts", ONE)

    assert freed.returncode == 0, freed.stderr
    assert desk.hosts.tables(ONE) == []
    assert desk.acts() == [
        ("isolate", (ONE,), "begun"),
        ("isolate", (ONE,), "done"),
        ("release", (ONE,), "begun"),
        ("release", (ONE,), "done"),
    ]


def test_a_group_of_which_one_host_refuses_though_half_the_inventory_is_broken(desk: Desk) -> None:
    """The refusal is an entry with its reason; what overrides it can be pasted."""
    broken = desk.folder / "inventory" / "cloud.sh"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    done = desk.run("incident", "isolate", "1", "--hosts", "web", "--yes-isolate", f"{ONE},{TWO}")

    assert done.returncode == 2, done.stderr
    assert desk.acts()[1:] == [("isolate", (ONE,), "done"), ("isolate", (TWO,), "refused")]
    refused = desk.incident().acts[-1]
    assert refused.found is not None
    assert [one.id for one in refused.found.refused] == ["only_database"]
    assert "isolate" not in desk.incident().steps
    assert desk.hosts.tables(ONE) != []
    assert desk.hosts.tables(TWO) == []
    again = next(line for line in done.stdout.splitlines() if "--even-if" in line)
    status = desk.run("incident", "status", "1").stdout
    assert again.strip() in status
    assert f"✗ {TWO}  not isolated: it refuses" in status

    words = shlex.split(again, comments=True)
    forced = desk.run(*words[1:-2])

    assert forced.returncode == 0, forced.stderr
    assert "though this stood against it: only_database" in forced.stdout
    assert desk.incident().steps["isolate"].text == f"isolate on {ONE}, {TWO}"
    assert desk.hosts.tables(TWO) != []


HOLDS = """\
# The third connection to a host is the one that would confirm: here the play waits.
cd {folder}
echo >>calls-$1
if [ "$(wc -l <calls-$1)" -gt 2 ]; then
    : >waiting-$1
    sleep 1000
fi
"""


def test_a_driver_that_is_killed_leaves_no_end_and_the_next_look_tells_it(desk: Desk) -> None:
    """Whoever comes meanwhile is told who is at it, and since when."""
    holds = desk.folder / "holds.sh"
    holds.write_text(HOLDS.format(folder=desk.folder))
    group = desk.folder / "inventory" / "group_vars" / "all.yml"
    before = group.read_text()
    own = f"-o PermitLocalCommand=yes -o LocalCommand='sh {holds} %h'"
    group.write_text(f"{before}ansible_ssh_extra_args: {json.dumps(own)}\n")
    command = ["incident", "isolate", "1", "--hosts", ONE, "--yes-isolate", ONE]
    driver = psutil.Popen(
        [sys.executable, "-m", "upkeep.cli.main", *command, "-i", str(desk.folder)],
        env=desk.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        waits = desk.folder / f"waiting-{desk.hosts.address(ONE)}"
        eventually(waits.exists, "a play that waits")
        group.write_text(before)
        second = desk.run("incident", "isolate", "1", "--hosts", ONE)
    finally:
        for one in (driver, *driver.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        driver.wait()
    assert second.returncode == 2
    assert f"{ONE}: {account()} has begun to isolate it on " in second.stderr
    assert f"another isolation is under way, by {account()} since " in second.stdout
    assert desk.acts() == [("isolate", (ONE,), "begun")]
    status = desk.run("incident", "status", "1").stdout
    assert f"by {account()}: how it ended is not recorded" in status

    # What its timer calls when nobody has confirmed in time: tests/service/test_isolating.py waits for that.
    desk.hosts.fleet.run(ONE, "sh", "-ec", f"cd {RUN}; sh $(cat current)/release.sh confirm-1")
    desk.run("check", "isolation", "--limit", ONE)

    assert desk.hosts.tables(ONE) == []
    status = desk.run("incident", "status", "1").stdout
    assert "released itself on " in status
    assert "nobody has confirmed its isolation in time" in status
