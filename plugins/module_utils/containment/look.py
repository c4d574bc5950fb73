# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there before a host is isolated. Changes nothing."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.obstacles import (
    DIRECTORIES,
    Facts,
    NetworkMount,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.processes import (
    name_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.ruleset import (
    DEVICE,
    HOOKS,
    NETDEV_PRIORITY,
    PRIORITY,
    Control,
    Network,
    Openings,
    kept_of,
    network_of,
    port_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.sockets import (
    PROCESSES_LIMIT,
    Session,
    own_session,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

NETWORK_KINDS = {
    "nfs": 2049, "nfs4": 2049, "cifs": 445, "smb3": 445, "ceph": 6789, "fuse.glusterfs": 24007, "fuse.sshfs": 22,
    "lustre": 988, "afs": 7001, "beegfs": 8008, "ocfs2": 7777, "gfs2": 21064,
}  # fmt: skip
"""File systems of the network, with the port of their server."""
NETWORK_BLOCK = re.compile(r"(nbd|drbd|rbd)\d")
SERVER = re.compile(r"(?:^|,)addr=([0-9a-fA-F.:]+)")
PLAIN_LINKS = (1, 32)
TUNNELS = ("vxlan", "geneve", "gretap", "ip6gretap", "wireguard", "tun")
NFT_SECONDS = 20.0
DEFAULT_PORT = 22


@dataclass(frozen=True)
class Surroundings:
    """What was seen. network: what tells this host's network from every other: of the boot, and of the namespace."""

    facts: Facts
    plan: Openings
    session: Session | None
    gateways: Tuple[str, ...]


def look(host: Host, asked: Dict[str, Any], under_way: str) -> Surroundings:
    """Return what is there, and the plan that follows from it.

    asked: the module's parameters. under_way: which isolation is, in a sentence, or empty.

    Raises: IsolationError if what is asked is not understood, HostError if the host cannot be looked at.
    """
    session = own_session(host)
    links = _json(host, "addr", "show")
    routes = _routes(host)
    unseen: List[Tuple[str, str]] = []
    control_device = _device_to(host, session.peer) if session else ""
    out = sorted({str(one.get("dev", "")) for one in routes} | {control_device} - {""})
    hardware = [one for one in _names(links) if os.path.exists(f"/sys/class/net/{one}/device")]
    plan = Openings(
        controls=_controls(asked, session),
        kept=kept_of(asked.get("keep") or []),
        devices=tuple(sorted({*out, *hardware} - {"", "lo"})),
        leased=tuple(one for one in out if one not in ("", "lo")),
        near=tuple(dict.fromkeys(_near(links))),
        own=tuple(str(one.get("local", "")) for link in links for one in link.get("addr_info", [])),
        hooks=hooks(host),
    )
    mounts: List[NetworkMount] = []
    for what, seen in (("mounted paths", network_mounts),):
        try:
            mounts += seen(host)
        except (HostError, ValueError) as exc:
            unseen.append((what, str(exc)))
    login, directories = _login(host, session)
    facts = Facts(
        nft=host.which("nft") or "",
        is_root=host.is_root(),
        has_session=session is not None,
        mounts=tuple(mounts),
        login=login,
        directories=directories,
        forwards=_forwards(host),
        ways=tuple(_ways(links)),
        tunnel=control_device if _is_tunnel(host, control_device) else "",
        running=tuple(_running()),
        own=network_here() == asked.get("controller_network")
        or (session is not None and session.peer in plan.own),
        only_database=bool(asked.get("only_database")),
        under_way=under_way,
        unseen=tuple(unseen),
    )
    gateways = tuple(
        str(one["gateway"])
        for one in routes
        if not str(one.get("gateway", "fe80")).startswith("fe80")
    )
    return Surroundings(facts, plan, session, tuple(dict.fromkeys(gateways)))


def network_here() -> str:
    """Return what tells this network stack from every other one: the boot of the kernel, and the namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return f"{stream.read().strip()} {os.readlink('/proc/self/ns/net')}"
    except OSError:
        return ""


def hooks(host: Host) -> Tuple[str, ...]:
    """Return what the kernel has, of HOOKS, as nft finds out without a change."""
    tries = {
        "bridge": f"forward priority {PRIORITY}",
        "ingress": f'ingress device "lo" priority {NETDEV_PRIORITY}',
        "egress": f'egress device "lo" priority {NETDEV_PRIORITY}',
    }
    found = ["inet"]
    for name, hook in tries.items():
        family = "bridge" if name == "bridge" else "netdev"
        text = f"table {family} t {{ chain c {{ type filter hook {hook}; }}; }}"
        with contextlib.suppress(HostError):
            ran = host.run(["nft", "--check", text], NFT_SECONDS)
            found += [name] if ran.status == 0 else []
    return tuple(one for one in HOOKS if one in found)


def _controls(asked: Dict[str, Any], session: Session | None) -> Tuple[Control, ...]:
    """Return from where the host stays under control: from where it is just now, and what the site declares."""
    port = (
        session.local_port
        if session
        else port_of(asked.get("ssh_port") or DEFAULT_PORT, "ansible_port")
    )
    found = []
    if session:
        found.append(
            Control(
                network_of(session.peer, "the live connection"), port, "the connection of this run"
            )
        )
    for name, why in (("controllers", "a controller"), ("jump_hosts", "a jump host")):
        for number, text in enumerate(asked.get(name) or [], 1):
            found.append(Control(network_of(text, f"isolation_{name}, entry {number}"), port, why))
    return tuple({one.network: one for one in reversed(found)}.values())[::-1]


def _json(host: Host, *words: str) -> List[Dict[str, Any]]:
    """Return what `ip` says.

    Raises: HostError.
    """
    ran = host.run(["ip", "-json", *words])
    try:
        found = json.loads(ran.out or "[]")
    except ValueError as exc:
        raise HostError(
            f"ip -json {' '.join(words)}: {(ran.err or ran.out).strip()[:200]}"
        ) from exc
    return [one for one in found if isinstance(one, dict)]


def _routes(host: Host) -> List[Dict[str, Any]]:
    """Return the default routes."""
    return [
        *_json(host, "-4", "route", "show", "default"),
        *_json(host, "-6", "route", "show", "default"),
    ]


def _device_to(host: Host, peer: str) -> str:
    """Return by which device an address is reached; empty if that is not known."""
    found = _json(host, "route", "get", peer) if not peer.startswith("fe80") else []
    return str(found[0].get("dev", "")) if found else ""


def _names(links: List[Dict[str, Any]]) -> List[str]:
    return [str(one.get("ifname", "")) for one in links]


def _near(links: List[Dict[str, Any]]) -> Iterator[Network]:
    """Yield the networks that the host itself is in."""
    for link in links:
        for one in link.get("addr_info", []):
            if one.get("scope") == "global" and one.get("local"):
                with contextlib.suppress(ValueError):
                    yield ipaddress.ip_interface(
                        f"{one['local']}/{one.get('prefixlen', 32)}"
                    ).network


def _ways(links: List[Dict[str, Any]]) -> List[str]:
    """Return the devices that lead elsewhere: up, with an address, and no bridge that has only guests."""
    found = []
    for link in links:
        name = str(link.get("ifname", ""))
        flags = link.get("flags") or []
        has_address = any(one.get("scope") == "global" for one in link.get("addr_info", []))
        if "LOOPBACK" in flags or "UP" not in flags or not has_address or link.get("master"):
            continue
        ports = f"/sys/class/net/{name}/brif"
        if os.path.isdir(ports) and not any(
            os.path.exists(f"/sys/class/net/{one}/device") for one in os.listdir(ports)
        ):
            continue
        found.append(name)
    return sorted(found)


def _forwards(host: Host) -> bool:
    for path in ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"):
        with contextlib.suppress(HostError):
            if host.read(path, 100).strip() not in ("", "0"):
                return True
    return False


def _is_tunnel(host: Host, device: str) -> bool:
    if not device or not DEVICE.fullmatch(device) or device == "lo":
        return False
    with contextlib.suppress(HostError, ValueError):
        if int(host.read(f"/sys/class/net/{device}/type", 100)) not in PLAIN_LINKS:
            return True
        found = _json(host, "-details", "link", "show", "dev", device)
        return any(one.get("linkinfo", {}).get("info_kind") in TUNNELS for one in found)
    return False


def _login(host: Host, session: Session | None) -> Tuple[str, Tuple[str, ...]]:
    """Return the account that has logged in, if the host's own file has it not, and where else accounts come from."""
    if session is None:
        return "", ()
    accounts = [line.split(":") for line in host.read("/etc/passwd").splitlines()]
    if any(len(one) > 2 and one[2] == str(session.account) for one in accounts):
        return "", ()
    services: List[str] = []
    with contextlib.suppress(HostError):
        for line in host.read("/etc/nsswitch.conf").splitlines():
            if line.startswith("passwd:"):
                services = [one for one in line.split()[1:] if one in DIRECTORIES]
    return str(session.account), tuple(services)


def _running() -> List[str]:
    names = set()
    for pid in [one for one in os.listdir("/proc") if one.isdigit()][:PROCESSES_LIMIT]:
        with contextlib.suppress(OSError):
            names.add(name_of(pid))
    return sorted(names)


def network_mounts(host: Host) -> List[NetworkMount]:
    """Return the mounted paths and the swap whose bytes come over the network.

    Raises: HostError, ValueError if /proc/self/mountinfo is not understood.
    """
    found = parse_mounts(host.read("/proc/self/mountinfo"))
    for path, number in block_mounts(host.read("/proc/self/mountinfo")):
        kind = _network_block(f"/sys/dev/block/{number}")
        if kind:
            found.append(NetworkMount(path, kind))
    return found


def parse_mounts(text: str) -> List[NetworkMount]:
    """Return the mounts of network file systems. Source: proc_pid_mountinfo(5).

    Raises: ValueError if a line is none.
    """
    found = []
    for path, kind, options, _number in _mount_lines(text):
        if kind in NETWORK_KINDS:
            server = SERVER.search(options)
            found.append(
                NetworkMount(path, kind, server.group(1) if server else "", NETWORK_KINDS[kind])
            )
    return found


def block_mounts(text: str) -> List[Tuple[str, str]]:
    """Return path and device number of what is mounted from block devices."""
    return [
        (path, number)
        for path, _kind, _options, number in _mount_lines(text)
        if not number.startswith("0:")
    ]


def _mount_lines(text: str) -> List[Tuple[str, str, str, str]]:
    found = []
    for line in text.splitlines():
        mine, dash, its = line.partition(" - ")
        fields, rest = mine.split(" "), its.split(" ")
        if not dash or len(fields) < 6 or len(rest) < 3:
            raise ValueError(f"no mount in line {line[:120]!r}")
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), fields[4])
        found.append((path, rest[0], rest[2], fields[2]))
    return found


def _network_block(path: str, depth: int = 0) -> str:
    """Return how a block device, or one below it, is reached over the network; empty if it is not."""
    real = os.path.realpath(path)
    name = os.path.basename(real)
    if NETWORK_BLOCK.match(name):
        return re.sub(r"\d.*", "", name)
    if re.search(r"/session\d+/", real):
        return "iscsi"
    if re.search(r"/nvme-fabrics/|/nvme-subsystem/.*(tcp|rdma)", real):
        return "nvme over fabrics"
    slaves = os.path.join(real, "slaves")
    if depth < 8 and os.path.isdir(slaves):
        for one in os.listdir(slaves):
            kind = _network_block(os.path.join(slaves, one), depth + 1)
            if kind:
                return kind
    return ""
