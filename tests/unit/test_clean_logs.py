"""No check alarms on what healthy hosts log, strangers included, nor says that it did not understand it."""

from __future__ import annotations

import calendar
import re
from pathlib import Path
from typing import Any

import pytest
from judged import judged_all
from recorded_host import RecordedHost

from upkeep.model.verdicts import Status

RECORDED = Path(__file__).parent / "recorded"

LOGINS = sorted((RECORDED / "logins/auth_log/clean").glob("*l"))
REQUESTS = sorted((RECORDED / "web/access_log/clean").glob("*.log"))
# These were recorded with errors, which are left out here; nginx_slow is slow indeed.
OTHERS = sorted((RECORDED / "web/access_log").glob("*_[!s]*.log"))
SERVER_ERROR = re.compile(rb'(?:" |"status":"?)5\d\d\b')
# Formats that have no request time, or that tell it in a unit which the site has to name.
UNTIMED = ("nginx_main", "nginx_combined", "apache_vhost", "apache_combinedio")
MICROSECONDS = ("apache_cookie", "apache_timed")
FEW = 20
LAST = calendar.timegm((2026, 11, 26, 11, 30, 0))


def results(
    gather: str, path: Path, text: bytes, clock: float, params: dict[str, Any]
) -> dict[str, tuple[Status, str]]:
    name = f"/var/log/{path.name}"
    host = RecordedHost({name: text}, clock=clock)
    found = judged_all(gather, {"paths": [name], "utc_offset": "Z", **params}, host)
    return {one.check: (one.status, one.message) for one in found}


@pytest.mark.parametrize("path", LOGINS, ids=lambda path: path.name)
def test_a_healthy_hour_of_logins_passes(path: Path) -> None:
    found = results("auth_log", path, path.read_bytes(), LAST, {})

    assert {status for status, _message in found.values()} == {Status.PASS}, found
    assert found["failed_logins"][1] == "1 failed logins in an hour, at most 10"
    assert found["login_after_failures"][1].endswith("(most: 1)")


@pytest.mark.parametrize("path", [*REQUESTS, *OTHERS], ids=lambda path: path.name)
def test_healthy_requests_pass(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")[:-1]
    kept = [line for line in lines if not SERVER_ERROR.search(line)]
    clock = LAST if path in REQUESTS else calendar.timegm((2026, 11, 23, 8, 32, 0))
    told: dict[str, Any] = {"time_unit": "us" if path.stem in MICROSECONDS else "auto"}
    if path.stem == "apache_json":
        told["fields"] = {"request_time": "duration_us"}

    found = results(
        "access_log",
        path,
        b"".join(line + b"\n" for line in kept),
        clock,
        {**told, "window_seconds": 3600},
    )

    status, message = found["site_errors"]
    assert (status, message.split(" in ")[0]) == (
        Status.PASS,
        f"server errors: 0 of {len(kept)} requests",
    )
    assert "understood" not in message
    status, message = found["response_time"]
    if path.stem in UNTIMED:
        assert (status, "has a request time" in message) == (Status.UNKNOWN, True), message
    elif len(kept) < FEW:
        assert (status, "too few to judge" in message) == (Status.UNKNOWN, True), message
    else:
        assert status is Status.PASS, message
