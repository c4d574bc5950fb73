"""What is read of /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.host_resources import (
    gather,
    parse_meminfo,
    parse_pressure,
    parse_processors,
)

RECORDED = Path(__file__).parents[1] / "recorded/host_resources"
FILES = {
    "/proc/meminfo": (RECORDED / "meminfo.txt").read_text(),
    "/proc/loadavg": "0.41 0.35 0.30 1/94 7189\n",
    "/sys/devices/system/cpu/online": "0-1\n",
    "/proc/sys/fs/file-nr": "592\t8\t2466170\n",
    "/proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.12 total=29731894\n",
}


def test_a_host_without_swap_gives_three_observations() -> None:
    memory, load, handles = gather({}, RecordedHost(FILES))

    assert (memory.subject, load.subject, handles.subject) == ("memory", "load", "file handles")
    assert memory.data["total_bytes"] == 24684084 * 1024
    assert memory.data["limited"] is False
    assert load.data["load_15"] == 0.30
    assert load.data["processors"] == 2
    assert load.data["pressure"]["cpu"] == {
        "some_avg10": 0.0,
        "some_avg60": 0.0,
        "some_avg300": 0.12,
    }
    assert handles.data == {"open": 584, "limit": 2466170}


@pytest.mark.parametrize(
    "names",
    [
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
        ("memory.max", "memory.current", "memory.stat"),
    ],
)
def test_a_container_is_held_to_its_limit(names: tuple[str, ...]) -> None:
    recorded = [
        (RECORDED / f"memory.{name}.txt").read_text()
        for name in ("limit_in_bytes", "usage_in_bytes", "stat")
    ]
    files = {f"/sys/fs/cgroup/{name}": text for name, text in zip(names, recorded, strict=True)}
    memory = gather({}, RecordedHost({**FILES, **files}))[0]

    assert memory.data["limited"] is True
    assert memory.data["total_bytes"] == int(recorded[0])
    assert 0 <= memory.data["available_bytes"] < 2_000_000


def test_one_odd_file_costs_its_own_observation() -> None:
    files = {**FILES, "/proc/loadavg": "?\n"}
    memory, load, handles = gather({}, RecordedHost(files))

    assert (memory.error, handles.error) == ("", "")
    assert load.error == "/proc/loadavg: three numbers expected in '?\\n'"


def test_a_line_without_a_size_is_named() -> None:
    with pytest.raises(ValueError, match=r"/proc/meminfo: no size in line 'MemTotal: kB'"):
        parse_meminfo("MemTotal: kB\n")


@pytest.mark.parametrize(("text", "count"), [("0\n", 1), ("0-3,8\n", 5), ("0-3,8-9", 6)])
def test_processors_are_counted(text: str, count: int) -> None:
    assert parse_processors(text) == count


def test_pressure_keeps_shares_only() -> None:
    assert parse_pressure("some avg10=1.50 total=9\nfull avg10=0.25 total=1\n") == {
        "some_avg10": 1.5,
        "full_avg10": 0.25,
    }
