"""The table of commands, by which help is written without loading any, says what the commands say themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import command_runner
import pytest

from upkeep.cli import lazy
from upkeep.cli.main import cli

FOLDER = Path(lazy.__file__).parent
LOADED = """
import sys
from upkeep.cli.main import cli
try:
    cli(["--help"])
except SystemExit:
    pass
print(sorted(one for one in sys.modules if one.startswith(("upkeep.store", "sqlalchemy", "pydantic"))))
"""


@pytest.mark.parametrize("words", lazy.COMMANDS)
def test_the_table_says_of_a_command_what_it_says_itself(words: str) -> None:
    command = command_runner.get_command(cli)
    for name in words.split():
        command = command.commands[name]

    assert command.name == words.split()[-1]
    assert " ".join((command.help or "").split()).startswith(lazy.COMMANDS[words][1])


def test_each_file_of_commands_has_just_those_of_the_table() -> None:
    files = {
        path.stem for path in FOLDER.glob("*.py") if "\ncli = typer.Typer(" in path.read_text()
    }
    files.discard("main")

    assert files == {module for module, _help in lazy.COMMANDS.values()}
    for module in files:
        app = __import__(f"upkeep.cli.{module}", fromlist=["cli"]).cli
        listed = {
            words.split()[-1] for words, (where, _help) in lazy.COMMANDS.items() if where == module
        }
        assert set(lazy.commands_of(app)) == listed


def test_each_command_has_its_place_in_the_help() -> None:
    placed = [name for names in lazy.SECTIONS.values() for name in names]

    assert sorted(placed) == sorted(name for name in lazy.COMMANDS if " " not in name)


def test_the_list_of_commands_is_written_without_loading_any() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )

    *text, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert any(line.startswith("  run  ") for line in text)
    assert "Run and read:" in text


def test_a_command_that_is_not_there_is_told_with_the_nearest() -> None:
    done = command_runner.CliRunner().invoke(cli, ["findding"])

    assert done.exit_code == 2
    assert "finding" in done.output
