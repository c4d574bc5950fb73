"""How far apart two places are, on recorded mounts, devices and names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rooted_host import RootedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._places import apart
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError

# Lines of /proc/self/mountinfo as Linux 6.1 (Debian 12) writes them.
MOUNTS = r"""
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
40 27 259:2 /srv/web /var/www rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
41 27 259:3 / /data rw,relatime shared:2 - ext4 /dev/nvme0n1p3 rw
42 27 259:5 / /second rw,relatime shared:2 - ext4 /dev/nvme0n2 rw
43 27 8:1 / /usb\040disk rw,relatime shared:3 - ext4 /dev/sda1 rw
44 27 253:3 / /lv/a rw,relatime shared:4 - xfs /dev/mapper/vg0-a rw
45 27 253:4 / /lv/b rw,relatime shared:5 - xfs /dev/mapper/vg0-b rw
46 27 253:6 / /secret rw,relatime shared:6 - ext4 /dev/mapper/secret rw
47 27 9:0 / /raid rw,relatime shared:7 - ext4 /dev/md0 rw
48 27 8:34 / /half rw,relatime shared:8 - ext4 /dev/sdc2 rw
49 27 7:0 / /image rw,relatime shared:9 - ext4 /dev/loop0 rw
50 27 0:50 /@home /btrfs/home rw,relatime shared:10 - btrfs /dev/sde rw,subvol=/@home
51 27 0:50 /@backup /btrfs/backup rw,relatime shared:11 - btrfs /dev/sde rw,subvol=/@backup
52 27 8:81 / /member rw,relatime shared:12 - ext4 /dev/sdf1 rw
53 27 0:53 / /tank/a rw shared:13 - zfs tank/a rw,xattr
54 27 0:54 / /tank/b rw shared:14 - zfs tank/b rw,xattr
55 27 0:55 / /mnt/nas rw shared:15 - nfs4 nas1:/export rw,vers=4.2
56 27 0:56 / /mnt/nas2 rw shared:16 - nfs4 nas1:/other rw,vers=4.2
57 27 0:57 / /mnt/share rw shared:17 - cifs //NAS1/backup rw,vers=3.1.1
58 27 0:58 / /mnt/own rw shared:18 - nfs db1.example.org:/srv rw
59 27 0:59 / /mnt/ssh rw shared:19 - fuse.sshfs backup@vault.example.org:/b rw
60 27 0:60 / /mnt/vm rw shared:20 - virtiofs hostshare rw
61 27 0:61 / /mnt/vm2 rw shared:21 - 9p other rw,trans=virtio
62 27 0:62 / /mnt/cloud rw shared:22 - fuse.rclone cloud:bucket rw
63 27 8:96 / /iscsi rw shared:23 - ext4 /dev/sdg rw
64 27 0:64 / /dev/shm rw shared:24 - tmpfs tmpfs rw
65 27 0:65 / /mnt/ceph rw shared:25 - ceph 10.0.0.1:6789,10.0.0.2:6789:/ rw
"""
PCI = "devices/pci0000:00"
GROUP = "wVQkkTmBqzYpLBVvFSnLUwCRlAz1mnUp"
# Device number → its folder in sysfs and, in it, the files with their content and the devices below.
DEVICES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "259:2": (f"{PCI}/nvme/nvme0/nvme0n1/nvme0n1p2", {"partition": "2"}, []),
    "259:3": (f"{PCI}/nvme/nvme0/nvme0n1/nvme0n1p3", {"partition": "3"}, []),
    "259:5": (f"{PCI}/nvme/nvme0/nvme0n2", {}, []),
    "8:1": (f"{PCI}/usb1/block/sda/sda1", {"partition": "1"}, []),
    "8:17": (f"{PCI}/ata1/block/sdb/sdb1", {"partition": "1"}, []),
    "8:33": (f"{PCI}/ata2/block/sdc/sdc1", {"partition": "1"}, []),
    "8:34": (f"{PCI}/ata2/block/sdc/sdc2", {"partition": "2"}, []),
    "8:48": (f"{PCI}/ata3/block/sdd", {}, []),
    "8:64": (f"{PCI}/ata4/block/sde", {}, []),
    "8:81": (f"{PCI}/ata5/block/sdf/sdf1", {"partition": "1"}, []),
    "8:80": (f"{PCI}/ata5/block/sdf", {}, []),
    "8:96": ("devices/platform/host3/session1/target3:0:0/block/sdg", {}, []),
    "253:3": (
        "devices/virtual/block/dm-3",
        {"dm/uuid": f"LVM-{GROUP}{'a' * 32}", "dm/name": "vg0-a"},
        ["sdd"],
    ),
    "253:4": (
        "devices/virtual/block/dm-4",
        {"dm/uuid": f"LVM-{GROUP}{'b' * 32}", "dm/name": "vg0-b"},
        ["sde"],
    ),
    "253:6": (
        "devices/virtual/block/dm-6",
        {"dm/uuid": "CRYPT-LUKS2-0c1f6a3e-secret", "dm/name": "secret"},
        ["sda1"],
    ),
    "9:0": ("devices/virtual/block/md0", {}, ["sdb1", "sdc1"]),
    "7:0": ("devices/virtual/block/loop0", {"loop/backing_file": "/data/image (deleted)"}, []),
}
FIB_TRIE = """Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 192.0.2.10
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""
ADDRESSES = {
    "nas1": ["192.0.2.20"],
    "NAS1": ["192.0.2.20"],
    "db1.example.org": ["192.0.2.10"],
    "vault.example.org": ["2001:db8::7"],
}


