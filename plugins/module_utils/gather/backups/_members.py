# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a tar or a zip to its end, member by member; nothing in it is written anywhere."""

from __future__ import annotations

import posixpath
import re
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from tarfile import HeaderError
from typing import IO, Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    CHUNK_BYTES,
    PART,
    BrokenError,
    Counted,
    Reading,
    UnreadError,
)

BLOCK_BYTES = 512
LINKS_LIMIT = 100_000
LINK_CHARACTERS = 4096
HOPS = 40
# So begins what extracts the zip that it has behind it.
PROGRAMS = (b"MZ", b"\x7fELF", b"#!")
# How hard it was packed: of no use to a reader.
LEVEL_FLAGS = 6
# In seconds since 1970: the end of 1979, before which a member's time was not set.
EARLIEST = 315_619_200
NO_CONTENT = "empty: no file with content"
UNPROVED_OF_ZIP = "the names and kinds of its members"
NEWEST_MEMBER = "its newest member"


class Links:
    """The symbolic links of an archive, by which a later member may leave the folder in which it is extracted."""

    def __init__(self) -> None:
        self._to: dict[str, str] = {}

    def add(self, name: str, target: str) -> None:
        """Take down a link.

        Raises: UnreadError if there are more than can be kept.
        """
        if len(self._to) >= LINKS_LIMIT:
            raise UnreadError(
                f"it has more than {LINKS_LIMIT} symbolic links: not all were followed"
            )
        self._to[posixpath.normpath(name)] = target[:LINK_CHARACTERS]

    def replace(self, name: str) -> None:
        """Take down that something else is written in place of what may be a link; GNU tar removes that before."""
        self._to.pop(posixpath.normpath(name), None)

    def repeat(self, name: str, other: str) -> None:
        """Take down that other is a hard link to name, which may be a symbolic link."""
        target = self._to.get(posixpath.normpath(name))
        if target is not None:
            self.add(other, target)

    def leads_out(self, name: str) -> bool:
        """Return whether a member of that name is written outside: by its own name, or through a link before it."""
        if escapes(name):
            return True
        if not self._to:
            return False
        todo = [part for part in name.split("/") if part not in ("", ".")]
        here: list[str] = []
        hops = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                if not here:
                    return True
                here.pop()
                continue
            target = self._to.get("/".join([*here, part]))
            if target is None:
                here.append(part)
                continue
            hops += 1
            # A loop leads nowhere.
            if hops > HOPS:
                return False
            if target.startswith("/"):
                return True
            todo = [one for one in target.split("/") if one not in ("", ".")] + todo
        return False


def escapes(name: str) -> bool:
    """Return whether a member of that name would be written outside of the folder in which it is extracted."""
    return (
        name.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", name)
        or name[1:3] in (":\\", ":/")
    )


END_MARK = tarfile.EOFHeaderError  # type: ignore[attr-defined]
TOO_EARLY = (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError)  # type: ignore[attr-defined]


class TarMember(tarfile.TarInfo):
    """A member of a tar whose reader does not take what it cannot read for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: Any) -> TarMember:
        """Return the next member.

        Raises: BrokenError; EOFHeaderError at the end mark alone.
        """
        try:
            return super().fromtarfile(tarfile)
        except END_MARK:
            raise
        except HeaderError as exc:
            ended = isinstance(exc, TOO_EARLY)
            where = getattr(tarfile, "offset", 0)
            if ended:
                raise BrokenError(
                    f"the tar ends at byte {where} without its end mark", cut=True
                ) from exc
            raise BrokenError(f"the tar has no header at byte {where}, where one must be") from exc


def is_tar(head: bytes) -> bool:
    """Return whether these bytes are the header of a tar's member: its checksum says so, in each of its formats."""
    if len(head) < BLOCK_BYTES or not head[:BLOCK_BYTES].strip(b"\0"):
        return False
    digits = head[148:156].strip(b" \0")
    try:
        said = int(digits, 8)
    except ValueError:
        return False
    return said == sum(head[:148]) + 8 * 32 + sum(head[156:BLOCK_BYTES])


def open_tar(stream: Counted) -> Any:
    """Return the tarfile that reads a stream, and never ends early over what it cannot read.

    Raises: BrokenError.
    """
    return tarfile.open(  # type: ignore[call-overload]
        fileobj=stream,
        mode="r|",
        bufsize=CHUNK_BYTES,
        tarinfo=TarMember,
        errors="surrogateescape",
    )


