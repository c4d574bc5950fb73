# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the files of PostgreSQL's write-ahead log: which follows which, and which are missing.

Source: xlog_internal.h, XLogFileName.
"""

from __future__ import annotations

import re
from typing import Iterable

SEGMENT = re.compile(r"[0-9A-F]{24}")
SEGMENT_BYTES = 16 << 20
LOG_BYTES = 1 << 32
GAP_LIMIT = 20


def number_of(name: str, size: int = SEGMENT_BYTES) -> int:
    """Return the number of a segment, counted from the beginning of the log. size: bytes of a segment."""
    return int(name[8:16], 16) * (LOG_BYTES // size) + int(name[16:24], 16)


def name_of_segment(timeline: str, number: int, size: int = SEGMENT_BYTES) -> str:
    """Return the name of a segment."""
    each = LOG_BYTES // size
    return f"{timeline}{number // each:08X}{number % each:08X}"


def gaps(first: str, names: Iterable[str], size: int = SEGMENT_BYTES) -> list[str]:
    """Return the segments that are missing between the first one needed and the last one there, at most GAP_LIMIT.

    Where timelines meet, the segment of either one fills its place.
    """
    numbers = {number_of(one, size): one for one in sorted(names)}
    start = number_of(first, size)
    last = max((one for one in numbers if one >= start), default=start)
    missing = []
    for number in range(start, last + 1):
        if number not in numbers:
            timeline = max(
                (one[:8] for place, one in numbers.items() if place < number), default=first[:8]
            )
            missing.append(name_of_segment(timeline, number, size))
            if len(missing) >= GAP_LIMIT:
                break
    return missing


def reached(first: str, names: Iterable[str], size: int = SEGMENT_BYTES) -> str:
    """Return the last segment up to which none is missing, from the first one needed; empty if that is not there."""
    numbers = {number_of(one, size): one for one in sorted(names)}
    number, found = number_of(first, size), ""
    while number in numbers:
        found = numbers[number]
        number += 1
    return found
