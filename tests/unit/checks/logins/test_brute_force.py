"""The limit of failed logins from one source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logins.brute_force import CHECK, Limits
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


def seen(*bursts: int, **more: Any) -> Observation:
    data: dict[str, Any] = {
        **QUIET,
        "burst_seconds": 600,
        "lines": 100,
        "unparsed": 0,
        "newest_at": "2026-11-23T11:59:00+00:00",
        "window_end": "2026-11-23T12:00:00+00:00",
        "sources": [
            {"source": f"192.0.2.{n}", "most_in_burst": burst} for n, burst in enumerate(bursts)
        ],
    }
    return Observation("/var/log/auth.log", {**data, **more})


def test_eight_pass() -> None:
    assert judge(seen(8, 3), Limits(), NOW) == passed(
        "8 failed logins from one source within 600 s, at most 8",
        Measure("failed_logins_in_burst", 8),
    )


def test_nobody_at_all_passes() -> None:
    assert judge(seen(), Limits(), NOW) == passed(
        "0 failed logins from one source within 600 s, at most 8",
        Measure("failed_logins_in_burst", 0),
    )


def test_nine_fail() -> None:
    assert replace(judge(seen(3, 9), Limits(), NOW), remedy="") == failed(
        Severity.HIGH,
        "9 failed logins from one source within 600 s, at most 8: 192.0.2.1",
        Measure("failed_logins_in_burst", 9),
    )


def test_of_many_sources_the_worst_are_named() -> None:
    verdict = judge(seen(9, 12, 10, 11), Limits(), NOW)

    assert verdict.message.endswith(": 192.0.2.1, 192.0.2.3, 192.0.2.2 and 1 more")
    three = judge(seen(9, 12, 10), Limits(), NOW)
    assert three.message.endswith(": 192.0.2.1, 192.0.2.2, 192.0.2.0")


def test_what_fails_without_an_address_is_one_source() -> None:
    verdict = judge(seen(sources=[{"source": "", "most_in_burst": 9}]), Limits(), NOW)

    assert verdict.message.endswith(", at most 8: no address given")


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
    assert judge(seen(1, **limits), Limits(), NOW).status is Status.PASS
    assert judge(seen(1, **more), Limits(), NOW).status is Status.UNKNOWN
    assert judge(seen(9, **more), Limits(), NOW).status is Status.FAIL


@pytest.mark.parametrize("sources", [None, "192.0.2.7", [None]])
def test_sources_that_were_not_told_do_not_pass(sources: object) -> None:
    with pytest.raises(ShapeError, match=r"AuthLog: sources(\[0\])?: expected (list|mapping), got"):
        judge(seen(sources=sources), Limits(), NOW)
