# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a dump of SQL to its end, and tell it from other text.

Nothing of what a dump says leaves the host: messages name its program alone.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Counted,
    Reading,
    UnreadError,
)

# How a program begins a dump, each in a line of its own, and how it ends one.
DUMPS = (
    ("pg_dumpall", rb"-- PostgreSQL database cluster dump\r?", rb"-- PostgreSQL database cluster dump complete"),
    ("pg_dump", rb"-- PostgreSQL database dump\r?", rb"-- PostgreSQL database dump complete"),
    ("mysqldump", rb"-- (?:MySQL|MariaDB) dump [^\n]*", rb"-- Dump completed"),
    ("sqlite3 .dump", rb"PRAGMA foreign_keys=OFF;\r?", rb"COMMIT;"),
)  # fmt: skip
STATEMENT = re.compile(
    rb"(?i)\s*(?:--|/\*|#|\\(?:un)?restrict\b|\\connect\b|delimiter\b|go\b|(?:set|create|insert|begin|start|pragma|drop|use|"
    rb"copy|alter|delete|update|select|grant|revoke|lock|unlock|replace|merge|declare|commit|analyze|truncate|call)\b)"
)
PROGRAMS = (
    rb"pg_dump(?:all)?|pg_basebackup|pg_restore|psql|my(?:sql)?dump|mysqldump|mariadb-dump|mydumper|mysql|mariadb|mariabackup|"
    rb"xtrabackup|mongodump|sqlite3|redis-cli|influxd?|tar|gzip|bzip2|xz|zstd|(?:-?ba|da|z|k)?sh|ssh|scp|rsync|sudo|cat|"
    rb"docker|kubectl|borg|restic|cp|dd|su|runuser|env|nice|timeout"
)
COMPLAINT = re.compile(
    rb"(?:\S{0,200}/)?(" + PROGRAMS + rb")(?:\.exe)?(?:\[\d+\])?: \S", re.IGNORECASE
)
COMPLAINTS = re.compile(
    rb"(?im)^(?:error|fatal|traceback|<!doctype html|<html|<\?xml[^>]*>\s*<error)\b|command not found|"
    rb"no such file or directory|permission denied|no space left on device|access denied|connection refused|"
    rb"could not connect|authentication failed"
)
SMALL_BYTES = 4096
LINE_BYTES = 200
"""More than the first or the last line of a dump has."""
TRAILER_AT = re.compile(
    rb"-- (?:Dump c|C)ompleted on (\d{4})-(\d\d)-(\d\d) +(\d\d?):(\d\d):(\d\d)(?: (UTC|GMT|[+-]\d\d))?"
)
TRAILER = "the trailer of the dump"
NO_TEXT = bytes(set(range(256)) - {9, 10, 12, 13, 27} - set(range(32, 127)) - set(range(128, 256)))


def is_text(head: bytes) -> bool:
    """Return whether these bytes are text, in UTF-8 or another charset of one byte."""
    return bool(head) and head.translate(None, NO_TEXT) == head


def program_of(head: bytes) -> str:
    """Return the program that begins a dump so; empty if it is none that is known."""
    for program, begin, _end in DUMPS:
        if re.search(rb"(?m)^" + begin + rb"$", head):
            return program
    return ""


def is_sql(head: bytes) -> bool:
    """Return whether a text begins with a statement or a comment of SQL."""
    text = head[3:] if head.startswith(b"\xef\xbb\xbf") else head
    return bool(program_of(head)) or bool(STATEMENT.match(text.lstrip()))


def complaint(head: bytes, size: int) -> str:
    """Return the program whose message this text is instead of a dump, `an error` without its name; empty if none.

    size: of the whole text; a long one is a message only if it begins as one.
    """
    if not is_text(head):
        return ""
    first = COMPLAINT.match(head.lstrip())
    if first:
        return first.group(1).decode("ascii").lower()
    return "a program" if size < SMALL_BYTES and COMPLAINTS.search(head) else ""


