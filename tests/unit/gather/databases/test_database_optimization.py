"""The record of the job db_optimize, as it is observed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases.database_optimization import (
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

ENTRY = {"subject": "one", "schema": "public", "index": "i", "name": "shop", "port": 5432, "run": "31",
         "began_at": "2026-11-27T03:00:00+00:00", "why": "held", "rests": ['"public"."i_ccnew"']}  # fmt: skip
LAST = {"ended_at": "2026-11-27T04:00:00+00:00", "run": "31", "outcome": "done", "why": "", "done": 2,
        "not_done": 0}  # fmt: skip


def seen_of(folder: Path, said: Any) -> list[tuple[str, Any]]:
    (folder / "record.json").write_text(json.dumps(said))
    seen = gather({"optimize_folder": str(folder)}, Host())
    return [(one.subject, one.data) for one in seen]


def test_each_database_has_what_is_left_in_it(tmp_path: Path) -> None:
    said = {
        "last": {"one": LAST, "two": LAST},
        "reindexing": [ENTRY, {**ENTRY, "subject": "three", "rests": []}],
    }
    left = {"index": '"public"."i_ccnew"', "of": "public.i", "database": "shop", "port": 5432, "run": "31",
            "began_at": "2026-11-27T03:00:00+00:00", "why": "held"}  # fmt: skip

    assert seen_of(tmp_path, said) == [
        ("one", {**LAST, "rests": [left]}),
        ("two", {**LAST, "rests": []}),
        ("three", {"outcome": "unknown", "rests": [{**left, "index": ""}]}),
    ]


def test_where_the_job_never_ran_there_is_nothing(tmp_path: Path) -> None:
    assert gather({"optimize_folder": str(tmp_path / "gone")}, Host()) == []


@pytest.mark.parametrize(
    "said", [[], {"last": 1, "reindexing": []}, {"last": {"one": {}}, "reindexing": []},
             {"last": {}, "reindexing": [{**ENTRY, "why": 7}]}, {"last": {"one": {**LAST, "done": "x"}}, "reindexing": []}],
)  # fmt: skip
def test_what_the_job_does_not_write_cannot_be_seen(tmp_path: Path, said: Any) -> None:
    with pytest.raises(HostError, match="not what the job db_optimize writes"):
        seen_of(tmp_path, said)


def test_a_record_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text("{}")
    file.chmod(0o666)

    with pytest.raises(HostError, match="nobody else may write"):
        gather({"optimize_folder": str(tmp_path)}, Host())