def read_tar(stream: Counted, found: Reading, now: float) -> None:
    """Read a tar to its end mark, behind which there may be only padding.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    links, end, members, newest, filled = Links(), 0, 0, 0.0, False
    try:
        with open_tar(stream) as archive:
            for member in archive:
                members += 1
                archive.members = []  # it would keep all of them
                end = archive.offset
                _follow(member, links, found)
                filled = filled or _has_content(member)
                if newest < member.mtime <= now:
                    newest = float(member.mtime)
    except tarfile.ReadError as exc:
        raise BrokenError(f"the tar ends in its member {members}", cut=True) from exc
    except (tarfile.TarError, ValueError, OverflowError) as exc:
        raise BrokenError(f"tar: {str(exc)[:200]}") from exc
    stream.drain()
    if not members:
        raise BrokenError("an empty tar")
    if stream.ends > end:
        raise BrokenError(
            f"a block of zeros at byte {end} ends the tar for its readers, and more follows"
        )
    if stream.count < end + 2 * BLOCK_BYTES:
        raise BrokenError(f"the tar ends at byte {stream.count} without its end mark", cut=True)
    if not filled:
        raise BrokenError(NO_CONTENT)
    found.members, found.bytes = members, stream.count
    if newest > EARLIEST:
        found.taken, found.taken_words = newest, NEWEST_MEMBER


def _has_content(member: tarfile.TarInfo) -> bool:
    """Return whether there is more to the member than a name; a folder may list what was deleted (tar -g).

    Raises: UnreadError if it goes on in another volume.
    """
    if member.type == b"M" or (member.type == b"V" and " Volume " in member.name):
        raise UnreadError("a tar in several volumes, which are not read here")
    if member.isdir():
        return "GNU.dumpdir" in member.pax_headers
    return member.size > 0 or not member.isreg()


def _follow(member: tarfile.TarInfo, links: Links, found: Reading) -> None:
    """Take down where the member leads."""
    name = member.name
    if member.issym():
        parent = posixpath.dirname(name)
        if escapes(name) or (parent and links.leads_out(parent)):
            found.escapes(name)
        links.add(name, member.linkname)
        return
    links.replace(name)
    if links.leads_out(name) or (member.islnk() and escapes(member.linkname)):
        found.escapes(name)
    if member.islnk():
        links.repeat(member.linkname, name)


def read_zip(raw: IO[bytes], stream: Counted, found: Reading, now: float) -> None:
    """Read every member of a zip to its end, with its checksum.

    raw: the same bytes, for seeking. Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    links, total, newest = Links(), 0, 0.0
    try:
        volumes = _volumes(raw)
        with zipfile.ZipFile(raw) as archive:
            members = archive.infolist()
            found.members = len(members)
            if not members:
                raise BrokenError("an empty zip")
            _count(raw, len(members))
            if volumes:
                _move(archive, raw, volumes)
            else:
                _alone(archive, raw)
            if any(one.flag_bits & 1 for one in members):
                found.state, found.why = "encrypted", "the members of the zip are encrypted"
            for one in members:
                target = ""
                _same_head(raw, one)
                if found.state != "encrypted":
                    with archive.open(one) as content:
                        counted = Counted(content.read, stream.budget)
                        target = _link_target(one, counted)
                        counted.drain()
                        total += counted.count
                if links.leads_out(one.filename):
                    found.escapes(one.filename)
                if target:
                    links.add(one.filename, target)
                written = _zip_time(one)
                newest = written if newest < written <= now else newest
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, OSError) as exc:
        cut = isinstance(exc, zipfile.BadZipFile) and not zip_end(raw)
        said = str(getattr(exc, "strerror", "") or exc) or type(exc).__name__
        # Python goes on with the name of a member, which may tell whose data it is.
        said = re.split(r" for file | in directory |: ['\"]| b?['\"]", said)[0]
        raise BrokenError(f"zip: {said[:200]}", cut=cut) from exc
    except (NotImplementedError, RuntimeError) as exc:
        raise UnreadError(f"zip: {str(exc)[:200]}") from exc
    if not any(one.file_size for one in members):
        raise BrokenError(NO_CONTENT)
    found.proof, found.unproved, found.bytes = PART, UNPROVED_OF_ZIP, total
    if newest > EARLIEST:
        found.taken, found.taken_words = newest, NEWEST_MEMBER


def zip_end(raw: IO[bytes]) -> bytes:
    """Return the record with which each zip ends; empty if there is none."""
    raw.seek(max(0, raw.seek(0, 2) - 65_600))
    tail = raw.read()
    place = tail.rfind(b"PK\x05\x06")
    return tail[place:] if 0 <= place <= len(tail) - 22 else b""


