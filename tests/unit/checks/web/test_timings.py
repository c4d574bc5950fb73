"""Times of tries: which count, their percentiles, and where the time went."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.checks.web._timings import MOST_SECONDS, TryTimes, finite, percentile, try_times


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (0.5, 0.5),
        (86_400, 86_400.0),
        (86_400.1, None),
        (-0.1, None),
        (True, None),
        (False, None),
        (None, None),
        ("1", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_a_number_of_seconds_that_can_be(value: Any, expected: float | None) -> None:
    assert finite(value) == expected
    assert MOST_SECONDS == 86_400


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [
        (1, 50, 1),
        (2, 50, 1),
        (3, 50, 2),
        (100, 49, 49),
        (100, 50, 50),
        (100, 95, 95),
        (101, 95, 96),
        (20, 95, 19),
        (19, 95, 19),
        (5, 0, 1),
        (5, 100, 5),
    ],
)
def test_the_nearest_rank(count: int, percent: float, rank: int) -> None:
    assert percentile(range(1, count + 1), percent) == rank


def test_times_of_a_hundred_tries() -> None:
    tries = [{"total_seconds": number} for number in reversed(range(1, 101))]

    assert try_times(tries) == TryTimes(50.5, 50, 95, {})


@pytest.mark.parametrize(
    "tries", [[], [{}], [{"total_seconds": None}], [{"total_seconds": -1}, {"tcp_seconds": 1}]]
)
def test_without_a_total_there_are_no_times(tries: list[dict[str, Any]]) -> None:
    assert try_times(tries) is None


def test_steps_are_the_means_of_the_tries_that_told_them_and_a_total() -> None:
    found = try_times(
        [
            {"total_seconds": 4, "tcp_seconds": 1, "tls_seconds": 3},
            {"total_seconds": 2, "tcp_seconds": 0, "tls_seconds": "odd"},
            {"tcp_seconds": 99},
        ]
    )

    assert found == TryTimes(3.0, 2, 4, {"tcp": 0.5, "tls": 3.0})


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("dns", "; 1.50 s of it name look-up"),
        ("tcp", "; 1.50 s of it connecting"),
        ("upgrade", "; 1.50 s of it STARTTLS"),
        ("tls", "; 1.50 s of it TLS"),
        ("first_byte", "; 1.50 s of it first byte"),
    ],
)
def test_where_the_time_went(step: str, said: str) -> None:
    tries = [{"total_seconds": 3, "dns_seconds": 0.1, "tcp_seconds": 0.2, f"{step}_seconds": 1.5}]

    found = try_times(tries)

    assert found is not None
    assert found.slowest_step == said


def test_where_no_step_was_told_nothing_is_said() -> None:
    assert TryTimes(1, 1, 1, {}).slowest_step == ""
