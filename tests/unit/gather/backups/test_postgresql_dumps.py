"""Dumps of pg_dump's custom format: recorded ones of 15 to 18, and what becomes of them when they are damaged."""

from __future__ import annotations

import io
import random
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    read_toc,
    taken_in_head,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._postgresql import (
    read_custom,
)

RECORDED = Path(__file__).parents[2] / "recorded" / "backups"
TOC_HAS_NONE = "the table of contents, which has no checksum"
UNPACKED_BYTES = 3456


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def stream_of(data: bytes, seconds: float = 60, limit_bytes: int = 1 << 30) -> Counted:
    return Counted(io.BytesIO(data).read, Budget(seconds, limit_bytes))


def read(data: bytes) -> Reading:
    found = Reading()
    read_custom(stream_of(data), found)
    return found


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.dump").read_bytes()


@pytest.mark.parametrize(
    ("name", "members", "size", "proof", "unproved"),
    [
        ("pg15_zlib", 19, UNPACKED_BYTES, "part", TOC_HAS_NONE),
        ("pg15_zlib9_piped", 19, UNPACKED_BYTES, "part", TOC_HAS_NONE),
        (
            "pg15_none",
            19,
            UNPACKED_BYTES,
            "none",
            "the data and the table of contents, which have no checksum",
        ),
        ("pg15_schema", 12, 0, "none", TOC_HAS_NONE),
        ("pg16_gzip", 19, UNPACKED_BYTES, "part", TOC_HAS_NONE),
        (
            "pg16_lz4",
            19,
            None,
            "none",
            f"the data, which is packed with lz4 inside of the dump, and {TOC_HAS_NONE}",
        ),
        ("pg17_gzip", 17, UNPACKED_BYTES, "part", TOC_HAS_NONE),
        (
            "pg17_zstd",
            17,
            None,
            "none",
            f"the data, which is packed with zstd inside of the dump, and {TOC_HAS_NONE}",
        ),
        ("pg18_gzip", 17, UNPACKED_BYTES, "part", TOC_HAS_NONE),
        (
            "pg18_none",
            17,
            UNPACKED_BYTES,
            "none",
            "the data and the table of contents, which have no checksum",
        ),
    ],
)
def test_a_dump_reads_to_its_end(name, members, size, proof, unproved):
    found = read(recorded(name))

    assert (found.state, found.members, found.bytes) == ("whole", members, size)
    assert (found.proof, found.unproved) == (proof, unproved)
    assert time.strftime("%Y-%m-%d %H:%M", time.gmtime(found.taken)) == "2026-11-27 14:24"
    assert found.taken_words == "header of the dump"
    assert taken_in_head(recorded(name)[:80]) == found.taken


def test_a_dump_reads_alike_in_small_pieces():
    data = recorded("pg15_zlib")
    source = io.BytesIO(data)
    found = Reading()
    read_custom(Counted(lambda _size: source.read(3), Budget(60, 1 << 30)), found)

    assert (found.members, found.bytes) == (19, UNPACKED_BYTES)


def test_a_dump_reads_alike_after_somebody_has_looked_at_its_head():
    stream = stream_of(recorded("pg15_zlib"))
    stream.peek()
    found = Reading()
    read_custom(stream, found)

    assert found.members == 19


@pytest.mark.parametrize(
    "name", ["pg15_zlib", "pg15_zlib9_piped", "pg15_none", "pg16_lz4", "pg17_zstd", "pg18_gzip"]
)
def test_a_dump_that_is_cut_anywhere_is_cut(name):
    data = recorded(name)
    for size in [*range(0, len(data), 23), *range(len(data) - 40, len(data))]:
        with pytest.raises(BrokenError) as caught:
            read(data[:size])
        assert caught.value.cut, (size, str(caught.value))


@pytest.mark.parametrize("name", ["pg15_zlib", "pg15_none", "pg17_gzip", "pg18_none", "pg16_lz4"])
@pytest.mark.parametrize("added", [b"\0", b"\1", b"\n", b"\0" * 512, b"PGDMP"])
def test_nothing_may_follow_the_last_block(name, added):
    with pytest.raises(BrokenError, match=r"bytes after the last block of data"):
        read(recorded(name) + added)


