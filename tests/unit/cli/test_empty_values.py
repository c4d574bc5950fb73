"""An unset variable of a shell, given as a value, is wrong usage and never `all` or `this machine`."""

from __future__ import annotations

import pytest

from upkeep.cli.main import _refuse_empty
from upkeep.model.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "daily", "--limit", ""], "--limit"),
        (["run", "daily", "--limit="], "--limit"),
        (["run", "daily", "-l", ""], "-l"),
        (["run", "daily", "-i", "", "--limit", "web1"], "-i"),
        (["run", "daily", "--inventory="], "--inventory"),
        (["run", ""], "an argument"),
        (["silence", "add", "--host", ""], "--host"),
        (["run", "daily", "--", ""], "--"),
    ],
    ids=" ".join,
)
def test_an_empty_value_is_refused_by_its_name(arguments: list[str], named: str) -> None:
    with pytest.raises(UsageError, match="found an empty text") as caught:
        _refuse_empty(arguments)

    assert str(caught.value).startswith(f"{named}: ")
    assert caught.value.exit_status == 64


@pytest.mark.parametrize(
    "arguments",
    [[], ["run", "daily"], ["check", "disk_space", "-p", "message="], ["run", "daily", "--limit=web1"]],
)  # fmt: skip
def test_what_is_not_empty_is_taken(arguments: list[str]) -> None:
    _refuse_empty(arguments)
