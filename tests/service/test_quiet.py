"""`--quiet` is for cron: it prints nothing if all is well, and else only what did not pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from service import test_alert_commands as alert_commands
from service.test_alert_commands import ALWAYS, open_one, upkeep

site = alert_commands.site
NEVER = dict(zip(ALWAYS, (100, 0, 100, 0), strict=True)) | {
    "critical_percent": 100,
    "critical_gib": 0,
}


@pytest.fixture
def well(site: Path) -> Path:
    """The site, with limits that nothing passes."""
    file = site / "inventory" / "hosts.yml"
    tree = json.loads(file.read_text())
    tree["all"]["vars"]["upkeep_checks_all"] = [{"check": "disk_space", **NEVER}]
    file.write_text(json.dumps(tree))
    return site


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_nothing_is_printed_if_all_is_well(well: Path) -> None:
    assert said(upkeep(well, "run", "look", "--quiet")) == (0, "", "")
    assert said(upkeep(well, "check", "disk_space", "-q")) == (0, "", "")
    assert said(upkeep(well, "show", "1", "-q")) == (0, "", "")
    for words in (
        ("finding", "list"), ("alert", "list"), ("review", "list"), ("today",), ("plan", "look"),
    ):  # fmt: skip
        assert said(upkeep(well, *words, "-q")) == (0, "", ""), words


def test_only_what_did_not_pass_is_printed(site: Path) -> None:
    ran = upkeep(site, "run", "look", "-q")
    shown = upkeep(site, "show", "1", "-q")

    for done in (ran, shown):
        assert (done.returncode, done.stderr) == (2, "")
        assert done.stdout.startswith("here needs you: ")
        assert "here: fail high: disk_space" in done.stdout
        assert not {"passed", "report", "Next"} & set(done.stdout.replace(":", " ").split())
    found = upkeep(site, "finding", "list", "-q")
    assert found.returncode == 2
    assert "disk_space" in found.stdout


def test_an_open_alert_is_printed(site: Path) -> None:
    open_one(site)

    done = upkeep(site, "alert", "list", "-q")

    assert done.returncode == 2
    assert done.stdout == upkeep(site, "alert", "list").stdout != ""


def test_the_doctor_prints_what_stands_in_the_way(site: Path) -> None:
    done = upkeep(site, "doctor", "-q")
    lines = json.loads(upkeep(site, "doctor", "-q", "--json").stdout)["lines"]

    assert done.returncode
    assert {one["status"] for one in lines} <= {"warn", "fail", "unknown"}
    assert sys.executable not in done.stdout


def test_an_error_is_printed(site: Path) -> None:
    (site / "schedule.yml").write_text("procedures: [")

    for words in (("run", "look"), ("plan", "look"), ("doctor",)):
        done = upkeep(site, *words, "-q")
        assert (done.returncode, done.stdout) == (78, ""), words
        assert "schedule.yml" in done.stderr