def read_sql(stream: Counted, found: Reading) -> None:
    """Read a dump to its end, which must be the last line that its program writes.

    Raises: BrokenError, UnreadError if nothing marks its end, OutOfBudgetError.
    """
    head = stream.peek()
    program = program_of(head)
    said = COMPLAINT.match(head.lstrip())
    begins, ends = _counts(stream)
    found.bytes = stream.count
    if said and program:
        name = said.group(1).decode("ascii")
        raise BrokenError(f"begins with a message of {name}, which no server takes for SQL")
    if not program:
        raise UnreadError("SQL of an unknown program: nothing marks its end")
    found.what.append(f"SQL of {program}")
    end = next(end for name, _begin, end in DUMPS if name == program)
    trailers = list(re.finditer(rb"(?m)^" + end + rb"[^\n]*$", stream.tail))
    if not trailers:
        raise BrokenError(f"ends without the last line of {program}", cut=True)
    _refuse_rest(stream.tail[trailers[-1].end() :], program)
    if begins > ends:
        counted = f"has {begins} beginnings of a dump by {program} and {ends} ends"
        if program == "mysqldump":
            raise BrokenError(counted)
        # pg_dump writes the lines of a function, and of a text with --inserts, as they are: they may be anything.
        raise UnreadError(f"{counted}: one of them was cut, or a text in it looks like one")
    found.taken = taken(stream.tail)
    found.taken_words = TRAILER if found.taken is not None else ""


def _counts(stream: Counted) -> tuple[int, int]:
    """Read to the end; return how many dumps begin and end in lines of their own."""
    head = stream.peek()
    program = program_of(head)
    begin, end = next(((b, e) for name, b, e in DUMPS if name == program), (b"", b""))
    if program in ("", "sqlite3 .dump"):  # its COMMIT may stand in a text of many lines
        stream.drain()
        return 0, 0
    begun = re.compile(rb"\n" + begin + rb"\n")
    ended = re.compile(rb"\n" + end)
    # To look for a fixed text first is several times as fast.
    marks: tuple[bytes, ...] = (b"-- PostgreSQL database ",)
    if program == "mysqldump":
        marks = (
            b"-- MySQL dump " if b"-- MySQL dump " in head else b"-- MariaDB dump ",
            b"-- Dump c",
        )
    begins = ends = 0
    carry = b"\n"
    for data in iter(stream.read, b""):
        seam = carry + data[:LINE_BYTES]
        if any(mark in data or mark in seam for mark in marks):
            window = carry + data
            begins += sum(one.end() > len(carry) for one in begun.finditer(window))
            ends += sum(one.end() > len(carry) for one in ended.finditer(window))
        carry = (seam if len(data) < LINE_BYTES else data)[-LINE_BYTES:]
    return begins, ends


def _refuse_rest(rest: bytes, program: str) -> None:
    """Raise BrokenError if what follows the last line of the dump is neither SQL nor blank."""
    for line in rest.splitlines():
        if line.strip() and not STATEMENT.match(line):
            said = COMPLAINT.match(line)
            what = f"a message of {said.group(1).decode('ascii')}" if said else "something else"
            raise BrokenError(f"behind the last line of {program} follows {what}")


def taken(tail: bytes) -> float | None:
    """Return when the dump was completed; without a zone it is the host's."""
    said = list(TRAILER_AT.finditer(tail))
    if not said:
        return None
    year, month, day, hour, minute, second = (int(one) for one in said[-1].groups()[:6])
    zone = said[-1].group(7)
    try:
        moment = datetime(year, month, day, hour, minute, second)
        if zone is not None:
            hours = int(zone) if zone[:1] in b"+-" else 0
            return moment.replace(tzinfo=timezone(timedelta(hours=hours))).timestamp()
        return time.mktime(moment.timetuple())
    except (ValueError, OverflowError):
        return None
