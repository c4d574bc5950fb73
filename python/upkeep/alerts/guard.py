"""Which addresses a message may be sent to: no link-local one, no cloud's metadata, nothing of this machine.

The address of every connection is looked at when it is made, so that neither a name that resolves differently a moment
later nor a redirect leads elsewhere.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

METADATA = ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")


class AddressRefusedError(OSError):
    """A connection to where no message goes."""


def refused(host: str, *, local: bool) -> str:
    """Return why nothing is sent to an address, empty if it may be. local: this machine is allowed."""
    try:
        address: Any = ipaddress.ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return ""  # a name: what it stands for is looked at when it is connected to
    address = getattr(address, "ipv4_mapped", None) or address
    if str(address) in METADATA:
        return "a cloud's metadata address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_loopback or address.is_unspecified:
        return "" if local else "an address of this machine (set `local: true` for a relay here)"
    if address.is_multicast or (address.is_reserved and not address.is_private):
        return "no address of a single machine"
    return ""


def watch_connections(*, local: bool) -> list[str]:
    """Refuse, in this process and for good, connections that messages shall not make; return where the reasons come."""
    reasons: list[str] = []

    def refuse(reason: str) -> None:
        reasons.append(f"refused: {reason}")
        raise AddressRefusedError(reasons[-1])

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("socket.connect", "socket.sendto"):
            return
        address = arguments[1]
        if not isinstance(address, tuple):
            refuse("a socket of this machine")
        reason = refused(str(address[0]), local=local)
        if reason:
            refuse(reason)

    sys.addaudithook(hook)
    return reasons
