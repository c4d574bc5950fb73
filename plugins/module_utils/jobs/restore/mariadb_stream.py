# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in a stream of mariadb-backup, looked at while it is extracted: the checksums of its pieces leave them out.

Each file is named by each of its pieces and by a mark at its end. A name that has changed in one of them stands alone.

Source: extra/mariabackup/xbstream.h and xbstream_read.cc of MariaDB.
"""

from __future__ import annotations

import struct
from typing import Callable

_MAGIC = b"XBSTCK01"
_HEAD = struct.Struct("<8sBcI")
"""Magic, flags, kind of the piece, length of the name, which follows."""
_PIECE = struct.Struct("<QQI")
"""Length of the data, its place in the file, its checksum; the data follows."""
_DATA, _END = b"P", b"E"
LONGEST_NAME = 4096
FILES_LIMIT = 1_000_000


class StreamNames:
    """Looks at a stream and keeps its names.

    unread: whether something was not understood, so that nothing is known of the names.
    """

    def __init__(self) -> None:
        self.unread = False
        self._empty: set[bytes] = set()
        self._open: set[bytes] = set()
        self._ended: set[bytes] = set()
        self._twice: set[bytes] = set()
        self._rest, self._skip = b"", 0

    def reader(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Return a function that gives what read gives, after a look at it."""

        def give(size: int) -> bytes:
            data = read(size)
            self.look(data)
            return data

        return give

    def look(self, data: bytes) -> None:
        """Look at the next bytes of the stream."""
        passed = min(self._skip, len(data))
        self._skip -= passed
        self._rest += data[passed:]
        while not self.unread and self._rest and not self._skip:
            size = self._header()
            if not size:
                break
            self._rest = self._rest[size:]
            passed = min(self._skip, len(self._rest))
            self._skip -= passed
            self._rest = self._rest[passed:]
        if self.unread:
            self._rest = b""

    def _header(self) -> int:
        """Take the next header; return its length, 0 if it is not all here yet."""
        if len(self._rest) < _HEAD.size:
            return 0
        magic, _flags, kind, length = _HEAD.unpack_from(self._rest)
        if magic != _MAGIC or kind not in (_DATA, _END) or length > LONGEST_NAME:
            self.unread = True
            return 0
        end = _HEAD.size + length
        size: int = end + (_PIECE.size if kind == _DATA else 0)
        if len(self._rest) < size:
            return 0
        self._take(kind, self._rest[_HEAD.size : end])
        if kind == _DATA:
            self._skip = _PIECE.unpack_from(self._rest, end)[0]
        return size

    def _take(self, kind: bytes, name: bytes) -> None:
        if name in self._ended:
            self._twice.add(name)
        elif kind == _DATA:
            self._open.add(name)
        else:
            if name not in self._open:
                self._empty.add(name)
            self._open.discard(name)
            self._ended.add(name)
        if len(self._ended) > FILES_LIMIT:
            self.unread = True

    def changed(self) -> list[str]:
        """Return names that stand alone: of pieces whose file does not end, or that come after its end."""
        return [name.decode("utf-8", "replace") for name in sorted(self._open | self._twice)]

    def alone(self) -> int:
        """Return how many files are empty, so that they are named once, and are of no table that the stream has.

        The server misses the file of a table when it reads that table.
        """
        tables = {name[:-4] for name in self._ended - self._empty if name.endswith(b".frm")}
        return sum(name.rpartition(b".")[0] not in tables for name in self._empty)
