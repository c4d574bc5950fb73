"""A site's own check in real runs: by the driver, by hand, in a playbook without a driver, and judged again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import own_check
import pytest
import warm

from upkeep.system import child


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of this machine that does not want the kinds of file system that it has."""
    site = tmp_path_factory.mktemp("own") / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "checks").mkdir()
    (site / "checks" / f"{own_check.ID}.py").write_text(own_check.sample())
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    kinds = sorted({line.split()[2] for line in mounts})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "upkeep_checks_own": [{"check": "unwanted_file_system", "unwanted": kinds}],
    }
    hosts = {"all": {"hosts": {"web1": variables}}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(hosts))
    (site / "schedule.yml").write_text(json.dumps({"procedures": {"daily": {"title": "Daily"}}}))
    (site / "upkeep.toml").write_text('state = "../state"\n')
    return site


def documents(site: Path, *words: str) -> dict[str, list[dict[str, str]]]:
    """Return what the command prints as JSON."""
    done = warm.run([*words, "-i", str(site), "--json"])
    assert done.returncode in (1, 3), done.stderr  # what else is mounted may be unknown
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return found


def test_a_run_a_look_by_hand_and_another_judgement_give_its_verdicts(site: Path) -> None:
    run = documents(site, "run", "daily")
    own = [one for one in run["results"] if one["check"] == "unwanted_file_system"]
    by_hand = documents(site, "check", "unwanted_file_system")
    again = documents(site, "run", "judge", "1")

    judged = [one for one in own if one["status"] != "unknown"]  # of what cannot be seen here
    assert judged
    assert {one["status"] for one in judged} == {"fail"}
    assert {one["remedy"] for one in judged} == {"decide: mount another one"}
    told = [(one["subject"], one["status"]) for one in own]
    assert [(one["subject"], one["status"]) for one in again["results"]] == told
    # What else is mounted on this machine may have changed since.
    (root,) = [one["status"] for one in by_hand["results"] if one["subject"] == "/"]
    assert ("/", root) in told
    listed = json.loads(
        warm.run(["explain", "unwanted_file_system", "-i", str(site), "--json"]).stdout
    )["check"]
    assert listed["description"] == "No file system is of a kind that the site does not want."


def test_a_playbook_without_a_driver_has_it_too(site: Path) -> None:
    program = Path(sys.executable).parent / "ansible-playbook"
    play = "astral.upkeep.daily"
    collections = Path(child.__file__).parents[2]
    done = subprocess.run(
        [program, "-i", site / "inventory", play],
        env={"PATH": f"{program.parent}:/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(collections), "HOME": "/root"},
        cwd=site, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "unwanted_file_system" in done.stdout, done.stdout + done.stderr


def test_a_file_that_is_no_check_stops_the_run_and_is_named(site: Path) -> None:
    path = site / "checks" / "broken.py"
    path.write_text('"""Broken."""\n\nnothing\n')
    try:
        done = warm.run(["run", "daily", "-i", str(site)])
    finally:
        path.unlink()

    assert done.returncode == 78
    assert f"{path}:3: NameError: name 'nothing' is not defined" in done.stderr
    assert "docs/write-a-check.md" in done.stderr
