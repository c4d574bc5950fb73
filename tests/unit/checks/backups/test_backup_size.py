from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupSeen,
    BackupTaken,
)
from upkeep.checks.backups.backup_size import Limits, judge
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def size(count: int) -> Measure:
    return Measure("size", count, "By")


@pytest.mark.parametrize(
    ("count", "earlier", "verdict"),
    [
        (
            50,
            [100, 90, 110],
            passed("50 B, 50 % of the median of the 3 backups before it", size(50)),
        ),
        (
            49,
            [100, 90, 110],
            failed(
                Severity.HIGH,
                "49 B, 49 % of the median of the 3 backups before it, at least 50 %",
                size(49),
            ),
        ),
        (
            300,
            [100] * 14,
            passed("300 B, 300 % of the median of the 14 backups before it", size(300)),
        ),
        (
            310,
            [100] * 14,
            failed(
                Severity.LOW,
                "310 B, 310 % of the median of the 14 backups before it, at most 300 %",
                size(310),
            ),
        ),
        (0, [100], failed(Severity.CRITICAL, "/b/a.gz is empty", size(0))),
        (9, [10, 10], nothing_to_judge("9 B; 2 earlier backups, 3 to compare", size(9))),
        (9, [0, 0, 0], nothing_to_judge("9 B; the earlier backups are empty", size(9))),
    ],
)
def test_size(count: int, earlier: list[int], verdict: Verdict) -> None:
    newest = BackupTaken("/b/a.gz", bytes=count)
    seen = BackupSeen(NOW, ["/b/*"], 1 + len(earlier), newest=newest, earlier_bytes=earlier)

    assert judge(seen, Limits(), NOW) == verdict


def test_a_repository_has_no_result_and_no_backup_is_unknown() -> None:
    none = BackupSeen(NOW, ["/b/*"], 0)
    repository = BackupSeen(NOW, ["/r"], 1, newest=BackupTaken("snapshot", "snapshot"))

    assert judge(none, Limits(), NOW) == unknown(
        "there is no backup to compare", remedy="fix what backup_fresh says first"
    )
    assert judge(repository, Limits(), NOW) is None
