"""Limits of database_write_ahead_log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    WriteAheadLog,
)
from upkeep.checks.databases.database_write_ahead_log import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("pending_mib", "severity"),
    [
        (0, None),
        (63.9, None),
        (64, Severity.MEDIUM),
        (1023.9, Severity.MEDIUM),
        (1024, Severity.HIGH),
    ],
)
def test_limits(pending_mib: float, severity: Severity | None) -> None:
    log = WriteAheadLog("wal", 2048 * MIB, int(pending_mib * MIB))
    seen = DatabaseObjects("sqlite", True, subject="sqlite /srv/till.db", write_ahead_log=log)
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.severity is severity
    assert severity is None or verdict.remedy.startswith("lsof /srv/till.db  # see who")


def test_a_file_without_a_log_is_not_judged() -> None:
    seen = DatabaseObjects("sqlite", True, write_ahead_log=WriteAheadLog("none"))

    assert judge(seen, Limits(), NOW) is None


def test_an_index_that_was_not_understood_is_unknown() -> None:
    seen = DatabaseObjects("sqlite", True, write_ahead_log=WriteAheadLog("wal", 9, None))
    verdict = judge(seen, Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
