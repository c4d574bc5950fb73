"""The limits of request times."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web.response_time import ADD_TIMES, CHECK, DECIDED_BY, Limits
from upkeep.judging.log_verdicts import ACCESS_FORMAT, UNREAD_SHARE
from upkeep.model.verdicts import (
    Measure,
    Severity,
    Status,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

judge = partial(verdict_of, CHECK)
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
    verdict = judge(seen(mean, p95), Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)


def test_a_failure_states_values_limits_and_route() -> None:
    observation = seen(2.5, 3.0, slow_routes=[{"route": "GET /report", "total_seconds": 40}])

    assert judge(observation, Limits(), NOW) == failed(
        Severity.MEDIUM,
        "mean 2.5 s (below 2 s), 95th percentile 3 s (below 4 s) of 20 requests; most time went to GET /report",
        Measure("request_time_mean", 2.5, "s"),
        Measure("request_time_p95", 3.0, "s"),
        Measure("request_time_p99", 3.0, "s"),
        Measure("timed_requests", 20),
    )


def test_too_few_requests_are_unknown_however_slow() -> None:
    verdict = judge(seen(9.0, 9.0, count=19), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.message.endswith("; too few to judge, at least 20")


@pytest.mark.parametrize("times", [{"count": 0}, {}])
def test_a_log_without_request_times_is_unknown(times: Any) -> None:
    verdict = judge(seen(request_time=times), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is Status.UNKNOWN
    assert verdict.message == "none of 30 requests has a request time in the log"
    assert "$request_time" in verdict.remedy


def test_no_traffic_is_unknown_where_the_log_was_declared_and_nothing_where_it_was_found() -> None:
    assert judge(seen(requests=0), Limits(), NOW) == nothing_to_judge(
        "no request in 300 s, so no request time"
    )
    assert judge(seen(requests=0, declared=False), Limits(), NOW) is None


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
    verdict = judge(seen(mean, mean, count=count, unparsed=unread), Limits(), NOW)

    assert verdict is not None
    assert verdict.status is status
    assert f"{unread} lines were not understood" in verdict.message


def test_nothing_but_lines_not_understood_is_unknown_even_in_a_found_log() -> None:
    verdict = judge(seen(requests=0, unparsed=9, declared=False), Limits(), NOW)

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
    verdict = judge(observation, Limits(), NOW)

    assert verdict is not None
    assert (verdict.status, verdict.severity) == (status, severity)
    assert ("something floods the log" in verdict.message) is (severity is Severity.MEDIUM)


def figures(mean: float, p95: float, count: int = 20) -> tuple[Measure, ...]:
    """Return the measures of `seen` with the same figures."""
    return (
        Measure("request_time_mean", mean, "s"),
        Measure("request_time_p95", p95, "s"),
        Measure("request_time_p99", p95, "s"),
        Measure("timed_requests", count),
    )


def words(mean: str, p95: str, count: int = 20) -> str:
    return f"mean {mean} s (below 2 s), 95th percentile {p95} s (below 4 s) of {count} requests"


def test_nothing_understood_says_how_much_and_what_to_do() -> None:
    assert judge(seen(requests=0, unparsed=9), Limits(), NOW) == unknown(
        "none of 9 lines was understood as a request",
        Measure(UNREAD_SHARE, 100.0, "%"),
        remedy=ACCESS_FORMAT,
    )


DECIDERS = ("time_place", "time_unit", "time_unit and time_place", "fields")
"""As the gather of access logs says it."""


@pytest.mark.parametrize("decided_by", [*DECIDERS, "", "the moon"])
def test_a_log_without_a_time_that_can_be_told_says_what_decides(decided_by: Any) -> None:
    reason, remedy = DECIDED_BY[decided_by] if decided_by in DECIDERS else ("", ADD_TIMES)
    text = "none of 30 requests has a request time in the log"
    text += f" that can be told: {reason}" if reason else ""
    untold = seen(request_time={}, time_decided_by=decided_by)

    assert judge(untold, Limits(), NOW) == unknown(text, remedy=remedy)


REASON, DECIDES = DECIDED_BY["time_place"]
FEW = "; too few to judge, at least 20"


@pytest.mark.parametrize(
    ("most", "least", "decided_by", "verdict"),
    [
        ((0.2, 0.2), (0.1, 0.1), "time_place", passed(words("0.2", "0.2"), *figures(0.2, 0.2))),
        (
            (9.0, 9.0),
            (2.5, 2.5),
            "time_place",
            failed(Severity.MEDIUM, words("2.5", "2.5"), *figures(2.5, 2.5)),
        ),
        (
            (9.0, 9.0),
            (0.1, 0.1),
            "time_place",
            unknown(
                f"{REASON}: by the largest, {words('9', '9')}; by the least, {words('0.1', '0.1')}",
                *figures(9.0, 9.0),
                remedy=DECIDES,
            ),
        ),
        (
            (9.0, 9.0, 19),
            (0.1, 0.1, 19),
            "time_place",
            nothing_to_judge(words("9", "9", 19) + FEW, *figures(9.0, 9.0, 19)),
        ),
        # Nothing decides between them, so that the largest is it.
        (
            (9.0, 9.0),
            (0.1, 0.1),
            "",
            failed(Severity.HIGH, words("9", "9"), *figures(9.0, 9.0)),
        ),
        (
            (9.0, 9.0),
            None,
            "time_place",
            failed(Severity.HIGH, words("9", "9"), *figures(9.0, 9.0)),
        ),
    ],
    ids=["both pass", "both fail", "one of them", "both too few", "nothing decides", "one time"],
)
def test_whichever_number_is_the_request_time(
    most: tuple[Any, ...], least: tuple[Any, ...] | None, decided_by: str, verdict: Verdict
) -> None:
    told = seen(*least).data["request_time"] if least else None
    both = seen(*most, request_time_least=told, time_decided_by=decided_by)

    assert judge(both, Limits(), NOW) == verdict


def test_of_too_few_there_may_be_more_in_a_log_that_was_not_read_whole() -> None:
    text = words("0.1", "0.2", 3) + FEW
    part = f"{text}, but only a part of the log could be read"

    few, of_a_part = (judge(seen(count=3, truncated=cut), Limits(), NOW) for cut in (False, True))
    assert few == nothing_to_judge(text, *figures(0.1, 0.2, 3))
    assert of_a_part == unknown(part, *figures(0.1, 0.2, 3))


SHARE = Measure(UNREAD_SHARE, 100 * 5 / 35, "%")
NO_TIME, NOT_UNDERSTOOD = "; 5 requests have no time", "; 5 lines were not understood"
MAY_BE = ": they may be slow"


@pytest.mark.parametrize(
    ("more", "text", "measures", "remedy"),
    [
        ({"untimed": 5}, NO_TIME, (), ADD_TIMES),
        ({"untimed": 5, "unparsed": 5}, NO_TIME + NOT_UNDERSTOOD, (SHARE,), ACCESS_FORMAT),
        ({"untimed": 0, "unparsed": 5}, NOT_UNDERSTOOD, (SHARE,), ACCESS_FORMAT),
        ({"unparsed": 5}, NOT_UNDERSTOOD, (SHARE,), ACCESS_FORMAT),
    ],
)
def test_what_has_no_time_is_said_with_its_remedy(
    more: dict[str, int], text: str, measures: tuple[Measure, ...], remedy: str
) -> None:
    most = Limits(few_unread=11)
    told = (*figures(0.1, 0.2), *measures)
    verdict = unknown(words("0.1", "0.2") + text + MAY_BE, *told, remedy=remedy)

    assert judge(seen(**more), Limits(), NOW) == verdict
    assert judge(seen(**more), most, NOW) == passed(words("0.1", "0.2") + text, *told)


@pytest.mark.parametrize(
    ("timed", "status"),
    [(95, Status.PASS), (94, Status.UNKNOWN)],
    ids=["one in twenty", "more than that"],
)
def test_more_than_one_in_twenty_may_be_the_95th_percentile(timed: int, status: Status) -> None:
    # However slow the mean may be.
    verdict = judge(seen(count=timed, untimed=5), Limits(max_mean_seconds=60), NOW)

    assert verdict is not None
    assert verdict.status is status


def test_the_route_that_most_time_went_to_is_the_first() -> None:
    routes = [{"route": "GET /slow"}, {"route": "GET /other"}]
    verdict = judge(seen(9.0, slow_routes=routes), Limits(), NOW)

    assert verdict is not None
    assert verdict.message.endswith("; most time went to GET /slow")
