"""Checks that need more than one answer, on the lab: a host that was left behind, and a file system that fills."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from integration.conftest import Upkeep, need_root
from lab.certificates import Authority
from lab.fleet import Fleet, Host
from lab.site import write_site
from patience import PATIENCE_SECONDS
from sqlalchemy import select

from upkeep.store import open_store, tables

PEM = "/etc/ssl/portal.pem"
NAME = "portal.lab.example"
LEFT_BEHIND = {"check": "certificate_left_behind", "files": [PEM]}
TREND = {"check": "disk_space_trend", "mount_points": ["/srv/full"], "min_looks": 3}


def with_certificate(pem: bytes) -> Callable[[], None]:
    def setup() -> None:
        Path(PEM).parent.mkdir(parents=True, exist_ok=True)
        Path(PEM).write_bytes(pem)
        Path("/srv/full").mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", "/srv/full"], check=True)

    return setup


@pytest.fixture(scope="module")
def own_fleet(authority: Authority) -> Iterator[Fleet]:
    need_root()
    new, old = authority.issue(NAME, days_left=80), authority.issue(NAME, days_left=20)
    made = [
        Host("web1", with_certificate(new.certificate)),
        Host("web2", with_certificate(old.certificate)),
    ]
    with Fleet(made) as up:
        yield up


@pytest.fixture(scope="module")
def upkeep(own_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Upkeep:
    groups = {
        "web": {
            "hosts": {"web1": {}, "web2": {}},
            "vars": {"upkeep_checks_web": [LEFT_BEHIND, TREND]},
        }
    }
    return Upkeep(write_site(tmp_path_factory.mktemp("deferred") / "site", own_fleet, groups))


def of_check(document: dict[str, list[dict[str, str]]], check: str) -> list[tuple[str, ...]]:
    return [
        (one["host"], one["subject"], one["status"], one["message"])
        for one in document["results"]
        if one["check"] == check
    ]


def test_a_drift_between_two_hosts_is_found_judged_again_and_ends(
    upkeep: Upkeep, own_fleet: Fleet, authority: Authority
) -> None:
    found = of_check(upkeep.json("run", "daily"), "certificate_left_behind")
    run_id = upkeep.last_run()["id"]

    assert [one[:3] for one in found] == [("(site)", NAME, "fail")]
    assert "; older: web2 on " in found[0][3]
    again = upkeep.json("run", "judge", str(run_id))
    assert of_check(again, "certificate_left_behind") == found
    assert [one["name"] for one in again["hosts"]] == ["web1", "web2"]
    of_site = upkeep.json("show", str(run_id), "--limit", "(site)")
    assert of_check(of_site, "certificate_left_behind") == found
    assert [
        (one["host"], one["subject"]) for one in upkeep.json("finding", "list")["findings"]
    ] == [("(site)", NAME)]
    shown = upkeep("show", str(run_id))
    assert "(site)" in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr

    limited = upkeep.json("run", "daily", "--limit", "web1")
    assert of_check(limited, "certificate_left_behind") == []
    assert len(upkeep.json("finding", "list")["findings"]) == 1

    fresh = authority.issue(NAME, days_left=80)
    own_fleet.run("web2", "tee", PEM, input_text=fresh.certificate.decode())
    assert [one[2] for one in of_check(upkeep.json("run", "daily"), "certificate_left_behind")] == [
        "pass"
    ]
    assert upkeep.json("finding", "list")["findings"] == []


def test_a_plain_playbook_run_says_what_was_left_to_the_driver(upkeep: Upkeep) -> None:
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

    assert (
        "web1: left to upkeep's driver: certificate_left_behind, disk_space_trend" in done.stdout
    ), done.stdout


def test_a_file_system_that_fills_is_told_before_it_is_full(
    upkeep: Upkeep, own_fleet: Fleet
) -> None:
    """Real runs, put a day apart in the store; between them a megabyte more is written."""
    for day in range(4):
        fill = f"dd if=/dev/zero of=/srv/full/{day} bs=1M count=1 2>&1"
        own_fleet.run("web2", "sh", "-c", fill)
        found = of_check(upkeep.json("run", "daily"), "disk_space_trend")
        store = open_store(f"sqlite:///{upkeep.site}/state/upkeep.db")
        with closing(store), store.begin() as db:
            report = tables.report
            for table in (report, tables.run):
                moment = report.c.observed_at if table is report else table.c.started_at
                for row in db.execute(select(table.c.id, moment)).all():
                    earlier = {moment.name: row[1] - timedelta(days=1)}
                    db.execute(table.update().where(table.c.id == row.id).values(earlier))

    trend = {one[0]: one[2:] for one in found if one[1] == "/srv/full"}
    assert trend["web1"][0] == "pass"
    assert trend["web2"][0] == "fail"
    pace = r"full in 1[12]\.\d days at (1\.0 MiB|10\d\d\.\d KiB) a day, based on 3 earlier checks in 3\.0 days"
    assert re.match(pace, trend["web2"][1])
    again = of_check(upkeep.json("run", "judge", str(upkeep.last_run()["id"])), "disk_space_trend")
    assert sorted(again) == sorted(found)
