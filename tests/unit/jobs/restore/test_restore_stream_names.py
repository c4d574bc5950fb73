"""The names in a stream of mariadb-backup, of which one may have changed."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_stream import (
    StreamNames,
)


def piece(name: str, data: bytes = b"XBSTCK01 is no header here") -> bytes:
    head = struct.pack("<8sBcI", b"XBSTCK01", 0, b"P", len(name)) + name.encode()
    return head + struct.pack("<QQI", len(data), 0, 7) + data


def end(name: str, kind: bytes = b"E") -> bytes:
    return struct.pack("<8sBcI", b"XBSTCK01", 0, kind, len(name)) + name.encode()


TABLE = piece("s/t.frm") + end("s/t.frm")


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("stream", "changed", "alone", "unread"),
    [
        (TABLE + piece("s/t.ibd") + piece("s/t.ibd") + end("s/t.ibd"), [], 0, False),
        (piece("a") + piece("b") + piece("a") + end("b") + end("a"), [], 0, False),
        (TABLE + end("s/t.CSV"), [], 0, False),
        (piece("a", b"") + end("a"), [], 0, False),
        (piece("s/db.opu") + end("s/db.opt"), ["s/db.opu"], 1, False),
        (piece("s/db.opt") + end("s/db.opu"), ["s/db.opt"], 1, False),
        (piece("a") + end("a") + piece("a"), ["a"], 0, False),
        (TABLE + end("s/t.CSV") + end("s/t.CSV"), ["s/t.CSV"], 0, False),
        (TABLE + end("s/u.CSV"), [], 1, False),
        (end("s/t.frm") + end("s/t.CSV"), [], 2, False),
        (TABLE + end("a", b"S"), [], 0, True),
        (b"XBSTCK02" + TABLE[8:], [], 0, True),
        (struct.pack("<8sBcI", b"XBSTCK01", 0, b"P", 5000), [], 0, True),
        (b"", [], 0, False),
    ],
    ids=[
        *("in pieces", "mixed", "an empty file of a table", "an empty piece"),
        *("a piece has another name", "an end has another name", "after its end", "twice its end"),
        *("an empty file of no table", "an empty definition", "another kind", "other bytes"),
        *("a long name", "nothing"),
    ],
)
def test_a_name_that_has_changed_stands_alone(
    stream: bytes, changed: list[str], alone: int, unread: bool, size: int
) -> None:
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    names = StreamNames()
    read = names.reader(lambda _size: parts.pop(0) if parts else b"")
    assert b"".join(iter(lambda: read(size), b"")) == stream

    assert names.unread == unread
    if not unread:
        assert (names.changed(), names.alone()) == (changed, alone)
