from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupMaking,
    BackupSeen,
    BackupTaken,
    BackupWitness,
)
from upkeep.checks.backups.backup_fresh import WAIT, Limits, judge
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed, unknown

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
NEWEST: dict[str, Any] = {"path": "/b/a.gz", "taken_by": "written"}


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def seen(hours: float, **data: Any) -> BackupSeen:
    given = {"newest": BackupTaken(**NEWEST, taken_at=ago(hours)), "count": 4, **data}
    return BackupSeen(NOW, ["/b/*.gz"], **given)


def measures(hours: float) -> tuple[Measure, ...]:
    return Measure("age", hours * 3600, "s"), Measure("backups", 4)


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        (0, passed("0 h old, at most 24 h", *measures(0))),
        (24, passed("24 h old, at most 24 h", *measures(24))),
        (25, failed(Severity.HIGH, "25 h old, at most 24 h: /b/a.gz", *measures(25))),
        (72, failed(Severity.HIGH, "72 h old, at most 24 h: /b/a.gz", *measures(72))),
        (73, failed(Severity.CRITICAL, "73 h old, at most 24 h: /b/a.gz", *measures(73))),
    ],
)
def test_age(hours: float, verdict: Verdict) -> None:
    assert judge(seen(hours), Limits(), NOW) == verdict


def test_the_sets_own_rpo_goes_before_the_checks() -> None:
    assert judge(seen(5, rpo_hours=4.0), Limits(), NOW).severity is Severity.HIGH
    assert judge(seen(30, rpo_hours=48.0), Limits(), NOW).severity is None


def test_witnesses_that_disagree_are_both_named() -> None:
    said = [
        BackupWitness("name", ago(80), "2026-11-20 in its name"),
        BackupWitness("written", ago(2), "the time of writing"),
    ]
    copied = BackupTaken(
        "/b/a.gz", taken_at=ago(80), taken_by="name", witnesses=said, disagree=True
    )

    assert judge(seen(0, newest=copied), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "80 h old by 2026-11-20 in its name (but the time of writing says 2026-11-23 06:00), at most 24 h: /b/a.gz",
        *measures(80),
    )


def test_a_time_in_the_future_is_none() -> None:
    future = BackupTaken("/b/a.gz", taken_at=None, future_at=ago(-2))

    assert judge(seen(0, newest=future), Limits(), NOW) == failed(
        Severity.MEDIUM,
        "the only time of the backup is in the future: 2026-11-23 10:00 UTC: /b/a.gz",
        Measure("backups", 4),
    )


@pytest.mark.parametrize(
    ("idle", "age", "verdict"),
    [
        (12, 20, passed("20 h old, at most 24 h; 1 unfinished", *measures(20))),
        (
            13,
            20,
            failed(
                Severity.MEDIUM,
                "/b/x.part is not finished, and was last written 13 h ago (held open by gzip); the backup before it is "
                "20 h old, at most 24 h",
                *measures(20),
            ),
        ),
        (13, 10, passed("10 h old, at most 24 h; 1 unfinished", *measures(10))),
    ],
    ids=["not yet too long", "too long", "older than the newest one"],
)
def test_a_backup_that_is_being_made_fails_only_if_it_stays_so(
    idle: float, age: float, verdict: Verdict
) -> None:
    making = [BackupMaking("/b/x.part", ago(idle), "held open by gzip")]

    assert judge(seen(age, making=making), Limits(), NOW) == verdict


def test_the_first_backup_of_a_set_while_it_is_made_is_unknown() -> None:
    making = [BackupMaking("/b/x.gz", ago(0.1), "held open by gzip")]

    assert judge(BackupSeen(NOW, ["/b/*"], 0, making=making), Limits(), NOW) == unknown(
        "no finished backup at /b/* yet; /b/x.gz is being made (held open by gzip)", remedy=WAIT
    )


def test_absence_is_critical_and_says_what_there_is_instead() -> None:
    making = [BackupMaking("/b/x.part", ago(1), ""), BackupMaking("/b/y", ago(1), "")]
    none = seen(0, count=0, newest=None, links=["/b/latest"], making=making)

    assert judge(none, Limits(), NOW) == failed(
        Severity.CRITICAL,
        "no backup at /b/*.gz; 1 links are not counted as backups; 2 unfinished: /b/x.part",
    )
    assert judge(BackupSeen(NOW, ["rest:https://b.example.org/"], 0), Limits(), NOW) == failed(
        Severity.CRITICAL, "no backup at rest:https://b.example.org/"
    )
