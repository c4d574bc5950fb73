"""The doctor on real sshds, healthy and not."""

from __future__ import annotations

import getpass
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from store_samples import answer, begun, result

from ansible_collections.astral.upkeep.plugins.plugin_utils import payload
from upkeep.doctor.doctor import Diagnosis, _clock, _marked, _parse, examine, examine_host
from upkeep.judging.log_verdicts import UNREAD_SHARE
from upkeep.model.errors import ConfigurationError
from upkeep.model.verdicts import Measure
from upkeep.site.connections import Way
from upkeep.site.site import load_site
from upkeep.store import open_store, runs
from upkeep.store.answers import add_host

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
        ends = time.monotonic() + PATIENCE_SECONDS
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
        pytest.skip("needs root and sshd")
    made = Sshd(tmp_path)
    yield made
    made.stop()


def variables(sshd: Sshd, **more: Any) -> dict[str, Any]:
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": sshd.port,
        "ansible_user": getpass.getuser(),
        "ansible_ssh_private_key_file": f"{sshd.folder}/user",
        "ansible_ssh_args": "-F /dev/null",
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={sshd.known}",
        "upkeep_checks_all": ["memory_available"],
        **more,
    }


def look(sshd: Sshd, **more: Any) -> list[Diagnosis]:
    return examine_host("web1", variables(sshd, **more), {})


