"""Faults, really caused: each leaves a run with an end, and nothing at work that nobody waits for.

The numbers are those of the list of faults that the product survives.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from integration.conftest import Sites, Upkeep
from lab.fleet import Fleet, Host
from lab.hosts import plain
from lab.site import write_site
from left_behind import words_of
from patience import PATIENCE_SECONDS, eventually

from upkeep.store import open_store
from upkeep.store.answers import observed_in

SLOW = "/usr/local/sbin/journalctl"
SLOW_CHECK = {"check": "failed_logins", "paths": ["journal"]}


@pytest.fixture
def slow_host(fleet: Fleet) -> Iterator[str]:
    """plain1, where a gather's command hangs."""
    fleet.run(
        "plain1", "sh", "-c", f"printf '#!/bin/sh\\nexec sleep 5987\\n' > {SLOW}; chmod +x {SLOW}"
    )
    yield "plain1"
    fleet.run("plain1", "sh", "-c", f"rm -f {SLOW}; pkill sleep", check=False)


def hangs(fleet: Fleet, host: str) -> bool:
    return fleet.run(host, "pgrep", "-f", "sleep 5987", check=False).returncode == 0


def children(command: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if command in " ".join(process.info["cmdline"] or []) and process.pid != os.getpid():
            found.append(process)
    return found


def nothing_left(upkeep: Upkeep, fleet: Fleet) -> None:
    """Assert that neither here nor on the host anything of the run is at work."""
    eventually(lambda: not children(str(upkeep.site / "inventory")))
    eventually(lambda: not hangs(fleet, "plain1"))


def begin_slow_run(upkeep: Upkeep, fleet: Fleet) -> subprocess.Popen[str]:
    started = upkeep.start("run", "daily")
    eventually(lambda: hangs(fleet, "plain1") or started.poll() is not None)
    assert started.poll() is None, started.communicate()
    return started


def test_1_a_killed_driver_leaves_no_work_and_a_run_that_the_next_start_names(
    site: Sites, fleet: Fleet, slow_host: str
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK]})
    started = begin_slow_run(upkeep, fleet)

    started.kill()
    started.communicate()

    nothing_left(upkeep, fleet)
    after = upkeep("run", "list")
    assert "run 1 was left without an end: crashed, its driver was killed" in after.stderr
    assert upkeep.last_run()["status"] == "crashed"
    assert not any(upkeep.workspace.glob("run-*"))


def test_2_what_ansible_had_handed_over_before_the_kill_is_taken_in_once(
    site: Sites, fleet: Fleet, slow_host: str
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK], "web1": ["failed_logins"]})
    started = upkeep.start("run", "daily")

    def works() -> bool:
        """Return whether Ansible works: its folder is made, and its hosts are listed, a moment earlier."""
        found = children(str(upkeep.site / "inventory"))
        return any("env/extravars" in part for one in found for part in words_of(one))

    eventually(works)
    started.send_signal(signal.SIGSTOP)

    def handed_over() -> bool:
        files = upkeep.workspace.glob("run-*/artifacts/run/job_events/*-partial.json")
        return any('"runner_on_ok"' in path.read_text() for path in files)

    eventually(handed_over)
    started.kill()
    started.communicate()

    first = upkeep("run", "list", status=0)
    hosts = {host["name"]: host["outcome"] for host in upkeep.json("show", "1")["hosts"]}
    again = upkeep("run", "list", status=0)

    assert "results of 1 host were recovered" in first.stderr
    assert hosts == {"web1": "ok"}
    assert again.stderr == ""


def test_4_a_full_workspace_fails_the_run_with_that_cause(
    site: Sites, tmp_path: Path, small_disk: Path
) -> None:
    upkeep = site({"web1": ["failed_logins"]})
    upkeep.environ["UPKEEP_WORKSPACE"] = str(small_disk / "work")
    fill(small_disk, leave_bytes=8192)

    done = upkeep("run", "daily", status=3)

    assert "no space left on device" in (done.stdout + done.stderr).lower()
    (small_disk / "filler").unlink()
    upkeep("run", "daily", status=0)


