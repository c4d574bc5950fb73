"""Limits of database_slow_statements."""

from __future__ import annotations

from typing import Any

import pytest
from statement_looks import NOW, looked, statement

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
)
from upkeep.checks.databases.database_slow_statements import Limits, judge
from upkeep.judging.check import PastMoment
from upkeep.model.verdicts import Severity, Status, Verdict

OTHER = {"queryid": "8"}


def judged(now: PastMoment, *history: PastMoment) -> Verdict:
    verdict = judge(now.seen, Limits(), NOW, list(history))
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("calls", "mean", "other", "severity"),
    [
        (10_000, 0.0199, 0.0, None),
        (10_000, 0.020, 0.0, Severity.MEDIUM),
        (10_000, 0.020, 599.0, Severity.MEDIUM),
        (10_000, 0.020, 601.0, Severity.LOW),
        (10_000, 0.020, 19_790.0, Severity.LOW),
        (10_000, 0.020, 19_810.0, None),
        (99, 9.0, 0.0, None),
        (100, 9.0, 0.0, Severity.MEDIUM),
        (1_790, 0.020, 0.0, None),
        (1_810, 0.020, 0.0, Severity.MEDIUM),
    ],
    ids=["fast", "slow", "25 %", "under 25 %", "1 %", "under 1 %", "99 calls", "100 calls", "not busy", "busy"],
)  # fmt: skip
def test_limits(calls: int, mean: float, other: float, severity: Severity | None) -> None:
    before = looked(-1, statement(1_000, 5.0), statement(10, 5.0, **OTHER))
    now = looked(
        0, statement(1_000 + calls, 5.0 + calls * mean), statement(10_000_000, 5.0 + other, **OTHER)
    )

    assert judged(now, before).severity is severity


def test_the_message_names_the_statement_and_how_to_see_it() -> None:
    before = looked(-24, statement(1_000, 20.0, "-42"))

    verdict = judged(looked(0, statement(101_000, 3020.0, "-42")), before)

    assert verdict.message == (
        "in 24 h 00 min: 30 ms × 100000 calls are 100 % of the load: shop -42: SELECT -42; "
        "limit 20 ms at 100 calls"
    )
    assert verdict.remedy == (
        "runuser -u postgres -- psql -d shop -c 'select query from pg_stat_statements where queryid = -42'  "
        "# decide: see its plan with EXPLAIN, and whether an index or another query helps"
    )


def test_the_look_before_is_an_hour_ago_if_there_is_one() -> None:
    looks = [looked(-3, statement(1, 1.0)), looked(-1, statement(1_001, 2.0)), looked(-0.1, statement(200_000, 4.0))]  # fmt: skip

    assert "in 1 h 00 min" in judged(looked(0, statement(200_001, 5.0)), *looks).message


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([], "not checked before"),
        ([looked(-1, statement(1, 1.0), version="15.2")], "not checked before"),
        ([looked(-1, statement(1, 1.0), reset_at="2026-10-02T00:00:00+00:00")], "put to 0 since"),
        ([looked(0, statement(1, 1.0))], "no time has passed"),
        ([PastMoment(NOW, DatabaseStatements("postgresql", False, version="16.14"))], "not checked before"),
    ],
    ids=["none", "another version", "reset", "no time", "not connected"],
)  # fmt: skip
def test_without_a_look_before_there_is_nothing_to_judge(
    history: list[PastMoment], said: str
) -> None:
    verdict = judged(looked(0, statement(100_000, 90_000.0)), *history)

    assert verdict.status is Status.UNKNOWN
    assert said in verdict.message


@pytest.mark.parametrize(
    "was",
    [
        statement(200_000, 1.0),
        statement(1, 1e9),
        statement(1, 1.0, since="2026-11-01T00:00:00+00:00"),
        statement(1, 1.0, "9"),
    ],
    ids=["fewer calls", "less time", "counted anew", "not there before"],
)
def test_a_statement_that_is_counted_anew_is_not_compared(was: Any) -> None:
    verdict = judged(looked(0, statement(100_000, 90_000.0)), looked(-1, was))

    assert verdict.status is Status.PASS


def test_a_statement_that_the_server_knows_since_the_look_before_is_compared_with_nothing() -> None:
    now = looked(0, statement(100_000, 90_000.0, since="2026-11-27T08:30:00+00:00"))

    assert judged(now, looked(-1)).status is Status.FAIL
    assert judged(now, looked(-0.4)).status is Status.PASS


def test_what_the_server_forgot_is_told() -> None:
    before = looked(-1, statement(1, 1.0), evicted=3)

    verdict = judged(looked(0, statement(2, 1.1), evicted=10), before)

    assert "forgotten statements meanwhile, as it has no room for more than 5000" in verdict.message


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (DatabaseStatements("postgresql", False, reason="refused"), "not checked: refused"),
        (DatabaseStatements("postgresql", True, unread={"statements": "this database has no pg_stat_statements"}), "could not be read: this database has no"),
    ],
)  # fmt: skip
def test_what_was_not_read_is_unknown(what: DatabaseStatements, said: str) -> None:
    verdict = judge(what, Limits(), NOW, [])

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.message.startswith(said)


def test_a_kind_without_counters_is_not_judged() -> None:
    assert judge(DatabaseStatements("sqlite", True), Limits(), NOW, []) is None


def test_what_the_account_may_not_see_makes_a_pass_unknown() -> None:
    hidden = {"statements": UnseenObjects(44, statements=["GRANT pg_read_all_stats TO upkeep"])}
    now, before = looked(0, statement(2, 1.1)), looked(-1, statement(1, 1.0))
    load = now.seen.statements
    seen = DatabaseStatements("postgresql", True, version="16.14", statements=load, unseen=hidden)

    verdict = judge(seen, Limits(), NOW, [before])

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.remedy == (
        "runuser -u postgres -- psql -c 'GRANT pg_read_all_stats TO upkeep'  # decide: let the account see them"
    )


def test_of_several_three_are_named_and_the_others_counted() -> None:
    numbers = [str(100 + number) for number in range(5)]
    before = looked(-1, *(statement(1_000, 5.0, one) for one in numbers))
    now = looked(0, *(statement(11_000, 1_005.0, one) for one in numbers))

    said = judged(now, before).message
    assert "; and 2 more; " in said
