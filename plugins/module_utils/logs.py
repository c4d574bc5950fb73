# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a log between two times, found from its end, so that reading costs what the window holds.

The log may be rotated and compressed; its lines may be long, binary, half written and a little out of order.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import zlib
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError

# Lines may be this much older than those before them (Apache stamps a request's start, but logs its end).
SLACK_SECONDS = 120
PROBE_BYTES = 16_384
CHUNK_BYTES = 262_144
LINE_LIMIT_BYTES = 65_536
LINE_END_BYTES = 8_192
WINDOW_LIMIT_BYTES = 64_000_000
# A compressed log can only be read from its start: a day's log may have to go by before the window comes.
UNPACK_LIMIT_BYTES = 1_000_000_000
LZMA_MEMORY_BYTES = 256_000_000
ROTATED_LIMIT = 100
UNPACK_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)

ROTATED = re.compile(
    r"[.-](\d{1,3}|\d{4}-?\d\d-?\d\d(?:[-_T]?\d{1,10})?)(\.log)?(\.gz|\.xz|\.bz2)?$"
)
Stamp = Callable[[str], "float | None"]


@dataclass
class _Piece:
    """A file's part that may hold lines of the window. older: lines older than the window stand before it."""

    stream: IO[bytes]
    start: int
    end: int  # of an archive: how much of it may be given
    older: bool
    packed: str = ""
    live: bool = False


def named_fields(
    known: dict[str, tuple[str, ...]], given: dict[str, Any] | None
) -> dict[str, tuple[str, ...]]:
    """Return under which names to look for each field of a JSON line; raise ValueError for a field that is none."""
    for name in given or {}:
        if name not in known:
            raise ValueError(f"fields: no {str(name)[:40]!r}; there are {', '.join(known)}")
    return {**known, **{name: (str(key),) for name, key in (given or {}).items() if key}}


