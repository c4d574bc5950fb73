# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far apart two places are: a backup and its second copy, as far as this host shows it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._devices import (
    MOUNTS,
    MountPoint,
    disks_of,
    mount_of,
    parse_mounts,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._repositories import (
    is_remote,
    local_path,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

SAME_FILE_SYSTEM, SAME_DEVICE, SAME_GROUP, SAME_HOST, SAME_SERVER, UNKNOWN = (
    "same file system", "same device", "same volume group", "same host", "same server", "unknown",
)  # fmt: skip
Apart = Tuple[str, str]
"""One of the six above, and why."""

NETWORK = {
    "nfs": "NFS", "nfs4": "NFS", "cifs": "SMB", "smb3": "SMB", "smbfs": "SMB", "ceph": "CephFS",
    "fuse.ceph": "CephFS", "glusterfs": "GlusterFS", "fuse.glusterfs": "GlusterFS",
    "fuse.sshfs": "SSH", "afs": "AFS", "lustre": "Lustre", "beegfs": "BeeGFS",
}  # fmt: skip
OF_HYPERVISOR = ("9p", "virtiofs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs", "fuse.prl_fsd")
THE_HYPERVISOR = "the machine that this one runs on"
STACKED = ("ecryptfs", "fuse.bindfs", "fuse.gocryptfs", "fuse.encfs", "fuse.lxcfs")
"""File systems that show a folder of another one."""
DEEPEST_STACK = 4
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_ADDRESS = re.compile(r"(?:[^/@]*@)?(\[[^\]]+\]|[^/\s:@\[\],]+)")
_VIRTUAL = (
    ("/proc/cpuinfo", re.compile(r"(?m)^flags\s*:.*\bhypervisor\b")),
    (
        "/sys/class/dmi/id/product_name",
        re.compile(r"KVM|VMware|VirtualBox|Virtual Machine|HVM|BHYVE"),
    ),
    (
        "/sys/class/dmi/id/sys_vendor",
        re.compile(r"QEMU|VMware|Xen|innotek|Amazon EC2|Google|DigitalOcean|Hetzner|OpenStack"),
    ),
)
_CLOUD = re.compile(r"(?:b2|rclone|swift|azure|gs):")


@dataclass(frozen=True)
class _Place:
    """Where something lies.

    shown: for people, without a user or a password. way: how this host gets there, if another machine keeps it.
    servers: the names of that one; none if this host does not see them.
    """

    shown: str
    mount: MountPoint | None = None
    way: str = ""
    servers: tuple[str, ...] = ()


def apart(path: str, other: str, host: Host) -> Apart:
    """Return how far apart two places are, the nearest that holds, and why.

    path, other: a path, a pattern of paths, or the URL of a repository.

    Raises: HostError if the host does not show what is mounted where.
    """
    mounts = parse_mounts(host.read(MOUNTS))
    one, two = _place(path, mounts, host), _place(other, mounts, host)
    if one.mount and two.mount:
        shared = _same_file_system(one.mount, two.mount)
        if shared:
            return SAME_FILE_SYSTEM, f"{one.shown} and {two.shown} are both on {shared}"
    if one.way or two.way:
        return _by_server(one, two, host)
    return _by_disk(one, two, mounts, host)


def _same_file_system(one: MountPoint, two: MountPoint) -> str:
    """Return what two mounts have in common if they are one file system, or one pool; else an empty text."""
    if one.device == two.device:
        return f"the file system {one.source} ({one.type})"
    if one.type == two.type == "zfs":
        pool = one.source.partition("/")[0]
        return f"the ZFS pool {pool}" if pool == two.source.partition("/")[0] else ""
    if one.type == two.type == "btrfs" and one.source == two.source:
        return f"the file system {one.source} (btrfs)"
    return ""


# --- where a place is ------------------------------------------------------------------------------------------------
def _place(text: str, mounts: list[MountPoint], host: Host) -> _Place:
    """Return where a path or a repository is.

    Raises: HostError.
    """
    if is_remote(text):
        scheme = text.partition(":")[0] if re.match(r"[A-Za-z0-9+.-]+:", text) else "ssh"
        server = _server_of_address(text)
        if not server:
            return _Place(f"a repository at {scheme}", way=scheme)
        scheme = scheme if scheme != server else "ssh"
        return _Place(f"{scheme}://{server}", way=scheme, servers=(server,))
    shown = local_path(text)
    path = host.realpath(_existing(shown, host))
    mount = mount_of(path, mounts, host)
    for _level in range(DEEPEST_STACK):
        if mount.type not in STACKED or not mount.source.startswith("/"):
            break
        mount = mount_of(host.realpath(mount.source), mounts, host)
    if mount.type in OF_HYPERVISOR:
        return _Place(shown, mount, mount.type, (THE_HYPERVISOR,))
    if mount.type in NETWORK:
        return _Place(shown, mount, NETWORK[mount.type], _servers_of(mount))
    if mount.type.startswith("fuse") and mount.type != "fuseblk" and mount.type not in STACKED:
        server = _server_of_address(mount.source) if ":" in mount.source else ""
        return _Place(shown, mount, mount.type, (server,) if server else ())
    return _Place(shown, mount)


def _existing(path: str, host: Host) -> str:
    """Return the path, or the nearest folder above it that is there; of a pattern, what is before it.

    Raises: HostError if one cannot see.
    """
    plain = re.split(r"[*?\[]", path)[0]
    found = os.path.abspath(plain if plain == path else os.path.dirname(plain) or "/")
    while found != "/" and not host.exists(found):
        found = os.path.dirname(found)
    return found


def _servers_of(mount: MountPoint) -> tuple[str, ...]:
    """Return the servers of a network file system; Ceph has several."""
    source = mount.source
    if source.startswith("//"):
        return (source[2:].partition("/")[0].rpartition("@")[2],)
    if mount.type == "ceph":
        source = source.rpartition("=")[2].replace("/", ",") if "=" in source else source
        monitors = map(_ADDRESS.match, source.partition(":/")[0].split(","))
        return tuple(one.group(1).strip("[]") for one in monitors if one)
    found = _ADDRESS.match(source)
    return (found.group(1).strip("[]"),) if found else ()


def _server_of_address(text: str) -> str:
    """Return the host's name in a repository's address; empty if it names none, such as `b2:bucket`."""
    if _CLOUD.match(text):
        return ""
    found = _AUTHORITY.match(text)
    rest = found.group(1) if found else re.sub(r"\A(?:sftp|rest|s3):", "", text)
    named = _ADDRESS.match(rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest)
    return named.group(1).strip("[]") if named else ""


# --- of another machine ----------------------------------------------------------------------------------------------
def _by_server(one: _Place, two: _Place, host: Host) -> Apart:
    """Return how far apart two places are of which another machine may keep one."""
    both = f"{one.shown} and {two.shown}"
    if one.way and two.way:
        shared = _shared_server(one, two, host)
        if shared:
            return SAME_SERVER, f"{both} are both on {shared}"
    far = [place for place in (one, two) if place.way and not _leads_here(place, host)]
    if not far:
        here = next(place for place in (two, one) if place.way)
        return SAME_HOST, f"{both}: {here.servers[0]} is this host"
    return UNKNOWN, "; ".join(dict.fromkeys(_cannot_tell(place) for place in far))


def _cannot_tell(place: _Place) -> str:
    """Return why this host cannot tell where a place is."""
    server = " or ".join(place.servers[:3]) or "whoever serves it"
    if place.mount is None and not place.servers:
        return f"{place.shown}: this host cannot tell where its data lies"
    if place.mount is None:
        return f"{place.shown}: this host cannot tell where {server} keeps its data"
    source = f" by {place.way}"
    if place.servers and place.servers != (THE_HYPERVISOR,):
        source = f" on {_without_user(place.mount.source)}{source}"
    return f"{place.shown} is{source}: this host cannot tell where {server} keeps its data"


def _without_user(source: str) -> str:
    return re.sub(r"\A((?:[A-Za-z][A-Za-z0-9+.-]*:)?/*)[^/]*@", r"\1", source)[:200]


def _shared_server(one: _Place, two: _Place, host: Host) -> str:
    """Return the server that keeps both; empty if none is known to."""
    for name in one.servers:
        if name.lower() in [other.lower() for other in two.servers]:
            return name
    addresses = {address for name in two.servers for address in _addresses(name, host)}
    for name in one.servers:
        if addresses.intersection(_addresses(name, host)):
            return name
    return ""


def _leads_here(place: _Place, host: Host) -> bool:
    """Return whether a server's name is one of this host."""
    own = {"localhost", *(name.lower() for name in _host_names(host))}
    if any(name.lower() in own for name in place.servers):
        return True
    found = {address for name in place.servers for address in _addresses(name, host)}
    if any(ipaddress.ip_address(address).is_loopback for address in found):
        return True
    return bool(found & _own_addresses(host)) if found else False


def _host_names(host: Host) -> list[str]:
    with contextlib.suppress(HostError):
        return [host.read("/proc/sys/kernel/hostname", 4096).strip()]
    return []


def _addresses(name: str, host: Host) -> list[str]:
    """Return a server's addresses as they are written shortest; none if its name is not known."""
    if name == THE_HYPERVISOR:
        return []
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(name))]
    with contextlib.suppress(HostError, ValueError):
        found = [ipaddress.ip_address(one.partition("%")[0]) for one in host.resolve(name)]
        return [str(getattr(one, "ipv4_mapped", None) or one) for one in found]
    return []


