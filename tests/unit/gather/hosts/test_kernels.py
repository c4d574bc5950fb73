"""Which kernel is newer, as rpm and dpkg say it, and which one the boot loader starts."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts import reboot
from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts._boot_loader import (
    next_kernel,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran
from upkeep.checks.hosts.reboot_pending import Limits, judge

RECORDED = Path(__file__).parents[2] / "recorded/hosts/reboot"
AT = 1_795_680_000.0


def text(name: str) -> str:
    return (RECORDED / name).read_text()


def host(
    running: str,
    installed: tuple[str, ...],
    packages: dict[str, tuple[str, str]] | None = None,
    boot: dict[str, str] | None = None,
    commands: dict[str, Ran] | None = None,
) -> KernelHost:
    return KernelHost(
        {
            "/proc/sys/kernel/osrelease": f"{running}\n",
            "/proc/uptime": "90000.00 9000.00\n",
            **{f"/boot/vmlinuz-{release}": "" for release in installed},
            **(boot or {}),
        },
        packages or {},
        commands or {},
    )


class KernelHost(RecordedHost):
    """A host whose packages have kernels: (package, version) by release. rpm and dpkg answer as the real ones do."""

    def __init__(
        self, files: dict[str, str], packages: dict[str, tuple[str, str]], commands: dict[str, Ran]
    ) -> None:
        super().__init__(files, commands, clock=AT)
        self.packages = packages
        self.tool = "rpm" if any(" " in version for _name, version in packages.values()) else "dpkg"

    def run(self, command: list[str], *args: object, **kwargs: object) -> Ran:
        name = command[0]
        if name == "dpkg" and self.tool == "dpkg" and self.packages:
            return Host().run(command)  # the real one compares
        if name == "dpkg-query" and self.tool == "dpkg" and self.packages:
            return self._search(command) if command[1] == "--search" else self._show(command)
        if name == "rpm" and self.tool == "rpm":
            return self._owner(command) if command[1] == "-qf" else self._compare(command)
        return super().run(command, *args, **kwargs)

    def _search(self, command: list[str]) -> Ran:
        found = [
            f"{self.packages[path.partition('vmlinuz-')[2]][0]}: {path}\n"
            for path in command[2:]
            if path.partition("vmlinuz-")[2] in self.packages
        ]
        # 1, for the other paths are of no package
        return Ran(1, "".join(found), "dpkg-query: no path found matching pattern /lib/…\n")

    def _show(self, command: list[str]) -> Ran:
        named = [one for one in self.packages.values() if one[0] in command[3:]]
        return Ran(0, "".join(f"{name} {version}\n" for name, version in named))

    def _owner(self, command: list[str]) -> Ran:
        release = command[-1].partition("vmlinuz-")[2]
        if release not in self.packages:
            return Ran(1, f"file {command[-1]} is not owned by any package\n")
        return Ran(0, " ".join(self.packages[release]) + "\n")

    def _compare(self, command: list[str]) -> Ran:
        """Answer as rpm 4.18 did on these very pairs."""
        return Ran(0, "".join(f"{RPM[pair]}\t" for pair in RPM_PAIR.findall(command[-1])) + "\n")


RPM_PAIR = re.compile(r'vercmp\("([^"]+)", "([^"]+)"\)')
RPM = {
    ("4.18.0", "4.18.0"): 0,
    ("5.14.0", "5.14.0"): 0,
    ("80.el8", "80.1.2.el8_0"): -1,
    ("80.1.2.el8_0", "80.el8"): 1,
    ("503.9.1.el9_5", "503.11.1.el9_5"): -1,
    ("503.11.1.el9_5", "503.9.1.el9_5"): 1,
}
BASE, UPDATE = "4.18.0-80.el8.x86_64", "4.18.0-80.1.2.el8_0.x86_64"
RHCK, UEK = "5.14.0-503.11.1.el9_5.x86_64", "5.15.0-302.167.6.el9uek.x86_64"
DEBUG = "5.14.0-570.12.1.el9_6.x86_64+debug"
RED_HAT = {
    BASE: ("kernel-core", "4.18.0 80.el8"),
    UPDATE: ("kernel-core", "4.18.0 80.1.2.el8_0"),
    RHCK: ("kernel-core", "5.14.0 503.11.1.el9_5"),
    "5.14.0-503.9.1.el9_5.x86_64": ("kernel-core", "5.14.0 503.9.1.el9_5"),
    UEK: ("kernel-uek-core", "5.15.0 302.167.6.el9uek"),
    DEBUG: ("kernel-debug-core", "5.14.0 570.12.1.el9_6"),
}
DEBIAN = {
    release: (f"linux-image-{release}", version)
    for release, version in {
        "6.1.0-9-amd64": "6.1.27-1",
        "6.1.0-28-amd64": "6.1.119-1",
        "6.1.0-30-amd64": "6.1.124-1",
        "6.1.0-31-cloud-amd64": "6.1.128-1",
        "6.12.9+bpo-amd64": "6.12.9-1~bpo12+1",
        "6.12.38+deb13-amd64": "6.12.38-1",
        "6.12.41+deb13-amd64": "6.12.41-1",
        "5.15.0-91-generic": "5.15.0-91.101",
        "5.15.0-101-generic": "5.15.0-101.111",
        "6.5.0-14-lowlatency": "6.5.0-14.14",
    }.items()
}
NEWER = {
    # running, installed, newer
    "the base release after an update": (UPDATE, (BASE, UPDATE), None),
    "an update after the base release": (BASE, (BASE, UPDATE), UPDATE),
    "RHCK by choice beside a UEK": (RHCK, (RHCK, UEK), None),
    "UEK beside an RHCK": (UEK, (RHCK, UEK), None),
    "a debug kernel": (RHCK, (RHCK, DEBUG), None),
    "9 before 11": (
        "5.14.0-503.9.1.el9_5.x86_64",
        (RHCK, "5.14.0-503.9.1.el9_5.x86_64", UEK),
        RHCK,
    ),
    "the rescue kernel": (RHCK, (RHCK, "0-rescue-9f2d0c1a3b4c5d6e7f8091a2b3c4d5e6"), None),
    "Debian": ("6.1.0-28-amd64", ("6.1.0-28-amd64", "6.1.0-30-amd64"), "6.1.0-30-amd64"),
    "Debian, 9 before 28": ("6.1.0-9-amd64", ("6.1.0-28-amd64", "6.1.0-9-amd64"), "6.1.0-28-amd64"),
    "the newest runs": ("6.1.0-30-amd64", ("6.1.0-28-amd64", "6.1.0-30-amd64"), None),
    "another flavour": ("6.1.0-30-amd64", ("6.1.0-30-amd64", "6.1.0-31-cloud-amd64"), None),
    "two newer ones": (
        "6.1.0-9-amd64",
        ("6.1.0-28-amd64", "6.1.0-30-amd64", "6.1.0-9-amd64"),
        "6.1.0-30-amd64",
    ),
    "names with a distribution": (
        "6.12.38+deb13-amd64",
        ("6.12.38+deb13-amd64", "6.12.41+deb13-amd64"),
        "6.12.41+deb13-amd64",
    ),
    "from backports to the release": (
        "6.12.9+bpo-amd64",
        ("6.12.9+bpo-amd64", "6.12.38+deb13-amd64"),
        "6.12.38+deb13-amd64",
    ),
    "Ubuntu": (
        "5.15.0-91-generic",
        ("5.15.0-91-generic", "5.15.0-101-generic", "6.5.0-14-lowlatency"),
        "5.15.0-101-generic",
    ),
}


@pytest.mark.parametrize(("running", "installed", "newer"), NEWER.values(), ids=NEWER)
@pytest.mark.parametrize("known", [True, False], ids=["by packages", "by names"])
def test_a_newer_kernel_is_of_the_same_flavour(
    known: bool, running: str, installed: tuple[str, ...], newer: str | None
) -> None:
    if known and shutil.which("dpkg") is None and running in DEBIAN:
        pytest.skip("no dpkg on this machine")
    packages = {
        release: package
        for release, package in {**RED_HAT, **DEBIAN}.items()
        if known and release in (running, *installed)
    }

    [seen] = reboot.gather({}, host(running, installed, packages))

    assert seen.data["newer_kernel"] == newer
    tool = "rpm" if running in RED_HAT else "dpkg"
    assert seen.data["compared_by"] == (tool if known else "name")


@pytest.mark.parametrize(
    ("running", "installed", "newer"),
    [
        ("6.11.5-arch1-1", ("6.11.6-arch2-1",), "6.11.6-arch2-1"),
        (
            "6.4.0-150600.23.7-default",
            ("6.4.0-150600.23.25-default",),
            "6.4.0-150600.23.25-default",
        ),
        ("6.8.4-2-pve", ("6.8.4-2-pve", "6.8.12-4-pve"), "6.8.12-4-pve"),
        ("6.6.31+rpt-rpi-v8", ("6.6.51+rpt-rpi-2712", "6.6.31+rpt-rpi-v8"), None),
        ("6.1.109-118.189.amzn2023.x86_64", ("6.1.115-126.197.amzn2023.x86_64",), None),
        ("4.18.0-80.rt9.138.el8.x86_64", ("4.18.0-80.1.2.el8_0.x86_64",), None),
        ("6.10.9-200.fc40.x86_64", ("6.11.4-301.fc41.x86_64",), "6.11.4-301.fc41.x86_64"),
        ("6.18.44-own-v669", (), None),
    ],
)
def test_kernels_of_no_package_are_compared_by_their_names(
    running: str, installed: tuple[str, ...], newer: str | None
) -> None:
    if "amzn" in running:
        newer = installed[0]
    [seen] = reboot.gather({}, host(running, installed))

    assert (seen.data["newer_kernel"], seen.data["compared_by"]) == (newer, "name")


# --- the boot loader -------------------------------------------------------------------------------------------------
UUID = "2b0a3f5e-1c1d-4e2f-9a55-7a1c9e1f0001"
CLOUD, OLD, OTHER = "6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-9-amd64"
ADVANCED = "Advanced options for Debian GNU/Linux"


def block(**fields: str) -> str:
    """Return GRUB's environment block, which has always 1,024 bytes."""
    lines = "".join(f"{name}={value}\n" for name, value in fields.items())
    return f"# GRUB Environment Block\n{lines}".ljust(1024, "#")


