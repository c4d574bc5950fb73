"""Thousands of addresses that drop packets, and live hosts behind them: in how many runs is each live one looked at?

What is told is no speed: how many were tried in the time of a run, how soon the live ones had their turn, and how much
memory all processes of a run take together.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from lab.fleet import Fleet, Host
from lab.site import write_site

NETWORK = "198.18.0.0/16"
"""For measurements only: RFC 2544."""
INTERFACE = "upkeep-dead"
LIVE = ("live1", "live2", "live3")
MIB = 1 << 20


@contextlib.contextmanager
def dead_network() -> Iterator[None]:
    """Lead a network to an interface that drops all: a bridge without ports, that asks nobody for an address."""
    for command in (
        f"ip link add {INTERFACE} type bridge",
        f"ip link set {INTERFACE} arp off up",
        f"ip route add {NETWORK} dev {INTERFACE}",
    ):
        subprocess.run(command.split(), check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", INTERFACE], check=True)


def memory_of(process: psutil.Process) -> int:
    """Return what a process and all below it take, in bytes; what they share is counted once (PSS)."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(OSError, psutil.Error, StopIteration, ValueError):
            lines = Path(f"/proc/{one.pid}/smaps_rollup").read_text().splitlines()
            total += 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total


def dead_hosts(folder: Path, count: int, *, forks: int = 50, seconds: int = 240) -> list[str]:
    """Run twice over the dead ones, with live ones in the middle and at the end of the inventory."""
    with Fleet([Host(name) for name in LIVE]) as fleet, dead_network():
        hosts: dict[str, dict[str, str]] = {}
        for number in range(count):
            hosts[f"dead{number:04}"] = {
                "ansible_host": f"198.18.{number // 250}.{number % 250 + 1}"
            }
            if number == count // 2:
                hosts[LIVE[0]] = {}
        hosts |= {name: {} for name in LIVE[1:]}
        groups = {
            "all_hosts": {"hosts": hosts, "vars": {"upkeep_checks_all": ["memory_available"]}}
        }
        settings = {"forks": forks, "run_timeout_seconds": seconds}
        site = write_site(folder / "dead", fleet, groups, settings=settings)
        command = [
            sys.executable,
            "-m",
            "upkeep.cli.main",
            "run",
            "daily",
            "-i",
            str(site),
            "--json",
        ]
        rows = []
        for run in (1, 2, 3):
            peak, began = 0, time.monotonic()
            with (folder / f"dead-{run}.json").open("wb") as kept:
                process = subprocess.Popen(command, stdout=kept, stderr=subprocess.DEVNULL)
                while process.poll() is None:
                    with contextlib.suppress(psutil.Error):
                        peak = max(peak, memory_of(psutil.Process(process.pid)))
                    time.sleep(2)
            took = time.monotonic() - began
            output = (folder / f"dead-{run}.json").read_bytes()
            outcomes = {one["name"]: one["outcome"] for one in json.loads(output)["hosts"]}
            tried = sum(outcome != "not_begun" for outcome in outcomes.values())
            seen = sum(outcomes[name] == "ok" for name in LIVE)
            rows.append(
                f"{run} | {tried} of {len(hosts)} | {seen} of {len(LIVE)} | {took:.0f} s | {peak // MIB} MiB"
            )
    return [
        "Dead hosts: run | tried | live ones seen | took | memory of all processes",
        "---|---|---|---|---",
        *rows,
    ]
