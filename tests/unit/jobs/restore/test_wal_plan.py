"""Which files of a folder of WAL continue a base backup, and whether a segment was read to its end."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal_pages import (
    SegmentHead,
    goes_on,
    head_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal_plan import (
    Switches,
    WalFiles,
    followed,
    left_early,
    parse_history,
    planned,
    position_words,
    sorted_files,
    without_history,
)

SIZE = 16 << 20
FIRST = "0000000100000000000000FE"


def wal(*numbers: int, timeline: int = 1) -> list[str]:
    return [f"{timeline:08X}{number // 256:08X}{number % 256:08X}" for number in numbers]


def at(segment: float) -> int:
    return int(segment * SIZE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (FIRST, "whole"),
        (f"{FIRST}.gz", "whole"),
        (f"{FIRST}.zst", "whole"),
        (f"{FIRST}.partial", "partial"),
        (f"{FIRST}.gz.partial", "partial"),
        (f"{FIRST}.partial.gz", "partial"),
        ("00000002.history", "histories"),
        ("00000002.history.xz", "histories"),
        (f"{FIRST}.gpg", "others"),
        (f"{FIRST}.zst.age", "others"),
        (f"{FIRST}.tmp", ""),
        (f"{FIRST}.part", ""),
        (f"{FIRST}~", ""),
        (f"{FIRST}.00000028.backup", ""),
        (f"{FIRST}.00000028.backup.gz", ""),
        (f"{FIRST}0", ""),
        (FIRST.lower(), ""),
        (f".{FIRST}", ""),
        ("archive_status", ""),
    ],
)
def test_a_file_is_what_its_name_says(name: str, kind: str) -> None:
    found = sorted_files([name])

    named = {each: list(getattr(found, each).values()) for each in vars(WalFiles())}
    assert named == {each: [name] if each == kind else [] for each in named}


@pytest.mark.parametrize(
    ("text", "switches"),
    [
        ("1\t0/3000150\tno recovery target specified\n", [(1, 0x3000150)]),
        ("# why\n\n1\t0/A\n2\tF/FF\treached\n", [(1, 0xA), (2, (15 << 32) + 0xFF)]),
    ],
)
def test_a_history_says_where_each_timeline_was_left(text: str, switches: Switches) -> None:
    assert parse_history(text) == switches
    assert position_words(switches[-1][1]) in text


@pytest.mark.parametrize("text", ["", "\n", "1\t", "1 0-3", "one\t0/3\n", "1\t0/3\nx\n", "\0\0"])
def test_a_history_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"timeline|understood"):
        parse_history(text)


@pytest.mark.parametrize(
    ("histories", "timelines"),
    [
        ({}, [(1, 0)]),
        ({2: [(1, at(255.5))]}, [(1, 0), (2, at(255.5))]),
        (
            {2: [(1, at(255.5))], 3: [(1, at(255.5)), (2, at(257))]},
            [(1, 0), (2, at(255.5)), (3, at(257))],
        ),
        ({3: [(1, at(255.5)), (2, at(257))]}, [(1, 0), (2, at(255.5)), (3, at(257))]),
        ({2: [(1, at(255.5))], 3: [(1, at(256))]}, [(1, 0), (3, at(256))]),
        ({2: [(1, at(100))]}, [(1, 0)]),
        ({3: [(2, at(300))]}, [(1, 0)]),
    ],
    ids=["none", "one", "two", "the first is lost", "the newest branch", "left before", "no child"],
)
def test_the_newest_timeline_that_comes_from_the_backup_is_followed(
    histories: dict[int, Switches], timelines: Switches
) -> None:
    assert followed(FIRST, SIZE, histories) == timelines


ONE = [(1, 0)]
TWO = [(1, 0), (2, at(256.5))]


@pytest.mark.parametrize(
    ("names", "own", "timelines", "last", "whole", "missing"),
    [
        (wal(254, 255, 256), [], ONE, wal(256), 256, []),
        (wal(200, 253), [], ONE, [""], None, []),
        (wal(254, 256, 258), [], ONE, wal(254), 254, wal(255, 257)),
        (wal(255, 256), [], ONE, [""], None, wal(254)),
        (wal(255, 256), wal(254), ONE, wal(256), 256, []),
        (wal(254, 256), wal(254, 255), ONE, wal(256), 256, []),
        ([], wal(254, 255), ONE, wal(255), None, []),
        ([*wal(254), f"{wal(255)[0]}.partial"], [], ONE, wal(255), 254, []),
        ([*wal(254, 256), f"{wal(255)[0]}.partial"], [], ONE, wal(254), 254, wal(255)),
        ([*wal(254), f"{wal(254)[0]}.partial"], [], ONE, wal(254), 254, []),
        (wal(254, 255, 256) + wal(256, 257, timeline=2), [], TWO, wal(257, timeline=2), 257, []),
        (wal(254, 255, 256, 257), [], TWO, wal(256), 255, []),
        (wal(254, 255, 256) + wal(257, timeline=2), [], TWO, wal(255), 255, wal(256, timeline=2)),
        (
            [*wal(254, 255), f"{wal(256)[0]}.partial", *wal(256, timeline=2)],
            [],
            TWO,
            wal(256, timeline=2),
            256,
            [],
        ),
        ([*wal(254, 255), f"{wal(256)[0]}.partial"], [], TWO, wal(256), 255, []),
        (
            [*wal(254, 255, 256), f"{wal(256, timeline=2)[0]}.partial"],
            [],
            TWO,
            wal(256, timeline=2),
            255,
            [],
        ),
    ],
    ids=[
        "whole", "only older", "gaps", "no first", "the first in the backup", "a gap that the backup fills",
        "nothing but the backup", "being written", "being written, and later ones", "written meanwhile",
        "another timeline", "another timeline without WAL", "a gap where a timeline begins",
        "the old timeline's last in part", "the same, and nothing of the new one", "the new one being written",
    ],
)  # fmt: skip
def test_files_continue_a_backup_up_to_the_first_gap(
    names: list[str],
    own: list[str],
    timelines: Switches,
    last: list[str],
    whole: int | None,
    missing: list[str],
) -> None:
    plan = planned(FIRST, SIZE, sorted_files(names), own, timelines)

    assert ([plan.last], plan.whole, plan.missing) == (last, whole, missing)
    assert plan.timeline == timelines[-1][0]


def test_a_segment_that_is_cut_is_missing() -> None:
    files = sorted_files(wal(254, 255, 256))
    files.cut[wal(255)[0]] = files.whole.pop(wal(255)[0])

    plan = planned(FIRST, SIZE, files, [], ONE)

    assert (plan.expected, plan.missing, list(plan.chosen)) == (wal(255)[0], wal(255), wal(254))


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (wal(254, 255), []),
        (wal(254) + wal(255, timeline=2), [2]),
        ([*wal(254), *wal(255, timeline=2), "00000002.history"], []),
        (wal(254) + wal(200, timeline=2), []),
        (wal(254, timeline=1) + wal(255, timeline=3), [3]),
    ],
)
def test_a_timeline_with_wal_and_without_a_history_is_lost(
    names: list[str], lost: list[int]
) -> None:
    assert without_history(FIRST, SIZE, sorted_files(names), ONE) == lost


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (wal(254, 255), ""),
        (wal(254, 255, 256), "later one of timeline 1 is there"),
        ([*wal(254, 255, 256), f"{wal(255, timeline=2)[0]}.partial"], ""),
        ([*wal(254, 255, 256), *wal(255, timeline=2)], ""),
        ([f"{one}.gz" for one in wal(254, 255, 256)], "WAL of timeline 2 is missing"),
        ([*wal(254), f"{wal(256)[0]}.partial"], "ends timeline 1 at 0/FF800000"),
    ],
)
def test_a_history_alone_ends_a_timeline_that_goes_on(names: list[str], said: str) -> None:
    found = left_early(SIZE, sorted_files(names), [], [(1, 0), (2, at(255.5))])

    assert (said in found) if said else found == ""


def test_one_timeline_ends_nowhere_early() -> None:
    assert left_early(SIZE, sorted_files(wal(254, 255)), [], [(1, 0)]) == ""


PAGE, PAGES = 512, 4
MAGIC, SYSTEM, PLACE = 0xD110, 7, 3 * SIZE


def segment(*records: tuple[int, int], flags: dict[int, tuple[int, int]] | None = None) -> bytes:
    """Return a small segment. records: position and length. flags: of pages, and what is left of a record there."""
    data = bytearray(PAGE * PAGES)
    for page in range(PAGES):
        info, left = (flags or {}).get(page, (0, 0))
        info |= 0 if page else 2
        struct.pack_into("=HHIQI", data, page * PAGE, MAGIC, info, 1, PLACE + page * PAGE, left)
    struct.pack_into("=QII", data, 24, SYSTEM, len(data), PAGE)
    for place, length in records:
        struct.pack_into("=I", data, place, length)
    return bytes(data)


def test_the_head_of_a_segment_says_whose_it_is() -> None:
    assert head_of(segment()) == SegmentHead(MAGIC, PLACE, SYSTEM, PAGE)


@pytest.mark.parametrize("data", [b"", bytes(64), b"\x1f\x8b" + bytes(60), segment()[:39]])
def test_what_has_no_head_is_no_segment(data: bytes) -> None:
    assert head_of(data) is None
    assert goes_on(data, 0) is False


LAST = PAGE * PAGES - 32


@pytest.mark.parametrize(
    ("data", "place", "expected"),
    [
        (segment((LAST, 100)), LAST, True),
        (segment((LAST, 33)), LAST, True),
        (segment((LAST, 32)), LAST, False),
        (segment((LAST, 0)), LAST, False),
        (segment((LAST, 23)), LAST, False),
        (segment((LAST - PAGE, 600), flags={3: (1, 568)}), LAST - PAGE, True),
        (segment((LAST - PAGE, 600), flags={3: (1, 567)}), LAST - PAGE, False),
        (segment((LAST - PAGE, 600), flags={3: (0, 568)}), LAST - PAGE, False),
        (segment((LAST - PAGE, 60), flags={3: (1, 28)}), LAST - PAGE, False),
        (segment((LAST - PAGE, 1 << 20)), LAST - PAGE, False),
        (segment((40, 9999), flags={1: (1, 9527), 2: (1, 9039), 3: (1, 8551)}), 0, True),
        (segment((3 * PAGE + 24, 9999)), 3 * PAGE, True),
        (segment(), PAGE * PAGES, False),
        (segment(), PAGE * PAGES - 2, False),
    ],
    ids=[
        "on the last page", "by one byte", "just not", "nothing", "too short for one", "over two pages",
        "with another rest", "without the flag", "that would end here", "a length that is damaged",
        "from the first page", "from a page's beginning", "at the end", "too near the end",
    ],
)  # fmt: skip
def test_a_record_that_goes_on_behind_a_segment_is_told_from_damage(
    data: bytes, place: int, expected: bool
) -> None:
    assert goes_on(data, place) is expected
