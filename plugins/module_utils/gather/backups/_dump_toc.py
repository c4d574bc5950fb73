# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the head and the table of contents of what pg_dump writes in its own formats.

Source: PostgreSQL's pg_backup_archiver.c, pg_backup_custom.c and pg_backup_directory.c, of its releases 9.0 to 18.
"""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    UnreadError,
)

MAGIC = b"PGDMP"
OLDEST, NEWEST = 10, 16  # of the versions 1.x of an archive: PostgreSQL 8.0 to 18
WITH_SECTION, WITH_ACCESS_METHOD, WITH_PACKER_BYTE, WITH_RELATION_KIND = 11, 14, 15, 16
CUSTOM, TAR = 1, 3  # a folder's toc.dat has the code of a tar
PACKERS = {0: "", 1: "zlib", 2: "lz4", 3: "zstd"}
DATA_SECTION, LAST_SECTION = 3, 4
NOT_SET, SET, NO_DATA = 1, 2, 3  # what the table of contents says of where an entry's data is
BLOBS, OBJECT, OBJECTS = "BLOBS", "BLOB", "BLOB METADATA"
ALWAYS_THERE = 12  # the version from which on each dump says its encoding and how it writes strings
SETTINGS = {
    "ENCODING": re.compile(r"SET client_encoding = '(\w+)';\n"),
    "STDSTRINGS": re.compile(r"SET standard_conforming_strings = '(on|off)';\n"),
}
ENCODINGS = re.compile(
    r"BIG5|EUC_(CN|JIS_2004|JP|KR|TW)|GB18030|GBK|ISO_8859_[5-8]|JOHAB|KOI8[RU]|LATIN([1-9]|10)|MULE_INTERNAL"
    r"|SHIFT_JIS_2004|SJIS|SQL_ASCII|UHC|UTF8|WIN(866|874|125[0-8])"
)
COPY = re.compile(r"COPY [^\0]+ FROM stdin;\n")
"""Behind anything else the rows of a table would not be read as such."""
BUFFER_BYTES = 1 << 16
TEXT_BYTES = 4096
LONG_TEXT_BYTES = 1 << 18
ENTRY_LIMIT = 1_000_000  # with data, or large objects: each is remembered until its data has come


@dataclass(frozen=True)
class DumpEntry:
    """An entry of the table of contents that has data.

    kind: such as `TABLE DATA`; `BLOBS` are large objects. copied: the data is for COPY, with its end mark.
    at: where the data begins, counted from the archive's first byte; None if that is not said.
    file: its file's name without the ending of a packer, in a folder or a tar; data to judge, not to trust.
    """

    number: int
    kind: str
    copied: bool
    at: int | None = None
    file: str = ""


@dataclass
class Toc:
    """Head and table of contents.

    layout: CUSTOM or TAR. packer: `zlib`, `lz4`, `zstd` or empty. taken: as in Reading. members: entries in all, of
    which `entries` has those with data. settings: which of SETTINGS it has. objects: the OIDs of its large
    objects, as far as they are listed.
    """

    minor: int
    layout: int
    packer: str
    taken: float | None
    members: int = 0
    entries: dict[int, DumpEntry] = field(default_factory=dict)
    settings: set[str] = field(default_factory=set)
    objects: set[int] = field(default_factory=set)


def read_toc(stream: Counted) -> Toc:
    """Read a toc.dat, of a folder or a tar, to its end.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    fields = Fields(stream)
    toc = toc_of(fields)
    if not fields.at_end():
        raise BrokenError("bytes after the end of the table of contents")
    return toc


def taken_in_head(head: bytes) -> float | None:
    """Return when the dump was made, from its first bytes; None if they do not say it. Never raises."""
    try:
        return head_of(Fields(Counted(io.BytesIO(head).read, Budget(60, len(head))))).taken
    except (BrokenError, UnreadError, OutOfBudgetError):
        return None


def ends_with(tail: bytes, mark: bytes) -> bool:
    """Return whether data ends with the mark and the end of a line, or of several."""
    return tail.endswith(b"\n") and tail.rstrip(b"\n").endswith(mark)


