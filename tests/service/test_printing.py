"""What becomes of a run when nobody can have what it prints, with the real program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from patience import PATIENCE_SECONDS

HOSTS = """
all:
  hosts: {h1: {ansible_connection: local}}
  vars:
    upkeep_checks_disk:
      - {check: disk_space, mount_points: [/nowhere/at/all]}
"""
COMMAND = f"{sys.executable} -m upkeep.cli.main"


def shell(line: str, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("UPKEEP", COMMAND)],
        cwd=site.parent,
        env={**os.environ, "UPKEEP_WORKSPACE": str(site.parent / "work")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("UPKEEP run daily -i site | true; exit ${PIPESTATUS[0]}", ""),
        ("UPKEEP run daily -i site --json | true; exit ${PIPESTATUS[0]}", ""),
        (
            "UPKEEP run daily -i site >/dev/full",
            "upkeep: what was found could not be printed: No space left on device\n"
            "→ upkeep show 1 -i site\n",
        ),
        ("UPKEEP run daily -i site >&-", ""),
        ("UPKEEP run daily -i site 2>/dev/full >/dev/null", ""),
        ("UPKEEP run daily -i site 2>&- >/dev/null", ""),
    ],
    ids=["pipe", "JSON in a pipe", "full disk", "closed", "full for errors", "closed for errors"],
)
def test_a_run_ends_as_it_would_when_nobody_can_have_what_it_prints(
    line: str, told: str, tmp_path: Path, sqlite_url: str
) -> None:
    site = tmp_path / "site"
    (site / "inventory").mkdir(parents=True)
    (site / "inventory" / "hosts.yml").write_text(HOSTS)
    (site / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    (site / "upkeep.toml").write_text(f'state = "{tmp_path}/state"\n')

    done = shell(line, site)

    assert done.returncode == 2, done.stderr
    errors = "".join(one for one in done.stderr.splitlines(True) if not one.startswith("h"))
    assert errors == told
    (run,) = warm.run(["run", "list", "-i", str(site)]).stdout.splitlines()
    assert run.split("\t")[4:] == ["done", "1", run.split("\t")[-1]]
    # At least the one; others' tests may have filled a file system of this machine.
    assert int(run.split("\t")[-1].partition(" critical")[0]) >= 1
