"""Whatever the second connection does, the job's result is the job's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.plugin_utils import progress

SAID = {"title": "turning stones", "number": 2, "of": 3, "step": "first", "share": None, "pid": 7}
ASKED = threading.Event()
NEVER = threading.Event()


def hang(*_given: Any, **_more: Any) -> dict[str, Any]:
    ASKED.set()
    NEVER.wait()
    raise OSError


def end(*_given: Any, **_more: Any) -> dict[str, Any]:
    ASKED.set()
    raise SystemExit(1)


def answer(_script: str, in_data: bytes, **_more: Any) -> dict[str, Any]:
    nonce = in_data.split(b"\n", 1)[0].decode()
    return {"stdout": f"\n{nonce} {json.dumps(SAID)}\n"}


def garbage(*_given: Any, **_more: Any) -> dict[str, Any]:
    ASKED.set()
    return {"stdout": "\x00" * 100_000}


def action(execute: Callable[..., dict[str, Any]], **given: Any) -> Any:
    """Return what an action has of what is asked of it."""
    connection = {"transport": "ssh", "become": None, "_shell": None, "_options": {}}
    task = {"check_mode": False, "async_val": 0}
    return SimpleNamespace(
        _connection=SimpleNamespace(**{**connection, **given.pop("connection", {})}),
        _task=SimpleNamespace(**{**task, **given}),
        _templar=SimpleNamespace(template=lambda value: value),
        _low_level_execute_command=execute,
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "PAUSE_SECONDS", 0.0)
    ASKED.clear()
    NEVER.clear()
    yield
    NEVER.set()


@pytest.mark.parametrize("execute", [hang, end, garbage])
def test_a_job_goes_on(
    execute: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.ENVIRONMENT, str(tmp_path))
    with progress.shown_progress(action(execute), {"inventory_hostname": "db1"}, "/x"):
        assert ASKED.wait()

    assert list(tmp_path.iterdir()) == []


def test_the_driver_is_told_until_the_job_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.ENVIRONMENT, str(tmp_path))
    told = []
    with progress.shown_progress(action(answer), {"inventory_hostname": "db1/../x"}, "/x"):
        while not told:
            told = [one for one in tmp_path.iterdir() if one.suffix == ".json"]
        said = json.loads(told[0].read_text())

    assert said == {"host": "db1/../x", "step": "turning stones (2 of 3): first", "share": None}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [
        {"check_mode": True},
        {"async_val": 60},
        {"connection": {"transport": "community.docker.docker"}},
        {"connection": {"become": SimpleNamespace(pipelining=False)}},
        {"connection": {"_options": None}},
    ],
    ids=["check mode", "async", "another connection", "su", "no options"],
)
def test_where_there_is_no_second_connection_nothing_is_asked(given: dict[str, Any]) -> None:
    before = threading.active_count()

    with progress.shown_progress(action(hang, **given), {"inventory_hostname": "db1"}, "/x"):
        assert threading.active_count() == before
