"""What a run prints to do next works as printed: where it says, in a fresh shell, with what it promises.

A fleet of hosts is broken; every line that the program prints as a next step is then taken as a person would: pasted. What
looks shows what it was told for; what changes something mends it, and the next run sees that.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import need_root
from lab import hosts
from lab.certificates import Authority
from lab.daily import BACKUP, BASE, DATABASE, FAULTS, WEB
from lab.fleet import Fleet, Host
from lab.site import ssh_arguments, write_site
from pasted import FOLLOWS, changes, problems
from patience import PATIENCE_SECONDS

from upkeep.model import remedies

LOGIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHOWS = {
    "backup_manifest": (1, "FAILED"),
    "certificate_expiry": (0, "Lab authority"),
    "database_connect": (0, "Local Address"),
    "deleted_open_files": (0, "(deleted)"),
    "disk_space": (0, "/var/data"),
    "failed_logins": (0, "198.51.100.7"),
    "http_health": (0, '"down"'),
    "site_errors": (0, "GET /broken"),
}
"""By check, the exit status of what looks, and a word of what it was told for."""

ENDED = (0, 1, 2, 3)
"""All is well; something of medium or low severity; something worse; something was not seen. Above are errors."""


class Controller:
    """The machine that the program runs on, as somebody has it who has just signed in."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "bin"
        programs.mkdir()
        paths = ":".join(one for one in sys.path if one)
        (programs / "upkeep").write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {sys.executable} -m upkeep.cli.main "$@"\n'
        )
        (programs / "upkeep").chmod(0o755)
        self.path = f"{programs}:{Path(sys.executable).parent}:{LOGIN_PATH}"

    def paste(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["env", "-i", "HOME=/root", f"PATH={self.path}", "LC_ALL=C.UTF-8", "bash", "-c", line],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )


