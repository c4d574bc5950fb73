"""Which requirements are covered: tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.rules.coverage import CoverageState, Coverer, coverage, sentence
from upkeep.site.schedule_file import Schedule

COVERED, PARTLY, NOT_COVERED = (
    CoverageState.COVERED,
    CoverageState.PARTLY,
    CoverageState.NOT_COVERED,
)


def schedule(requirements: dict[str, Any], **procedure: Any) -> Schedule:
    daily = {"title": "Daily", "checks": ["disk_space"], **procedure}
    return Schedule.model_validate(
        {"procedures": {"daily": daily}, "requirements": requirements, "alerts": {}}
    )


def review(**more: Any) -> dict[str, Any]:
    return {"id": "look", "title": "Look", "covers": ["A1"], **more}


@pytest.mark.parametrize(
    ("requirement", "procedure", "state", "by", "lacks"),
    [
        ({}, {}, NOT_COVERED, [], []),
        ({"lacks": ["all of it"]}, {}, NOT_COVERED, [], ["all of it"]),
        ({}, {"covers": ["A1"]}, COVERED, ["procedure daily"], []),
        ({"lacks": ["b"]}, {"covers": ["A1"]}, PARTLY, ["procedure daily"], ["b"]),
        ({}, {"covers": ["A1"], "lacks": ["c"]}, PARTLY, ["procedure daily"], ["c"]),
        ({}, {"covers": ["B2"], "lacks": ["c"]}, NOT_COVERED, [], []),
        ({}, {"reviews": [review()]}, COVERED, ["review daily look"], []),
        ({}, {"reviews": [review(lacks=["d"])]}, PARTLY, ["review daily look"], ["d"]),
        (
            {"lacks": ["b"]},
            {"covers": ["A1"], "lacks": ["c"], "reviews": [review(lacks=["d"])]},
            PARTLY,
            ["procedure daily", "review daily look"],
            ["b", "c", "d"],
        ),
        ({"covered_by": [{"check": "disk_space"}]}, {}, COVERED, ["check disk_space"], []),
        ({"covered_by": [{"page": "/reviews"}]}, {}, COVERED, ["page /reviews"], []),
        ({"covered_by": [{"setting": "alerts"}]}, {}, COVERED, ["setting alerts"], []),
        (
            {"covered_by": [{"command": "upkeep doctor"}], "lacks": ["b"]},
            {},
            PARTLY,
            ["command upkeep doctor"],
            ["b"],
        ),
    ],
)
def test_a_requirement_is_covered_in_part_or_not_at_all(
    requirement: dict[str, Any],
    procedure: dict[str, Any],
    state: CoverageState,
    by: list[str],
    lacks: list[str],
) -> None:
    (row,) = coverage(schedule({"A1": {"title": "First", **requirement}}, **procedure))

    assert (row.id, row.title, row.state) == ("A1", "First", state)
    assert [f"{one.kind} {one.name}" for one in row.by] == by
    assert list(row.lacks) == lacks


def test_rows_are_in_the_order_of_the_file_with_the_titles_of_what_covers_them() -> None:
    found = coverage(
        schedule({"z": {"title": "Z", "heading": "Last"}, "a": {"title": "A"}}, covers=["z"])
    )

    assert [(row.id, row.heading) for row in found] == [("z", "Last"), ("a", "")]
    assert found[0].by == (Coverer("procedure", "daily", "Daily"),)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", ""),
        ("c", "1 of 1 requirements covered"),
        ("ccp", "2 of 3 requirements covered, 1 partly"),
        ("n", "0 of 1 requirements covered, 1 not yet"),
        ("cppnnn", "1 of 6 requirements covered, 2 partly, 3 not yet"),
    ],
)
def test_one_sentence_counts_them(states: str, expected: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "c": {"covered_by": [{"check": "disk_space"}]},
        "p": {"covered_by": [{"check": "disk_space"}], "lacks": ["b"]},
        "n": {},
    }
    rows = {f"R{at}": {"title": "R", **kinds[one]} for at, one in enumerate(states)}

    assert sentence(coverage(schedule(rows))) == expected


def test_a_procedure_tells_what_its_rows_and_reviews_lack() -> None:
    found = schedule(
        {"A1": {"title": "First", "lacks": ["b"]}, "B2": {"title": "Other", "lacks": ["e"]}},
        covers=["A1", "old"],
        lacks=["c"],
        reviews=[review(lacks=["d"])],
    )

    assert found.lacking_of("daily") == ("c", "A1: b", "A1: d")
    assert found.gaps == 4  # that of B2 too, which no procedure covers
