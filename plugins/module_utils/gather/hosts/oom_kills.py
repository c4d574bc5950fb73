# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that were killed because memory ran out: the kernel's count since the boot, and its log lines."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

ARGUMENTS: dict[str, dict[str, Any]] = {"window_hours": {"type": "int", "default": 24}}
TOOLS = ("journalctl|dmesg",)
KILLS_LIMIT = 20
LOG_SECONDS = 15.0
# `Memory cgroup out of memory: Killed process 812 (stress) …` of the kernel, `Killed /a.slice/b.service due to …` of
# systemd-oomd.
KILLED = re.compile(r"Killed process (\d+) \((.*?)\)|systemd-oomd\[\d+\]: Killed (\S+) due to")

JOURNAL_HEAD = re.compile(r"(\d+)\.\d+ (?=\S+ \S)")
DMESG_HEAD = re.compile(r"\[\s*(\d+\.\d+)\] ")


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return the observation `out of memory`: kills since the boot, and those of the window if a log shows them."""
    try:
        statistics = host.read("/proc/vmstat", 64_000)
        uptime = float(host.read("/proc/uptime", 1000).split()[0])
    except (HostError, ValueError, IndexError) as exc:
        return [not_seen("out of memory", exc)]
    counted = re.search(r"^oom_kill (\d+)$", statistics, re.MULTILINE)
    since = host.now() - params["window_hours"] * 3600
    since_boot = int(counted.group(1)) if counted else None
    log, reasons = "", []
    lines: list[tuple[str, str]] = []
    for name, read in (("journal", _journal), ("kernel ring buffer", _ring_buffer)):
        try:
            found = read(host, since, uptime, since_boot)
            if name == "journal" and since_boot and not found:
                _must_reach(host, since)
        except HostError as exc:
            reasons.append(str(exc))
            continue
        if not log or len(found) > len(lines):
            log, lines = name, found
        # A journal that does not take the kernel's messages has none, and says no more.
        if lines or not since_boot:
            break
    kills = [kill for kill in map(_kill, lines) if kill is not None]
    data = {
        "window_hours": params["window_hours"],
        "uptime_seconds": uptime,
        "since_boot": since_boot,
        "log": log,
        "log_unreadable": "; ".join(reasons) if not log else "",
        "in_window": len(kills) if log else None,
        "kills": kills[-KILLS_LIMIT:],
    }
    raw = (counted.group(0) + "\n" if counted else "") + "".join(
        f"{at} {text}\n" for at, text in lines[-KILLS_LIMIT:]
    )
    return [Observation("out of memory", data, raw=raw)]


def _journal(
    host: Host, since: float, uptime: float, since_boot: int | None
) -> list[tuple[str, str]]:
    """Read the journal, which reaches over boots.

    Raises: HostError where it is not shown to us.
    """
    # --grep came late (237) and is not always compiled in; systemd-oomd and kernel lines of a day are bearable without.
    command = [
        *("journalctl", "--no-pager", "--output=short-unix", f"--since=@{int(since)}"),
        *("_TRANSPORT=kernel", "+", "_SYSTEMD_UNIT=systemd-oomd.service"),
    ]
    ran = host.run(command, timeout_seconds=LOG_SECONDS)
    if ran.truncated:
        # A firewall logs a line for each packet that somebody sends it.
        ran = host.run([*command, "--grep=Killed .* due to|Killed process"], LOG_SECONDS)
        if ran.status == 1 and not ran.err.replace("-- No entries --", "").strip():
            return []
    hint = ran.err.lower()
    if ran.status != 0 or "insufficient permissions" in hint or "not seeing messages" in hint:
        raise HostError(f"journalctl: {ran.err.strip()[:200] or f'ended with {ran.status}'}")
    if "no journal files were found" in hint:
        raise HostError("journalctl: no journal files were found")
    if ran.truncated:
        raise HostError(f"journalctl: more than {len(ran.out)} bytes of kernel messages")
    _must_be_read("journalctl", JOURNAL_HEAD, ran.out)
    return parse_journal(ran.out)


def _must_reach(host: Host, since: float) -> None:
    """Raise HostError unless the journal has a message of the kernel from before the window.

    Else it takes none of them, or others have pushed them out: its silence says nothing.
    """
    command = ["journalctl", "--no-pager", "--output=short-unix", "--lines=1"]
    ran = host.run([*command, f"--until=@{int(since)}", "_TRANSPORT=kernel"], LOG_SECONDS)
    if ran.status != 0 or not any(map(JOURNAL_HEAD.match, ran.out.split("\n"))):
        raise HostError("journalctl: no message of the kernel from before the window")


def _must_be_read(program: str, head: re.Pattern[str], text: str) -> None:
    """Raise HostError if there are lines, and none of them begins as the program's do."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("-- ")]
    if lines and not any(map(head.match, lines)):
        raise HostError(f"{program}: no line with a time, such as {lines[0][:80]!r}")


def parse_journal(text: str) -> list[tuple[str, str]]:
    """Return time and text of each line that tells of a kill, from `journalctl --output=short-unix`."""
    found = []
    for line in text.split("\n"):
        match = JOURNAL_HEAD.match(line)
        if match and KILLED.search(line):
            found.append((_iso(int(match.group(1))), line[match.end() :][:400]))
    return found


def _ring_buffer(
    host: Host, since: float, uptime: float, since_boot: int | None
) -> list[tuple[str, str]]:
    """Read the kernel's ring buffer.

    Raises: HostError if that is not allowed, or kills may be lost.
    """
    ran = host.run(["dmesg"], timeout_seconds=LOG_SECONDS)
    if ran.status != 0:
        raise HostError(ran.err.strip()[:200] or f"dmesg: ended with {ran.status}")
    _must_be_read("dmesg", DMESG_HEAD, ran.out)
    booted = host.now() - uptime
    found = parse_dmesg(ran.out, booted)
    lines = [(_iso(at), text) for at, text in found if at >= since]
    oldest = re.search(r"^\[\s*(\d+\.\d+)\] ", ran.out, re.MULTILINE)
    begins = booted + float(oldest.group(1)) if oldest else host.now()
    if not lines and begins > since and (since_boot or 0) > len(found):
        # Whoever can make the kernel write, as a firewall does for each packet, pushes out what was there.
        raise HostError(f"dmesg: begins at {_iso(begins)}, after {since_boot} kills")
    return lines


def parse_dmesg(text: str, booted: float) -> list[tuple[float, str]]:
    """Return time (seconds since 1970) and text of each line that tells of a kill; its stamp counts from the boot."""
    found = []
    for line in text.split("\n"):
        match = DMESG_HEAD.match(line)
        if match and KILLED.search(line):
            found.append((booted + float(match.group(1)), line[match.end() :][:400]))
    return found


def _kill(line: tuple[str, str]) -> dict[str, Any] | None:
    """Return when which process was killed."""
    at, text = line
    match = KILLED.search(text)
    if match is None:
        return None
    process, name, unit = match.groups()
    return {"at": at, "process": int(process) if process else None, "name": name or unit}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat()
