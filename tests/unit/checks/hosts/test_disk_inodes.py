"""Limits of disk_inodes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.disk_inodes import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def disk(used: int, of: int = 1000, **data: object) -> Observation:
    return Observation(
        "/", {"mounted": True, "read_only": False, "inodes": of, "inodes_free": of - used, **data}
    )


@pytest.mark.parametrize(
    ("used", "severity"),
    [
        (899, None),
        (900, Severity.MEDIUM),
        (949, Severity.MEDIUM),
        (950, Severity.HIGH),
        (989, Severity.HIGH),
        (990, Severity.CRITICAL),
    ],
)
def test_limits(used: int, severity: Severity | None) -> None:
    verdict = judge(disk(used), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    measure = Measure("inodes used", 95.0, "%")

    assert judge(disk(950), Limits(), NOW) == failed(
        Severity.HIGH, "95.0 % of inodes used, 50 left; limit 95 %", measure
    )
    assert judge(disk(10), Limits(), NOW) == passed(
        "1.0 % of inodes used, 990 left; limit 90 %", Measure("inodes used", 1.0, "%")
    )


def test_a_file_system_without_inodes_or_writes_is_not_judged() -> None:
    assert judge(disk(0, of=0), Limits(), NOW) is None
    assert judge(disk(1000, read_only=True), Limits(), NOW) is None
    assert judge(Observation("/backup", {"seen_as_another": True}), Limits(), NOW) is None


def test_a_file_system_that_is_not_mounted_is_unknown() -> None:
    missing = Observation("/backup", {"mounted": False})
    assert judge(missing, Limits(), NOW) == unknown(
        "nothing is mounted there", remedy="mount /backup  # mount it; it should be there"
    )


def test_odd_data_is_unknown() -> None:
    assert judge(disk(1, inodes_free="many"), Limits(), NOW) == unknown(
        "no number of inodes was given"
    )
