"""How long a restore may take."""

from __future__ import annotations

import pytest
from restore_rows import NOW, ledger_row, ledger_seen

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreSeen,
)
from upkeep.checks.restores.backup_restore_time import Limits, judge
from upkeep.model.remedies import after
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Status,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)


def taken(seconds: float | None, days: float = 1, **fields: object) -> object:
    return ledger_row(days, restore_seconds=seconds, **fields)


@pytest.mark.parametrize(
    ("seconds", "worst"), [(3599, "pass"), (3600, "pass"), (3601, "high")], ids=str
)
def test_a_restore_is_held_against_its_rto(seconds: float, worst: str) -> None:
    verdict = judge(ledger_seen(taken(seconds), rto_minutes=60.0), Limits(), NOW)

    assert verdict is not None
    assert (verdict.severity.value if verdict.severity else verdict.status.value) == worst
    assert verdict.message.endswith("1.0 days ago, at most 60 min")


def test_speed_is_measured() -> None:
    row = taken(252.0, restored_bytes=9_500_000_000)

    assert judge(ledger_seen(row, rto_minutes=60.0), Limits(), NOW) == passed(
        "restored in 4 min 12 s, 36.0 MiB/s, 1.0 days ago, at most 60 min",
        Measure("restore", 252.0, "s"),
        Measure("throughput", 9_500_000_000 / 252.0, "By/s"),
    )


@pytest.mark.parametrize(
    ("seconds", "earlier", "slow"),
    [
        (200, [100, 100, 100], False),
        (201, [100, 100, 100], True),
        (400, [100, 100, 5_000], True),
        (59.9, [20, 20, 20], False),
        (60, [20, 20, 20], True),
    ],
    ids=["at the limit", "above", "median", "short", "just not short"],
)
def test_the_trend(seconds: float, earlier: list[float], slow: bool) -> None:
    rows = [taken(seconds), *(taken(one, 2 + days) for days, one in enumerate(earlier))]

    verdict = judge(ledger_seen(*rows), Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is (Severity.LOW if slow else None)
    assert "median of the 3 before it" in verdict.message
    if slow:
        assert verdict.message.endswith("at most 200 % of that")


def test_only_restores_of_as_much_are_compared() -> None:
    others = [taken(10, 2 + days, covered="1 of 9 databases") for days in range(3)]
    failures = [taken(10, 6 + days, outcome="failed") for days in range(3)]

    verdict = judge(ledger_seen(taken(300), *others, *failures, rto_minutes=60.0), Limits(), NOW)

    assert verdict == passed(
        "restored in 5 min 00 s, 1.0 days ago, at most 60 min", Measure("restore", 300, "s")
    )


def test_without_an_rto_and_without_earlier_ones_there_is_nothing_to_judge() -> None:
    assert judge(ledger_seen(taken(300), taken(300, 2)), Limits(), NOW) == nothing_to_judge(
        "restored in 5 min 00 s, 1.0 days ago; no rto_minutes is declared; 1 earlier restores, 3 to compare",
        Measure("restore", 300, "s"),
    )


def test_a_part_is_not_held_against_the_rto_of_all() -> None:
    verdict = judge(ledger_seen(taken(9_000, covered="3 of 9"), rto_minutes=60.0), Limits(), NOW)

    assert verdict is not None

    assert verdict.status is Status.UNKNOWN
    assert verdict.message.endswith("but only 3 of 9")


@pytest.mark.parametrize("rows", [[], [taken(None)], [taken(5, outcome="failed")]], ids=str)
def test_what_was_not_measured_is_unknown(rows: list[object]) -> None:
    said = unknown("no restore was measured", remedy=after("backup_restored"))
    without = nothing_to_judge("no restore was measured, and no rto_minutes is declared")

    assert judge(ledger_seen(*rows, rto_minutes=30.0), Limits(), NOW) == said
    assert judge(ledger_seen(*rows), Limits(), NOW) == without


def test_a_set_that_is_not_verified_is_not_judged() -> None:
    assert judge(RestoreSeen(NOW), Limits(), NOW) is None


def test_slow_and_over_its_rto_is_told_once() -> None:
    rows = [taken(9_000), *(taken(100, 2 + days) for days in range(3))]

    assert judge(ledger_seen(*rows, rto_minutes=60.0), Limits(), NOW) == failed(
        Severity.HIGH,
        "restored in 2 h 30 min, 1.0 days ago, at most 60 min",
        Measure("restore", 9_000, "s"),
    )