class LogWindow:
    """An iterable of the lines between two times as (time, text), oldest first.

    A line without a time has that of the line before it; None if its log has no times at all. When it has been
    iterated over, the attributes say what was met:
    truncated: not all of the window could be read, the oldest part is missing (or a damaged archive's rest).
    cut_lines: lines longer than LINE_LIMIT_BYTES, of which only the start and the end were given.
    half_line: the last line had no end yet and was left for the next time.
    newest_at: time of the newest line in or before the window; None if none was seen.
    read_bytes: read from the disk; files: how many were read.
    """

    def __init__(
        self,
        host: Host,
        path: str,
        stamp: Stamp,
        since: float,
        until: float,
        limit_bytes: int = WINDOW_LIMIT_BYTES,
    ) -> None:
        """Find where the window starts; raise HostError if the log cannot be read."""
        self.stamp = stamp
        self.since = since
        self.until = until
        self.truncated = False
        self.cut_lines = 0
        self.half_line = False
        self.newest_at: float | None = None
        self.read_bytes = 0
        self.files = 0
        self._host = host
        self._pieces = self._plan(path, limit_bytes)

    def __iter__(self) -> Iterator[tuple[float | None, str]]:
        for piece in reversed(self._pieces):
            with piece.stream:
                before: float | None = None
                for text in self._lines(piece):
                    at = self.stamp(text)
                    if at is None:
                        if before is None and piece.older:
                            continue
                        at = before
                    elif at <= self.until + SLACK_SECONDS:
                        # A request that a client has drawn out is stamped with its start: lines without a time that
                        # follow it are no older than those before it.
                        before = at if before is None or at > before else before
                        self._saw(at)
                    if at is None or self.since <= at <= self.until + SLACK_SECONDS:
                        yield at, text

    def _saw(self, at: float) -> None:
        if self.newest_at is None or at > self.newest_at:
            self.newest_at = at

    def _plan(self, path: str, limit_bytes: int) -> list[_Piece]:
        """Return the pieces, newest first."""
        # Opened before the others are listed: a rotation in between shows as the same file under a new name.
        stream = self._host.open(path)
        pieces = [self._piece(stream, path, limit_bytes)]
        pieces[0].live = True
        seen = {_identity(stream)}
        left = limit_bytes - pieces[0].end + pieces[0].start
        for older_path in self._rotated(path):
            if pieces[-1].older:
                break
            if left <= 0:
                self.truncated = True
                break
            try:
                stream = self._host.open(older_path)
            except HostError:
                self.truncated = True
                break
            if _identity(stream) in seen:
                stream.close()
                continue
            if _changed_at(stream) < self.since - SLACK_SECONDS:
                stream.close()
                break
            seen.add(_identity(stream))
            pieces.append(self._piece(stream, older_path, left))
            if not pieces[-1].packed:
                left -= pieces[-1].end - pieces[-1].start
        return pieces

    def _piece(self, stream: IO[bytes], path: str, limit_bytes: int) -> _Piece:
        self.files += 1
        packed = path[path.rfind(".") :] if path.endswith((".gz", ".xz", ".bz2")) else ""
        if packed:
            return _Piece(stream, 0, limit_bytes, self._starts_older(stream, packed), packed)
        size = stream.seek(0, os.SEEK_END)
        start, older = self._search(stream, size)
        if size - start > limit_bytes:
            start, older, self.truncated = size - limit_bytes, False, True
        return _Piece(stream, start, size, older)

    def _starts_older(self, stream: IO[bytes], packed: str) -> bool:
        """Say if the archive's first lines are older than the window, so that none before it is needed."""
        try:
            newest = self._newest(next(_unpack(stream, packed), b"")[:PROBE_BYTES], False)
        except UNPACK_ERRORS:
            newest = None
        stream.seek(0)
        return newest is not None and newest < self.since - SLACK_SECONDS

    def _search(self, stream: IO[bytes], size: int) -> tuple[int, bool]:
        """Return a place shortly before the window's first line, and whether there are older lines.

        Looks back from the end in doubling steps, then halves between the last two: the number of probes goes with the
        logarithm of what the window holds. A place counts as older only if all of its lines are, so that a forged
        time can make it read more, never less.
        """
        step, newer = PROBE_BYTES, size
        while True:
            at = max(0, size - step)
            if self._is_older(stream, at):
                break
            if at == 0:
                return 0, self._begins_older(stream)
            newer, step = at, step * 2
        while newer - at > PROBE_BYTES:
            middle = (at + newer) // 2
            if self._is_older(stream, middle):
                at = middle
            else:
                newer = middle
        return at, True

    def _is_older(self, stream: IO[bytes], at: int) -> bool:
        stream.seek(at)
        block = stream.read(PROBE_BYTES)
        self.read_bytes += len(block)
        newest = self._newest(block, at > 0)
        return newest is not None and newest < self.since - SLACK_SECONDS

    def _begins_older(self, stream: IO[bytes]) -> bool:
        """Say if the file's first line with a time is older than the window, so that no predecessor is needed."""
        stream.seek(0)
        block = stream.read(PROBE_BYTES)
        self.read_bytes += len(block)
        for text in block.split(b"\n")[:-1]:
            at = self.stamp(_text(text))
            if at is not None:
                return at < self.since - SLACK_SECONDS
        return False

    def _newest(self, block: bytes, cut_start: bool) -> float | None:
        """Return the newest time in a block of which the last line, and the first if cut_start, is not whole."""
        lines = block.split(b"\n")
        times = [self.stamp(_text(line)) for line in lines[1 if cut_start else 0 : -1]]
        known = [at for at in times if at is not None]
        for at in known:
            if at <= self.until + SLACK_SECONDS:
                self._saw(at)
        return max(known) if known else None

    def _lines(self, piece: _Piece) -> Iterator[str]:
        """Yield the piece's whole lines, each at most LINE_LIMIT_BYTES long."""
        rest = end = b""
        begun = piece.packed != "" or piece.start == 0
        for chunk in self._chunks(piece):
            parts = chunk.split(b"\n")
            if not rest:
                # A log truncated in place under a writer starts with a hole, read as NULs.
                parts[0] = parts[0].lstrip(b"\0")
            taken = parts[0][: LINE_LIMIT_BYTES + 1 - len(rest)]
            rest += taken
            end = (end + parts[0][len(taken) :])[-LINE_END_BYTES:]
            if len(parts) == 1:
                continue
            if begun and rest:
                yield self._line(rest + end)
            begun = True
            for part in parts[1:-1]:
                if part:
                    yield self._line(part)
            rest = parts[-1][: LINE_LIMIT_BYTES + 1]
            end = parts[-1][LINE_LIMIT_BYTES + 1 :][-LINE_END_BYTES:]
        if rest and begun:
            if piece.live and not piece.packed:
                self.half_line = True
            else:
                yield self._line(rest + end)

    def _line(self, line: bytes) -> str:
        if len(line) > LINE_LIMIT_BYTES:
            self.cut_lines += 1
            line = line[: LINE_LIMIT_BYTES - LINE_END_BYTES] + line[-LINE_END_BYTES:]
        return _text(line)

    def _chunks(self, piece: _Piece) -> Iterator[bytes]:
        if piece.packed:
            yield from self._unpacked(piece)
            return
        piece.stream.seek(piece.start)
        left = piece.end - piece.start
        while left > 0:
            chunk = piece.stream.read(min(CHUNK_BYTES, left))
            if not chunk:
                return
            left -= len(chunk)
            self.read_bytes += len(chunk)
            yield chunk

    def _unpacked(self, piece: _Piece) -> Iterator[bytes]:
        """Yield what the archive holds, without what is older than the window; note if it is damaged or too large."""
        taken = given = 0
        held = b""
        try:
            for chunk in _unpack(piece.stream, piece.packed):
                taken += len(chunk)
                if given == 0:
                    newest = self._newest(chunk[-PROBE_BYTES:], True)
                    if newest is not None and newest < self.since - SLACK_SECONDS:
                        piece.older = True
                        # Its last line goes on in the next chunk.
                        held = chunk[chunk.rfind(b"\n") + 1 :][:LINE_LIMIT_BYTES]
                        continue
                    chunk = held + chunk
                given += len(chunk)
                if taken > UNPACK_LIMIT_BYTES or given > piece.end:
                    self.truncated = True
                    return
                yield chunk
        except UNPACK_ERRORS:
            self.truncated = True
        finally:
            self.read_bytes += piece.stream.tell()

    def _rotated(self, path: str) -> Iterator[str]:
        """Yield the log's predecessors, the newest first."""
        folder, name = os.path.split(path)
        stem = name[:-4] if name.endswith(".log") else name
        try:
            names = self._host.names(folder or "/")
        except HostError:
            return
        found = {}
        for other in names:
            for start, extension in ((name, None), (stem, ".log")):
                match = ROTATED.match(other[len(start) :]) if other.startswith(start) else None
                if match is None or match.group(2) != extension:
                    continue
                # Where both are there, the archive is still being written.
                plain = other[: len(other) - len(match.group(3) or "")]
                if plain not in found or match.group(3) is None:
                    found[plain] = (match.group(1), os.path.join(folder, other))
        aged = sorted((self._age(other, suffix), other) for suffix, other in found.values())
        yield from [other for _age, other in aged][:ROTATED_LIMIT]

    def _age(self, path: str, suffix: str) -> tuple[float, float]:
        """Return what sorts the newest first: by last change; where that is not known, by number or date."""
        digits = re.sub(r"\D", "", suffix)
        order = float(digits) if len(suffix) <= 3 else -float(digits[:14].ljust(14, "0"))
        try:
            return -self._host.stat(path).st_mtime, order
        except HostError:
            return 0.0, order


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "surrogateescape")