def test_5_a_full_database_disk_loses_nothing(site: Sites, small_disk: Path) -> None:
    upkeep = site({"web1": ["failed_logins"], "plain1": ["failed_logins"]})
    upkeep.environ["UPKEEP_STATE"] = str(small_disk / "state")
    upkeep("run", "list", status=0)
    started = upkeep.start("run", "daily")
    eventually(lambda: any(upkeep.workspace.glob("run-*/env")))
    fill(small_disk)

    _out, err = started.communicate(timeout=PATIENCE_SECONDS)

    assert started.returncode == 3
    assert "disk full" in err
    (small_disk / "filler").unlink()
    after = upkeep("run", "list", status=0)
    assert "run 1 was left without an end: partial" in after.stderr
    assert {host["name"] for host in upkeep.json("show", "1")["hosts"]} == {"web1", "plain1"}


def test_9_ansible_killed_is_a_failed_run_not_a_failed_check(
    site: Sites, fleet: Fleet, slow_host: str
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK]})
    started = begin_slow_run(upkeep, fleet)

    for process in children("ansible-playbook"):
        if str(upkeep.site) in " ".join(words_of(process)):
            process.kill()
    started.communicate(timeout=PATIENCE_SECONDS)

    assert started.returncode == 3
    run = upkeep.last_run()
    assert run["status"] == "failed"
    assert "killed" in run["cause"]
    assert run["counts"]["results"]["fail"]["high"] == 0
    nothing_left(upkeep, fleet)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_10_and_17_who_asks_to_stop_stops_the_work_on_the_host_too(
    site: Sites, fleet: Fleet, slow_host: str, number: signal.Signals
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK]})
    started = begin_slow_run(upkeep, fleet)

    started.send_signal(number)
    out, _err = started.communicate(timeout=PATIENCE_SECONDS)

    assert started.returncode == 130
    assert number.name in out
    assert upkeep.last_run()["status"] == "interrupted"
    nothing_left(upkeep, fleet)


def test_a_run_has_its_own_time_limit(site: Sites, fleet: Fleet, slow_host: str) -> None:
    upkeep = site({slow_host: [SLOW_CHECK]}, run_timeout_seconds=4)

    done = upkeep("run", "daily", status=3)

    assert "not finished after 4 s" in done.stdout
    nothing_left(upkeep, fleet)


def test_15_a_host_that_hangs_is_bounded_and_the_others_finish(
    site: Sites, fleet: Fleet, slow_host: str
) -> None:
    wanted = {slow_host: [SLOW_CHECK], "web1": ["failed_logins"]}
    upkeep = site(wanted, host_seconds={slow_host: 2})

    document = upkeep.json("run", "daily")

    assert {host["name"]: host["outcome"] for host in document["hosts"]} == {
        "plain1": "ok",
        "web1": "ok",
    }
    slow = [result for result in document["results"] if result["host"] == slow_host]
    assert [(one["status"], one["subject"]) for one in slow] == [("unknown", "*")]
    assert "not finished within the host's 2 s" in slow[0]["message"]
    nothing_left(upkeep, fleet)


def test_14_a_frozen_host_is_given_up(site: Sites, fleet: Fleet, slow_host: str) -> None:
    wanted = {slow_host: [SLOW_CHECK], "web1": ["failed_logins"]}
    upkeep = site(wanted, host_seconds={slow_host: 2})
    started = begin_slow_run(upkeep, fleet)
    link = fleet.link(slow_host)

    subprocess.run(["ip", "link", "set", link, "down"], check=True)
    try:
        started.communicate(timeout=PATIENCE_SECONDS)
    finally:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)

    hosts = {host["name"]: host["outcome"] for host in upkeep.json("show", "1")["hosts"]}
    assert hosts == {"plain1": "timed_out", "web1": "ok"}
    # Its watchdog cannot see that the network is gone; its own deadline has ended the work.
    eventually(lambda: not hangs(fleet, slow_host))


def test_19_no_python_is_one_clear_message(site: Sites) -> None:
    document = site({"nopython": ["failed_logins"]}).json("run", "daily")

    assert [host["outcome"] for host in document["hosts"]] == ["failed"]
    assert document["hosts"][0]["message"] == "no usable Python: 3.8 or later is needed"
    assert [result["status"] for result in document["results"]] == ["unknown"]