class Machine(RootedHost):
    """A host whose folders have no numbers of their own, so that mountinfo alone says where they are."""

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        raise HostError(f"{path}: not recorded")

    def resolve(self, name: str, port: int = 0) -> list[str]:
        if name not in ADDRESSES:
            raise HostError(f"{name}: name or service not known")
        return ADDRESSES[name]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    root = tmp_path_factory.mktemp("machine")
    write(root / "proc/self/mountinfo", MOUNTS.lstrip())
    write(root / "proc/net/fib_trie", FIB_TRIE)
    write(root / "proc/sys/kernel/hostname", "db1\n")
    for folder in ("sys/dev/block", "sys/class/block"):
        (root / folder).mkdir(parents=True)
    for number, (folder, files, below) in DEVICES.items():
        place = root / "sys" / folder
        place.mkdir(parents=True, exist_ok=True)
        name = place.name
        (root / "sys/dev/block" / number).symlink_to(f"../../{folder}")
        (root / "sys/class/block" / name).symlink_to(f"../../{folder}")
        for file, text in files.items():
            write(place / file, text + "\n")
        for one in below:
            (under,) = [place for place, _f, _b in DEVICES.values() if place.endswith(f"/{one}")]
            (place / "slaves").mkdir(exist_ok=True)
            (place / "slaves" / one).symlink_to(root / "sys" / under)
    btrfs = root / "sys/fs/btrfs/6a2b/devices"
    btrfs.mkdir(parents=True)
    for one in ("sde", "sdf"):
        (btrfs / one).mkdir()
    for line in MOUNTS.strip().splitlines():
        point = line.split(" ")[4].replace("\\040", " ").lstrip("/")
        (root / point).mkdir(parents=True, exist_ok=True)
    return Machine(root)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "other", "expected", "words"),
    [
        ("/data/*.gz", "/data/copy/*.gz", "same file system", "/dev/nvme0n1p3 (ext4)"),
        ("/srv/x", "/var/www/x", "same file system", "/dev/nvme0n1p2 (ext4)"),
        ("/btrfs/home", "/btrfs/backup", "same file system", "/dev/sde (btrfs)"),
        ("/tank/a", "/tank/b", "same file system", "the ZFS pool tank"),
        ("/srv", "/data", "same device", "are both on nvme0n1"),
        ("/srv", "/second", "same device", "are both on nvme0"),
        ("/usb disk/b", "/secret/b", "same device", "are both on sda1"),
        ("/raid", "/half", "same device", "are both on sdc"),
        ("/data", "/image", "same device", "are both on nvme0n1p3"),
        ("/btrfs/home", "/member", "same device", "are both on sdf"),
        ("/lv/a", "/btrfs/home", "same host", "on sdd and on sde and sdf"),
        ("/lv/a", "/lv/b", "same volume group", "vg0-a and vg0-b"),
        ("/lv/b", "/btrfs/backup", "same device", "are both on sde"),
        ("/data", "/usb disk", "same host", "on nvme0 and on sda"),
        ("/data", "/dev/shm", "same host", "both on this host"),
        (
            "/data",
            "/mnt/nas/b/*.gz",
            "unknown",
            "/mnt/nas/b/*.gz is on nas1:/export by NFS: this host cannot tell where nas1 keeps its data",
        ),
        ("/mnt/nas", "/mnt/nas2", "same server", "both on nas1"),
        ("/mnt/nas", "/mnt/share", "same server", "both on nas1"),
        ("/mnt/nas", "/mnt/ssh", "unknown", "vault.example.org:/b by SSH"),
        ("/mnt/nas", "sftp:me@nas1:/b", "same server", "both on nas1"),
        ("/data", "/mnt/own", "same host", "db1.example.org is this host"),
        ("/mnt/vm", "/mnt/vm2", "same server", "the machine that this one runs on"),
        ("/data", "/mnt/vm", "unknown", "by virtiofs: this host cannot tell where the machine"),
        ("/data", "/mnt/cloud", "unknown", "cloud:bucket by fuse.rclone"),
        ("/data", "/iscsi", "unknown", "the other machine of sdg (iSCSI)"),
        ("/data", "/mnt/ceph", "unknown", "where 10.0.0.1 or 10.0.0.2 keeps"),
        ("/data", "/not/mounted/yet/*.gz", "same device", "nvme0n1"),
        ("/srv", "/not/mounted/yet/*.gz", "same file system", "/dev/nvme0n1p2"),
        ("/data", "s3:https://key:geheim@s3.example.org/b", "unknown", "s3://s3.example.org: this"),
        (
            "/data",
            "rest:https://me:geheim@192.0.2.10:8000/",
            "same host",
            "192.0.2.10 is this host",
        ),
        ("/data", "ssh://me:geheim@localhost:22/b", "same host", "localhost is this host"),
        ("/data", "root@db1:/b", "same host", "db1 is this host"),
        ("/data", "sftp://me@[::1]:22//b", "same host", "::1 is this host"),
        ("/data", "b2:bucket:b", "unknown", "b2: this host cannot tell where its data lies"),
        ("/data", "local:/data/restic", "same file system", "/dev/nvme0n1p3"),
        ("/data", "file:///usb disk/borg", "same host", "on nvme0 and on sda"),
    ],
)
def test_two_places(machine: Machine, path: str, other: str, expected: str, words: str) -> None:
    for one, two in ((path, other), (other, path)):
        how, why = apart(one, two, machine)

        assert how == expected, why
        assert words in why or (one, two) != (path, other)
        assert "geheim" not in why
        assert "me@" not in why


