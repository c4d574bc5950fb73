# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete entries of the kernel's table of connections, by netlink: not every host has the program `conntrack`.

Source: linux/netfilter/nfnetlink_conntrack.h, netlink(7).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Callable, Dict, Iterator, List, Tuple

NETLINK_NETFILTER = 12
GET, DELETE = (1 << 8) | 1, (1 << 8) | 2
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
TUPLE_ORIGINAL, ZONE = 1, 18
TUPLE_IP, TUPLE_PROTO = 1, 2
SOURCES, DESTINATIONS = (1, 3), (2, 4)
NUMBER, SOURCE_PORT, DESTINATION_PORT = 1, 2, 3
ANSWER_BYTES = 1 << 18
TIMEOUT_SECONDS = 5
ENTRIES_LIMIT = 300_000

Entry = Tuple[str, str, int, int, int]
"""Source, destination, number of the protocol, source port, destination port, of the first direction."""


def delete_entries(is_foreign: Callable[[Entry], bool]) -> int:
    """Delete the entries that are foreign; return how many.

    Raises: OSError if the kernel refuses, such as without conntrack.
    """
    done = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as link:
        link.bind((0, 0))
        link.settimeout(TIMEOUT_SECONDS)
        for number, (family, attributes) in enumerate(_dump(link)):
            if number >= ENTRIES_LIMIT:
                raise OSError(f"more than {ENTRIES_LIMIT} entries of conntrack")
            entry = read_entry(attributes[TUPLE_ORIGINAL]) if TUPLE_ORIGINAL in attributes else None
            if entry is not None and is_foreign(entry):
                done += _delete(link, family, attributes)
    return done


def read_entry(original: bytes) -> Entry | None:
    """Return what CTA_TUPLE_ORIG says; None if it is not understood."""
    try:
        parts = _attributes(original)
        addresses, protocol = _attributes(parts[TUPLE_IP]), _attributes(parts[TUPLE_PROTO])
        ends = [
            str(ipaddress.ip_address(next(addresses[one] for one in side if one in addresses)))
            for side in (SOURCES, DESTINATIONS)
        ]
        ports = [
            struct.unpack("!H", protocol[one])[0] if one in protocol else 0
            for one in (SOURCE_PORT, DESTINATION_PORT)
        ]
        return ends[0], ends[1], protocol[NUMBER][0], ports[0], ports[1]
    except (KeyError, StopIteration, ValueError, IndexError, struct.error):
        return None


def _dump(link: socket.socket) -> List[Tuple[int, Dict[int, bytes]]]:
    """Return family and attributes of all entries."""
    link.send(_message(GET, REQUEST | DUMP, socket.AF_UNSPEC, b""))
    found: List[Tuple[int, Dict[int, bytes]]] = []
    while True:
        for kind, body in _messages(link.recv(ANSWER_BYTES)):
            if kind == DONE:
                return found
            if kind == ERROR:
                _raise_error(body)
            elif kind == 1 << 8:
                found.append((body[0], _attributes(body[4:])))


def _delete(link: socket.socket, family: int, attributes: Dict[int, bytes]) -> int:
    """Delete an entry; return whether it was still there."""
    chosen = b"".join(
        _attribute(kind | (0x8000 if kind == TUPLE_ORIGINAL else 0), attributes[kind])
        for kind in (TUPLE_ORIGINAL, ZONE)
        if kind in attributes
    )
    link.send(_message(DELETE, REQUEST | ACK, family, chosen))
    for kind, body in _messages(link.recv(ANSWER_BYTES)):
        if kind == ERROR:
            try:
                _raise_error(body)
            except FileNotFoundError:
                return 0
    return 1


def _raise_error(body: bytes) -> None:
    number = -struct.unpack_from("=i", body)[0]
    if number:
        raise OSError(number, f"conntrack by netlink: error {number}")


def _message(kind: int, flags: int, family: int, body: bytes) -> bytes:
    head = struct.pack("=BBH", family, 0, 0)
    return struct.pack("=IHHII", 16 + len(head) + len(body), kind, flags, 1, 0) + head + body


def _messages(data: bytes) -> Iterator[Tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if length < 16:
            return
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _attribute(kind: int, body: bytes) -> bytes:
    length = 4 + len(body)
    return struct.pack("=HH", length, kind) + body + b"\0" * (-length % 4)


def _attributes(data: bytes) -> Dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found