def test_21_a_changed_host_key_is_refused_and_a_finding_until_it_is_right(
    site: Sites, fleet: Fleet, tmp_path: Path
) -> None:
    upkeep = site({"web1": ["failed_logins"]})
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    known = tmp_path / "known_hosts"
    known.write_text(f"{fleet.hosts['web1'].address} {key}\n")
    hosts_file = upkeep.site / "inventory" / "hosts.yml"
    right = hosts_file.read_text()
    hosts_file.write_text(right.replace(str(fleet.known_hosts), str(known)))

    done = upkeep("run", "daily", "--json")
    document = json.loads(done.stdout)

    assert done.returncode == 2
    assert document["run"]["status"] == "partial"
    assert document["hosts"][0]["outcome"] == "unreachable"
    assert "host key" in document["hosts"][0]["message"].lower()
    found = upkeep.json("finding", "list")["findings"]
    assert [(one["check_id"], one["severity"], one["status"]) for one in found] == [
        ("host_key", "high", "open")
    ]

    hosts_file.write_text(right)
    upkeep.json("run", "daily")

    assert upkeep.json("finding", "list")["findings"] == []


def test_23_a_limit_that_matches_nothing_is_an_error(site: Sites) -> None:
    upkeep = site({"web1": ["failed_logins"]})

    mistyped = upkeep("run", "daily", "--limit", "webb1", status=64)
    done = upkeep("run", "daily", "--limit", "webb*", status=3)

    assert "no host matches 'webb1'; did you mean 'web1'?" in mistyped.stderr
    assert "no host matches" in done.stdout
    assert (upkeep.last_run()["id"], upkeep.last_run()["status"]) == (1, "failed")


def test_13_unreachable_is_neither_failed_nor_ok(site: Sites, fleet: Fleet) -> None:
    upkeep = site({"web1": ["failed_logins"], "gone": ["failed_logins"], "dead": ["failed_logins"]})
    hosts_file = upkeep.site / "inventory" / "hosts.yml"
    dead = fleet.hosts["web1"].address.rpartition(".")[0] + ".250"
    text = hosts_file.read_text().replace(
        "gone: {}", "gone: {ansible_host: 127.0.0.1, ansible_port: 9}"
    )
    hosts_file.write_text(text.replace("dead: {}", f"dead: {{ansible_host: {dead}}}"))

    document = upkeep.json("run", "daily")

    outcomes = {host["name"]: host["outcome"] for host in document["hosts"]}
    assert outcomes == {"web1": "ok", "gone": "unreachable", "dead": "unreachable"}
    assert document["run"]["status"] == "partial"
    assert document["run"]["exit_status"] == 3


HOSTILE = (
    "\x1b]52;c;aGFjaw==\x07\x1b[2J<script>alert(1)</script>{{ lookup('pipe','touch /tmp/pwned') }}"
)


