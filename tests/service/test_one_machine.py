"""A machine under several names is never changed twice at the same time, by one run or by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warm
from patience import PATIENCE_SECONDS, eventually

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
NAMES = ("alias", "db1", "primary")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A machine under three names, and a job that says so in a file when it begins, and goes on as long as told."""
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    tree = {
        "all": {"hosts": dict.fromkeys(NAMES, LOCAL), "vars": {"upkeep_checks_all": ["disk_space"]}}
    }
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    script = (
        f"mkdir {tmp_path}/lock || touch {tmp_path}/clash; echo {{{{ inventory_hostname }}}} >> {tmp_path}/done; sleep 1;"
        f" while [ -e {tmp_path}/goes-on ]; do sleep 0.2; done; rmdir {tmp_path}/lock"
    )
    task = {"name": "Work", "ansible.builtin.shell": script}
    play = {"name": "Job", "hosts": "all", "gather_facts": False, "tasks": [task]}
    (site / "job.yml").write_text(json.dumps([play]))
    procedures = {
        "job": {"title": "Job", "playbook": "job.yml", "changes_hosts": True},
        "look": {"title": "Look"},
    }
    (site / "schedule.yml").write_text(json.dumps({"procedures": procedures}))
    (site / "upkeep.toml").write_text('state = "../state"\nworkspace = "../work"\n')
    return site


def upkeep(site: Path, *arguments: str) -> Any:
    return json.loads(warm.run([*arguments, "-i", str(site), "--json"]).stdout)


def told(site: Path) -> list[str]:
    found = upkeep(site, "finding", "list")["findings"]
    return [one["message"] for one in found if one["check_id"] == "one_machine"]


def test_a_job_works_on_the_names_of_a_machine_one_after_the_other(site: Path) -> None:
    document = upkeep(site, "run", "job")

    assert document["run"]["status"] == "done"
    assert sorted((site.parent / "done").read_text().split()) == sorted(NAMES)
    assert not (site.parent / "clash").exists()
    (message,) = told(site)
    assert message.startswith(
        "2 hosts are the same machine as another host; jobs of job run on them one after the other: "
    )
    lines = upkeep(site, "doctor")["lines"]
    assert len({one["host"] for one in lines if one["topic"] == "machine"}) == 2

    upkeep(site, "run", "job", "--limit", "db1")
    assert told(site) == [message]  # one name alone says nothing of the others

    hosts = site / "inventory" / "hosts.yml"
    tree = json.loads(hosts.read_text())
    tree["all"]["hosts"] = {"db1": LOCAL}
    hosts.write_text(json.dumps(tree))
    upkeep(site, "run", "job")
    assert told(site) == []


def test_two_runs_do_not_change_it_at_once_under_two_names(site: Path) -> None:
    goes_on = site.parent / "goes-on"
    goes_on.touch()
    command = [sys.executable, "-m", "upkeep.cli.main", "run", "job", "-i", str(site), "--limit"]
    with subprocess.Popen([*command, "db1"], stdout=subprocess.DEVNULL, env=os.environ) as first:
        try:
            eventually(lambda: (site.parent / "done").exists())
            second = warm.run(["run", "job", "-i", str(site), "--limit", "primary", "--json"])
        finally:
            goes_on.unlink()
        assert first.wait(PATIENCE_SECONDS) in (0, 1, 2, 3)

    document = json.loads(second.stdout)
    assert document["run"]["status"] == "failed"
    assert (
        document["run"]["cause"]
        == "run 1 changes this machine now; wait for its end: upkeep show 1"
    )
    assert (site.parent / "done").read_text() == "db1\n"
