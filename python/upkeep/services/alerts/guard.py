"""Which addresses a message may be sent to: no link-local one, no cloud's metadata, nothing of this machine.

The address of every connection is looked at when it is made, so that neither a name that resolves differently a moment
later nor a redirect leads elsewhere.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import psutil

from ansible_collections.astral.upkeep.plugins.module_utils.host import addresses

WATCHED = ("socket.connect", "socket.sendto", "socket.sendmsg")


class AddressRefusedError(OSError):
    """A connection to where no message goes."""


def refused(host: str, *, local: bool) -> str:
    """Return why nothing is sent to an address, empty if it may be, or is a name. local: this machine is allowed."""
    return _refused(host, local=local, own=frozenset() if local else own_addresses())


def _refused(host: str, *, local: bool, own: frozenset[str]) -> str:
    reason = addresses.refused(host, addresses.ANY if local else addresses.OTHERS, own)
    hint = " (set `local: true` for a relay here)" if reason == addresses.HERE else ""
    return reason + hint


def own_addresses() -> frozenset[str]:
    """Return the addresses of this machine's interfaces."""
    inward = (socket.AF_INET, socket.AF_INET6)
    every = (one for those in psutil.net_if_addrs().values() for one in those)
    return frozenset(one.address.partition("%")[0] for one in every if one.family in inward)


def watch_connections(*, local: bool) -> list[str]:
    """Refuse, in this process and for good, connections that messages must not make; return where the reasons come."""
    reasons: list[str] = []
    # Asked for once: the process lives for a few messages, and within the hook nothing else may be opened.
    own = own_addresses()

    def refuse(reason: str) -> None:
        reasons.append(f"refused: {reason}")
        raise AddressRefusedError(reasons[-1])

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WATCHED:
            return
        address = arguments[1]
        if (
            address is None and event == "socket.sendmsg"
        ):  # where it is connected to has been looked at
            return
        if not isinstance(address, tuple):
            refuse("a socket of this machine")
        reason = _refused(str(address[0]), local=local, own=own)
        if reason:
            refuse(reason)

    sys.addaudithook(hook)
    return reasons
