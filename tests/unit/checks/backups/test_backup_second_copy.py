from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupCopy,
    BackupSeen,
    BackupTaken,
)
from upkeep.checks.backups.backup_second_copy import DECLARE, Limits, judge
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed, unknown

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


def copied(hours: float) -> BackupTaken:
    return BackupTaken("/mnt/b/a.gz", taken_at=NOW - timedelta(hours=hours), taken_by="inside")


def age(hours: float) -> Measure:
    return Measure("age", hours * 3600, "s")


def seen(rpo_hours: float | None = None, **copy: Any) -> BackupSeen:
    given = {"newest": copied(10), "why": "it is a NAS", **copy}
    return BackupSeen(NOW, ["/b/*"], 1, rpo_hours=rpo_hours, copy=BackupCopy(["/mnt/b/*"], **given))


@pytest.mark.parametrize(
    ("copy", "verdict"),
    [
        (
            {"elsewhere": "in Graz", "newest": copied(48)},
            passed("48 h old, at most 48 h; elsewhere, as declared: in Graz", age(48)),
        ),
        (
            {"elsewhere": "in Graz", "newest": copied(48.5)},
            failed(Severity.HIGH, "48 h old, at most 48 h: /mnt/b/a.gz", age(48.5)),
        ),
        (
            {"elsewhere": "in Graz", "newest": copied(31), "rpo_hours": 6},
            failed(Severity.HIGH, "31 h old, at most 30 h: /mnt/b/a.gz", age(31)),
        ),
        (
            {},
            unknown(
                "10 h old, at most 48 h, but not known to be elsewhere: it is a NAS",
                age(10),
                remedy=DECLARE,
            ),
        ),
        (
            {"newest": copied(49)},  # what is known to be wrong is said, wherever it is
            failed(Severity.HIGH, "49 h old, at most 48 h: /mnt/b/a.gz", age(49)),
        ),
        (
            {"apart": "same device", "why": "/b and /mnt/b are both on sda"},
            failed(Severity.HIGH, "second copy on the same device: /b and /mnt/b are both on sda"),
        ),
        (
            {"apart": "same host", "why": "both on this host", "elsewhere": "in Graz"},
            failed(
                Severity.HIGH,
                "second copy on the same host: both on this host; declared to be elsewhere: in Graz",
            ),
        ),
        ({"newest": None}, failed(Severity.HIGH, "no backup at the second copy: /mnt/b/*")),
        (
            {"elsewhere": "in Graz", "differs": "400 B of 900 B"},
            failed(Severity.HIGH, "/mnt/b/a.gz is not a copy: 400 B of 900 B"),
        ),
        (
            {"error": "restic: wrong password", "newest": None},
            unknown("/mnt/b/*: restic: wrong password"),
        ),
        (
            {"newest": BackupTaken("/mnt/b/a.gz"), "elsewhere": "in Graz"},
            unknown("nothing says when the second copy was taken"),
        ),
        (
            {"newest": BackupTaken("/mnt/b/a.gz", future_at=datetime(2031, 1, 1, tzinfo=UTC))},
            failed(Severity.MEDIUM, "second copy dated in the future: 2031-01-01T00:00:00+00:00"),
        ),
    ],
)
def test_where_the_second_copy_is_and_how_old(copy: dict[str, Any], verdict: Verdict) -> None:
    assert judge(seen(**copy), Limits(), NOW) == verdict


def test_a_set_that_declares_no_second_copy_is_not_judged() -> None:
    assert judge(BackupSeen(NOW, ["/b/*"], 1), Limits(), NOW) is None