class Fields:
    """The fields of an archive, from a buffer: most are a few bytes only. at: how many bytes were taken."""

    def __init__(self, stream: Counted) -> None:
        self.stream = stream
        self.part = "the head"
        self.offset_bytes = 8
        self._data, self._next, self._before = b"", 0, 0

    @property
    def at(self) -> int:
        """How many bytes were taken."""
        return self._before + self._next

    def at_end(self) -> bool:
        """Return whether there is nothing more."""
        return self._next >= len(self._data) and not self._more()

    def _more(self) -> bool:
        """Read on; return whether there was more."""
        more = self.stream.read(BUFFER_BYTES)
        self._before += self._next
        self._data, self._next = self._data[self._next :] + more, 0
        return bool(more)

    def take(self, size: int) -> bytes:
        """Return the next bytes, of which there are few.

        Raises: BrokenError if the archive ends before.
        """
        end = self._next + size
        while end > len(self._data):
            if not self._more():
                raise BrokenError(f"ends in {self.part}", cut=True)
            end = self._next + size
        data = self._data[self._next : end]
        self._next = end
        return data

    def some(self, size: int) -> bytes:
        """Return up to size bytes, one at least.

        Raises: BrokenError if there is none.
        """
        if self.at_end():
            raise BrokenError(f"ends in {self.part}", cut=True)
        data = self._data[self._next : self._next + size]
        self._next += len(data)
        return data

    def byte(self) -> int:
        """Return the next byte.

        Raises: BrokenError if there is none.
        """
        return self.take(1)[0]

    def number(self) -> int:
        """Return an integer: a byte for the sign, and four, the lowest first.

        Raises: BrokenError.
        """
        data = self.take(5)
        value = int.from_bytes(data[1:], "little")
        if data[0] > 1 or value > 1 << 31:
            raise BrokenError(f"a number that nobody writes in {self.part}")
        return -value if data[0] else value

    def length(self) -> int:
        """Return the length of a text; -1 if there is none.

        Raises: BrokenError.
        """
        size = self.number()
        if size < -1:
            raise BrokenError(f"a negative length in {self.part}")
        return size

    def text(self, limit_bytes: int = TEXT_BYTES) -> str | None:
        """Return a short text.

        Raises: BrokenError.
        """
        size = self.length()
        if size > limit_bytes:
            raise BrokenError(f"a length that nobody writes in {self.part}")
        return None if size < 0 else self.take(size).decode("utf-8", "surrogateescape")

    def skip_text(self) -> int:
        """Pass over a text of any length, and return that.

        Raises: BrokenError.
        """
        left = size = self.length()
        while left > 0:
            left -= len(self.some(left))
        return size


def head_of(fields: Fields) -> Toc:
    """Read up to the date.

    Raises: BrokenError, UnreadError.
    """
    if fields.take(len(MAGIC)) != MAGIC:
        raise BrokenError("does not begin as a dump of pg_dump does")
    major, minor, revision, integers, offsets, layout = fields.take(6)
    if major != 1 or not OLDEST <= minor <= NEWEST or revision:
        raise UnreadError(
            f"version {major}.{minor}.{revision} of the archive format, which is not known here"
        )
    if integers != 4 or offsets not in (4, 8):
        raise UnreadError(f"integers of {integers} and offsets of {offsets} bytes")
    if layout not in (CUSTOM, TAR):
        raise UnreadError(f"layout {layout} of the archive format, which is not known here")
    fields.offset_bytes = offsets
    packer = _packer(fields, minor)
    return Toc(minor, layout, packer, _moment([fields.number() for _part in range(7)]))


def _packer(fields: Fields, minor: int) -> str:
    """Read with what the data is packed.

    Raises: BrokenError, UnreadError.
    """
    if minor >= WITH_PACKER_BYTE:
        number = fields.byte()
        if number not in PACKERS:
            raise UnreadError(f"packer {number} of the archive format, which is not known here")
        return PACKERS[number]
    level = fields.number()
    if not -1 <= level <= 9:
        raise BrokenError("a degree of packing that zlib does not have in the head")
    return "zlib" if level else ""


def _moment(parts: list[int]) -> float | None:
    """Return the time of C's `struct tm` (seconds to year, summer time) in this host's zone; None if it is none."""
    second, minute, hour, day, month, year, summer = parts
    try:
        datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))
        wanted = (year + 1900, month + 1, day, hour, minute, second)
        # The host that dumped may be in another zone, without summer time: then the flag does not count.
        for flag in (summer if summer in (0, 1) else -1, -1):
            moment = time.mktime((*wanted, 0, 0, flag))
            if time.localtime(moment)[:6] == wanted:
                break
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment > 0 else None


