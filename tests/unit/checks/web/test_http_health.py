"""Answers, assertions and times at their limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web._timings import percentile
from upkeep.checks.web.http_health import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, Verdict, failed

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def answered(seconds: float = 0.5, status: int = 200) -> dict[str, Any]:
    return {
        "status": status,
        "tcp_seconds": 0.01,
        "first_byte_seconds": seconds - 0.01,
        "total_seconds": seconds,
    }


REFUSED = {"stage": "connect", "problem": "127.0.0.1:1: connection refused"}


def look(tries: list[Any], params: Limits | None = None, **more: Any) -> Verdict:
    return judge(Observation("https://x/health", {"tries": tries, **more}), params or Limits(), NOW)


@pytest.mark.parametrize(
    ("tries", "severity", "message"),
    [
        ([answered()] * 3, None, "200 in 0.50 s on average, below 2 s expected"),
        ([answered(1.999)] * 3, None, "200 in 2.00 s on average, below 2 s expected"),
        (
            [answered(2.0)] * 3,
            Severity.MEDIUM,
            "2.00 s on average, below 2 s expected; 1.99 s of it first byte",
        ),
        (
            [answered(0.1), answered(0.1), answered(4.0)],
            Severity.MEDIUM,
            "4.00 s at the 95th percentile, below 4 s expected; 1.39 s of it first byte",
        ),
        (
            [REFUSED] * 3,
            Severity.CRITICAL,
            "no answer: 127.0.0.1:1: connection refused; the same in all 3 attempts",
        ),
        (
            [answered(), REFUSED, answered()],
            Severity.HIGH,
            "1 of 3 attempts: no answer: 127.0.0.1:1: connection refused",
        ),
        ([answered(status=199)], Severity.CRITICAL, "status 199; expected 200 to 299"),
        ([answered(status=200)], None, "200 in 0.50 s on average, below 2 s expected"),
        ([answered(status=300)], Severity.CRITICAL, "status 300; expected 200 to 299"),
        ([answered(status=True)], Severity.CRITICAL, "no answer: no reason was given"),
        (
            [answered(status=503), REFUSED],
            Severity.CRITICAL,
            "no answer: 127.0.0.1:1: connection refused",
        ),
        (
            [*[answered(0.5)] * 19, answered(3.999)],
            None,
            "200 in 0.67 s on average, below 2 s expected",
        ),
        ([answered(status=503)], Severity.CRITICAL, "status 503; expected 200 to 299"),
        ([answered(status=299)], None, "299 in 0.50 s on average, below 2 s expected"),
        (
            [{**answered(status=302), "problem": "redirected to https://y/"}],
            Severity.CRITICAL,
            "status 302, redirected to https://y/; expected 200 to 299",
        ),
    ],
)
def test_tries(tries: list[Any], severity: Severity | None, message: str) -> None:
    verdict = look(tries)

    assert (verdict.message, verdict.severity) == (message, severity)


def test_measures_are_the_mean_the_percentiles_and_the_steps() -> None:
    verdict = look([answered(0.2), answered(0.4), REFUSED])

    assert verdict == failed(
        Severity.HIGH,
        "1 of 3 attempts: no answer: 127.0.0.1:1: connection refused",
        Measure("answered", 66.7, "%"),
        Measure("mean", 0.3, "s"),
        Measure("p50", 0.2, "s"),
        Measure("p95", 0.4, "s"),
        Measure("tcp", 0.01, "s"),
        Measure("first_byte", 0.29, "s"),
        remedy="curl -isS https://x/health  # see what it says; then read its log",
    )


def test_a_site_may_expect_another_status() -> None:
    assert look([answered(status=401)], Limits(status=(401, 403))).status is Status.PASS
    assert look([answered()], Limits(status=(204,))).message == "status 200; expected 204"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"json": [{"path": "status", "wanted": "ok", "found": True, "value": "degraded"}]},
            "status is 'degraded'; expected 'ok'",
        ),
        (
            {"json": [{"path": "n", "wanted": 1, "found": True, "value": True}]},
            "n is 'True'; expected '1'",
        ),
        (
            {"json": [{"path": "database.status", "wanted": "up", "found": False}]},
            "database.status is not there; expected 'up'",
        ),
        (
            {"components": [{"path": "components.db.status", "state": "DOWN"}]},
            "components.db.status is 'DOWN'",
        ),
        (
            {"contains": {"wanted": "all well", "found": False}},
            "the answer does not contain 'all well'",
        ),
        ({"json_problem": "not JSON: Expecting value"}, "the answer is not JSON: Expecting value"),
    ],
)
def test_what_the_answer_says(more: dict[str, Any], message: str) -> None:
    verdict = look([answered()], **more)

    assert (verdict.message, verdict.severity) == (message, Severity.HIGH)


def test_what_was_declared_and_holds_passes() -> None:
    told = [
        {"path": "status", "wanted": ["ok", "degraded"], "found": True, "value": "degraded"},
        {"path": "db", "wanted": "down", "found": True, "value": "down"},
    ]
    components = [{"path": "db", "state": "down"}, {"path": "cache", "state": "up"}]

    assert look([answered()], json=told, components=components).status is Status.PASS


def test_components_beyond_those_looked_at_do_not_pass() -> None:
    many = [{"path": f"c{number}", "state": "up"} for number in range(100)]
    wanted = [{"path": "status", "wanted": "up", "found": True, "value": "up"}]

    cut = look([answered()], components=many, components_cut=True)
    down = look([answered()], components=[{"path": "db", "state": "down"}], components_cut=True)
    declared = look([answered()], components=many, components_cut=True, json=wanted)

    statuses = [cut.status, down.status, declared.status]
    assert statuses == [Status.UNKNOWN, Status.FAIL, Status.PASS]
    assert cut.message == "has 100 or more components; the rest was not checked"


@pytest.mark.parametrize(
    "data",
    [
        {"tries": "three"},
        {"tries": []},
        {"tries": [answered(), None]},
        {"tries": [answered()], "json_unreadable": "JSON with NaN"},
        {"tries": [{"status": 200, "total_seconds": float("nan")}]},
    ],
)
def test_what_cannot_be_judged_is_unknown(data: dict[str, Any]) -> None:
    assert judge(Observation("x", data), Limits(), NOW).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (50, 2), (75, 3), (76, 4), (95, 4), (100, 4)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], percent) == value


@pytest.mark.parametrize(
    "state",
    [
        "down",
        "fail",
        "failed",
        "failing",
        "error",
        "unhealthy",
        "critical",
        "out_of_service",
        "unavailable",
        "disconnected",
        "false",
        False,
        "DOWN",
        "Out_Of_Service",
    ],
)
def test_words_for_down(state: object) -> None:
    verdict = look([answered()], components=[{"path": "db", "state": state}])

    assert (verdict.severity, verdict.message) == (Severity.HIGH, f"db is {str(state)!r}")


@pytest.mark.parametrize("state", ["up", "ok", True, None, "downtown", ""])
def test_other_words_are_not_down(state: object) -> None:
    assert look([answered()], components=[{"path": "db", "state": state}]).status is Status.PASS


@pytest.mark.parametrize(
    ("value", "wanted", "same"),
    [
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (1, 1.0, True),
        ("a", "a", True),
        ("1", 1, False),
        (None, None, True),
        ("b", ["a", "b"], True),
        ("c", ["a", "b"], False),
        (True, [1], False),
        ("a", [], False),
    ],
)
def test_a_value_is_the_one_wanted(value: object, wanted: object, same: bool) -> None:
    told = [{"path": "x", "wanted": wanted, "found": True, "value": value}]

    assert (look([answered()], json=told).status is Status.PASS) is same


def test_a_value_that_was_not_found_is_not_the_one_wanted() -> None:
    told = [{"path": "x", "wanted": None, "value": None}]

    assert look([answered()], json=told).status is Status.FAIL
    assert look([answered()], contains={"wanted": "a"}).status is Status.FAIL


def test_a_text_that_was_found_passes() -> None:
    assert look([answered()], contains={"wanted": "a", "found": True}).status is Status.PASS


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"value": "***", "wanted": "***", "same": True}, Status.PASS),
        ({"value": "***", "wanted": "***", "same": False}, Status.FAIL),
        ({"value": "a", "wanted": "b", "same": True}, Status.PASS),
        ({"value": "a", "wanted": "a", "same": False}, Status.FAIL),
    ],
    ids=["masked, the same", "masked, another", "told as the same", "told as another"],
)
def test_what_the_host_compared_is_not_compared_again(told: dict[str, Any], status: Status) -> None:
    found = look([answered()], json=[{"path": "token", "found": True, **told}])

    assert found.status is status


def test_so_many_faults_of_an_answer_are_named() -> None:
    components = [{"path": f"c{number}", "state": "down"} for number in range(5)]

    four = look([answered()], components=components[:4]).message
    three = look([answered()], components=components[:3]).message

    assert four == "c0 is 'down'; c1 is 'down'; c2 is 'down'; and 1 more"
    assert three == "c0 is 'down'; c1 is 'down'; c2 is 'down'"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"json": ["status"]}, "status in json"),
        ({"json": [{"path": "a", "found": True, "value": 1, "wanted": 1}, None]}, "None in json"),
        ({"json": {"status": "up"}}, "{'status': 'up'} in json"),
        ({"json": "up"}, "up in json"),
        ({"components": [["db", "down"]]}, "['db', 'down'] in components"),
        ({"components": "down"}, "down in components"),
        ({"components": [{"path": "a", "state": "up"}, 3]}, "3 in components"),
    ],
)
def test_what_is_not_understood_of_the_answer_is_no_pass(more: dict[str, Any], named: str) -> None:
    verdict = look([answered()], **more)

    assert verdict.status is Status.UNKNOWN
    assert verdict.message == f"the observed answer was not understood: {named}"


def test_a_component_that_is_down_counts_whatever_stands_beside_it() -> None:
    verdict = look([answered()], components=[3, {"path": "db", "state": "down"}])

    assert (verdict.status, verdict.message) == (Status.FAIL, "db is 'down'")
