"""Reading a window of a log from its end: rotation, compression, long lines, and what it costs."""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.log import window as logs
from ansible_collections.astral.upkeep.plugins.module_utils.log.times import syslog_time
from ansible_collections.astral.upkeep.plugins.module_utils.log.window import (
    LINE_LIMIT_BYTES,
    TEXT_END_BYTES,
    Bounds,
    LogWindow,
)

NOW = calendar.timegm((2026, 11, 23, 12, 0, 0))


def stamp(text: str) -> float | None:
    found = syslog_time(text, NOW, 0)
    return found[0] if found else None


def line(at: float, text: str = "x") -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(at)) + text + "\n"


def window(path: Path, seconds: float = 300, host: Host | None = None, **kwargs: int) -> LogWindow:
    return LogWindow(host or Host(), str(path), stamp, NOW - seconds, NOW, Bounds(**kwargs))


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


HOLE = b"\0" * 3_000_000


@pytest.mark.parametrize(
    "holed",
    [
        pytest.param(lambda a, b: HOLE + a + b, id="at the start"),
        pytest.param(lambda a, b: a + HOLE + b, id="between"),
        pytest.param(lambda a, b: a[:-1] + HOLE + b"\n" + b, id="at a line's end"),
        pytest.param(lambda a, b: a[:-1] + HOLE + b, id="instead of a line's end"),
        pytest.param(lambda a, b: a + b + HOLE, id="at the end"),
        pytest.param(lambda a, b: a + b[:-1] + b"\0\n", id="one"),
    ],
)
def test_a_hole_left_by_a_crash_hides_no_line(
    tmp_path: Path, holed: Callable[[bytes, bytes], bytes]
) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(holed(line(NOW - 20, "first").encode(), line(NOW - 10, "last").encode()))

    assert texts(window(log)) == ["first", "last"]


@pytest.mark.parametrize(
    ("dated", "given", "ahead"),
    [
        pytest.param([-10, 119], [-10, 119], 0, id="within the slack"),
        pytest.param([-10, 900, -5], [-10, 900, -5], 1, id="another host's clock"),
        pytest.param([-900, 900, -10, 901], [-10, 901], 2, id="a clock that was set back"),
        pytest.param([3600, 3660, 7200], [3600, 3660, 7200], 3, id="another zone"),
        pytest.param([-900, -100, 3600, 7200], [-100, 3600, 7200], 2, id="another zone, for hours"),
    ],
)
def test_a_line_that_is_dated_ahead_is_as_old_as_the_one_before(
    tmp_path: Path, dated: list[int], given: list[int], ahead: int
) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(line(NOW + at, str(at)) for at in dated))
    seen = window(log)

    assert texts(seen) == [str(at) for at in given]
    assert seen.ahead_lines == ahead


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

    assert lengths == [26, 2 * TEXT_END_BYTES, 25]
    assert seen.cut_lines == 1
    assert peak < 8_000_000


