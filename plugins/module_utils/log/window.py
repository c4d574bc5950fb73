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
from dataclasses import dataclass, replace
from typing import IO, Any, Callable, Generator, Iterator, NamedTuple, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    MISSING,
    Host,
    HostError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

# Lines may be this much older than those before them (Apache stamps a request's start, but logs its end).
SLACK_SECONDS = 120
PROBE_BYTES = 16_384
CHUNK_BYTES = 262_144
LINE_LIMIT_BYTES = 65_536
LINE_END_BYTES = 8_192
# So much of a longer line is looked at; of what stands between two quotes in it, so much at each end is given.
LINE_HELD_BYTES = 1_048_576
TEXT_END_BYTES = 500
WINDOW_LIMIT_BYTES = 64_000_000
# What is older than the limit is not read but searched, which costs a hundredth: clients can write that much.
SEARCH_LIMIT_BYTES = 1_000_000_000
# How far back every line's time is looked at, for requests that clients drew out and that are stamped with their start.
LATE_BYTES = 262_144
# A compressed log can only be read from its start: a day's log may have to go by before the window comes.
UNPACK_LIMIT_BYTES = 1_000_000_000
LZMA_MEMORY_BYTES = 256_000_000
ROTATED_LIMIT = 100
LOGS_LIMIT = 1_000
MATCHES_LIMIT = 100_000
"""At most this many logs of one pattern are read, and this many are counted."""
# Of a gather's time: the rest is for finding the window, and for what is made of it.
READING_SHARE = 0.6
UNPACK_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, HostError)

# What Python cannot unpack on every target, the program can that has packed it.
UNPACKERS = {".zst": "zstd", ".lz4": "lz4", ".lzo": "lzop", ".Z": "gzip", ".br": "brotli"}
PACKED = (".gz", ".xz", ".bz2", ".lzma", *UNPACKERS)
# How archives are named: logrotate(8), newsyslog(8), rotatelogs(8), Caddy's `access-2026-11-23T10-45-30.123.log`,
# MongoDB's and Python's own. A name that is a word or a port belongs to another log.
ROTATED = re.compile(
    r"[.-](\d{1,3}|old)(\.log)?(%(packed)s)?$"
    r"|[._-]{1,2}(\d{4}[._-]?\d\d[._-]?\d\d\d{0,10}(?:[._:T-]\d{1,9}){0,5})(?:-[a-z]{1,9})?(\.log)?(%(packed)s)?$"
    % {"packed": "|".join(re.escape(end) for end in PACKED)}
)
# A crash, or truncation in place under a writer, leaves a hole, read as NULs; what follows is another line.
HOLE = re.compile(rb"\0{16,}")
REPEATED_WORD = b"message repeated"
Stamp = Callable[[str], "float | None"]


@dataclass
class _Piece:
    """A file's part that may hold lines of the window. older: lines older than the window stand before it.

    read_from: where reading begins; from `start` to there it is only searched.
    """

    stream: IO[bytes]
    start: int
    end: int  # of an archive: how much of it may be given
    older: bool
    read_from: int = 0
    packed: str = ""
    path: str = ""
    live: bool = False


def named_fields(
    known: dict[str, tuple[str, ...]], given: dict[str, Any] | None
) -> dict[str, tuple[str, ...]]:
    """Return under which names to look for each field of a JSON line.

    Raises: ValueError for a field that is none.
    """
    for name in given or {}:
        if name not in known:
            raise ValueError(f"fields: no {str(name)[:40]!r}; there are {', '.join(known)}")
    return {**known, **{name: (str(key),) for name, key in (given or {}).items() if key}}


class Bounds(NamedTuple):
    """How much is read of a log.

    words: one of them is in each line that matters, where there is more than limit_bytes; ends: when reading has to
    end, by the host's monotonic clock: what was found until then stays.
    """

    limit_bytes: int = WINDOW_LIMIT_BYTES
    words: Sequence[bytes] = ()
    ends: float | None = None


ALL = Bounds()


