# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a database of SQLite, and whether it is whole.

A file without a write-ahead log is first read without any lock, as it lies, so that nobody waits for us. If it was
changed meanwhile, the answer is thrown away, and it is read again under a lock that is held for a moment only.
"""

from __future__ import annotations

import os
import re
import sqlite3
import struct
import time
import urllib.parse
from typing import Any, Callable, Dict, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
    TopicAnswers,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._sqlite_file import (
    ALONE,
    SHARED,
    flags_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    DAMAGED as DAMAGED_FILE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import (
    HOT_JOURNAL,
    LOCKED,
    NO_RIGHT,
    OTHER,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

HELD_SECONDS = 2.0
"""How long the application may be kept from writing."""
STEPS = 2_000
HOT = "a writer ended before it was done; the next one puts that right, and a reader does not"
MOST = 100
LIMIT_CHARACTERS = 200
# The name of an object may be there, a row's number not: it may be a key.
_NUMBER = re.compile(r"((?:page|tree|cell|code) |[^\W\d])?-?\d+", re.IGNORECASE)
_OF_ITS_APPLICATION = re.compile(
    r"no such (?:module|function|collation sequence|tokenizer)|unknown function|error in tokenizer constructor"
)
_DAMAGED = re.compile(r"malformed|not a database|database corruption")
_FRAME_BYTES = 24  # before each page of a log; source: SQLite's WAL-mode File Format


class _UnreadError(Exception):
    """A topic could not be read; the text says why, in our words."""


def cause_of(exc: Exception) -> str:
    """Return why SQLite gave no answer, as one word of refusals.py."""
    return {
        "its application holds a lock": LOCKED,
        HOT: HOT_JOURNAL,
        "it is damaged": DAMAGED_FILE,
        "it cannot be opened": NO_RIGHT,
    }.get(why_of(exc), OTHER)


def why_of(exc: Exception) -> str:
    """Return why SQLite gave no answer, in our words: its own can hold what is in the database."""
    text = str(exc)
    for found, said in (
        ("interrupted", "not finished within its time"),
        ("locked", "its application holds a lock"),
        ("busy", "its application holds a lock"),
        (
            "foreign key mismatch",
            "a foreign key refers to columns that are no unique key of its table",
        ),
        ("readonly", HOT),
        ("unable to open", "it cannot be opened"),
        ("disk I/O error", "the disk gave an error"),
    ):
        if found in text:
            return said
    if _OF_ITS_APPLICATION.search(text):
        return "it needs a function, collation or module of its application"
    return "it is damaged" if _DAMAGED.search(text) else "SQLite gave an error"


def _within(connection: sqlite3.Connection, ends: float) -> None:
    """Let the connection's statements end then."""
    connection.set_progress_handler(lambda: int(time.monotonic() >= ends), STEPS)


def integrity(connection: sqlite3.Connection, ends: float) -> Dict[str, Any]:
    """Return what is broken. If there is no time for indexes, only tables are looked at."""
    for how, share in (("integrity_check", 0.6), ("quick_check", 1.0)):
        _within(connection, time.monotonic() + share * (ends - time.monotonic()))
        try:
            rows = [str(row[0]) for row in connection.execute(f"pragma {how}({MOST})")]
        except sqlite3.OperationalError as exc:
            if "interrupted" not in str(exc) or how == "quick_check":
                raise
            continue
        lines = [line for row in rows for line in row.splitlines()]
        lines = [line for line in lines if line not in ("", "ok") and not line.startswith("*** ")]
        return {"how": how, "problems": len(lines), "named": [said(line) for line in lines[:5]]}
    raise _UnreadError("not finished within its time")


def said(line: str) -> str:
    """Return a line of SQLite's about what is broken, without numbers that may be a row's."""
    named = _NUMBER.sub(lambda found: found.group() if found.group(1) else "N", line)
    return named[:LIMIT_CHARACTERS]


def foreign_key_rows(connection: sqlite3.Connection, ends: float) -> List[Dict[str, Any]]:
    """Return by table and parent how many rows refer to one that is not there."""
    _within(connection, ends)
    counts: Dict[Tuple[str, str], int] = {}
    for table, _row, parent, _key in connection.execute("pragma foreign_key_check"):
        counts[(str(table), str(parent))] = counts.get((str(table), str(parent)), 0) + 1
    worst = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:50]
    return [{"name": table, "parent": parent, "rows": count} for (table, parent), count in worst]


def free_pages(connection: sqlite3.Connection, ends: float) -> Dict[str, Any]:
    """Return how much of the file is free, and how it is laid out."""
    _within(connection, ends)

    def one(name: str) -> Any:
        return connection.execute(f"pragma {name}").fetchone()[0]

    return {
        "page_bytes": one("page_size"),
        "pages": one("page_count"),
        "free": one("freelist_count"),
        "auto_vacuum": ("none", "full", "incremental")[one("auto_vacuum")],
        "encoding": str(one("encoding")),
    }


