"""What is remembered of an inventory holds for that inventory alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from listed_once import listed_once

from upkeep.site import inventory


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Ansible was asked for; it answers with how often."""
    calls: list[str] = []

    def answer(source: str, *_more: Any) -> dict[str, Any]:
        calls.append(source)
        return {"calls": {"hosts": [str(len(calls))]}}

    monkeypatch.setattr(inventory, "_list", answer)
    return calls


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "hosts.yml").write_text(f"all: {{hosts: {{of_this_test: {tmp_path}}}}}\n")
    return folder


def listing(source: Path, limit: str = "") -> list[str]:
    return [*inventory.read_inventory(str(source), limit)]


def test_the_same_is_asked_for_once_and_whoever_has_it_may_change_it(
    asked: list[str], source: Path
) -> None:
    with listed_once():
        inventory.read_listing(str(source)).clear()
        found = [listing(source) for _again in range(2)]

    assert found == [["1"]] * 2
    assert len(asked) == 1


@pytest.mark.parametrize(
    "beside", ["inventory/hosts.yml", "inventory/group_vars/all.yml", "ansible.cfg"]
)
def test_another_content_is_asked_for_anew(asked: list[str], source: Path, beside: str) -> None:
    with listed_once():
        listing(source)
        path = source.parent / beside
        path.parent.mkdir(exist_ok=True)
        path.write_text("# other\n")

        assert listing(source) == ["2"]


def test_another_question_is_asked(
    asked: list[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listed_once():
        listing(source)
        assert listing(source, "web1") == ["2"]
        monkeypatch.setenv("ANSIBLE_VARS_ENABLED", "")
        assert listing(source) == ["3"]


@pytest.mark.parametrize("text", ["#!/bin/sh\necho '{}'\n", "x"], ids=["script", "program"])
def test_a_program_is_asked_each_time(asked: list[str], source: Path, text: str) -> None:
    program = source / "cloud"
    program.write_text(text)
    program.chmod(0o755)

    with listed_once():
        assert [listing(source), listing(source)] == [["1"], ["2"]]


def test_a_vault_is_asked_each_time(
    asked: list[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/nonexistent")

    with listed_once():
        assert [listing(source), listing(source)] == [["1"], ["2"]]


def test_what_ansible_refuses_is_refused_each_time(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise inventory.ConfigurationError("broken")

    monkeypatch.setattr(inventory, "_list", refuse)
    with listed_once():
        for _again in range(2):
            with pytest.raises(inventory.ConfigurationError, match="broken"):
                listing(source)
