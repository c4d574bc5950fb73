"""A source of the inventory that cannot be read costs its hosts' results, and never ends what was found on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import warm
from patience import PATIENCE_SECONDS

from upkeep.model import clock
from upkeep.store import open_store, own_troubles

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
CHECKS = {"upkeep_checks_all": [{"check": "file_handles", "critical_percent": 1e-9, "medium_percent": 1e-9}]}  # fmt: skip
CLOUD = ("cloud1", "cloud2", "cloud3")
GROUP = {"cloud": {"hosts": list(CLOUD)}, "_meta": {"hostvars": dict.fromkeys(CLOUD, LOCAL)}}
WORKS = f"#!/bin/sh\ncat <<'TEXT'\n{json.dumps(GROUP)}\nTEXT\n"
# What takes the place of the script: each must cost its hosts, and no more.
BROKEN = {
    "fails": "#!/bin/sh\necho 'HTTP 503 from https://user:secret@cloud.example.org/' >&2\nexit 1\n",
    "no JSON": "#!/bin/sh\necho Service Unavailable\n",
    "half of it": f"#!/bin/sh\nprintf %s '{json.dumps(GROUP)[:60]}'\n",
    "a list": "#!/bin/sh\necho '[1, 2]'\n",
    "says nothing": "#!/bin/sh\n",
    "no such interpreter": "#!/nonexistent\n",
    "false": "#!/bin/false\n",
    "one word": "#!/bin/sh\n/nonexistent/inventory\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of this machine under four names, three of which a script gives; all have been observed."""
    site = tmp_path_factory.mktemp("sources") / "site"
    (site / "inventory").mkdir(parents=True)
    tree = {"all": {"hosts": {"fixed": LOCAL}, "vars": CHECKS}}
    (site / "inventory" / "hosts.yml").write_text(json.dumps(tree))
    write(site, WORKS)
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text('state = "../state"\nworkspace = "../work"\n')
    assert run(site)["run"]["status"] == "done"
    assert failing(site) == {"fixed", *CLOUD}
    return site


def write(site: Path, text: str) -> Path:
    script = site / "inventory" / "cloud.sh"
    script.write_text(text)
    script.chmod(0o755)
    return script


