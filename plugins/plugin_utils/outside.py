# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller tries itself: whether ports that an isolation has closed are closed still."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

GATHER = "isolation"
CONNECT_SECONDS = 2.0
PORTS_LIMIT = 6
PORTS, TRIED, OPEN = "ports", "tried_ports", "open_ports"
"""Fields of an observation: ports that the host says were open before its isolation; those of them that the controller
has tried, and that it has reached."""


def reached(address: str, ports: Sequence[int], seconds: float = CONNECT_SECONDS) -> list[int]:
    """Return on which TCP ports a connection opens, all tried at once. address: as Ansible connects to it."""
    waiting: dict[socket.socket, int] = {}
    found = []
    with contextlib.ExitStack() as stack:
        for port in ports[:PORTS_LIMIT]:
            try:
                family, kind, protocol, _name, place = socket.getaddrinfo(
                    address, port, type=socket.SOCK_STREAM
                )[0]
                one = stack.enter_context(socket.socket(family, kind, protocol))
            except (OSError, UnicodeError, OverflowError):
                continue
            one.setblocking(False)
            said = one.connect_ex(place)
            if said == 0:
                found.append(port)
            elif said == errno.EINPROGRESS:
                waiting[one] = port
        ends = time.monotonic() + seconds
        while waiting and (left := ends - time.monotonic()) > 0:
            _read, ready, _bad = select.select([], list(waiting), [], left)
            for one in ready:
                port = waiting.pop(one)
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.append(port)
    return sorted(found)


def add_tries(answer: Any, gathers: Sequence[str], address: str) -> None:
    """Add to what a host says of its isolation what the controller has tried; nothing of that is the host's to say.

    address: empty where the controller does not reach the host by itself. What has not the agreed shape stays: it is
    refused later.
    """
    parts = answer.get("answers") if isinstance(answer, dict) else None
    for gather, part in zip(gathers, parts if isinstance(parts, list) else (), strict=False):
        seen = part.get("observations") if isinstance(part, dict) and gather == GATHER else None
        for one in seen if isinstance(seen, list) else ():
            data = one.get("data") if isinstance(one, dict) else None
            if isinstance(data, dict) and data:
                data.update(_tried(data, address))


def _tried(data: dict[str, Any], address: str) -> dict[str, list[int]]:
    said = data.get(PORTS)
    ports = [
        one
        for one in (said if isinstance(said, list) else ())
        if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 65536
    ][:PORTS_LIMIT]
    if not address or not ports or data.get("state") in ("none", "released"):
        return {TRIED: [], OPEN: []}
    return {TRIED: ports, OPEN: reached(address, ports)}