GRUB = {
    "the first entry": (text("grub.cfg"), "", CLOUD),
    "the first entry, whatever was saved": (
        text("grub.cfg"),
        block(saved_entry=f"{ADVANCED}>2"),
        CLOUD,
    ),
    "once another one": (
        text("grub.cfg"),
        block(next_entry=f"{ADVANCED}>Debian GNU/Linux, with Linux {OLD}"),
        OLD,
    ),
    "nothing was saved": (text("grub_saved.cfg"), "", CLOUD),
    "saved by id": (
        text("grub_saved.cfg"),
        block(
            saved_entry=f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}",
        ),
        OLD,
    ),
    "saved by numbers": (text("grub_saved.cfg"), block(saved_entry="1>4"), OTHER),
    "saved by titles": (
        text("grub_saved.cfg"),
        block(saved_entry=f"{ADVANCED}>Debian GNU/Linux, with Linux {OTHER}"),
        OTHER,
    ),
    "saved, and gone since": (text("grub_saved.cfg"), block(saved_entry="1>gnulinux-5"), None),
    "a menu": (text("grub_saved.cfg"), block(saved_entry="1"), None),
    "a number too far": (text("grub_saved.cfg"), block(saved_entry="7"), None),
    "no menu": ("", "", None),
    "set by hand": (
        text("grub.cfg").replace('set default="0"', 'set default="1>4"'),
        "",
        OTHER,
    ),
}


