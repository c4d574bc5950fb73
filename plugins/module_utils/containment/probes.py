# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof from the host's side: what is forbidden is tried, and must fail."""

from __future__ import annotations

import errno
from typing import Any, Dict, Iterable, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

DISCARD = 9
CONNECT_SECONDS = 2.0
REFUSED = "refused by the kernel"
"""A packet that a rule drops on its way out is EPERM for who sends it. No answer of another host looks like that."""


def prove(host: Host, targets: Iterable[Tuple[str, int]]) -> List[Dict[str, Any]]:
    """Return a row for each try. ok: whether it failed; None if it says nothing, such as without a way there."""
    rows = []
    for address, port in targets:
        found = send(host, address)
        ok = {REFUSED: True, "it was sent": False}.get(found)
        rows.append(_row(f"UDP from the host to {address}", REFUSED, found, ok))
        if port:
            found = connect(host, address, port)
            rows.append(
                _row(
                    f"TCP from the host to {address} port {port}",
                    "no connection",
                    found,
                    found != CONNECTED,
                )
            )
    return rows


def _row(what: str, expected: str, found: str, ok: bool | None) -> Dict[str, Any]:
    return {"side": "host", "what": what, "expected": expected, "found": found, "ok": ok}


def send(host: Host, address: str) -> str:
    """Return what becomes of a packet to an address."""
    try:
        with host.connect_udp(address, DISCARD, CONNECT_SECONDS) as one:
            one.send(b"")
    except HostError as exc:
        return str(exc).partition(": ")[2] or str(exc)
    except OSError as exc:
        if exc.errno == errno.EPERM:
            return REFUSED
        return (exc.strerror or str(exc)).lower()
    return "it was sent"


CONNECTED = "connected"


def connect(host: Host, address: str, port: int) -> str:
    """Return what becomes of a connection."""
    try:
        host.connect(address, port, CONNECT_SECONDS).close()
    except HostError as exc:
        return str(exc).partition(": ")[2] or str(exc)
    return CONNECTED


def is_tight(rows: Iterable[Dict[str, Any]]) -> bool | None:
    """Return whether nothing got through; None if no try says so."""
    said = [one["ok"] for one in rows]
    if False in said:
        return False
    return True if True in said else None
