# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a segment of PostgreSQL's write-ahead log: whose it is, and whether it was read to its end.

Source: xlog_internal.h, XLogLongPageHeaderData; xlogrecord.h. Numbers have the order of bytes of the processor.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SHORT, _LONG = struct.Struct("=HHIQI4x"), struct.Struct("=HHIQI4xQII")
_LENGTH = struct.Struct("=I")
_CONTINUES, _IS_LONG = 0x0001, 0x0002
_RECORD_BYTES = 24
_MAGIC = (0xD0, 0xD1)
"""High bytes of the numbers that PostgreSQL 9.3 to 18 begin their pages with."""


@dataclass(frozen=True)
class SegmentHead:
    """What the first page of a segment says. magic: of the format. at: its position in the log. system: whose it is."""

    magic: int
    at: int
    system: int
    page_bytes: int


def head_of(data: bytes) -> SegmentHead | None:
    """Return the head of a segment; None if that is none."""
    if len(data) < _LONG.size:
        return None
    magic, info, _timeline, at, _left, system, _size, page = _LONG.unpack_from(data)
    if magic >> 8 not in _MAGIC or not info & _IS_LONG or page < 512 or page & (page - 1):
        return None
    return SegmentHead(magic, at, system, page)


def goes_on(data: bytes, at: int) -> bool:
    """Return whether what stands at a position of a whole segment is a record that goes on behind it.

    at: where a recovery has ended, in bytes from the beginning of the segment. If there is no such record, something
    in the segment could not be read, for a segment is filled to its end, or ends with the order to go to the next one.
    """
    head = head_of(data)
    if head is None or at >= len(data):
        return False
    page = head.page_bytes
    if at % page == 0:
        at += _LONG.size if at == 0 else _SHORT.size
    if at + _LENGTH.size > len(data):
        return False
    (length,) = _LENGTH.unpack_from(data, at)
    if length < _RECORD_BYTES:
        return False
    place = at - at % page + page
    left = length - (place - at)
    while left > 0:
        if place >= len(data):
            return True
        magic, info, _timeline, where, said = _SHORT.unpack_from(data, place)
        if (magic, where, said) != (head.magic, head.at + place, left) or not info & _CONTINUES:
            return False
        left -= page - _SHORT.size
        place += page
    return False
