"""Time that goes wrong: a clock that jumps in mid-run, and a host that is far too slow."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from integration.conftest import Sites
from integration.test_faults import SLOW_CHECK, begin_slow_run, slow_host
from lab.fleet import Fleet
from patience import PATIENCE_SECONDS

__all__ = ["slow_host"]

# On the controller: all of the driver's and Ansible's processes. Only the time of day jumps, as a real clock's does.
CONTROLLER = """
import datetime, os, threading, time
def watch():
    while not os.path.exists({jump!r}):
        time.sleep(0.05)
    import time_machine
    hours = float(open({jump!r}).read())
    to = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    time_machine.travel(to, tick=True).start()
    open({jumped!r}, "a").write(f"{{os.getpid()}} {{time.time()}}\\n")
if "upkeep.cli.main" in open("/proc/self/cmdline").read() or "ansible-playbook" in open("/proc/self/cmdline").read():
    threading.Thread(target=watch, daemon=True).start()
"""
HOST = """
import os, time
real = time.time
def jumped():
    try:
        return real() + 3600 * float(open("/tmp/jump").read())
    except (OSError, ValueError):
        return real()
time.time = jumped
"""
HALF_AN_HOUR = 1800
"""What a clock that jumps by an hour would be known by, and no busy machine takes."""
CUSTOMIZE = "/usr/lib/python3.11/sitecustomize.py"


@pytest.fixture
def host_clock(fleet: Fleet) -> Iterator[str]:
    """plain1, whose Python's clock jumps by what stands in /tmp/jump."""
    fleet.run("plain1", "sh", "-c", f"rm -f {CUSTOMIZE}; cat > {CUSTOMIZE} <<'END'\n{HOST}END")
    yield "plain1"
    fleet.run("plain1", "rm", "-f", "/tmp/jump", CUSTOMIZE)


@pytest.mark.parametrize("hours", [1, -1])
def test_7_a_clock_that_jumps_in_mid_run_ends_nothing_early_or_late(
    site: Sites, fleet: Fleet, slow_host: str, host_clock: str, tmp_path: Path, hours: int
) -> None:
    upkeep = site({slow_host: [SLOW_CHECK, "file_handles"]}, host_timeout_seconds=8)
    jump, jumped = tmp_path / "jump", tmp_path / "jumped"
    (tmp_path / "custom").mkdir()
    text = CONTROLLER.format(jump=str(jump), jumped=str(jumped))
    (tmp_path / "custom" / "sitecustomize.py").write_text(text)
    upkeep.environ["PYTHONPATH"] = f"{tmp_path}/custom:{upkeep.environ['PYTHONPATH']}"

    started = begin_slow_run(upkeep, fleet)
    fleet.run(host_clock, "sh", "-c", f"echo {hours} > /tmp/jump")
    jump.write_text(str(hours))
    started.communicate(timeout=PATIENCE_SECONDS)

    assert len(jumped.read_text().splitlines()) >= 2  # the driver and Ansible
    document = upkeep.json("show", "1")
    (host,) = document["hosts"]
    assert host["outcome"] == "ok"
    assert 7 <= host["seconds"] < HALF_AN_HOUR
    status = {one["check"]: one["status"] for one in document["results"]}
    assert status == {"failed_logins": "unknown", "file_handles": "pass"}
    begun, ended = (
        datetime.fromisoformat(document["run"][name]) for name in ("started_at", "ended_at")
    )
    assert 7 <= (ended - begun).total_seconds() < HALF_AN_HOUR


def test_14_a_host_at_ten_bytes_a_second_is_given_up(site: Sites, fleet: Fleet) -> None:
    wanted = {"plain1": ["load_per_core"], "web1": ["load_per_core"]}
    upkeep = site(wanted, host_seconds={"plain1": 2})
    link = fleet.link("plain1")
    slow = ["tbf", "rate", "80bit", "burst", "1540", "latency", "60s"]

    subprocess.run(["tc", "qdisc", "add", "dev", link, "root", *slow], check=True)
    try:
        document = upkeep.json("run", "daily")
    finally:
        subprocess.run(["tc", "qdisc", "del", "dev", link, "root"], check=True)

    outcomes = {host["name"]: host["outcome"] for host in document["hosts"]}
    assert outcomes["web1"] == "ok"
    assert outcomes["plain1"] in ("timed_out", "unreachable")
    slow_one = next(host for host in document["hosts"] if host["name"] == "plain1")
    assert slow_one["seconds"] < HALF_AN_HOUR