def site(sshd: Sshd, hosts: dict[str, Any], settings: str = "") -> Path:
    folder = sshd.folder / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (folder / "upkeep.toml").write_text(f'state = "{sshd.folder}/state"\n{settings}')
    (folder / "inventory" / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    return folder


def troubles(lines: list[Diagnosis]) -> list[tuple[str, str]]:
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


def test_a_stopped_sshd_is_given_up(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("upkeep.doctor.login.BANNER_SECONDS", 1.0)
    sshd.start()
    assert sshd.process is not None
    sshd.process.send_signal(signal.SIGSTOP)

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("reachable", "fail")
    given = f"-i {sshd.folder}/user -o UserKnownHostsFile={sshd.known}"
    assert line.remedy == f"ssh -v -p {sshd.port} {given} {getpass.getuser()}@127.0.0.1"
    assert capfd.readouterr().err == ""


def test_no_python_says_what_to_install(sshd: Sshd) -> None:
    sshd.start()

    lines = look(sshd, ansible_python_interpreter="/nowhere/python3")

    assert troubles(lines) == [("python", "fail")]
    assert "/nowhere/python3 (ansible_python_interpreter)" in lines[-1].text


def test_a_command_that_hangs_is_given_up(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upkeep.doctor.doctor.COMMAND_SECONDS", 1.0)
    sshd.start("ForceCommand sleep 100")

    lines = look(sshd)

    assert troubles(lines) == [("python", "unknown")]


def test_a_host_without_checks_is_told(sshd: Sshd) -> None:
    sshd.start()

    assert troubles(look(sshd, upkeep_checks_all=[])) == [("checks", "warn")]


def test_another_type_of_key_is_not_taken_for_a_change(sshd: Sshd) -> None:
    path = sshd.folder / "ecdsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(path)], check=True)
    public = " ".join(path.with_suffix(".pub").read_text().split()[:2])
    sshd.known.write_text(f"[127.0.0.1]:{sshd.port} {public}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(sshd.known)], check=True, capture_output=True)
    sshd.start(f"HostKey {path}")

    assert troubles(look(sshd)) == []


def test_a_revoked_host_key_is_refused(sshd: Sshd) -> None:
    sshd.start()
    public = " ".join((sshd.folder / "host.pub").read_text().split()[:2])
    with sshd.known.open("a") as known:
        known.write(f"@revoked * {public}\n")

    (line,) = look(sshd)

    assert (line.topic, line.status) == ("host key", "fail")
    assert "is revoked" in line.text


def test_where_no_key_need_be_known_that_is_said_and_no_password_sent(sshd: Sshd) -> None:
    sshd.start()
    sshd.known.write_text("")
    careless = f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={sshd.known}"

    assert troubles(look(sshd, ansible_ssh_common_args=careless)) == [("host key", "warn")]
    (sshd.folder / "authorized").write_text("")
    (line,) = look(sshd, ansible_ssh_common_args=careless, ansible_password="hunter2")
    assert (line.topic, line.status) == ("login", "fail")
    assert "the password is not sent to a host whose key is not known" in line.text
    assert sshd.known.read_text() == ""


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("rm {key}", "{key} (does not exist)"),
        ("echo nonsense > {key}", "{key} (not a private key)"),
        ("ssh-keygen -q -p -P '' -N secret -f {key}", "{key} (has a passphrase: ssh-add it)"),
    ],
    ids=["missing", "broken", "locked"],
)
def test_a_key_that_cannot_be_used_says_why(sshd: Sshd, prepare: str, said: str) -> None:
    sshd.start()
    key = f"{sshd.folder}/user"
    subprocess.run(["sh", "-c", prepare.format(key=key)], check=True)

    (line,) = look(sshd, ansible_ssh_extra_args="-o IdentityAgent=none")

    assert (line.topic, line.status) == ("login", "fail")
    assert said.format(key=key) in line.text
    assert line.remedy.startswith("ssh-copy-id -p ")


def test_the_agents_keys_are_tried(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    sshd.start()
    path = sshd.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not path.exists() and time.monotonic() < ends:
            select.select([], [], [], 0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        add = ["ssh-add", "-q", str(sshd.folder / "user")]
        subprocess.run(add, check=True)
        (sshd.folder / "user").unlink()

        assert troubles(look(sshd)) == []
    finally:
        agent.terminate()
        agent.wait()


def test_a_password_that_only_ansible_can_read_is_no_refusal(sshd: Sshd) -> None:
    sshd.start()
    (sshd.folder / "authorized").write_text("")

    (line,) = look(sshd, ansible_password={"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n61"})

    assert (line.topic, line.status) == ("login", "unknown")
    assert "$ANSIBLE_VAULT" not in line.text + line.remedy


def test_a_way_through_a_proxy(sshd: Sshd) -> None:
    sshd.start()
    jump = f"ssh -F /dev/null -i {sshd.folder}/user -o UserKnownHostsFile={sshd.known}"
    jump += f" -p {sshd.port} -W %h:%p {getpass.getuser()}@127.0.0.1"
    through = f"-o UserKnownHostsFile={sshd.known} -o {shlex.quote(f'ProxyCommand={jump}')}"

    assert troubles(look(sshd, ansible_ssh_common_args=through)) == []


def test_a_proxy_that_ends_is_quoted(sshd: Sshd) -> None:
    (line,) = look(
        sshd,
        ansible_ssh_common_args="-o 'ProxyCommand=sh -c \"echo no route to bastion >&2; exit 1\"'",
    )

    assert (line.topic, line.status) == ("reachable", "fail")
    assert "no route to bastion" in line.text


@contextmanager
def server(answer: bytes, every_seconds: float | None = None) -> Iterator[int]:
    """A server that says something to whoever comes; again and again, or once and closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                with client, suppress(OSError):
                    client.sendall(answer)
                    while every_seconds is not None and not done.wait(every_seconds):
                        client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_SECONDS)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"\xff\x1b[2J" * 99])
def test_something_else_than_sshd(
    sshd: Sshd, answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with server(answer) as port:
        (line,) = look(sshd, ansible_port=port)

    assert (line.topic, line.status) == ("reachable", "fail")
    assert capfd.readouterr().err == ""


def test_a_host_that_says_one_word_after_the_other_is_cut_off(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upkeep.doctor.login.HOST_SECONDS", 1.5)
    with server(b"wait\r\n", every_seconds=0.2) as port:
        (line,) = look(sshd, ansible_port=port)

    assert (line.topic, line.status) == ("reachable", "fail")


def test_dead_addresses_are_given_up_side_by_side(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upkeep.doctor.login.CONNECT_SECONDS", 2.0)
    begun: list[None] = []
    ended: list[None] = []
    most = 0
    connect = socket.create_connection

    def counted(*address: Any) -> socket.socket:
        nonlocal most
        begun.append(None)
        most = max(most, len(begun) - len(ended))
        try:
            return connect(*address)
        finally:
            ended.append(None)

    monkeypatch.setattr("upkeep.doctor.login.socket.create_connection", counted)
    with socket.socket() as full:  # its queue holds one connection; what comes next is not answered
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(full.getsockname())
        host = variables(sshd, ansible_port=full.getsockname()[1])
        folder = site(sshd, {f"web{number}": host for number in range(20)})
        lines = [
            line
            for line in examine(load_site(str(folder)))
            if line.host != "controller" and line.topic != "machine"  # they are all one
        ]
        for one in waiting:
            one.close()

    assert {(line.topic, line.status) for line in lines} == {("reachable", "fail")}
    assert len(lines) == 20
    assert all("no answer in time" in line.text for line in lines)
    assert most > 10  # at once


@pytest.mark.parametrize(
    ("forced", "said"),
    [
        ("echo welcome to the appliance", "the login does not start a shell, it answers: 'welcome"),
        ("echo 'upkeep:{\"uid\": []}'", "the login does not start a shell"),
    ],
)
def test_a_host_without_a_shell(sshd: Sshd, forced: str, said: str) -> None:
    sshd.start(f"ForceCommand {forced}")

    lines = look(sshd)

    assert troubles(lines) == [("python", "unknown")]
    assert said in lines[-1].text


def test_a_host_without_any_python(sshd: Sshd) -> None:
    (sshd.folder / "bin").mkdir()
    (sshd.folder / "bin" / "sh").symlink_to("/bin/sh")
    sshd.start(
        f"ForceCommand unshare -m {sshd.folder}/bin/sh -c 'PATH={sshd.folder}/bin; "
        f'/bin/mount -t tmpfs tmpfs /usr/local/bin; eval "$SSH_ORIGINAL_COMMAND"\''
    )

    lines = look(sshd, ansible_python_interpreter="python3.8")

    assert troubles(lines) == [("python", "fail")]
    assert lines[-1].remedy == "apt-get install python3-minimal  # on the host"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ("privilege", "warn")),
        ({"ansible_become": True}, ("privilege", "fail")),
        ({"ansible_become": True, "ansible_become_method": "doas"}, ("privilege", "unknown")),
        ({"ansible_become": True, "ansible_become_password": "hunter2"}, ("privilege", "ok")),
    ],
)
def test_a_user_without_privilege(
    sshd: Sshd, more: dict[str, Any], expected: tuple[str, str]
) -> None:
    sshd.start('ForceCommand setpriv --reuid=65534 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"')

    lines = look(sshd, ansible_python_interpreter="/usr/bin/python3", **more)

    assert (lines[-1].topic, lines[-1].status) == expected
    assert not any("hunter2" in line.text + line.remedy for line in lines)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"upkeep_checks_a": [{"check": "backup_fresh", "sets": "{{ shop }}"}], "shop": [{"name": "x", "pahts": []}]},
         "check backup_fresh: sets has no key 'pahts'; did you mean 'paths'?"),
        ({"upkeep_checks_a": "{{ shop }}", "shop": [{"check": "backup_fersh"}]},
         "upkeep_checks_a: there is no check 'backup_fersh'; did you mean 'backup_fresh'?"),
        ({"upkeep_checks_a": [{"check": "certificate_expiry", "renew_days": "{{ soon }}"}], "soon": "shortly"},
         "upkeep_checks_a: renew_days: found 'shortly'; expected a number of days"),
        ({"upkeep_checks_a": [{"check": "backup_fresh", "sets": [{"name": "x", "password": {"__ansible_vault": "6"}}]}]},
         None),
        ({"upkeep_checks_a": [{"check": "backup_fresh", "sets": "{{ lookup('env', 'X') }}"}, "{{ more }}"]}, None),
    ],
    ids=["a key", "a list of checks", "a limit", "a vaulted value", "what only Ansible resolves"],
)  # fmt: skip
def test_what_templates_give_on_a_host_is_looked_at(
    variables: dict[str, Any], said: str | None
) -> None:
    lines = examine_host("web1", {"ansible_connection": "local", **variables}, {})

    assert [line.text for line in lines if line.topic == "checks"] == ([said] if said else [])


def test_what_checks_need_and_lack(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    sshd.start()
    needs = ["sh", "nowhere|python:json", "nowhere|python:nothing", "python:upkeep_none"]
    monkeypatch.setattr("upkeep.doctor.doctor._tools", lambda *_args: needs)

    lines = look(sshd)

    assert troubles(lines) == [("tools", "warn")]
    expected = (
        "its checks need nowhere or Python's nothing, Python's upkeep_none, which it does not have"
    )
    assert [line.text for line in lines if line.topic == "tools"] == [expected]


def test_a_template_in_a_parameter_hides_no_need(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.start()
    gather = payload.gathers()["backups"]
    monkeypatch.setattr(gather, "TOOLS", ("nowhere",), raising=False)
    checks = [{"check": "backup_fresh", "sets": "{{ backup_sets }}"}]

    assert troubles(look(sshd, upkeep_checks_backup=checks)) == [("tools", "warn")]
    assert troubles(look(sshd, upkeep_checks_backup="{{ all_of_them }}")) == []


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (100.0, ""),
        (112.0, ""),
        (95.0, ""),
        (94.9, "its clock differs by 5 s, at most 5 s"),
        (117.1, "its clock differs by 5 s, at most 5 s"),
        (0.0, "its clock differs by 100 s, at most 5 s"),
    ],
)
def test_a_clock_that_is_off(clock: float, text: str) -> None:
    lines = list(_clock(Way("web1"), clock, before=100.0, after=112.0))

    assert [line.text for line in lines] == [text] * bool(text)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "{",
        "{}",
        '{"python": "3", "path": "/p", "uid": 0, "clock": NaN, "lacks": []}',
        '{"python": "3", "path": "/p", "uid": 0, "clock": 1, "lacks": 7}',
        '{"python": "3", "path": "/p", "uid": 1e999, "clock": 1, "lacks": []}',
        '{"a": ' + "[" * 100_000,
    ],
)
def test_a_host_may_answer_anything(told: str) -> None:
    assert _parse(told) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("upkeep 0a words\n", "words"),
        ("Welcome\nupkeep 0a words\r\nlogout\n", "words"),
        ("upkeep 0b words\n", ""),
        ("Welcome upkeep 0a words\n", ""),
        ("upkeep 0a words\nupkeep 0a others\n", ""),
        ("upkeep:no-python\nno-python\n", ""),
        ("", ""),
    ],
    ids=["alone", "in a login", "an old one", "behind a text", "two", "no mark", "nothing"],
)
def test_only_what_the_nonce_marks_is_an_answer(said: str, told: str) -> None:
    assert _marked(said, "0a") == told


def test_a_host_that_another_connection_reaches_is_left_to_ansible(sshd: Sshd) -> None:
    (line,) = look(sshd, ansible_connection="docker")

    assert (line.topic, line.status) == ("connection", "unknown")


def test_a_site_with_a_vault_and_an_ansible_cfg(sshd: Sshd) -> None:
    sshd.start()
    host = variables(sshd)
    del host["ansible_user"]
    folder = site(sshd, {"web1": host}, settings='vault_password_file = "password"\n')
    (folder / "ansible.cfg").write_text("[defaults]\nremote_user = nobody-of-that-name\n")
    (folder / "password").write_text("secret\n")
    group = folder / "inventory" / "group_vars" / "all.yml"
    group.parent.mkdir()
    group.write_text("upkeep_checks_more: [swap_used]\n")
    vault = ["ansible-vault", "encrypt", "--vault-password-file", f"{folder}/password", str(group)]
    subprocess.run(vault, check=True, capture_output=True)

    lines = examine(load_site(str(folder)))

    said = [line.text for line in lines if line.host == "web1"]
    assert len(said) == 1
    assert said[0].startswith("nobody-of-that-name cannot log in at 127.0.0.1 port")


def test_an_inventory_that_ansible_cannot_read_is_a_wrong_configuration(sshd: Sshd) -> None:
    folder = site(sshd, {})
    (folder / "inventory" / "broken.ini").write_text("[web\nweb1\n")
    (folder / "ansible.cfg").write_text("[inventory]\nany_unparsed_is_failed = true\n")

    with pytest.raises(ConfigurationError):
        examine(load_site(str(folder)))


def test_folders_that_cannot_be_written(sshd: Sshd) -> None:
    folder = site(sshd, {"web1": {"ansible_connection": "local"}})
    (folder / "upkeep.toml").write_text(
        f'state = "{sshd.known}/state"\nworkspace = "{sshd.known}/work"\ndatabase = "sqlite://"\n'
    )

    lines = [line for line in examine(load_site(str(folder))) if line.host == "controller"]

    failing = {line.topic for line in lines if line.status == "fail"}
    assert {"state", "workspace"} <= failing


def test_it_says_of_each_log_how_much_was_not_understood(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "inventory").mkdir(parents=True)
    (folder / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (folder / "upkeep.toml").write_text(f'state = "{tmp_path}/state"\n')
    (folder / "inventory" / "hosts.yml").write_text(
        json.dumps({"all": {"hosts": {"web1": {"ansible_connection": "local"}}}})
    )
    loaded = load_site(str(folder))
    store = open_store(loaded.settings.database_url)
    shares = {"/var/log/nginx/access.log": 0.0, "/srv/x.log": 0.5, "/gone.log": 100.0}
    for minutes, changed in ((0, {}), (5, {"/gone.log": 0.05})):
        with store.begin() as db:
            run_id = runs.start(db, begun(minutes, site=loaded.key))
            results = [
                result(
                    check="site_errors",
                    subject=subject,
                    minutes=minutes,
                    measures=(Measure(UNREAD_SHARE, share, "%"),),
                )
                for subject, share in {**shares, **changed}.items()
            ]
            add_host(db, run_id, answer(result(minutes=minutes), *results))
    store.close()

    lines = {line.text: line for line in examine(loaded) if line.topic == "log"}

    told = [(text.split(" % of")[0], line.status) for text, line in sorted(lines.items())]
    assert told == [
        ("/gone.log: 0.05", "ok"),
        ("/srv/x.log: 0.5", "warn"),
        ("/var/log/nginx/access.log: 0", "ok"),
    ]
    assert all(line.host == "web1" for line in lines.values())
