"""Reading a window of a log from its end: rotation, compression, long lines, time formats, and what it costs."""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import os
import time
from pathlib import Path
from typing import IO

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils import logs
from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.logs import (
    LINE_LIMIT_BYTES,
    LogWindow,
    clf_time,
    parse_offset,
    syslog_time,
    time_value,
)

NOW = calendar.timegm((2026, 11, 23, 12, 0, 0))


def stamp(text: str) -> float | None:
    found = syslog_time(text, NOW, 0)
    return found[0] if found else None


def line(at: float, text: str = "x") -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(at)) + text + "\n"


def window(path: Path, seconds: float = 300, host: Host | None = None, **kwargs: int) -> LogWindow:
    return LogWindow(host or Host(), str(path), stamp, NOW - seconds, NOW, **kwargs)


def texts(seen: LogWindow) -> list[str]:
    return [text.partition(" ")[2] for _at, text in seen]


class CountingHost(Host):
    """Counts what is really read."""

    def __init__(self) -> None:
        self.taken = 0

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        outer, stream = self, super().open(path, follow_links)

        class Counted:
            def read(self, size: int = -1) -> bytes:
                data = stream.read(size)
                outer.taken += len(data)
                return data

            def __getattr__(self, name: str) -> object:
                return getattr(stream, name)

            def __enter__(self) -> Counted:
                return self

            def __exit__(self, *_args: object) -> None:
                stream.close()

        return Counted()  # type: ignore[return-value]


# --- times ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nov 23 11:59:00 web1 x", (2026, 11, 23, 11, 59, 0)),
        ("Nov  3 11:59:00 web1 x", (2026, 11, 3, 11, 59, 0)),
        ("Nov 3 11:59:00 web1 x", (2026, 11, 3, 11, 59, 0)),
        ("Dec 31 23:59:59 web1 x", (2025, 12, 31, 23, 59, 59)),
        ("Feb 29 01:02:03 web1 x", (2024, 2, 29, 1, 2, 3)),
        ("Nov 24 11:00:00 ahead by its clock", (2026, 11, 24, 11, 0, 0)),
        ("Nov 26 11:00:00 last year", (2025, 11, 26, 11, 0, 0)),
        ("2026 Nov 23 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("Nov 23 2026 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T11:59:00Z web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T12:59:00+01:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23T07:29:00-0430 web1", (2026, 11, 23, 11, 59, 0)),
        ("2026-11-23 11:59:00 web1", (2026, 11, 23, 11, 59, 0)),
        ("1795435140 web1", (2026, 11, 23, 11, 59, 0)),
    ],
)
def test_a_time_at_the_start_of_a_line_is_read(text: str, expected: tuple[int, ...]) -> None:
    found = syslog_time(text, NOW, 0)

    assert found is not None
    assert found[0] == calendar.timegm(expected)


def test_a_fraction_counts() -> None:
    found = syslog_time("2026-11-23T11:59:00.250000+00:00 web1", NOW, 0)

    assert found == (calendar.timegm((2026, 11, 23, 11, 59, 0)) + 0.25, 32)


def test_the_year_changes_at_new_year() -> None:
    just_after = calendar.timegm((2027, 1, 1, 0, 0, 30))
    just_before = calendar.timegm((2026, 12, 31, 23, 59, 58))

    old = syslog_time("Dec 31 23:59:59 web1", just_after, 0)
    new = syslog_time("Jan  1 00:00:01 web1", just_before, 0)

    assert old is not None
    assert new is not None
    assert old[0] == calendar.timegm((2026, 12, 31, 23, 59, 59))
    assert new[0] == calendar.timegm((2027, 1, 1, 0, 0, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "Foo 23 11:59:00",
        "Nov 31 11:59:00 x",
        "2026-13-01T00:00:00Z",
        "2026-11-23T25:00:00Z",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert syslog_time(text, NOW, 0) is None


def test_a_time_without_zone_is_in_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    logs._epoch.cache_clear()
    logs._yearless.cache_clear()
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter = syslog_time("Nov 23 12:59:00 web1", NOW, None)
        summer = syslog_time("Jul 23 13:59:00 web1", NOW, None)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert winter is not None
    assert summer is not None
    assert winter[0] == calendar.timegm((2026, 11, 23, 11, 59, 0))
    assert summer[0] == calendar.timegm((2026, 7, 23, 11, 59, 0))


def test_an_offset_is_taken_off() -> None:
    found = syslog_time("Nov 23 12:59:00 web1", NOW, parse_offset("+01:00"))

    assert found is not None
    assert found[0] == calendar.timegm((2026, 11, 23, 11, 59, 0))


def test_an_offset_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="no UTC offset"):
        parse_offset("Berlin")


def test_a_common_log_time_is_read() -> None:
    assert clf_time("10/Oct/2000:13:55:36 -0700") == calendar.timegm((2000, 10, 10, 20, 55, 36))
    assert clf_time("10/Foo/2000:13:55:36 -0700") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795435140, 1795435140.0),
        (1795435140.5, 1795435140.5),
        (1795435140500, 1795435140.5),
        (1795435140500000, 1795435140.5),
        (1795435140500000000, 1795435140.5),
        ("1795435140.5", 1795435140.5),
        ("2026-11-23T11:59:00.5Z", 1795435140.5),
        ("23/Nov/2026:11:59:00 +0000", 1795435140.0),
        (True, None),
        (None, None),
        ([], None),
        ("soon", None),
        (float("nan"), None),
        (-5, None),
        (10**400, None),
    ],
)
def test_a_json_time_is_read(value: object, expected: float | None) -> None:
    assert time_value(value, NOW, 0) == expected


