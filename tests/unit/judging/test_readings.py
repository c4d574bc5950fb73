"""Numbers and texts of a host, read with suspicion."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.judging.readings import figure, numbers, short, size_text

ODD = [True, "5", -1, -0.1, float("nan"), float("inf"), 1e30, 10**400, [5], {}]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": 0, "b": 2.5}, (0, 2.5)),
        ({"a": 9.9e29, "b": 1}, (9.9e29, 1)),
        ({"a": 1}, None),
        ({"a": None, "b": 1}, None),
        *(({"a": 1, "b": one}, None) for one in ODD),
    ],
)
def test_numbers_are_all_there_or_none_is(data: dict[str, Any], expected: Any) -> None:
    assert numbers(data, "a", "b") == expected


@pytest.mark.parametrize(
    ("data", "expected"), [({}, None), ({"a": None}, None), ({"a": 0}, 0), ({"a": 2.5}, 2.5)]
)
def test_a_figure_need_not_be_told(data: dict[str, Any], expected: float | None) -> None:
    assert figure(data, "a") == expected


@pytest.mark.parametrize("odd", ODD)
def test_a_figure_that_is_none_is_not_taken_for_one_that_was_not_told(odd: Any) -> None:
    with pytest.raises(ValueError, match=r"^a: found .*; expected a number, 0 or more$"):
        figure({"a": odd}, "a")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2, "1.0 MiB"),
        (1024**3, "1.0 GiB"),
        (1024**4, "1.0 TiB"),
        (1024**5, "1024.0 TiB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\tb  c", "a b c"),
        (None, "None"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("y " * 10_000, "y " * 59 + "y…"),
    ],
)
def test_a_text_is_one_line(text: object, expected: str) -> None:
    assert short(text) == expected
