"""Limits of database_locks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    LockWait,
    LockWaits,
    OpenTransaction,
)
from upkeep.checks.databases.database_locks import Limits, behind_each, judge
from upkeep.model.verdicts import Severity, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(waits: LockWaits, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, locks=waits), limits, NOW)
    assert verdict is not None
    return verdict


def waits_of(*waiters: LockWait, holders: tuple[OpenTransaction, ...] = ()) -> LockWaits:
    return LockWaits(len(waiters), list(waiters), list(holders))


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [
        (None, None),
        (-5, None),
        (59.9, None),
        (60, Severity.MEDIUM),
        (119.9, Severity.MEDIUM),
        (120, Severity.HIGH),
    ],
)
def test_limits(seconds: float | None, severity: Severity | None) -> None:
    assert verdict_of(waits_of(LockWait(2, seconds=seconds, blocked_by=[1]))).severity is severity


@pytest.mark.parametrize(
    ("seen", "words", "remedy"),
    [
        (False, "; who holds it is not visible without the plugin metadata_lock_info", "mariadb -e 'SHOW PROCESSLIST'  # "),
        (True, "; 1 session waits in all", ""),
    ],
)  # fmt: skip
def test_a_holder_that_the_server_does_not_tell_is_said(
    seen: bool, words: str, remedy: str
) -> None:
    waits = LockWaits(1, [LockWait(2, "shop", seconds=300)], holders_seen=seen)

    verdict = judge(DatabaseActivity("mariadb", True, locks=waits), LIMITS, NOW)

    assert verdict is not None
    assert verdict.severity is Severity.HIGH
    assert verdict.message.endswith(words)
    assert verdict.remedy.startswith(remedy)


def test_nobody_waits() -> None:
    verdict = verdict_of(LockWaits(0))

    assert verdict.message == "0 sessions wait for a lock; at most 1 min"
    assert [one.value for one in verdict.measures] == [0, 0]


def test_the_root_is_named_and_how_many_wait_behind_it() -> None:
    waits = waits_of(
        LockWait(2, "shop", "shop", "web", 125, "AccessExclusiveLock of public.orders", [1]),
        LockWait(3, "shop", "shop", "web", 100, "relation", [2]),
        LockWait(4, "shop", "shop", "web", 90, "relation", [2, 3]),
        LockWait(5, "shop", "shop", "web", 80, "relation", [9]),
        holders=(OpenTransaction(1, "clerk", "shop", "psql", "idle in transaction", 700, 600),),
    )

    verdict = verdict_of(waits)

    assert verdict.message == (
        "shop (session 2, application web) has waited for 2 min 05 s, at most 2 min, for AccessExclusiveLock of "
        "public.orders; at the root is clerk (session 1, application psql), idle in transaction for 10 min 00 s; "
        "3 sessions wait behind it; and 1 more session waits too long elsewhere"
    )
    assert verdict.remedy.startswith(
        "runuser -u postgres -- psql -c 'select pg_terminate_backend(1)'  # decide: "
    )


@pytest.mark.parametrize(
    ("blocked_by", "behind"),
    [
        ({2: [1]}, {1: {2}}),
        ({2: [1], 3: [2], 4: [3]}, {1: {2, 3, 4}}),
        ({2: [1, 7], 3: [2]}, {1: {2, 3}, 7: {2, 3}}),
        ({2: [3], 3: [2]}, {}),
        ({2: [0]}, {0: {2}}),
        ({2: []}, {}),
        ({2: [2]}, {}),
    ],
    ids=["one", "chain", "two roots", "deadlock", "prepared", "nobody", "itself"],
)
def test_roots(blocked_by: dict[int, list[int]], behind: dict[int, set[int]]) -> None:
    waits = waits_of(*(LockWait(pid, blocked_by=found) for pid, found in blocked_by.items()))

    assert behind_each(waits) == behind


def test_a_prepared_transaction_at_the_root_has_its_own_check() -> None:
    verdict = verdict_of(waits_of(LockWait(2, seconds=300, blocked_by=[0])))

    assert "at the root is a prepared transaction; 1 session waits behind it" in verdict.message
    assert verdict.remedy == "fix what database_prepared says first"


def test_without_a_root_nobody_is_to_be_ended() -> None:
    verdict = verdict_of(waits_of(LockWait(2, seconds=300, blocked_by=[2])))

    assert verdict.message.endswith("1 session waits in all")
    assert verdict.remedy == ""
