from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logs.log_retention import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed, unknown

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def seen(**more: Any) -> Observation:
    base = {"kind": "retention", "path": "/var/log/a", "keep_days": 30, "archives": 9, "bytes": 90}
    rest = {"overdue": 0, "overdue_bytes": 0, "oldest_overdue_at": None, "at": NOW.isoformat()}
    return Observation(
        "retention /var/log/a", {**base, **rest, "refused": [], "unread": [], **more}
    )


@pytest.mark.parametrize(
    ("days", "severity"),
    [(31, None), (32, None), (32 + 1 / 86400, Severity.LOW), (33, Severity.LOW)],
    ids=["within the grace", "at its end", "a second past it", "past it"],
)
def test_days(days: float, severity: Severity | None) -> None:
    oldest = (NOW - timedelta(days=days)).isoformat()

    verdict = judge(seen(overdue=1, overdue_bytes=10, oldest_overdue_at=oldest), Limits(), NOW)

    assert verdict is not None
    status = Status.FAIL if severity else Status.PASS
    assert (verdict.status, verdict.severity) == (status, severity)


def test_messages_state_value_and_limit() -> None:
    measures = (
        Measure("archives", 9),
        Measure("archive_bytes", 90, "By"),
        Measure("overdue_bytes", 0, "By"),
    )

    assert judge(seen(), Limits(), NOW) == passed("9 archives, none older than 30 days", *measures)
    refused = judge(seen(refused=["/var/log/a/x: a link", "b"]), Limits(), NOW)
    assert refused == failed(
        Severity.MEDIUM,
        "2 files that a clean-up must not touch, such as /var/log/a/x: a link",
        *measures,
        remedy="ls -li /var/log/a  # see the links",
    )
    assert judge(seen(unread=["/var/log/a/b: denied"]), Limits(), NOW) == unknown(
        "1 folders not read, such as /var/log/a/b: denied"
    )
    assert judge(seen(kind="log"), Limits(), NOW) is None


def test_the_oldest_that_is_overdue_is_told() -> None:
    oldest = (NOW - timedelta(days=40)).isoformat()
    late = seen(overdue=3, overdue_bytes=7, oldest_overdue_at=oldest, refused=["b"], unread=["c"])

    assert judge(late, Limits(), NOW) == failed(
        Severity.LOW,
        "3 archives are older than 30 days, the oldest is 40 d old",
        Measure("archives", 9),
        Measure("archive_bytes", 90, "By"),
        Measure("overdue_bytes", 7, "By"),
    )


def test_what_must_not_be_touched_is_a_finding_and_what_is_unread_unknown() -> None:
    refused = judge(seen(refused=["/var/log/a/x.gz: is a symbolic link"]), Limits(), NOW)
    unread = judge(seen(unread=["/var/log/a/b: permission denied"]), Limits(), NOW)

    assert refused is not None
    assert refused.severity is Severity.MEDIUM
    assert unread is not None
    assert unread.status is Status.UNKNOWN
