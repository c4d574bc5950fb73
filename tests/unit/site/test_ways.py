"""How hosts are reached: what the inventory, ansible.cfg and ssh's configuration say together."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from upkeep.site.connections import Way, WayError, known_keys, read_way

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
QUIET = {"ansible_ssh_args": "-F /dev/null"}


def way(defaults: dict[str, Any] | None = None, **variables: Any) -> Way:
    return read_way("web1", {**QUIET, **variables}, defaults or {})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"address": "web1", "port": 22, "name": "web1", "strict": True, "proxy": ""}),
        ({"ansible_host": "192.0.2.1", "ansible_port": "2222"}, {"address": "192.0.2.1", "port": 2222, "name": "[192.0.2.1]:2222"}),
        ({"ansible_host": "WEB1.example.org"}, {"address": "web1.example.org", "name": "web1.example.org"}),
        ({"ansible_host": "{{ inventory_hostname }}.{{ domain }}", "domain": "{{ kind }}.org", "kind": "example"}, {"address": "web1.example.org"}),
        ({"ansible_user": "deploy"}, {"user": "deploy"}),
        ({"ansible_ssh_private_key_file": "/keys/%r", "ansible_user": "deploy"}, {"keys": ("/keys/deploy",)}),
        ({"ansible_ssh_common_args": "-o UserKnownHostsFile=/known -o GlobalKnownHostsFile='/a /b'"}, {"known_hosts": ("/known", "/a", "/b")}),
        ({"ansible_ssh_extra_args": "-o HostKeyAlias=portal -p 2222"}, {"name": "portal", "port": 2222}),
        ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}, {"strict": False}),
        ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new"}, {"strict": False}),
        ({"ansible_host_key_checking": False}, {"strict": False}),
        ({"ansible_ssh_common_args": "-o IdentitiesOnly=yes"}, {"agent": False}),
        ({"ansible_ssh_common_args": "-o IdentityAgent=none"}, {"agent": False}),
        ({"ansible_become": "yes"}, {"become": True, "become_password": False, "become_method": "sudo"}),
        ({"ansible_become_password": {"__ansible_vault": "x"}}, {"become_password": True}),
        ({"ansible_password": "hunter2"}, {"password": "hunter2", "password_vaulted": False}),
        ({"ansible_password": {"__ansible_vault": "x"}}, {"password": "", "password_vaulted": True}),
        ({"ansible_ssh_common_args": "-o ProxyCommand='nc -X %% %h %p %r'"}, {"proxy": f"nc -X % web1 22 {getpass.getuser()}"}),
        ({"ansible_ssh_common_args": "-J jump:2222"}, {"proxy": "ssh -o BatchMode=yes -o ConnectTimeout=5 -W '[web1]:22' ssh://jump:2222"}),
        ({"ansible_ssh_common_args": "-J first,last"}, {"proxy": "ssh -o BatchMode=yes -o ConnectTimeout=5 -J first -W '[web1]:22' ssh://last"}),
        ({"ansible_connection": "local"}, {"kind": "local"}),
        ({"ansible_connection": "docker"}, {"kind": "docker"}),
    ],
)  # fmt: skip
def test_what_the_inventory_says(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    found = way(**variables)

    assert replace(found, **expected) == found


def test_ansible_cfg_counts_where_the_inventory_says_nothing() -> None:
    defaults = {"ansible_user": "deploy", "ansible_port": 2222, "ansible_become": True}

    found = way(defaults, ansible_port=22)

    assert (found.user, found.port, found.become) == ("deploy", 22, True)


def test_sshs_own_configuration_counts(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (tmp_path / "more").write_text("Host portal\n  HostName 192.0.2.7\n  ProxyJump bastion\n")
    config.write_text(f"Match host web1\n  Include {tmp_path}/more\n  Port 2200\nUser ops\n")
    config.write_text(f"Include {tmp_path}/more\nMatch host 192.0.2.7\n  User ops\n")

    found = way(ansible_ssh_args=f"-F {config}", ansible_host="portal")

    assert (found.address, found.user) == ("192.0.2.7", "ops")
    assert found.proxy.endswith("-W '[192.0.2.7]:22' ssh://bastion")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ansible_host": "{{ lookup('env', 'HOST') }}"}, "ansible_host is a template that only Ansible resolves: "),
        ({"ansible_host": "{{ groups['web'] | first }}"}, "ansible_host is a template that only Ansible resolves: "),
        ({"ansible_host": "{{ ansible_host }}"}, "ansible_host is a template without an end"),
        ({"ansible_ssh_common_args": "-o 'broken"}, "ansible_ssh_common_args: \"-o 'broken\": no closing quotation"),
        ({"ansible_ssh_common_args": "-o NoSuchOption=1"}, "Bad configuration option: nosuchoption"),
        ({"ansible_port": "ssh2"}, "Bad port 'ssh2'"),
        ({"ansible_host": "a b"}, "hostname contains invalid characters"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_of_knowing_is_said(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(WayError) as caught:
        way(**variables)

    assert message in str(caught.value)


def test_a_template_is_not_let_near_python() -> None:
    text = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

    with pytest.raises(WayError, match="only Ansible resolves"):
        way(ansible_host=text)


def test_an_address_is_not_taken_for_an_option(tmp_path: Path) -> None:
    with pytest.raises(WayError):
        way(ansible_host=f"-oProxyCommand=touch {tmp_path}/made")

    assert not (tmp_path / "made").exists()


def test_the_interpreter_of_this_very_program_is_known() -> None:
    found = way(ansible_python_interpreter="{{ ansible_playbook_python }}")

    assert found.interpreter == sys.executable


def test_a_password_is_in_no_representation() -> None:
    assert "hunter2" not in repr(way(ansible_password="hunter2"))


def test_known_keys_by_hashed_name_pattern_and_marker(tmp_path: Path) -> None:
    keys = []
    for number, kind in enumerate(("ed25519", "ecdsa", "ed25519")):
        path = tmp_path / str(number)
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)]
        subprocess.run(command, check=True)
        keys.append(path.with_suffix(".pub").read_text().split()[:2])
    known = tmp_path / "known"
    first, second, third = (" ".join(key) for key in keys)
    known.write_text(f"[web1]:2222 {first}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(known)], check=True, capture_output=True)
    with known.open("a") as file:
        file.write(f"# a remark\n@revoked [web1]:* {second}\nweb1 {third}\nbroken\n")

    found = known_keys(Way("web1", name="[web1]:2222", known_hosts=("/nowhere", str(known))))

    assert found == [("", *keys[0]), ("@revoked", *keys[1])]
