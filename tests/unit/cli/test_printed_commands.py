"""Each command that the README and the documents print is one; those that only look are run on a site.

Each that they printed under an old name does what its new name does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import command_runner
import pytest
from printed_commands import printed, problems, resolve, words_of

from upkeep.cli import lazy
from upkeep.cli.actions import actions_of
from upkeep.cli.aliases import renamed
from upkeep.cli.main import cli
from upkeep.model.errors import UpkeepError
from upkeep.rules.actions import Action
from upkeep.site.init import write_site

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
OLD = Path(__file__).parents[1] / "recorded" / "old_commands.txt"
NO_COMMAND = ("NONCE",)
"""What begins with the program's name and is none: the frame of an answer."""
TREE = command_runner.get_command(cli)
SITES = ("SITE", "DIR", "mysite", "/etc/upkeep/site")
MEANT = {
    "ID": "disk_space", "CHECK": "disk_space", "HOST": "host1", "RUN": "1", "PROCEDURE": "daily", "NAME": "kim",
    "web1": "host1", "backup_size": "disk_space", "unwanted_file_system": "disk_space",
}  # fmt: skip
WRITES = {"--out", "--export"}


def documented() -> list[str]:
    found = {one for path in DOCUMENTS for one in printed(path.read_text(encoding="utf-8"))}
    return sorted(found - {*NO_COMMAND})


def old() -> Iterator[tuple[list[str], list[str]]]:
    """Yield what was printed under an old name, and what it is now."""
    for line in OLD.read_text(encoding="utf-8").splitlines():
        words = words_of(line)
        meant = renamed(words, lazy.Commands())
        if meant is not None:
            yield words, meant.arguments


def looks(words: list[str]) -> bool:
    """Return whether a command only looks, writes no file, and asks no other machine."""
    found, names, rest = resolve(TREE, words)
    acts = set(actions_of(found.callback)) if found.callback else set()
    return acts == {Action.LOOK} and not WRITES & set(rest) and names != ["doctor"]


def on(site: Path, words: list[str]) -> list[str]:
    """Return the words with the site, and with names that it has."""
    return [str(site) if one in SITES else MEANT.get(one, one) for one in words]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("printed") / "site"
    write_site(folder)
    hosts = "all: {hosts: {host1: {ansible_connection: local}}}\n"
    (folder / "inventory" / "hosts.yml").write_text(hosts)
    return folder


def ran(words: list[str], site: Path) -> tuple[int, str, str]:
    """Return exit status, output and the error of a command."""
    state = {"UPKEEP_STATE": str(site.parent / "state")}
    done: Any = command_runner.CliRunner().invoke(cli, words, env=state)
    if isinstance(done.exception, UpkeepError):
        return done.exception.exit_status, done.output, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output, ""


@pytest.mark.parametrize("command", documented())
def test_a_printed_command_is_one(command: str) -> None:
    assert problems(TREE, command) == []


@pytest.mark.parametrize("command", [one for one in documented() if looks(words_of(one))])
def test_one_that_only_looks_works_as_printed(command: str, site: Path) -> None:
    words = on(site, words_of(command))
    status, output, _error = ran(words, site)

    usage = "Usage: upkeep" in output or "Missing argument" in output
    assert status in (0, 1, 2, 3, 64)
    assert not usage or words == words[:2], (
        output
    )  # a span may name a command without what it takes


@pytest.mark.parametrize(("words", "now"), list(old()), ids=lambda one: " ".join(one))
def test_an_old_one_has_the_options_of_the_new_one(words: list[str], now: list[str]) -> None:
    assert words != now
    assert problems(TREE, " ".join(now).replace("'", "")) == []


@pytest.mark.parametrize(
    ("words", "now"), [one for one in old() if looks(one[1])], ids=lambda one: " ".join(one)
)
def test_an_old_one_prints_and_ends_as_the_new_one(
    words: list[str], now: list[str], site: Path
) -> None:
    assert ran(on(site, words), site) == ran(on(site, now), site)


def test_the_test_itself_sees_what_is_none() -> None:
    assert len(documented()) > 80
    assert len(list(old())) > 30
    assert problems(TREE, "no-such-command")
    assert problems(TREE, "run list --no-such-option")
    assert problems(TREE, "alert list 7")
    assert [
        *printed("    upkeep run daily -i SITE   # now\nand `sudo upkeep db prune`, `x upkeep y`")
    ] == [
        "run daily -i SITE",
        "db prune",
    ]
