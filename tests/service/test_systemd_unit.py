"""The unit is one that systemd takes, and by its own count is well protected; without systemd's programs: skipped."""

from __future__ import annotations

import configparser
import grp
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import upkeep

UNIT = Path(upkeep.__file__).parent / "data" / "systemd" / "upkeep.service"
# systemd's scale: below 2 is "OK" and well; the usual service without any setting has 9.6.
MOST_EXPOSURE = 2.0


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program and an account that this machine has."""
    text = UNIT.read_text()
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text)
    account = pwd.getpwnam("daemon")
    text = text.replace("User=upkeep", f"User={account.pw_name}")
    text = text.replace("Group=upkeep", f"Group={grp.getgrgid(account.pw_gid).gr_name}")
    path = tmp_path / "upkeep.service"
    path.write_text(text)
    return path


def service() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def test_systemd_takes_the_unit(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    complaints = [line for line in done.stderr.splitlines() if "upkeep.service" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


def test_the_unit_is_well_protected(analyze: str, unit: Path) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "offline" in done.stderr:
        pytest.skip(f"systemd is older than 250: {done.stderr.strip()}")

    exposure = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)

    assert exposure, done.stdout + done.stderr
    assert float(exposure[1]) < MOST_EXPOSURE, done.stdout


def test_what_the_driver_relies_on_is_left_to_it() -> None:
    said = service()

    assert said["Type"] == "notify"
    assert said["WatchdogSec"]
    assert said["KillMode"] == "mixed"  # a run is ended by the driver, not beside it
    assert "ProcSubset" not in said  # /proc/sys/kernel/random/boot_id
    assert "ProtectProc" not in said
    assert {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"} == set(
        said["RestrictAddressFamilies"].split()
    )
    assert "UPKEEP_WORKSPACE=%t/upkeep" in said["Environment"]
