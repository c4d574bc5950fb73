# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses may be connected to: the one list for redirects, for the heartbeat and for channels.

An address is judged where it is connected to, never by a name, which may stand for another one a moment later. An
IPv6 address that stands for an IPv4 one, as a translator or a tunnel reads it, is judged as that one.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Collection, Iterator, List

ANY, OTHERS, PUBLIC = "any", "others", "public"
"""How far a connection may lead: to any single machine, to other machines only, to public addresses only."""
HERE = "an address of this machine"

METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.169.254/32",  # most clouds
        "169.254.170.2/32",  # Amazon ECS
        "169.254.170.23/32",  # Amazon EKS
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::254/128",  # Google
        "fd00:42::42/128",  # Scaleway
        "fe80::a9fe:a9fe/128",  # OpenStack
    )
)
_TRANSLATED = (  # the IPv4 address stands in the last four bytes
    ipaddress.ip_network("::/96"),  # IPv4-compatible (RFC 4291, section 2.5.5.1)
    ipaddress.ip_network("::ffff:0:0/96"),  # IPv4-mapped (section 2.5.5.2)
    ipaddress.ip_network("::ffff:0:0:0/96"),  # IPv4-translated (RFC 2765)
    ipaddress.ip_network("64:ff9b::/96"),  # NAT64 (RFC 6052)
)
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # RFC 5214, section 6.1


def is_address(text: str) -> bool:
    """Return whether a text is an address, and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def refused(text: str, reach: str, own: Collection[str] = ()) -> str:
    """Return why an address is not connected to; empty if it may be, or is no address but a name.

    own: the addresses of this machine, besides those of its loopback. Whoever connects must ask with the address.
    """
    try:
        # A numbered link follows the percent sign; whether it is there makes no difference here.
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    for meant in readings(address):
        why = _refused(meant, reach, own)
        if why:
            return why
    return ""


def readings(address: Any) -> List[Any]:
    """Return what an address may stand for: the IPv4 addresses within an IPv6 one, or it itself if there is none."""
    if address.version == 4:
        return [address]
    found = list(dict.fromkeys(_within(address)))
    # What looks like an IPv4-compatible one, or like ISATAP, goes where any IPv6 address goes where neither is in use.
    if not found or address.packed[:12] == bytes(12) or address.packed[8:12] in _ISATAP:
        found.append(address)
    return found


def _within(address: Any) -> Iterator[Any]:
    """Yield the IPv4 addresses within an IPv6 one."""
    packed = address.packed
    # :: and ::1 are themselves.
    if packed[:14] != bytes(14) and any(address in network for network in _TRANSLATED):
        yield ipaddress.IPv4Address(packed[12:])
    if address in _LOCAL_NAT64:
        for four in (
            packed[12:],
            packed[6:8] + packed[9:11],
        ):  # of a /96 and of a /48 (RFC 6052, section 2.2)
            if any(four):
                yield ipaddress.IPv4Address(four)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if packed[8:12] in _ISATAP:
        yield ipaddress.IPv4Address(packed[12:])


def _refused(address: Any, reach: str, own: Collection[str]) -> str:
    if any(address in network for network in METADATA if network.version == address.version):
        return "a cloud's metadata address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_loopback or str(address) in own:
        return "" if reach == ANY else HERE
    if address.is_unspecified and reach != ANY:
        return HERE
    nowhere = address.version == 4 and int(address) >> 24 == 0  # RFC 791, section 3.2
    if nowhere or address.is_unspecified or address.is_multicast or address.is_reserved:
        return "not the address of a single machine"
    if reach == PUBLIC and not _is_public(address):
        return "a private address"
    return ""


def _is_public(address: Any) -> bool:
    """Return whether an address is of the public network, whatever this Python knows of it."""
    if address.version == 4 and address in _SHARED:
        return False
    if address.version == 6 and address.is_site_local:
        return False
    return bool(address.is_global)
