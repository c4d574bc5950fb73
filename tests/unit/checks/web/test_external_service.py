"""Reached, not reached, reached now and then, slow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.web.external_service import Limits, judge
from upkeep.model.verdicts import Measure, Severity, Status, Verdict

NOW = datetime(2030, 1, 1, tzinfo=UTC)
REFUSED = {"stage": "connect", "problem": "192.0.2.1:25: connection refused"}
SILENT = {"stage": "resolver", "problem": "mail: temporary failure in name resolution"}


def reached(seconds: float = 0.1) -> dict[str, Any]:
    return {"tcp_seconds": seconds, "total_seconds": seconds}


def look(tries: Any, params: Limits | None = None) -> Verdict:
    return judge(Observation("tcp://mail:25", {"tries": tries}), params or Limits(), NOW)


@pytest.mark.parametrize(
    ("tries", "status", "severity", "message"),
    [
        ([reached()] * 2, Status.PASS, None, "reached in 0.10 s on average, below 2 s expected"),
        (
            [reached(2.0)] * 2,
            Status.FAIL,
            Severity.MEDIUM,
            "2.00 s on average, below 2 s expected; 2.00 s of it connecting",
        ),
        (
            [{"total_seconds": 3.0}],
            Status.FAIL,
            Severity.MEDIUM,
            "3.00 s on average, below 2 s expected",
        ),
        (
            [reached(1.99)] * 2,
            Status.PASS,
            None,
            "reached in 1.99 s on average, below 2 s expected",
        ),
        (
            [REFUSED] * 2,
            Status.FAIL,
            Severity.HIGH,
            "192.0.2.1:25: connection refused; 2 of 2 attempts",
        ),
        (
            [REFUSED, reached()],
            Status.FAIL,
            Severity.MEDIUM,
            "192.0.2.1:25: connection refused; 1 of 2 attempts",
        ),
        (
            [{"status": 502, "total_seconds": 0.1}],
            Status.FAIL,
            Severity.HIGH,
            "status 502; 1 of 1 attempts",
        ),
        (
            [{"status": 404, "total_seconds": 0.1}],
            Status.PASS,
            None,
            "reached in 0.10 s on average, below 2 s expected",
        ),
        (
            [SILENT] * 2,
            Status.UNKNOWN,
            None,
            "the host's resolver: mail: temporary failure in name resolution",
        ),
        ([], Status.UNKNOWN, None, "the observation has no attempt"),
        (None, Status.UNKNOWN, None, "the observation has no attempt"),
        (7, Status.UNKNOWN, None, "the observation has no attempt"),
        ({"status": 200}, Status.UNKNOWN, None, "the observation has no attempt"),
        ([reached(), None], Status.UNKNOWN, None, "the observation has no attempt"),
        ([{}], Status.UNKNOWN, None, "the observation has no times"),
        (
            [{"status": 499, "total_seconds": 0.1}],
            Status.PASS,
            None,
            "reached in 0.10 s on average, below 2 s expected",
        ),
        (
            [{"status": 500, "total_seconds": 0.1}],
            Status.FAIL,
            Severity.HIGH,
            "status 500; 1 of 1 attempts",
        ),
        ([{"problem": "reset"}], Status.FAIL, Severity.HIGH, "reset; 1 of 1 attempts"),
        (
            [{"stage": "tls", "total_seconds": 0.1}],
            Status.FAIL,
            Severity.HIGH,
            "no further than tls; 1 of 1 attempts",
        ),
        # Our own resolver's trouble is unknown only if no try got further.
        ([SILENT, REFUSED], Status.FAIL, Severity.HIGH, f"{REFUSED['problem']}; 2 of 2 attempts"),
        (
            [SILENT, reached()],
            Status.FAIL,
            Severity.MEDIUM,
            f"{SILENT['problem']}; 1 of 2 attempts",
        ),
    ],
)
def test_tries(tries: Any, status: Status, severity: Severity | None, message: str) -> None:
    verdict = look(tries)

    assert (verdict.status, verdict.severity, verdict.message) == (status, severity, message)


def test_a_site_says_how_bad_it_is() -> None:
    assert look([REFUSED], Limits(down="critical")).severity is Severity.CRITICAL
    assert look([REFUSED, reached()], Limits(down="low")).severity is Severity.LOW


def test_measures_are_the_share_that_got_through_and_the_mean() -> None:
    assert look([reached(0.1), REFUSED, reached(0.3)]).measures == (
        Measure("answered", 66.7, "%"),
        Measure("mean", 0.2, "s"),
    )
    assert look([REFUSED]).measures == (Measure("answered", 0.0, "%"),)


@pytest.mark.parametrize("status", ["502", True, -1])
def test_a_status_that_was_told_and_is_none_does_not_pass(status: object) -> None:
    with pytest.raises(ValueError, match=r"status: found .*; expected a number"):
        look([{"status": status, "total_seconds": 0.1}])