class Lab:
    """Broken hosts, their site, and what the program said of them."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.controller = Controller(folder)
        self.said: list[str] = []
        address = next(iter(fleet.hosts.values())).address.rpartition(".")[0]
        groups = {
            "base": {
                "hosts": {**{key: {} for key in fleet.hosts}, "gone": {"ansible_host": f"{address}.250"}},
                "vars": {"upkeep_checks_base": BASE},
            },
            "web": {"hosts": {"web1": {}}, "vars": {"upkeep_checks_web": WEB}},
            "database": {"hosts": {"db1": {}}, "vars": {"upkeep_checks_database": DATABASE}},
            "backup": {"hosts": {"backup1": {}}, "vars": {"upkeep_checks_backup": BACKUP}},
        }  # fmt: skip
        self.site = write_site(folder / "my site", fleet, groups)

    def paste(self, host: str, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell that has just been opened on a host, over SSH."""
        up = self.fleet.hosts[host]
        ssh = ["ssh", "-n", *shlex.split(ssh_arguments(self.fleet)), "-i", str(self.fleet.key)]
        fresh = f"env -i HOME=/root PATH={LOGIN_PATH} bash -lc {shlex.quote(line)}"
        return subprocess.run(
            [*ssh, f"root@{up.address}", fresh],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def upkeep(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.controller.paste(shlex.join(["upkeep", *words, "-i", str(self.site)]))

    def results(self) -> list[dict[str, Any]]:
        """Run the procedure; return what did not pass, as it is stored."""
        self.said.append(self.upkeep("run", "daily").stdout)
        done = self.upkeep("show", str(len(self.said)), "--json")
        assert done.stdout, done.stderr
        return [one for one in json.loads(done.stdout)["results"] if one["status"] != "pass"]


@pytest.fixture(scope="module")
def lab(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need_root()
    issued = authority.issue("app.lab.example")
    web = hosts.web(issued.certificate, issued.key, authority.pem)
    made = [
        Host("web1", web),
        Host("db1", hosts.database),
        Host("backup1", hosts.backup),
        Host("nopython", hosts.no_python),
    ]
    with Fleet(made) as fleet:
        for fault in FAULTS:
            fault.plant(fleet, authority)
        yield Lab(fleet, tmp_path_factory.mktemp("printed"))


@pytest.fixture(scope="module")
def bad(lab: Lab) -> list[dict[str, Any]]:
    """All that did not pass, each with its next step."""
    return lab.results()


def commands(bad: list[dict[str, Any]], where: str) -> list[tuple[dict[str, Any], str]]:
    """Return the results with a command that is to be run there, and that command."""
    found = [(one, remedies.command_of(one["remedy"])) for one in bad]
    return [
        (one, line)
        for one, line in found
        if line and remedies.words_of(one["remedy"]).startswith(f"{where}: ")
    ]


def test_each_next_step_can_be_pasted_and_says_where(bad: list[dict[str, Any]]) -> None:
    wrong = {one["remedy"]: problems(one["remedy"]) for one in bad if problems(one["remedy"])}
    nowhere = [
        one["remedy"]
        for one in bad
        if remedies.command_of(one["remedy"])
        and not remedies.words_of(one["remedy"]).startswith(
            (f"{remedies.ON_HOST}: ", f"{remedies.ON_CONTROLLER}: ")
        )
    ]
    of = {(one["host"], one["check"]) for one in bad}
    leading_nowhere = [
        one["remedy"]
        for one in bad
        if FOLLOWS.fullmatch(one["remedy"]) and (one["host"], one["remedy"].split()[2]) not in of
    ]

    assert (wrong, nowhere, leading_nowhere) == ({}, [], [])


def test_what_a_line_names_is_on_its_host(lab: Lab, bad: list[dict[str, Any]]) -> None:
    """Each program, unless the line says what installs it; each file."""
    lacking = []
    for one, line in commands(bad, remedies.ON_HOST):
        for program in remedies.programs_of(line):
            there = lab.paste(one["host"], f"command -v {program}").returncode == 0
            said = f"apt-get install {remedies.PACKAGES.get(program)}" in one["remedy"]
            lacking += [] if there or said else [(one["host"], program)]
        for word in (each.strip(";") for each in shlex.split(line)):
            if word.startswith("/") and not word.startswith("/dev/"):
                there = lab.paste(one["host"], f"test -e {shlex.quote(word)}").returncode == 0
                made = line.startswith("mv ") and word.endswith(".broken")
                lacking += [] if there or made else [(one["host"], word)]

    assert lacking == []


def test_what_looks_shows_what_it_was_told_for(lab: Lab, bad: list[dict[str, Any]]) -> None:
    looks = [
        (one, line) for one, line in commands(bad, remedies.ON_HOST) if not changes(one["remedy"])
    ]
    wrong = []
    for one, line in looks:
        done = lab.paste(one["host"], line)
        status, word = SHOWS[one["check"]]
        if done.returncode != status or word not in done.stdout:
            wrong.append((line, done.returncode, done.stdout[-500:], done.stderr[-500:]))

    assert wrong == []
    assert {one["check"] for one, _line in looks} == set(SHOWS)


def printed(*texts: str) -> set[str]:
    """Return the commands of ours that stand at the end of lines."""
    found = re.findall(r"(?<![\w/])(upkeep [a-z].*? -i '[^']+'(?: --limit \S+)?)", "\n".join(texts))
    return set(found)


def test_commands_of_ours_are_run_as_printed(lab: Lab, bad: list[dict[str, Any]]) -> None:
    shown = [
        lab.upkeep("show", "1"),
        lab.upkeep("finding", "list"),
        lab.upkeep("run", "list"),
        lab.upkeep("doctor"),
        lab.upkeep("alert", "list"),
        lab.upkeep("run", "show", "999"),
        lab.upkeep("plan", "nothing"),
    ]
    lines = printed(
        *lab.said, *(one.stdout + one.stderr for one in shown), *(one["remedy"] for one in bad)
    )
    wrong = []
    for line in sorted(lines):
        done = lab.controller.paste(line)
        words = shlex.split(line)
        named = [word for before, word in itertools.pairwise(words) if before == "--limit"]
        promised = named or [words[2] if words[1] == "check" else ""]
        if done.returncode not in ENDED or not all(
            one in done.stdout for one in promised
        ):  # fmt: skip
            wrong.append((line, done.returncode, done.stdout[-300:], done.stderr[-500:]))

    assert len(lines) >= 4, [one.stdout for one in shown]
    assert wrong == []


def test_what_changes_something_mends_it_or_says_that_a_person_must_decide(
    lab: Lab, bad: list[dict[str, Any]]
) -> None:
    mending = []
    for one, line in commands(bad, remedies.ON_HOST):
        if not changes(one["remedy"]):
            continue
        done = lab.paste(one["host"], line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if remedies.DECIDE not in one["remedy"]:
            mending.append((one["host"], one["check"], one["subject"]))
    blocked = lab.paste("db1", "ip route get 198.51.100.7")

    again = {(one["host"], one["check"], one["subject"]) for one in lab.results()}
    assert {check for _host, check, _subject in mending} == {
        "certificate_served",
        "disk_space",
        "log_rotation_config",
    }
    assert [one for one in mending if one in again] == []
    assert blocked.returncode != 0