OBJECTS: Dict[str, Callable[[sqlite3.Connection, float], Any]] = {
    "integrity": integrity,
    "foreign_key_rows": foreign_key_rows,
    "free_pages": free_pages,
}
TOPICS = (*OBJECTS, "write_ahead_log")


def read(host: Host, database: Dict[str, Any], _gather: str, seconds: float) -> TopicAnswers:
    """Read all topics of a file within this many seconds."""
    path = database["name"]
    flags, write_ahead = flags_of(host, path)
    ends = time.monotonic() + seconds
    answers = TopicAnswers(about={"version": f"{sqlite3.sqlite_version} (this reader's)"})
    answers.values["write_ahead_log"] = log_of(host, path) if write_ahead else {"mode": "none"}
    for name in ("free_pages", "foreign_key_rows", "integrity"):
        half = time.monotonic() + (ends - time.monotonic()) * (1.0 if name == "integrity" else 0.4)
        try:
            answers.values[name] = _read(host, path, flags, (OBJECTS[name], half))
        except _UnreadError as exc:
            answers.unread[name] = str(exc)
    if "free_pages" in answers.values:
        answers.values["free_pages"]["disk_free_bytes"] = _disk_free(host, path)
    return answers


def _read(
    host: Host,
    path: str,
    flags: str,
    topic: Tuple[Callable[[sqlite3.Connection, float], Any], float],
) -> Any:
    """Read one topic, first without a lock where that can be told to have been right.

    Raises: _UnreadError.
    """
    function, ends = topic
    if flags == SHARED and host.exists(f"{path}-wal"):
        return _asked(path, SHARED, function, ends)
    before = _stamp(host, path)
    if not host.exists(f"{path}-journal"):
        try:
            value = _asked(path, ALONE, function, ends)
        except _UnreadError:
            if _stamp(host, path) == before:
                raise
        else:
            if _stamp(host, path) == before:
                return value
    if flags == ALONE:
        raise _UnreadError("its application began to write while it was read")
    return _asked(path, SHARED, function, min(ends, time.monotonic() + HELD_SECONDS))


def _asked(
    path: str, flags: str, function: Callable[[sqlite3.Connection, float], Any], ends: float
) -> Any:
    wait = max(0.1, min(HELD_SECONDS, ends - time.monotonic()))
    try:
        connection = sqlite3.connect(
            f"file:{urllib.parse.quote(path)}?{flags}", uri=True, timeout=wait
        )
        try:
            return function(connection, ends)
        finally:
            connection.close()
    except sqlite3.DatabaseError as exc:
        if function is integrity and _DAMAGED.search(str(exc)):
            return {"how": "integrity_check", "problems": 1, "named": ["it is malformed"]}
        raise _UnreadError(why_of(exc)) from exc


def _stamp(host: Host, path: str) -> Tuple[Any, ...]:
    """Return what changes whenever the database does.

    Raises: _UnreadError.
    """
    try:
        about = host.stat(path)
        beside = [host.exists(path + end) for end in ("-journal", "-wal")]
        head = host.read_head(path, 100)
    except HostError as exc:
        raise _UnreadError(str(exc)) from exc
    return (about.st_ino, about.st_size, about.st_mtime_ns, head, *beside)


def log_of(host: Host, path: str) -> Dict[str, Any]:
    """Return the size of the write-ahead log, and how much of it is not in the database yet.

    The index beside it says that, in the order of this host's bytes. Source: SQLite's WAL-mode File Format, 2.2.
    """
    try:
        size = host.stat(f"{path}-wal").st_size if host.exists(f"{path}-wal") else 0
        index = host.read_head(f"{path}-shm", 136) if size else b""
    except HostError as exc:
        raise AccessRefusedError(str(exc)) from exc
    pending = None
    if len(index) >= 100 and index[:48] == index[48:96]:
        page, frames = (
            struct.unpack_from("=H", index, 14)[0],
            struct.unpack_from("=I", index, 16)[0],
        )
        done = struct.unpack_from("=I", index, 96)[0]
        page = (page & 0xFE00) + ((page & 1) << 16)
        pending = max(0, frames - done) * (page + _FRAME_BYTES)
    return {"mode": "wal", "size_bytes": size, "pending_bytes": 0 if not size else pending}


def _disk_free(host: Host, path: str) -> int | None:
    try:
        about = host.statvfs(os.path.dirname(path) or ".")
    except HostError:
        return None
    return about.f_bavail * about.f_frsize
