"""How much of a repository was proved, and since when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from restore_rows import NOW, ledger_seen

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreCycle,
    RestoreSeen,
)
from upkeep.checks.restores.backup_restore_coverage import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed


def cycle(began: float, full: float | None, **fields: Any) -> RestoreCycle:
    """Return a cycle of 16 parts. began, full: how many days ago."""
    last = None if full is None else NOW - timedelta(days=full)
    known = {"parts": 16, "done": [1, 2, 3]} | fields
    return RestoreCycle(began_at=NOW - timedelta(days=began), last_full_at=last, **known)


def test_a_repository_that_was_proved_in_time_passes_with_what_is_left() -> None:
    seen = ledger_seen(cycle=cycle(5, 20, unproved=12, never=["a", "b", "c", "d"]), cycle_days=30.0)

    assert judge(seen, Limits(), NOW) == passed(
        "all parts were proved 20.0 days ago, at most 30; 3 of 16 parts proved since 2026-11-22; "
        "12 packs came later and are not proved yet; 4 snapshots never proved: a, b, c, …",
        Measure("proved", 18.75, "%"),
        Measure("unproved", 12),
        Measure("never", 4),
    )


@pytest.mark.parametrize(
    ("began", "full", "days", "status"),
    [
        (1, 29.9, 30.0, Status.PASS),
        (1, 30, 30.0, Status.PASS),
        (1, 30.1, 30.0, Status.FAIL),
        (30, None, 30.0, Status.UNKNOWN),
        (30.1, None, 30.0, Status.FAIL),
        (1, 90, None, Status.PASS),
        (1, 90.1, None, Status.FAIL),
        (1, -2, 30.0, Status.UNKNOWN),
    ],
)
def test_a_full_cycle_ends_in_time(
    began: float, full: float | None, days: float | None, status: Status
) -> None:
    verdict = judge(ledger_seen(cycle=cycle(began, full), cycle_days=days), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status


def test_a_first_cycle_that_does_not_end_fails() -> None:
    seen = ledger_seen(
        cycle=cycle(40, None, never=[str(one) for one in range(50)]), cycle_days=30.0
    )

    assert judge(seen, Limits(), NOW) == failed(
        Severity.MEDIUM,
        "3 of 16 parts proved since 2026-10-18; no full cycle yet, the first began 40.0 days ago, at "
        "most 30; 50 or more snapshots never proved: 0, 1, 2, …",
        Measure("proved", 18.75, "%"),
        Measure("unproved", 0),
        Measure("never", 50),
    )


def test_parts_count_once_and_only_if_there_are_such() -> None:
    verdict = judge(ledger_seen(cycle=cycle(1, 2, done=[1, 1, 16, 17, 0, -1])), Limits(), NOW)

    assert verdict is not None
    assert "2 of 16 parts" in verdict.message


@pytest.mark.parametrize("fields", [{"parts": 0}, {"parts": 5_000}, {"unproved": -1}], ids=str)
def test_a_cycle_that_cannot_be_is_unknown(fields: dict[str, Any]) -> None:
    verdict = judge(ledger_seen(cycle=cycle(1, 2, **fields)), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN


def test_a_cycle_that_was_not_read_is_unknown_and_one_that_is_not_there_is_not_judged() -> None:
    unread = judge(ledger_seen(unread={"cycle": "cycles.json is not understood"}), Limits(), NOW)

    assert unread is not None
    assert unread.status is Status.UNKNOWN
    assert judge(ledger_seen(), Limits(), NOW) is None
    assert judge(RestoreSeen(NOW, cycle=cycle(1, 2)), Limits(), NOW) is None
