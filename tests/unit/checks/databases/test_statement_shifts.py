"""Whether a statement is slower: how often that is said of one that is not, and how soon of one that is."""

from __future__ import annotations

from random import Random

import pytest
from statement_looks import NOW, recorded, recorded_server, slowed, unchanged

from upkeep.checks.databases import database_new_statements, database_slow_statements
from upkeep.checks.databases._shifts import (
    CERTAIN,
    LEAST_EARLIER,
    NEWEST,
    Interval,
    shift_of,
)
from upkeep.checks.databases.database_statement_regression import Limits, judge
from upkeep.model.verdicts import Status

LOW = Limits().low_percent / 100
ALL = Limits(min_calls=20, min_load_percent=0)


def is_worse(intervals: list[Interval]) -> bool:
    found = shift_of(intervals)
    return found is not None and found.errors >= CERTAIN and found.change >= LOW


@pytest.mark.parametrize("spread", [0.005, 0.01, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("earlier", [20, 50])
def test_of_200_comparisons_of_an_unchanged_load_two_at_most_are_worse(
    earlier: int, spread: float
) -> None:
    random = Random(f"{earlier} {spread}")
    series = [unchanged(random, earlier + 20, spread) for _one in range(10)]

    said = [is_worse(one[: earlier + count]) for one in series for count in range(1, 21)]

    assert len(said) == 200
    assert sum(said) <= 2


@pytest.mark.parametrize(
    ("slower", "within", "spread"), [(1.1, 3, 0.01), (1.1, 3, 0.02), (1.05, 10, 0.01), (1.05, 10, 0.02)]
)  # fmt: skip
def test_what_is_slower_is_named_in_95_of_100(slower: float, within: int, spread: float) -> None:
    random = Random(f"{slower} {spread}")
    series = [unchanged(random, 50 + within, spread, slower, 50) for _one in range(100)]

    named = [any(is_worse(one[: 50 + count]) for count in range(1, within + 1)) for one in series]

    assert sum(named) >= 95


def test_a_statement_stays_named_while_it_is_slow() -> None:
    series = unchanged(Random(5), 70, 0.02, 1.3, 50)

    assert all(is_worse(series[:count]) for count in range(53, 71))


def test_single_outliers_name_nothing() -> None:
    series = unchanged(Random(6), 40, 0.01)
    wild = [
        Interval(one.began, one.ended, one.calls, one.mean * (3 if number % 9 == 0 else 1), one.stddev)
        for number, one in enumerate(series)
    ]  # fmt: skip

    assert not any(is_worse(wild[:count]) for count in range(20, 41))


def test_the_same_mean_each_time_is_no_division_by_nothing() -> None:
    same = [Interval(NOW, NOW, 100, 0.02, 0.0)] * 30

    found = shift_of(same)

    assert found is not None
    assert (found.change, found.errors) == (pytest.approx(0), pytest.approx(0))


def test_too_few_intervals_are_no_comparison() -> None:
    series = unchanged(Random(7), LEAST_EARLIER + NEWEST[0], 0.01)

    assert shift_of(series[:-1]) is None
    assert shift_of(series) is not None


@pytest.mark.parametrize("name", ["pgbench_16.json", "pgbench_18.json"])
def test_of_what_was_recorded_under_an_unchanged_load_two_of_200_at_most_are_worse(
    name: str,
) -> None:
    verdicts = [
        judge(looks[end].seen, ALL, NOW, looks[:end])
        for looks in recorded(name)
        for end in range(20, len(looks))
    ]
    judged = [one for one in verdicts if one is not None and one.status is not Status.UNKNOWN]

    assert len(judged) >= 200
    assert sum(one.status is Status.FAIL for one in judged) <= len(judged) / 100


@pytest.mark.parametrize("name", ["pgbench_16.json", "pgbench_18.json"])
def test_what_becomes_much_slower_is_named_in_what_was_recorded(name: str) -> None:
    """The machine was busy with other work: a mean differed by 20 to 60 % from one look to the next."""
    named = 0
    series = [one for one in recorded(name) if len(one) > 50]
    for looks in series:
        slow = slowed(looks, 3.0, 40)
        verdicts = [judge(slow[end].seen, ALL, NOW, slow[:end]) for end in range(40, len(slow))]
        named += any(one is not None and one.status is Status.FAIL for one in verdicts[:11])

    assert named >= len(series) * 0.9


@pytest.mark.parametrize("name", ["pgbench_16.json", "pgbench_18.json"])
def test_nothing_of_what_was_recorded_is_slow_or_new(name: str) -> None:
    looks = recorded_server(name)

    for check in (database_slow_statements, database_new_statements):
        verdicts = [
            check.judge(looks[end].seen, check.Limits(), NOW, looks[:end])  # type: ignore[attr-defined]
            for end in range(3, len(looks))
        ]
        assert {one.status for one in verdicts if one is not None} == {Status.PASS}