def test_45_to_49_what_hosts_say_is_only_text(site: Sites, fleet: Fleet) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    line = f"{stamp} host sshd[1]: Failed password for invalid user {HOSTILE} from 192.0.2.7 port 1 ssh2\n"
    raw = (line * 30).encode() + b"\x00\xff\xfe" + b"A" * 2_000_000 + b"\n"
    fleet.run("plain2", "sh", "-c", "cat > /var/log/auth.log", input_text=raw.decode("latin-1"))
    upkeep = site({"plain2": ["failed_logins", "brute_force"]})
    try:
        done = upkeep("run", "daily", status=2)
    finally:
        fleet.run("plain2", "rm", "/var/log/auth.log")

    assert "failed_logins" in done.stdout
    shown = (
        done.stdout
        + done.stderr
        + upkeep("show", "1", "--all").stdout
        + upkeep("finding", "list").stdout
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    report = (upkeep.site / "state" / "reports" / "run-1.html").read_text()
    assert "<script" not in report
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", report)
    assert not Path("/tmp/pwned").exists()
    store = open_store(f"sqlite:///{upkeep.site}/state/upkeep.db")
    with store.read() as db:
        (observed, *_rest) = observed_in(db, 1)
    store.close()
    assert HOSTILE.encode() in observed.seen[0].observation.raw.encode("utf-8", "surrogateescape")


def test_61_a_password_is_nowhere_but_where_it_is_needed(site: Sites, fleet: Fleet) -> None:
    secret = "lab-secret-opspw"
    upkeep = site({"plain2": ["failed_logins"]})
    variables = upkeep.site / "inventory" / "host_vars"
    variables.mkdir()
    (variables / "plain2.yml").write_text(
        "ansible_user: opspw\nansible_become: true\n"
        "ansible_become_password: \"{{ lookup('env', 'LAB_SUDO_PASSWORD') }}\"\n"
    )
    upkeep.environ["LAB_SUDO_PASSWORD"] = secret
    allow_login(fleet, "plain2", "opspw")
    seen: list[str] = []
    started = upkeep.start("run", "daily")
    while started.poll() is None:
        for process in psutil.process_iter(["cmdline"]):
            seen.append(" ".join(process.info["cmdline"] or []))
        for path in upkeep.workspace.rglob("*"):
            with_text = path.read_text(errors="replace") if path.is_file() else ""
            assert secret not in with_text, path
        select.select([], [], [], 0.05)
    out, err = started.communicate()

    assert started.returncode in (0, 3), out + err
    assert [host["message"] for host in upkeep.json("show", "1")["hosts"]] == [""]
    assert not any(secret in line for line in seen)
    assert secret not in out + err
    for path in upkeep.site.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_63_a_site_that_everybody_can_write_is_not_read(site: Sites) -> None:
    upkeep = site({"web1": ["failed_logins"]})
    schedule = upkeep.site / "schedule.yml"
    schedule.chmod(0o666)

    done = upkeep("run", "daily", status=78)

    assert f"{schedule}: everybody can write here" in done.stderr
    assert f"chmod o-w {schedule}" in done.stderr


def test_63_a_workspace_that_others_can_read_is_refused(site: Sites, tmp_path: Path) -> None:
    upkeep = site({"web1": ["failed_logins"]})
    upkeep.workspace.mkdir(mode=0o755)
    upkeep.workspace.chmod(0o755)

    done = upkeep("run", "daily", status=3)

    assert "must be private" in done.stderr


def test_two_looks_at_once_do_not_disturb_each_other(site: Sites) -> None:
    upkeep = site({"web1": ["failed_logins"], "plain1": ["failed_logins"]})
    schedule = upkeep.site / "schedule.yml"
    schedule.write_text("procedures: {look: {title: Look, playbook: astral.upkeep.observe}}\n")

    both = [upkeep.start("run", "look") for _ in range(2)]
    ended = [one.communicate(timeout=PATIENCE_SECONDS) for one in both]

    assert [one.returncode for one in both] == [3, 3], ended  # plain1 has no log of logins
    runs = upkeep.json("run", "list")["runs"]
    assert [(run["status"], run["counts"]["hosts"]["ok"]) for run in runs] == [("partial", 2)] * 2


def test_a_second_run_that_changes_the_hosts_is_refused_and_the_first_goes_on(
    site: Sites, fleet: Fleet, slow_host: str
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK]})
    first = begin_slow_run(upkeep, fleet)

    # It must not end before the second has asked, however slow this machine is.
    first.send_signal(signal.SIGSTOP)
    try:
        second = upkeep("run", "daily", status=3)
    finally:
        first.send_signal(signal.SIGCONT)
    fleet.run(slow_host, "pkill", "-f", "sleep 5987", check=False)
    ended = first.communicate(timeout=PATIENCE_SECONDS)

    assert "run 1 changes plain1 now; wait for its end: upkeep show 1" in second.stdout
    assert first.returncode == 3, ended  # the journal of plain1 could not be read
    runs = upkeep.json("run", "list")["runs"]
    seen = [(run["id"], run["status"], run["counts"]["hosts"]["ok"]) for run in runs]
    assert seen == [(2, "failed", 0), (1, "partial", 1)]


