"""What goes wrong while a host is isolated, each really caused: the host stays controlled, or comes back by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from isolated_hosts import PROJECT, RUN, Lab, Speaker, lab, reaches
from lab.fleet import Host
from patience import PATIENCE_SECONDS, eventually
from verdicts import verdict_of

from upkeep.checks.incidents.isolation import CHECK
from upkeep.model import clock
from upkeep.model.verdicts import Severity, Status

ONE, OTHER = "host", "jump"
OLD_RULES = "nft add table inet mine; nft add chain inet mine input '{ type filter hook input priority 0; }'"
FAILS_TO_LOAD = """#!/bin/sh
case "$*" in
--file*) echo "Error: Could not process rule: No buffer space available" >&2; exit 1 ;;
*) exec /usr/sbin/nft "$@" ;;
esac
"""
TAKES_ANOTHER_WORD = """#!/bin/sh
case "$*" in
*--check*rules.nft) echo "rules.nft:8:3-6: Error: syntax error, unexpected string" >&2; exit 1 ;;
*) exec /usr/sbin/nft "$@" ;;
esac
"""
HANGS = """#!/bin/sh
case "$*" in
*--extended*) exec sleep 1000 ;;
*) exec /usr/bin/ss "$@" ;;
esac
"""
DESTROYS_NOTHING = """#!/bin/sh
case "$*" in
--kill*) echo "RTNETLINK answers: Operation not supported" >&2; exit 1 ;;
*) exec /usr/bin/ss "$@" ;;
esac
"""
LEASES = """
start 10.91.{index}.50
end 10.91.{index}.60
interface eth0
lease_file /run/leases
pidfile /run/udhcpd.pid
min_lease 4
option lease 6
option subnet 255.255.255.0
"""
TAKES_LEASE = """#!/bin/sh
case $1 in
bound|renew)
    ip addr replace "$ip/24" dev eth0 valid_lft "$lease" preferred_lft "$lease"
    echo "$1" >>/run/leased
    ;;
esac
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    with lab(tmp_path_factory.mktemp("faults"), Host(ONE), Host(OTHER)) as hosts:
        yield hosts


@pytest.fixture
def hosts(up: Lab) -> Iterator[Lab]:
    """The hosts; as they were afterwards."""
    yield up
    up.clean(ONE, OTHER)


@contextmanager
def instead(hosts: Lab, name: str, text: str) -> Iterator[None]:
    """Let a host have another program before the one of that name."""
    path = f"/usr/local/sbin/{name}"
    hosts.fleet.run(ONE, "sh", "-c", f"cat >{path}; chmod +x {path}", input_text=text)
    try:
        yield
    finally:
        hosts.fleet.run(ONE, "rm", path)


def judged(hosts: Lab) -> tuple[Status, Severity | None, str]:
    """Return what the check says of the host."""
    verdict = verdict_of(CHECK, hosts.observed(ONE), CHECK.limits, clock.now())
    return verdict.status, verdict.severity, verdict.message


def test_a_new_connection_from_elsewhere_cannot_confirm(hosts: Lab) -> None:
    """A controller that the host sees under another address: an old connection goes on, a new one does not come in."""
    elsewhere = f"10.91.{hosts.fleet.index}.3"
    bridge = f"ulbr{hosts.fleet.index}"
    subprocess.run(["ip", "addr", "add", f"{elsewhere}/24", "dev", bridge], check=True)
    kept = [
        "-o",
        "ControlMaster=auto",
        "-o",
        f"ControlPath={hosts.folder}/kept",
        "-o",
        "ControlPersist=60",
    ]

    begun = hosts.module(ONE, ways=kept)
    assert begun["isolation"]["state"] == "loaded"
    by_old = hosts.module(ONE, "confirmed", ways=kept)
    by_new = hosts.ssh(
        ONE, *hosts.program(ONE, "confirmed"), ways=["-b", elsewhere, "-o", "ConnectTimeout=1"]
    )

    assert "is older than the rules: it proves nothing" in by_old["msg"]
    assert by_new.returncode == 255
    hosts.module(ONE, "released")

    assert not hosts.module(ONE, confirm_seconds=10, id="test-2").get("failed")
    eventually(lambda: "released" in hosts.events(ONE), "its release")
    assert hosts.tables(ONE) == []
    assert hosts.ssh(ONE, "true", ways=["-b", elsewhere]).returncode == 0
    status, severity, message = judged(hosts)
    assert (status, severity) == (Status.FAIL, Severity.HIGH)
    assert "nobody has confirmed its isolation in time" in message
    subprocess.run(
        ["ssh", *kept, "-O", "exit", f"root@{hosts.address(ONE)}"], capture_output=True, check=False
    )


