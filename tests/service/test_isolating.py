"""Hosts are isolated and released, in network namespaces: by plain ansible-playbook, and by what its module calls."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest
from isolated_hosts import RUN, Lab, Speaker, lab, reaches
from lab import hosts as kinds
from lab.fleet import Host
from patience import PATIENCE_SECONDS, eventually

ONE, TWO, OTHER = "one", "two", "other"
PORT = 7000
# As fail2ban's action nftables.conf and Docker's iptables issue them.
WRITTEN_BY_OTHERS = """
nft add table inet f2b-table
nft -- add chain inet f2b-table f2b-chain '{ type filter hook input priority -1 ; }'
nft add set inet f2b-table addr-set-sshd '{ type ipv4_addr; }'
nft add rule inet f2b-table f2b-chain tcp dport '{ 22 }' ip saddr @addr-set-sshd reject
nft add element inet f2b-table addr-set-sshd '{ 198.51.100.7 }'
iptables -N DOCKER
iptables -A FORWARD -o docker0 -j DOCKER
iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
nft add table ip short
nft add set ip short seen '{ type ipv4_addr; flags timeout; }'
nft add element ip short seen '{ 198.51.100.8 timeout 5m }'
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    made = Host(ONE, kinds.plain), Host(TWO), Host(OTHER)
    with lab(tmp_path_factory.mktemp("isolation"), *made) as hosts:
        yield hosts


@pytest.fixture
def hosts(up: Lab) -> Iterator[Lab]:
    """The hosts; as they were afterwards."""
    yield up
    up.clean(ONE, TWO, OTHER)


@pytest.fixture
def speakers() -> Iterator[list[Speaker]]:
    """Those who speak; they end with the test."""
    made: list[Speaker] = []
    yield made
    for one in made:
        one.close()


def six(hosts: Lab, name: str) -> str:
    """Return an IPv6 address of a host, which it has from now on."""
    last = hosts.address(name).rpartition(".")[2]
    address = f"fd00:91:{hosts.fleet.index}::{last}"
    hosts.fleet.run(name, "ip", "addr", "replace", f"{address}/64", "dev", "eth0", "nodad")
    return address


def guest(hosts: Lab, name: str, address: str) -> Iterator[str]:
    """Give the namespace of a guest that is bridged with the host's cable, as a virtual machine is."""
    space = f"{hosts.fleet.namespace(name)}-guest"
    outer = hosts.fleet.namespace(name)
    script = f"""
    ip netns add {space}
    ip -n {outer} link add guest0 type veth peer name eth0 netns {space}
    ip -n {outer} link add br0 type bridge forward_delay 0
    ip -n {outer} addr flush dev eth0
    ip -n {outer} link set eth0 master br0
    ip -n {outer} link set guest0 master br0
    ip -n {outer} link set guest0 up
    ip -n {outer} link set br0 up
    ip -n {outer} addr add {hosts.address(name)}/24 dev br0
    ip -n {outer} route add default via {hosts.controller}
    ip -n {space} link set eth0 up
    ip -n {space} addr add {address}/24 dev eth0
    """
    back = f"""
    ip -n {outer} link del br0
    ip -n {outer} link del guest0
    ip -n {outer} addr add {hosts.address(name)}/24 dev eth0
    ip -n {outer} route add default via {hosts.controller}
    ip netns del {space}
    """
    subprocess.run(["sh", "-ec", script], check=True)
    yield space
    subprocess.run(["sh", "-c", back], check=True)