def _own_addresses(host: Host) -> set[str]:
    """Return the addresses of this host's interfaces. Source: proc_net(5)."""
    found = set()
    with contextlib.suppress(HostError):
        text = host.read("/proc/net/fib_trie")
        found.update(re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", text))
    with contextlib.suppress(HostError, ValueError):
        for line in host.read("/proc/net/if_inet6").splitlines():
            found.add(str(ipaddress.IPv6Address(int(line[:32], 16))))
    return found


# --- of this machine -------------------------------------------------------------------------------------------------
def _by_disk(one: _Place, two: _Place, mounts: list[MountPoint], host: Host) -> Apart:
    """Return how far apart two places on disks of this host are."""
    if one.mount is None or two.mount is None:
        return UNKNOWN, f"this host does not show where {one.shown} or {two.shown} lies"
    below, under = disks_of(one.mount, mounts, host), disks_of(two.mount, mounts, host)
    both = f"{one.shown} and {two.shown}"
    for name in [*below.devices, *below.disks]:
        if name in under.devices or name in under.disks:
            return SAME_DEVICE, f"{both} are both on {name}"
    for group in below.groups:
        if group in under.groups:
            names = f"{below.groups[group]} and {under.groups[group]}"
            return SAME_GROUP, f"{both} are on volumes of one group, {names}"
    for place, disks in ((two, under), (one, below)):
        for name, way in disks.far.items():
            why = f"this host cannot tell where the other machine of {name} ({way}) keeps its data"
            return UNKNOWN, f"{place.shown}: {why}"
    disks_shown = [" and ".join(one.disks[:4]) for one in (below, under)]
    on = f" on {disks_shown[0]} and on {disks_shown[1]}" if all(disks_shown) else ""
    return SAME_HOST, f"{both} are both on this host{on}{_machine(host)}"


def _machine(host: Host) -> str:
    """Return what is to be said of the disks of a container or a virtual machine."""
    for path in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container"):
        with contextlib.suppress(HostError):
            if host.exists(path):
                return ", a container, whose volumes may lie on one disk of the machine below it"
    for path, virtual in _VIRTUAL:
        with contextlib.suppress(HostError):
            if virtual.search(host.read_head(path, 65536).decode("utf-8", "replace")):
                return (
                    ", a virtual machine, whose disks may lie on one disk of the machine below it"
                )
    return ""
