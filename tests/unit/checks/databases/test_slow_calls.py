"""Limits of what a slow log says, which is no part of a server's counters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from statement_looks import NOW, looked, statement

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    UnseenObjects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_statements_shape import (
    DatabaseStatements,
    SlowCalls,
    StatementCounters,
)
from upkeep.checks.databases import (
    database_new_statements,
    database_slow_statements,
    database_statement_regression,
)
from upkeep.judging.check import PastMoment
from upkeep.model.verdicts import Severity, Status, Verdict

LINES = UnseenObjects(0, "put two lines into my.cnf", "setting")
FILE = "/var/lib/mysql/slow.log"


def logged(*rows: StatementCounters, **more: Any) -> DatabaseStatements:
    more = {"covers_seconds": 86_400.0, **more}
    log = SlowCalls(
        NOW.isoformat(), 86_400.0, 2.0, sum(one.calls for one in rows), 0.0, list(rows), **more
    )
    return DatabaseStatements(
        "mariadb", True, subject="mariadb 127.0.0.1:3306", slow_calls=log,
        unread={"statements": "performance_schema is off"}, unseen={"statements": LINES},
    )  # fmt: skip


def judged(seen: DatabaseStatements, *history: DatabaseStatements) -> Verdict:
    past = [PastMoment(NOW, one) for one in history]
    verdict = database_slow_statements.judge(seen, database_slow_statements.Limits(), NOW, past)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [(863.0, None), (864.0, Severity.LOW), (80_000.0, Severity.LOW)],
    ids=["under 1 %", "1 %", "nearly all of the time"],
)
def test_a_statement_fails_if_its_slow_calls_took_too_much_of_the_time(
    seconds: float, severity: Severity | None
) -> None:
    seen = logged(statement(100, seconds, account=""))

    assert judged(seen, seen).severity is severity


def test_the_message_says_that_faster_calls_are_not_in_it() -> None:
    row = statement(100, 864.0, account="", full_scans=40)
    verdict = judged(logged(row, one_in=10, file=FILE))

    assert verdict.message == (
        "slow log of 24 h 00 min, calls slower than 2 s: 100 calls of 8.64 s, 1 % of the time, 40 of them read a "
        "whole table: shop 7: SELECT 7; limit 1 % of the time; one in 10 is logged"
    )
    assert verdict.remedy.startswith(f"mariadb-dumpslow -s t -t 5 {FILE}  # ")


ROW = statement(12, 12.0, account="")
EMPTY = logged(covers_seconds=0.0)
YOUNG = logged(ROW, covers_seconds=300.0)


@pytest.mark.parametrize(
    ("seen", "earlier", "status", "words"),
    [
        (EMPTY, [], Status.UNKNOWN, "that slow calls are logged is known for 1.0 s, at least 1 h 00 min are needed"),
        (EMPTY, [(3_599, EMPTY)], Status.UNKNOWN, "is known for 59 min 59 s, at least"),
        (EMPTY, [(3_600, EMPTY)], Status.PASS, "slow log of 1 h 00 min, calls slower than 2 s: 0 calls"),
        (YOUNG, [(60, YOUNG)], Status.UNKNOWN, "is known for 5 min"),
        (logged(ROW, covers_seconds=4_000.0), [], Status.PASS, "slow log of 1 h 06 min"),
        (logged(statement(12, 50.0, account=""), covers_seconds=4_000.0), [], Status.FAIL, "1.2 % of the time"),
        (YOUNG, [(90_000, EMPTY), (60, EMPTY)], Status.PASS, "slow log of 24 h 00 min"),
        (YOUNG, [(90_000, EMPTY), (600, looked(-1, statement(1, 1.0)).seen), (60, EMPTY)], Status.UNKNOWN, "known for 5 min"),
        (logged(cut=True), [(90_000, logged())], Status.UNKNOWN, "only the newest part was"),
        (logged(cut=True, covers_seconds=0.0), [], Status.UNKNOWN, "only the newest part was"),
    ],
)  # fmt: skip
def test_for_as_long_as_it_is_known_to_log_it_is_judged(
    seen: DatabaseStatements,
    earlier: list[tuple[int, DatabaseStatements]],
    status: Status,
    words: str,
) -> None:
    past = [PastMoment(NOW - timedelta(seconds=ago), one) for ago, one in earlier]

    verdict = database_slow_statements.judge(seen, database_slow_statements.Limits(), NOW, past)

    assert verdict is not None
    assert verdict.status is status
    assert words in verdict.message


@pytest.mark.parametrize("module", [database_new_statements, database_statement_regression])
def test_a_slow_log_says_nothing_of_new_and_slower_statements(module: Any) -> None:
    """Who has no such log either is told the two lines by the first of the checks alone."""
    with_log = module.judge(logged(statement(100, 9.0)), module.Limits(), NOW, [])
    without = module.judge(replace(logged(), slow_calls=None), module.Limits(), NOW, [])

    assert {with_log.status, without.status} == {Status.UNKNOWN}
    assert with_log.remedy == "decide: put two lines into my.cnf"
    assert without.remedy == "fix what database_slow_statements says first"


def test_counters_and_a_slow_log_are_never_put_together() -> None:
    """A server that was switched to counters begins anew."""
    now = looked(0, statement(100_000, 9_000.0))

    verdict = judged(now.seen, logged(statement(100, 9.0)))

    assert verdict.status is Status.UNKNOWN
    assert "nothing to compare the counters with" in verdict.message
