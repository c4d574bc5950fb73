"""The limit of failed logins in an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.logins.failed_logins import CHECK, Limits
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


def seen(most: int = 0, **more: Any) -> Observation:
    data: dict[str, Any] = {
        **QUIET,
        "most_in_an_hour": most,
        "lines": 100,
        "unparsed": 0,
        "newest_at": "2026-11-23T11:59:00+00:00",
        "window_end": "2026-11-23T12:00:00+00:00",
        "truncated": False,
        "sources": [{"source": "192.0.2.7", "failures": most}, {"source": "", "failures": 1}],
    }
    return Observation("/var/log/auth.log", {**data, **more})


def test_ten_pass() -> None:
    assert judge(seen(10), Limits(), NOW) == passed(
        "10 failed logins in an hour, at most 10", Measure("failed_logins_per_hour", 10)
    )


def test_eleven_fail_and_their_sources_are_named() -> None:
    assert judge(seen(11), Limits(), NOW) == failed(
        Severity.HIGH,
        "11 failed logins in an hour, at most 10; most from 192.0.2.7 (11), no address given (1)",
        Measure("failed_logins_per_hour", 11),
        remedy="grep -aiE 'fail|invalid|denied' /var/log/auth.log | tail -n 20  # see who it was; then block the source",
    )


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        ("2026-11-22T12:00:00+00:00", Status.PASS),
        ("2026-11-22T11:59:59+00:00", Status.UNKNOWN),
        (None, Status.UNKNOWN),
    ],
    ids=["at the limit", "older", "none"],
)
def test_a_log_that_nobody_writes_is_unknown(newest: str | None, status: Status) -> None:
    assert judge(seen(lines=0, newest_at=newest), Limits(), NOW).status is status


@pytest.mark.parametrize(("most", "status"), [(10, Status.UNKNOWN), (11, Status.FAIL)])
def test_a_part_of_a_log_can_fail_but_not_pass(most: int, status: Status) -> None:
    assert judge(seen(most, truncated=True), Limits(), NOW).status is status


@pytest.mark.parametrize(("unparsed", "status"), [(10, Status.PASS), (11, Status.UNKNOWN)])
def test_many_lines_not_understood_are_unknown(unparsed: int, status: Status) -> None:
    assert judge(seen(unparsed=unparsed), Limits(), NOW).status is status


def test_a_long_source_is_cut() -> None:
    verdict = judge(seen(99, sources=[{}, {"source": "x" * 999}]), Limits(), NOW)

    assert verdict.status is Status.FAIL
    assert len(verdict.message) < 200


@pytest.mark.parametrize(("most", "status"), [(10, Status.UNKNOWN), (11, Status.FAIL)])
def test_lines_that_were_not_understood_as_logins_do_not_pass(most: int, status: Status) -> None:
    assert judge(seen(most, untold=30), Limits(), NOW).status is status


def test_a_flooded_log_fails() -> None:
    """A client can write as much: unknown would blind the check, and a pass would hide what was pushed out."""
    verdict = judge(seen(0, truncated=True, over_limit=True), Limits(), NOW)

    assert (verdict.status, verdict.severity) == (Status.FAIL, Severity.MEDIUM)
    assert "floods the log" in verdict.message


@pytest.mark.parametrize(
    ("most", "possible", "status"),
    [
        (4, 6, Status.PASS),
        (4, 7, Status.UNKNOWN),
        (0, 11, Status.UNKNOWN),
        (11, 99, Status.FAIL),
        (10, 0, Status.PASS),
    ],
)
def test_lines_that_may_tell_of_failed_logins_count_against_a_pass(
    most: int, possible: int, status: Status
) -> None:
    more = {
        "possible_failures": possible,
        "most_possible_in_an_hour": most + possible,
        "doubted_program": "dropbear",
        "doubted_sample": "Bad password attempt",
    }
    verdict = judge(seen(most, **more), Limits(), NOW)

    assert verdict.status is status
    if status is Status.UNKNOWN:
        assert verdict.message == (
            f"{possible} lines may tell of failed logins and were not understood, such as one of dropbear: "
            "'Bad password attempt'"
        )
        assert verdict.remedy == (
            "grep -aiE dropbear /var/log/auth.log | tail -n 20  # see them; they may tell of failed logins"
        )
