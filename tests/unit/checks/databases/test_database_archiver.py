"""Limits of database_archiver."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ArchiverState,
    DatabaseActivity,
)
from upkeep.checks.databases.database_archiver import Limits, judge
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits()


def verdict_of(state: ArchiverState, limits: Limits = LIMITS) -> Verdict:
    verdict = judge(DatabaseActivity("postgresql", True, archiver=state), limits, NOW)
    assert verdict is not None
    return verdict


MIB = 1024 * 1024


def archiver(
    archived: float | None = 60, failed: float | None = None, mib: float | None = 0
) -> ArchiverState:
    waiting = None if mib is None else int(mib * MIB)
    return ArchiverState(
        "on",
        archived_seconds=archived,
        failed_seconds=failed,
        failed=1,
        failed_file="00",
        waiting_bytes=waiting,
    )


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        (archiver(), None),
        (archiver(mib=255), None),
        (archiver(mib=256), Severity.MEDIUM),
        (archiver(mib=2047), Severity.MEDIUM),
        (archiver(mib=2048), Severity.HIGH),
        (archiver(mib=None), None),
        (archiver(60, 61), None),
        (archiver(60, 60), None),
        (archiver(60, 59), Severity.MEDIUM),
        (archiver(899, 59), Severity.MEDIUM),
        (archiver(900, 59), Severity.HIGH),
        (archiver(None, 59), Severity.HIGH),
        (ArchiverState("on", configured=False), Severity.HIGH),
    ],
)
def test_limits(state: ArchiverState, severity: Severity | None) -> None:
    verdict = verdict_of(state)

    assert verdict.severity is severity
    assert verdict.status is (Status.PASS if severity is None else Status.FAIL)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ArchiverState("off", configured=False), "archive_mode is off"),
        (archiver(archived=None), "no WAL file has been archived, or failed, so far"),
    ],
)
def test_there_is_nothing_to_judge(state: ArchiverState, words: str) -> None:
    verdict = verdict_of(state)

    assert verdict.status is Status.UNKNOWN
    assert verdict.message == words


@pytest.mark.parametrize(("mode", "status"), [("on", Status.UNKNOWN), ("always", Status.FAIL)])
def test_a_standby_archives_only_always(mode: str, status: Status) -> None:
    state = ArchiverState(mode, configured=False)
    seen = DatabaseActivity("postgresql", True, in_recovery=True, archiver=state)

    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status


def test_a_failure_names_the_file_and_what_waits() -> None:
    assert verdict_of(archiver(None, 12, 32)).message == (
        "the newest attempt of 00 failed 12 s ago, expected success; nothing was archived so far, 1 failure, "
        "32.0 MiB of WAL wait"
    )