class LogWindow:
    """An iterable of the lines between two times as (time, text), oldest first.

    A line without a time, or with one that is still to come, has that of the line before it; None if its log has no
    other times. When it has been iterated over, the attributes say what was met:
    truncated: not all of the window could be read, the oldest part is missing (or a damaged archive's rest).
    part_unread: the file that could not be read then, and why; empty if that is not one file's fault.
    over_limit: that is because there was too much of it, in bytes or for the time that there was.
    searched_bytes: were over the limit, and only searched for the given words; skipped_lines had none of them.
    cut_lines: lines longer than LINE_LIMIT_BYTES, of whose texts only the start and the end were given.
    half_line: the last line had no end yet and was left for the next time.
    ahead_lines: were dated after the window.
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
        bounds: Bounds = ALL,
        newest_in: Callable[[bytes], float | None] | None = None,
    ) -> None:
        """Find where the window starts.

        newest_in: returns the newest time in a block of a log whose lines may be stamped long before they were written.

        Raises: HostError if the log cannot be read.
        """
        self.stamp = stamp
        self.since = since
        self.until = until
        self.truncated = self.over_limit = False
        self.searched_bytes = self.skipped_lines = 0
        self.cut_lines = 0
        self.half_line = False
        self.ahead_lines = 0
        self.part_unread = ""
        self.newest_at: float | None = None
        self.read_bytes = 0
        self.files = 0
        self._host = host
        self._words = tuple(bounds.words)
        self._newest_in = newest_in
        self._ends = bounds.ends
        self._late = False
        self._begun = False
        self._search_left = SEARCH_LIMIT_BYTES if bounds.words else 0
        self._kept_left = bounds.limit_bytes
        self._pieces = self._plan(path, bounds.limit_bytes)

    def __iter__(self) -> Iterator[tuple[float | None, str]]:
        since, until = self.since, self.until + SLACK_SECONDS
        for piece in reversed(self._pieces):
            with piece.stream:
                before: float | None = None
                for text in self._lines(piece):
                    at = self.stamp(text)
                    if at is None:
                        if before is None and piece.older:
                            continue
                        at = before
                    elif at <= until:
                        # A request that a client has drawn out is stamped with its start: lines without a time that
                        # follow it are no older than those before it.
                        before = at if before is None or at > before else before
                        self._saw(at)
                    else:
                        # Of another zone, or a clock that runs ahead: written after the line before it all the same.
                        self.ahead_lines += 1
                        at = before
                    if at is None:
                        yield at, text
                    elif since <= at <= until:
                        self._begun = True
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
        for number, older_path in enumerate(self._rotated(path)):
            if pieces[-1].older:
                break
            if left <= 0 and self._search_left <= 0:
                self.truncated = self.over_limit = True
                break
            try:
                stream = self._host.open(older_path)
            except HostError as exc:
                self.truncated, self.part_unread = True, str(exc)[:300]
                break
            if _identity(stream) in seen:
                stream.close()
                continue
            if _changed_at(stream) < self.since - SLACK_SECONDS:
                stream.close()
                break
            if number >= ROTATED_LIMIT:
                stream.close()
                self.truncated = self.over_limit = True
                break
            seen.add(_identity(stream))
            pieces.append(self._piece(stream, older_path, max(0, left)))
            if not pieces[-1].packed:
                left -= pieces[-1].end - pieces[-1].start
        return pieces

    def _piece(self, stream: IO[bytes], path: str, limit_bytes: int) -> _Piece:
        self.files += 1
        packed = path[path.rfind(".") :] if path.endswith(PACKED) else ""
        if packed:
            piece = _Piece(stream, 0, limit_bytes, False, packed=packed, path=path)
            piece.older = self._starts_older(piece)
            return piece
        size = stream.seek(0, os.SEEK_END)
        start, older = self._search(stream, size)
        read_from = max(start, size - limit_bytes)
        if read_from - start > self._search_left:
            start, older = read_from - self._search_left, False
            self.truncated = self.over_limit = True
        self._search_left -= read_from - start
        return _Piece(stream, start, size, older, read_from)

    def _starts_older(self, piece: _Piece) -> bool:
        """Return whether the archive's first lines are older than the window, so that none before it is needed."""
        chunks = self._content(piece)
        try:
            newest = self._newest(next(chunks, b"")[:PROBE_BYTES], False)
        except UNPACK_ERRORS:
            newest = None
        chunks.close()
        piece.stream.seek(0)
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
                at = self._halved(stream, at, newer)
                late = self._late_before(stream, at)
                if late is None:
                    return at, True
                at = late
            elif at == 0:
                return 0, self._begins_older(stream)
            newer, step = at, max(step, size - at) * 2

    def _halved(self, stream: IO[bytes], at: int, newer: int) -> int:
        """Return the last place known to be older between one that is and one that is not."""
        while newer - at > PROBE_BYTES:
            middle = (at + newer) // 2
            if self._is_older(stream, middle):
                at = middle
            else:
                newer = middle
        return at

    def _late_before(self, stream: IO[bytes], place: int) -> int | None:
        """Return a place further back that has lines of the window; None if there is none.

        Clients that draw out their requests, and end them at once, make a block of lines that are stamped long before
        they were written. Further back than LATE_BYTES it would take as many of them as the window has lines.
        """
        if self._newest_in is None:
            return None
        at, step = place, PROBE_BYTES
        while at > 0:
            at = max(0, at - step)
            stream.seek(at)
            block = stream.read(PROBE_BYTES)
            self.read_bytes += len(block)
            newest = self._newest_in(block)
            if newest is not None and newest >= self.since - SLACK_SECONDS:
                return at
            if place - at >= LATE_BYTES:
                step *= 2
        return None

    def _is_older(self, stream: IO[bytes], at: int) -> bool:
        stream.seek(at)
        block = stream.read(PROBE_BYTES)
        self.read_bytes += len(block)
        newest = self._newest(block, at > 0)
        return newest is not None and newest < self.since - SLACK_SECONDS

    def _begins_older(self, stream: IO[bytes]) -> bool:
        """Return whether the file's first line with a time is older than the window, so that no predecessor is needed.

        All of the first lines have to be, where lines may be stamped long before they were written.
        """
        stream.seek(0)
        block = stream.read(PROBE_BYTES)
        self.read_bytes += len(block)
        lines = block.split(b"\n")[:-1]
        times = (at for at in (self.stamp(_text(line)) for line in lines) if at is not None)
        first = next(times, None) if self._newest_in is None else max(times, default=None)
        return first is not None and first < self.since - SLACK_SECONDS

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
            if b"\0" in chunk:
                chunk = HOLE.sub(b"\n", chunk)
            parts = chunk.split(b"\n")
            if not rest:
                parts[0] = parts[0].lstrip(b"\0")  # of a hole that begins in the chunk before
            taken = parts[0][: LINE_HELD_BYTES + 1 - len(rest)]
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
            rest = parts[-1][: LINE_HELD_BYTES + 1]
            end = parts[-1][LINE_HELD_BYTES + 1 :][-LINE_END_BYTES:]
        if rest and begun and not self._is_late():  # then it is half of a line
            if piece.live and not piece.packed:
                self.half_line = True
            else:
                yield self._line(rest + end)

    def _line(self, line: bytes) -> str:
        if len(line) > LINE_LIMIT_BYTES:
            self.cut_lines += 1
            line = _shortened(line)
        if len(line) > LINE_LIMIT_BYTES:
            line = line[: LINE_LIMIT_BYTES - LINE_END_BYTES] + line[-LINE_END_BYTES:]
        return _text(line)

    def _chunks(self, piece: _Piece) -> Iterator[bytes]:
        if piece.packed:
            yield from self._unpacked(piece)
            return
        piece.stream.seek(piece.start)
        left = piece.end - piece.start
        while left > 0 and not self._is_late():
            over = piece.read_from - (piece.end - left)
            chunk = piece.stream.read(min(CHUNK_BYTES, left, over if over > 0 else left))
            if not chunk:
                return
            left -= len(chunk)
            self.read_bytes += len(chunk)
            yield self._matching(chunk) if over > 0 else chunk

    def _is_late(self) -> bool:
        """Return whether no time is left for this log, and note it."""
        if not self._late and self._ends is not None and self._host.monotonic() >= self._ends:
            self._late = self.truncated = self.over_limit = True
        return self._late

    def _matching(self, chunk: bytes) -> bytes:
        """Return the chunk without the whole lines that have none of the words, once the window has begun.

        A line that says that the one before it was repeated is kept with that.
        """
        first, last = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        if not self._begun or first == last:
            return chunk
        self.searched_bytes += len(chunk)
        lines = chunk[first:last]
        kept = {}
        for word in self._words:
            at = lines.find(word)
            while at >= 0:
                begin, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at) + 1
                kept[begin] = end
                if word == REPEATED_WORD and begin:
                    kept[lines.rfind(b"\n", 0, begin - 1) + 1] = begin
                at = lines.find(word, end)
        found = b"".join(lines[begin : kept[begin]] for begin in sorted(kept))
        self._kept_left -= len(found)
        if self._kept_left < 0:
            found, self.truncated, self.over_limit = b"", True, True
        self.skipped_lines += lines.count(b"\n") - found.count(b"\n")
        return chunk[:first] + found + chunk[last:]

    def _content(self, piece: _Piece) -> Generator[bytes, None, None]:
        """Yield the archive's content in chunks; raise one of UNPACK_ERRORS if it is damaged or cannot be unpacked."""
        program = UNPACKERS.get(piece.packed)
        if program is None:
            yield from _unpack(piece.stream, piece.packed)
            return
        with self._host.output([program, "-dc", "--", piece.path]) as stream:
            yield from iter(lambda: stream.read(CHUNK_BYTES), b"")

    def _unpacked(self, piece: _Piece) -> Iterator[bytes]:
        """Yield what the archive holds, without what is older than the window; note if it is damaged or too large."""
        taken = given = 0
        held = b""
        try:
            for chunk in self._content(piece):
                if self._is_late():
                    return
                taken += len(chunk)
                if given == 0:
                    newest = self._newest(chunk[-PROBE_BYTES:], True)
                    if newest is not None and newest < self.since - SLACK_SECONDS:
                        piece.older = True
                        # Its last line goes on in the next chunk.
                        held = chunk[chunk.rfind(b"\n") + 1 :][:LINE_HELD_BYTES]
                        continue
                    chunk = held + chunk
                given += len(chunk)
                if taken > UNPACK_LIMIT_BYTES or (given > piece.end and not self._words):
                    self.truncated = self.over_limit = True
                    return
                yield self._matching(chunk) if given > piece.end else chunk
        except UNPACK_ERRORS as exc:
            self.truncated, self.part_unread = True, f"{piece.path}: {exc}"[:300]
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
                if match is None:
                    continue
                number, end, packed, date, late_end, late_packed = match.groups()
                if (end or late_end) != extension:
                    continue
                # Where both are there, the archive is still being written.
                packed = packed or late_packed or ""
                plain = other[: len(other) - len(packed)]
                if plain not in found or not packed:
                    found[plain] = (number or date, os.path.join(folder, other))
        aged = sorted((self._age(other, suffix), other) for suffix, other in found.values())
        yield from [other for _age, other in aged]

    def _age(self, path: str, suffix: str) -> tuple[float, float]:
        """Return what sorts the newest first: by last change; where that is not known, by number or date."""
        digits = re.sub(r"\D", "", suffix)
        order = float(digits or 0) if len(suffix) <= 3 else -float(digits[:14].ljust(14, "0"))
        try:
            return -self._host.stat(path).st_mtime, order
        except HostError:
            return 0.0, order


