"""Limits of what a slow log says, which is no part of a server's counters."""

from __future__ import annotations

from dataclasses import replace
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


@pytest.mark.parametrize(
    ("seen", "earlier", "status", "words"),
    [
        (logged(), [], Status.UNKNOWN, "since when it logs is not known"),
        (logged(), [logged()], Status.PASS, "0 calls, no statement too often"),
        (logged(cut=True), [logged()], Status.UNKNOWN, "only the newest part was"),
        (logged(), [looked(-1, statement(1, 1.0)).seen], Status.UNKNOWN, "not checked before"),
    ],
    ids=["first look", "second look", "too much to read", "counters before"],
)
def test_what_was_not_seen_is_no_pass(
    seen: DatabaseStatements, earlier: list[DatabaseStatements], status: Status, words: str
) -> None:
    verdict = judged(seen, *earlier)

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
