"""What the job db_optimize writes down on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.errors import (
    OptimizeError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.optimize.record import (
    MOST_REINDEXED,
    Record,
)


def test_what_is_begun_is_there_for_the_next_run_until_it_ends(tmp_path: Path) -> None:
    record = Record(str(tmp_path / "record"))
    entry = {"index": "i"}
    record.begin(entry)

    assert Record(str(tmp_path / "record")).reindexing == [{"index": "i"}]

    record.end(entry)
    assert Record(str(tmp_path / "record")).reindexing == []


def test_without_making_it_a_missing_record_is_empty(tmp_path: Path) -> None:
    assert Record(str(tmp_path / "record"), make=False).reindexing == []
    assert not (tmp_path / "record").exists()


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(OptimizeError, match="not a folder of ours that others cannot write to"):
        Record(str(tmp_path))


@pytest.mark.parametrize("text", ["", "[", '{"a":' * 100_000], ids=["empty", "cut", "deep"])
def test_a_record_that_is_not_understood_is_not_taken_for_an_empty_one(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "record.json").write_text(text)

    with pytest.raises(OptimizeError, match="expected what the job wrote"):
        Record(str(tmp_path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("{}")
    (tmp_path / "record.json").symlink_to(tmp_path / "other")

    with pytest.raises(OptimizeError):
        Record(str(tmp_path))


@pytest.mark.parametrize("text", ["[]", '{"reindexing": 7, "rates": []}', '{"reindexing": [1]}'])
def test_parts_of_another_kind_are_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)

    record = Record(str(tmp_path))

    assert record.said == {"reindexing": [], "reindexed": {}, "rates": {}, "last": {}}
    assert record.rate("vacuum") is None


def test_of_very_many_indexes_the_newest_are_remembered(tmp_path: Path) -> None:
    record = Record(str(tmp_path))
    record.said["reindexed"] = {str(one): {} for one in range(MOST_REINDEXED)}

    record.keep_reindexed("new", {"bytes": 1})

    assert len(record.said["reindexed"]) == MOST_REINDEXED
    assert "0" not in record.said["reindexed"]
    assert record.said["reindexed"]["new"] == {"bytes": 1}


def test_only_one_run_works_at_a_time(tmp_path: Path) -> None:
    first, second = Record(str(tmp_path)), Record(str(tmp_path))

    with (
        first.alone(),
        pytest.raises(OptimizeError, match="another run is at work"),
        second.alone(),
    ):
        pass
    with second.alone():
        pass