@pytest.mark.parametrize("name", ["pg15_zlib", "pg17_gzip"])
def test_what_still_reads_has_the_same_data_after_any_flipped_bit(name):
    """Of the table of contents, which has no checksum, only names and definitions may differ."""
    data = recorded(name)
    begins = data.index(b"\x78\x9c") - 10  # the first block's head
    streams = [at for at in range(len(data)) if data.startswith(b"\x78\x9c", at)]
    assert len(streams) == 6
    bits = random.Random(18).sample(range(begins * 8), 500)
    for bit in [*bits, *range(begins * 8, len(data) * 8, 7)]:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            read(bytes(damaged))
        except (BrokenError, UnreadError):
            continue
        for at in streams:  # a few bits of zlib's mean nothing
            assert zlib.decompressobj().decompress(damaged[at:]) == zlib.decompressobj().decompress(
                data[at:]
            ), bit


@pytest.mark.parametrize("name", ["pg15_zlib", "pg17_gzip"])
def test_a_zeroed_block_of_512_bytes_is_seen(name):
    data = recorded(name)
    for begins in range(0, len(data), 128):
        with pytest.raises((BrokenError, UnreadError)):
            read(data[:begins] + bytes(512) + data[begins + 512 :])


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        (0, b"X", BrokenError),
        (5, b"\x02", UnreadError),  # version 2.14
        (6, b"\x09", UnreadError),  # older than what is read here
        (6, b"\x11", UnreadError),  # newer
        (7, b"\x01", UnreadError),
        (8, b"\x08", UnreadError),
        (9, b"\x02", UnreadError),
        (10, b"\x05", UnreadError),
        (12, b"\x0a", BrokenError),  # degree 10 of zlib
    ],
)
def test_a_head_that_is_not_known_is_not_whole(at, value, error):
    data = recorded("pg15_zlib")

    with pytest.raises(error):
        read(data[:at] + value + data[at + 1 :])


def test_the_table_of_contents_of_a_folder_alone_is_no_dump():
    with pytest.raises(UnreadError, match="without its data"):
        read((RECORDED / "pg15_toc.dat").read_bytes())


def test_a_newer_version_is_named():
    data = recorded("pg15_zlib")

    with pytest.raises(UnreadError, match=r"version 1\.17\.0"):
        read(data[:6] + b"\x11" + data[7:])


def test_an_unknown_packer_is_named():
    data = recorded("pg17_gzip")

    with pytest.raises(UnreadError, match="packer 4"):
        read(data[:11] + b"\x04" + data[12:])


class Written:
    """A small archive of version 1.14, made as pg_backup_archiver.c makes one."""

    def __init__(self, packed: bool = True, count: int | None = None):
        self.data = b"PGDMP" + bytes([1, 14, 0, 4, 8, 1]) + self.number(-1 if packed else 0)
        for part in (30, 24, 14, 27, 10, 126, 0):
            self.data += self.number(part)
        self.data += self.text("shop") + self.text("15.18") + self.text("15.18")
        self.data += self.number(3 if count is None else count)
        self.entry(1, "ENCODING", "SET client_encoding = 'UTF8';\n", section=2)
        self.entry(2, "STDSTRINGS", "SET standard_conforming_strings = 'on';\n", section=2)

    @staticmethod
    def number(value: int) -> bytes:
        return bytes([value < 0]) + abs(value).to_bytes(4, "little")

    def text(self, value: str | None) -> bytes:
        return self.number(-1) if value is None else self.number(len(value)) + value.encode()

    def entry(
        self,
        number: int,
        kind: str,
        definition: str = "",
        section: int = 3,
        dumped: bool = False,
        copied=False,
    ):
        self.data += self.number(number) + self.number(dumped) + self.text("0") + self.text("0")
        self.data += (
            self.text("a name") + self.text(kind) + self.number(section) + self.text(definition)
        )
        self.data += self.text("") + self.text(
            (copied if isinstance(copied, str) else "COPY x FROM stdin;\n") if copied else None
        )
        self.data += (
            self.text("public")
            + self.text(None)
            + self.text(None)
            + self.text("me")
            + self.text("false")
        )
        self.data += self.text(None) + bytes([1 if dumped else 3]) + bytes(8)
        return self

    def table(self, number: int = 9, copied: bool = True):
        return self.entry(number, "TABLE DATA", dumped=True, copied=copied)

    def block(self, number: int, data: bytes, kind: int = 1):
        self.data += (
            bytes([kind]) + self.number(number) + self.number(len(data)) + data + self.number(0)
        )
        return self


