# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The times that stand in logs: with and without year, zone and fraction."""

from __future__ import annotations

import re
import time
from calendar import timegm
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

MONTH_NAMES = "JanFebMarAprMayJunJulAugSepOctNovDec"
MONTHS = {MONTH_NAMES[place : place + 3]: place // 3 + 1 for place in range(0, 36, 3)}
ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|z|[+-]\d\d(?::?\d\d)?)?(?!:?\d)"
)
SYSLOG_TIME = re.compile(
    r"(?:(\d{4}) )?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?![\d:])"
)
CLF_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.\d{1,6})? ([+-]\d{4})"
)
EPOCH_TIME = re.compile(r"(\d{9,10})(?:\.(\d{1,9}))?(?![\d.:-])")


def iso_utc(at: float | None) -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(int(at), timezone.utc).isoformat()


def parse_offset(text: str) -> int | None:
    """Return `+02:00`, `-0530` or `Z` in seconds; None (the host's own zone) for an empty text.

    Raises: ValueError for anything else.
    """
    if not text:
        return None
    if text in ("Z", "z", "UTC"):
        return 0
    match = re.match(r"([+-])(\d\d):?(\d\d)?$", text)
    if match is None:
        raise ValueError(f"no UTC offset such as +02:00: {text[:20]!r}")
    sign, hours, minutes = match.groups()
    return int(sign + "1") * (int(hours) * 3600 + int(minutes or 0) * 60)


@lru_cache(maxsize=4096)
def _epoch(year: int, month: int, day: int, clock: str, offset: int | None) -> float | None:
    """Return the seconds since 1970, or None for a date that does not exist. clock: HH:MM:SS."""
    hour, minute, second = int(clock[:2]), int(clock[3:5]), int(clock[6:8])
    try:
        datetime(year, month, day, hour, minute, min(second, 59))
        if offset is None:
            return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    except (ValueError, OverflowError):
        return None
    return timegm((year, month, day, hour, minute, second)) - offset


@lru_cache(maxsize=4096)
def _yearless(month: int, day: int, clock: str, offset: int | None, today: int) -> float | None:
    """Return the newest such time that is not after tomorrow: nine years hold any 29 February."""
    year = time.gmtime(today * 86400).tm_year
    for candidate in range(year + 1, year - 9, -1):
        at = _epoch(candidate, month, day, clock, offset)
        if at is not None and at < (today + 2) * 86400:
            return at
    return None


def _fraction(digits: str | None) -> float:
    return float("0." + digits) if digits else 0.0


def syslog_time(text: str, now: float, offset: int | None) -> tuple[float, int] | None:
    """Return the time at the text's start and where it ends; the year, if missing, is inferred from now.

    Takes `Oct 11 22:14:15`, the same with a year, ISO 8601 (rsyslog, RFC 5424), seconds since 1970. offset: of stamps
    without zone, in seconds; None is the host's own zone. Source: RFC 3164, 4.1.2; RFC 5424, 6.2.3.
    """
    match = SYSLOG_TIME.match(text)
    if match is not None:
        before, name, day, after, hour, minute, second, fraction = match.groups()
        month, clock = MONTHS.get(name, 0), f"{hour}:{minute}:{second}"
        year = before or after
        if year:
            at = _epoch(int(year), month, int(day), clock, offset)
        else:
            at = _yearless(month, int(day), clock, offset, int(now // 86400))
    else:
        match = ISO_TIME.match(text)
        if match is not None:
            year, number, day, hour, minute, second, fraction, zone = match.groups()
            shift = parse_offset(zone) if zone else offset
            at = _epoch(int(year), int(number), int(day), f"{hour}:{minute}:{second}", shift)
        else:
            match = EPOCH_TIME.match(text)
            if match is None:
                return None
            at, fraction = float(match.group(1)), match.group(2)
    if at is None:
        return None
    return at + _fraction(fraction), match.end()


def clf_time(text: str) -> float | None:
    """Return the time of `10/Oct/2000:13:55:36 -0700` (Common Log Format)."""
    match = CLF_TIME.match(text)
    if match is None:
        return None
    day, name, year, hour, minute, second, zone = match.groups()
    clock = f"{hour}:{minute}:{second}"
    return _epoch(int(year), MONTHS.get(name, 0), int(day), clock, parse_offset(zone))


def time_value(value: Any, now: float, offset: int | None) -> float | None:
    """Return the time of a JSON field: a text, or seconds, milli-, micro- or nanoseconds since 1970."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        if not value.isdigit():
            found = syslog_time(value, now, offset)
            return found[0] if found else clf_time(value)
        value = value[:20]
    try:
        at = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    for scale in (1e18, 1e15, 1e12):
        if at >= scale / 10:
            at /= scale / 1e9
            break
    return at if 0 <= at < 1e10 else None