DAMAGED = {
    "what names it is lost": f"rm {RUN}/current",
    "it is named wrongly": f"echo rubbish >{RUN}/current",
    "its name is a path": f"echo ../../etc >{RUN}/current",
    "its folder is gone": f"rm -rf {RUN}",
    "its state is gone": f"rm {RUN}/test-1/state.json",
    "its state is no state": f'echo \'{{"kept": 3, "phase": "loaded"}}\' >{RUN}/test-1/state.json',
    "its script is gone": f"rm {RUN}/test-1/*.sh",
    "its events are a folder": f"rm {RUN}/test-1/events; mkdir {RUN}/test-1/events",
    "its disk is full": "dd if=/dev/zero of=/run/upkeep/full bs=1k 2>/dev/null; true",
}


@pytest.fixture
def small(hosts: Lab) -> Iterator[None]:
    """What an isolation writes has a disk of its own, which can be filled."""
    script = "mkdir -p /run/upkeep && mount -t tmpfs -o size=512k,mode=755 small /run/upkeep"
    hosts.fleet.run(ONE, "sh", "-c", script)
    yield
    hosts.stop(ONE)
    hosts.fleet.run(ONE, "umount", "-l", "/run/upkeep")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_release_needs_nothing_that_was_written_down(hosts: Lab, damage: str) -> None:
    hosts.confirmed(ONE)
    hosts.fleet.run(ONE, "sh", "-c", damage)

    done = hosts.module(ONE, "released")

    assert not done.get("failed"), done
    assert (done["changed"], done["isolation"]["state"]) == (True, "released")
    watch = eventually(lambda: _watches(hosts) == "" or hosts.tables(ONE), "the end of the watch")
    assert (watch, hosts.tables(ONE)) == (True, [])
    assert hosts.module(ONE, "released")["isolation"]["state"] != "confirmed"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_timer_needs_nothing_that_was_written_down(hosts: Lab, damage: str) -> None:
    begun = hosts.module(ONE, confirm_seconds=10)
    assert begun["isolation"]["state"] == "loaded", begun
    hosts.fleet.run(ONE, "sh", "-c", damage)

    eventually(lambda: hosts.tables(ONE) == [] and _watches(hosts) == "", "its release")
    assert hosts.tables(ONE) == []


def _watches(hosts: Lab) -> str:
    found: str = hosts.fleet.run(ONE, "pgrep", "-f", "watch.py /run", check=False).stdout
    return found


@pytest.mark.parametrize(
    "typed",
    [
        f"cd {RUN} && sh $(cat current)/release.sh by_hand",  # as docs/incidents.md says
        f"cd {RUN}/test-1 && sh release.sh by_hand",
        f"cd / && sh .{RUN}/test-1/release.sh by_hand",
        f"sh {RUN}/test-1/release.sh by_hand",
    ],
    ids=["as documented", "in its folder", "from elsewhere", "by its path"],
)
def test_it_is_released_on_its_console_however_that_is_typed(hosts: Lab, typed: str) -> None:
    hosts.confirmed(ONE)

    hosts.fleet.run(ONE, "sh", "-ec", typed)

    assert hosts.tables(ONE) == []
    assert hosts.events(ONE)[-1] == "released"