ROWS = b"1\tone\n\\.\n\n\n"


def test_what_is_written_here_reads_as_the_real_ones_do():
    found = read(Written().table().block(9, zlib.compress(ROWS)).data)

    assert (found.members, found.bytes, found.proof) == (3, len(ROWS), "part")


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (Written(count=0), "no entry"),
        (Written(count=-1), "no entry"),
        (Written(count=2).block(9, b"x"), "bytes after the last block"),
        (Written().table().block(8, zlib.compress(ROWS)), "does not list"),
        (Written().table().block(9, zlib.compress(ROWS), kind=3), "of another kind"),
        (Written().table().block(9, zlib.compress(ROWS)[:-4]), "not packed to its end"),
        (Written().table().block(9, zlib.compress(ROWS) + b"\0"), "bytes after the end"),
        (Written().table().block(9, zlib.compress(ROWS) * 2), "bytes after the end"),
        (Written().table().block(9, ROWS), "is damaged"),
        (Written().table().block(9, zlib.compress(ROWS[:-5])), "without its end mark"),
        (Written(packed=False).table().block(9, ROWS[:-5]), "without its end mark"),
        (Written().table(), "ends before the data of 1 of its entries"),
        (Written(count=4).table().table(), "two entries of one number"),
        (Written().entry(9, "TABLE DATA", section=2, dumped=True), "nobody writes"),
        (Written().entry(0, "TABLE", section=2), "nobody writes"),
        (
            Written().entry(9, "TABLE DATA", dumped=True, copied="\0OPY x FROM stdin;\n"),
            "nobody writes",
        ),
        (
            Written().entry(9, "TABLE DATA", dumped=True, copied="COPY x FROM stdin;\x0b"),
            "nobody writes",
        ),
        (Written().entry(9, "ENCODING", "SET client_encoding = 5;\n", section=2), "nobody writes"),
    ],
)
def test_what_is_wrong_with_an_archive_is_said(archive, says):
    with pytest.raises(BrokenError, match=says):
        read(archive.data)


def test_an_encoding_that_is_not_known_leaves_the_dump_unread():
    with pytest.raises(UnreadError, match="encoding"):
        read(Written().entry(9, "ENCODING", "SET client_encoding = 'UTF9';\n", section=2).data)


