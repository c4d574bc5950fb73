"""The limits of the error rate."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web.site_errors import CHECK, Limits
from upkeep.model.verdicts import Measure, Severity, Status, failed, nothing_to_judge, passed

judge = partial(verdict_of, CHECK)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def seen(requests: int, errors: int, **more: Any) -> Observation:
    data = {"requests": requests, "server_errors": errors, "unparsed": 0, "window_seconds": 300}
    return Observation("/x.log", {**data, **more})


def measures(requests: int, share: float) -> tuple[Measure, ...]:
    return (
        Measure("requests", requests),
        Measure("server_error_share", share, "%"),
        Measure("unread_line_share", 0.0, "%"),
    )


@pytest.mark.parametrize(
    ("requests", "errors", "status", "severity"),
    [
        (1000, 1, Status.PASS, None),
        (1000, 2, Status.FAIL, Severity.HIGH),
        (100_000, 100, Status.PASS, None),
        (100_000, 101, Status.FAIL, Severity.HIGH),
        (1000, 49, Status.FAIL, Severity.HIGH),
        (1000, 50, Status.FAIL, Severity.CRITICAL),
        (999, 0, Status.PASS, None),
        (999, 1, Status.UNKNOWN, None),
        (999, 4, Status.UNKNOWN, None),
        (999, 5, Status.FAIL, Severity.HIGH),
        (5, 5, Status.FAIL, Severity.CRITICAL),
        (1, 1, Status.UNKNOWN, None),
        (1, 0, Status.PASS, None),
    ],
)
def test_the_share_of_errors(
    requests: int, errors: int, status: Status, severity: Severity | None
) -> None:
    verdict = judge(seen(requests, errors), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)


def test_a_pass_states_value_and_limit() -> None:
    assert judge(seen(2000, 1), Limits(), NOW) == passed(
        "server errors: 1 of 2000 requests in 300 s (0.05 %, at most 0.1 %)", *measures(2000, 0.05)
    )


def test_large_numbers_are_written_out() -> None:
    verdict = judge(seen(12_345_678, 0), Limits(), NOW)

    assert verdict is not None
    assert "0 of 12345678 requests" in verdict.message


def test_a_small_sample_is_said() -> None:
    assert judge(seen(10, 0), Limits(), NOW) == passed(
        "server errors: 0 of 10 requests in 300 s (0 %, at most 0.1 %); too few for a rate, at least 1000",
        *measures(10, 0.0),
    )


def test_a_failure_names_routes_and_client() -> None:
    observation = seen(
        1000,
        20,
        error_routes=[{"route": "GET /a", "errors": 15}, {"route": "GET /b", "errors": 5}],
        error_clients=[{"client": "192.0.2.7", "errors": 20}],
    )

    assert judge(observation, Limits(), NOW) == failed(
        Severity.HIGH,
        "server errors: 20 of 1000 requests in 300 s (2 %, at most 0.1 %)"
        "; most in GET /a (15), GET /b (5); most for 192.0.2.7 (20)",
        *measures(1000, 2.0),
        remedy="grep -aiE '[ \":]5[0-9][0-9][ \",}]' /x.log | tail -n 20"
        "  # see which requests failed; then read what the application logs of them",
    )


def test_no_traffic_is_unknown_where_the_log_was_declared_and_nothing_where_it_was_found() -> None:
    assert judge(seen(0, 0, declared=True), Limits(), NOW) == nothing_to_judge(
        "no request in 300 s, so no error rate", Measure("requests", 0)
    )
    assert judge(seen(0, 0, declared=False), Limits(), NOW) is None


@pytest.mark.parametrize(
    ("requests", "errors", "unread", "status"),
    [
        (190, 0, 4, Status.PASS),
        (190, 0, 5, Status.UNKNOWN),
        (100_000, 0, 99, Status.PASS),
        (100_000, 0, 101, Status.UNKNOWN),
        (100_000, 60, 41, Status.UNKNOWN),
        (190, 5, 4, Status.FAIL),
        (190, 5, 9_000, Status.FAIL),
        (0, 0, 1, Status.UNKNOWN),
    ],
    ids=[
        "fewer than few errors",
        "few errors",
        "a share within the limit",
        "a share over the limit",
        "over the limit with the errors that were read",
        "a fail with a few",
        "a fail with many",
        "nothing else",
    ],
)
def test_a_line_that_was_not_understood_may_be_an_error(
    requests: int, errors: int, unread: int, status: Status
) -> None:
    verdict = judge(seen(requests, errors, unparsed=unread), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    share = 100 * unread / (requests + unread)
    assert Measure("unread_line_share", share, "%") in verdict.measures


def test_lines_not_understood_are_told_of_with_one_of_them() -> None:
    few, many = (
        judge(seen(190, 0, unparsed=count, unparsed_sample="x \x1b y"), Limits(), NOW)
        for count in (4, 5)
    )

    assert few is not None
    assert few.status is Status.PASS
    assert "4 lines were not understood and may be errors, such as 'x \\x1b y'" in few.message
    assert many is not None
    assert many.message == (
        "server errors: 0 of 190 requests in 300 s (0 %, at most 0.1 %)"
        "; 5 lines were not understood and may be errors, such as 'x \\x1b y'"
    )
    assert "access_log_info" in many.remedy


def test_nothing_but_lines_not_understood_is_unknown_even_in_a_found_log() -> None:
    verdict = judge(seen(0, 0, unparsed=9, declared=False), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert "9 lines were not understood" in verdict.message


@pytest.mark.parametrize(
    ("requests", "errors", "more", "status", "severity"),
    [
        (2000, 0, {"over_limit": True}, Status.FAIL, Severity.MEDIUM),
        (10, 0, {"over_limit": True}, Status.FAIL, Severity.MEDIUM),
        (10, 1, {"over_limit": True}, Status.FAIL, Severity.MEDIUM),
        (0, 0, {"over_limit": True}, Status.FAIL, Severity.MEDIUM),
        (0, 0, {"over_limit": True, "declared": False}, Status.FAIL, Severity.MEDIUM),
        (2000, 30, {"over_limit": True}, Status.FAIL, Severity.HIGH),
        (2000, 2000, {"over_limit": True}, Status.FAIL, Severity.CRITICAL),
        (2000, 0, {}, Status.UNKNOWN, None),
        (2000, 30, {}, Status.FAIL, Severity.HIGH),
    ],
    ids=[
        "would pass",
        "no error of few",
        "too few for a rate",
        "nothing read",
        "nothing read of a found log",
        "fails all the same",
        "critical all the same",
        "a rotated log that cannot be read",
        "the same, and it fails",
    ],
)
def test_a_window_that_was_not_read_whole_never_passes(
    requests: int, errors: int, more: dict[str, Any], status: Status, severity: Severity | None
) -> None:
    verdict = judge(seen(requests, errors, truncated=True, **more), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)
    assert ("something floods the log" in verdict.message) is (severity is Severity.MEDIUM)


def test_a_route_that_is_not_named_does_not_matter() -> None:
    verdict = judge(seen(1000, 20, error_routes=[], error_clients=[{}]), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.FAIL
