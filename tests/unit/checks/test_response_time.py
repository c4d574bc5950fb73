"""The limits of request times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation
from upkeep.checks.response_time import Params, judge
from upkeep.verdicts import Measure, Severity, Status, failed, unknown

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def seen(mean: float = 0.1, p95: float = 0.2, count: int = 20, **more: Any) -> Observation:
    data = {
        "requests": 30,
        "unparsed": 0,
        "window_seconds": 300,
        "request_time": {"count": count, "mean": mean, "p95": p95, "p99": p95},
    }
    return Observation("/x.log", {**data, **more})


@pytest.mark.parametrize(
    ("mean", "p95", "status", "severity"),
    [
        (1.999, 3.999, Status.PASS, None),
        (2.0, 0.1, Status.FAIL, Severity.MEDIUM),
        (0.1, 4.0, Status.FAIL, Severity.MEDIUM),
        (3.999, 4.0, Status.FAIL, Severity.MEDIUM),
        (4.0, 4.0, Status.FAIL, Severity.HIGH),
        (0.1, 8.0, Status.FAIL, Severity.HIGH),
    ],
)
def test_mean_and_95th_percentile(
    mean: float, p95: float, status: Status, severity: Severity | None
) -> None:
    verdict = judge(seen(mean, p95), Params(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)


def test_a_failure_states_values_limits_and_route() -> None:
    observation = seen(2.5, 3.0, slow_routes=[{"route": "GET /report", "total_seconds": 40}])

    assert judge(observation, Params(), NOW) == failed(
        Severity.MEDIUM,
        "mean 2.5 s (below 2 s), 95th percentile 3 s (below 4 s) of 20 requests; most time went to GET /report",
        Measure("request_time_mean", 2.5, "s"),
        Measure("request_time_p95", 3.0, "s"),
        Measure("request_time_p99", 3.0, "s"),
        Measure("timed_requests", 20),
    )


def test_too_few_requests_are_unknown_however_slow() -> None:
    verdict = judge(seen(9.0, 9.0, count=19), Params(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.message.endswith("; too few to judge, at least 20")


@pytest.mark.parametrize("times", [{"count": 0}, {}, None, "fast"])
def test_a_log_without_request_times_is_unknown(times: Any) -> None:
    verdict = judge(seen(request_time=times), Params(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.message == "none of 30 requests has a request time in the log"
    assert "$request_time" in verdict.remedy


def test_no_traffic_is_unknown_where_the_log_was_declared_and_nothing_where_it_was_found() -> None:
    assert judge(seen(requests=0), Params(), NOW) == unknown(
        "no request in 300 s, so no request time"
    )
    assert judge(seen(requests=0, declared=False), Params(), NOW) is None


@pytest.mark.parametrize(
    ("mean", "count", "unread", "status"),
    [
        (0.1, 76, 4, Status.PASS),
        (0.0, 145, 5, Status.UNKNOWN),
        (0.0, 146, 5, Status.PASS),
        (1.0, 295, 5, Status.PASS),
        (1.0, 290, 5, Status.UNKNOWN),
        (0.1, 190, 10, Status.UNKNOWN),
        (0.1, 100_000, 5, Status.PASS),
        (9.0, 20, 900, Status.FAIL),
    ],
    ids=[
        "a few lines",
        "a minute each makes the mean 2 s",
        "just under it",
        "a slower site, just under it",
        "a slower site, at it",
        "ten of 200",
        "few of very many",
        "what fails does",
    ],
)
def test_lines_not_understood_may_be_the_slow_ones(
    mean: float, count: int, unread: int, status: Status
) -> None:
    verdict = judge(seen(mean, mean, count=count, unparsed=unread), Params(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert f"{unread} lines were not understood" in verdict.message


def test_nothing_but_lines_not_understood_is_unknown_even_in_a_found_log() -> None:
    verdict = judge(seen(requests=0, unparsed=9, declared=False), Params(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("observation", "status", "severity"),
    [
        (seen(over_limit=True, truncated=True), Status.FAIL, Severity.MEDIUM),
        (seen(count=3, over_limit=True, truncated=True), Status.FAIL, Severity.MEDIUM),
        (seen(requests=0, over_limit=True, truncated=True), Status.FAIL, Severity.MEDIUM),
        (seen(9.0, over_limit=True, truncated=True), Status.FAIL, Severity.HIGH),
        (seen(truncated=True), Status.UNKNOWN, None),
        (seen(9.0, truncated=True), Status.FAIL, Severity.HIGH),
    ],
    ids=[
        "would pass",
        "too few",
        "nothing read",
        "fails all the same",
        "a rotated log that cannot be read",
        "the same, and it fails",
    ],
)
def test_a_window_that_was_not_read_whole_never_passes(
    observation: Observation, status: Status, severity: Severity | None
) -> None:
    verdict = judge(observation, Params(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)
    assert ("something floods the log" in verdict.message) is (severity is Severity.MEDIUM)
