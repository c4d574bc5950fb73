"""Limits of database_replication."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    StandbyState,
)
from upkeep.checks.databases.database_replication import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(*rows: StandbyState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, replication=list(rows)), limits, NOW)
    assert verdict is not None
    return verdict


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("seconds", "mib", "severity"),
    [
        (None, None, None),
        (299, 511, None),
        (300, 0, Severity.MEDIUM),
        (1799, 0, Severity.MEDIUM),
        (1800, 0, Severity.HIGH),
        (0, 512, Severity.MEDIUM),
        (None, 4095, Severity.MEDIUM),
        (None, 4096, Severity.HIGH),
        (300, 4096, Severity.HIGH),
    ],
)
def test_limits(seconds: float | None, mib: int | None, severity: Severity | None) -> None:
    lag = None if mib is None else mib * MIB

    assert verdict_of(StandbyState("web2", "streaming", lag, seconds)).severity is severity


@pytest.mark.parametrize(
    ("state", "severity", "words"),
    [
        ("missing", Severity.CRITICAL, "commits wait for web2"),
        ("gone", Severity.CRITICAL, "receives nothing from web2"),
        ("paused", Severity.HIGH, "it is paused"),
        ("catchup", None, "web2 (catchup)"),
        ("another", None, "web2 (another)"),
    ],
)
def test_states(state: str, severity: Severity | None, words: str) -> None:
    verdict = verdict_of(StandbyState("web2", state, 0, 0))

    assert verdict.severity is severity
    assert words in verdict.message


def test_the_worst_is_named() -> None:
    verdict = verdict_of(
        StandbyState("web2", "streaming", 600 * MIB, 0), StandbyState("web3", "streaming", 0, 2000)
    )

    assert verdict.message == (
        "web3 (streaming) is 33 min 20 s and 0 B behind; web2 (streaming) is 0.0 s and 600 MiB behind; at most 30 min"
    )


def test_a_primary_without_standbys_passes_unless_it_must_have_some() -> None:
    assert verdict_of().status is Status.PASS
    verdict = verdict_of(StandbyState("web2", "streaming"), limits=Limits(least_standbys=2))
    assert verdict.message == "1 standby follows, at least 2"
    assert verdict.severity is Severity.HIGH


def test_how_late_a_standby_of_an_archive_is_cannot_be_judged() -> None:
    verdict = verdict_of(StandbyState("its primary", "archive", receiving=True))

    assert verdict.status is Status.UNKNOWN
