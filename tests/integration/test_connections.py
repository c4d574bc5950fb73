"""One round trip, over whatever connection and become Ansible has set up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.conftest import Sites, Upkeep
from lab.daily import BASE
from lab.fleet import Fleet
from patience import PATIENCE_SECONDS


@pytest.fixture
def only_root_reads(fleet: Fleet) -> Iterator[str]:
    """plain2, with a log of logins that only root may read."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime())
    line = (
        f"{stamp} host sshd[7]: Accepted publickey for ops from 192.0.2.9 port 5 ssh2: ED25519 x\n"
    )
    fleet.run("plain2", "sh", "-c", "umask 077; cat > /var/log/auth.log", input_text=line)
    yield "plain2"
    fleet.run("plain2", "rm", "-f", "/var/log/auth.log")


WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "root": ({"ansible_user": "root"}, "pass"),
    "a_user": ({"ansible_user": "ops"}, "unknown"),
    "sudo_without_a_password": ({"ansible_user": "ops", "ansible_become": True}, "pass"),
    "sudo_with_a_password": (
        {
            "ansible_user": "opspw",
            "ansible_become": True,
            "ansible_become_password": "lab-secret-opspw",
        },
        "pass",
    ),
    "su_with_a_password": (
        {
            "ansible_user": "ops",
            "ansible_become": True,
            "ansible_become_method": "su",
            "ansible_become_password": "lab-secret-root",
        },
        "pass",
    ),
    "pipelining_off": (
        {"ansible_user": "ops", "ansible_become": True, "ansible_pipelining": False},
        "pass",
    ),
    "to_another_user": (
        {"ansible_user": "root", "ansible_become": True, "ansible_become_user": "nobody"},
        "unknown",
    ),
    "an_interpreter_that_is_set": (
        {"ansible_user": "root", "ansible_python_interpreter": "/usr/bin/python3"},
        "pass",
    ),
    "one_that_ansible_would_look_for": (
        {"ansible_user": "root", "ansible_python_interpreter": "auto_silent"},
        "pass",
    ),
}
WRONG = {
    "ansible_user": "opspw",
    "ansible_become": True,
    "ansible_become_password": "not-the-one",
}


def test_become_interpreter_and_a_wrong_password_each_as_a_name_of_one_host(
    site: Sites, fleet: Fleet, only_root_reads: str
) -> None:
    entry = {"check": "failed_logins", "paths": ["/var/log/auth.log"]}
    given = {name: variables for name, (variables, _status) in WAYS.items()} | {"wrong": WRONG}
    upkeep = site({name: [entry] for name in given})
    folder = upkeep.site / "inventory" / "host_vars"
    folder.mkdir()
    address = {"ansible_host": fleet.hosts[only_root_reads].address}
    for name, variables in given.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(address | variables))

    document = upkeep.json("run", "daily")

    outcomes = {host["name"]: host["outcome"] for host in document["hosts"]}
    assert outcomes == {**dict.fromkeys(WAYS, "ok"), "wrong": "failed"}, document["hosts"]
    seen = [(one["host"], one["status"]) for one in document["results"]]
    expected = {name: status for name, (_variables, status) in WAYS.items()}
    assert sorted(seen) == sorted({**expected, "wrong": "unknown"}.items())
    told = next(one["message"] for one in document["results"] if one["host"] == "wrong")
    assert "password" in told.lower()
    assert "not-the-one" not in str(document)


def test_through_a_jump_host(site: Sites, fleet: Fleet, only_root_reads: str) -> None:
    upkeep = site({only_root_reads: ["failed_logins"]})
    jump = (
        f"ssh -i {fleet.key} -o UserKnownHostsFile={fleet.known_hosts} -o BatchMode=yes"
        f" -W %h:%p root@{fleet.hosts['web1'].address}"
    )
    hosts_file = upkeep.site / "inventory" / "hosts.yml"
    inventory = yaml.safe_load(hosts_file.read_text())
    inventory["all"]["vars"]["ansible_ssh_common_args"] += f' -o ProxyCommand="{jump}"'
    hosts_file.write_text(yaml.safe_dump(inventory))
    address = fleet.hosts[only_root_reads].address

    drop = ["ip", "route", "add", "blackhole", f"{address}/32"]
    subprocess.run(drop, check=True)
    try:
        document = upkeep.json("run", "daily")
        doctor = upkeep("doctor")
    finally:
        subprocess.run([*drop[:2], "del", *drop[3:]], check=True)

    assert [host["outcome"] for host in document["hosts"]] == ["ok"]
    assert f"{only_root_reads}: fail" not in doctor.stdout


def test_twelve_checks_cost_one_ssh_session(site: Sites, tmp_path: Path) -> None:
    log, wrapper = tmp_path / "calls", tmp_path / "ssh"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *-V*) ;; *) echo x >> {log};; esac\nexec ssh "$@"\n'
    )
    wrapper.chmod(0o755)
    checks = [*BASE, "swap_used", "load_per_core", "reboot_pending"]
    upkeep = site({"web1": checks})
    upkeep.environ["ANSIBLE_SSH_EXECUTABLE"] = str(wrapper)

    document = upkeep.json("run", "daily")

    assert len(checks) == 12
    assert len({result["check"] for result in document["results"]}) >= 11
    assert log.read_text().count("x") == 1


def play(upkeep: Upkeep, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            upkeep.site / "inventory",
            *arguments,
        ],
        env=upkeep.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def test_check_mode_observes_too(site: Sites) -> None:
    done = play(site({"web1": ["failed_logins"]}), "astral.upkeep.observe", "--check")

    assert "web1: 1 of 1 results pass" in done.stdout


def test_a_playbook_can_fail_on_a_severity(site: Sites, tmp_path: Path) -> None:
    book = tmp_path / "book.yml"
    book.write_text(
        """
- hosts: all
  gather_facts: false
  tasks:
    - name: Look
      astral.upkeep.observe:
        entries: [{check: backup_fresh, sets: [{name: none, paths: [/nowhere/*]}]}]
        fail_on: high
"""
    )
    upkeep = site({"web1": []})

    done = play(upkeep, str(book))

    assert done.returncode == 2
    assert "1 checks failed at high or above" in done.stdout + done.stderr


def test_a_module_of_its_own_in_anybodys_playbook(site: Sites, tmp_path: Path) -> None:
    book = tmp_path / "book.yml"
    book.write_text(
        """
- hosts: all
  gather_facts: false
  tasks:
    - name: Look
      astral.upkeep.file_systems_info:
      register: seen
    - name: Show
      ansible.builtin.debug:
        msg: "{{ seen.observations | map(attribute='subject') | list }}"
"""
    )

    done = play(site({"web1": []}), str(book))

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"/"' in done.stdout
