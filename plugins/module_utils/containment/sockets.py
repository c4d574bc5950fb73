# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's sockets and who holds them, from /proc: which of them the rules would cut."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from dataclasses import dataclass
from typing import Dict, Iterable, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.processes import (
    name_of,
    stat_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    Openings,
    is_kept,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

TABLES = (
    ("tcp", "/proc/net/tcp"),
    ("tcp", "/proc/net/tcp6"),
    ("udp", "/proc/net/udp"),
    ("udp", "/proc/net/udp6"),
)
LIMIT_BYTES = 64_000_000
ESTABLISHED, TIME_WAIT, LISTEN = 1, 6, 10
PROCESSES_LIMIT = 20_000


@dataclass(frozen=True)
class OpenSocket:
    """A socket. peer_port is 0 for one that is connected with nobody."""

    protocol: str
    local: str
    local_port: int
    peer: str
    peer_port: int
    status: int
    inode: int

    @property
    def ends(self) -> Tuple[str, int, str, int, str]:
        """What tells it from others."""
        return self.local, self.local_port, self.peer, self.peer_port, self.protocol


def open_sockets(host: Host) -> List[OpenSocket]:
    """Return all TCP and UDP sockets of this network namespace.

    Raises: HostError if a table of the kernel's cannot be read, but for IPv6's if the kernel has none.
    """
    found: List[OpenSocket] = []
    for protocol, path in TABLES:
        if path.endswith("6") and not host.exists(path):
            continue
        found += parse_sockets(host.read(path, LIMIT_BYTES), protocol)
    return found


def parse_sockets(text: str, protocol: str) -> List[OpenSocket]:
    """Return the sockets of a table such as /proc/net/tcp6. Source: proc(5), net/tcp_ipv4.c.

    Raises: ValueError if a line is none.
    """
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10:
            raise ValueError(f"no socket in line {line[:120]!r}")
        local, local_port = _place(fields[1])
        peer, peer_port = _place(fields[2])
        found.append(
            OpenSocket(
                protocol, local, local_port, peer, peer_port, int(fields[3], 16), int(fields[9])
            )
        )
    return found


def _place(text: str) -> Tuple[str, int]:
    """Return address and port. The kernel prints an address as 32-bit words in the machine's own order."""
    digits, _colon, port = text.partition(":")
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def foreign(sockets: Iterable[OpenSocket], plan: Openings) -> List[OpenSocket]:
    """Return the connected sockets that the rules do not let go on."""
    return [
        one
        for one in sockets
        if one.peer_port
        and not (one.protocol == "tcp" and one.status in (LISTEN, TIME_WAIT))
        and not is_kept(plan, one.local_port, one.peer, one.peer_port, one.protocol)
    ]


def listeners(sockets: Iterable[OpenSocket]) -> List[int]:
    """Return the TCP ports on which others can reach the host."""
    ports = {
        one.local_port
        for one in sockets
        if one.protocol == "tcp"
        and one.status == LISTEN
        and not ipaddress.ip_address(one.local).is_loopback
    }
    return sorted(ports)


def holders(inodes: Iterable[int]) -> Dict[int, List[str]]:
    """Return who holds each socket, as `name[pid]`: names alone, for command lines may have secrets."""
    wanted = {f"socket:[{one}]": one for one in inodes}
    found: Dict[int, List[str]] = {}
    for pid in [one for one in os.listdir("/proc") if one.isdigit()][:PROCESSES_LIMIT]:
        with contextlib.suppress(OSError):
            held = {os.readlink(f"/proc/{pid}/fd/{one}") for one in os.listdir(f"/proc/{pid}/fd")}
            for name in held & wanted.keys():
                found.setdefault(wanted[name], []).append(f"{name_of(pid)}[{pid}]")
    return found


@dataclass(frozen=True)
class Session:
    """The connection over which this program runs.

    begun: when its process did, in seconds since the boot. account: number of the account that has logged in.
    """

    peer: str
    peer_port: int
    local: str
    local_port: int
    begun: float
    account: int = 0


SERVERS = ("sshd", "dropbear")


def own_session(host: Host) -> Session | None:
    """Return the connection that an ancestor of this process, an SSH server, holds; None without one.

    Not by SSH_CONNECTION: sudo drops it, and an account may set it.
    """
    tcp = {
        one.inode: one
        for one in open_sockets(host)
        if one.protocol == "tcp" and one.status == ESTABLISHED
    }
    pid = below = os.getpid()
    while pid > 0:
        try:
            fields = stat_of(pid)
            if name_of(pid).startswith(SERVERS):
                for number in os.listdir(f"/proc/{pid}/fd"):
                    name = os.readlink(f"/proc/{pid}/fd/{number}")
                    found = tcp.get(int(name[8:-1])) if name.startswith("socket:[") else None
                    if found is not None and found.peer_port:
                        begun = int(fields[19]) / os.sysconf("SC_CLK_TCK")
                        ends = found.peer, found.peer_port, found.local, found.local_port
                        return Session(*ends, begun, os.stat(f"/proc/{below}").st_uid)
            pid, below = int(fields[1]), pid
        except (OSError, ValueError, IndexError, HostError):
            return None
    return None
