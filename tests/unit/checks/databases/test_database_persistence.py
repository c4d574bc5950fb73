"""Limits of database_persistence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    RedisPersistence,
)
from upkeep.checks.databases.database_persistence import Limits, judge
from upkeep.model.verdicts import Severity, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)

HOUR = 3600.0


def kept(changes: int = 0, hours: float = 0.0, **more: object) -> RedisPersistence:
    given = {"append_only": False, "last_append": "ok", "last_rewrite": "ok", **more}
    last = str(given.pop("last_save", "ok"))
    return RedisPersistence(9, last, changes, hours * HOUR, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "status", "severity"),
    [
        (kept(), Status.PASS, None),
        (kept(changes=1, hours=23.9), Status.PASS, None),
        (kept(changes=1, hours=24), Status.FAIL, Severity.MEDIUM),
        (kept(changes=0, hours=240), Status.PASS, None),
        (kept(changes=1, hours=24, append_only=True), Status.PASS, None),
        (kept(changes=1, hours=24, save_points=""), Status.UNKNOWN, None),
        (kept(last_save="err"), Status.FAIL, Severity.HIGH),
        (kept(last_append="err"), Status.PASS, None),
        (kept(last_append="err", append_only=True), Status.FAIL, Severity.CRITICAL),
        (kept(last_rewrite="err"), Status.FAIL, Severity.MEDIUM),
        (kept(changes=-1), Status.UNKNOWN, None),
    ],
    ids=[
        "fresh", "a day soon", "a day", "unchanged", "it has a log", "a cache", "failed copy", "a log that is off",
        "failed log", "failed rewrite", "odd",
    ],
)  # fmt: skip
def test_limits(state: RedisPersistence, status: Status, severity: Severity | None) -> None:
    verdict = judge(DatabaseActivity("redis", True, persistence=state), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)
