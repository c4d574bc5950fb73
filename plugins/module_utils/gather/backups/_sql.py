# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a dump of SQL to its end, and tell it from other text.

Nothing of what a dump says leaves the host: messages name its program alone.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

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
# Whose marks stand in no text of many lines, but for those of functions.
PLAIN = tuple(name for name, _begin, _end in DUMPS[:3])
MARKS = (
    *((what, name) for name in PLAIN for what in ("begin", "end")),
    "said",
)
# It begins with a fixed byte, so that a text is searched several times as fast.
MARK = re.compile(
    rb"\n(?=[-mp])(?:"
    + b"|".join(rb"(" + begin + rb"\n)|(" + end + rb")" for _name, begin, end in DUMPS[:3])
    + rb"|((?:mysqldump|mariadb-dump|pg_dump(?:all)?): \S))"
)
ZEROS = bytes(512)
STATEMENT = re.compile(
    rb"(?i)\s*(?:--|/\*|#|\\(?:un)?restrict\b|\\connect\b|delimiter\b|go\b|(?:set|create|insert|begin|start|pragma|drop|use|"
    rb"copy|alter|delete|update|select|grant|revoke|lock|unlock|replace|merge|declare|commit|analyze|truncate|call)\b)"
)
PROGRAMS = (
    rb"pg_dump(?:all)?|pg_basebackup|pg_restore|psql|mysqldump|mariadb-dump|mydumper|mysql|mariadb|mariabackup|"
    rb"xtrabackup|mongodump|sqlite3|redis-cli|influxd?|tar|gzip|bzip2|xz|zstd|(?:-?ba|da|z|k)?sh|ssh|scp|rsync|sudo|cat|"
    rb"docker|kubectl|borg|restic|cp|dd|su|runuser|env|nice|timeout"
)
COMPLAINT = re.compile(
    rb"(?:\S{0,200}/)?(" + PROGRAMS + rb")(?:\.exe)?(?:\[\d+\])?: \S", re.IGNORECASE
)
COMPLAINTS = re.compile(
    rb"(?im)^(?:error|fatal|traceback|<!doctype html|<html|<\?xml[^>]*>\s*<error|\{\s*\"error)\b|"
    rb"\A\s*(?:killed|terminated|aborted|segmentation fault|timeout)\b.{0,20}\s*\Z|command not found|"
    rb"no such file or directory|permission denied|no space left on device|access denied|connection refused|"
    rb"could not connect|authentication failed"
)
SMALL_BYTES = 4096
# More than the first or the last line of a dump has.
LINE_BYTES = 200
TRAILER_AT = re.compile(
    rb"-- (?:Dump c|C)ompleted on (\d{4})-(\d\d)-(\d\d) +(\d\d?):(\d\d):(\d\d)(?: (UTC|GMT|[+-]\d\d))?"
)
TRAILER = "the trailer of the dump"
NO_TEXT = bytes(set(range(256)) - {9, 10, 12, 13, 27} - set(range(32, 127)) - set(range(128, 256)))


def is_text(head: bytes) -> bool:
    """Return whether these bytes are text, in UTF-8 or another charset of one byte."""
    return bool(head) and head.translate(None, NO_TEXT) == head


def from_utf16(head: bytes) -> bytes:
    """Return a text in UTF-16, of which every second byte is zero in most languages, in UTF-8; empty if it is none."""
    order = "be" if head.startswith((b"\xfe\xff", b"\0")) else "le"
    text = head.decode(f"utf-16-{order}", "ignore").lstrip("\ufeff").encode("utf-8", "ignore")
    if head.count(0) * 3 < len(head) or len(head) < 4:
        return b""
    return text if is_text(text) or text.startswith(b"PGDMP") else b""


def program_of(head: bytes) -> str:
    """Return the program that begins a dump so; empty if it is none that is known."""
    found = [(re.search(rb"(?m)^" + begin + rb"$", head), name) for name, begin, _end in DUMPS]
    return min(((one.start(), name) for one, name in found if one), default=(0, ""))[1]


def is_sql(head: bytes) -> bool:
    """Return whether a text begins with a statement or a comment of SQL."""
    text = head[3:] if head.startswith(b"\xef\xbb\xbf") else head
    if text.startswith(b"-----"):
        # an armor
        return False
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


