# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup is wrapped in: gz, bz2, xz, zst, lz4, each unpacked to its last byte with every checksum it has.

The readers of Python's own files stop where something follows that they do not know, and say nothing; here only zero
bytes may follow, or another member.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import os
import re
import zlib
from typing import IO, Any, Callable, Generator, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Counted,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import EndedError, Host

PACKED_BYTES = 1 << 16
# More of its data at once zstd keeps only if it is told to: 128 MiB.
ZST_WINDOW_BITS = 27
GZ, BZ2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
ZST, LZ4, LZ4_LEGACY = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"
MAGIC = ((GZ, "gz"), (BZ2, "bz2"), (XZ, "xz"), (ZST, "zst"), (LZ4, "lz4"), (LZ4_LEGACY, "lz4"))
# What a program says of itself and of what it is given.
STDIN = re.compile(r"^(?:zstd|lz4): |/\*stdin\*\\ ?: ")


class Layer:
    """One wrapping while it is unpacked.

    members: how many parts it was packed in, one after the other; whether one more is missing at its end, it cannot
    tell. checked: each part has a checksum over its content, which was verified.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.members, self.checked = kind, 0, True
        self.stream: Counted


def layer_of(head: bytes) -> str:
    """Return the wrapping that begins so; empty if none does."""
    kind = next((kind for magic, kind in MAGIC if head.startswith(magic)), "")
    # A skippable frame, as of pzstd.
    if not kind and head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:
        behind = head[8 + int.from_bytes(head[4:8], "little") :][:4]
        kind = {ZST: "zst", LZ4: "lz4"}.get(behind, "")
    return kind


@contextlib.contextmanager
def unwrapped(kind: str, outer: Counted, host: Host) -> Iterator[Layer]:
    """Give the layer, whose stream has what is in it.

    Raises, while it is read: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    layer = Layer(kind)
    if kind in ("zst", "lz4"):
        with _by_program(layer, outer, host) as read:
            layer.stream = Counted(read, outer.budget)
            yield layer
        return
    layer.stream = Counted(_Members(layer, outer).read, outer.budget)
    yield layer


class _Gzip:
    """zlib's decompressor with the interface of bz2's and lzma's; it verifies a member's checksum and length."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more without more input."""
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        """Return up to most bytes."""
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, most)