def test_a_host_is_isolated_by_a_plain_play_and_comes_back(
    hosts: Lab, speakers: list[Speaker]
) -> None:
    """The whole of it: connections, IPv6, a bridged guest, what others write meanwhile, and the account with sudo."""
    fleet, address = hosts.fleet, hosts.address(ONE)
    outside, inside = fleet.namespace(OTHER), fleet.namespace(ONE)
    sixth, others = six(hosts, ONE), six(hosts, OTHER)
    guest_address = f"10.91.{fleet.index}.200"
    bridged = guest(hosts, ONE, guest_address)
    space = next(bridged)
    try:
        hosts.variables = {ONE: {"ansible_user": "ops"}}
        fleet.run(ONE, "ip", "addr", "replace", f"{sixth}/64", "dev", "br0", "nodad")
        for place, where in (
            (inside, address),
            (inside, sixth),
            (space, guest_address),
            (outside, others),
        ):
            speakers.append(Speaker(place, "answer", where, PORT))
        held = [
            Speaker(outside, "connect", address, PORT),
            Speaker(outside, "connect", sixth, PORT),
            Speaker(outside, "connect", guest_address, PORT),
            Speaker(inside, "connect", others, PORT),
        ]
        speakers += held
        assert [one.say(PATIENCE_SECONDS) for one in held] == ["yes"] * 4
        fleet.run(ONE, "nft", "add table ip mine")
        before = hosts.rules(ONE)

        done = hosts.isolate(ONE, isolation_probe=[{"to": others, "port": PORT}])

        assert done.rc == 0, done.text
        found = done.isolation(ONE)
        assert found["state"] == "confirmed"
        assert [one["state"] for one in found["tables"]] == ["as loaded"] * 3
        assert found["kept"] == [
            {
                "to": hosts.controller,
                "port": 22,
                "protocol": "tcp",
                "why": "the connection of this run",
            }
        ]
        assert found["cut"]["sockets"] >= 3
        assert found["cut"]["left"] == []
        assert {one["ok"] for one in found["proofs"]} <= {True, None}
        assert {one["side"] for one in found["proofs"] if one["ok"]} == {"host", "controller"}
        assert any(f"port {PORT}, which was open" in one["what"] for one in found["proofs"])
        assert "nothing of this is recorded" in " ".join(found["warnings"])
        snapshot = fleet.run(ONE, "sha256sum", found["snapshot"]["path"]).stdout.split()[0]
        assert snapshot == found["snapshot"]["sha256"]
        assert f"{address}:{PORT}" in fleet.run(ONE, "cat", found["snapshot"]["path"]).stdout
        assert [one.say() in ("cut", "no answer", "end") for one in held] == [True] * 4
        for where in (address, sixth, guest_address):
            assert not reaches(outside, where, PORT)
        assert not reaches(inside, others, PORT)
        fleet.run(ONE, "sh", "-ec", WRITTEN_BY_OTHERS)

        freed = hosts.release(ONE)

        assert freed.rc == 0, freed.text
        assert hosts.tables(ONE) == []
        rules = hosts.rules(ONE)
        for mine in ("table ip mine", "198.51.100.7", "chain DOCKER", "table ip short"):
            assert mine in rules
        changed = freed.isolation(ONE)["others_changed"]
        assert "+ table inet f2b-table" in changed
        assert not any("198.51.100.8" in one or "upkeep_isolation" in one for one in changed)
        # They have backed off; the next of their packets finds nobody.
        ends = [one.say(PATIENCE_SECONDS) for one in (held[0], held[1], held[3])]
        assert set(ends) <= {"cut", "end"}
        for where in (address, sixth, guest_address):
            assert reaches(outside, where, PORT, PATIENCE_SECONDS)
        for table in ("inet f2b-table", "ip filter", "ip short"):
            fleet.run(ONE, "nft", f"delete table {table}")
        assert hosts.rules(ONE) == before
    finally:
        hosts.variables = {}
        next(bridged, None)


@pytest.mark.parametrize("what", ["without the second confirmation", "only a look"])
def test_nothing_is_changed(hosts: Lab, what: str) -> None:
    if what == "only a look":
        done = hosts.play("isolate", [TWO], "--check", "--diff")

        assert done.rc == 0, done.text
        found = done.isolation(TWO)
        assert f"ip saddr {hosts.controller} tcp dport 22 accept" in found["ruleset"]
        assert "+table inet upkeep_isolation {" in done.text
    else:
        done = hosts.play("isolate", [TWO], upkeep_confirm="twi")

        assert done.rc == 2
        assert (
            "upkeep_confirm must repeat the names of the hosts that are isolated: found twi"
            in done.text
        )
    assert hosts.tables(TWO) == []
    assert hosts.fleet.run(TWO, "test", "-e", f"{RUN}/current", check=False).returncode == 1


HOLDS = """\
# The second connection to a host is the one that would confirm: here the play waits.
echo >>calls-$1
if [ "$(wc -l <calls-$1)" -gt 1 ]; then
    : >waiting-$1
    sleep 1000
fi
"""


def test_a_controller_that_is_killed_or_frozen_leaves_hosts_that_release_themselves(
    hosts: Lab,
) -> None:
    """With the rules loaded, and before the confirmation."""
    (hosts.folder / "holds.sh").write_text(HOLDS)
    own = f"-o PermitLocalCommand=yes -o LocalCommand='sh {hosts.folder}/holds.sh %h'"
    hosts.variables = {one: {"ansible_ssh_extra_args": own} for one in (ONE, TWO)}
    running: dict[str, psutil.Popen] = {}
    for name in (ONE, TWO):
        asked = {"upkeep_confirm": name, "isolation_confirm_seconds": 10}
        command, environment = hosts.command("isolate", [name], **asked)
        running[name] = psutil.Popen(
            command,
            env=environment,
            cwd=hosts.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        for name, number in ((ONE, signal.SIGKILL), (TWO, signal.SIGSTOP)):
            eventually(
                (hosts.folder / f"waiting-{hosts.address(name)}").exists, "a play that waits"
            )
            for one in (running[name], *running[name].children(recursive=True)):
                one.send_signal(number)
            assert hosts.events(name)[:2] == ["armed", "loaded"]
        for name in (ONE, TWO):
            eventually(lambda name=name: "released" in hosts.events(name), "a release")  # type: ignore[misc]
            assert "confirmed" not in hosts.events(name)
            assert hosts.tables(name) == []
            assert hosts.ssh(name, "true").returncode == 0
    finally:
        hosts.variables = {}
        for one in running.values():
            for child in (one, *one.children(recursive=True)):
                child.kill()
            one.wait()
