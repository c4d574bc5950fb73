"""A maintenance job through the driver: shown first, done where hosts opt in, proved afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.conftest import Sites, Upkeep
from lab.fleet import Fleet

LOG, CONFIG = "/srv/log/app.log", "/etc/lab/logrotate.conf"


@pytest.fixture
def upkeep(site: Sites, fleet: Fleet) -> Iterator[Upkeep]:
    """A site on whose host backup1 a log is due: larger than its size, never rotated by this state file."""
    fleet.run("backup1", "sh", "-c", f"sed -i 's/daily/size 1k/' {CONFIG}; seq 1000 > {LOG}")
    fleet.run("backup1", "sh", "-c", "rm -f /srv/log/state; rm -f /srv/log/*.gz")
    made = site({"backup1": ["disk_space"], "web1": ["disk_space"]})
    group = made.site / "inventory" / "group_vars" / "only_backup1.yml"
    group.write_text(
        f"{group.read_text()}upkeep_jobs: [log_rotation]\n"
        f"log_rotation_config: [{CONFIG}]\nlog_rotation_state: /srv/log/state\n"
    )
    yield made
    fleet.run("backup1", "sh", "-c", f"sed -i 's/size 1k/daily/' {CONFIG}; rm -f /srv/log/state")


def files(fleet: Fleet) -> list[str]:
    return sorted(fleet.run("backup1", "sh", "-c", "ls -i /srv/log").stdout.split("\n"))


def test_check_and_diff_show_the_plan_and_change_nothing(upkeep: Upkeep, fleet: Fleet) -> None:
    before = files(fleet)

    done = upkeep("run", "daily", "--check", "--diff")

    assert files(fleet) == before
    assert "backup1: changed: Rotate what is due" in done.stdout
    assert LOG in done.stdout
    assert "web1: changed" not in done.stdout
    assert upkeep.json("show", "1")["changes"][0]["host"] == "backup1"


def test_the_job_is_done_and_proved_and_not_done_again(upkeep: Upkeep, fleet: Fleet) -> None:
    first = upkeep.json("run", "daily")
    second = upkeep.json("run", "daily")

    archives = fleet.run("backup1", "sh", "-c", "ls /srv/log").stdout.split()
    assert any(name.startswith("app.log.1") for name in archives)
    assert [(one["host"], one["kind"]) for one in first["changes"]] == [("backup1", "changed")]
    proof = [one for one in first["results"] if one["check"] == "log_rotation"]
    assert [(one["host"], one["status"]) for one in proof] == [("backup1", "pass")]
    assert second["changes"] == []
    assert [host["outcome"] for host in second["hosts"]] == ["ok", "ok"]


def test_a_job_to_which_no_host_has_opted_in_was_not_done(upkeep: Upkeep) -> None:
    schedule = upkeep.site / "schedule.yml"
    job = "{title: Rotate, playbook: astral.upkeep.log_rotation, hosts: web1}"
    schedule.write_text(f"{schedule.read_text()}  tidy: {job}\n")

    upkeep("run", "tidy", status=3)

    run = upkeep.json("show", "1")["run"]
    assert run["status"] == "failed"
    assert run["cause"].startswith("no host took part")


def test_a_job_that_fails_is_named_and_the_run_is_not_done(upkeep: Upkeep, fleet: Fleet) -> None:
    script = f"printf '{LOG} {{\\n size 1k\\n postrotate\\n exit 1\\n endscript\\n}}\\n' > {CONFIG}"
    before = fleet.run("backup1", "cat", CONFIG).stdout
    fleet.run("backup1", "sh", "-c", f"{script}; seq 1000 > {LOG}; rm -f {LOG}.1*")
    try:
        document = upkeep.json("run", "daily")
    finally:
        fleet.run("backup1", "sh", "-c", f"cat > {CONFIG}", input_text=before)

    assert document["run"]["status"] == "partial"
    assert "a job failed on backup1" in document["run"]["cause"]
    assert [one["kind"] for one in document["changes"]] == ["failed"]


def test_nobody_opts_in_and_nothing_is_contacted_twice(site: Sites) -> None:
    document = site({"web1": ["disk_space"]}).json("run", "daily")

    assert document["changes"] == []
    assert document["run"]["status"] == "done"
