# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a backup file to its end, within a budget, and never write what is in it anywhere."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import tarfile
import time
import urllib.parse
import zipfile
import zlib
from typing import IO, Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    EndedError,
    Host,
    HostError,
)

CHUNK_BYTES = 1 << 20
TAIL_BYTES = 4096
HOSTILE_LIMIT = 20
PACKERS: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
KINDS = (
    *("tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "gz", "bz2", "xz", "zst", "zip", "sql"),
    *("sql.gz", "sql.bz2", "sql.xz", "sql.zst", "postgresql", "sqlite", "encrypted", "other"),
)
SUFFIXES = {
    ".tgz": "tar.gz",
    ".tbz2": "tar.bz2",
    ".tbz": "tar.bz2",
    ".txz": "tar.xz",
    ".tzst": "tar.zst",
    ".pgdump": "postgresql",
    ".dump": "postgresql",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    ".gpg": "encrypted",
    ".pgp": "encrypted",
    ".age": "encrypted",
    ".enc": "encrypted",
    **{f".{kind}": kind for kind in KINDS[:15]},
}
MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PGDMP", "postgresql"),
    (b"SQLite format 3\0", "sqlite"),
    (b"age-encryption.org/", "encrypted"),
    (b"-----BEGIN PGP MESSAGE", "encrypted"),
    (b"-----BEGIN AGE ENCRYPTED", "encrypted"),
)
# How a dump begins, at the start of one of its first lines, and what its program writes as the last. The dump of a
# cluster holds those of its databases, each with its own end.
DUMPS = (
    (rb"-- PostgreSQL database cluster dump", rb"-- PostgreSQL database cluster dump complete"),
    (rb"-- PostgreSQL database dump", rb"-- PostgreSQL database dump complete"),
    (rb"-- (MySQL|MariaDB) dump", rb"-- Dump completed"),
    (rb"PRAGMA foreign_keys=OFF;", rb"COMMIT;\s*$"),
)


class OutOfBudgetError(Exception):
    """There was no time, or it was too long, to read on."""


class BrokenError(Exception):
    """What is wrong with the file."""


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


class CountedStream:
    """A stream that counts, keeps its first and last bytes, and stops at the budget."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self.stream, self.budget = stream, budget
        self.count, self.head, self.tail = 0, b"", b""

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return up to size bytes."""
        data = self.stream.read(size)
        self.count += len(data)
        if len(self.head) < TAIL_BYTES:
            self.head = (self.head + data[:TAIL_BYTES])[:TAIL_BYTES]
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.budget.take(len(data))
        return data

    def drain(self) -> None:
        """Read to the end."""
        while self.read():
            pass


def kind_of(path: str, head: bytes) -> tuple[str, str]:
    """Return the kind that the name says, else the first bytes, and what the first bytes say (empty: nothing)."""
    begins = next((kind for magic, kind in MAGIC if head.startswith(magic)), "")
    if not begins and head[257:262] == b"ustar":
        begins = "tar"
    name = os.path.basename(path).lower()
    ends = sorted((end for end in SUFFIXES if name.endswith(end)), key=len)
    return (SUFFIXES[ends[-1]] if ends else begins or "other"), begins


def read_to_end(path: str, kind: str, budget: Budget, host: Host) -> dict[str, Any]:
    """Return how the file reads: state, why, what, and of an archive its members and those that would escape.

    state: complete; broken; partial (out of budget); unread (not readable here); header (encrypted: no more can be
    seen without its key).
    Raises: HostError if it cannot be opened.
    """
    with host.open(path, follow_links=False) as stream:
        head = stream.read(512)
        stream.seek(0)
        named, begins = kind_of(path, head)
        kind = named if kind == "auto" else kind
        found: dict[str, Any] = {"state": "complete", "why": "", "what": kind}
        started = time.monotonic()
        try:
            _refuse_other(head, begins, kind.rpartition(".")[2])
            found.update(_read(path, kind, stream, budget, host))
        except OutOfBudgetError as exc:
            found.update(state="partial", why=str(exc))
        except HostError as exc:
            partial = "still running" in str(exc)
            found.update(state="partial" if partial else "unread", why=str(exc))
        except BrokenError as exc:
            found.update(state="broken", why=str(exc))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError) as exc:
            found.update(state="broken", why=f"{str(exc) or type(exc).__name__}"[:300])
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as exc:
            unable = isinstance(exc, NotImplementedError)
            found.update(state="unread" if unable else "broken", why=str(exc)[:300])
        found["seconds"] = round(time.monotonic() - started, 3)
        return found


