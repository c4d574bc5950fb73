"""What is read of /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.host_resources import (
    gather,
    parse_meminfo,
    parse_pressure,
    parse_processors,
)

RECORDED = Path(__file__).parents[2] / "recorded/hosts/host_resources"
FILES = {
    "/proc/meminfo": (RECORDED / "meminfo.txt").read_text(),
    "/proc/loadavg": "0.41 0.35 0.30 1/94 7189\n",
    "/sys/devices/system/cpu/online": "0-1\n",
    "/proc/sys/fs/file-nr": "592\t8\t2466170\n",
    "/proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.12 total=29731894\n",
}
MIB, GIB = 1024**2, 1024**3


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


SPL = "13 1 0x01 147 39984 5164034231 71463921\nname                            type data\n"


def arc(size: int, least: int) -> str:
    return (
        f"{SPL}hits 4 1\nc 4 {size}\nc_min 4 {least}\nc_max 4 9000\nsize 4 {size}\nhdr_size 4 5\n"
    )


@pytest.mark.parametrize(
    ("statistics", "given_back"),
    [
        (None, 0),
        (arc(4 * GIB, GIB), 3 * GIB),
        (arc(GIB, GIB), 0),
        (arc(GIB, 2 * GIB), 0),
        (SPL, 0),
        ("size 4 many\nc_min 4 1\n", 0),
    ],
    ids=["no ZFS", "shrinks", "at its least", "below its least", "no sizes", "no numbers"],
)
def test_the_cache_of_zfs_is_available(statistics: str | None, given_back: int) -> None:
    files = {"/proc/meminfo": f"MemTotal: {8 * MIB} kB\nMemAvailable: {MIB} kB\n"}
    if statistics is not None:
        files["/proc/spl/kstat/zfs/arcstats"] = statistics
    memory = gather({}, RecordedHost({**FILES, **files}))[0]

    assert memory.data["available_bytes"] == GIB + given_back
    assert memory.data["zfs_cache_bytes"] == given_back


def test_the_hosts_cache_is_not_a_containers() -> None:
    """LXC shows a container its own memory, by a mount over /proc/meminfo, and the host's ZFS."""
    files = {
        "/proc/meminfo": f"MemTotal: {8 * MIB} kB\nMemAvailable: {MIB} kB\n",
        "/proc/spl/kstat/zfs/arcstats": arc(4 * GIB, GIB),
        "/proc/self/mountinfo": "9 1 0:56 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n",
    }
    memory = gather({}, RecordedHost({**FILES, **files}))[0]

    assert (memory.data["available_bytes"], memory.data["zfs_cache_bytes"]) == (GIB, 0)


def test_no_more_is_available_than_there_is() -> None:
    files = {
        "/proc/meminfo": f"MemTotal: {2 * MIB} kB\nMemAvailable: {MIB} kB\n",
        "/proc/spl/kstat/zfs/arcstats": arc(9 * GIB, 0),
    }
    memory = gather({}, RecordedHost({**FILES, **files}))[0]

    assert memory.data["available_bytes"] == 2 * GIB


HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
ZRAM = "/dev/zram0                              partition\t1048576\t\t1048576\t\t100\n"
DISK = "/dev/dm-1                               partition\t2097152\t\t524288\t\t-2\n"
FILE = "/swap\\040file                           file\t\t1048576\t\t0\t\t-3\n"


@pytest.mark.parametrize(
    ("listed", "total", "free", "expected"),
    [
        (HEAD + ZRAM, 1, 0, None),
        (HEAD + ZRAM + ZRAM.replace("zram0", "zram1"), 2, 0, None),
        (HEAD + DISK, 2, 1.5, (2, 1.5)),
        (HEAD + ZRAM + DISK, 3, 1.5, (2, 1.5)),
        (HEAD + ZRAM + DISK + FILE, 4, 2.5, (3, 2.5)),
        (None, 2, 1.5, (2, 1.5)),
        ("", 2, 1.5, (2, 1.5)),
    ],
    ids=["zram", "two of it", "a disk", "both", "a file too", "no list", "an empty list"],
)
def test_zram_is_no_swap_on_a_disk(
    listed: str | None, total: float, free: float, expected: tuple[float, float] | None
) -> None:
    files = {
        "/proc/meminfo": f"MemTotal: {MIB} kB\nMemAvailable: {MIB} kB\n"
        f"SwapTotal: {int(total * MIB)} kB\nSwapFree: {int(free * MIB)} kB\n"
    }
    if listed is not None:
        files["/proc/swaps"] = listed
    swap = [one for one in gather({}, RecordedHost({**FILES, **files})) if one.subject == "swap"]

    found = [(one.data["total_bytes"] / GIB, one.data["free_bytes"] / GIB) for one in swap]
    assert found == ([expected] if expected else [])
