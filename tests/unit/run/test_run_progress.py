"""What Ansible's workers say of long jobs is taken from their own files, for hosts in work, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upkeep.run.progress import JobProgress, ProgressFolder, progress_of

SAID = {"host": "db1", "step": "restoring orders (2 of 7): restore", "share": 0.4}
STEP = SAID["step"]


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({}, JobProgress("db1", "restoring orders (2 of 7): restore", 0.4)),
        ({"share": None}, JobProgress("db1", "restoring orders (2 of 7): restore")),
        ({"share": 2}, JobProgress("db1", "restoring orders (2 of 7): restore")),
        ({"share": True}, JobProgress("db1", "restoring orders (2 of 7): restore")),
        ({"step": "a\n b"}, JobProgress("db1", "a b", 0.4)),
        ({"step": "s" * 9_000}, JobProgress("db1", f"{'s' * 299}…", 0.4)),
        ({"step": ""}, None),
        ({"step": 7}, None),
        ({"host": None}, None),
    ],
    ids=["whole", "no share", "too much", "no number", "lines", "long", "empty", "number", "host"],
)
def test_types_and_bounds(said: dict[str, Any], taken: JobProgress | None) -> None:
    assert progress_of({**SAID, **said}) == taken


def test_what_is_new_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    folder = ProgressFolder(tmp_path / "progress")
    file = folder.path / "1.json"

    def seen(in_work: tuple[str, ...] = ("db1",)) -> list[JobProgress]:
        return list(folder.changes(in_work))

    nothing = seen()
    file.write_text(json.dumps(SAID))
    first, again = seen(), seen()
    other = folder.path / "new"
    other.write_text(json.dumps({**SAID, "share": 0.5}))
    other.replace(file)
    more = seen()
    file.unlink()

    assert (nothing, again) == ([], [])
    assert first == [JobProgress("db1", str(STEP), 0.4)]
    assert more == [JobProgress("db1", str(STEP), 0.5)]
    assert seen() == [JobProgress("db1", "")]
    assert seen() == []


def test_of_a_host_that_is_not_in_work_nothing_is_taken(tmp_path: Path) -> None:
    folder = ProgressFolder(tmp_path)
    (tmp_path / "1.json").write_text(json.dumps(SAID))

    assert list(folder.changes(("db2",))) == []
    assert list(folder.changes(("db2", "db1"))) == [JobProgress("db1", str(STEP), 0.4)]


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 9_000, "null", "\xff"], ids=repr)
def test_what_no_worker_writes_is_passed_over(tmp_path: Path, text: str) -> None:
    folder = ProgressFolder(tmp_path)
    (tmp_path / "1.json").write_text(text, encoding="latin-1")
    (tmp_path / "2.json").symlink_to("/etc/passwd")
    (tmp_path / "3.json").mkdir()

    assert list(folder.changes(("db1",))) == []


def test_what_a_killed_worker_has_left_is_not_of_the_next_round(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps(SAID))

    assert list(ProgressFolder(tmp_path).changes(("db1",))) == []
