"""Which mounts are looked at, and that one that hangs costs only itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts import file_systems
from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts.file_systems import (
    choose,
    gather,
    parse_mountinfo,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Whole

MOUNTINFO = (Path(__file__).parents[2] / "recorded/hosts/file_systems/mountinfo.txt").read_text()
DEFAULTS: dict[str, Any] = {
    name: argument["default"] for name, argument in file_systems.ARGUMENTS.items()
}


class Mounts(RecordedHost):
    """A recorded host of whose mounts one hangs and one is broken."""

    def statvfs(self, path: str) -> os.statvfs_result:
        if path == "/hangs":
            time.sleep(PATIENCE_SECONDS)
        if path == "/broken":
            raise HostError("/broken: stale file handle")
        return os.statvfs_result((4096, 4096, 100, 50, 40, 10, 5, 5, 0, 255))


def line(number: int, point: str, kind: str = "ext4", root: str = "/") -> str:
    return f"{number} 1 8:{number} {root} {point} rw,relatime - {kind} /dev/x{number} rw\n"


def test_each_file_system_is_seen_once() -> None:
    chosen = choose(parse_mountinfo(MOUNTINFO), DEFAULTS["ignore"], [])

    assert [mount.mount_point for mount in chosen] == ["/", "/srv/data"]
    assert [mount.lost_writes for mount in chosen] == [False, True]


def on_one(point: str, options: str, root: str = "/", shared: str = "rw") -> str:
    """Return a mount of the file system that all of these share."""
    return f"1 1 8:1 {root} {point} {options},relatime - xfs /dev/sda1 {shared}\n"


# As an image-based system mounts its one file system: /sysroot and / cannot be written, /etc and /var can.
IMAGE = (
    on_one("/", "ro", "/ostree/deploy/x/0")
    + on_one("/sysroot", "ro")
    + on_one("/etc", "rw", "/ostree/deploy/x/0/etc")
    + on_one("/var", "rw", "/ostree/deploy/x/var")
)


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        (IMAGE, (), {"/etc": False}),
        (on_one("/snapshot", "ro") + on_one("/home", "rw", "/home"), (), {"/home": False}),
        (on_one("/a", "ro") + on_one("/snapshot", "ro"), (), {"/a": True}),
        (on_one("/a", "rw", shared="ro") + on_one("/longer", "rw", shared="ro"), (), {"/a": True}),
        (
            on_one("/", "rw") + on_one("/srv/x", "ro", "/x"),
            ("/", "/srv/x"),
            {"/": False, "/srv/x": True},
        ),
        (on_one("/", "rw") + on_one("/srv/x", "ro", "/x"), ("/",), {"/": False}),
        (
            on_one("/", "rw") + "2 1 11:0 / /media ro - iso9660 /dev/sr0 ro\n",
            ("/", "/media"),
            {"/": False},
        ),
    ],
    ids=[
        "an image",
        "a snapshot",
        "all read-only",
        "after an error",
        "a bind mount that fstab wants writable",
        "one that fstab does not name",
        "a disc",
    ],
)
def test_a_writable_mount_stands_for_its_file_system(
    text: str, wanted: tuple[str, ...], expected: dict[str, bool]
) -> None:
    found = choose(parse_mountinfo(text), DEFAULTS["ignore"], [], wanted)

    assert {one.mount_point: one.read_only for one in found} == expected


def test_errors_are_counted_by_the_number_of_the_device() -> None:
    class Root(Mounts):
        def realpath(self, path: str) -> str:
            return "/sys/devices/x/sda/sda1" if path == "/sys/dev/block/8:1" else path

    host = Root({"/sys/fs/ext4/sda1/errors_count": "3\n"})
    [mount] = parse_mountinfo(line(1, "/").replace("/dev/x1", "/dev/root"))

    assert file_systems.figures(host, mount)["errors"] == 3


def test_images_and_layers_are_left_out_except_a_containers_root() -> None:
    text = line(1, "/", "overlay") + line(2, "/snap/x/1", "squashfs") + line(3, "/a", "overlay")

    assert [one.mount_point for one in choose(parse_mountinfo(text), [], [])] == ["/"]


def test_a_later_mount_covers_an_earlier_one() -> None:
    [mount] = parse_mountinfo(line(1, "/mnt") + line(2, "/mnt", "xfs"))

    assert mount.type == "xfs"


def test_names_are_unescaped() -> None:
    [mount] = parse_mountinfo(line(1, r"/media/My\040Disk"))

    assert mount.mount_point == "/media/My Disk"


def test_a_declared_mount_point_is_seen_or_missing() -> None:
    host = Mounts({"/proc/self/mountinfo": line(1, "/") + line(2, "/run/user/9", "tmpfs")})
    seen = gather({**DEFAULTS, "mount_points": ["/run/user/9/", "/backup"]}, host)

    assert [one.subject for one in seen] == ["/", "/run/user/9", "/backup"]
    assert seen[-1].data == {"mounted": False}


def test_a_mount_that_hangs_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # For the good one too: on a busy machine it takes a while to begin.
    monkeypatch.setattr(file_systems, "STATVFS_SECONDS", 10)
    host = Mounts(
        {"/proc/self/mountinfo": line(1, "/") + line(2, "/broken") + line(3, "/hangs", "nfs")}
    )
    good, broken, hangs = gather(DEFAULTS, host)

    assert good.data["available_bytes"] == 40 * 4096
    assert broken.error == "ext4 on /dev/x2: /broken: stale file handle"
    assert hangs.error == "nfs on /dev/x3: no answer within 10 s"


def test_file_systems_beyond_the_limit_are_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "MOUNTS_LIMIT", 2)
    host = Mounts({"/proc/self/mountinfo": line(1, "/") + line(2, "/a") + line(3, "/z")})

    root, first, beyond = gather(DEFAULTS, host)

    assert (root.error, first.error, beyond.subject) == ("", "", "/z")
    assert beyond.error.startswith("not checked: at most 2 file systems are checked")


def test_fstab_says_what_was_wanted() -> None:
    files = {
        "/proc/self/mountinfo": line(1, "/") + line(2, "/data"),
        "/etc/fstab": "UUID=1 / ext4 defaults 0 1\n# comment\n/dev/x2 /data ext4 ro,noatime 0 2\n",
    }
    root, data = gather(DEFAULTS, Mounts(files))

    assert (root.data["wanted_writable"], data.data["wanted_writable"]) == (True, False)


ROOT = "UUID=1 / ext4 defaults 0 1\n"


@pytest.mark.parametrize(
    ("fstab", "ignore", "others", "expected"),
    [
        ("/dev/x2 /data ext4 defaults 0 2", [], {}, {"/data": False}),
        ("/dev/x2 /data/ ext4", [], {}, {"/data": False}),
        ("/dev/x2 /data ext4 defaults,nofail 0 2", [], {}, {"/data": True}),
        ("/dev/x2 /my\\040data ext4 defaults", [], {}, {"/my data": False}),
        ("/dev/x2 /data ext4 noauto,user 0 2", [], {}, {}),
        ("/dev/x3 none swap sw 0 0", [], {}, {}),
        ("proc /proc proc defaults 0 0", [], {}, {}),
        ("# /dev/x2 /data ext4 defaults 0 2", [], {}, {}),
        ("/dev/x2 /data ext4 defaults 0 2", ["/data"], {}, {}),
        ("/dev/x2 /data ext4 defaults 0 2", [], {"/run/systemd/container": "lxc"}, {}),
        ("/dev/x1 / ext4 defaults 0 1", [], {}, {}),
    ],
    ids=[
        "not mounted",
        "with a slash, without options",
        "may be missing",
        "a space in its name",
        "mounted when asked for",
        "swap",
        "no storage",
        "a comment",
        "ignored by the site",
        "the fstab of an image",
        "mounted",
    ],
)
def test_what_fstab_has_mounted_at_each_start_is_missed(
    fstab: str, ignore: list[str], others: dict[str, str], expected: dict[str, bool]
) -> None:
    files = {"/proc/self/mountinfo": line(1, "/"), "/etc/fstab": f"{ROOT}{fstab}\n", **others}
    seen = gather({**DEFAULTS, "ignore": ignore}, Mounts(files))

    missing = {one.subject: one.data["nofail"] for one in seen if "by" in one.data}
    assert missing == expected


@pytest.mark.parametrize(
    ("more", "fstab", "whole"),
    [
        ("", ROOT, True),
        (line(2, "/data"), ROOT, True),
        ("what is this\n", ROOT, False),
        ("", None, False),
    ],
    ids=["all", "one more", "a line that was not understood", "an fstab that was not read"],
)
def test_it_says_whether_it_has_seen_all(more: str, fstab: str | None, whole: bool) -> None:
    class Some(Mounts):
        def exists(self, path: str) -> bool:
            return path == "/etc/fstab" or super().exists(path)

    files = {"/proc/self/mountinfo": line(1, "/") + more}
    seen = gather(DEFAULTS, Some(files | ({"/etc/fstab": fstab} if fstab else {})))

    assert (seen.of if isinstance(seen, Whole) else ()) == (("file systems",) if whole else ())


def test_a_file_system_that_is_looked_at_through_another_mount_is_there() -> None:
    mounts = line(1, "/") + line(2, "/long/way") + line(2, "/srv")
    seen = {
        one.subject: one.data for one in gather(DEFAULTS, Mounts({"/proc/self/mountinfo": mounts}))
    }

    assert seen["/srv"]["mounted"] is True
    assert seen["/long/way"] == {"seen_as_another": True}


def test_an_fstab_that_cannot_be_read_is_said() -> None:
    class Closed(Mounts):
        def exists(self, path: str) -> bool:
            return path == "/etc/fstab" or super().exists(path)

    [root] = gather(DEFAULTS, Closed({"/proc/self/mountinfo": line(1, "/")}))

    assert root.data["wanted_writable"] is None
    assert root.data["fstab_unread"] == "/etc/fstab: no such file or directory"


def test_ten_thousand_mounts_are_all_read() -> None:
    layers = ":".join(f"/var/lib/x/overlay2/l/{number:026}" for number in range(20))
    overlays = "".join(
        line(number, f"/var/lib/docker/overlay2/{number}/merged", "overlay").replace(
            " rw\n", f" rw,lowerdir={layers}\n"
        )
        for number in range(2, 10_002)
    )
    text = line(1, "/") + overlays + line(10_002, "/last")
    assert len(text) > 8_000_000

    assert [one.subject for one in gather(DEFAULTS, Mounts({"/proc/self/mountinfo": text}))] == [
        "/",
        "/last",
    ]


def test_more_mounts_than_can_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "MOUNTINFO_BYTES", 60)

    with pytest.raises(HostError, match="more than 60 bytes"):
        gather(DEFAULTS, Mounts({"/proc/self/mountinfo": line(1, "/") + line(2, "/last")}))


# What the kernel does not escape, and Python takes for the end of a line or a space.
ODD = {
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "file separator": "\x1c",
    "unit separator": "\x1f",
    "carriage return": "\r",
    "next line": "\x85",
    "no-break space": "\xa0",
    "em space": "\u2003",
    "line separator": "\u2028",
    "no UTF-8": "\udcff",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_name_is_one_word_whatever_is_in_it(odd: str) -> None:
    [root, other] = gather(
        DEFAULTS, Mounts({"/proc/self/mountinfo": line(1, "/") + line(2, f"/a{odd}b")})
    )

    assert (root.subject, other.subject, other.error) == ("/", f"/a{odd}b", "")
    assert other.raw.startswith("2 1 8:2 ")


def test_a_name_forges_no_mount() -> None:
    """Whoever may mount with FUSE chooses the name; a line of its own would cover the root."""
    forged = "/home/x/a\u20281\u20032\u20030:9\u2003/\u2003/\u2003rw"
    text = line(1, "/") + f"9 1 0:9 / {forged} rw - fuse.lxcfs x rw\n"

    assert [one.subject for one in gather(DEFAULTS, Mounts({"/proc/self/mountinfo": text}))] == [
        "/"
    ]


@pytest.mark.parametrize(
    "odd",
    [
        "2 1 8:2 / /data rw,relatime ext4 /dev/x2 rw",
        "2 1 sda2 / /data rw - ext4 /dev/x2 rw",
        "junk",
    ],
    ids=["no dash", "no number of a device", "no mount"],
)
def test_a_line_that_is_not_understood_is_said(odd: str) -> None:
    root, unread = gather(DEFAULTS, Mounts({"/proc/self/mountinfo": f"{line(1, '/')}{odd}\n"}))

    assert (root.subject, root.error) == ("/", "")
    assert unread.subject == "/proc/self/mountinfo"
    assert unread.error == f"1 lines were not understood, such as {odd!r}"


def test_mounts_of_users_push_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "MOUNTS_LIMIT", 3)
    users = "".join(line(number, f"/home/x/{number}", "fuse.sshfs") for number in range(10, 20))
    text = line(1, "/") + users + line(2, "/var") + line(3, "/srv", "fuse.mergerfs")
    seen = gather({**DEFAULTS, "mount_points": ["/srv"]}, Mounts({"/proc/self/mountinfo": text}))

    assert [one.subject for one in seen if not one.error] == ["/", "/srv", "/var"]
    assert len([one for one in seen if one.error]) == 10


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[str]:
    """A small file system that is full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=50", "tmpfs", tmp_path],
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"mount: {mounted.stderr.decode()}")
    try:
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "fills it").write_bytes(bytes(2_000_000))
        yield str(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_real_full_disk(full_disk: str) -> None:
    seen = {one.subject: one for one in gather(DEFAULTS, Host())}[full_disk]

    assert seen.error == ""
    assert seen.data["available_bytes"] == 0
    assert seen.data["size_bytes"] == 1024 * 1024
    assert seen.data["inodes"] == 50
