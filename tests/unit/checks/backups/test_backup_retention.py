from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupSeen,
    BackupTier,
)
from upkeep.checks.backups.backup_retention import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, nothing_to_judge, passed

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
WHOLE = BackupTier("daily", 7, 7, 7)
SHORT = BackupTier("daily", 7, 7, 5, ["2026-11-25", "2026-11-23"])
MONTHS = BackupTier("monthly", 12, 12, 11, ["2026-01"])
BEGUN = BackupTier("weekly", 4, 2, 2)


@pytest.mark.parametrize(
    ("tiers", "limits", "verdict"),
    [
        ([WHOLE], Limits(), passed("daily 7 of 7", Measure("missing", 0), Measure("daily", 7))),
        (
            [WHOLE, BEGUN],
            Limits(),
            passed(
                "daily 7 of 7, weekly 2 of 2 so far, 4 declared",
                Measure("missing", 0),
                Measure("daily", 7),
                Measure("weekly", 2),
            ),
        ),
        (
            [SHORT, BEGUN, MONTHS],
            Limits(),
            failed(
                Severity.MEDIUM,
                "too few backups: daily 5 of 7, none of 2026-11-25, 2026-11-23; "
                "monthly 11 of 12, none of 2026-01",
                Measure("missing", 3),
                Measure("daily", 5),
                Measure("weekly", 2),
                Measure("monthly", 11),
            ),
        ),
        (
            [MONTHS],
            Limits(missing_at_most=1),
            passed("monthly 11 of 12", Measure("missing", 1), Measure("monthly", 11)),
        ),
        (
            [BackupTier("yearly", 3, 0, 0)],
            Limits(),
            nothing_to_judge(
                "no period of a declared tier has begun since the day from which the set is kept",
                Measure("missing", 0),
                Measure("yearly", 0),
            ),
        ),
    ],
)
def test_how_many_periods_have_a_backup(
    tiers: list[BackupTier], limits: Limits, verdict: Verdict
) -> None:
    seen = BackupSeen(NOW, ["/b/*"], 9, retention=tiers)

    assert judge(seen, limits, NOW) == verdict


def test_a_set_that_declares_no_retention_is_not_judged() -> None:
    assert judge(BackupSeen(NOW, ["/b/*"], 1), Limits(), NOW) is None