def _refuse_other(head: bytes, begins: str, expected: str) -> None:
    """Raise BrokenError if the file does not begin as its kind does."""
    if not head:
        raise BrokenError("empty")
    certain = ("gz", "bz2", "xz", "zst", "zip", "postgresql", "sqlite")
    if expected in certain and begins != expected:
        raise BrokenError(f"does not begin as {expected}")


def _read(path: str, kind: str, stream: IO[bytes], budget: Budget, host: Host) -> dict[str, Any]:
    """Return what is to be added to the state `complete`; raise what `read_to_end` understands."""
    if kind == "zip":
        return _zip(stream, budget)
    if kind == "sqlite":
        return _sqlite(path, budget)
    if kind == "postgresql":
        return _postgresql(path, budget, host)
    if kind == "encrypted":
        return {"state": "header", "why": "encrypted: only its first bytes could be read"}
    inner, _dot, packer = kind.rpartition(".")
    if packer == "zst":
        return _zst(path, inner, budget, host)
    if packer not in PACKERS:
        inner, packer = kind, ""
    unpacked: Any = PACKERS[packer](stream) if packer else stream
    return _unpacked(inner, CountedStream(unpacked, budget))


def _zst(path: str, inner: str, budget: Budget, host: Host) -> dict[str, Any]:
    """Return what `_unpacked` does, of what zstd unpacks; Python has no zstd of its own before 3.14."""
    try:
        with host.output(["zstd", "--decompress", "--stdout", "--quiet", "--", path]) as stream:
            return _unpacked(inner, CountedStream(stream, budget))
    except EndedError as exc:
        if "too much memory" in str(exc):
            raise NotImplementedError(str(exc)) from exc
        raise BrokenError(str(exc)[:300]) from exc


def _unpacked(inner: str, counted: CountedStream) -> dict[str, Any]:
    """Return what is to be said of an unpacked stream of a kind; raise what `read_to_end` understands."""
    if inner == "tar":
        return _tar(counted)
    counted.drain()
    found: dict[str, Any] = {"bytes": counted.count}
    if inner == "sql" or _dump_end(counted.head):
        found.update(_dump(counted))
    elif inner == "other":
        found.update(state="unread", why="of an unknown format: nothing shows that it is complete")
    return found


def _dump_end(head: bytes) -> bytes:
    """Return the pattern of what the program that begins a dump so writes last; empty if it is no known one."""
    return next((end for begin, end in DUMPS if re.search(rb"(?m)^" + begin, head)), b"")


def _dump(counted: CountedStream) -> dict[str, Any]:
    """Return how a dump of SQL ends.

    Raises: BrokenError if its program's last line is not there.
    """
    end = _dump_end(counted.head)
    if not end:
        return {"state": "unread", "why": "a dump of an unknown program: nothing marks its end"}
    if not re.search(end, counted.tail):
        raise BrokenError("the dump ends without the last line of its program")
    return {"trailer": True}


