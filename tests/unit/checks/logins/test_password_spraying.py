"""The limit of accounts tried by one source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logins.password_spraying import CHECK, Limits
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


def seen(tried: int, source: str = "192.0.2.7", **more: Any) -> Observation:
    data: dict[str, Any] = {
        **QUIET,
        "window_seconds": 3600,
        "lines": 100,
        "unparsed": 0,
        "newest_at": "2026-11-23T11:59:00+00:00",
        "window_end": "2026-11-23T12:00:00+00:00",
        "sources": [{"source": source, "accounts_tried": tried, "accounts": ["a", "b", "c", "d"]}],
    }
    return Observation("/var/log/auth.log", {**data, **more})


def test_five_accounts_pass() -> None:
    assert judge(seen(5), Limits(), NOW) == passed(
        "5 accounts tried by one source in 3600 s, at most 5",
        Measure("accounts_tried_by_one_source", 5),
    )


def test_six_accounts_fail() -> None:
    assert replace(judge(seen(6), Limits(), NOW), remedy="") == failed(
        Severity.HIGH,
        "6 accounts tried by one source in 3600 s, at most 5: 192.0.2.7 (a, b, c, …)",
        Measure("accounts_tried_by_one_source", 6),
    )


def test_those_without_an_address_are_not_one_source() -> None:
    assert judge(seen(99, source=""), Limits(), NOW).status is Status.PASS


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
    assert judge(seen(6, **more), Limits(), NOW).status is Status.FAIL


def test_of_many_sources_the_worst_is_named_and_counted() -> None:
    sources = [
        {"source": f"192.0.2.{tried}", "accounts_tried": tried, "accounts": names}
        for tried, names in ((6, ["a"]), (9, []), (7, ["b"]))
    ]

    assert replace(judge(seen(0, sources=sources), Limits(), NOW), remedy="") == failed(
        Severity.HIGH,
        "9 accounts tried by one source in 3600 s, at most 5: 192.0.2.9 (, …)",
        Measure("accounts_tried_by_one_source", 9),
    )


def test_nobody_at_all_passes() -> None:
    assert judge(seen(0, sources=[]), Limits(), NOW) == passed(
        "0 accounts tried by one source in 3600 s, at most 5",
        Measure("accounts_tried_by_one_source", 0),
    )


@pytest.mark.parametrize("sources", [None, "192.0.2.7", [None]])
def test_sources_that_were_not_told_do_not_pass(sources: object) -> None:
    with pytest.raises(ShapeError, match=r"AuthLog: sources(\[0\])?: expected (list|mapping), got"):
        judge(seen(0, sources=sources), Limits(), NOW)
