# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at what is volatile, before the rules change it: sockets, then processes, then sessions.

It stays on the host as evidence, for command lines may have secrets: what is told are counts and its hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.processes import (
    stat_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.writing import (
    make_private,
    write_whole,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import readable

SECONDS = 3.0
LEAST_SECONDS = 0.2
COMMANDS = (
    (
        "sockets",
        [
            "ss",
            "--tcp",
            "--udp",
            "--raw",
            "--all",
            "--numeric",
            "--processes",
            "--extended",
            "--no-header",
        ],
    ),
    ("neighbours", ["ip", "neigh", "show"]),
    ("rules", ["nft", "list", "ruleset"]),
    ("sessions", ["who", "--all"]),
)
OUTPUT_BYTES = 30_000_000
TEXT_BYTES = 4096


def take(host: Host, folder: str) -> Dict[str, Any]:
    """Take the snapshot and return what is told of it; `problem` says what is missing."""
    ends = host.monotonic() + SECONDS
    seen: Dict[str, Any] = {"taken_at": int(host.now())}
    problems: List[str] = []
    for name, command in COMMANDS[:1]:
        _run(host, seen, problems, name, command, ends)
    seen["processes"] = _processes(host, ends, problems)
    for name, command in COMMANDS[1:]:
        _run(host, seen, problems, name, command, ends)
    text = json.dumps(readable(seen))
    told: Dict[str, Any] = {
        "path": os.path.join(folder, "snapshot.json"),
        "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
        "bytes": len(text),
        "sockets": len(str(seen.get("sockets", "")).splitlines()),
        "processes": len(seen["processes"]),
        "sessions": len(str(seen.get("sessions", "")).splitlines()),
    }
    try:
        make_private(folder)
        write_whole(told["path"], text)
    except IsolationError as exc:
        problems.append(f"it could not be kept: {exc}")
        told.update(path="", sha256="")
    told["seconds"] = round(SECONDS - (ends - host.monotonic()), 2)
    told["problem"] = "; ".join(problems)
    return told


def _run(
    host: Host,
    seen: Dict[str, Any],
    problems: List[str],
    name: str,
    command: List[str],
    ends: float,
) -> None:
    left = ends - host.monotonic()
    if left < LEAST_SECONDS:
        problems.append(f"no time for {name}")
        return
    try:
        ran = host.run(command, left, OUTPUT_BYTES)
    except HostError as exc:
        problems.append(f"{name}: {exc}")
        return
    seen[name] = ran.out
    if ran.truncated:
        problems.append(f"{name}: cut at {OUTPUT_BYTES} bytes")


def _processes(host: Host, ends: float, problems: List[str]) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    for pid in sorted((one for one in os.listdir("/proc") if one.isdigit()), key=int):
        if host.monotonic() > ends:
            problems.append(f"processes: time for {len(found)} alone")
            break
        with contextlib.suppress(OSError, IndexError):
            fields = stat_of(int(pid))
            one: Dict[str, Any] = {
                "pid": int(pid),
                "parent": int(fields[1]),
                "status": fields[0],
                "started_ticks": int(fields[19]),
            }
            one["uid"] = os.stat(f"/proc/{pid}").st_uid
            one["command"] = _text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
            one["name"] = _text(f"/proc/{pid}/comm").strip()
            with contextlib.suppress(OSError):
                one["program"] = os.readlink(f"/proc/{pid}/exe")
            found.append(one)
    return found


def _text(path: str) -> str:
    with open(path, "rb") as stream:
        return stream.read(TEXT_BYTES).decode("utf-8", "surrogateescape")