def _tar(counted: CountedStream) -> dict[str, Any]:
    """Return a tar's members.

    Raises: BrokenError if it ends before its end mark.
    """
    members, end = 0, 0
    hostile: list[str] = []
    with tarfile.open(fileobj=counted, mode="r|", bufsize=CHUNK_BYTES) as archive:  # type: ignore[call-overload]
        for member in archive:
            members += 1
            archive.members = []  # it would keep all of them
            size = member.size if member.isreg() else 0
            end = member.offset_data + -(-size // 512) * 512
            linked = member.linkname if member.islnk() else ""
            if (escapes(member.name) or escapes(linked)) and len(hostile) < HOSTILE_LIMIT:
                hostile.append(member.name[:200])
    counted.drain()
    if counted.count < end + 1024 or counted.tail[-1024:].strip(b"\0"):
        raise BrokenError(f"ends after {counted.count} B without the end mark of a tar")
    return {"members": members, "hostile": hostile, "bytes": counted.count}


def escapes(name: str) -> bool:
    """Return whether a member would be written outside of the folder that it is unpacked in."""
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or name[1:3] == ":\\"


def _zip(stream: IO[bytes], budget: Budget) -> dict[str, Any]:
    """Return a zip's members, each read to its end.

    Raises: BadZipFile and others.
    """
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        hostile = [one.filename[:200] for one in members if escapes(one.filename)]
        found: dict[str, Any] = {"members": len(members), "hostile": hostile[:HOSTILE_LIMIT]}
        if any(one.flag_bits & 1 for one in members):
            return {**found, "state": "header", "why": "encrypted: only its list was read"}
        total = 0
        for one in members:
            with archive.open(one) as content:
                counted = CountedStream(content, budget)
                counted.drain()
                total += counted.count
        return {**found, "bytes": total}


def _sqlite(path: str, budget: Budget) -> dict[str, Any]:
    """Return nothing more if SQLite itself finds the file in order.

    Raises: BrokenError, NotImplementedError.
    """
    try:
        import sqlite3
    except ImportError as exc:
        raise NotImplementedError("this Python has no sqlite3") from exc
    # immutable: it makes neither a journal nor a lock.
    address = f"file:{urllib.parse.quote(path)}?mode=ro&immutable=1"
    database = sqlite3.connect(address, uri=True)
    try:
        database.set_progress_handler(lambda: time.monotonic() > budget.ends, 100_000)
        said = [row[0] for row in database.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as exc:
        if "interrupted" in str(exc):
            raise OutOfBudgetError("there was not enough time to read all of it") from exc
        raise BrokenError(str(exc)) from exc
    except sqlite3.DatabaseError as exc:
        raise BrokenError(str(exc)) from exc
    finally:
        database.close()
    if said != ["ok"]:
        raise BrokenError("; ".join(map(str, said))[:300])
    return {}


def _postgresql(path: str, budget: Budget, host: Host) -> dict[str, Any]:
    """Return how many entries a custom dump lists, all of them read.

    Raises: BrokenError, HostError.
    """
    listed = host.run(["pg_restore", "--list", path], budget.seconds_left())
    if "unsupported version" in listed.err:
        raise NotImplementedError(listed.err.strip()[:300])
    said = listed
    if not listed.status:
        # The list stands at the front; only this reads the tables to the end.
        said = host.run(["pg_restore", "--file=/dev/null", path], budget.seconds_left())
    if said.status:
        raise BrokenError((said.err.strip() or f"pg_restore: status {said.status}")[:300])
    entries = [line for line in listed.out.splitlines() if line and not line.startswith(";")]
    return {"members": len(entries)}


def check_manifest(path: str, budget: Budget, host: Host) -> dict[str, Any] | None:
    """Return how the file compares with the checksum that lies beside it; None if there is none.

    state: match, mismatch, not listed, unread. Names in a manifest are compared, and never opened.
    """
    folder, name = os.path.split(path)
    beside = {other.lower(): other for other in host.names(folder)}
    for algorithm in ("sha512", "sha256", "md5"):
        own = [f"{name}.{algorithm}".lower(), f"{name}.{algorithm}sum".lower()]
        shared = [f"{algorithm}sums", f"{algorithm}sums.txt", f"{algorithm}sum.txt"]
        for candidate in [*own, *shared]:
            if candidate not in beside:
                continue
            manifest = os.path.join(folder, beside[candidate])
            found = {"path": manifest, "algorithm": algorithm, "state": "match", "why": ""}
            try:
                expected = listed_hash(
                    host.read(manifest, follow_links=False), name, candidate in own
                )
                if expected is None:
                    return {**found, "state": "not listed"}
                actual = _hash(path, algorithm, budget, host)
            except (HostError, OutOfBudgetError) as exc:
                return {**found, "state": "unread", "why": str(exc)}
            return found if actual == expected else {**found, "state": "mismatch"}
    return None


def listed_hash(text: str, name: str, bare: bool) -> str | None:
    """Return the checksum of the file of that name. bare: a lone checksum counts. Sources: sha256sum(1), shasum(1)."""
    for line in text.splitlines():
        match = re.match(r"\\?([0-9a-fA-F]{32,128})(?:\s+[ *]?(?:.*/)?([^/]*))?$", line.strip())
        if match and (match.group(2) == name or (bare and not match.group(2))):
            return match.group(1).lower()
        match = re.match(
            r"[A-Z0-9-]+ ?\((?:.*/)?([^/]*)\) ?= ?([0-9a-fA-F]{32,128})$", line.strip()
        )
        if match and match.group(1) == name:
            return match.group(2).lower()
    return None


def _hash(path: str, algorithm: str, budget: Budget, host: Host) -> str:
    made = hashlib.new(algorithm)
    with host.open(path, follow_links=False) as stream:
        for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""):
            budget.take(len(chunk))
            made.update(chunk)
    return made.hexdigest()
