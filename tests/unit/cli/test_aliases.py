"""An old name of a command means the new one; on a terminal a person is told, a pipe is not."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import command_runner
import pytest

from upkeep.cli import lazy
from upkeep.cli.aliases import ALIASES, Words, renamed, told
from upkeep.cli.main import cli


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("runs", "run list"),
        ("runs -i site -n 3", "run list -i site -n 3"),
        ("runs --help", "run list --help"),
        ("checks disk_space --json", "check list disk_space --json"),
        ("alerts", "alert list"),
        ("alerts --all", "alert list --all"),
        ("alerts show 3", "alert show 3"),
        ("alerts test chat", "alert test chat"),
        ("ack 3 4 --note x", "alert ack 3 4 --note x"),
        ("sign 1 --verdict pass", "review sign 1 --verdict pass"),
        ("waive", "waiver"),
        ("waive request a b c", "waiver ask a b c"),
        ("waive revoke 1", "waiver revoke 1"),
        ("procedures --json", "schedule list --settings --json"),
        ("hosts", "host list"),
        ("hosts accept web1", "host accept web1"),
        ("oncall", "oncall list"),
        ("oncall -i site", "oncall list -i site"),
        ("oncall --at 2030-01-01", "oncall list --at 2030-01-01"),
        ("user off kim", "user disable kim"),
        ("restore f --replace", "db restore f --replace"),
    ],
)
def test_an_old_name_means_the_new_one(typed: str, meant: str) -> None:
    found = renamed(typed.split(), lazy.Commands())

    assert found is not None
    assert found.arguments == meant.split()


@pytest.mark.parametrize(
    "typed",
    ["", "run daily", "run runs", "oncall set a b", "oncall list", "oncall --help", "user list", "--version", "show 1", "restore", "restore --help", "restore list -i site", "restore try x"],
)  # fmt: skip
def test_a_name_of_today_means_itself(typed: str) -> None:
    assert renamed(typed.split(), lazy.Commands()) is None


@pytest.mark.parametrize(("old", "new"), ALIASES.items(), ids=lambda words: " ".join(words))
def test_each_old_name_shows_the_help_of_the_new_one(old: Words, new: Words) -> None:
    runner = command_runner.CliRunner()
    if old[0] in lazy.Commands() and len(old) == 1:
        assert runner.invoke(cli, [*old, "--help"]).exit_code == 0  # of the group
        return
    by_old, by_new = (runner.invoke(cli, [*words, "--help"]) for words in (old, new))

    assert (by_old.exit_code, by_old.output) == (0, by_new.output)


def test_no_old_name_stands_in_the_help() -> None:
    shown = command_runner.CliRunner().invoke(cli, ["--help"]).output
    listed = {
        line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line.split()
    }

    assert not listed & ({old[0] for old in ALIASES} - set(lazy.Commands()))


def test_a_terminal_is_told_the_new_name_and_a_pipe_is_not() -> None:
    command = [sys.executable, "-m", "upkeep.cli.main", "runs", "--help"]
    ours, theirs = pty.openpty()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, check=True)
        said = os.read(ours, 1000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    silent = subprocess.run(command, capture_output=True, text=True, check=True)

    assert said == "upkeep runs is now upkeep run list\r\n"
    assert silent.stderr == ""


def test_it_is_told_by_the_words_that_were_typed() -> None:
    found = renamed(["alerts", "show", "3"], lazy.Commands())

    assert found is not None
    assert told(found) == "upkeep alerts show is now upkeep alert show"


@pytest.mark.parametrize(
    ("typed", "usage"),
    [
        (["run", "list", "--help"], "upkeep run list [OPTIONS]"),
        (["check", "list", "--help"], "upkeep check list [OPTIONS]"),
        (["run", "--help"], "upkeep run [OPTIONS]"),
        (["db", "backup", "--help"], "upkeep db backup [OPTIONS]"),
    ],
)
def test_a_verb_is_a_noun_too(typed: list[str], usage: str) -> None:
    done = command_runner.CliRunner().invoke(cli, typed, prog_name="upkeep")

    assert done.output.startswith(f"Usage: {usage}")


@pytest.mark.parametrize("typed", [["run", "--", "list"], ["run", "nightly"]])
def test_what_is_no_command_of_a_verb_is_its_argument(typed: list[str]) -> None:
    done = command_runner.CliRunner().invoke(cli, typed)

    assert str(done.exception).startswith(f"there is no procedure {typed[-1]!r}")
