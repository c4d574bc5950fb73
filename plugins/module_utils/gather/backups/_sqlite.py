# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a copy of an SQLite database: by SQLite itself where it lies in a file, by its header inside a wrapping."""

from __future__ import annotations

import os
import re
import time
import urllib.parse

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    Reading,
    UnreadError,
)

LEAF = 13
WAL = "its write-ahead log (-wal), which is not in it"
UNPROVED_WAL = f"its content, which has no checksum, nor what is in {WAL}"
MAGIC = b"SQLite format 3\0"
_LACKS = re.compile(
    r"no such (?:collation sequence|function|module|tokenizer)|unknown function|unsupported file format"
    r"|error in tokenizer constructor|out of memory|unable to open|disk is full"
)
"""What only the database's own application has, or this host has not; it says nothing of the database."""


def read_sqlite(stream: Counted, found: Reading) -> None:
    """Read a database to its end, and compare its length with what its header says. Source: fileformat2, section 1.3.

    Raises: BrokenError, OutOfBudgetError.
    """
    head = stream.peek(105)
    stream.drain()
    if len(head) < 105:
        raise BrokenError("ends in the header of SQLite", cut=True)
    page = int.from_bytes(head[16:18], "big")
    wal = head[18:20] == b"\2\2"
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    if page < 512 or page & (page - 1):
        raise BrokenError(f"the header of SQLite has a page size of {page}")
    # a writer that is older than 3.7 left another length there
    if head[24:28] != head[92:96]:
        pages = 0
    said = pages * page if pages else -(-stream.count // page) * page
    if stream.count != said:
        raise BrokenError(
            f"has {stream.count} bytes, and its header says {said}", cut=stream.count < said
        )
    found.bytes = stream.count
    if head[100] == LEAF and head[103:105] == b"\0\0":
        raise BrokenError(
            "an empty database: it has no table" + (f", unless in {WAL}" if wal else "")
        )
    if wal:
        found.unproved = UNPROVED_WAL


def check_sqlite(path: str, budget: Budget) -> None:
    """Let SQLite itself look through the file; it makes neither a journal nor a lock.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    try:
        import sqlite3
    except ImportError as exc:
        raise UnreadError("this Python has no sqlite3") from exc
    address = f"file:{urllib.parse.quote(os.fsencode(path))}?mode=ro&immutable=1"
    database = sqlite3.connect(address, uri=True)
    try:
        database.set_progress_handler(lambda: time.monotonic() > budget.ends, 100_000)
        said = [row[0] for row in database.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as exc:
        if "interrupted" in str(exc):
            raise OutOfBudgetError("there was not enough time to read all of it") from exc
        if _LACKS.search(str(exc)):
            raise UnreadError(f"SQLite here lacks what it needs: {str(exc)[:200]}") from exc
        raise BrokenError(f"SQLite: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        raise BrokenError(f"SQLite: {exc}") from exc
    finally:
        database.close()
    if said != ["ok"]:
        raise BrokenError(f"SQLite: {'; '.join(' '.join(map(str, said)).split(chr(10)))[:300]}")