LONG = {
    "letters": "a" * 90_000,
    "escaped quotes": '\\"' * 45_000,
    "escaped backslashes": "\\\\" * 45_000,
    "an escaped backslash last": "a" * 90_000 + "\\\\",
    "both, in turns": '\\\\\\"' * 22_500,
    "escaped bytes": "\\xff" * 22_500,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_stands_between_two_long_texts_is_given(tmp_path: Path, text: str) -> None:
    log = tmp_path / "x.log"
    said = f'{{"a":"{text}","status":500,"b":"{text}","took":8.1,"c":"{text}"}}'
    log.write_text(line(NOW - 20, said) + line(NOW - 10, "next"))
    seen = window(log)

    (first, after) = texts(seen)

    assert '","status":500,"b":"' in first
    assert '","took":8.1,"c":"' in first
    assert len(first) <= LINE_LIMIT_BYTES
    assert (after, seen.cut_lines) == ("next", 1)


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

PACKERS = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def put(path: Path, data: bytes, changed_at: float) -> None:
    path.write_bytes(data)
    os.utime(path, (changed_at, changed_at))


@pytest.mark.parametrize(
    "name",
    [
        *("x.log.1", "x.log.1.gz", "x.log-20261123.gz", "x.log-20261123", "x.log.1.xz"),
        *("x.log.1.bz2", "x-20261123.log.gz", "x.1.log", "x.log-2026112311.gz"),
        *("x.log.0", "x.log.old", "x.log.1.lzma", "x.log-1795435200", "x.log.2026.11.23"),
        *("x-2026-11-23T11-45-30.123.log", "x-2026-11-23T11-45-30.123.log.gz"),
        *("x-2026-11-23T11-45-30.123-size.log.gz", "x.log.2026-11-23T11-45-30", "x.log_20261123"),
        *("x.log.2026-11-23_11-45-30", "x.log.2026-11-23T11:45", "x__2026-11-23_11-45-30.log"),
    ],
)
def test_the_window_goes_on_in_the_predecessor(tmp_path: Path, name: str) -> None:
    old = (line(NOW - 900, "old") + line(NOW - 200, "rotated")).encode()
    pack = PACKERS.get(Path(name).suffix, lambda data: data)
    put(tmp_path / name, pack(old), NOW - 200)
    put(tmp_path / "x.log", line(NOW - 100, "new").encode(), NOW)

    assert texts(window(tmp_path / "x.log")) == ["rotated", "new"]


@pytest.mark.parametrize(
    "name", ["x.log.bak", "x.log-8080", "x-8080.log", "x-admin.log", "x.log.1.log", "x.log~"]
)
def test_another_log_is_no_predecessor(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, line(NOW - 200, "another").encode(), NOW - 200)
    put(tmp_path / "x.log", line(NOW - 100, "new").encode(), NOW)

    assert texts(window(tmp_path / "x.log")) == ["new"]


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "damaged"])
def test_an_archive_is_unpacked_by_its_own_program(tmp_path: Path, is_whole: bool) -> None:
    old = "".join(line(NOW - 900 + n, os.urandom(30).hex()) for n in range(800)).encode()
    packed = subprocess.run(["zstd", "-qc"], input=old, stdout=-1, check=True).stdout
    put(tmp_path / "x.log.1.zst", packed if is_whole else packed[: len(packed) // 2], NOW - 100)
    put(tmp_path / "x.log", line(NOW - 10, "new").encode(), NOW)
    seen = window(tmp_path / "x.log")

    assert texts(seen)[-1] == "new"
    assert seen.truncated is not is_whole
    if is_whole:
        assert len(texts(window(tmp_path / "x.log"))) == 201


@pytest.mark.parametrize("suffix", sorted(logs.UNPACKERS))
def test_an_archive_that_nobody_can_unpack_is_said(tmp_path: Path, suffix: str) -> None:
    class Without(Host):
        def which(self, program: str) -> str | None:
            return None

    put(tmp_path / f"x.log.1{suffix}", b"junk", NOW - 100)
    put(tmp_path / "x.log", line(NOW - 10, "new").encode(), NOW)
    seen = window(tmp_path / "x.log", host=Without())

    assert texts(seen) == ["new"]
    assert seen.truncated


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


@pytest.mark.parametrize(("archives", "is_cut"), [(2, False), (3, True)])
@pytest.mark.parametrize("more", ["of the window", "older than the window"])
def test_archives_beyond_the_limit_are_not_passed_over(
    archives: int, is_cut: bool, more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "ROTATED_LIMIT", 2)
    put(tmp_path / "x.log", line(NOW - 1, "new").encode(), NOW)
    for number in range(1, archives + 1):
        old = more == "older than the window" and number == archives
        age = 100_000 if old else 10 * number
        put(tmp_path / f"x.log.{number}", line(NOW - age, "old").encode(), NOW - age)

    seen = window(tmp_path / "x.log")

    assert len(texts(seen)) == 3 - (more == "older than the window" and archives == 2)
    assert seen.truncated is seen.over_limit is (is_cut and more == "of the window")


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
