"""What becomes of a run when nobody can have what it prints, with the real program."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from patience import PATIENCE_SECONDS
from store_samples import NOW, answer, begun, result

from upkeep.model.verdicts import Severity
from upkeep.site.init import write_site
from upkeep.site.site import load_site
from upkeep.store import open_store, runs
from upkeep.store.answers import add_host

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


@pytest.mark.parametrize("words", ["show 1", "run list", "today", "show 1 --json"])
def test_a_list_ends_as_it_would_when_nobody_can_have_it(
    words: str, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status of a reader that has seen enough is the true one; a full disk is told, and is no good end."""
    site = tmp_path / "site"
    write_site(site)
    monkeypatch.setenv("UPKEEP_DATABASE", sqlite_url)
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    key = load_site(str(site)).key
    with contextlib.closing(open_store(sqlite_url)) as store, store.begin() as db:
        number = runs.start(db, begun(site=key))
        add_host(db, number, answer(result(Severity.HIGH)))
        runs.finish(db, number, "done", "", NOW)

    status = warm.run([*words.split(), "-i", str(site)]).returncode
    piped = shell(f"UPKEEP {words} -i site | true; exit ${{PIPESTATUS[0]}}", site)
    full = shell(f"UPKEEP {words} -i site >/dev/full", site)

    assert status == (0 if words == "run list" else 2)
    assert (piped.returncode, piped.stderr) == (status, "")
    assert full.returncode == (status or 3)
    assert full.stderr == (
        "upkeep: what was found could not be printed: No space left on device\n"
        "→ print to a place that has room\n"
    )


def test_a_check_by_hand_that_no_host_asks_for_has_checked_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("UPKEEP_WORKSPACE", str(tmp_path / "work"))
    (tmp_path / "site" / "inventory").mkdir(parents=True)
    (tmp_path / "site" / "inventory" / "hosts.yml").write_text(HOSTS)
    (tmp_path / "site" / "schedule.yml").write_text("procedures: {daily: {title: Daily}}\n")
    site = str(tmp_path / "site")

    done = warm.run(["check", "http_health", "-i", site])

    *_hosts, said, _empty, _report, following = done.stdout.splitlines()
    assert done.returncode == 3
    assert said == "The run failed: no host in this run asks for http_health. Nothing was checked."
    assert following == (
        "Next: add it to a list upkeep_checks_* of the inventory; see how: upkeep explain http_health"
        f" -i {site}"
    )
    assert warm.run(["run", "list", "-i", site]).stdout.split("\t")[4] == "failed"