def toc_of(fields: Fields) -> Toc:
    """Read head and table of contents.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    toc = head_of(fields)
    for _text in ("database", "version of the server", "version of pg_dump"):
        fields.skip_text()
    fields.part = "the table of contents"
    toc.members = fields.number()
    if toc.members <= 0:
        raise BrokenError("empty: its table of contents has no entry")
    for _entry in range(toc.members):
        entry = _entry_of(fields, toc)
        if entry is None:
            continue
        if entry.number in toc.entries:
            raise BrokenError("two entries of one number in the table of contents")
        if len(toc.entries) >= ENTRY_LIMIT:
            raise UnreadError(f"more than {ENTRY_LIMIT} entries with data")
        toc.entries[entry.number] = entry
    if toc.minor >= ALWAYS_THERE and len(toc.settings) < len(SETTINGS):
        raise BrokenError(
            "no encoding of its texts, or not how it writes them, in the table of contents"
        )
    return toc


def _entry_of(fields: Fields, toc: Toc) -> DumpEntry | None:
    """Read one entry; None if it has no data.

    Whether an entry has data is said three times over, which must agree: nothing else would show it if the data of a
    table were left out of the restore.

    Raises: BrokenError.
    """
    number, dumped = fields.number(), fields.number()
    if number <= 0 or dumped not in (0, 1):
        raise BrokenError("an entry that nobody writes in the table of contents")
    _refuse_unless((fields.text() or "").isdigit())  # the OID of its catalogue
    oid = fields.text() or ""
    _refuse_unless(oid.isdigit())
    fields.skip_text()  # the object's name
    kind = fields.text() or ""
    _list_objects(toc, [oid] if kind == OBJECT else [])
    section = fields.number() if toc.minor >= WITH_SECTION else DATA_SECTION
    _refuse_unless(1 <= section <= LAST_SECTION and (section == DATA_SECTION or not dumped))
    _read_definition(fields, toc, kind)
    fields.skip_text()  # how to drop it
    copied = fields.text(LONG_TEXT_BYTES) or ""
    _refuse_unless(not copied or COPY.fullmatch(copied) is not None)
    fields.skip_text()  # schema
    fields.skip_text()  # tablespace
    if toc.minor >= WITH_ACCESS_METHOD:
        fields.skip_text()
    if toc.minor >= WITH_RELATION_KIND:
        fields.number()
    fields.skip_text()  # owner
    _refuse_unless(fields.text() in ("true", "false"))  # whether with OIDs
    _read_dependencies(fields)
    return _data_of(fields, toc, DumpEntry(number, kind, bool(copied)), bool(dumped))


def _read_definition(fields: Fields, toc: Toc, kind: str) -> None:
    """Read how to make the object. With a wrong encoding, what is restored would not be what was dumped.

    Raises: BrokenError, UnreadError.
    """
    if kind == OBJECTS:
        _list_objects(toc, (fields.text(LONG_TEXT_BYTES) or "").split())
        return
    if kind not in SETTINGS:
        fields.skip_text()
        return
    said = SETTINGS[kind].fullmatch(fields.text() or "")
    if said is None:
        raise BrokenError("an entry that nobody writes in the table of contents")
    if kind == "ENCODING" and not ENCODINGS.fullmatch(said.group(1)):
        raise UnreadError("an encoding that is not known here")
    toc.settings.add(kind)


def _list_objects(toc: Toc, oids: list[str]) -> None:
    """Take down the OIDs of large objects, which stand without a checksum before their data too.

    Raises: BrokenError, UnreadError.
    """
    _refuse_unless(all(oid.isdigit() for oid in oids))
    toc.objects.update(map(int, oids))
    if len(toc.objects) > ENTRY_LIMIT:
        raise UnreadError(f"more than {ENTRY_LIMIT} large objects")


def _refuse_unless(sound: bool) -> None:
    if not sound:
        raise BrokenError("an entry that nobody writes in the table of contents")


def _read_dependencies(fields: Fields) -> None:
    """Read the numbers of the entries on which one depends: texts up to one that is none."""
    while True:
        text = fields.text()
        if text is None:
            return
        _refuse_unless(text.isdigit())


def _data_of(fields: Fields, toc: Toc, entry: DumpEntry, dumped: bool) -> DumpEntry | None:
    """Read where an entry's data is; None if it has none.

    Raises: BrokenError.
    """
    if toc.layout == TAR:
        name = fields.text() or ""
        _refuse_unless(bool(name) >= dumped)
        return DumpEntry(entry.number, entry.kind, entry.copied, file=name) if name else None
    state = fields.byte()
    at = int.from_bytes(fields.take(fields.offset_bytes), "little")
    _refuse_unless(state in (NOT_SET, SET, NO_DATA) and (state != NO_DATA) == dumped)
    if state == NO_DATA:
        return None
    return DumpEntry(entry.number, entry.kind, entry.copied, at if state == SET else None)
