# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the rules of an isolated host, as the text of one transaction of nft.

Every value is parsed before it becomes text. Without anonymous sets: how older versions of nft list their elements
depends on a seed, and the tables are compared by how they are listed.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple, Union

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    FAMILIES,
    TABLE,
)

PRIORITY = -310
"""Before everybody else's: the earliest that tools use is -300, iptables' raw. What we drop, nobody lets in."""
NETDEV_PRIORITY = -510
"""Before flowtables, which forward packets past all other hooks."""
DEVICE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")
PROTOCOLS = ("tcp", "udp")
KEPT_LIMIT = 200
WHY_CHARACTERS = 80
DHCP6_SERVERS = "ff02::1:2"
LINK_LOCAL = "fe80::/10"

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
HOOKS = ("inet", "bridge", "ingress", "egress")


@dataclass(frozen=True)
class Control:
    """From where the host is controlled, as the host sees it. port: of the host, that takes it. why: for people."""

    network: Network
    port: int
    why: str = ""


@dataclass(frozen=True)
class Kept:
    """A service that the host may go on using."""

    network: Network
    port: int
    protocol: str
    why: str = ""


@dataclass(frozen=True)
class Openings:
    """What an isolated host may still do.

    devices: that are filtered by themselves, below all else. leased: those whose address comes from a DHCP server.
    near: networks that the host is in. own: its addresses. hooks: what the kernel has, of HOOKS.
    """

    controls: Tuple[Control, ...]
    kept: Tuple[Kept, ...] = ()
    devices: Tuple[str, ...] = ()
    leased: Tuple[str, ...] = ()
    near: Tuple[Network, ...] = ()
    own: Tuple[str, ...] = ()
    hooks: Tuple[str, ...] = HOOKS


def network_of(text: Any, where: str) -> Network:
    """Return an address, or a network without host bits, that somebody wrote.

    An IPv4 address in IPv6's clothes, as sockets have it, is the IPv4 address.

    Raises: IsolationError that names where it was found.
    """
    try:
        found = ipaddress.ip_network(str(text).partition("%")[0].strip())
    except ValueError as exc:
        raise IsolationError(
            f"{where}: found {str(text)[:80]!r}; expected an address or a network, such as 10.0.0.53, "
            "10.0.0.0/24 or fd00::53: names are not looked up while a host is isolated"
        ) from exc
    if found.prefixlen == 0:
        raise IsolationError(f"{where}: found {found}, which is everybody; expected less")
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= 96:
        return ipaddress.ip_network((mapped, found.prefixlen - 96))
    return found


def port_of(value: Any, where: str) -> int:
    """Return a port.

    Raises: IsolationError that names where it was found.
    """
    text = str(value)
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"[0-9]{1,5}", text)
        or not 0 < int(text) < 1 << 16
    ):
        raise IsolationError(f"{where}: found {text[:80]!r}; expected a port, 1 to 65535")
    return int(text)


def kept_of(entries: Iterable[Any]) -> Tuple[Kept, ...]:
    """Return what a site lists in isolation_keep.

    Raises: IsolationError that names the entry.
    """
    found: List[Kept] = []
    for number, entry in enumerate(entries, 1):
        where = f"isolation_keep, entry {number}"
        if not isinstance(entry, dict):
            raise IsolationError(
                f"{where}: found {str(entry)[:80]!r}; expected to, port, protocol, why"
            )
        protocol = str(entry.get("protocol") or "tcp").lower()
        if protocol not in PROTOCOLS:
            raise IsolationError(f"{where}, protocol: found {protocol[:80]!r}; expected tcp or udp")
        found.append(
            Kept(
                network_of(entry.get("to"), f"{where}, to"),
                port_of(entry.get("port"), f"{where}, port"),
                protocol,
                str(entry.get("why") or "")[:WHY_CHARACTERS],
            )
        )
    if len(found) > KEPT_LIMIT:
        raise IsolationError(
            f"isolation_keep: found {len(found)} entries; expected at most {KEPT_LIMIT}"
        )
    return tuple(found)


def is_kept(
    plan: Openings, local_port: int, peer: str, peer_port: int, protocol: str = "tcp"
) -> bool:
    """Return whether the rules let a connection of the host go on."""
    address = network_of(peer, "a socket's peer").network_address
    if address.is_loopback or str(address) in plan.own:
        return True
    return any(
        _holds(one.network, address) and protocol == "tcp" and one.port == local_port
        for one in plan.controls
    ) or any(
        _holds(one.network, address) and one.port == peer_port and one.protocol == protocol
        for one in plan.kept
    )


