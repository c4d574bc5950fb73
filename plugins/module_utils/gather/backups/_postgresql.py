# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what pg_dump writes in its own formats, from a stream and without pg_restore.

Source: PostgreSQL's pg_backup_archiver.c, pg_backup_custom.c and pg_backup_directory.c, of its releases 9.0 to 18.
"""

from __future__ import annotations

import zlib
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    NONE,
    PART,
    BrokenError,
    Counted,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    BLOBS,
    BUFFER_BYTES,
    CUSTOM,
    Fields,
    Toc,
    ends_with,
    toc_of,
)

DATA_BLOCK, BLOBS_BLOCK = 1, 3
OUTPUT_BYTES = 1 << 20
COPY_ENDS = b"\\."
TOC_UNPROVED = "the table of contents, which has no checksum"
TAKEN_WORDS = "header of the dump"


def read_custom(stream: Counted, found: Reading) -> None:
    """Read a dump in the custom format to its end; sets members, bytes, proof, unproved, taken and taken_words.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    fields = Fields(stream)
    toc = toc_of(fields)
    if toc.layout != CUSTOM:
        raise UnreadError("the table of contents of a dump in a folder or a tar, without its data")
    found.members, found.taken = toc.members, toc.taken
    found.taken_words = TAKEN_WORDS if toc.taken is not None else ""
    blocks = _Blocks(fields, toc.packer)
    _read_blocks(fields, toc, blocks)
    found.bytes = blocks.bytes if toc.packer in ("", "zlib") else None
    found.proof, found.unproved = _proof(toc)


def _proof(toc: Toc) -> tuple[str, str]:
    """Return how far checksums were verified, and what has none."""
    if not toc.entries:
        return NONE, TOC_UNPROVED
    if toc.packer == "zlib":
        numbered = any(entry.kind == BLOBS for entry in toc.entries.values()) and not toc.objects
        return (
            PART,
            f"the numbers of the large objects, and {TOC_UNPROVED}" if numbered else TOC_UNPROVED,
        )
    if toc.packer:
        return (
            NONE,
            f"the data, which is packed with {toc.packer} inside of the dump, and {TOC_UNPROVED}",
        )
    return NONE, "the data and the table of contents, which have no checksum"


def _read_blocks(fields: Fields, toc: Toc, blocks: _Blocks) -> None:
    """Read the data of all entries, to the end.

    Raises: BrokenError, OutOfBudgetError.
    """
    waiting = dict(toc.entries)
    objects = set(toc.objects) if toc.objects else None
    while True:
        fields.part = "the head of a block of data"
        begins = fields.at
        if fields.at_end():
            break
        if not waiting:
            raise BrokenError("bytes after the last block of data")
        block = fields.byte()
        entry = waiting.pop(fields.number(), None)
        if entry is None:
            raise BrokenError("a block of data that the table of contents does not list")
        if block != (BLOBS_BLOCK if entry.kind == BLOBS else DATA_BLOCK):
            raise BrokenError("a block of data of another kind than its entry")
        if entry.at not in (None, begins):
            raise BrokenError("data that is not where the table of contents says")
        fields.part = "the data of a table" if block == DATA_BLOCK else "a large object"
        if block == DATA_BLOCK:
            blocks.read(entry.copied)
        else:
            _read_objects(fields, objects, blocks)
    if waiting:
        raise BrokenError(f"ends before the data of {len(waiting)} of its entries", cut=True)


def _read_objects(fields: Fields, objects: set[int] | None, blocks: _Blocks) -> None:
    """Read large objects: each an OID and its data, up to an OID of 0. objects: what is expected, if that is known.

    Raises: BrokenError, OutOfBudgetError.
    """
    while True:
        oid = fields.number() & 0xFFFFFFFF
        if not oid:
            return
        if objects is not None:
            if oid not in objects:
                raise BrokenError("a large object that the table of contents does not list")
            objects.remove(oid)
        blocks.read(False)


class _Blocks:
    """The data of one table or large object at a time: blocks of a length each, up to one of length 0."""

    def __init__(self, fields: Fields, packer: str) -> None:
        self.fields, self.packer = fields, packer
        self.bytes = 0
        self._tail = b""

    def read(self, copied: bool) -> None:
        """Read the data of one, and its end mark if it is for COPY.

        Raises: BrokenError, OutOfBudgetError.
        """
        self._tail = b""
        if self.packer == "zlib":
            self._read_zlib()
        else:
            for data in self._pieces():
                self._take(data)
        visible = self.packer in ("", "zlib")
        if copied and visible and not ends_with(self._tail, COPY_ENDS):
            raise BrokenError("the data of a table without its end mark")

    def _take(self, data: bytes) -> None:
        self.bytes += len(data)
        self._tail = (self._tail + data[-8:])[-8:]

    def _pieces(self) -> Iterator[bytes]:
        """Yield the blocks' bytes, many blocks at once: each is 4 KiB or less.

        Raises: BrokenError.
        """
        fields = self.fields
        gathered: list[bytes] = []
        size = 0
        while True:
            left = fields.number()
            if left < 0:
                raise BrokenError(f"a negative length in {fields.part}")
            if not left:
                break
            while left:
                gathered.append(fields.some(left))
                left -= len(gathered[-1])
                size += len(gathered[-1])
                if size >= BUFFER_BYTES:
                    yield b"".join(gathered)
                    gathered, size = [], 0
        if gathered:
            yield b"".join(gathered)

    def _read_zlib(self) -> None:
        """Unpack one stream of zlib, whose end must be the blocks' end.

        Raises: BrokenError, OutOfBudgetError.
        """
        unpacker = zlib.decompressobj()
        budget = self.fields.stream.budget
        try:
            for data in self._pieces():
                out = b"more"
                while data or len(out) == OUTPUT_BYTES:  # a full one may not have been all
                    out = unpacker.decompress(data, OUTPUT_BYTES)
                    budget.take(len(out))
                    self._take(out)
                    if unpacker.unused_data or (unpacker.eof and unpacker.unconsumed_tail):
                        raise BrokenError(f"bytes after the end of {self.fields.part}")
                    data = unpacker.unconsumed_tail
        except zlib.error as exc:
            raise BrokenError(f"{self.fields.part} is damaged: {str(exc)[:100]}") from exc
        if not unpacker.eof:
            raise BrokenError(f"{self.fields.part} is not packed to its end")
