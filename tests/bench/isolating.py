"""Measure how long it takes to isolate hosts, beside looking at the same ones with `observe`."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from isolated_hosts import Lab, lab
from lab.fleet import Host

FORKS = "10"


def isolating(folder: Path, checks: Sequence[str], rounds: int, count: int = 20) -> list[str]:
    """Compare a plain play that isolates so many hosts, proofs included, with one that observes twelve checks there."""
    names = [f"h{number:02}" for number in range(count)]
    walls: dict[str, list[float]] = {"isolate": [], "observe": []}
    with lab(folder, *(Host(name) for name in names)) as hosts:
        for number in range(rounds + 1):
            for name, wall in (
                ("observe", _observe(hosts, names, checks)),
                ("isolate", _isolate(hosts, names)),
            ):
                if number:  # the first round only warms up
                    walls[name].append(wall)
    looks, acts = statistics.median(walls["observe"]), statistics.median(walls["isolate"])
    return [
        f"{count} hosts, {FORKS} at a time | wall",
        "---|---",
        f"`ansible-playbook astral.upkeep.observe`, twelve checks | 1 × ({looks:.1f} s)",
        f"`ansible-playbook astral.upkeep.incident.isolate` | {acts / looks:.2f} × ({acts:.1f} s; at most 2)",
    ]


def _observe(hosts: Lab, names: list[str], checks: Sequence[str]) -> float:
    command, environment = hosts.command("isolate", names, upkeep_checks_all=list(checks))
    command[command.index("astral.upkeep.incident.isolate")] = "astral.upkeep.observe"
    return _timed(command, environment, hosts.folder)


def _isolate(hosts: Lab, names: list[str]) -> float:
    known = {
        "upkeep_confirm": ",".join(names),
        "isolation_at_most": len(names),
        "isolation_confirm_seconds": 600,
    }
    wall = _timed(*hosts.command("isolate", names, **known), hosts.folder)
    held = {name: hosts.tables(name) for name in names}
    if not all(held.values()):
        raise SystemExit(f"not isolated: {json.dumps(held)}")
    freed = hosts.release(*names)
    if freed.rc:
        raise SystemExit(freed.text[-3000:])
    hosts.clean(*names)
    return wall


def _timed(command: list[str], environment: dict[str, str], folder: Path) -> float:
    begun = time.monotonic()
    # None may use connections that another round has left open.
    environ = {
        **environment,
        "ANSIBLE_FORKS": FORKS,
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none",
    }
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.returncode}: {done.stdout[-3000:]}{done.stderr[-2000:]}")
    return time.monotonic() - begun
