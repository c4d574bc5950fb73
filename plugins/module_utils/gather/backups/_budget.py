# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each reader of a backup is given, and what it gives back: a stream that counts, a budget, and a reading."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import IO, Callable

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 4096
TAIL_BYTES = 8192
HOSTILE_LIMIT = 20
ALL, PART, NONE = "all", "part", "none"
"""How far checksums over the content of a whole backup were verified."""


class OutOfBudgetError(Exception):
    """There was no time, or it was too long, to read on."""


class BrokenError(Exception):
    """What is wrong with the backup. cut: it ends too early, as one does that is still being written."""

    def __init__(self, text: str, *, cut: bool = False) -> None:
        super().__init__(text)
        self.cut = cut


class UnreadError(Exception):
    """Why the backup cannot be read here, or is not understood: nothing is said about it."""


class Budget:
    """How long, and how many bytes, may still be read."""

    def __init__(self, seconds: float, limit_bytes: int) -> None:
        self.ends = time.monotonic() + seconds
        self.left_bytes = limit_bytes

    def seconds_left(self) -> float:
        """Return the seconds left, a tenth at least."""
        return max(0.1, self.ends - time.monotonic())

    def take(self, count: int) -> None:
        """Take count bytes out of it.

        Raises: OutOfBudgetError.
        """
        self.left_bytes -= count
        if self.left_bytes < 0:
            raise OutOfBudgetError("it is larger than the limit for reading")
        if time.monotonic() > self.ends:
            raise OutOfBudgetError("there was not enough time to read all of it")


@dataclass
class Reading:
    """What was read of a whole backup; what is wrong with it is raised instead.

    state: `whole`, `encrypted`, or `unread` with why. what: the formats from the outside in. proof, unproved, members,
    hostile, bytes: see BackupContent. taken: the time that the content says, in seconds since 1970; taken_words: what
    of it says so.
    """

    what: list[str] = field(default_factory=list)
    state: str = "whole"
    why: str = ""
    proof: str = NONE
    unproved: str = ""
    members: int | None = None
    hostile: list[str] = field(default_factory=list)
    bytes: int | None = None
    taken: float | None = None
    taken_words: str = ""

    def escapes(self, name: str) -> None:
        """Take down a member that would be written outside of the folder in which the backup is extracted."""
        if len(self.hostile) < HOSTILE_LIMIT and name[:200] not in self.hostile:
            self.hostile.append(name[:200])


class Counted:
    """A stream that counts, can be looked at before it is read, keeps its last bytes, and stops at the budget.

    count: bytes that were read. tail: the last TAIL_BYTES of them. ends: where the last byte that is not zero ends;
    behind it there is only padding. file: the regular file whose bytes these are, if they are one's.
    """

    def __init__(
        self, read: Callable[[int], bytes], budget: Budget, file: IO[bytes] | None = None
    ) -> None:
        self._read, self.budget, self.file = read, budget, file
        self._ahead = b""
        self.count, self.ends, self.tail = 0, 0, b""

    def peek(self, size: int = HEAD_BYTES) -> bytes:
        """Return the next bytes, size of them unless the stream ends before, without taking them."""
        while len(self._ahead) < size:
            data = self._read(CHUNK_BYTES)
            if not data:
                break
            self.budget.take(len(data))
            self._ahead += data
        return self._ahead[:size]

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return up to size bytes; nothing at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            data = self._read(size)
            self.budget.take(len(data))
        if data:
            self.count += len(data)
            last = data if data[-1] else data.rstrip(b"\0")
            if last:
                self.ends = self.count - len(data) + len(last)
            kept = data if len(data) >= TAIL_BYTES else self.tail + data
            self.tail = kept[-TAIL_BYTES:]
        return data

    def hand_over(self) -> IO[bytes] | None:
        """Return the file at its beginning, for somebody else to read all of it; None if that cannot be."""
        if self.file is None or self.count:
            return None
        self.count = self.file.seek(0, 2)
        self.budget.take(self.count)
        self.file.seek(0)
        self._ahead, self._read = b"", lambda _size: b""
        return self.file

    def exactly(self, size: int, what: str) -> bytes:
        """Return size bytes.

        Raises: BrokenError if the stream ends before; what names what they are.
        """
        parts, left = [], size
        while left:
            data = self.read(min(left, CHUNK_BYTES))
            if not data:
                raise BrokenError(f"ends in {what}", cut=True)
            parts.append(data)
            left -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def drain(self) -> None:
        """Read to the end."""
        while self.read():
            pass
