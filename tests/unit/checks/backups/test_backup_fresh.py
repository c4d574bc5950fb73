from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.backups.backup_fresh import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Verdict, failed, passed

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(hours: float, **data: Any) -> Observation:
    taken = (NOW - timedelta(hours=hours)).isoformat()
    newest = {"path": "/b/a.gz", "bytes": 1, "taken_at": taken, "in_future": hours < 0}
    base = {"at": NOW.isoformat(), "where": ["/b/*.gz"], "rpo_hours": None, "count": 4}
    return Observation("shop", {**base, "newest": newest, **data})


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
        (
            -2,
            failed(
                Severity.MEDIUM, "dated in the future: 2026-11-23T10:00:00+00:00", *measures(-2)
            ),
        ),
    ],
)
def test_age(hours: float, verdict: Verdict) -> None:
    assert judge(seen(hours), Limits(), NOW) == verdict


def test_the_sets_own_rpo_goes_before_the_checks() -> None:
    assert judge(seen(5, rpo_hours=4.0), Limits(), NOW).severity is Severity.HIGH
    assert judge(seen(30, rpo_hours=48.0), Limits(), NOW).severity is None


def test_absence_is_critical_and_says_what_there_is_instead() -> None:
    observation = seen(
        0, count=0, newest=None, links=["/b/latest"], unfinished=["/b/x.part"], growing=["/b/y"]
    )

    assert judge(observation, Limits(), NOW) == failed(
        Severity.CRITICAL, "no backup at /b/*.gz; 1 links are not counted as backups; 2 unfinished"
    )
    repository = seen(0, count=0, newest=None, where="rest:https://backup.example.org/")
    assert judge(repository, Limits(), NOW) == failed(
        Severity.CRITICAL, "no backup at rest:https://backup.example.org/"
    )