def upkeep(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run([*arguments, "-i", str(site)])


def run(site: Path, *arguments: str) -> Any:
    return json.loads(upkeep(site, "run", "daily", "--json", *arguments).stdout)


def findings(site: Path) -> list[dict[str, Any]]:
    return list(json.loads(upkeep(site, "finding", "list", "--json").stdout)["findings"])


def failing(site: Path) -> set[str]:
    return {one["host"] for one in findings(site) if one["check_id"] == "file_handles"}


def scripts(site: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Write a script for each text, and return where it stands."""
    found = {}
    for number, (kind, text) in enumerate(texts.items()):
        script = site / "inventory" / f"source{number}.sh"
        script.write_text(text)
        script.chmod(0o755)
        found[kind] = str(script)
    return found


def test_sources_that_cannot_be_read_are_told_and_retire_nothing(site: Path) -> None:
    """Each kind of failure is a script of its own, with a host of its own."""
    hosts = {kind: f"of-{number}" for number, kind in enumerate(BROKEN)}
    works = {
        kind: f"#!/bin/sh\necho '{json.dumps({'cloud': {'hosts': [host]}, '_meta': {'hostvars': {host: LOCAL}}})}'\n"
        for kind, host in hosts.items()
    }
    there = scripts(site, works)
    assert run(site)["run"]["status"] == "done"
    everybody = {"fixed", *CLOUD, *hosts.values()}
    assert failing(site) == everybody

    scripts(site, BROKEN)
    broken = upkeep(site, "run", "daily", "--json")
    document = json.loads(broken.stdout)

    assert broken.returncode == 2  # as bad as what is seen on the others
    assert document["run"]["status"] == "partial"
    assert document["run"]["cause"].startswith("Ansible cannot read the inventory's ")
    assert {one["name"] for one in document["hosts"]} - {"/nonexistent/inventory"} == {
        "fixed",
        *CLOUD,
    }
    assert failing(site) == everybody
    told = {one["subject"]: one for one in findings(site) if one["check_id"] == "inventory_source"}
    assert {kind for kind, script in there.items() if script not in told} == set()
    assert {(one["host"], one["severity"]) for one in told.values()} == {("controller", "high")}
    assert "secret" not in json.dumps([document, told])

    scripts(site, works)
    assert run(site)["run"]["status"] == "done"
    assert not [one for one in findings(site) if one["check_id"] == "inventory_source"]
    assert failing(site) == everybody
    for script in there.values():
        Path(script).unlink()
    run(site)
    upkeep(site, "host", "accept")


# What keeps a run from reading the inventory: it has nothing to say of the sources then.
UNREAD = {
    "hangs": ("#!/bin/sh\nexec sleep 86413\n", "run_timeout_seconds = 5\n", ""),
    "Ansible does not begin": (WORKS, "", "[defaults]\ntimeout = many\n"),
}


@pytest.mark.parametrize("how", UNREAD)
def test_a_run_that_has_not_read_the_inventory_does_not_say_that_it_can_be_read(
    site: Path, how: str
) -> None:
    """Nor that nobody forges events any more: whoever did was not in the run."""
    script, settings, config = UNREAD[how]
    with (
        closing(open_store(f"sqlite:///{site.parent}/state/upkeep.db")) as store,
        store.begin() as db,
    ):
        own_troubles.tell_forged(db, str(site), "daily", 1, "an event of nobody", clock.now())
    before = (site / "upkeep.toml").read_text()
    try:
        write(site, BROKEN["fails"])
        assert run(site)["run"]["status"] == "partial"
        write(site, script)
        (site / "upkeep.toml").write_text(before + settings)
        (site / "ansible.cfg").write_text(config)
        assert run(site)["run"]["status"] == "failed"
        told = {one["check_id"]: one["subject"] for one in findings(site)}
    finally:
        (site / "upkeep.toml").write_text(before)
        (site / "ansible.cfg").unlink()
        write(site, WORKS)

    assert told["inventory_source"] == str(site / "inventory" / "cloud.sh")
    assert told["forged_event"] == "daily"
    assert run(site)["run"]["status"] == "done"
    assert not {"inventory_source", "forged_event"} & {one["check_id"] for one in findings(site)}
    assert failing(site) == {"fixed", *CLOUD}


def test_without_any_source_no_host_matches_and_the_reason_is_said(site: Path) -> None:
    hosts = site / "inventory" / "hosts.yml"
    usual = hosts.read_text()
    hosts.write_text(json.dumps({"all": {"vars": CHECKS}}))
    script = write(site, BROKEN["fails"])
    try:
        document = run(site)
    finally:
        hosts.write_text(usual)
        write(site, WORKS)

    assert document["run"]["status"] == "failed"
    assert (
        document["run"]["cause"] == f"no host matches; Ansible cannot read the inventory's {script}"
    )
    assert failing(site) == {"fixed", *CLOUD}


def test_a_limited_run_says_so_too(site: Path) -> None:
    write(site, BROKEN["fails"])
    try:
        document = run(site, "--limit", "fixed")
    finally:
        write(site, WORKS)

    assert document["run"]["status"] == "partial"


def test_doctor_says_so_and_examines_the_other_hosts(site: Path) -> None:
    script = write(site, BROKEN["fails"])
    try:
        done = upkeep(site, "doctor", "--json")
    finally:
        write(site, WORKS)

    lines = json.loads(done.stdout)["lines"]
    (told,) = [one for one in lines if one["topic"] == "inventory" and one["status"] == "fail"]
    assert str(script) in told["text"]
    assert "fixed" in {one["host"] for one in lines}
    assert "secret" not in done.stdout


def test_an_inventory_that_loses_most_hosts_is_told_and_a_person_may_accept_it(site: Path) -> None:
    write(site, "#!/bin/sh\necho '{}'\n")
    document = run(site)

    assert document["run"]["status"] == "done"
    assert failing(site) == {"fixed", *CLOUD}
    (told,) = [one for one in findings(site) if one["check_id"] == "hosts_absent"]
    assert told["message"].startswith("3 of 4 hosts of daily are not in the inventory any more")
    assert told["remedy"].startswith(f"upkeep host accept -i {site}  # ")
    listed = json.loads(upkeep(site, "host", "list", "--json").stdout)["absent_hosts"]
    assert [one["host"] for one in listed] == list(CLOUD)
    assert upkeep(site, "host", "list").stdout.splitlines()[0].startswith("cloud1\tdaily\t")

    wrong = upkeep(site, "host", "accept", "cluod1")
    assert wrong.returncode == 64
    assert "did you mean 'cloud1'?" in wrong.stderr
    assert upkeep(site, "host", "accept", "cloud1").returncode == 0
    assert failing(site) == {"fixed", "cloud2", "cloud3"}
    done = upkeep(site, "host", "accept")
    assert done.stdout == "2 hosts left the inventory; 2 findings retired\n"
    assert failing(site) == {"fixed"}
    assert not [one for one in findings(site) if one["check_id"] == "hosts_absent"]


# --- whose code is run when ------------------------------------------------------------------------------------------
READS = (
    "procedures", "schedule lint", "schedule next", "runs", "findings", "occurrences", "alerts", "oncall", "reviews",
    "waivers", "baselines", "hosts", "silence list", "user list",
)  # fmt: skip


@pytest.mark.parametrize("command", [*READS, "doctor"])
def test_what_only_reads_runs_nothing_of_the_site(site: Path, command: str) -> None:
    """`doctor` shows that it would be noticed: it is there to try what a run does."""
    used = site.parent / "used"
    write(site, f"#!/bin/sh\ntouch {used}\necho '{{}}'\n")
    (site / "vault.sh").write_text(f"#!/bin/sh\ntouch {used}\necho secret\n")
    (site / "vault.sh").chmod(0o755)
    settings = (site / "upkeep.toml").read_text()
    (site / "upkeep.toml").write_text(f'vault_password_file = "vault.sh"\n{settings}')
    try:
        done = upkeep(site, *command.split())
    finally:
        (site / "upkeep.toml").write_text(settings)
        write(site, WORKS)

    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert used.exists() == (command == "doctor")
    used.unlink(missing_ok=True)


NAMELESS = (
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount --bind /dev/null /etc/passwd && exec "$0" "$@"',
)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to hide the list of users")
def test_an_account_without_a_name_and_a_home_runs_and_reads(tmp_path: Path) -> None:
    """As in a container that is given any number: the system has no entry of it, here because it has none at all."""
    names = ("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
    environ = {name: value for name, value in os.environ.items() if name not in names}
    environ |= {"UPKEEP_STATE": f"{tmp_path}/state", "UPKEEP_WORKSPACE": f"{tmp_path}/work"}
    said = [
        subprocess.run(
            [*NAMELESS, sys.executable, "-m", "upkeep.cli.main", *command.split()],
            env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        )
        for command in ("check memory_available", "runs")
    ]  # fmt: skip

    assert said[0].returncode in (0, 1, 2), said[0].stderr
    assert said[1].returncode == 0, said[1].stderr
    assert "check memory_available" in said[1].stdout
    assert [one.stderr for one in said if "fault of Upkeep" in one.stderr] == []
