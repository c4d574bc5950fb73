"""Limits of database_statement_regression, and each statement as a subject of its own."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from statement_looks import NOW, RESET, looked, statement

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    StatementCounters,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases._intervals import intervals
from upkeep.checks.databases.database_statement_regression import CHECK, Limits, judge, statements
from upkeep.judging.check import PastMoment, load
from upkeep.judging.judge import judge as judge_all
from upkeep.model.answer import Due, Seen
from upkeep.model.verdicts import Severity, Status, Verdict

CALLS = 1_000
EARLIER = 30


def series(after: float, total_factor: float = 1.0, calls: int = CALLS) -> list[PastMoment]:
    """Return looks at a statement whose calls take 100 ms by and large, and in the last three intervals `after`."""
    seconds, looks = 0.0, []
    for number in range(EARLIER + 4):
        looks.append(
            looked(number - EARLIER - 3, statement(calls * number, seconds), total=seconds * total_factor)
        )  # fmt: skip
        even = 0.1 + (0.0005 if number % 2 else -0.0005)
        seconds += calls * (even if number < EARLIER else after)
    return looks


def judged(looks: list[PastMoment]) -> Verdict:
    verdict = judge(looks[-1].seen, Limits(), NOW, looks[:-1])
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("after", "severity"),
    [(0.1, None), (0.05, None), (0.1028, None), (0.1032, Severity.LOW), (0.1245, Severity.LOW), (0.1255, Severity.MEDIUM), (9.0, Severity.MEDIUM)],
)  # fmt: skip
def test_limits(after: float, severity: Severity | None) -> None:
    verdict = judged(series(after))

    assert verdict.severity is severity
    assert verdict.measures[0].value == pytest.approx(after)


@pytest.mark.parametrize(("factor", "status"), [(99.0, Status.FAIL), (101.0, Status.PASS)])
def test_a_small_part_of_the_load_is_not_judged(factor: float, status: Status) -> None:
    assert judged(series(0.2, factor)).status is status


def test_the_message_says_how_much_slower_what_is() -> None:
    verdict = judged(series(0.15))

    assert verdict.message == (
        "a call takes 150 ms in the last 3 intervals, 50 % more than the 100 ms of 30 before "
        "(their spread is 0.74 %); limit 3 % if certain; shop 7: SELECT 7"
    )


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (series(0.2)[:1], "fewer than 100 calls since the first check"),
        (series(0.2)[:10], "9 intervals of at least 100 calls, at least 18: too few to compare"),
        (series(0.2, calls=2), "fewer than 100 calls since the first check"),
        (series(0.2, calls=10), "3 intervals of at least 100 calls"),
    ],
    ids=["first", "few", "hardly called", "seldom called"],
)
def test_too_little_is_no_verdict_yet(looks: list[PastMoment], said: str) -> None:
    verdict = judged(looks)

    assert verdict.status is Status.UNKNOWN
    assert said in verdict.message


def pair(load_more: dict[str, Any], **more: Any) -> int:
    """Return how many intervals two looks give."""
    looks = [looked(-1, statement(100, 1.0, since=RESET)), looked(0, statement(**{"calls": 300, "total_seconds": 3.0, "since": RESET, **more}), **load_more)]  # fmt: skip
    known = [(one.seen.statements, one.seen.statements.worst[0]) for one in looks]
    return len(intervals(known, 100))


@pytest.mark.parametrize(
    ("load_more", "more", "count"),
    [
        ({}, {}, 1),
        ({}, {"calls": 199}, 0),
        ({}, {"calls": 200}, 1),
        ({}, {"calls": 99}, 0),
        ({}, {"total_seconds": 0.5}, 0),
        ({}, {"since": "2026-11-27T00:00:00+00:00"}, 0),
        ({"reset_at": "2026-11-27T00:00:00+00:00"}, {}, 0),
        ({}, {"total_seconds": float("nan")}, 0),
    ],
    ids=["counted", "few", "enough", "fewer", "less time", "counted anew", "reset", "no number"],
)
def test_what_began_anew_is_no_interval(
    load_more: dict[str, Any], more: dict[str, Any], count: int
) -> None:
    assert pair(load_more, **more) == count


def test_after_a_reset_counting_goes_on() -> None:
    looks = [looked(-3, statement(900, 9.0)), looked(-2, statement(1_000, 10.0)),
             looked(-1, statement(10, 1.0), reset_at=NOW.isoformat()), looked(0, statement(200, 20.0), reset_at=NOW.isoformat())]  # fmt: skip

    found = intervals([(one.seen.statements, one.seen.statements.worst[0]) for one in looks], 100)

    assert [one.calls for one in found] == [100, 190]


def test_the_spread_within_an_interval_is_that_of_its_calls() -> None:
    # 100 calls of 1 s; then 100 more, half of them 2 s and half of them 4 s.
    first = statement(100, 100.0, mean_seconds=1.0, stddev_seconds=0.0)
    both = statement(200, 400.0, mean_seconds=2.0, stddev_seconds=(300 / 200 + 0.0) ** 0.5)
    looks = [looked(-1, first), looked(0, both)]

    (found,) = intervals(
        [(one.seen.statements, one.seen.statements.worst[0]) for one in looks], 100
    )

    assert found.mean == 3.0
    assert found.stddev == pytest.approx(1.0)


def as_observation(moment: PastMoment, *rows: StatementCounters) -> Observation:
    data = dataclasses.asdict(moment.seen)
    data.pop("subject")
    data["statements"]["worst"] = [dataclasses.asdict(one) for one in rows]
    return Observation("postgresql 127.0.0.1:5432", data)


def test_each_statement_is_a_subject() -> None:
    rows = [
        statement(20, 1.0),
        statement(20, 1.0, "8"),
        statement(20, 1.0, "8", nested=True),
        statement(19, 1.0, "9"),
    ]

    parts = statements(as_observation(looked(0), *rows))

    assert [one.subject for one in parts] == [
        "postgresql 127.0.0.1:5432 shop/shop 7",
        "postgresql 127.0.0.1:5432 shop/shop 8",
        "postgresql 127.0.0.1:5432 shop/shop 8 nested",
    ]
    assert [len(one.data["statements"]["worst"]) for one in parts] == [1, 1, 1]


def test_what_is_not_seen_is_told_of_the_server() -> None:
    seen = as_observation(looked(0), statement(20, 1.0))
    seen.data["unseen"] = {"statements": {"objects": 4, "grant": "GRANT x TO y"}}

    results = judge_all("db1", [Due(CHECK_ID, 0, {})], [Seen(0, seen)], {}, load(), NOW, {})

    assert [(one.subject, one.message.partition(";")[0]) for one in results] == [
        ("postgresql 127.0.0.1:5432 shop/shop 7", "fewer than 100 calls since the first check"),
        ("postgresql 127.0.0.1:5432", "4 that the account may not see are not judged"),
    ]


def test_without_a_statement_there_is_nothing_to_judge() -> None:
    seen = as_observation(looked(0), statement(19, 1.0))

    results = judge_all("db1", [Due(CHECK_ID, 0, {})], [Seen(0, seen)], {}, load(), NOW, {})

    assert [(one.subject, one.has_nothing_to_judge, one.message) for one in results] == [
        ("postgresql 127.0.0.1:5432", True, "no statement with 20 calls or more")
    ]


def test_each_subject_is_judged_with_its_own_past() -> None:
    looks = series(0.2)
    seen = [
        (NOW + timedelta(hours=number), as_observation(one, one.seen.statements.worst[0], statement(CALLS * number, number * 1.0, "8")))
        for number, one in enumerate(looks)
    ]  # fmt: skip
    past = {CHECK_ID: {seen[-1][1].subject: seen[:-1]}}

    results = judge_all("db1", [Due(CHECK_ID, 0, {"min_load_percent": 0})], [Seen(0, seen[-1][1])], {}, load(), NOW, past)  # fmt: skip

    assert [(one.subject.rpartition(" ")[2], one.status) for one in results] == [
        ("7", Status.FAIL),
        ("8", Status.PASS),
    ]


CHECK_ID = "database_statement_regression"
assert CHECK.parts is statements