def _shortened(line: bytes) -> bytes:
    """Return the line with the middle taken out of each long text between quotes, for those are its clients'.

    What the logger itself says, such as a status, stands outside of them, and may stand between two.
    """
    shown = line.replace(b"\\\\", b"..").replace(b'\\"', b"..")  # as long, without escaped quotes
    texts, at = [], 0
    for one in shown.split(b'"'):
        text = line[at : at + len(one)]
        at += len(one) + 1
        is_long = len(text) > 2 * TEXT_END_BYTES
        texts.append(text[:TEXT_END_BYTES] + text[-TEXT_END_BYTES:] if is_long else text)
    return b'"'.join(texts)


def _text(line: bytes) -> str:
    return line.rstrip(b"\r\0").decode("utf-8", "surrogateescape")


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
    """Yield the archive's content in chunks.

    Raises: OSError, EOFError, zlib.error or LZMAError if it is damaged.
    """
    if packed in (".xz", ".lzma"):
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


def logs_of(pattern: str, host: Host) -> tuple[list[str], str]:
    """Return the logs that a pattern or a path names, and what is wrong with the rest; empty if nothing is.

    Where a client names logs, such as by its Host header, it can make more than can be read: those that are read are
    told, and that there are more is an error of the pattern.
    """
    if not re.search(r"[*?\[]", pattern):
        return [pattern], ""
    found = host.glob(pattern, MATCHES_LIMIT)
    if not found:
        return [], f"{pattern}: no log has this name"
    if len(found) > LOGS_LIMIT:
        return found[
            :LOGS_LIMIT
        ], f"{len(found)} logs have such a name, at most {LOGS_LIMIT} are read"
    return found, ""


def not_read(path: str, exc: Exception) -> Observation:
    """Return that a log could not be read, with why, and what to do about it where that is known."""
    seen = not_seen(path, exc)
    if "permission denied" not in seen.error:
        return seen
    advice = "observe with become, or add the login to the group that may read logs (adm)"
    return replace(seen, error=f"{seen.error}; {advice}")


def unnamed(pattern: str, paths: Sequence[str], problem: str) -> Observation:
    """Return what is wrong with a pattern of logs; where no log has such a name, a next step can look at its folder."""
    if paths:
        return not_seen(pattern, HostError(problem))
    folder = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0] or "/"
    return not_seen(pattern, HostError(problem, MISSING, folder))


class Shares:
    """Shares out a gather's time among its logs: who floods one of them takes no time from the others."""

    def __init__(self, host: Host, timeout_seconds: float) -> None:
        """Begin now, with READING_SHARE of that time."""
        self._host = host
        self._ends = host.monotonic() + READING_SHARE * timeout_seconds

    def end_of(self, logs: int) -> float:
        """Return when reading the next log has to end, if this many are still to be read, this one too."""
        now = self._host.monotonic()
        return now + max(self._ends - now, 0.0) / max(logs, 1)
