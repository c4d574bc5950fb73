"""The daily procedure over SSH: a healthy site passes; of planted faults each is found, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import Upkeep, need_root
from lab import hosts
from lab.certificates import Authority
from lab.daily import BACKUP, BASE, DATABASE, FAULTS, WEB
from lab.fleet import Fleet, Host
from lab.site import write_site
from pasted import problems
from patience import PATIENCE_SECONDS

GROUPS = {
    "base": {
        "hosts": {"web1": {}, "db1": {}, "backup1": {}},
        "vars": {"upkeep_checks_base": BASE},
    },
    "web": {"hosts": {"web1": {}}, "vars": {"upkeep_checks_web": WEB}},
    "database": {"hosts": {"db1": {}}, "vars": {"upkeep_checks_database": DATABASE}},
    "backup": {"hosts": {"backup1": {}}, "vars": {"upkeep_checks_backup": BACKUP}},
}


@pytest.fixture(scope="module")
def own_fleet(authority: Authority) -> Iterator[Fleet]:
    """Hosts of this module alone: it breaks them."""
    need_root()
    issued = authority.issue("app.lab.example")
    web = hosts.web(issued.certificate, issued.key, authority.pem)
    made = [Host("web1", web), Host("db1", hosts.database), Host("backup1", hosts.backup)]
    with Fleet(made) as up:
        yield up


@pytest.fixture(scope="module")
def upkeep(own_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Upkeep:
    return Upkeep(write_site(tmp_path_factory.mktemp("daily") / "site", own_fleet, GROUPS))


def plain_verdicts(upkeep: Upkeep) -> set[str]:
    """Return the verdicts that ansible-playbook prints without the driver."""
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "astral.upkeep.daily",
            "-i",
            str(upkeep.site / "inventory"),
        ],
        env={**upkeep.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert "PLAY RECAP" in done.stdout, done.stdout + done.stderr
    found = re.findall(r"^(\w+): \S+ (fail \w+|unknown) (\w+) ", done.stdout, re.MULTILINE)
    return {f"{host} {status} {check}" for host, status, check in found}


def driver_verdicts(document: dict[str, list[dict[str, str]]]) -> set[str]:
    return {
        f"{one['host']} {one['status']} {one['severity'] or ''}".strip() + f" {one['check']}"
        for one in document["results"]
        if one["status"] != "pass"
    }


def test_a_healthy_site_passes(upkeep: Upkeep) -> None:
    document = upkeep.json("run", "daily")

    assert [one for one in document["results"] if one["status"] != "pass"] == []
    assert document["run"]["status"] == "done"
    assert document["run"]["exit_status"] == 0
    wanted = {
        host: {entry if isinstance(entry, str) else entry["check"] for entry in [*BASE, *own]}
        for host, own in (("web1", WEB), ("db1", DATABASE), ("backup1", BACKUP))
    }
    seen = {(one["host"], one["check"]) for one in document["results"]}
    assert seen == {(host, check) for host, checks in wanted.items() for check in checks}
    assert plain_verdicts(upkeep) == set()


@pytest.fixture(scope="module")
def found(upkeep: Upkeep, own_fleet: Fleet, authority: Authority) -> dict[str, Any]:
    """Plant every fault; return what a run of the daily procedure then tells.

    A fixture: a process that takes over the last tests of this module from another one has a fleet of its own.
    """
    for fault in FAULTS:
        fault.plant(own_fleet, authority)
    return upkeep.json("run", "daily")


def test_planted_faults_are_found_and_nothing_else(upkeep: Upkeep, found: dict[str, Any]) -> None:
    document = found
    bad = [one for one in document["results"] if one["status"] != "pass"]
    expected = [(fault.host, *told) for fault in FAULTS for told in fault.found]
    unmatched = [
        (one["host"], one["check"], one["subject"], one["severity"], one["message"])
        for one in bad
        if not any(
            (one["host"], one["check"], one["severity"]) == (host, check, severity)
            and subject in one["subject"]
            for host, check, subject, severity in expected
        )
    ]
    missing = [
        wanted
        for wanted in expected
        if not any(
            (one["host"], one["check"], one["severity"]) == (wanted[0], wanted[1], wanted[3])
            and wanted[2] in one["subject"]
            for one in bad
        )
    ]
    assert (unmatched, missing) == ([], [])
    assert {one["check"]: problems(one["remedy"]) for one in bad if problems(one["remedy"])} == {}
    assert document["run"]["exit_status"] == 2
    assert plain_verdicts(upkeep) == driver_verdicts(document)


@pytest.mark.usefixtures("found")
def test_what_was_found_is_a_finding_with_the_same_fingerprint_next_time(upkeep: Upkeep) -> None:
    first = {one["fingerprint"]: one["count"] for one in upkeep.json("finding", "list")["findings"]}
    upkeep("run", "daily", status=2)
    second = {
        one["fingerprint"]: one["count"] for one in upkeep.json("finding", "list")["findings"]
    }

    assert first
    assert second == {fingerprint: count + 1 for fingerprint, count in first.items()}
