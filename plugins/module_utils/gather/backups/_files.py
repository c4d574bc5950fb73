# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a backup that is a file: unwrap it, see by its first bytes what it is, and read it as that to its end.

A name only says what is due. What is there decides how it is read; what is due decides whether it may be that.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    ALL,
    HEAD_BYTES,
    NONE,
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    PACKERS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import (
    Layer,
    layer_of,
    unwrapped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._members import (
    is_tar,
    read_packed_zip,
    read_tar,
    read_zip,
    zip_end,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._postgresql import (
    read_custom,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sealed import (
    read_sealed,
    sealed_by,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sql import (
    complaint,
    is_sql,
    is_text,
    program_of,
    read_sql,
    written,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sqlite import (
    MAGIC as SQLITE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sqlite import (
    check_sqlite,
    read_sqlite,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

MOST_LAYERS = 5
FUTURE_SECONDS = 600
FIRST_LINES_BYTES = 64
SHORT = {"tgz": "tar.gz", "tbz2": "tar.bz2", "tbz": "tar.bz2", "txz": "tar.xz", "tzst": "tar.zst"}
# What a suffix says is due. A dump may be of any format; a database may be SQLite or another one; what is in an .enc
# may have no header, as `openssl enc -K` writes none.
SUFFIXES = {
    **{packer: packer for packer in PACKERS},
    **dict.fromkeys(("gpg", "pgp", "age", "asc"), "encrypted"),
    "enc": "enc",
    **dict.fromkeys(("csv", "tsv", "json", "txt", "log", "ldif", "xml", "yml", "yaml"), "text"),
    "tar": "tar",
    "zip": "zip",
    "sql": "sql",
    "psql": "sql",
    "dump": "dump",
    "pgdump": "dump",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
    "db": "database",
}
DUMPS = ("sql", "dump", "database", "sqlite", "custom")
# What is due must be that, and nothing else.
CERTAIN = ("tar", "zip", "sqlite", "custom", "encrypted")
DUE_WORDS = {
    "custom": "a dump of pg_dump in custom format",
    "encrypted": "anything encrypted",
    "enc": "anything encrypted",
}
# Formats that are known, and not read here.
FOREIGN = (
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"07070", "cpio"),
    (b"\x1f\x9d", "compress"),
    (b"LZIP", "lzip"),
    (b"XBSTCK01", "xbstream"),
    (b"\x6d\xe2\x99\x81", "archive of mongodump"),
)


@dataclass(frozen=True)
class DueContent:
    """What is due in a file, by its name or by what the site says of it.

    layers: its wrappings from the outside in. content: one of SUFFIXES' words, `custom`, `other`, or empty: anything.
    """

    layers: tuple[str, ...] = ()
    content: str = ""


def due_in(name: str, kind: str = "auto") -> DueContent:
    """Return what is due in a file of that name. kind: what the site says of it, one of KINDS; or `auto`."""
    if kind != "auto":
        inner, _dot, packer = kind.rpartition(".")
        if packer not in PACKERS:
            inner, packer = kind, ""
        return DueContent((packer,) if packer else (), {"postgresql": "custom"}.get(inner, inner))
    parts = name.lower().split(".")[1:]
    parts = [piece for part in parts for piece in SHORT.get(part, part).split(".")]
    layers: list[str] = []
    for part in reversed(parts):
        said = SUFFIXES.get(part, "")
        if said not in PACKERS:
            return DueContent(tuple(layers), said)
        layers.append(said)
    return DueContent(tuple(layers))


def read_file(paths: list[str], due: DueContent, budget: Budget, host: Host) -> Reading:
    """Read one backup in one file, or in several that belong together in this order.

    Raises: BrokenError, UnreadError, OutOfBudgetError; HostError if it cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(host.open(path, follow_links=False)) for path in paths]
        raw: Any = files[0] if len(files) == 1 else io.BufferedReader(Joined(files))
        found = Reading()
        try:
            alone = isinstance(getattr(raw, "raw", None), io.FileIO)
            counted = Counted(raw.read, budget, raw if alone else None)
            if counted.peek(16) == SQLITE and len(paths) == 1:
                log = paths[0] + "-wal"
                if host.exists(log) and host.stat(log).st_size:
                    raise UnreadError("SQLite, a part of which is in the -wal beside it: not read")
            read_stream(counted, due, found, host, raw)
            if found.what[-1:] == ["SQLite"] and len(found.what) == 1 and len(paths) == 1:
                check_sqlite(paths[0], budget)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
            raise UnreadError(f"reading failed: {reason}") from exc
        return found


def read_stream(
    stream: Counted, due: DueContent, found: Reading, host: Host, raw: IO[bytes] | None = None
) -> None:
    """Unwrap the stream and read what is in it to its end.

    raw: the same bytes, if they can be sought in. Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    outermost = stream
    with contextlib.ExitStack() as stack:
        layers: list[Layer] = []
        for number in range(MOST_LAYERS + 1):
            head = stream.peek()
            if not head:
                if not layers:
                    raise BrokenError("empty", cut=True)
                raise BrokenError(f"{layers[-1].kind} of nothing")
            kind = layer_of(head)
            wanted = due.layers[number] if number < len(due.layers) else ""
            if wanted and kind != wanted and not sealed_by(head):
                raise BrokenError(f"does not begin as {wanted}")
            if not kind:
                break
            if number == MOST_LAYERS:
                raise UnreadError(f"it is packed more than {MOST_LAYERS} times")
            found.what.append(kind)
            layers.append(stack.enter_context(unwrapped(kind, stream, host)))
            stream = layers[-1].stream
        own_end = _read_content(stream, due.content, found, host, None if layers else raw)
        # whose last bytes have its checksum
        for layer in reversed(layers):
            layer.stream.drain()
        if layers:
            outermost.drain()
        if found.bytes is None:
            found.bytes = stream.count
        _prove(found, layers, own_end)


def _prove(found: Reading, layers: list[Layer], own_end: bool) -> None:
    """Write down how far checksums have proved the content."""
    proving = [layer for layer in layers if layer.checked and (layer.members == 1 or own_end)]
    if proving and found.state == "whole":
        found.proof, found.unproved = ALL, ""
    elif found.proof == NONE and not found.unproved:
        joined = next((layer for layer in layers if layer.checked), None)
        found.unproved = "its content, which has no checksum"
        if joined is not None:
            found.unproved = (
                f"its end: a part of the {joined.members} of its {joined.kind} may be missing"
            )


def _read_content(
    stream: Counted, due: str, found: Reading, host: Host, raw: IO[bytes] | None
) -> bool:
    """Read what is in the wrappings; return whether it has an end of its own, so that nothing of it is missing."""
    head = stream.peek()
    now = host.now() + FUTURE_SECONDS
    what = content_of(head)
    if what == "other" and due == "zip" and raw is not None and zip_end(raw):
        # A program may stand before it, which extracts it, or other volumes.
        what = "zip"
    size = len(head) if len(head) < HEAD_BYTES else 1 << 20
    if what == "other" and due != "text":
        what = written(head, size)
        what = "other" if what == "text" and due not in DUMPS else what
    said = complaint(head, size) if due != "text" else ""
    if said and what == "text":
        raise BrokenError(f"holds a message of {said} instead of a backup")
    certain = due in CERTAIN or (due == "enc" and what != "other")
    if certain and what not in (due, "encrypted"):
        raise BrokenError(f"holds {_named(what)}, and not {DUE_WORDS.get(due, due)}")
    if due in DUMPS and what == "text":
        raise BrokenError(f"holds {_named(what)}, and no dump")
    if what == "tar":
        found.what.append("tar")
        read_tar(stream, found, now)
    elif what == "zip":
        found.what.append("zip")
        if raw is None:
            read_packed_zip(stream, found)
        else:
            read_zip(raw, stream, found, now)
    elif what == "custom":
        found.what.append("dump of pg_dump in custom format")
        read_custom(stream, found)
    elif what == "sqlite":
        found.what.append("SQLite")
        read_sqlite(stream, found)
    elif what == "encrypted":
        read_sealed(stream, found)
    elif what == "sql" and (due in DUMPS or program_of(head)):
        read_sql(stream, found)
    elif what == "redis":
        _read_redis(stream, found)
    else:
        return _read_other(stream, what, due, found)
    return True


def content_of(head: bytes) -> str:
    """Return what these first bytes are: a word of SUFFIXES, `custom`, `redis`, `zeros`, `other` or one of FOREIGN."""
    if head.startswith(b"PGDMP"):
        return "custom"
    if head.startswith(SQLITE):
        return "sqlite"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    if is_tar(head):
        return "tar"
    if re.match(rb"REDIS\d{4}", head):
        return "redis"
    if sealed_by(head):
        return "encrypted"
    foreign = next((name for magic, name in FOREIGN if head.startswith(magic)), "")
    if foreign:
        return foreign
    if not head.strip(b"\0"):
        return "zeros"
    if len(head) < HEAD_BYTES and not head.strip():
        return "blank"
    if is_text(head):
        return "sql" if is_sql(head) else "text"
    first = head[:FIRST_LINES_BYTES]
    # mysqldump writes binary columns as they are
    if is_text(first) and program_of(first):
        return "sql"
    return "other"


def begins_alone(head: bytes) -> bool:
    """Return whether these first bytes are those of a backup, and of no later volume of one."""
    what = content_of(head)
    if what == "tar":
        return head[156:157] != b"M"  # which goes on from the volume before
    known = ("zip", "custom", "sqlite", "redis", "encrypted")
    return bool(layer_of(head)) or what in known or (what == "sql" and bool(program_of(head)))


def _named(what: str) -> str:
    """Return the content in words."""
    words = {
        "text": "a text",
        "zeros": "zero bytes",
        "blank": "blanks",
        "other": "something unknown",
        "custom": "a dump of pg_dump",
    }
    return words.get(what, what)


def _read_redis(stream: Counted, found: Reading) -> None:
    """Read a dump of Redis to its last operation. Source: rdb.c, RDB_OPCODE_EOF and eight bytes of checksum."""
    found.what.append("dump of Redis")
    stream.drain()
    if len(stream.tail) < 18 or stream.tail[-9] != 0xFF:
        raise BrokenError("the dump of Redis ends too early", cut=True)


def _read_other(stream: Counted, what: str, due: str, found: Reading) -> bool:
    """Read what has no end of its own: it is whole only if its wrapping says so, and only where anything is due."""
    wrapped = bool(found.what)
    found.what.append({"other": "unknown content", "zeros": "unknown content"}.get(what, what))
    stream.drain()
    if not stream.ends or what == "blank":
        raise BrokenError(f"holds nothing but {_named(what)}")
    if what not in ("text", "other", "sql", "zeros"):
        raise UnreadError(f"a format that is not read here: {what}")
    if due in DUMPS:
        raise UnreadError("its content begins as no known dump or database")
    if not wrapped:
        raise UnreadError("of an unknown format: nothing shows that it is complete")
    return False


class Joined(io.RawIOBase):
    """Several open files as one, in their order. sizes: theirs."""

    def __init__(self, files: list[IO[bytes]]) -> None:
        super().__init__()
        self._files = files
        self.sizes = [os.fstat(one.fileno()).st_size for one in files]
        self._place = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place and return it."""
        self._place = offset + (0, self._place, sum(self.sizes))[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read into the buffer; return how many bytes."""
        start = self._place
        for one, size in zip(self._files, self.sizes):
            if start < size:
                one.seek(start)
                data = one.read(min(len(buffer), size - start))
                buffer[: len(data)] = data
                self._place += len(data)
                return len(data)
            start -= size
        return 0


def reading(read: Any) -> tuple[dict[str, Any], Reading | None, bool]:
    """Return what a reader finds as BackupContent's fields, the reading, and whether the backup ends too early.

    read: called without arguments. Raises: nothing that a reader raises.
    """
    started = time.monotonic()
    data: dict[str, Any] = {"state": "whole", "why": ""}
    found, cut = None, False
    try:
        found = read()
    except OutOfBudgetError as exc:
        data.update(state="partial", why=str(exc))
    except BrokenError as exc:
        data.update(state="broken", why=str(exc)[:300])
        cut = exc.cut
    except (UnreadError, HostError) as exc:
        data.update(state="unread", why=str(exc)[:300])
    except MemoryError:
        data.update(state="unread", why="reading it needs too much memory")
    if found is not None:
        data.update(
            state=found.state,
            why=found.why,
            what=", ".join(found.what),
            proof=found.proof,
            unproved=found.unproved,
            members=found.members,
            hostile=found.hostile,
            bytes=found.bytes,
        )
    data["seconds"] = round(time.monotonic() - started, 3)
    return data, found, cut