def test_tables_can_be_deleted_by_hand_as_documented(hosts: Lab) -> None:
    document = (PROJECT / "docs" / "incidents.md").read_text()
    (typed,) = re.findall(r"^    \$ (pkill -f 'isolation/.*)$", document, re.MULTILINE)
    hosts.confirmed(ONE)
    hosts.fleet.run(ONE, "rm", "-rf", RUN)

    hosts.fleet.run(ONE, "sh", "-c", typed)

    assert hosts.tables(ONE) == []
    assert _watches(hosts) == ""


def test_a_plan_says_that_tables_are_left(hosts: Lab) -> None:
    hosts.confirmed(ONE)
    hosts.fleet.run(ONE, "rm", "-rf", RUN)

    planned = hosts.module(ONE, "planned")["isolation"]

    assert "tables of Upkeep are loaded (inet, bridge" in " ".join(planned["warnings"])
    assert hosts.module(ONE, "released")["isolation"]["state"] == "released"


def test_who_hangs_in_an_isolation_holds_up_no_release(hosts: Lab) -> None:
    hosts.confirmed(ONE)
    script = f"setsid flock {RUN}/lock sleep 1000 </dev/null >/dev/null 2>&1 &"
    hosts.fleet.run(ONE, "sh", "-c", script)
    eventually(
        lambda: hosts.fleet.run(ONE, "pgrep", "-x", "flock", check=False).stdout, "who holds it"
    )
    try:
        done = hosts.module(ONE, "released")
    finally:
        hosts.fleet.run(ONE, "pkill", "-f", "sleep 1000")

    assert done["isolation"]["state"] == "released"
    assert "released beside somebody else" in " ".join(done["isolation"]["warnings"])
    assert hosts.tables(ONE) == []


def test_somebody_else_is_told_and_twice_is_once(hosts: Lab) -> None:
    people = ({"by": "alice", "id": "a"}, {"by": "bob", "id": "b"})
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda one: hosts.module(ONE, **one), people)
    won, lost = (first, second) if second.get("failed") else (second, first)
    one = people[0] if won is first else people[1]

    assert won["isolation"]["state"] == "loaded"
    assert f"another isolation is under way, by {one['by']} since 20" in lost["msg"]
    hosts.module(ONE, "confirmed", **one)
    rules = hosts.rules(ONE)
    again = hosts.module(ONE, by="carol", id="c")
    assert not again["changed"]
    assert (again["isolation"]["by"], again["isolation"]["id"]) == (one["by"], one["id"])
    assert hosts.rules(ONE) == rules
    other = hosts.module(ONE, keep=[{"to": "192.0.2.53", "port": 53, "protocol": "udp"}])
    assert "asked for: " in other["msg"]
    assert "192.0.2.53 udp 53" in other["msg"]
    assert hosts.module(ONE, "released")["changed"]
    assert not hosts.module(ONE, "released")["changed"]


def test_who_changes_our_tables_is_told_and_they_are_put_back_once(hosts: Lab) -> None:
    hosts.confirmed(ONE)
    rules = hosts.rules(ONE)
    assert judged(hosts)[0] == Status.PASS

    hosts.fleet.run(ONE, "nft", "flush", "ruleset")
    eventually(lambda: "put_back" in hosts.events(ONE) and hosts.rules(ONE) == rules, "put back")
    status, severity, message = judged(hosts)
    assert (status, severity) == (Status.FAIL, Severity.HIGH)
    assert "its tables were changed, and the host put them back: inet is gone" in message

    hosts.fleet.run(ONE, "nft", "insert rule inet upkeep_isolation input accept")
    eventually(lambda: "changed_again" in hosts.events(ONE), "told")
    status, severity, message = judged(hosts)
    assert (status, severity) == (Status.FAIL, Severity.CRITICAL)
    assert "inet is changed" in message

    repaired = hosts.module(ONE)
    assert repaired["changed"]
    assert repaired["isolation"]["needs_confirmation"]
    hosts.module(ONE, "confirmed")
    assert hosts.rules(ONE) == rules
    assert judged(hosts)[0] == Status.PASS
    hosts.module(ONE, "released")
    assert hosts.tables(ONE) == []


