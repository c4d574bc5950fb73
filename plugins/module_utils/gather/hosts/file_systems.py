# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mounted file system that holds files: space, inodes, read-only or not, errors that it has counted."""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Container

from ansible_collections.astral.upkeep.plugins.module_utils.host.children import side_by_side
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation, Whole

ARGUMENTS: dict[str, dict[str, Any]] = {
    "mount_points": {"type": "list", "elements": "str", "default": []},
    "ignore": {
        "type": "list",
        "elements": "str",
        "default": [
            "/etc/hostname",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/dev",
            "/dev/*",
            "/proc/*",
            "/sys/*",
            "/run/credentials/*",
            "/run/user/*",
            "/snap/*",
            "/var/snap/*",
            "/var/lib/docker/*",
            "/var/lib/containers/*",
            "/var/lib/containerd/*",
            "/run/containerd/*",
            "/var/lib/kubelet/*",
        ],
    },
}
MOUNTINFO = "/proc/self/mountinfo"
FSTAB = "/etc/fstab"
CONTAINER = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
SET = "file systems"
LIMIT_BYTES = 2_000_000  # a host of containers has thousands of mounts, each with its own line
MOUNTINFO_BYTES = 16_000_000
STATVFS_SECONDS = 5.0
MOUNTS_LIMIT = 200

DEVICE_NUMBER = re.compile(r"\d+:\d+")
# Neither holds files of its own: kernel interfaces, and images that are full by nature.
NO_STORAGE = frozenset(
    [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "erofs",
        "fusectl",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fuse.snapfuse",
        "hugetlbfs",
        "iso9660",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "squashfs",
        "sysfs",
        "tracefs",
        "udf",
    ]
)


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo. options are the mount's own, super_options those of its file system."""

    mount_point: str
    device_number: str
    device: str
    type: str
    root: str
    options: str
    super_options: str

    @property
    def read_only(self) -> bool:
        """Neither may be written through this mount: the kernel refuses if either says so."""
        return "ro" in self.options.split(",") or self.lost_writes

    @property
    def lost_writes(self) -> bool:
        """A writable mount's file system refuses to be written, as after an error (mount's errors=remount-ro)."""
        return "rw" in self.options.split(",") and bool(
            {"ro", "emergency_ro", "shutdown"} & set(self.super_options.split(","))
        )


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per file system; one that should be mounted and is not has `mounted` false.

    That is one that the site declares, or that /etc/fstab has mounted at each start.
    """
    text = host.read(MOUNTINFO, MOUNTINFO_BYTES)
    fstab, expected, fstab_unread = _fstab(host)
    mounts = parse_mountinfo(text)
    unread = [line for line in text.split("\n") if line and parse_mount(line) is None]
    if not mounts:
        raise HostError(f"{MOUNTINFO}: no mount was read of {len(text)} characters")
    declared = [point.rstrip("/") or "/" for point in params["mount_points"]]
    wanted = {point for point, options in fstab.items() if _wanted_writable(options)}
    chosen = choose(mounts, params["ignore"], declared, wanted)
    # Whoever has an account can mount what he likes with FUSE, and push nothing else out.
    chosen.sort(key=lambda one: (one.mount_point not in declared, one.type.startswith("fuse.")))
    too_many = chosen[MOUNTS_LIMIT:]
    chosen = sorted(chosen[:MOUNTS_LIMIT], key=lambda one: one.mount_point)
    answers = side_by_side(
        {mount.mount_point: partial(figures, host, mount) for mount in chosen}, STATVFS_SECONDS
    )
    lines = {_mount_point(line): line for line in text.split("\n")}
    seen = []
    for mount in chosen:
        answer = answers[mount.mount_point]
        if answer.error:
            reason = f"{mount.type} on {mount.device}: {answer.error}"
            seen.append(Observation(mount.mount_point, raw=lines[mount.mount_point], error=reason))
            continue
        data = {
            "mounted": True,
            "device": mount.device,
            "type": mount.type,
            "read_only": mount.read_only,
            "lost_writes": mount.lost_writes,
            "wanted_writable": _wanted_writable(fstab.get(mount.mount_point)),
            "fstab_unread": fstab_unread,
            **answer.value,
        }
        raw = f"{lines[mount.mount_point]}\nstatvfs {answer.value}\n"
        seen.append(Observation(mount.mount_point, data, raw=raw))
    reason = (
        f"not checked: at most {MOUNTS_LIMIT} file systems are checked; ignore those that do "
        "not matter"
    )
    seen += [Observation(mount.mount_point, error=reason) for mount in too_many]
    mounted = {mount.mount_point for mount in mounts}
    looked_at = {mount.mount_point for mount in (*chosen, *too_many)}
    missing: dict[str, dict[str, Any]] = {
        point: {"mounted": False, "by": FSTAB, "nofail": "nofail" in options}
        for point, options in expected.items()
        if not _is_ignored(point, params["ignore"]) and host.realpath(point) not in mounted
    }
    missing.update({point: {"mounted": False} for point in declared})
    seen += [Observation(point, data) for point, data in missing.items() if point not in mounted]
    again = [one for one in same_again(mounts, params["ignore"]) if one not in looked_at]
    seen += [Observation(point, {"seen_as_another": True}) for point in again[:MOUNTS_LIMIT]]
    seen = [replace(one, of=SET) for one in seen]
    if unread:
        reason = f"{len(unread)} lines were not understood, such as {unread[0][:120]!r}"
        seen.append(Observation(MOUNTINFO, error=reason))
    # A file system of an fstab that was not read would be missing without a word.
    if unread or fstab_unread or len(again) > MOUNTS_LIMIT:
        return seen
    return Whole(seen, [SET])


def same_again(mounts: list[Mount], ignore: list[str]) -> list[str]:
    """Return where file systems are mounted that may be looked at through another of their mounts."""
    return [
        mount.mount_point
        for mount in mounts
        if _has_storage(mount) and not _is_ignored(mount.mount_point, ignore)
    ]


def _has_storage(mount: Mount) -> bool:
    """Return whether it is worth a look: an overlay is only as the root of a container."""
    return mount.type not in NO_STORAGE and (mount.type != "overlay" or mount.mount_point == "/")


def _is_ignored(mount_point: str, ignore: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(mount_point, pattern) for pattern in ignore)


def _fstab(host: Host) -> tuple[dict[str, str], dict[str, str], str]:
    """Return the options by mount point, those of what is to be mounted, and why they are not known.

    A container may have no /etc/fstab, or that of an image, of which nobody mounts anything.
    """
    try:
        text = host.read(FSTAB) if host.exists(FSTAB) else ""
        contained = any(host.exists(path) for path in CONTAINER)
    except HostError as exc:
        return {}, {}, str(exc)
    return parse_fstab(text), {} if contained else mounted_at_start(text), ""


def mounted_at_start(text: str) -> dict[str, str]:
    """Return the options by mount point of what /etc/fstab has mounted at each start. Source: fstab(5), mount(8)."""
    points = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        point, kind, options = unescape(fields[1]), fields[2], (fields[3:] or ["defaults"])[0]
        if point.startswith("/") and kind not in NO_STORAGE and "noauto" not in options.split(","):
            points[point.rstrip("/") or "/"] = options
    return points


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the mounts that can be reached, in the order they were made.

    A mount that a later one on the same mount point covers is left out; so is a line that cannot be read.
    """
    mounts: dict[str, Mount] = {}
    for mount in filter(None, map(parse_mount, text.split("\n"))):
        mounts.pop(mount.mount_point, None)
        mounts[mount.mount_point] = mount
    return list(mounts.values())


