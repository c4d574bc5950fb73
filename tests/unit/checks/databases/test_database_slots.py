"""Limits of database_slots."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    SlotState,
)
from upkeep.checks.databases.database_slots import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: SlotState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, slots=list(rows)), limits, NOW)
    assert verdict is not None
    return verdict


MIB = 1024 * 1024
HOUR = 3600.0


@pytest.mark.parametrize(
    ("active", "mib", "severity"),
    [
        (True, 4095, None),
        (True, 4096, Severity.MEDIUM),
        (True, 16383, Severity.MEDIUM),
        (True, 16384, Severity.HIGH),
        (False, 255, None),
        (False, 256, Severity.MEDIUM),
        (False, 4095, Severity.MEDIUM),
        (False, 4096, Severity.HIGH),
    ],
)
def test_limits_of_size(active: bool, mib: int, severity: Severity | None) -> None:
    one = SlotState("web2", "physical", active=active, retained_bytes=mib * MIB)

    assert verdict_of(one).severity is severity


@pytest.mark.parametrize(
    ("slot", "severity"),
    [
        (SlotState("a", wal_status="lost"), Severity.HIGH),
        (SlotState("a", wal_status="unreserved"), Severity.HIGH),
        (SlotState("a", wal_status="extended"), None),
        (SlotState("a", invalid="rows_removed"), Severity.HIGH),
        (SlotState("a", active=False, synced=True, retained_bytes=9999 * MIB), None),
        (SlotState("a", active=False, holds_xids=999_999), None),
        (SlotState("a", active=False, holds_xids=1_000_000), Severity.MEDIUM),
        (SlotState("a", active=True, holds_xids=1_000_000), None),
        (SlotState("a", active=False, inactive_seconds=24 * HOUR - 1), None),
        (SlotState("a", active=False, inactive_seconds=24 * HOUR), Severity.MEDIUM),
        (SlotState("a", active=False), None),
    ],
)
def test_states(slot: SlotState, severity: Severity | None) -> None:
    assert verdict_of(slot).severity is severity


def test_the_worst_is_named_with_how_to_drop_it() -> None:
    verdict = verdict_of(
        SlotState("late", active=True, retained_bytes=5000 * MIB),
        SlotState("gone", "logical", "shop", False, "lost", invalid="wal_removed"),
    )

    assert verdict.message == (
        "slot gone (logical of shop) has lost what it kept (wal_removed): who uses it must be made anew; "
        "slot late (slot) is in use and keeps 4.9 GiB of WAL, at most 4096 MiB"
    )
    assert "pg_drop_replication_slot(" in verdict.remedy


def test_a_slot_in_use_cannot_be_dropped() -> None:
    verdict = verdict_of(SlotState("late", active=True, retained_bytes=5000 * MIB))

    assert verdict.remedy == "decide: see why who uses the slot is late"


def test_no_slot_passes() -> None:
    assert verdict_of().status is Status.PASS
