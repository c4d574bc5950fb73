"""In a pipe a list is rows alone: tabs between columns, no heading, exact times; sentences go to standard error."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import warm

from upkeep.model.roles import Role
from upkeep.store import Store, open_store, users

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/upkeep.db"
    monkeypatch.setenv("UPKEEP_DATABASE", url)
    monkeypatch.setenv("UPKEEP_STATE", str(tmp_path / "state"))
    with contextlib.closing(open_store(url)) as opened:
        yield opened


def piped(line: str) -> tuple[str, str]:
    """Return what a command prints into a pipe, and on standard error."""
    done = warm.run(shlex.split(line))
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "run list", "finding list", "alert list", "silence list", "review list", "waiver list",
        "baseline list", "occurrence list", "host list", "user list", "db sites",
    ],
)  # fmt: skip
def test_an_empty_list_is_empty(store: Store, line: str) -> None:
    out, said = piped(line)

    assert out == ""
    assert said.count("\n") == 1
    assert ". " in said


def test_users_are_rows_with_exact_times(store: Store) -> None:
    with store.begin() as db:
        users.add(db, "ada", Role.ADMIN, "kept", AT, person="ada", shared=False)
        users.add(db, "bob", Role.VIEWER, "kept", AT, person="", shared=True)
        users.turn_off(db, "bob", AT)

    assert piped("user list") == (
        "ada\tadmin\tada\tmay sign in\t0\nbob\tviewer\t shared\tdisabled 2030-01-02 03:04:05 UTC\t0\n",
        "",
    )
