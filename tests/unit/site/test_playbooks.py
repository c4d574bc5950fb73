"""What a playbook does of ours, as far as its file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from upkeep.site.playbooks import PlaybookParts, parts_of

NOTHING = PlaybookParts(False, ())
BOTH = PlaybookParts(True, ("log_rotation",))


@pytest.mark.parametrize(
    ("playbook", "parts"),
    [
        ("astral.upkeep.daily", BOTH),
        ("astral.upkeep.observe", PlaybookParts(True, ())),
        ("astral.upkeep.log_rotation", PlaybookParts(False, ("log_rotation",))),
        ("astral.upkeep.nothing", NOTHING),
    ],
)
def test_a_playbook_of_the_collection(playbook: str, parts: PlaybookParts) -> None:
    assert parts_of(playbook) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("- hosts: all\n  tasks: [{astral.upkeep.observe: {}}]\n", PlaybookParts(True, ())),
        ("- ansible.builtin.import_playbook: astral.upkeep.daily\n", BOTH),
        ("- import_playbook: other.yml\n", BOTH),
        ("- import_playbook: itself.yml\n", NOTHING),
        ("- import_playbook: gone.yml\n", NOTHING),
        ("- hosts: all\n  roles: [astral.upkeep.log_rotation]\n", PlaybookParts(False, ("log_rotation",))),
        ("# astral.upkeep.observe\n- hosts: all\n", NOTHING),
        ("- hosts: [\n", NOTHING),
        ("", NOTHING),
    ],
    ids=["a task", "an import", "of a file beside", "of itself", "of none", "a role", "a comment", "no YAML", "empty"],
)  # fmt: skip
def test_a_playbook_of_the_site(tmp_path: Path, text: str, parts: PlaybookParts) -> None:
    (tmp_path / "other.yml").write_text("- import_playbook: astral.upkeep.daily\n")
    (tmp_path / "itself.yml").write_text("- import_playbook: itself.yml\n")
    (tmp_path / "mine.yml").write_text(text)

    assert parts_of(str(tmp_path / "mine.yml")) == parts


def test_a_playbook_that_is_not_there_does_nothing_that_is_known(tmp_path: Path) -> None:
    assert parts_of(str(tmp_path / "gone.yml")) == NOTHING
