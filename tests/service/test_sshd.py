"""What a real sshd with PAM writes to syslog when real clients fail to log in."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from patience import PATIENCE_SECONDS

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logins.auth_log import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM yes
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
LogLevel VERBOSE
"""
# sshd logs to /dev/log only: it gets a /dev of its own, in which that is ours.
START = """
set -e
cd {folder}
mount -t tmpfs tmpfs dev
for name in null zero random urandom tty; do : > dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts; mount --bind /dev/pts dev/pts; ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
: > dev/log; mount --bind {folder}/socket dev/log
mkdir -p /run/sshd
mount --rbind dev /dev
exec {sshd} -D -e -f {folder}/sshd_config -o LogLevel=VERBOSE
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Syslog:
    """Writes what arrives at a datagram socket to a file, as a syslog daemon does."""

    def __init__(self, path: Path, log: Path) -> None:
        self.log = log
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.socket.settimeout(0.2)
        self.open = True
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self) -> None:
        with self.log.open("ab", buffering=0) as log:
            while self.open:
                with contextlib.suppress(TimeoutError):
                    log.write(self.socket.recv(8192).rstrip(b"\n\0") + b"\n")

    def close(self) -> None:
        self.open = False
        self.thread.join()
        self.socket.close()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[tuple[int, Path, Path]]:
    """Return port, log and user key of a private sshd."""
    program = shutil.which("sshd", path="/usr/sbin:/sbin:" + os.environ["PATH"])
    if program is None:
        pytest.skip("sshd is not installed")
    if (
        os.geteuid() != 0
        or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode
    ):
        pytest.skip("a /dev/log of its own needs root and mount namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for key in ("host_key", "user_key", "other_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key))
    shutil.copy(tmp_path / "user_key.pub", tmp_path / "authorized_keys")
    (tmp_path / "dev").mkdir()
    (tmp_path / "sshd_config").write_text(SSHD.format(port=port, folder=tmp_path))
    script = START.format(folder=tmp_path, sshd=program).replace(" -e ", " ")
    syslog = Syslog(tmp_path / "socket", tmp_path / "auth.log")
    daemon = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(tmp_path / "auth.log", "Server listening", daemon)
        yield port, tmp_path / "auth.log", tmp_path
    finally:
        daemon.terminate()
        daemon.communicate(timeout=PATIENCE_SECONDS)
        syslog.close()


def wait_for(log: Path, text: str, daemon: Any = None, times: int = 1) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while (log.read_text(errors="replace") if log.exists() else "").count(text) < times:
        if time.monotonic() > ends or (daemon and daemon.poll() is not None):
            pytest.fail(f"{text!r} was not logged; {daemon.communicate()[1] if daemon else ''}")
        time.sleep(0.05)


@contextlib.contextmanager
def transport(port: int) -> Iterator[paramiko.Transport]:
    connection = paramiko.Transport(("127.0.0.1", port))
    try:
        connection.start_client(timeout=PATIENCE_SECONDS)
        yield connection
    finally:
        connection.close()


def fail_password(port: int, account: str, times: int = 1) -> None:
    with transport(port) as connection:
        for _ in range(times):
            with contextlib.suppress(paramiko.SSHException):
                connection.auth_password(account, "wrong", fallback=False)


def fail_keyboard(port: int, account: str) -> None:
    with transport(port) as connection, contextlib.suppress(paramiko.SSHException):
        connection.auth_interactive(account, lambda *asked: ["wrong"] * len(asked[2]))


def test_a_real_sshd_under_attack(sshd: tuple[int, Path, Path]) -> None:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    port, log, folder = sshd
    fail_password(port, "root", times=2)
    fail_keyboard(port, "nobody")
    fail_password(port, "x from 192.0.2.66 port 22 ssh2")
    fail_password(
        port, "y\nNov 23 08:00:00 web1 sshd[1]: Accepted password for root from 192.0.2.66"
    )
    with transport(port) as connection, contextlib.suppress(paramiko.SSHException):
        connection.auth_publickey("root", paramiko.Ed25519Key(filename=str(folder / "other_key")))
    # Each connection is told of by a process of its own: the last may be late.
    wait_for(log, "Connection closed by", times=5)
    with transport(port) as connection:
        connection.auth_publickey("root", paramiko.Ed25519Key(filename=str(folder / "user_key")))
    wait_for(log, "Accepted publickey")
    params = {name: spec["default"] for name, spec in ARGUMENTS.items()}
    (seen,) = gather({**params, "paths": [str(log)]}, Host())

    assert seen.data["failures"] == 6
    assert seen.data["invalid_account_failures"] == 2
    assert seen.data["successes"] == 1
    assert [item["source"] for item in seen.data["sources"]] == ["127.0.0.1"]
    assert {item["account"]: item["failures"] for item in seen.data["accounts"]} == {
        "root": 3,
        "nobody": 1,
        "x from 192.0.2.66 port 22 ssh2": 1,
        "y\\nNov 23 08": 1,
    }
    assert seen.data["logins_after_failures"][0]["account"] == "root"
