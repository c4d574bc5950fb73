"""Which checks a family means, in which release; and that its name is nobody else's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from upkeep.judging.check import CONNECTION, every, load
from upkeep.judging.entries import ParameterError
from upkeep.judging.families import (
    FIRST,
    NUMBERS,
    families,
    is_newer,
    newer,
    newest_first,
    version_of,
)

ROOT = Path(__file__).parents[3]
RELEASED = Path(__file__).parents[1] / "recorded" / "released_checks.json"
COMING = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]


def test_each_check_that_a_site_asks_for_is_in_one_family() -> None:
    listed = [name for names in families(load()).values() for name in names]
    asked_for = [name for name, one in load().items() if one.gather != CONNECTION]

    assert sorted(listed) == sorted(asked_for)
    assert {one.family for one in load().values()} >= families(load()).keys()


def test_no_family_is_called_like_a_check() -> None:
    """Nor like what Upkeep tells of itself: a word in an entry means one thing."""
    assert not {one.family for one in every().values()} & every().keys()


@pytest.mark.parametrize("name", load())
def test_a_check_that_was_released_keeps_its_release_and_a_new_one_has_the_coming(
    name: str,
) -> None:
    """A family in an older release than that has it not: else an upgrade would ask for it by itself."""
    released = json.loads(RELEASED.read_text(encoding="utf-8"))
    since = load()[name].since

    assert NUMBERS.fullmatch(since)
    if name in released["checks"]:
        assert since == released["checks"][name]
    else:
        assert since == COMING
        assert not released["release"] or is_newer(since, released["release"])


def test_the_checks_that_were_released_are_those_of_the_newest_release() -> None:
    """At a release, its checks and their releases are written down."""
    changelog = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    newest = newest_first(changelog["releases"])
    released = json.loads(RELEASED.read_text(encoding="utf-8"))

    assert released["release"] == (newest[0] if newest else "")
    assert bool(released["checks"]) == bool(newest)


def test_a_site_that_says_no_release_means_the_first() -> None:
    assert version_of(None, "9.9.9") == FIRST
    assert version_of("0.3.0", "0.3.0") == "0.3.0"
    assert version_of("0.3.0", "unknown") == "0.3.0"
    assert version_of("0.3.0", "0.3.1.dev4") == "0.3.0"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.1, "found 0.1; expected a release in quotes, such as '0.1.0'"),
        ("0.1", "found '0.1'; expected a release in quotes, such as '0.1.0'"),
        ("newest", "found 'newest'; expected a release in quotes, such as '0.1.0'"),
        (["0.1.0"], "found ['0.1.0']; expected a release in quotes, such as '0.1.0'"),
        ("0.4.0", "found '0.4.0'; this program is 0.3.9, and does not know what came later"),
    ],
)
def test_a_wrong_release_is_told(value: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        version_of(value, "0.3.9")

    assert str(caught.value) == f"upkeep_family_version: {said}"


@pytest.mark.parametrize(
    ("words", "without", "version", "names"),
    [
        (["backups"], [], "0.1.0", ["backup_size"]),
        (["backup_*"], [], "0.1.0", ["backup_size"]),
        (["backups"], ["backup_size"], "0.1.0", []),
        (["backups"], [], "0.2.0", []),
        (["backups", "backup_size"], [], "0.1.0", []),
        (["databases"], [], "0.1.0", []),
    ],
)
def test_what_came_later_is_named(
    words: list[str], without: list[str], version: str, names: list[str]
) -> None:
    checks = {**load(), "backup_size": replace(load()["backup_size"], since="0.2.0")}

    assert [one.id for one in newer(words, without, checks, version)] == names


def test_releases_are_compared_by_their_numbers() -> None:
    assert newest_first({"0.9.0", "0.10.0", "0.10.0-rc1", "1.0.0"})[0] == "1.0.0"
    assert is_newer("0.10.0", "0.9.0")
    assert not is_newer("0.9.0", "0.9.0")