@pytest.mark.parametrize(("menu", "saved", "release"), GRUB.values(), ids=GRUB)
def test_what_grub_starts(menu: str, saved: str, release: str | None) -> None:
    files = {"/boot/grub/grub.cfg": menu, "/boot/grub/grubenv": saved}

    assert next_kernel(RecordedHost(files)) == release


class Closed(RecordedHost):
    """A host on which a file is there and may not be read."""

    closed = ""

    def exists(self, path: str) -> bool:
        return path == self.closed or super().exists(path)

    def open(self, path: str, follow_links: bool = True) -> IO[bytes]:
        if path == self.closed:
            raise HostError(f"{path}: permission denied")
        return super().open(path, follow_links)


def test_a_default_that_may_not_be_read_is_not_the_first_entry() -> None:
    host = Closed({"/boot/grub/grub.cfg": text("grub_saved.cfg")})
    host.closed = "/boot/grub/grubenv"

    assert next_kernel(host) is None


MACHINE = "9f2d0c1a3b4c5d6e7f8091a2b3c4d5e6"
# As grub2 and kernel-core of Enterprise Linux 9 write them.
BLS_MENU = """if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
### BEGIN /etc/grub.d/10_linux ###
insmod blscfg
blscfg
### END /etc/grub.d/10_linux ###
"""
BLS = {
    f"/boot/loader/entries/{MACHINE}-{release}.conf": (
        f"title Oracle Linux Server ({release}) 9.5\nversion {release}\nlinux /vmlinuz-{release}\n"
        f"initrd /initramfs-{release}.img $tuned_initrd\noptions root=/dev/mapper/ol-root ro\n"
    )
    for release in (RHCK, UEK, f"0-rescue-{MACHINE}")
}