# --- windows ---


def test_only_the_windows_lines_are_given(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(line(NOW - 301, "before") + line(NOW - 300, "first") + line(NOW, "last"))

    assert texts(window(log)) == ["first", "last"]


def test_a_line_without_time_belongs_to_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        line(NOW - 999, "old") + "of the old\n" + line(NOW - 9, "new") + "of the new\n" + line(NOW)
    )

    assert [text for _at, text in window(log)][1] == "of the new"
    assert len(texts(window(log))) == 3


def test_a_log_without_any_times_is_given_as_such(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\ntwo\n")

    seen = window(log)

    assert list(seen) == [(None, "one"), (None, "two")]
    assert seen.newest_at is None


def test_lines_a_little_out_of_order_are_found(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    ticks = [NOW - 40_000 + tick for tick in range(40_000)]
    ticks[-310], ticks[-280] = ticks[-280], ticks[-310]
    log.write_text("".join(line(at, str(at)) for at in ticks))

    seen = texts(window(log))

    assert len(seen) == 300
    assert {int(text) for text in seen} == set(range(NOW - 300, NOW))


def test_what_is_read_goes_with_the_window_and_not_with_the_file(tmp_path: Path) -> None:
    def taken(lines: int) -> int:
        log = tmp_path / f"{lines}.log"
        log.write_text("".join(line(NOW - lines + n, "y" * 80) for n in range(lines)))
        host = CountingHost()
        seen = window(log, host=host)
        assert len(list(seen)) == 300
        assert host.taken == seen.read_bytes
        return host.taken

    small, large = taken(3_000), taken(96_000)

    assert large < 300_000
    assert large < small + 6 * logs.PROBE_BYTES


def test_a_sparse_file_of_terabytes_costs_as_little(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("wb") as stream:
        stream.write(line(NOW - 9_999_999).encode() * 1000)
        stream.seek(2_000_000_000)
        stream.write(b"\n")
        for n in range(20_000):
            stream.write(line(NOW - 20_000 + n).encode())
    seen = window(log)

    assert len(list(seen)) == 300
    assert not seen.truncated
    assert seen.read_bytes < 200_000


def test_a_hole_left_by_truncation_in_place_does_not_hide_the_first_line(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"\0" * 1_000_000 + line(NOW - 5, "first").encode())

    assert texts(window(log)) == ["first"]


def test_a_half_written_last_line_is_left_for_the_next_time(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        line(NOW - 5, "whole") + line(NOW, "Failed password for root from 192.0.2.")[:-1]
    )
    seen = window(log)

    assert texts(seen) == ["whole"]
    assert seen.half_line


def test_a_line_of_200_megabytes_is_cut_in_bounded_memory(tmp_path: Path) -> None:
    import tracemalloc

    log = tmp_path / "x.log"
    with log.open("wb") as stream:
        stream.write(line(NOW - 20, "first").encode() + line(NOW - 10, "")[:-1].encode())
        for _ in range(200):
            stream.write(b"z" * 1_000_000)
        stream.write(b"\n" + line(NOW, "last").encode())
    seen = window(log, limit_bytes=300_000_000)
    tracemalloc.start()
    try:
        lengths = [len(text) for _at, text in seen]
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert lengths == [26, LINE_LIMIT_BYTES, 25]
    assert seen.cut_lines == 1
    assert peak < 8_000_000


def test_more_than_the_limit_is_truncated_and_the_newest_part_read(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(line(NOW - 299 + n // 100, str(n)) for n in range(29_900)))
    seen = window(log, limit_bytes=100_000)

    numbers = [int(text) for text in texts(seen)]

    assert seen.truncated
    assert numbers[-1] == 29_899
    assert numbers == list(range(numbers[0], 29_900))
    assert 3_000 < len(numbers) < 4_000


def test_bytes_that_are_no_text_come_back(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(line(NOW)[:-1].encode() + b"\xff\0\x1b[31m\r\n")

    ((_at, text),) = window(log)

    assert text.encode("utf-8", "surrogateescape").endswith(b"\xff\0\x1b[31m")


def test_a_forged_old_time_hides_nothing(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    lines = []
    for n in range(5_000):
        lines.append(line(NOW - 250, str(n)))
        lines.append("2001-01-01T00:00:00Z forged\n")
    log.write_text("".join(lines))

    assert len([text for text in texts(window(log)) if text.isdigit()]) == 5_000


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no such file"):
        window(tmp_path / "x.log")


# --- rotation ---

PACKERS = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}


def put(path: Path, data: bytes, changed_at: float) -> None:
    path.write_bytes(data)
    os.utime(path, (changed_at, changed_at))


@pytest.mark.parametrize(
    "name",
    [
        *("x.log.1", "x.log.1.gz", "x.log-20261123.gz", "x.log-20261123", "x.log.1.xz"),
        *("x.log.1.bz2", "x-20261123.log.gz", "x.1.log", "x.log-2026112311.gz"),
    ],
)
def test_the_window_goes_on_in_the_predecessor(tmp_path: Path, name: str) -> None:
    old = (line(NOW - 900, "old") + line(NOW - 200, "rotated")).encode()
    pack = PACKERS.get(Path(name).suffix, lambda data: data)
    put(tmp_path / name, pack(old), NOW - 200)
    put(tmp_path / "x.log", line(NOW - 100, "new").encode(), NOW)

    assert texts(window(tmp_path / "x.log")) == ["rotated", "new"]


def test_predecessors_are_read_only_as_far_as_the_window_reaches(tmp_path: Path) -> None:
    put(tmp_path / "x.log", line(NOW - 10, "d").encode(), NOW)
    put(tmp_path / "x.log.1", line(NOW - 100, "c").encode(), NOW - 100)
    put(
        tmp_path / "x.log.2.gz",
        gzip.compress((line(NOW - 999) + line(NOW - 200, "b")).encode()),
        NOW - 200,
    )
    put(tmp_path / "x.log.3.gz", gzip.compress(line(NOW - 1000, "a").encode()), NOW - 1000)
    (tmp_path / "x.log.bak").write_text(line(NOW - 5, "no predecessor"))
    (tmp_path / "y.log.1").write_text(line(NOW - 5, "another log"))
    seen = window(tmp_path / "x.log")

    assert texts(seen) == ["b", "c", "d"]
    assert seen.files == 3


def test_a_live_log_that_reaches_back_needs_no_predecessor(tmp_path: Path) -> None:
    put(tmp_path / "x.log", (line(NOW - 999, "old") + line(NOW, "new")).encode(), NOW)
    put(tmp_path / "x.log.1", line(NOW - 100, "not read").encode(), NOW - 100)

    assert texts(window(tmp_path / "x.log")) == ["new"]


def test_a_log_being_compressed_is_read_once(tmp_path: Path) -> None:
    old = line(NOW - 100, "once").encode()
    put(tmp_path / "x.log.1", old, NOW - 100)
    put(tmp_path / "x.log.1.gz", gzip.compress(old)[:20], NOW)
    put(tmp_path / "x.log", b"", NOW)

    assert texts(window(tmp_path / "x.log")) == ["once"]


def test_a_log_rotated_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    put(tmp_path / "x.log", line(NOW - 100, "once").encode(), NOW)
    os.link(tmp_path / "x.log", tmp_path / "x.log.1")

    assert texts(window(tmp_path / "x.log")) == ["once"]


@pytest.mark.parametrize("suffix", sorted(PACKERS))
def test_a_damaged_archive_is_said(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "x.log", line(NOW - 10, "new").encode(), NOW)
    whole = PACKERS[suffix](
        "".join(line(NOW - 200, os.urandom(30).hex()) for _ in range(5000)).encode()
    )
    put(tmp_path / f"x.log.1{suffix}", whole[: len(whole) // 2], NOW - 200)
    seen = window(tmp_path / "x.log")

    assert texts(seen)[-1] == "new"
    assert seen.truncated


def test_an_archive_that_unpacks_to_gigabytes_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "UNPACK_LIMIT_BYTES", 3_000_000)
    put(tmp_path / "x.log", line(NOW - 10, "new").encode(), NOW)
    put(tmp_path / "x.log.1.gz", gzip.compress(b"\0" * 50_000_000), NOW - 20)
    seen = window(tmp_path / "x.log")

    assert texts(seen)[-1] == "new"
    assert seen.truncated


def test_a_large_archive_is_passed_over_up_to_the_window(tmp_path: Path) -> None:
    lines = "".join(line(NOW - 40_100 + n, "w" * 40) for n in range(40_000)).encode()
    put(tmp_path / "x.log.1.gz", gzip.compress(lines), NOW - 100)
    put(tmp_path / "x.log", line(NOW, "n").encode(), NOW)

    assert len(texts(window(tmp_path / "x.log"))) == 201
