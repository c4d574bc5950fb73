"""The number of failures that makes a login suspect."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logins.login_after_failures import CHECK, Limits
from upkeep.judging.shapes import ShapeError
from upkeep.model.verdicts import Measure, Severity, Status, failed, passed

QUIET = {
    "window_seconds": 3600,
    "burst_seconds": 600,
    "most_in_an_hour": 0,
    "sources": [],
    "logins_after_failures": [],
}
judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seen(*failures: int, **more: Any) -> Observation:
    data: dict[str, Any] = {
        **QUIET,
        "lines": 100,
        "unparsed": 0,
        "newest_at": "2026-11-23T11:59:00+00:00",
        "window_end": "2026-11-23T12:00:00+00:00",
        "logins_after_failures": [
            {
                "account": "bob",
                "source": "192.0.2.7",
                "at": "2026-11-23T11:58:00+00:00",
                "failures": count,
            }
            for count in failures
        ],
    }
    return Observation("/var/log/auth.log", {**data, **more})


def test_four_failures_before_a_login_pass() -> None:
    assert judge(seen(2, 4), Limits(), NOW) == passed(
        "no login after 5 or more failures from the same source (most: 4)",
        Measure("failures_before_login", 4),
    )


def test_five_failures_before_a_login_are_critical() -> None:
    assert judge(seen(2, 5), Limits(), NOW) == failed(
        Severity.CRITICAL,
        "login as bob from 192.0.2.7 at 2026-11-23T11:58:00+00:00 after 5 failures, suspicious from 5 on",
        Measure("failures_before_login", 5),
        remedy="grep -aiE '192\\.0\\.2\\.7' /var/log/auth.log | tail -n 20  # see what it did; decide: ask the account's "
        "owner, and if it was not them, lock the account (usermod -L) and end its sessions (loginctl terminate-user)",
    )


@pytest.mark.parametrize(
    "more",
    [
        {"truncated": True},
        {"newest_at": None},
        {"newest_at": "2026-11-22T11:59:59+00:00"},
        {"unparsed": 11},
        {"untold": 1},
    ],
    ids=["part", "no line", "silent", "misread", "untold"],
)
def test_what_was_not_seen_whole_does_not_pass(more: dict[str, Any]) -> None:
    limits = {"newest_at": "2026-11-22T12:00:00+00:00", "unparsed": 10, "untold": 0}
    assert judge(seen(**limits), Limits(), NOW).status is Status.PASS
    assert judge(seen(**more), Limits(), NOW).status is Status.UNKNOWN
    assert judge(seen(5, **more), Limits(), NOW).status is Status.FAIL


@pytest.mark.parametrize("logins", [None, "bob", [None]])
def test_logins_that_were_not_told_do_not_pass(logins: object) -> None:
    with pytest.raises(
        ShapeError, match=r"AuthLog: logins_after_failures(\[0\])?: expected (list|mapping), got"
    ):
        judge(seen(logins_after_failures=logins), Limits(), NOW)
