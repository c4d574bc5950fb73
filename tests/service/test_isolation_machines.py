"""Isolation on a machine with a kernel and an init of its own: its timers, its clock, and what a reboot does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from isolated_hosts import Lab, lab, reaches
from lab.fleet import Host
from lab.machine import Machine, is_made
from patience import PATIENCE_SECONDS, eventually

thorough = pytest.mark.thorough
"""Most of it takes minutes without hardware for a machine: one test, of half a minute's boots, is in make test."""

VM, OTHER = "machine", "other"
DOOR = 7000
UNITS = "/etc/systemd/system/upkeep-isolation-*"
CONFIRM_SECONDS = 20
# The clock goes a day ahead, then two back; who waits by it releases at once, or not for a day.
CLOCK_MOVES = """\
set -e
date -s '+1 day' >/dev/null
sleep 2
nft list tables | grep -q upkeep_isolation && echo still
date -s '-2 days' >/dev/null
while nft list tables | grep -q upkeep_isolation; do sleep 0.3; done
cat /proc/uptime
date -s '+1 day' >/dev/null
"""
# A day ahead, then two back: still isolated, each time.
TWO_CLOCKS = """\
for step in '+1 day' '-2 days'; do
    date -s "$step" >/dev/null
    sleep 2
    nft list tables | grep -q upkeep_isolation && echo isolated
done
"""
VISIT_ENDS = """\
set -e
sed -i 's/OnBootSec=.*/OnBootSec=1s/' /etc/systemd/system/upkeep-isolation-visit.timer
systemctl daemon-reload
systemctl restart upkeep-isolation-visit.timer
while nft list tables | grep -q upkeep_isolation; do sleep 0.3; done
"""
KNOCKING = """\
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[1], 7000), 0.5).close()
        print("in", flush=True)
    except OSError:
        pass
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("hosts need root, sshd, ip and nft")
    with lab(tmp_path_factory.mktemp("machines"), Host(OTHER)) as up:
        yield up


@pytest.fixture(scope="module")
def machine(hosts: Lab) -> Iterator[Machine]:
    if not is_made():
        pytest.skip("a machine of its own needs qemu and its disk: make packages")
    with Machine(hosts.fleet, VM) as one:
        yield one


@contextmanager
def knocking(hosts: Lab, machine: Machine) -> Iterator[subprocess.Popen[str]]:
    """Somebody who tries to get in all the time; each success is a line."""
    command = ["ip", "netns", "exec", hosts.fleet.namespace(OTHER), sys.executable, "-c", KNOCKING]
    whole = [*command, machine.host.address]
    with subprocess.Popen(whole, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def assert_nobody_came_in(somebody: subprocess.Popen[str]) -> None:
    somebody.kill()
    assert somebody.communicate()[0] == ""


def shell(machine: Machine, script: str) -> str:
    return machine.ssh("sh", "-c", script).stdout


def test_after_a_reboot_nobody_gets_in_and_no_clock_ends_it(hosts: Lab, machine: Machine) -> None:
    assert reaches(hosts.fleet.namespace(OTHER), machine.host.address, DOOR, PATIENCE_SECONDS)
    hosts.confirmed(VM)
    assert not reaches(hosts.fleet.namespace(OTHER), machine.host.address, DOOR)
    with knocking(hosts, machine) as somebody:
        machine.reboot()

        assert hosts.events(VM)[-1] == "booted"
        assert sorted(hosts.tables(VM))[:2] == ["bridge", "inet"]
        assert shell(machine, TWO_CLOCKS).split() == ["isolated"] * 2
        assert_nobody_came_in(somebody)

    shell(machine, VISIT_ENDS)

    assert hosts.events(VM)[-1] == "released"
    assert shell(machine, f"ls {UNITS} 2>/dev/null || true") == ""
    assert reaches(hosts.fleet.namespace(OTHER), machine.host.address, DOOR, PATIENCE_SECONDS)


@thorough
def test_the_dead_man_of_systemd_does_not_go_by_the_clock(hosts: Lab, machine: Machine) -> None:
    before = float(shell(machine, "cat /proc/uptime").split()[0])

    begun = hosts.module(VM, confirm_seconds=CONFIRM_SECONDS)

    assert begun["isolation"]["state"] == "loaded", begun
    timers = shell(machine, "systemctl list-timers --all --no-legend")
    assert "upkeep-isolation" in timers
    assert not reaches(hosts.fleet.namespace(OTHER), machine.host.address, DOOR)
    said = shell(machine, CLOCK_MOVES).split()
    after = float(said[-2])
    assert after - before >= CONFIRM_SECONDS
    assert hosts.events(VM)[-1] == "released"
    assert hosts.tables(VM) == []


@thorough
def test_a_reboot_isolates_it_again_before_it_has_a_network(hosts: Lab, machine: Machine) -> None:
    done = hosts.isolate(VM)
    assert done.rc == 0, done.text
    assert done.isolation(VM)["state"] == "confirmed"
    assert done.isolation(VM)["reboot"] == "isolated"
    with knocking(hosts, machine) as somebody:
        machine.reboot()

        assert hosts.events(VM)[-1] == "booted"
        assert sorted(hosts.tables(VM))[:2] == ["bridge", "inet"]
        times = shell(
            machine,
            "systemctl show -P ActiveEnterTimestampMonotonic upkeep-isolation-boot.service;"
            " systemctl show -P InactiveExitTimestampMonotonic cable.service",
        ).split()
        assert int(times[0]) < int(times[1])
        assert "upkeep-isolation-visit.timer" in shell(machine, "systemctl list-timers --no-legend")
        seen = hosts.observed(VM)
        assert (seen.data["booted"], seen.data["tight"]) == (True, True)
        visited = hosts.isolate(VM)
        assert visited.isolation(VM)["state"] == "confirmed", visited.text
        assert hosts.observed(VM).data["booted"] is False
        assert "visit" not in shell(machine, "systemctl list-timers --no-legend")
        assert_nobody_came_in(somebody)

    freed = hosts.release(VM)

    assert freed.rc == 0, freed.text
    assert shell(machine, f"ls {UNITS} 2>/dev/null || true") == ""
    assert reaches(hosts.fleet.namespace(OTHER), machine.host.address, DOOR, PATIENCE_SECONDS)


@thorough
def test_whom_nobody_visits_after_a_reboot_is_released_and_says_so(
    hosts: Lab, machine: Machine
) -> None:
    hosts.confirmed(VM)
    shell(
        machine,
        "sed -i 's/OnBootSec=1800s/OnBootSec=1s/' /etc/systemd/system/upkeep-isolation-visit.timer",
    )

    machine.reboot()

    eventually(lambda: hosts.tables(VM) == [], "a release")
    assert hosts.events(VM)[-1] == "released"
    assert "booted" in hosts.events(VM)
    assert hosts.observed(VM).data["released_by"].startswith("visit")
    assert shell(machine, f"ls {UNITS} 2>/dev/null || true") == ""
