# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory, swap, load and file handles, from /proc alone: milliseconds, no program, no privilege.

Two things are counted here that the kernel's own figures leave out or mix in: the cache of ZFS, which it gives back
under pressure and which MemAvailable does not know; and swap in compressed memory (zram), which is no disk.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    Whole,
    not_seen,
)

ARGUMENTS: dict[str, dict[str, Any]] = {}
FILE_LIMIT_BYTES = 64_000
MOUNTINFO_BYTES = 16_000_000
# A container's own limit, where its control group is mounted as the root: (limit, use, statistics), version 2 and 1.
CONTROL_GROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
SWAP = "swap"
"""The set of what is swapped out to: a host has it or not."""
ZFS_CACHE = "/proc/spl/kstat/zfs/arcstats"


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return an observation of memory, load, file handles, and of swap if the host has any."""
    seen = _memory(host)
    for subject, observe in (("load", _load), ("file handles", _file_handles)):
        try:
            seen.append(observe(host))
        except (HostError, ValueError) as exc:
            seen.append(not_seen(subject, exc))
    unread = any(one.subject == "memory" and one.error for one in seen)
    return seen if unread else Whole(seen, [SWAP])


def _memory(host: Host) -> list[Observation]:
    """Observe memory, in a container within its limit, and swap."""
    raw = ""
    try:
        raw = host.read("/proc/meminfo", FILE_LIMIT_BYTES)
        sizes = parse_meminfo(raw)
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
    except (HostError, ValueError) as exc:
        return [not_seen("memory", exc, raw)]
    except KeyError as exc:
        return [Observation("memory", raw=raw, error=f"/proc/meminfo: no {exc.args[0]}")]
    cache = _zfs_cache(host)
    available = min(total, available + cache)
    limit, used = _limit(host, total)
    if limit is not None:
        total, available = limit, max(0, min(available, limit - used))
    stalls = _pressure(host, "memory")
    seen = [
        Observation(
            "memory",
            {
                "total_bytes": total,
                "available_bytes": available,
                "limited": limit is not None,
                "zfs_cache_bytes": cache,
                "pressure": stalls,
            },
            raw=raw,
        )
    ]
    if sizes.get("SwapTotal", 0) > 0:
        seen += _swap(host, sizes, stalls, raw)
    return seen


def _zfs_cache(host: Host) -> int:
    """Return what ZFS's cache can shrink by, as htop counts it: its size over its least one. 0 without ZFS.

    Where something is mounted over /proc/meminfo (LXC does, Proxmox's containers too), memory is the container's, and
    the cache the host's all the same.
    """
    try:
        mounts = host.read_head("/proc/self/mountinfo", MOUNTINFO_BYTES)
    except HostError:
        mounts = b""
    if b" /proc/meminfo " in mounts:
        return 0
    try:
        statistics = host.read(ZFS_CACHE, FILE_LIMIT_BYTES)
    except HostError:
        return 0
    sizes = dict(re.findall(r"^(size|c_min)\s+\d+\s+(\d+)$", statistics, re.MULTILINE))
    return max(0, int(sizes["size"]) - int(sizes["c_min"])) if len(sizes) == 2 else 0


def _swap(
    host: Host, sizes: dict[str, int], stalls: dict[str, float], raw: str
) -> list[Observation]:
    """Observe swap on disks, all of it together; none where all is in compressed memory."""
    total, free = sizes["SwapTotal"], sizes.get("SwapFree", 0)
    try:
        listed = host.read("/proc/swaps", FILE_LIMIT_BYTES)
    except HostError:  # then the sums are all that is known
        listed = ""
    in_memory = [one for one in parse_swaps(listed) if one[0].startswith("/dev/zram")]
    total -= sum(size for _name, size, _used in in_memory)
    free -= sum(size - used for _name, size, used in in_memory)
    if total <= 0:
        return []
    data = {"total_bytes": total, "free_bytes": min(total, max(0, free)), "pressure": stalls}
    return [Observation("swap", data, raw=raw + listed, of=SWAP)]


def _limit(host: Host, total: int) -> tuple[int | None, int]:
    """Return the control group's limit and the use that cannot be reclaimed at once; None without a lower limit.

    As the kubelet counts it: use less the file cache that lies idle. Source: kernel's admin-guide/cgroup-v2.rst.
    """
    for limit_name, used_name, statistics_name in CONTROL_GROUPS:
        try:
            limit = int(host.read(f"/sys/fs/cgroup/{limit_name}", 64))
            used = int(host.read(f"/sys/fs/cgroup/{used_name}", 64))
            statistics = host.read(f"/sys/fs/cgroup/{statistics_name}", FILE_LIMIT_BYTES)
        except (HostError, ValueError):
            continue
        idle = re.search(r"^(?:total_)?inactive_file (\d+)$", statistics, re.MULTILINE)
        if limit < total:
            return limit, max(0, used - (int(idle.group(1)) if idle else 0))
    return None, 0


def _load(host: Host) -> Observation:
    """Observe the load averages, the processors that are on line, and what tasks had to wait for."""
    raw = host.read("/proc/loadavg", FILE_LIMIT_BYTES)
    processors = host.read("/sys/devices/system/cpu/online", FILE_LIMIT_BYTES)
    data: dict[str, Any] = {
        **parse_loadavg(raw),
        "processors": parse_processors(processors),
        "pressure": {name: _pressure(host, name) for name in ("cpu", "io", "memory")},
    }
    return Observation("load", data, raw=f"{raw}processors {processors}")


def _file_handles(host: Host) -> Observation:
    """Observe the open file handles of the whole host."""
    raw = host.read("/proc/sys/fs/file-nr", FILE_LIMIT_BYTES)
    fields = raw.split()
    if len(fields) != 3:
        raise ValueError(f"/proc/sys/fs/file-nr: three numbers expected in {raw[:80]!r}")
    data = {"open": int(fields[0]) - int(fields[1]), "limit": int(fields[2])}
    return Observation("file handles", data, raw=raw)


def _pressure(host: Host, name: str) -> dict[str, float]:
    """Return the shares of time in which tasks waited for it; empty on a kernel that does not count them."""
    try:
        return parse_pressure(host.read(f"/proc/pressure/{name}", FILE_LIMIT_BYTES))
    except HostError:
        return {}


def parse_meminfo(text: str) -> dict[str, int]:
    """Return /proc/meminfo's fields in bytes, by name.

    Raises: ValueError, with the line, if one has no number. Source: proc_meminfo(5).
    """
    sizes = {}
    for line in text.splitlines():
        match = re.match(r"(\S+):\s+(\d+)( kB)?$", line)
        if match is None:
            raise ValueError(f"/proc/meminfo: no size in line {line[:80]!r}")
        name, number, unit = match.groups()
        sizes[name] = int(number) * (1024 if unit else 1)
    return sizes


def parse_swaps(text: str) -> list[tuple[str, int, int]]:
    """Return name, size and use in bytes of each swap in /proc/swaps. Source: proc_swaps(5)."""
    rows = re.findall(r"^(\S+)[ \t].*?\b(\d+)\s+(\d+)\s+-?\d+$", text, re.MULTILINE)
    return [(name, int(size) * 1024, int(used) * 1024) for name, size, used in rows]


def parse_loadavg(text: str) -> dict[str, float]:
    """Return the averages over 1, 5 and 15 minutes. Source: proc_loadavg(5)."""
    match = re.match(r"([\d.]+) ([\d.]+) ([\d.]+) ", text)
    if match is None:
        raise ValueError(f"/proc/loadavg: three numbers expected in {text[:80]!r}")
    one, five, fifteen = (float(number) for number in match.groups())
    return {"load_1": one, "load_5": five, "load_15": fifteen}


def parse_processors(text: str) -> int:
    """Return how many processors a list like `0-3,8` names. Source: kernel's admin-guide/cputopology.rst."""
    count = 0
    for part in text.strip().split(","):
        first, _dash, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def parse_pressure(text: str) -> dict[str, float]:
    """Return percentages like `some_avg300`. Source: kernel's accounting/psi.rst."""
    shares = {}
    for line in text.splitlines():
        kind, *fields = line.split()
        for field in fields:
            name, _equals, number = field.partition("=")
            if name.startswith("avg"):
                shares[f"{kind}_{name}"] = float(number)
    return shares