@pytest.mark.parametrize(
    "program", [FAILS_TO_LOAD, TAKES_ANOTHER_WORD], ids=["not loaded", "not understood"]
)
def test_rules_that_nft_refuses_leave_the_old_ones(hosts: Lab, program: str) -> None:
    hosts.fleet.run(ONE, "sh", "-c", OLD_RULES)
    before = hosts.rules(ONE)
    with instead(hosts, "nft", program):
        done = hosts.module(ONE, confirm_seconds=10)

    assert "nft refuses the rules, and those before are as they were" in done["msg"]
    assert hosts.rules(ONE) == before
    assert hosts.fleet.run(ONE, "pgrep", "-f", "release.sh", check=False).stdout == ""
    assert hosts.module(ONE)["isolation"]["state"] == "loaded"


def test_a_timer_that_cannot_be_armed_leaves_the_host_alone(hosts: Lab) -> None:
    hosts.fleet.run(ONE, "mount", "--bind", "/bin/false", "/bin/sh")
    try:
        done = json.loads(
            hosts.fleet.run(
                ONE,
                *hosts.program(
                    ONE, "isolated", controllers=[hosts.controller], even_if=["connection"]
                ),
            ).stdout
        )
    finally:
        hosts.fleet.run(ONE, "umount", "/bin/sh")

    assert "dead man's timer confirm-" in done["msg"]
    assert "its process did not begin; nothing was changed" in done["msg"]
    assert hosts.tables(ONE) == []


def test_a_snapshot_that_hangs_or_cannot_be_kept_holds_nothing_up(hosts: Lab) -> None:
    hosts.fleet.run(ONE, "mkdir", "-p", "/var/lib/upkeep")
    hosts.fleet.run(ONE, "mount", "-t", "tmpfs", "-o", "ro", "full", "/var/lib/upkeep")
    try:
        with instead(hosts, "ss", HANGS):
            done = hosts.module(ONE)
        confirmed = hosts.module(ONE, "confirmed")
    finally:
        hosts.fleet.run(ONE, "umount", "/var/lib/upkeep")

    problem = done["isolation"]["snapshot"]["problem"]
    assert "sockets: ss: still running after" in problem
    assert (
        "it could not be kept: /var/lib/upkeep/isolation/test-1: Read-only file system" in problem
    )
    assert done["isolation"]["snapshot"]["sha256"] == ""
    assert confirmed["isolation"]["state"] == "confirmed"
    assert "after a reboot nothing will say that the host was isolated" in " ".join(
        confirmed["isolation"]["warnings"]
    )


def test_a_kernel_that_destroys_no_socket_has_its_processes_listed(hosts: Lab) -> None:
    held = Speaker(hosts.fleet.namespace(OTHER), "connect", hosts.address(ONE), 22)
    try:
        with instead(hosts, "ss", DESTROYS_NOTHING):
            done = hosts.module(ONE)
    finally:
        held.close()

    (left,) = done["isolation"]["cut"]["left"]
    assert left["local"] == f"{hosts.address(ONE)}:22"
    assert left["peer"].startswith(f"{hosts.address(OTHER)}:")
    assert {one.partition("[")[0] for one in left["processes"]} == {"sshd"}
    assert "1 foreign connections are still open" in " ".join(done["isolation"]["warnings"])


