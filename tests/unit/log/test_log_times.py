"""Times in all the formats that logs have."""

from __future__ import annotations

import calendar
import time

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.log import times
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import (
    clf_time,
    parse_offset,
    syslog_time,
    time_value,
)

NOW = calendar.timegm((2026, 11, 23, 12, 0, 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nov 23 11:59:00 web1 x", (2026, 11, 23, 11, 59, 0)),
        ("Nov  3 11:59:00 web1 x", (2026, 11, 3, 11, 59, 0)),
        ("Nov 3 11:59:00 web1 x", (2026, 11, 3, 11, 59, 0)),
        ("Dec 31 23:59:59 web1 x", (2025, 12, 31, 23, 59, 59)),
        ("Feb 29 01:02:03 web1 x", (2024, 2, 29, 1, 2, 3)),
        ("Nov 24 11:00:00 ahead by its clock", (2026, 11, 24, 11, 0, 0)),
        ("Nov 26 11:00:00 last year", (2025, 11, 26, 11, 0, 0)),
        ("2026 Nov 23 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("Nov 23 2026 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T11:59:00Z web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T12:59:00+01:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T07:29:00-0430 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("1795435140 web1", (2026, 11, 23, 11, 59, 0)),
    ],
)
def test_a_time_at_the_start_of_a_line_is_read(text: str, expected: tuple[int, ...]) -> None:
    found = syslog_time(text, NOW, 0)

    assert found is not None
    assert found[0] == calendar.timegm(expected)


def test_a_fraction_counts() -> None:
    found = syslog_time("2026-11-23T11:59:00.250000+00:00 web1", NOW, 0)

    assert found == (calendar.timegm((2026, 11, 23, 11, 59, 0)) + 0.25, 32)


def test_the_year_changes_at_new_year() -> None:
    just_after = calendar.timegm((2027, 1, 1, 0, 0, 30))
    just_before = calendar.timegm((2026, 12, 31, 23, 59, 58))

    old = syslog_time("Dec 31 23:59:59 web1", just_after, 0)
    new = syslog_time("Jan  1 00:00:01 web1", just_before, 0)

    assert old is not None
    assert new is not None
    assert old[0] == calendar.timegm((2026, 12, 31, 23, 59, 59))
    assert new[0] == calendar.timegm((2027, 1, 1, 0, 0, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "Foo 23 11:59:00",
        "Nov 31 11:59:00 x",
        "2026-13-01T00:00:00Z",
        "2026-11-23T25:00:00Z",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert syslog_time(text, NOW, 0) is None


def test_a_time_without_zone_is_in_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    times._epoch.cache_clear()
    times._yearless.cache_clear()
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter = syslog_time("Nov 23 12:59:00 web1", NOW, None)
        summer = syslog_time("Jul 23 13:59:00 web1", NOW, None)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert winter is not None
    assert summer is not None
    assert winter[0] == calendar.timegm((2026, 11, 23, 11, 59, 0))
    assert summer[0] == calendar.timegm((2026, 7, 23, 11, 59, 0))


def test_an_offset_is_taken_off() -> None:
    found = syslog_time("Nov 23 12:59:00 web1", NOW, parse_offset("+01:00"))

    assert found is not None
    assert found[0] == calendar.timegm((2026, 11, 23, 11, 59, 0))


def test_an_offset_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        parse_offset("Berlin")


def test_a_common_log_time_is_read() -> None:
    assert clf_time("10/Oct/2000:13:55:36 -0700") == calendar.timegm((2000, 10, 10, 20, 55, 36))
    assert clf_time("10/Foo/2000:13:55:36 -0700") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795435140, 1795435140.0),
        (1795435140.5, 1795435140.5),
        (1795435140500, 1795435140.5),
        (1795435140500000, 1795435140.5),
        (1795435140500000000, 1795435140.5),
        ("1795435140.5", 1795435140.5),
        ("2026-11-23T11:59:00.5Z", 1795435140.5),
        ("23/Nov/2026:11:59:00 +0000", 1795435140.0),
        (True, None),
        (None, None),
        ([], None),
        ("soon", None),
        (float("nan"), None),
        (-5, None),
        (10**400, None),
    ],
)
def test_a_json_time_is_read(value: object, expected: float | None) -> None:
    assert time_value(value, NOW, 0) == expected
