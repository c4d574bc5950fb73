"""The doctor on real sshds, healthy and not."""

from __future__ import annotations

import getpass
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from upkeep.doctor import Line, examine, read_way
from upkeep.site import load_site

SSHD = "/usr/sbin/sshd"


class Sshd:
    """A private sshd on a loopback port, and a key that opens it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host", "user"):
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(keygen, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        self.known = folder / "known_hosts"
        self.known.write_text(f"[127.0.0.1]:{self.port} {public}\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *lines: str) -> None:
        config = self.folder / "sshd_config"
        options = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "PidFile none",
            *lines,
        ]
        config.write_text("\n".join(options) + "\n")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [SSHD, "-D", "-f", str(config)], stderr=subprocess.DEVNULL, start_new_session=True
        )
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.1).close()
            except OSError:
                select.select([], [], [], 0.02)
                continue
            return
        raise AssertionError("sshd did not come up")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    if os.geteuid() != 0 or not Path(SSHD).exists():
        (pytest.fail if "CI" in os.environ else pytest.skip)("needs root and sshd")
    made = Sshd(tmp_path)
    yield made
    made.stop()


def look(sshd: Sshd, extra: str = "", checks: str = "[memory_available]") -> list[Line]:
    site = sshd.folder / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text(f'state = "{sshd.folder}/state"\n')
    (site / "inventory" / "hosts.yml").write_text(
        f"""
all:
  hosts:
    web1:
      ansible_host: 127.0.0.1
      ansible_port: {sshd.port}
      ansible_user: {getpass.getuser()}
      ansible_ssh_private_key_file: {sshd.folder}/user
      ansible_ssh_common_args: -o UserKnownHostsFile={sshd.known}
      upkeep_checks_all: {checks}
      {extra}
"""
    )
    return [line for line in examine(load_site(str(site))) if line.host == "web1"]


def troubles(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.topic, line.status) for line in lines if line.status != "ok"]


def test_a_healthy_host_has_nothing_to_mend(sshd: Sshd) -> None:
    sshd.start()

    lines = look(sshd)

    assert troubles(lines) == []
    assert {line.topic for line in lines} == {"connection", "python", "privilege"}


def test_a_changed_host_key_is_refused_and_named(sshd: Sshd) -> None:
    sshd.start()
    public = " ".join((sshd.folder / "user.pub").read_text().split()[:2])
    sshd.known.write_text(f"[127.0.0.1]:{sshd.port} {public}\n")

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("host key", "fail")
    assert "has changed: ssh-ed25519 SHA256:" in line.text


def test_an_unknown_host_key_comes_with_the_command_that_shows_it(sshd: Sshd) -> None:
    sshd.start()
    sshd.known.write_text("")

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("host key", "fail")
    assert line.remedy.startswith(f"ssh-keyscan -p {sshd.port} 127.0.0.1")


def test_a_refused_login_says_with_what_it_was_tried(sshd: Sshd) -> None:
    sshd.start()
    (sshd.folder / "authorized").write_text("")

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("login", "fail")
    assert f"{sshd.folder}/user" in line.text


def test_nobody_listens(sshd: Sshd) -> None:
    (line,) = look(sshd)

    assert (line.topic, line.status) == ("reachable", "fail")
    assert "onnection refused" in line.text


def test_a_stopped_sshd_is_given_up(sshd: Sshd) -> None:
    sshd.start()
    assert sshd.process is not None
    sshd.process.send_signal(signal.SIGSTOP)

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("reachable", "fail")


def test_no_python_says_what_to_install(sshd: Sshd) -> None:
    sshd.start()

    lines = look(sshd, "ansible_python_interpreter: /nowhere/python3")

    assert troubles(lines) == [("python", "fail")]
    assert "/nowhere/python3 (ansible_python_interpreter)" in lines[-1].text


def test_a_command_that_hangs_is_given_up(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upkeep.doctor.COMMAND_SECONDS", 1.0)
    sshd.start("ForceCommand sleep 100")

    lines = look(sshd)

    assert troubles(lines) == [("python", "unknown")]


def test_a_host_without_checks_is_told(sshd: Sshd) -> None:
    sshd.start()

    assert troubles(look(sshd, checks="[]")) == [("checks", "warn")]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("h", 22, "", False)),
        ({"ansible_host": "192.0.2.1", "ansible_port": "2222"}, ("192.0.2.1", 2222, "", False)),
        ({"ansible_host": "{{ nowhere }}"}, ("h", 22, "", False)),
        ({"ansible_ssh_common_args": "-J a,b -i /k"}, ("h", 22, "a,b", False)),
        ({"ansible_ssh_extra_args": "-o ProxyJump=j"}, ("h", 22, "j", False)),
        ({"ansible_become": "yes"}, ("h", 22, "", True)),
        ({"ansible_ssh_common_args": "-o 'broken"}, ("h", 22, "", False)),
    ],
)
def test_how_a_host_is_reached(
    variables: dict[str, str], expected: tuple[str, int, str, bool]
) -> None:
    way = read_way("h", variables, paramiko.SSHConfig())

    assert (way.address, way.port, way.jump, way.become) == expected
