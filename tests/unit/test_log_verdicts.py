"""What the checks on logs share, at its limits: figures, lines not understood, logs that nobody writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.log_verdicts import items, listed, misread, number, short, silent
from upkeep.verdicts import Status

END = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", [0, 7, 0.5])
def test_a_figure_is_given_as_it_is(value: float) -> None:
    assert number({"count": value}, "count") == value


@pytest.mark.parametrize("value", [None, "7", True, [7], {}])
def test_what_is_no_figure_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="no figure 'count' was observed"):
        number({"count": value}, "count")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, []), ("ab", []), ({"a": 1}, []), ([{"a": 1}, None, "b", {}], [{"a": 1}, {}])],
)
def test_items(value: Any, expected: list[dict[str, int]]) -> None:
    assert items({"all": value}, "all") == expected


@pytest.mark.parametrize(("length", "kept"), [(59, 59), (60, 60), (61, 60), (999, 60)])
def test_names_are_cut(length: int, kept: int) -> None:
    said = short("x" * length)

    assert (len(said), said.endswith("…")) == (kept, length > 60)


@pytest.mark.parametrize(
    ("data", "counted", "message"),
    [
        ({"unparsed": 0}, 0, None),
        ({"unparsed": 0}, 100, None),
        ({"unparsed": 10}, 90, None),
        ({"unparsed": 11}, 90, "11 of 101 lines were not understood, at most 10 %"),
        ({"unparsed": 100}, 900, None),
        ({"unparsed": 101}, 900, "101 of 1001 lines were not understood, at most 10 %"),
        ({"unparsed": 1}, 9, None),
        ({"unparsed": 1}, 8, "1 of 9 lines were not understood, at most 10 %"),
        ({"unparsed": 1}, 0, "1 of 1 lines were not understood, at most 10 %"),
        ({"unparsed": 0, "untold": 0}, 100, None),
        ({"unparsed": 0, "untold": None}, 100, None),
        (
            {"unparsed": 0, "untold": 1},
            100,
            "none of 1 JSON lines was understood as a login, failed or not",
        ),
        ({"unparsed": 20, "untold": 1}, 80, "20 of 100 lines were not understood, at most 10 %"),
    ],
)
def test_lines_that_were_not_understood(
    data: dict[str, Any], counted: int, message: str | None
) -> None:
    found = misread(data, counted)

    assert (found.status, found.message) == (Status.UNKNOWN, message) if found else message is None


@pytest.mark.parametrize(
    ("age", "message"),
    [
        (timedelta(0), None),
        (timedelta(hours=24), None),
        (
            timedelta(hours=24, seconds=1),
            "the newest line is 24 h old, at most 24 h; nothing may be writing this log",
        ),
        (
            timedelta(days=3),
            "the newest line is 72 h old, at most 24 h; nothing may be writing this log",
        ),
        (timedelta(hours=-1), None),
        (None, "no line with a time was found; nothing may be writing this log"),
    ],
    ids=["now", "at the limit", "just older", "days", "a minute ahead", "no line"],
)
def test_a_log_that_nobody_writes(age: timedelta | None, message: str | None) -> None:
    newest = None if age is None else (END - age).isoformat()

    found = silent({"newest_at": newest, "window_end": END.isoformat()}, 24.0)

    assert (found.status, found.message) == (Status.UNKNOWN, message) if found else message is None


@pytest.mark.parametrize("value", [None, "ab", {"a": 1}, [None], [{"a": 1}, "b"]])
def test_a_list_that_a_verdict_rests_on_is_not_empty_because_it_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="no list 'all' was observed"):
        listed({"all": value}, "all")


@pytest.mark.parametrize("value", [[], [{"a": 1}, {}]])
def test_a_list_is_given_as_it_is(value: Any) -> None:
    assert listed({"all": value}, "all") == value
