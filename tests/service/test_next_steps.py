"""What a command says to do first, where it has nothing to list, is a command for the same site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import warm

from upkeep.site.init import write_site


def test_the_program_tells_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "upkeep.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.fullmatch(r"upkeep (\d+\.\d+\.\d+.*|unknown)\n", done.stdout)


@pytest.mark.parametrize("words", [(), ("db",), ("user",), ("alert",), ("host",)])
def test_a_group_alone_shows_its_help(words: tuple[str, ...]) -> None:
    done = warm.run(words)

    assert done.returncode == 64
    assert ("\nCommands:\n" if words else "\nRun and read:\n") in done.stderr
    assert "\\n" not in done.stderr


COMMANDS = (
    "run list", "finding list", "alert list", "review list", "waiver list", "baseline list", "schedule completion",
    "occurrence list", "silence list", "user list",
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_it_names_the_site(words: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(site)

    done = warm.run(
        [*words.split(), "-i", str(site)],
        env=os.environ | {"UPKEEP_STATE": str(tmp_path / "state")},
    )
    assert done.returncode == (3 if words == "finding list" else 0), done.stderr

    assert done.stdout == ""
    assert re.search(rf"\bupkeep [a-z -]+ (-i {site}|--help)$", done.stderr), done.stderr