@pytest.mark.parametrize("length", [-1, -(1 << 31), 1 << 31, 0xFFFFFFFF, 1 << 30])
@pytest.mark.parametrize("place", ["text", "block", "oid", "count"])
def test_a_length_that_is_not_true_takes_no_memory(length, place):
    lies = bytes([length < 0]) + abs(length).to_bytes(4, "little")
    if place == "text":
        data = Written().data + Written.number(9) + Written.number(0) + lies
    elif place == "block":
        data = Written().table().data + b"\x01" + Written.number(9) + lies
    elif place == "oid":
        data = Written().entry(9, "BLOBS", dumped=True).data + b"\x03" + Written.number(9) + lies
    else:
        data = recorded("pg15_zlib")
        data = data[: data.index(b"\x13\0\0\0") - 1] + lies
    tracemalloc.start()
    try:
        with pytest.raises(BrokenError):
            read(data + b"x" * 100)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_takes_no_memory_and_stops_at_the_budget():
    data = Written().table().block(9, zlib.compress(bytes(50_000_000))).data
    tracemalloc.start()
    try:
        with pytest.raises(OutOfBudgetError):
            read_custom(stream_of(data, limit_bytes=20_000_000), Reading())
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_the_last_bytes_of_a_well_packed_table_are_unpacked_too():
    rows = b"a" * (3 << 20) + b"\n\\.\n\n\n"

    assert read(Written().table().block(9, zlib.compress(rows, 9)).data).bytes == len(rows)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((30, 24, 14, 27, 10, 126, 0), "2026-11-27 14:24:30"),
        ((30, 24, 14, 27, 6, 126, 1), "2026-07-27 14:24:30"),  # summer time there, none here
        ((0, 0, 0, 0, 0, 0, 0), None),
        ((30, 24, 14, 27, 10, 69, 0), None),
        ((30, 24, 14, 31, 1, 126, 0), None),
        ((30, 24, 25, 27, 10, 126, 0), None),
        ((-1, 24, 14, 27, 10, 126, 0), None),
        ((30, 24, 14, 27, 10, 1 << 30, 0), None),
    ],
)
def test_the_date_of_the_head_is_read_in_the_zone_of_this_host(parts, expected):
    begins = recorded("pg15_zlib")[:16]
    taken = taken_in_head(begins + b"".join(map(Written.number, parts)))

    said = None if taken is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(taken))
    assert said == expected


def test_the_hour_that_summer_time_repeats_is_told_apart(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    begins = recorded("pg15_zlib")[:16]
    first, second = (
        taken_in_head(begins + b"".join(map(Written.number, (0, 30, 2, 25, 9, 126, summer))))
        for summer in (1, 0)
    )

    assert second - first == 3600


@pytest.mark.parametrize(
    "head",
    [b"", b"PGDMP", b"PGDMP\x01\x0e\x00", b"\0" * 100, random.Random(1).randbytes(100)],
    ids=["empty", "magic", "version", "zeros", "noise"],
)
def test_a_head_that_says_no_date_says_none(head):
    assert taken_in_head(head) is None


def test_a_large_object_of_another_number_is_seen():
    listed = Written(count=4).entry(8, "BLOB", section=2).entry(9, "BLOBS", dumped=True).data
    listed = listed.replace(
        Written.number(1) + b"0" + Written.number(6), Written.number(1) + b"7" + Written.number(6)
    )
    content = zlib.compress(b"a note")
    for oid, whole in ((7, True), (6, False)):
        data = listed + b"\x03" + Written.number(9) + Written.number(oid)
        data += Written.number(len(content)) + content + Written.number(0) * 2
        if whole:
            assert read(data).unproved == TOC_HAS_NONE
        else:
            with pytest.raises(
                BrokenError, match="a large object that the table of contents does not list"
            ):
                read(data)


def test_the_numbers_of_large_objects_of_a_dump_of_data_alone_are_said_to_be_unproved():
    content = zlib.compress(b"a note")
    data = (
        Written().entry(9, "BLOBS", dumped=True).data
        + b"\x03"
        + Written.number(9)
        + Written.number(7)
    )

    found = read(data + Written.number(len(content)) + content + Written.number(0) * 2)

    assert found.unproved == f"the numbers of the large objects, and {TOC_HAS_NONE}"


@pytest.mark.parametrize("name", ["pg15", "pg17_lz4"])
def test_a_table_of_contents_of_a_folder_lists_its_files(name):
    data = (RECORDED / f"{name}_toc.dat").read_bytes()
    toc = read_toc(stream_of(data))

    blobs = "blobs.toc" if name == "pg15" else "blobs_3360.toc"
    assert [(entry.kind, entry.file) for entry in toc.entries.values()] == [
        ("TABLE DATA", "3356.dat"),
        ("TABLE DATA", "3358.dat"),
        ("TABLE DATA", "3357.dat"),
        ("BLOBS", blobs),
    ]
    with pytest.raises(BrokenError, match="bytes after the end"):
        read_toc(stream_of(data + b"\0"))
    with pytest.raises(BrokenError, match="ends in"):
        read_toc(stream_of(data[:-1]))
