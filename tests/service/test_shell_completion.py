"""Completion as the shells do it: bash, zsh and fish themselves are asked what they would offer."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from upkeep.cli.complete import SCRIPTS, candidates
from upkeep.cli.main import cli
from upkeep.model import clock
from upkeep.model.verdicts import Severity
from upkeep.rules.waivers import WaiverScope
from upkeep.site.init import write_site
from upkeep.site.site import load_site
from upkeep.store import open_store, silences, tables, waivers
from upkeep.store.silences import NewSilence

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a site below it, the command on PATH, and a state of its own."""
    folder = tmp_path_factory.mktemp("completion")
    write_site(folder / "mysite")
    (folder / "mysite" / "inventory" / "hosts.yml").write_text(
        "web: {hosts: {web1: {}, web2: {}}}\n"
    )
    (folder / "bin").mkdir()
    command = folder / "bin" / "upkeep"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m upkeep.cli.main "$@"\n')
    command.chmod(0o755)
    return folder


def environ(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "UPKEEP_STATE": str(folder / "state"),
        "HOME": str(folder),
        "TERM": "dumb",
    }


def by_bash(folder: Path, line: str) -> list[str]:
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _upkeep upkeep;'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", str(SCRIPTS / "bash"), *line.split(" ")],
        capture_output=True, text=True, check=True, cwd=folder, env=environ(folder),
    )  # fmt: skip
    return done.stdout.split()


def by_fish(folder: Path, line: str) -> list[str]:
    script = f"source {SCRIPTS / 'fish'}; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        capture_output=True, text=True, check=True, cwd=folder, env=environ(folder),
    )  # fmt: skip
    return [one.split("\t")[0] for one in done.stdout.splitlines()]


def by_zsh(folder: Path, line: str) -> list[str]:
    """Call the function as zsh's completion does, and print what it gives to `_describe`."""
    script = (
        "compdef() { }; _describe() { print -rl -- ${(P)3} }; _files() { };"
        ' source "$1"; shift; words=("$@"); CURRENT=$#; _upkeep'
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", script, "zsh", str(SCRIPTS / "zsh"), *line.split(" ")],
        capture_output=True, text=True, check=True, cwd=folder, env=environ(folder),
    )  # fmt: skip
    return [one.split(":")[0] for one in done.stdout.splitlines()]


ASK = {"bash": by_bash, "fish": by_fish, "zsh": by_zsh}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("upkeep wai", {"waiver"}),
        ("upkeep review ", {"list", "show", "sign", "hand-over", "renew", "attachment", "verify"}),
        ("upkeep run -i my", {"mysite"}),
        ("upkeep run -i mysite ", {"daily", "list", "show", "judge"}),
        ("upkeep run daily -i mysite --limit ", {"web1", "web2"}),
        ("upkeep run daily -i mysite --limit=w", {"--limit=web1", "--limit=web2"}),
        ("upkeep check disk_space", {"disk_space", "disk_space_trend"}),
    ],
    ids=["command", "verbs", "site", "procedures", "hosts", "hosts in one word", "checks"],
)
def test_a_shell_offers(shell: str, line: str, offered: set[str], folder: Path) -> None:
    if shutil.which(shell) is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{shell} is not on PATH")
    found = set(ASK[shell](folder, line))

    assert offered - found == set(), found


def test_nothing_is_made_by_asking(folder: Path) -> None:
    by_bash(folder, "upkeep show ")
    by_bash(folder, "upkeep alert ack -i mysite ")

    assert not (folder / "state").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str, folder: Path) -> None:
    done = subprocess.run(
        ["upkeep", "--show-completion", shell],
        capture_output=True, text=True, check=True, env=environ(folder),
    )  # fmt: skip

    assert done.stdout == (SCRIPTS / shell).read_text()


def test_another_shell_is_refused(folder: Path) -> None:
    done = subprocess.run(
        ["upkeep", "--show-completion", "tcsh"],
        capture_output=True, text=True, check=False, env=environ(folder),
    )  # fmt: skip

    assert done.returncode == 64
    assert "expected one of bash, zsh, fish" in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["user", "role", "kim", ""], ["viewer", "operator", "approver", "admin", "auditor"]),
        (["review", "sign", "1", "--verdict", "p"], ["pass"]),
        (["baseline", "accept", "--better", ""], ["lower", "higher"]),
        (["baseline", "accept", "--better=h"], ["--better=higher"]),
        (["baseline", "accept", "--better", "=", "h"], ["higher"]),
        (["baseline", "accept", "--better", "="], ["lower", "higher"]),
        (["runs", "--j"], ["--json"]),
        (["--show-completion", ""], ["bash", "zsh", "fish"]),
        (["run", "daily", "-i", "/does/not/exist", "--limit", ""], []),
    ],
)
def test_it_is_offered(words: list[str], offered: list[str]) -> None:
    assert [value for value, _help in candidates(cli, words)] == offered


def test_numbers_and_names_of_the_database_are_offered(
    folder: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each argument offers what its command takes: what lasts, what waits for a second person, what is absent."""
    site = load_site(str(folder / "mysite"))
    now = clock.now()
    silence = NewSilence(
        check="disk_space", host="web1", severity=2, reason="moving", by="ada",
        at=now, begins=now, ends=now + timedelta(hours=2),
    )  # fmt: skip
    with contextlib.closing(open_store(sqlite_url)) as store, store.begin() as db:
        for new in (silence, dataclasses.replace(silence, needs_approval=True)):
            silences.add(db, site.key, new)
        scope = WaiverScope("disk_space", "web1", "/", Severity.HIGH)
        for _one in range(2):
            ends = now + timedelta(days=2)
            waivers.request(db, site.key, scope, "old", ends, by="ada", now=now)
        waivers.approve(db, 1, "bob", now)
        gone = {"site": site.key, "procedure": "daily", "host": "db7", "since": now, "run_id": 1}
        db.execute(tables.absent_host.insert().values(gone))
    monkeypatch.setenv("UPKEEP_DATABASE", sqlite_url)

    for words, offered in (
        ("silence end", ["1", "2"]),
        ("silence approve", ["2"]),
        ("waiver revoke", ["1", "2"]),
        ("waiver approve", ["2"]),
        ("host accept", ["db7"]),
    ):
        typed = [*words.split(), "-i", str(folder / "mysite"), ""]
        assert [value for value, _help in candidates(cli, typed)] == offered, words
