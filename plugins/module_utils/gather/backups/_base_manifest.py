# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a base backup of PostgreSQL: what files it has, and their checksums.

Source: the chapter "Backup Manifest Format" of PostgreSQL's documentation, of its releases 13 to 18.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    UnreadError,
)

MANIFEST = "backup_manifest"
LIMIT_BYTES = 64 << 20
VERSIONS = (1, 2)
OWN_CHECKSUM = re.compile(rb'"Manifest-Checksum": "([0-9a-f]{64})"\}\n')
LSN = re.compile(r"([0-9A-F]{1,8})/([0-9A-F]{1,8})")
HASHES = {"SHA224": "sha224", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
CRC32C, NO_ALGORITHM = "CRC32C", "NONE"


@dataclass(frozen=True)
class ManifestFile:
    """A file that the manifest lists. checksum: as hexadecimal digits; empty if there is none."""

    path: str
    size: int
    algorithm: str = ""
    checksum: str = ""


@dataclass(frozen=True)
class WalRange:
    """The write-ahead log without which the backup cannot be restored: positions in bytes."""

    timeline: int
    start: int
    end: int

    @property
    def words(self) -> str:
        """The range as PostgreSQL writes it."""
        ends = (f"{at >> 32:X}/{at & 0xFFFFFFFF:X}" for at in (self.start, self.end))
        return "the write-ahead log of timeline {} from {} to {}".format(self.timeline, *ends)

    def segments(self, size: int) -> list[str]:
        """Return the names of its files, which have this size."""
        each = (1 << 32) // size
        numbers = range(self.start // size, max(self.start, self.end - 1) // size + 1)
        return [f"{self.timeline:08X}{number // each:08X}{number % each:08X}" for number in numbers]


@dataclass
class BaseManifest:
    """A manifest whose own checksum is right."""

    version: int
    files: dict[str, ManifestFile] = field(default_factory=dict)
    wal: list[WalRange] = field(default_factory=list)


def parse_base_manifest(data: bytes) -> BaseManifest:
    """Return what a manifest lists.

    Raises: BrokenError if it is not as it was written, or names what lies elsewhere; UnreadError if it is newer.
    """
    begins = data.rfind(b'\n"Manifest-Checksum"') + 1
    own = OWN_CHECKSUM.fullmatch(data[begins:])
    if not begins or own is None:
        raise BrokenError("ends before its own checksum, or does not have it last", cut=True)
    if hashlib.sha256(data[:begins]).hexdigest() != own.group(1).decode():
        raise BrokenError("differs from its own checksum")
    try:
        read = json.loads(data, object_hook=_compact)
    except (ValueError, RecursionError) as exc:
        raise BrokenError("is no JSON") from exc
    if not isinstance(read, dict):
        raise BrokenError("is none")
    version = read.get("PostgreSQL-Backup-Manifest-Version")
    if version not in VERSIONS:
        raise UnreadError(f"version {str(version)[:20]} of the manifest, which is not known here")
    files, ranges = read.get("Files"), read.get("WAL-Ranges")
    if not isinstance(files, list) or not isinstance(ranges, list):
        raise BrokenError("lists no files or no write-ahead log")
    if not all(isinstance(one, ManifestFile) for one in files) or not files:
        raise BrokenError("lists a file without its name or size")
    if not all(isinstance(one, WalRange) for one in ranges):
        raise BrokenError("lists write-ahead log that is none")
    manifest = BaseManifest(version, {one.path: one for one in files}, ranges)
    if len(manifest.files) < len(files):
        raise BrokenError("lists a file twice")
    return manifest


def _compact(read: dict[str, Any]) -> Any:
    """Return an object of the manifest as what it stands for, which takes less memory."""
    if "Size" in read:
        return _file(read)
    if "Start-LSN" in read:
        start, end = (_position(read.get(name)) for name in ("Start-LSN", "End-LSN"))
        timeline = read.get("Timeline")
        if isinstance(timeline, int) and 0 < timeline < 1 << 32 and start <= end:
            return WalRange(timeline, start, end)
        raise BrokenError("lists write-ahead log that is none")
    return read


def _file(read: dict[str, Any]) -> ManifestFile:
    """Return a file of the manifest.

    Raises: BrokenError.
    """
    path, size = read.get("Path"), read.get("Size")
    encoded = read.get("Encoded-Path")
    if isinstance(encoded, str):
        try:
            path = bytes.fromhex(encoded).decode("utf-8", "surrogateescape")
        except ValueError:
            path = None
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise BrokenError("lists a file without its name or size")
    if path.startswith("/") or "\0" in path or {"", ".", ".."} & set(path.split("/")):
        raise BrokenError("lists a file that lies elsewhere")
    algorithm, checksum = read.get("Checksum-Algorithm", ""), read.get("Checksum", "")
    if not isinstance(algorithm, str) or not isinstance(checksum, str):
        raise BrokenError("lists a file with a checksum that is none")
    return ManifestFile(path, size, algorithm if checksum else "", checksum.lower())


def _position(text: Any) -> int:
    """Return a position in the write-ahead log.

    Raises: BrokenError.
    """
    match = LSN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise BrokenError("lists write-ahead log that is none")
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)


class Checksum:
    """A checksum while it is made."""

    def __init__(self, algorithm: str) -> None:
        if algorithm not in (*HASHES, CRC32C, "", NO_ALGORITHM):
            raise UnreadError(f"checksum {algorithm[:20]}, which is not known here")
        self._hash = hashlib.new(HASHES[algorithm]) if algorithm in HASHES else None
        self._crc: Crc32c | None = Crc32c() if algorithm == CRC32C else None
        self.update: Callable[[bytes], Any] = lambda data: None
        made = self._hash or self._crc
        if made is not None:
            self.update = made.update

    def hexdigest(self) -> str:
        """Return it as the manifest writes it; empty if there is none."""
        if self._crc is not None:
            return self._crc.digest().hex()
        return self._hash.hexdigest() if self._hash is not None else ""


LANE_BYTES = 256


class Crc32c:
    """CRC-32C (Castagnoli), which Python has not.

    Byte for byte it would take minutes for a GiB. So the data is cut into lanes; one step takes the next byte of each
    lane, by what Python does to whole bytes objects at once; then the lanes are joined, one after the other. This is
    right as the checksum of a sum without carry is the sum of the checksums. Source: RFC 3720, appendix B.4.
    """

    def __init__(self) -> None:
        self._crc, self._left = 0xFFFFFFFF, b""
        self._single, self._planes, self._joins = crc_tables()

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        data = self._left + data
        whole = len(data) // LANE_BYTES * LANE_BYTES
        self._left = data[whole:]
        if whole:
            self._take(data[:whole])

    def _take(self, data: bytes) -> None:
        lanes = len(data) // LANE_BYTES
        number = int.from_bytes
        first, second, third, fourth = self._planes
        low = middle = high = top = 0
        for place in range(LANE_BYTES):
            index = (low ^ number(data[place::LANE_BYTES], "little")).to_bytes(lanes, "little")
            low = middle ^ number(index.translate(first), "little")
            middle = high ^ number(index.translate(second), "little")
            high = top ^ number(index.translate(third), "little")
            top = number(index.translate(fourth), "little")
        ends = [part.to_bytes(lanes, "little") for part in (low, middle, high, top)]
        one, two, three, four = self._joins
        crc = self._crc
        for a, b, c, d in zip(*ends):
            crc = (
                one[crc & 0xFF]
                ^ two[crc >> 8 & 0xFF]
                ^ three[crc >> 16 & 0xFF]
                ^ four[crc >> 24]
                ^ (a | b << 8 | c << 16 | d << 24)
            )
        self._crc = crc

    def digest(self) -> bytes:
        """Return it as PostgreSQL writes it: the lowest byte first, as nearly all of its machines keep it."""
        crc = self._crc
        for byte in self._left:
            crc = self._single[(crc ^ byte) & 0xFF] ^ crc >> 8
        return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


@functools.lru_cache(maxsize=None)
def crc_tables() -> tuple[list[int], list[bytes], list[list[int]]]:
    """Return the table for a byte; its four bytes apart; and what joins a lane to those before, for each byte of it."""
    single = []
    for number in range(256):
        crc = number
        for _bit in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        single.append(crc)
    planes = [bytes(crc >> 8 * place & 0xFF for crc in single) for place in range(4)]
    moved = []
    for bit in range(32):
        crc = 1 << bit
        for _byte in range(LANE_BYTES):
            crc = single[crc & 0xFF] ^ crc >> 8
        moved.append(crc)
    joins = []
    for place in range(4):
        table = [0]
        for bit in range(8):
            table += [crc ^ moved[8 * place + bit] for crc in table]
        joins.append(table)
    return single, planes, joins