def allow_login(fleet: Fleet, host: str, user: str) -> None:
    script = f"chmod 755 /etc/lab; chmod 644 /etc/lab/authorized_keys; id {user}"
    fleet.run(host, "sh", "-c", script)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "small", str(disk)], check=True
    )
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave_bytes: int = 0) -> None:
    free = shutil.disk_usage(disk).free - leave_bytes
    with (disk / "filler").open("wb") as stream:
        try:
            for _ in range(max(0, free // 4096)):
                stream.write(b"x" * 4096)
        except OSError:
            pass


def test_a_dead_port_is_not_waited_for_longer_than_ssh_does(site: Sites) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)  # accepts, and never says a word
        upkeep = site({"mute": ["failed_logins"]})
        hosts_file = upkeep.site / "inventory" / "hosts.yml"
        port = listening.getsockname()[1]
        text = hosts_file.read_text()
        hosts_file.write_text(
            text.replace("mute: {}", f"mute: {{ansible_host: 127.0.0.1, ansible_port: {port}}}")
        )

        document = upkeep.json("run", "daily")

    assert [host["outcome"] for host in document["hosts"]] == ["unreachable"]


def test_6_no_inodes_left_fails_the_run_with_that_cause(site: Sites, tmp_path: Path) -> None:
    disk = tmp_path / "few"
    disk.mkdir()
    options = "size=64m,nr_inodes=7,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "few", str(disk)], check=True)
    upkeep = site({"web1": ["failed_logins"]})
    upkeep.environ["UPKEEP_WORKSPACE"] = str(disk / "work")
    try:
        done = upkeep("run", "daily", status=3)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)

    assert "no space left on device" in (done.stdout + done.stderr).lower()
    assert upkeep.last_run()["status"] == "failed"


def test_11_a_playbook_that_ansible_cannot_read_fails_the_run_with_ansibles_words(
    site: Sites,
) -> None:
    upkeep = site({"web1": ["failed_logins"]})
    (upkeep.site / "broken.yml").write_text("- hosts: all\n  tasks: [{no.such.module: {}}]\n")
    schedule = upkeep.site / "schedule.yml"
    schedule.write_text("procedures: {daily: {title: Broken, playbook: broken.yml}}\n")

    done = upkeep("run", "daily", status=3)

    assert "no.such.module" in done.stdout
    run = upkeep.last_run()
    assert (run["status"], run["exit_status"]) == ("failed", 3)


def test_22_an_alias_of_a_host_is_rotated_once(site: Sites, fleet: Fleet) -> None:
    upkeep = site({"backup1": ["disk_space"], "alias": ["disk_space"]})
    hosts_file = upkeep.site / "inventory" / "hosts.yml"
    address = fleet.hosts["backup1"].address
    text = hosts_file.read_text().replace("alias: {}", f"alias: {{ansible_host: {address}}}")
    hosts_file.write_text(text)
    job = "upkeep_jobs: [log_rotation]\nlog_rotation_config: [/srv/log/alias.conf]\n"
    job += "log_rotation_state: /srv/log/alias.state\n"
    for name in ("backup1", "alias"):
        group = upkeep.site / "inventory" / "group_vars" / f"only_{name}.yml"
        group.write_text(group.read_text() + job)
    stanza = "/srv/log/alias.log {\\n size 1k\\n rotate 5\\n create\\n}\\n"
    script = f"printf '{stanza}' > /srv/log/alias.conf; seq 1000 > /srv/log/alias.log"
    fleet.run("backup1", "sh", "-c", script)
    try:
        document = upkeep.json("run", "daily")
        archives = fleet.run("backup1", "sh", "-c", "ls /srv/log/alias.log.*").stdout.split()
    finally:
        fleet.run("backup1", "sh", "-c", "rm -f /srv/log/alias*")

    assert archives == ["/srv/log/alias.log.1"], document["changes"]


def test_16_a_host_that_goes_down_in_mid_task_is_unknown(tmp_path: Path, fleet: Fleet) -> None:
    def setup() -> None:
        plain()
        Path(SLOW).write_text("#!/bin/sh\nexec sleep 5987\n")
        Path(SLOW).chmod(0o755)

    with Fleet([Host("plain1", setup), Host("plain2", plain)]) as own:
        groups = {
            "g": {
                "hosts": {"plain1": {}, "plain2": {}},
                "vars": {"upkeep_checks_g": [SLOW_CHECK, "disk_space"]},
            }
        }
        upkeep = Upkeep(write_site(tmp_path / "site", own, groups))
        started = begin_slow_run(upkeep, own)

        own.kill("plain1")
        _out, err = started.communicate(timeout=PATIENCE_SECONDS)

    assert started.returncode == 3, err
    document = upkeep.json("show", "1")
    outcomes = {host["name"]: host["outcome"] for host in document["hosts"]}
    assert outcomes["plain2"] == "ok"
    assert outcomes["plain1"] in ("unreachable", "failed")
    lost = [one["status"] for one in document["results"] if one["host"] == "plain1"]
    assert lost == ["unknown", "unknown"]