def test_of_two_mounts_at_one_place_the_last_one_is_seen(tmp_path: Path) -> None:
    two = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 0:5 / /b rw - nfs4 nas1:/x rw\n29 27 8:2 / /b rw - ext4 /dev/sda2 rw\n"
    write(tmp_path / "proc/self/mountinfo", two)
    (tmp_path / "b").mkdir()

    assert apart("/b", "/", Machine(tmp_path))[0] == "same host"


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("proc/cpuinfo", "flags\t\t: fpu vme hypervisor lahf_lm\n", "a virtual machine"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n", "a virtual machine"),
        (".dockerenv", "", "a container"),
        ("proc/cpuinfo", "flags\t\t: fpu vme lahf_lm\n", ""),
    ],
)
def test_what_a_virtual_machine_cannot_show_is_said(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    mounts = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n29 27 8:17 / /b rw - ext4 /dev/sdb1 rw\n"
    write(tmp_path / "proc/self/mountinfo", mounts)
    write(tmp_path / file, text)
    (tmp_path / "b").mkdir()

    how, why = apart("/", "/b", Machine(tmp_path))

    assert how == "same host"
    assert words in why
    assert bool(words) == ("machine below it" in why)


def test_a_host_that_shows_no_mounts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="mountinfo"):
        apart("/a", "/b", Machine(tmp_path))