def written(head: bytes, size: int) -> str:
    """Return what bytes are that are neither text nor a known format: `other`, or `text` if it is one in UTF-16.

    Raises: BrokenError if a program's message stands before a custom dump, UnreadError for a dump in UTF-16.
    """
    place = head.find(b"\nPGDMP")
    if is_text(head[: max(0, place)]):
        said = complaint(head[:place], place) or "a program"
        raise BrokenError(f"begins with a message of {said}, which pg_restore does not take")
    text = from_utf16(head)
    if not text:
        return "other"
    said = complaint(text, size)
    if said:
        raise BrokenError(f"holds a message of {said} in UTF-16 instead of a backup")
    if is_sql(text) or text.startswith(b"PGDMP"):
        raise UnreadError("a dump in UTF-16, as PowerShell's > writes it: no server takes it")
    return "text"


def read_sql(stream: Counted, found: Reading) -> None:
    """Read a dump to its end, which must be the last line that its program writes; several may follow each other.

    Raises: BrokenError, UnreadError if nothing marks its end, OutOfBudgetError.
    """
    head = stream.peek()
    program = program_of(head)
    said = COMPLAINT.match(head.lstrip())
    marks = _marks(stream, program)
    found.bytes = stream.count
    if said and program:
        name = said.group(1).decode("ascii")
        raise BrokenError(f"begins with a message of {name}, which no server takes for SQL")
    if not program:
        raise UnreadError("SQL of an unknown program: nothing marks its end")
    found.what.append(f"SQL of {program}")
    seen = [one for one in DUMPS if one[0] == program or marks["begin", one[0]]]
    last = re.compile(rb"(?m)^(?:" + rb"|".join(end for _name, _begin, end in seen) + rb")[^\n]*$")
    trailers = list(last.finditer(stream.tail))
    if not trailers or (program in PLAIN and not marks["end", program]):
        lacks = [name for name in PLAIN if marks["begin", name] > marks["end", name]]
        raise BrokenError(f"ends without the last line of {[*lacks, program][0]}", cut=True)
    rest = stream.tail[trailers[-1].end() :]
    if program_of(rest):
        raise BrokenError(f"ends without the last line of {program_of(rest)}", cut=True)
    _refuse_rest(rest, program)
    _refuse_marks(marks, program)
    before = stream.tail[: trailers[-1].start()].rstrip()
    if not _ended(before[:-2] if before.endswith(b"\n--") else before):
        raise UnreadError("its last line stands behind no complete statement: it may be a text")
    found.taken = taken(stream.tail)
    found.taken_words = TRAILER if found.taken is not None else ""


def _marks(stream: Counted, program: str) -> Counter[Any]:
    """Read to the end; return how many dumps of each program begin and end in lines of their own, and what is odd."""
    marks: Counter[Any] = Counter()
    odd = b"\0" if program.startswith("pg") else ZEROS
    carry = b"\n"
    for data in iter(stream.read, b""):
        marks["zeros"] += odd in data
        seam = carry + data[:LINE_BYTES]
        # Rows of COPY are short. To look for what all marks have, but the end of mysqldump, is twice as fast.
        passed = program.startswith("pg") and not marks["begin", "mysqldump"]
        if not (passed and b"dump" not in data and b"dump" not in seam):
            window = carry + data
            for one in MARK.finditer(window) if program else ():
                if one.end() > len(carry):
                    marks[MARKS[(one.lastindex or 1) - 1]] += 1
                    before = window[max(0, one.start() - LINE_BYTES) : one.start()]
                    marks["plain"] += one.lastindex == len(MARKS) and _ended(before)
        carry = (seam if len(data) < LINE_BYTES else data)[-LINE_BYTES:]
    return marks


def _refuse_marks(marks: Counter[Any], program: str) -> None:
    """Raise BrokenError or UnreadError for a dump without an end, a message or zero bytes in the middle."""
    if marks["zeros"]:
        raise BrokenError(f"has zero bytes in it, which {program} does not write")
    for name in PLAIN:
        begins, ends = marks["begin", name], marks["end", name]
        if begins > ends:
            counted = f"has {begins} beginnings of a dump by {name} and {ends} ends"
            if program == name == "mysqldump":
                raise BrokenError(counted)
            # pg_dump writes the lines of a function, and of a text with --inserts, as they are: they may be anything.
            raise UnreadError(f"{counted}: one of them was cut, or a text in it looks like one")
    # mysqldump escapes the ends of lines in rows; behind a statement stands no text of a function either.
    if program == "mysqldump" and marks["plain"]:
        raise BrokenError("has a message of mysqldump in the middle")
    if marks["said"]:
        raise UnreadError("a line in it is a message of its program, or a text that looks like one")


def _ended(before: bytes) -> bool:
    """Return whether a statement, or a line of a comment, has ended there."""
    before = before.rstrip()
    line = before[before.rfind(b"\n") + 1 :]
    return not line or line.endswith((b";", b"*/")) or line.startswith((b"--", b"\\"))


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
