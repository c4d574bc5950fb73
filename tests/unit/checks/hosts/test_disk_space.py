"""Limits of disk_space."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.disk_space import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


GIB = 1024**3


def disk(used_percent: float, size_gib: float, **data: object) -> Observation:
    free = round(size_gib * GIB * (100 - used_percent) / 100)
    sizes = {"size_bytes": round(size_gib * GIB), "free_bytes": free, "available_bytes": free}
    return Observation(
        "/", {"mounted": True, "read_only": False, "lost_writes": False, **sizes, **data}
    )


@pytest.mark.parametrize(
    ("used", "size", "severity"),
    [
        (79.99, 100, None),
        (80, 100, Severity.MEDIUM),
        (89.99, 100, Severity.MEDIUM),
        (90, 100, Severity.HIGH),
        (96.99, 100, Severity.HIGH),
        (97, 100, Severity.CRITICAL),
        (90, 1000, None),
        (90.01, 1000, Severity.MEDIUM),
        (95, 1000, Severity.MEDIUM),
        (95.01, 1000, Severity.HIGH),
        (99, 1000, Severity.HIGH),
        (99.01, 1000, Severity.CRITICAL),
        (98.9, 10_000, None),
    ],
)
def test_both_limits_count(used: float, size: float, severity: Severity | None) -> None:
    verdict = judge(disk(used, size), Limits(), NOW)

    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, (Status.FAIL, Severity.CRITICAL)),
        ({"by": "/etc/fstab", "nofail": False}, (Status.FAIL, Severity.HIGH)),
        ({"by": "/etc/fstab", "nofail": True}, (Status.UNKNOWN, None)),
    ],
    ids=["declared", "in fstab", "in fstab, and may be missing"],
)
def test_what_should_be_mounted_and_is_not(
    data: dict[str, object], expected: tuple[Status, Severity | None]
) -> None:
    verdict = judge(Observation("/my data", {"mounted": False, **data}), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == expected
    assert verdict.remedy == "mount '/my data'; findmnt --verify  # mount it; it should be there"


def test_messages_state_value_and_limit() -> None:
    assert judge(disk(75, 100), Limits(), NOW) == passed(
        "75.0 % used, 25.0 GiB available; limit 80 %",
        Measure("used", 75.0, "%"),
        Measure("available", 25 * GIB, "By"),
    )
    assert (
        judge(disk(90, 1000), Limits(), NOW).message
        == "90.0 % used, 100.0 GiB available; limit 80 % with less than 100 GiB"
    )
    # Exactly at the share it passes by what is available, which is said.
    assert (
        judge(disk(80, 1000), Limits(), NOW).message
        == "80.0 % used, 200.0 GiB available; limit 80 % with less than 100 GiB"
    )
    assert judge(disk(98, 100), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "98.0 % used, 2.0 GiB available; limit 97 % with less than 10 GiB",
        Measure("used", 98.0, "%"),
        Measure("available", 2 * GIB, "By"),
    )


def test_blocks_reserved_for_root_are_used_blocks_as_in_df() -> None:
    seen = disk(75, 100, available_bytes=15 * GIB)

    assert (
        judge(seen, Limits(), NOW).message
        == "83.3 % used, 15.0 GiB available; limit 80 % with less than 100 GiB"
    )


def test_one_without_blocks_is_no_disk_and_one_block_is_one() -> None:
    assert judge(disk(0, 0), Limits(), NOW) is None
    full = judge(disk(0, 0, size_bytes=1), Limits(), NOW)
    assert (full.status, full.severity) == (Status.FAIL, Severity.CRITICAL)
    empty = judge(disk(0, 0, size_bytes=1, free_bytes=1, available_bytes=1), Limits(), NOW)
    assert empty.status is Status.PASS


def test_a_declared_disk_that_is_not_mounted_fails() -> None:
    assert judge(Observation("/backup", {"mounted": False}), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "declared in the site, but nothing is mounted there",
        remedy="mount /backup; findmnt --verify  # mount it; it should be there",
    )


def test_what_is_mounted_read_only_is_full_by_nature() -> None:
    assert judge(disk(100, 1, read_only=True), Limits(), NOW) is None
    assert judge(disk(100, 1, read_only=True, lost_writes=True), Limits(), NOW) is not None


@pytest.mark.parametrize("odd", [None, "8", -1, True, float("nan"), [1], 10**400])
def test_odd_data_is_unknown(odd: object) -> None:
    assert judge(disk(50, 1, free_bytes=odd), Limits(), NOW) == unknown("no sizes were given")