def _volumes(raw: IO[bytes]) -> list[int]:
    """Return the sizes of the volumes, if the zip was made in several; its reader knows of one alone.

    Raises: UnreadError if they are not all here, or its end does not say where they are.
    """
    end = zip_end(raw)
    last = int.from_bytes(end[4:6], "little")
    sizes: list[int] = getattr(getattr(raw, "raw", None), "sizes", [])
    if last and (last + 1 != len(sizes) or end[16:20] == b"\xff" * 4):
        raise UnreadError("a zip in several volumes, which are not all here or cannot be read here")
    return sizes if last else []


def _move(archive: zipfile.ZipFile, raw: IO[bytes], volumes: list[int]) -> None:
    """Let each member begin where it is: its volume and its place in that are told."""
    added = archive.start_dir - int.from_bytes(zip_end(raw)[16:20], "little")
    for one in archive.infolist():
        one.header_offset += sum(volumes[: one.volume]) - added
        if hasattr(one, "_end_offset"):
            one._end_offset = None


def _same_head(raw: IO[bytes], one: zipfile.ZipInfo) -> None:
    """Raise BrokenError if a member's own head differs from the list: unzip goes by the head, Python by the list."""
    raw.seek(one.header_offset)
    head = raw.read(30)
    if len(head) < 30 or not head.startswith(b"PK\x03\x04"):
        # its reader will say so
        return
    flags, method, checksum, packed, size, length = struct.unpack("<6xHH4xIIIH2x", head)
    name = raw.read(length)
    elsewhere = flags & 8 or 0xFFFFFFFF in (packed, size)  # behind the member, or in a zip64 field
    same = (flags ^ one.flag_bits) & ~LEVEL_FLAGS == 0 and method == one.compress_type
    same = same and name == one.orig_filename.encode("utf-8" if flags & 0x800 else "cp437")
    if not same or not (
        elsewhere or (checksum, packed, size) == (one.CRC, one.compress_size, one.file_size)
    ):
        raise BrokenError("the head of a member of the zip differs from the zip's list")


def _alone(archive: zipfile.ZipFile, raw: IO[bytes]) -> None:
    """Raise BrokenError if another zip stands before it, or anything but zero bytes behind it."""
    end = zip_end(raw)
    if end[22 + int.from_bytes(end[20:22], "little") :].strip(b"\0"):
        raise BrokenError("something follows the end of the zip")
    raw.seek(0)
    first = min(one.header_offset for one in archive.infolist())
    if first < 0:
        raise BrokenError("the zip lacks something at its beginning")
    if first and not raw.read(4).startswith(PROGRAMS):
        raise BrokenError("something stands before the zip")


def _count(raw: IO[bytes], members: int) -> None:
    """Raise BrokenError if the record at the zip's end tells another number; its reader goes by the bytes alone."""
    (said,) = struct.unpack("<H", zip_end(raw)[10:12])
    if said != 0xFFFF and said != members & 0xFFFF:
        raise BrokenError(f"the zip lists {members} members, and its end says {said}")


def _link_target(one: zipfile.ZipInfo, content: Counted) -> str:
    """Return where a symbolic link leads; empty for any other member."""
    if not stat.S_ISLNK(one.external_attr >> 16):
        return ""
    return content.peek(LINK_CHARACTERS).decode("utf-8", "surrogateescape")


def _zip_time(one: zipfile.ZipInfo) -> float:
    """Return when the member was written: in UTC where it says so, else in the host's zone."""
    extra = one.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        # "extended timestamp"
        if kind == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return float(int.from_bytes(extra[5:9], "little", signed=True))
        extra = extra[4 + size :]
    try:
        return time.mktime((*one.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def read_packed_zip(stream: Counted, found: Reading) -> None:
    """Read a zip from a stream: only its end says whether it is whole.

    Raises: BrokenError, UnreadError.
    """
    stream.drain()
    place = stream.tail.rfind(b"PK\x05\x06")
    if place < 0 or len(stream.tail) < place + 22:
        raise BrokenError("the zip ends too early", cut=True)
    entries, size, offset = struct.unpack("<HII", stream.tail[place + 10 : place + 20])
    if not entries:
        raise BrokenError("an empty zip")
    at = stream.count - len(stream.tail) + place
    if 0xFFFFFFFF not in (size, offset) and offset + size > at:
        raise BrokenError("the zip lacks something at its beginning")
    raise UnreadError("a zip in another wrapping: its members were not read")