def _identity(stream: IO[bytes]) -> object:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return stream
    return status.st_dev, status.st_ino


def _changed_at(stream: IO[bytes]) -> float:
    """Return the file's last change; what has none may always hold lines of the window."""
    try:
        return os.fstat(stream.fileno()).st_mtime
    except (OSError, ValueError):
        return float("inf")


def _unpack(stream: IO[bytes], packed: str) -> Iterator[bytes]:
    """Yield the archive's content in chunks; raise OSError, EOFError, zlib.error or LZMAError if it is damaged."""
    if packed == ".xz":
        yield from _unpack_xz(stream)
        return
    unpacked: Any = gzip.GzipFile(fileobj=stream) if packed == ".gz" else bz2.BZ2File(stream)
    while True:
        chunk = unpacked.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _unpack_xz(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the archive's content; unlike lzma.LZMAFile, refuse one that wants a dictionary of gigabytes."""
    unpacker = lzma.LZMADecompressor(memlimit=LZMA_MEMORY_BYTES)
    data = b""
    while not unpacker.eof:
        if unpacker.needs_input:  # pylint: disable=using-constant-test  # it takes it for a constant
            data = stream.read(CHUNK_BYTES)
            if not data:
                raise EOFError("the archive has no end")
        chunk = unpacker.decompress(data, CHUNK_BYTES)
        data = b""
        if chunk:
            yield chunk