def test_a_host_that_is_controlled_through_a_jump_host(hosts: Lab) -> None:
    words = " ".join(["ssh", *hosts.options(), "-W", "%h:%p", f"root@{hosts.address(OTHER)}"])
    through = ["-o", f"ProxyCommand={words}"]
    assert not hosts.module(ONE, ways=through).get("failed")
    done = hosts.module(ONE, "confirmed", ways=through)

    kept = [one["to"] for one in done["isolation"]["kept"]]
    assert kept == [hosts.address(OTHER)]
    assert not reaches(hosts.fleet.namespace(OTHER), hosts.address(ONE), 7)
    assert hosts.ssh(ONE, "true", ways=["-o", "ConnectTimeout=1"]).returncode == 255
    assert hosts.module(ONE, "released", ways=through)["changed"]
    assert hosts.ssh(ONE, "true").returncode == 0


def test_a_host_that_has_ipv6_alone(hosts: Lab) -> None:
    number = hosts.fleet.index
    here, there, other = (f"fd00:91:{number}::{one}" for one in ("1", "10", "11"))
    bridge = f"ulbr{number}"
    subprocess.run(["ip", "addr", "replace", f"{here}/64", "dev", bridge, "nodad"], check=True)
    hosts.fleet.run(OTHER, "ip", "addr", "replace", f"{other}/64", "dev", "eth0", "nodad")
    hosts.fleet.run(ONE, "ip", "addr", "replace", f"{there}/64", "dev", "eth0", "nodad")
    hosts.fleet.run(ONE, "ip", "-4", "addr", "flush", "dev", "eth0")
    hosts.fleet.run(ONE, "ip", "-6", "route", "replace", "default", "via", here)
    try:
        assert not hosts.module(ONE, to=there).get("failed")
        done = hosts.module(ONE, "confirmed", to=there)

        assert [one["to"] for one in done["isolation"]["kept"]] == [here]
        assert True in [one["ok"] for one in done["isolation"]["proofs"]]
        assert not reaches(hosts.fleet.namespace(OTHER), there, 22)
        # Neighbours are found anew, and the controller is still let in.
        hosts.fleet.run(ONE, "ip", "neigh", "flush", "all")
        assert hosts.ssh(ONE, "true", to=there).returncode == 0
        assert hosts.module(ONE, "released", to=there)["changed"]
        assert reaches(hosts.fleet.namespace(OTHER), there, 22, PATIENCE_SECONDS)
    finally:
        hosts.fleet.run(ONE, "ip", "addr", "add", f"{hosts.address(ONE)}/24", "dev", "eth0")
        hosts.fleet.run(ONE, "ip", "route", "replace", "default", "via", hosts.controller)


def test_a_lease_is_renewed_while_the_host_is_isolated(hosts: Lab) -> None:
    """The server is nobody that the host may speak with otherwise."""
    if not shutil.which("busybox"):
        pytest.skip("busybox, which leases addresses, is not installed")
    for name, path, text in (
        (OTHER, "/run/udhcpd.conf", LEASES.format(index=hosts.fleet.index)),
        (ONE, "/run/take-lease", TAKES_LEASE),
    ):
        hosts.fleet.run(name, "sh", "-c", f"cat >{path}; chmod +x {path}", input_text=text)
    hosts.fleet.run(
        OTHER, "sh", "-c", "touch /run/leases; busybox udhcpd /run/udhcpd.conf >/dev/null 2>&1"
    )
    client = "busybox udhcpc -i eth0 -b -s /run/take-lease -p /run/udhcpc.pid >/dev/null 2>&1"
    hosts.fleet.run(ONE, "sh", "-c", client)

    def taken() -> int:
        said = hosts.fleet.run(ONE, "cat", "/run/leased", check=False).stdout
        return len(said.split())

    try:
        eventually(lambda: taken() > 0, "a lease")
        leased = next(
            one["local"]
            for link in json.loads(
                hosts.fleet.run(ONE, "ip", "-j", "addr", "show", "dev", "eth0").stdout
            )
            for one in link["addr_info"]
            if one.get("dynamic") and one["family"] == "inet"
        )
        hosts.confirmed(ONE)
        before = taken()
        eventually(lambda: taken() >= before + 2, "two renewals")
        assert hosts.ssh(ONE, "true", to=leased).returncode == 0
        assert not reaches(hosts.fleet.namespace(OTHER), leased, 22)
        hosts.module(ONE, "released")
    finally:
        for name, program in ((ONE, "udhcpc"), (OTHER, "udhcpd")):
            hosts.fleet.run(name, "sh", "-c", f"kill $(cat /run/{program}.pid)", check=False)