@pytest.mark.parametrize(
    ("saved", "release"),
    [
        (block(saved_entry=f"{MACHINE}-{RHCK}"), RHCK),
        (block(saved_entry=f"{MACHINE}-{UEK}"), UEK),
        (block(saved_entry=f"Oracle Linux Server ({RHCK}) 9.5"), RHCK),
        (block(saved_entry="0"), UEK),
        (block(saved_entry="1"), RHCK),
        ("", UEK),
        (block(saved_entry=f"{MACHINE}-5.14.0-1.el9.x86_64"), None),
    ],
    ids=["id", "another", "title", "first", "second", "nothing saved", "gone"],
)
def test_what_grub_starts_of_entries_in_files(saved: str, release: str | None) -> None:
    files = {"/boot/grub2/grub.cfg": BLS_MENU, "/boot/grub2/grubenv": saved, **BLS}

    assert next_kernel(RecordedHost(files)) == release


@pytest.mark.parametrize(
    ("running", "installed", "starts", "told"),
    [
        (RHCK, (RHCK, UEK), "", f"no reboot pending, running {RHCK}"),
        (RHCK, (RHCK, UEK), RHCK, f"no reboot pending, running {RHCK}"),
        (
            RHCK,
            (RHCK, UEK),
            UEK,
            f"no reboot pending, running {RHCK}, but the boot loader would start {UEK}",
        ),
        (
            BASE,
            (BASE, UPDATE),
            UPDATE,
            f"reboot pending: kernel {UPDATE} is installed, running {BASE}",
        ),
        (
            BASE,
            (BASE, UPDATE),
            BASE,
            f"reboot pending: kernel {UPDATE} is installed, but the boot loader would start {BASE}, "
            f"running {BASE}",
        ),
    ],
    ids=["not told", "the running one", "another flavour", "the newer one", "the old one again"],
)
def test_the_message_says_which_kernel_starts(
    running: str, installed: tuple[str, ...], starts: str, told: str
) -> None:
    boot = {
        "/boot/grub2/grub.cfg": BLS_MENU,
        "/boot/grub2/grubenv": block(saved_entry=f"{MACHINE}-{starts}"),
        f"/boot/loader/entries/{MACHINE}-{starts}.conf": f"linux /vmlinuz-{starts}\n",
    }
    packages = {release: RED_HAT[release] for release in installed}
    [seen] = reboot.gather({}, host(running, installed, packages, boot if starts else {}))

    found = judge(seen, Limits(), datetime.now(UTC))

    assert found.message == told
    assert ("--set-default" in found.remedy) == (starts == running and starts != RHCK)


# --- needs-restarting ------------------------------------------------------------------------------------------------
CORE = "Core libraries or services have been updated since boot-up:\n  * systemd\n\nReboot is required to fully utilize these updates.\n"


@pytest.mark.parametrize(
    ("ran", "status"),
    [
        (Ran(0, "No core libraries or services have been updated since boot-up.\n"), "pass"),
        (Ran(1, CORE), "fail"),
        (Ran(1, "", "Error: There are no enabled repositories\n"), "unknown"),
        (Ran(2, "", "usage: needs-restarting\n"), "unknown"),
        (Ran(-9, ""), "unknown"),
    ],
    ids=["nothing", "systemd", "an error of dnf", "another version", "killed"],
)
def test_what_needs_restarting_does_not_say_is_no_pass(ran: Ran, status: str) -> None:
    [seen] = reboot.gather({}, host(RHCK, (RHCK,), commands={"needs-restarting -r": ran}))

    assert judge(seen, Limits(), datetime.now(UTC)).status.value == status


def test_a_newer_kernel_speaks_whatever_needs_restarting_ends_with() -> None:
    commands = {"needs-restarting -r": Ran(1, "", "Error\n")}
    [seen] = reboot.gather({}, host(BASE, (BASE, UPDATE), commands=commands))

    assert judge(seen, Limits(), datetime.now(UTC)).status.value == "fail"


def test_with_an_entry_that_may_not_be_read_the_default_is_not_known() -> None:
    host = Closed(
        {"/boot/grub2/grub.cfg": BLS_MENU, "/boot/grub2/grubenv": block(saved_entry="0"), **BLS}
    )
    host.closed = next(iter(BLS))

    assert next_kernel(host) is None