MAKERS: dict[str, tuple[bytes, Callable[[], Any]]] = {
    "gz": (GZ, _Gzip),
    "bz2": (BZ2, bz2.BZ2Decompressor),
    "xz": (XZ, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
}


class _Members:
    """Unpacks member after member, to the end of what it is given."""

    def __init__(self, layer: Layer, outer: Counted) -> None:
        self.layer, self.outer = layer, outer
        self.magic, self._make = MAKERS[layer.kind]
        self._begin()
        self._given = b""

    def _begin(self) -> None:
        self.layer.members += 1
        self._one = self._make()

    def read(self, size: int) -> bytes:
        """Return up to size bytes; nothing at the end.

        Raises: BrokenError; UnreadError if it takes too much memory.
        """
        while True:
            if self._one.eof:
                if not self._next():
                    return b""
                continue
            if not self._given and self._one.needs_input:
                self._given = self.outer.read(PACKED_BYTES)
            given, self._given = self._given, b""
            try:
                data: bytes = self._one.decompress(given, size)
            except (zlib.error, OSError, lzma.LZMAError, EOFError) as exc:
                raise BrokenError(f"{self.layer.kind}: {str(exc)[:200]}") from exc
            except MemoryError as exc:
                raise UnreadError(
                    f"unpacking this {self.layer.kind} needs too much memory"
                ) from exc
            if data:
                return data
            if not given and not self._one.eof:
                raise BrokenError(f"the {self.layer.kind} ends too early", cut=True)

    def _next(self) -> bool:
        """Begin the next member; return whether there is one.

        Raises: BrokenError if something else follows.
        """
        kind = self.layer.kind
        if kind == "xz" and self._one.check == lzma.CHECK_NONE:
            self.layer.checked = False
        rest = self._one.unused_data
        padding = 0
        while True:
            bare = rest.lstrip(b"\0")
            padding += len(rest) - len(bare)
            if len(bare) >= len(self.magic):
                break
            more = self.outer.read(PACKED_BYTES)
            if not more:
                if bare:
                    raise BrokenError(f"{len(bare)} bytes follow the end of the {kind}", cut=True)
                if kind == "xz" and padding % 4:
                    raise BrokenError(f"{padding} zero bytes follow the end of the xz")
                return False
            rest = bare + more
        if not bare.startswith(self.magic) or (padding and (kind != "xz" or padding % 4)):
            raise BrokenError(f"something follows the end of the {kind} that is none")
        self._begin()
        self._given = bare
        return True


Walk = Generator[int, bytes, None]


class _Frames:
    """Walks over the frames of zstd or lz4 as they pass by, without unpacking them.

    between: whether a frame has ended, and no other one has begun. checked: each has a checksum over its content.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.frames, self.checked, self.between = kind, 0, True, True
        self._walk: Walk = self._zst() if kind == "zst" else self._lz4()
        self._wants, self._kept = next(self._walk), b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; a negative want is skipped, a positive one is given to the walk.

        Raises: BrokenError, UnreadError.
        """
        place = 0
        while place < len(data):
            if self._wants < 0:
                skipped = min(-self._wants, len(data) - place)
                place += skipped
                self._wants += skipped
                if self._wants == 0:
                    self._wants = self._walk.send(b"")
                continue
            taken = data[place : place + self._wants - len(self._kept)]
            place += len(taken)
            self._kept += taken
            if len(self._kept) == self._wants:
                kept, self._kept = self._kept, b""
                self._wants = self._walk.send(kept)

    def over(self, file: IO[bytes]) -> None:
        """Walk over a whole file, of which only the heads of frames and blocks are read.

        Raises: BrokenError, UnreadError.
        """
        place, number = 0, file.fileno()
        size = os.fstat(number).st_size
        while place < size:
            if self._wants < 0:
                step = min(-self._wants, size - place)
                self._wants += step
                if self._wants == 0:
                    self._wants = self._walk.send(b"")
            else:
                data = os.pread(number, self._wants, place)
                step = len(data) or size
                self.feed(data)
            place += step

    def _begin(self, magic: bytes) -> bool:
        """Return whether the magic begins a skippable frame."""
        known = (ZST,) if self.kind == "zst" else (LZ4, LZ4_LEGACY)
        skippable = magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5
        if not skippable and magic not in known:
            raise BrokenError(f"something follows the end of the {self.kind} that is none")
        self.between = False
        self.frames += not skippable
        return skippable

    def _skip(self) -> Walk:
        size = int.from_bytes((yield 4), "little")
        if size:
            yield -size
        self.between = True

    def _zst(self) -> Walk:
        """Source: RFC 8878, section 3."""
        while True:
            if self._begin((yield 4)):
                yield from self._skip()
                continue
            (flags,) = yield 1
            single, sized = flags >> 5 & 1, flags >> 6
            if not single:
                (window,) = yield 1
                if 10 + (window >> 3) > ZST_WINDOW_BITS:
                    raise UnreadError(f"zstd needs {1 << (window >> 3) - 10} MiB of memory for it")
            dictionary = (0, 1, 2, 4)[flags & 3]
            if dictionary and any((yield dictionary)):
                raise UnreadError("it was packed with a dictionary")
            more = (single, 2, 4, 8)[sized]
            if more:
                yield -more
            last = 0
            while not last:
                header = int.from_bytes((yield 3), "little")
                last, kind, size = header & 1, header >> 1 & 3, header >> 3
                stored = 1 if kind == 1 else size
                if stored:
                    yield -stored
            if flags & 4:
                yield -4
            else:
                self.checked = False
            self.between = True

    def _lz4(self) -> Walk:
        """Source: lz4_Frame_format.md 1.6.4."""
        magic = yield 4
        while True:
            if self._begin(magic):
                yield from self._skip()
            elif magic == LZ4_LEGACY:
                self.checked = False
                magic = yield from self._legacy()
                continue
            else:
                flags, _block = yield 2
                yield -((8 if flags & 8 else 0) + (4 if flags & 1 else 0) + 1)
                while True:
                    size = int.from_bytes((yield 4), "little") & 0x7FFFFFFF
                    if not size:
                        break
                    yield -(size + (4 if flags & 16 else 0))
                if flags & 4:
                    yield -4
                else:
                    self.checked = False
                self.between = True
            magic = yield 4

    def _legacy(self) -> Generator[int, bytes, bytes]:
        """Walk over blocks without an end; return what is no size of one."""
        while True:
            self.between = True
            word = yield 4
            if word in (LZ4, LZ4_LEGACY) or word[1:] == b"\x2a\x4d\x18":
                return word
            size = int.from_bytes(word, "little")
            if size > 1 << 24:
                raise BrokenError("something follows the end of the lz4 that is none")
            self.between = False
            if size:
                yield -size


@contextlib.contextmanager
def _by_program(layer: Layer, outer: Counted, host: Host) -> Iterator[Callable[[int], bytes]]:
    """Give what the program unpacks; Python has neither format of its own before 3.14."""
    frames = _Frames(layer.kind)

    def packed(size: int) -> bytes:
        data = outer.read(size)
        frames.feed(data)
        layer.members, layer.checked = frames.frames, frames.checked
        return data

    file = outer.hand_over()
    if file is not None:  # the program reads it itself, which is a third faster
        frames.over(file)
        layer.members, layer.checked = frames.frames, frames.checked
    program = "zstd" if layer.kind == "zst" else "lz4"
    with host.through([program, "-d", "-c", "-q"], packed, file) as unpacked:

        def read(size: int) -> bytes:
            try:
                data = unpacked(size)
            except EndedError as exc:
                cut = not outer.peek(1) and not frames.between
                said = " ".join(str(exc).split())
                raise BrokenError(f"{program}: {STDIN.sub('', said)[:200]}", cut=cut) from exc
            if not data and not frames.between:
                raise BrokenError(f"the {layer.kind} ends too early", cut=True)
            return data

        yield read