def parse_mount(line: str) -> Mount | None:
    """Return the mount of a line; None if it cannot be read. Source: proc_pid_mountinfo(5).

    The kernel escapes the space, tab and line feed in a name, and nothing else that is a space to Python.
    """
    left, _dash, right = line.partition(" - ")
    here, there = left.split(" "), right.split(" ")
    if len(here) < 6 or len(there) < 3 or not DEVICE_NUMBER.fullmatch(here[2]):
        return None
    return Mount(
        *(unescape(here[4]), here[2], unescape(there[1]), there[0]),
        *(unescape(here[3]), here[5], there[2]),
    )


def parse_fstab(text: str) -> dict[str, str]:
    """Return the options by mount point. Source: fstab(5)."""
    options = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and not fields[0].startswith("#"):
            options[unescape(fields[1])] = fields[3]
    return options


def unescape(text: str) -> str:
    r"""Return the text with the kernel's octal escapes (`\040`) resolved."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8) & 0xFF), text)


def choose(
    mounts: list[Mount], ignore: list[str], declared: list[str], wanted: Container[str] = ()
) -> list[Mount]:
    """Return the mounts to look at: those with storage, each file system once, and what was declared.

    Of several mounts of one file system (bind mounts, subvolumes) a writable one stands for all, then the one of its
    root, then the shortest path: what is mounted read-only here fills up through another mount. One that is wanted
    writable (by /etc/fstab) and is not is looked at, too. An overlay counts only as the root of a container; elsewhere
    it lies on a file system that is seen itself.
    """
    chosen: dict[str, Mount] = {}
    by_rank = sorted(mounts, key=lambda one: (one.read_only, one.root != "/", len(one.mount_point)))
    lost = []
    for mount in by_rank:
        if not _has_storage(mount) or _is_ignored(mount.mount_point, ignore):
            continue
        chosen.setdefault(mount.device_number, mount)
        if mount.read_only and mount.mount_point in wanted:
            lost.append(mount)
    found = {mount.mount_point: mount for mount in chosen.values()}
    lost += [mount for mount in mounts if mount.mount_point in declared]
    found.update({mount.mount_point: mount for mount in lost})
    return sorted(found.values(), key=lambda one: one.mount_point)


def figures(host: Host, mount: Mount) -> dict[str, Any]:
    """Return what statvfs says, in bytes and inodes, and the file system's own count of errors, if it keeps one."""
    got = host.statvfs(mount.mount_point)
    counted = None
    if mount.type in ("ext2", "ext3", "ext4"):
        # The number leads to the device also where its name does not (/dev/root).
        for device in (f"/sys/dev/block/{mount.device_number}", mount.device):
            name = os.path.basename(host.realpath(device))
            try:
                counted = int(host.read(f"/sys/fs/ext4/{name}/errors_count", limit_bytes=32))
                break
            except (HostError, ValueError):
                counted = None
    return {
        "size_bytes": got.f_blocks * got.f_frsize,
        "free_bytes": got.f_bfree * got.f_frsize,
        "available_bytes": got.f_bavail * got.f_frsize,
        "inodes": got.f_files,
        "inodes_free": got.f_ffree,
        "errors": counted,
    }


def _mount_point(line: str) -> str:
    fields = line.split(" ")
    return unescape(fields[4]) if len(fields) > 4 else ""


def _wanted_writable(options: str | None) -> bool | None:
    """Return whether /etc/fstab wants it writable; None if it does not speak of it."""
    return None if options is None else "ro" not in options.split(",")
