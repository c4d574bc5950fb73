"""The help fits a terminal of 80 columns: nothing is cut off, for each command and each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import command_runner
import pytest

from upkeep.cli.main import cli


def commands() -> list[tuple[str, ...]]:
    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, (*words, name))

    return list(walk(command_runner.get_command(cli), ()))


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words) or "upkeep")
def test_nothing_is_cut_off_at_80_columns(words: tuple[str, ...]) -> None:
    done = command_runner.CliRunner().invoke(
        cli, [*words, "--help"], prog_name="upkeep", env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    )

    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line.endswith("...") and "Usage:" not in line] == []


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words) or "upkeep")
def test_each_command_has_a_sentence_of_its_own(words: tuple[str, ...]) -> None:
    found = command_runner.get_command(cli)
    for name in words:
        found = found.commands[name]
        assert (found.help or "").strip(), words
