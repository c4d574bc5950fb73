"""Limits of database_autovacuum."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    AutovacuumState,
    DatabaseActivity,
)
from upkeep.checks.databases.database_autovacuum import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(state: AutovacuumState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, autovacuum=state), limits, NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        (AutovacuumState(True, True, 3), None),
        (AutovacuumState(False, True, 3), Severity.HIGH),
        (AutovacuumState(True, False, 3), Severity.HIGH),
        (AutovacuumState(True, True, 3, 3, 3599), None),
        (AutovacuumState(True, True, 3, 3, 3600), Severity.MEDIUM),
        (AutovacuumState(True, True, 3, 2, 3600), None),
        (AutovacuumState(True, True, 3, 4, 3600), Severity.MEDIUM),
        (AutovacuumState(True, True, 3, 3, None), None),
    ],
)
def test_limits(state: AutovacuumState, severity: Severity | None) -> None:
    assert verdict_of(state).severity is severity


def test_what_is_off_is_named_with_how_to_switch_it_on() -> None:
    verdict = verdict_of(AutovacuumState(True, False, 3))

    assert verdict.message.startswith("track_counts is off, expected on")
    assert "'ALTER SYSTEM SET track_counts = on' -c 'select pg_reload_conf()'" in verdict.remedy


@pytest.mark.parametrize(
    "state", [AutovacuumState(True, True, 0), AutovacuumState(True, True, 3, -1)]
)
def test_what_cannot_be_is_unknown(state: AutovacuumState) -> None:
    assert verdict_of(state).status is Status.UNKNOWN
