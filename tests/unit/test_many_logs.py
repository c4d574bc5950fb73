"""More files than can be looked at are never left out without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils import logs
from ansible_collections.astral.upkeep.plugins.module_utils.gather import access_log, auth_log
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four logs, of which three are read."""
    monkeypatch.setattr(logs, "LOGS_LIMIT", 3)
    for name in "abcd":
        (tmp_path / f"{name}.log").write_text("")
    return tmp_path


def test_a_list_that_is_cut_is_an_error(folder: Path) -> None:
    with pytest.raises(HostError, match="more than 3 files have such a name"):
        Host().glob(f"{folder}/*.log", 3)
    assert len(Host().glob(f"{folder}/*.log", 4)) == 4


@pytest.mark.parametrize(
    ("pattern", "names", "problem"),
    [
        ("*.log", "abc", "4 logs have such a name, at most 3 are read"),
        ("[abc].log", "abc", ""),
        ("a.log", "a", ""),
        ("x.log", "x", ""),
        ("x*", "", "no log has such a name"),
    ],
)
def test_the_logs_of_a_pattern(folder: Path, pattern: str, names: str, problem: str) -> None:
    found, said = logs.logs_of(f"{folder}/{pattern}", Host())

    assert found == [f"{folder}/{name}.log" for name in names]
    assert said.endswith(problem)
    assert bool(said) == bool(problem)


@pytest.mark.parametrize("gather", [access_log, auth_log])
def test_the_pattern_itself_is_unknown_where_not_all_are_read(folder: Path, gather: object) -> None:
    pattern = f"{folder}/*.log"
    params = {
        name: spec.get("default")
        for name, spec in gather.ARGUMENTS.items()  # type: ignore[attr-defined]
    }

    seen = gather.gather(params | {"paths": [pattern]}, Host())  # type: ignore[attr-defined]

    assert {one.subject for one in seen} == {pattern, *(f"{folder}/{n}.log" for n in "abc")}
    assert [one.error for one in seen if one.subject == pattern] == [
        "4 logs have such a name, at most 3 are read"
    ]
