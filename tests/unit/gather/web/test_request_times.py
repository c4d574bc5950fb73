"""Which number of a line is its request time: where several fit, both ends are told, and the parameter that decides."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from recorded_host import RecordedHost
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import access_log
from ansible_collections.astral.upkeep.plugins.module_utils.gather.web._request_times import Open
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web import response_time
from upkeep.model.verdicts import Status, Verdict

NOW = 1_795_422_720.0
CLOCK = "23/Nov/2026:08:31:06 +0000"
AT = 1_795_422_666.0
COMBINED = f'192.0.2.9 - - [{CLOCK}] "GET /a HTTP/1.1" 200 3488 "-" "Mozilla/5.0 (X11)"'


def took(line: str, **given: Any) -> tuple[float | None, float | None, str]:
    parser = access_log.Parser(
        given.get("time_unit", "auto"),
        given.get("fields", {}),
        NOW,
        0,
        given.get("time_place", 0),
    )
    request = parser.parse(line)
    assert request is not None, line
    return tuple(request.took) if isinstance(request.took, Open) else (request.took, None, "")


@pytest.mark.parametrize(
    ("rest", "given", "expected"),
    [
        (" 0.002 8.100", {}, (8.1, 0.002, "time_place")),
        (" 8.100 0.002", {}, (8.1, 0.002, "time_place")),
        (" 8.100 8.100", {}, (8.1, None, "")),
        (" 0.002 8.100", {"time_place": -1}, (8.1, None, "")),
        (" 0.002 8.100", {"time_place": 4}, (8.1, None, "")),
        (" 0.002 8.100", {"time_place": 3}, (0.002, None, "")),
        (" 0.002 8.100", {"time_place": 5}, (None, None, "")),
        (" 0.002 8.100", {"time_place": -5}, (None, None, "")),
        (' "0.002" "8.100"', {"time_place": -1}, (8.1, None, "")),
        (" 612 3790 8100000", {"time_unit": "us"}, (None, None, "time_place")),
        (" 612 3790 8100000", {}, (None, None, "time_unit and time_place")),
        (" 612 3790 8100000", {"time_unit": "us", "time_place": -1}, (8.1, None, "")),
        (" 612 3790 8100000", {"time_place": -1}, (None, None, "time_unit")),
        (" 8100000 612 3790", {"time_unit": "us"}, (None, None, "time_place")),
        (" 8100000", {"time_unit": "us"}, (8.1, None, "")),
        (" 8100000", {}, (None, None, "time_unit")),
        (" 8.100 8100 3488", {}, (8.1, None, "")),
        (" 8.100 8100 3488", {"time_unit": "s"}, (8.1, None, "")),
        (" 8.100 8100 3488", {"time_unit": "ms"}, (None, None, "time_place")),
        (' 7 "web@docker" "http://10.0.0.2:80" 8100ms', {}, (8.1, None, "")),
        (' 7 "web@docker" "http://10.0.0.2:80" 8100ms', {"time_unit": "us"}, (8.1, None, "")),
        (" 8100.123 ms", {}, (8.100123, None, "")),
        (" 1795422666.085 8.100", {}, (8.1, None, "")),
        (" 1795422666085 8100", {"time_unit": "ms"}, (8.1, None, "")),
        (" 563 8.102 [web-front-80] [] 10.1.0.4:8080 39615 8.101 500 0e", {}, (8.102, 8.101, "time_place")),
        (" 0.310 0.100, 0.200", {}, (0.31, 0.1, "time_place")),
        (' rt=8.1 uct="0.000" urt="0.001"', {}, (8.1, None, "")),
        (" 0.002 rt=8.1", {}, (8.1, None, "")),
        (" T=8 D=8100000", {"time_unit": "us"}, (None, None, "time_place")),
        (" T=8 D=8100000", {"time_unit": "us", "fields": {"request_time": "D"}}, (8.1, None, "")),
        (" rt=0.002 total=8.1", {"fields": {"request_time": "total"}}, (8.1, None, "")),
        ("", {}, (None, None, "")),
        (" -", {}, (None, None, "")),
        (' "0.002" - 10.0.0.1:80 TLSv1.3 a1b2', {}, (None, None, "")),
    ],
)  # fmt: skip
def test_of_several_numbers_none_is_taken_for_the_one(
    rest: str, given: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    seconds, least, decided_by = took(COMBINED + rest, **given)

    assert (seconds, least) == pytest.approx(expected[:2])
    assert decided_by == expected[2]


@pytest.mark.parametrize(
    ("line", "given", "expected"),
    [
        ({"response_code": 200, "duration": 12}, {}, (0.012, None, "")),
        ({"response_code": 200, "duration": "12"}, {}, (0.012, None, "")),
        ({"response_code": 200, "duration": 12}, {"time_unit": "s"}, (12, None, "")),
        ({"status": 200, "duration": 12}, {}, (None, None, "time_unit")),
        ({"status": 200, "duration": 12}, {"time_unit": "ms"}, (0.012, None, "")),
        ({"status": 200, "duration": 0}, {}, (0, None, "")),
        ({"status": 200, "duration": 0.012}, {}, (0.012, None, "")),
        ({"status": 200, "duration": "12ms"}, {}, (0.012, None, "")),
        ({"status": 200, "duration_ms": 12}, {"time_unit": "us"}, (0.012, None, "")),
        ({"DownstreamStatus": 200, "Duration": 12_000_000}, {"time_unit": "us"}, (0.012, None, "")),
        ({"status": 200, "request_time": 8.1, "response_time": 0.002}, {}, (8.1, None, "")),
        ({"status": 200, "duration": 8.1, "response_time": 0.002}, {}, (8.1, 0.002, "fields")),
        (
            {"status": 200, "duration": 8.1, "response_time": 0.002},
            {"fields": {"request_time": "duration"}},
            (8.1, None, ""),
        ),
        ({"status": 200, "took_us": 8_100_000}, {"fields": {"request_time": "took_us"}}, (8.1, None, "")),
        ({"status": 200, "request_time": "-"}, {}, (None, None, "")),
        ({"status": 200, "request_time": True}, {}, (None, None, "")),
        ({"status": 200, "request_time": -1.0}, {}, (None, None, "")),
        ({"status": 200, "request_time": 1e300}, {}, (None, None, "")),
    ],
)  # fmt: skip
def test_a_field_that_does_not_tell_its_unit_is_no_time(
    line: dict[str, Any], given: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    seconds, least, decided_by = took(json.dumps({"time": AT, **line}), **given)

    assert (seconds, least) == pytest.approx(expected[:2])
    assert decided_by == expected[2]


def look(lines: list[str], **given: Any) -> Observation:
    params = {name: spec["default"] for name, spec in access_log.ARGUMENTS.items()}
    text = "".join(line + "\n" for line in lines)
    host = RecordedHost({"/x.log": text}, clock=NOW)
    (seen,) = access_log.gather({**params, "paths": ["/x.log"], **given}, host)
    return seen


def verdict(lines: list[str], **given: Any) -> Verdict:
    now = datetime.fromtimestamp(NOW, UTC)
    found = verdict_of(response_time.CHECK, look(lines, **given), response_time.Limits(), now)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rest", "given", "status", "words"),
    [
        (" 0.002 8.100", {}, Status.UNKNOWN, "time_place"),
        (" 8.100 0.002", {}, Status.UNKNOWN, "time_place"),
        (" 0.120 0.100", {}, Status.PASS, ""),
        (" 8.102 8.101", {}, Status.FAIL, ""),
        (" 0.002 8.100", {"time_place": -1}, Status.FAIL, ""),
        (" 612 3790 8100000", {"time_unit": "us"}, Status.UNKNOWN, "time_place"),
        (" 612 3790 900", {"time_unit": "us"}, Status.UNKNOWN, "time_place"),
        (" 612 3790 8100000", {}, Status.UNKNOWN, "time_unit"),
        (" 612 3790 8100000", {"time_unit": "us", "time_place": -1}, Status.FAIL, ""),
        (" 8100000", {}, Status.UNKNOWN, "time_unit: us"),
        ("", {}, Status.UNKNOWN, "$request_time"),
    ],
)
def test_only_what_holds_for_each_number_is_a_verdict(
    rest: str, given: dict[str, Any], status: Status, words: str
) -> None:
    found = verdict([COMBINED + rest] * 30, **given)

    assert found.status is status, found.message
    assert words in found.remedy


@pytest.mark.parametrize(
    ("untimed", "status"), [(1, Status.PASS), (4, Status.PASS), (5, Status.UNKNOWN)]
)
def test_requests_without_a_time_beside_others_may_be_the_slow_ones(
    untimed: int, status: Status
) -> None:
    found = verdict([COMBINED + " 0.010"] * 30 + [COMBINED + " -"] * untimed)

    assert found.status is status
    assert f"{untimed} requests have no time" in found.message


def test_what_fails_does_whatever_has_no_time() -> None:
    assert verdict([COMBINED + " 8.1"] * 30 + [COMBINED] * 500).status is Status.FAIL


def test_what_an_older_program_observed_is_still_judged() -> None:
    data = {
        "requests": 30,
        "unparsed": 0,
        "window_seconds": 300,
        "request_time": {"count": 30, "mean": 0.1, "p95": 0.2, "p99": 0.2},
    }

    found = verdict_of(
        response_time.CHECK, Observation("/x.log", data), response_time.Limits(), datetime.now(UTC)
    )

    assert found is not None
    assert found.status is Status.PASS
