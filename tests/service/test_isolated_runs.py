"""What runs make of an isolated host: what needs the network is unknown, nobody is called, and jobs leave it alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm
from isolated_hosts import Lab, Speaker, lab
from lab import hosts as kinds
from lab.fleet import Host
from lab.site import write_site

from upkeep.checks.upkeep.isolation_unrecorded import ID as UNRECORDED

ONE, TWO, OTHER = "one", "two", "other"
PORT = 7100
LOG, CONFIG = "/var/log/lab-app.log", "/etc/lab-logrotate.conf"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    made = Host(ONE, kinds.plain), Host(TWO, kinds.plain), Host(OTHER)
    with lab(tmp_path_factory.mktemp("isolated"), *made) as up:
        yield up
        up.clean(ONE)


@pytest.fixture
def site(hosts: Lab, tmp_path: Path) -> Path:
    """A site that asks two hosts for a server on a third, and rotates a log on them."""
    config = f"{LOG} {{\n size 1k\n rotate 4\n missingok\n}}\n"
    for name in (ONE, TWO):
        hosts.fleet.run(name, "sh", "-c", f"printf '{config}' > {CONFIG}; seq 1000 > {LOG}")
    server = f"tcp://{hosts.address(OTHER)}:{PORT}"
    group = {
        "hosts": {ONE: None, TWO: None},
        "vars": {
            "upkeep_checks_web": [
                {"check": "external_service", "services": [server], "tries": 1},
                "memory_available",
                "isolation",
            ],
            "upkeep_jobs": ["log_rotation"],
            "log_rotation_config": [CONFIG],
            "log_rotation_state": "/var/lib/lab-logrotate.state",
        },
    }
    return write_site(tmp_path / "site", hosts.fleet, {"web": group})


def run(site: Path, *words: str) -> dict[str, Any]:
    done = warm.run([*words, "-i", str(site), "--json"])
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def of(document: dict[str, Any], host: str, check: str) -> dict[str, Any]:
    (found,) = [one for one in document["results"] if (one["host"], one["check"]) == (host, check)]
    return dict(found)


def unrecorded(site: Path) -> list[tuple[str, str]]:
    """Return the hosts that say that they are isolated, and that no incident has isolated."""
    found = run(site, "finding", "list")["findings"]
    return [(one["subject"], one["severity"]) for one in found if one["check_id"] == UNRECORDED]


def test_an_isolated_host_is_seen_and_left_as_it_is_until_it_is_released(
    hosts: Lab, site: Path
) -> None:
    answering = Speaker(hosts.fleet.namespace(OTHER), "answer", hosts.address(OTHER), PORT)
    try:
        hosts.confirmed(ONE)

        for _look in range(2):  # two are not told from one: nobody is called after any number
            seen = run(site, "run", "daily")

        isolated = {one["name"]: one["isolated"] for one in seen["hosts"]}
        assert isolated[ONE]["by"] == "alice"
        assert isolated[TWO] is None
        found = of(seen, ONE, "external_service")
        assert (found["status"], found["unknown"]) == ("unknown", "isolated")
        assert found["message"].startswith("isolated since 20")
        assert of(seen, TWO, "external_service")["status"] == "pass"
        assert of(seen, ONE, "memory_available")["status"] != "unknown"
        (left,) = [one for one in seen["changes"] if one["host"] == ONE]
        assert (left["kind"], left["text"]) == ("left_out", found["message"].split(": ")[0])
        assert seen["run"]["status"] == "done"
        assert seen["run"]["cause"].startswith(f"no job changed {ONE}: isolated since")
        rotated = {
            name: hosts.fleet.run(name, "sh", "-c", f"ls {LOG}.1", check=False).returncode == 0
            for name in (ONE, TWO)
        }
        assert rotated == {ONE: False, TWO: True}
        findings = run(site, "finding", "list")["findings"]
        assert {one["check_id"] for one in findings if one["host"] == ONE} <= {"isolation"}
        assert (ONE, "high") in unrecorded(site)

        hosts.release(ONE)
        freed = run(site, "run", "daily")

        assert [one["isolated"] for one in freed["hosts"]] == [None, None]
        assert unrecorded(site) == []
        assert of(freed, ONE, "external_service")["status"] == "pass"
        assert (ONE, "changed") in {(one["host"], one["kind"]) for one in freed["changes"]}
        assert hosts.fleet.run(ONE, "sh", "-c", f"ls {LOG}.1").stdout
    finally:
        answering.close()
