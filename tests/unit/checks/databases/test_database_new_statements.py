"""Limits of database_new_statements."""

from __future__ import annotations

import pytest
from statement_looks import NOW, looked, statement

from upkeep.checks.databases.database_new_statements import Limits, judge
from upkeep.judging.check import PastMoment
from upkeep.model.verdicts import Severity, Status, Verdict

OLD = [looked(-24 * days, statement(10 - days, 100.0 * (10 - days))) for days in (3, 2, 1)]


def judged(now: PastMoment, history: list[PastMoment]) -> Verdict:
    verdict = judge(now.seen, Limits(), NOW, history)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("calls", "seconds", "other", "severity"),
    [
        (10, 870.0, 8_000.0, None),
        (10, 900.0, 8_000.0, Severity.LOW),
        (10, 3_900.0, 6_000.0, Severity.LOW),
        (10, 4_000.0, 6_000.0, Severity.MEDIUM),
        (9, 4_000.0, 6_000.0, None),
        (10, 863.0, 1.0, None),
        (10, 865.0, 1.0, Severity.MEDIUM),
    ],
    ids=["under 10 %", "10 %", "under 40 %", "40 %", "9 calls", "not busy", "busy"],
)
def test_limits(calls: int, seconds: float, other: float, severity: Severity | None) -> None:
    now = looked(0, statement(10, 900.0 + other), statement(calls, seconds, "8"))

    assert judged(now, OLD).severity is severity


def test_the_message_names_the_statement() -> None:
    verdict = judged(looked(0, statement(10, 900.0), statement(500, 4_000.0, "8")), OLD)

    assert verdict.message == (
        "new within 24 h 00 min: 100 % of the load: shop 8: SELECT 8 (500 calls); limit 40 %"
    )
    assert "where queryid = 8'" in verdict.remedy


@pytest.mark.parametrize(
    ("history", "since", "status"),
    [
        (OLD, None, Status.FAIL),
        (OLD, "2026-11-26T10:00:00+00:00", Status.FAIL),
        (OLD, "2026-11-26T08:00:00+00:00", Status.PASS),
        ([looked(-96, statement(1, 1.0, "8", account="other")), *OLD], None, Status.PASS),
        ([looked(-96, statement(1, 1.0, "8", database="other")), *OLD], None, Status.FAIL),
        (OLD[1:], None, Status.UNKNOWN),
        ([looked(-1, statement(1, 1.0), version="15.3")] * 9, None, Status.UNKNOWN),
        ([*OLD, looked(-1, statement(1, 1.0), reset_at=None)], None, Status.UNKNOWN),
    ],
    ids=["new", "counted since", "counted before", "seen of another account", "seen in another database", "two looks", "another version", "reset"],
)  # fmt: skip
def test_new_is_what_no_check_has_seen(
    history: list[PastMoment], since: str | None, status: Status
) -> None:
    now = looked(0, statement(10, 900.0), statement(500, 4_000.0, "8", since=since))

    assert judged(now, history).status is status


def test_of_several_three_are_named_and_the_others_counted() -> None:
    new = [statement(500, 4_000.0 - number, str(100 + number)) for number in range(5)]

    said = judged(looked(0, statement(10, 900.0), *new), OLD[:]).message
    assert [str(100 + number) in said for number in range(5)] == [True, True, True, False, False]
    assert "; and 2 more; limit " in said
