"""Limits of file_system_errors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.hosts.file_system_errors import Limits, judge
from upkeep.model.verdicts import Measure, Severity, failed, passed, unknown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def disk(**data: object) -> Observation:
    good = {"read_only": False, "lost_writes": False, "wanted_writable": None, "errors": None}
    return Observation("/", {"mounted": True, **good, **data})


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (disk(), passed("writable")),
        (disk(errors=0), passed("writable", Measure("errors", 0))),
        (disk(wanted_writable=True), passed("writable")),
        (disk(wanted_writable=True, errors=0), passed("writable", Measure("errors", 0))),
        (disk(read_only=True), passed("read-only, as mounted")),
        (disk(fstab_unread="/etc/fstab: permission denied"), passed("writable")),
        (
            disk(read_only=True, fstab_unread="/etc/fstab: permission denied"),
            unknown(
                "mounted read-only; it is not known whether that is intended: /etc/fstab: permission denied"
            ),
        ),
        (
            disk(read_only=True, errors=2, fstab_unread="/etc/fstab: permission denied"),
            failed(
                Severity.HIGH,
                "2 errors counted since its last check, at most 0",
                Measure("errors", 2),
            ),
        ),
        (disk(read_only=True, wanted_writable=False), passed("read-only, as mounted")),
        (
            disk(read_only=True, wanted_writable=True),
            failed(Severity.CRITICAL, "mounted read-only; /etc/fstab wants it writable"),
        ),
        (
            disk(read_only=True, lost_writes=True, errors=1),
            failed(Severity.CRITICAL, "was mounted writable and has become read-only"),
        ),
        (
            disk(errors=3),
            failed(
                Severity.HIGH,
                "3 errors counted since its last check, at most 0",
                Measure("errors", 3),
            ),
        ),
        (
            disk(errors=1),
            failed(
                Severity.HIGH,
                "1 errors counted since its last check, at most 0",
                Measure("errors", 1),
            ),
        ),
        (disk(read_only="no"), unknown("no mount options were given")),
        (disk(lost_writes=None), unknown("no mount options were given")),
        (
            Observation("/backup", {"mounted": False}),
            unknown(
                "nothing is mounted there", remedy="mount /backup  # mount it; it should be there"
            ),
        ),
        (Observation("/backup", {"seen_as_another": True}), None),
    ],
)
def test_states(seen: Observation, verdict: object) -> None:
    assert judge(seen, Limits(), NOW) == verdict


@pytest.mark.parametrize("odd", ["3", -1, True])
def test_a_count_that_was_told_and_is_none_does_not_pass(odd: object) -> None:
    with pytest.raises(ValueError, match=r"errors: found .*; expected a number"):
        judge(disk(errors=odd), Limits(), NOW)