def _holds(network: Network, address: Any) -> bool:
    return network.version == address.version and address in network


def transaction(plan: Openings) -> str:
    """Return the text that puts our tables there, as a whole or not at all, in place of those that are.

    Raises: IsolationError if nobody could reach the host then.
    """
    if not plan.controls:
        raise IsolationError("no address is known from which the host is controlled")
    lines = []
    for family in families(plan):
        lines += [f"add table {family} {TABLE}", f"delete table {family} {TABLE}"]
    for family, chains in _tables(plan).items():
        lines.append(f"table {family} {TABLE} {{")
        for name, head, rules in chains:
            lines += [f"\tchain {name} {{", f"\t\t{head}", *(f"\t\t{one}" for one in rules), "\t}"]
        lines.append("}")
    return "\n".join(lines) + "\n"


def families(plan: Openings) -> Tuple[str, ...]:
    """Return the families that get a table."""
    has_netdev = bool(devices(plan)) and bool({"ingress", "egress"} & set(plan.hooks))
    there = {"inet": True, "bridge": "bridge" in plan.hooks, "netdev": has_netdev}
    return tuple(one for one in FAMILIES if there[one])


def devices(plan: Openings) -> Tuple[str, ...]:
    """Return the devices that are filtered by themselves; a name that could mean something to nft is left out."""
    return tuple(one for one in plan.devices if DEVICE.fullmatch(one))


def _tables(plan: Openings) -> Dict[str, List[Tuple[str, str, List[str]]]]:
    """Return chains by family: name, head, rules."""
    tables = {
        "inet": [
            ("input", _head("input"), _input(plan)),
            # Nothing: neither guests, nor containers, nor a network behind this host.
            ("forward", _head("forward"), ["counter"]),
            ("output", _head("output"), _output(plan)),
        ]
    }
    there = families(plan)
    if "bridge" in there:
        # Guests that are bridged pass none of the inet hooks. What is for the host itself does, and is judged there.
        tables["bridge"] = [("forward", _head("forward"), ["counter"])]
    if "netdev" in there:
        tables["netdev"] = [
            (
                f"{hook}_{number}",
                f'type filter hook {hook} device "{device}" priority {NETDEV_PRIORITY}; policy drop;',
                _below(plan, hook),
            )
            for hook in ("ingress", "egress")
            if hook in plan.hooks
            for number, device in enumerate(devices(plan), 1)
        ]
    return tables


def _head(hook: str) -> str:
    return f"type filter hook {hook} priority {PRIORITY}; policy drop;"


def _input(plan: Openings) -> List[str]:
    rules = ['iifname "lo" accept']
    rules += [
        f"icmpv6 type {kind} ip6 hoplimit 255 accept"
        for kind in ("nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-advert")
    ]
    for device in _leased(plan):
        rules += [
            f'iifname "{device}" udp sport 67 udp dport 68 accept',
            f'iifname "{device}" ip6 saddr {LINK_LOCAL} udp sport 547 udp dport 546 accept',
        ]
    rules += [f"{_ip(one.network, 'saddr')} tcp dport {one.port} accept" for one in plan.controls]
    for kept in plan.kept:
        start = f"{_ip(kept.network, 'saddr')} {kept.protocol} sport {kept.port}"
        # An answer, never the start of something: the service may have been taken too.
        rules.append(
            f"{start} tcp flags & (syn | ack) != syn accept"
            if kept.protocol == "tcp"
            else f"{start} ct state established accept"
        )
    # Of what is let through alone: all other entries of conntrack are deleted.
    rules += [
        "icmp type destination-unreachable icmp code frag-needed ct state related accept",
        "icmpv6 type packet-too-big ct state related accept",
        "counter",
    ]
    return rules


