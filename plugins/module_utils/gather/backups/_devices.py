# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The block devices below a mount: partitions, RAID, LVM, encryption and loop devices down to the disks."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

MOUNTS = "/proc/self/mountinfo"
DEEPEST = 32
DEVICES_LIMIT = 2_000
_LVM = re.compile(r"LVM-([A-Za-z0-9]{32})")
_NAMESPACE = re.compile(r"(nvme\d+)(c\d+)?n\d+\Z")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FAR = (
    (re.compile(r"/session\d+/"), "iSCSI"),
    (re.compile(r"/rport-"), "Fibre Channel"),
    (re.compile(r"/nbd\d+\Z"), "NBD"),
    (re.compile(r"/rbd\d+\Z"), "Ceph RBD"),
    (re.compile(r"/drbd\d+\Z"), "DRBD"),
    (re.compile(r"/nvme-fabrics/"), "NVMe over fabrics"),
)


@dataclass(frozen=True)
class MountPoint:
    """A line of mountinfo. device: `major:minor`. Source: proc_pid_mountinfo(5)."""

    point: str
    device: str
    type: str
    source: str


@dataclass
class Disks:
    """What a mount stands on.

    devices: the names of all block devices below it, from the top down. groups: its LVM volume groups, by their UUID.
    far: those whose data another machine keeps, each with the way to it, such as `iSCSI`.
    """

    devices: list[str] = field(default_factory=list)
    disks: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    far: dict[str, str] = field(default_factory=dict)


def parse_mounts(text: str) -> list[MountPoint]:
    """Return the mounts, in the order in which they were made."""
    found = []
    for line in text.splitlines():
        before, is_whole, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if is_whole and len(fields) >= 6 and len(rest) >= 2:
            point, source = _unescaped(fields[4]), _unescaped(rest[1])
            found.append(MountPoint(point, fields[2], rest[0], source))
    return found


def mount_of(path: str, mounts: list[MountPoint], host: Host) -> MountPoint:
    """Return the mount that an existing path, without links, lies on.

    Raises: HostError if there is none.
    """
    # Of those at the same place the last one is seen. A mount may also hide what was mounted deeper before.
    above = [
        one
        for one in reversed(mounts)
        if one.point == "/" or (path + "/").startswith(one.point + "/")
    ]
    if not above:
        raise HostError(f"{path}: on no mount of {MOUNTS}")
    deepest_first = sorted(above, key=lambda one: -len(one.point))
    with contextlib.suppress(HostError):
        number = host.stat(path).st_dev
        device = f"{os.major(number)}:{os.minor(number)}"
        for one in deepest_first:
            if one.device == device:
                return one
    return deepest_first[0]  # a subvolume of btrfs has a number that no mount has


def disks_of(mount: MountPoint, mounts: list[MountPoint], host: Host) -> Disks:
    """Return what a mount stands on, as far as sysfs shows it."""
    found = Disks()
    for top in _tops(mount, host):
        _walk(top, found, mounts, host, 0)
    return found


def _tops(mount: MountPoint, host: Host) -> list[str]:
    """Return the devices that a file system is made on, as folders of sysfs."""
    folder = f"/sys/dev/block/{mount.device}"
    if _there(folder, host):
        return [host.realpath(folder)]
    if not mount.source.startswith("/dev/"):
        return []
    name = os.path.basename(host.realpath(mount.source))
    names = [name]
    if mount.type == "btrfs":  # has a number of its own, and may lie on several devices
        for known in _names("/sys/fs/btrfs", host):
            members = _names(f"/sys/fs/btrfs/{known}/devices", host)
            if name in members:
                names = members
    folders = [f"/sys/class/block/{one}" for one in names]
    return [host.realpath(one) for one in folders if _there(one, host)]


def _walk(folder: str, found: Disks, mounts: list[MountPoint], host: Host, depth: int) -> None:
    """Take down a device and all below it."""
    name = os.path.basename(folder)
    if name in found.devices or depth > DEEPEST or len(found.devices) > DEVICES_LIMIT:
        return
    found.devices.append(name)
    group = _LVM.match(_line(f"{folder}/dm/uuid", host))
    if group:
        found.groups[group.group(1)] = _line(f"{folder}/dm/name", host) or name
    for pattern, way in _FAR:
        if pattern.search(folder):
            found.far[name] = way
    below = [host.realpath(f"{folder}/slaves/{one}") for one in _names(f"{folder}/slaves", host)]
    if _there(f"{folder}/partition", host):
        below.append(os.path.dirname(folder))
    for one in below:
        _walk(one, found, mounts, host, depth + 1)
    backing = _line(f"{folder}/loop/backing_file", host)
    if backing:
        path = host.realpath(re.sub(r" \(deleted\)\Z", "", backing))
        with contextlib.suppress(HostError):
            for one in _tops(mount_of(path, mounts, host), host):
                below.append(one)
                _walk(one, found, mounts, host, depth + 1)
    if not below:
        # Two namespaces of NVMe are parts of one device.
        found.disks.append(_NAMESPACE.sub(r"\1", name))


def _line(path: str, host: Host) -> str:
    """Return a file's first line; empty if there is none."""
    try:
        return (host.read_head(path, 4096).decode("utf-8", "surrogateescape") + "\n").splitlines()[
            0
        ]
    except HostError:
        return ""


def _names(folder: str, host: Host) -> list[str]:
    try:
        return host.names(folder)
    except HostError:
        return []


def _there(path: str, host: Host) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 8)), text)