def test_a_host_is_refused_for_what_it_is(hosts: Lab) -> None:
    """A member of a cluster, which forwards between two networks, and whose database is the only one."""
    hosts.fleet.run(
        ONE,
        "sh",
        "-ec",
        "cp /bin/sleep /run/corosync; setsid /run/corosync 1000 </dev/null >/dev/null 2>&1 &",
    )
    hosts.fleet.run(
        ONE,
        "sh",
        "-ec",
        "ip link add second type veth peer name third; ip addr add 192.0.2.1/24 dev second; ip link set second up",
    )
    inside = ["nsenter", "-t", str(hosts.fleet.hosts[ONE].pid), "-n"]
    subprocess.run([*inside, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
    try:
        done = hosts.module(ONE, only_database=True)
        some = hosts.module(ONE, only_database=True, even_if=["router", "cluster_member"])
        mine = json.loads(hosts.fleet.run(ONE, *hosts.program(ONE, "isolated")).stdout)
    finally:
        subprocess.run([*inside, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"], check=True)
        hosts.fleet.run(ONE, "ip", "link", "del", "second")
        hosts.fleet.run(ONE, "pkill", "-x", "corosync")

    assert (
        "router: the host forwards between eth0, second: all behind it would be cut off too"
        in done["msg"]
    )
    assert "cluster_member: the host is a member of a cluster" in done["msg"]
    assert done["msg"].endswith("isolation_even_if: [router, cluster_member, only_database]")
    assert "only_database: " in some["msg"]
    assert "router" not in some["msg"]
    assert "no_control: no SSH connection leads to this program" in mine["msg"]
    assert hosts.tables(ONE) == []
    assert hosts.fleet.run(ONE, "test", "-e", f"{RUN}/current", check=False).returncode == 1


def test_what_a_boot_reads_isolates_the_host_again(hosts: Lab) -> None:
    """Without systemd, which no namespace has: its units are read by systemd-analyze, and what they call is called."""
    hosts.confirmed(ONE)
    rules = hosts.rules(ONE)
    hosts.units(ONE)
    folder = "/etc/systemd/system/upkeep-isolation"
    names = [f"{folder}-{one}" for one in ("boot.service", "visit.service", "visit.timer")]
    analyzed = hosts.fleet.run(ONE, "systemd-analyze", "verify", "--man=no", *names, check=False)
    assert "upkeep-isolation" not in analyzed.stderr
    boots = hosts.fleet.run(ONE, "cat", names[0]).stdout
    assert "Before=network-pre.target" in boots
    hosts.stop(ONE)
    hosts.fleet.run(ONE, "sh", "-c", f"rm -rf {RUN}; nft flush ruleset")

    hosts.fleet.run(ONE, "sh", "/var/lib/upkeep/isolation/boot/boot.sh")

    assert hosts.rules(ONE) == rules
    assert hosts.events(ONE) == ["booted"]
    # Its timer was of the boot before: whoever comes arms a new one.
    again = hosts.module(ONE)
    assert again["isolation"]["needs_confirmation"]
    assert hosts.module(ONE, "confirmed")["isolation"]["state"] == "confirmed"
    visit = (
        f"{hosts.fleet.run(ONE, 'cat', names[1]).stdout.partition('ExecStart=')[2].splitlines()[0]}"
    )
    hosts.fleet.run(ONE, "sh", "-c", visit)
    assert hosts.tables(ONE) == []
    assert judged(hosts)[2].endswith("nobody came within half an hour after its reboot")
    for name in (*names, "/var/lib/upkeep/isolation/boot"):
        assert hosts.fleet.run(ONE, "test", "-e", name, check=False).returncode == 1