def _output(plan: Openings) -> List[str]:
    rules = ['oifname "lo" accept']
    rules += [
        f"icmpv6 type {kind} accept"
        for kind in (
            "nd-neighbor-solicit",
            "nd-neighbor-advert",
            "nd-router-solicit",
            "mld2-listener-report",
        )
    ]
    rules += [
        f'oifname "{device}" {one}' for device in _leased(plan) for one in _lease_requests(plan)
    ]
    rules += [
        # An answer alone: port 22 is no way out.
        f"{_ip(one.network, 'daddr')} tcp sport {one.port} tcp flags & (syn | ack) != syn accept"
        for one in plan.controls
    ]
    rules += [
        f"{_ip(one.network, 'daddr')} {one.protocol} dport {one.port} accept" for one in plan.kept
    ]
    # Ends sockets of the host that still try; the other side hears nothing.
    rules += ["meta l4proto tcp counter reject with tcp reset", "counter"]
    return rules


def _lease_requests(plan: Openings) -> List[str]:
    """Return what a DHCP client may send. To no server far away: after some time it asks everybody, and so a relay."""
    near = [one for one in plan.near if one.version == 4]
    return [
        *(
            f"ip daddr {one} udp sport 68 udp dport 67 accept"
            for one in ["255.255.255.255", *map(str, near)]
        ),
        *(
            f"ip6 daddr {one} udp sport 546 udp dport 547 accept"
            for one in (DHCP6_SERVERS, LINK_LOCAL)
        ),
    ]


def _below(plan: Openings, hook: str) -> List[str]:
    """Return the rules of one device: coarse, by addresses, for fragments have no ports and here is no conntrack.

    They stop what passes by the other hooks: guests on macvlan, flowtables, raw sockets.
    """
    side = "saddr" if hook == "ingress" else "daddr"
    # ARP, LLDP, LACP, spanning tree.
    rules = ["meta protocol != ip meta protocol != ip6 accept"]
    kinds = ["nd-neighbor-solicit", "nd-neighbor-advert"]
    kinds += (
        ["nd-router-advert"] if hook == "ingress" else ["nd-router-solicit", "mld2-listener-report"]
    )
    rules += [f"icmpv6 type {one} accept" for one in kinds]
    if hook == "ingress":
        rules += [
            "udp sport 67 udp dport 68 accept",
            f"ip6 saddr {LINK_LOCAL} udp sport 547 udp dport 546 accept",
            "icmp type destination-unreachable icmp code frag-needed accept",
            "icmpv6 type packet-too-big accept",
        ]
    else:
        rules += _lease_requests(plan)
    networks = dict.fromkeys(networks_of(plan))
    return [*rules, *(f"{_ip(one, side)} accept" for one in networks), "counter"]


def networks_of(plan: Openings) -> List[Network]:
    """Return all networks that the host may speak with."""
    return [*(one.network for one in plan.controls), *(one.network for one in plan.kept)]


def _leased(plan: Openings) -> List[str]:
    return [one for one in plan.leased if DEVICE.fullmatch(one)]


def _ip(network: Network, side: str) -> str:
    return f"ip{'6' if network.version == 6 else ''} {side} {_text(network)}"


def _text(network: Network) -> str:
    """Return an address, or a network."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def as_rows(plan: Openings) -> List[Dict[str, Any]]:
    """Return what stays, for people: the controllers first."""
    rows = [
        {"to": _text(one.network), "port": one.port, "protocol": "tcp", "why": one.why or "control"}
        for one in plan.controls
    ]
    rows += [
        {"to": _text(one.network), "port": one.port, "protocol": one.protocol, "why": one.why}
        for one in plan.kept
    ]
    return rows


NOBODY = ("192.0.2.1", "2001:db8::1")
"""Addresses that documents alone use (RFC 5737, RFC 3849): the kernel's answer is enough, and nobody is bothered."""

TARGETS_LIMIT = 8


def forbidden(
    plan: Openings, asked: Iterable[Tuple[str, int]], others: Iterable[str]
) -> List[Tuple[str, int]]:
    """Return what is tried: what the site asks for, then others, such as gateways; port 0 is a packet of UDP alone."""
    allowed = networks_of(plan)
    wanted = [*asked, *((one, 0) for one in others), *((one, 0) for one in NOBODY)]
    found = []
    for address, port in wanted:
        parsed = ipaddress.ip_address(address)
        is_allowed = any(one.version == parsed.version and parsed in one for one in allowed)
        if not is_allowed and not parsed.is_loopback and not parsed.is_link_local:
            found.append((str(parsed), port))
    return list(dict.fromkeys(found))[:TARGETS_LIMIT]
