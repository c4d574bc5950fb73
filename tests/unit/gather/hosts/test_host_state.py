"""Clock, units, updates, reboot and memory kills, from what real programs printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts import (
    clock,
    oom_kills,
    package_updates,
    systemd_units,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError, Ran

RECORDED = Path(__file__).parents[2] / "recorded" / "hosts"


def text(name: str) -> str:
    return (RECORDED / name).read_text()


def test_chrony_is_believed_first() -> None:
    host = RecordedHost(
        commands={"chronyc -n -c tracking": Ran(0, text("clock/chrony.txt"))}, clock=1795423587.0
    )
    _time, seen = clock.gather({}, host)

    assert seen.data == {
        "by": "chrony",
        "synchronized": True,
        "own_clock": False,
        "reference": "7F000001",
        "source": "127.0.0.1",
        "stratum": 4,
        "offset_seconds": 0.000001408,
        "updated_seconds_ago": pytest.approx(0.814, abs=0.001),
    }


def test_chrony_without_a_source_is_not_synchronized() -> None:
    assert clock.parse_chrony(text("clock/chrony_unset.txt"), 0.0)["synchronized"] is False


@pytest.mark.parametrize(
    ("leap", "synchronized"),
    [
        ("Normal", True),
        ("Insert second", True),
        ("Delete second", True),
        ("Not synchronised", False),
        ("", None),
        ("Not synchronized", None),
        ("Invalid", None),
    ],
)
def test_chronys_words_for_the_leap_status(leap: str, synchronized: bool | None) -> None:
    line = f"{text('clock/chrony.txt').rpartition(',')[0]},{leap}\n"
    if synchronized is None:
        with pytest.raises(ValueError, match="no leap status"):
            clock.parse_chrony(line, 0.0)
    else:
        assert clock.parse_chrony(line, 0.0)["synchronized"] is synchronized


@pytest.mark.parametrize(
    ("leap", "synchronized"),
    [("00", True), ("01", True), ("10", True), ("11", False), ("leap_none", None), ("", None)],
)
def test_ntpds_words_for_the_leap_status(leap: str, synchronized: bool | None) -> None:
    line = f"leap={leap}, stratum=3, refid=192.0.2.1, offset=0.1\n"
    if synchronized is None:
        with pytest.raises(ValueError, match="no leap and stratum"):
            clock.parse_ntpq(line)
    else:
        assert clock.parse_ntpq(line)["synchronized"] is synchronized


@pytest.mark.parametrize(
    ("name", "own"),
    [("chrony", False), ("chrony_unset", False), ("chrony_local", True), ("chrony_orphan", True)],
)
def test_chrony_with_its_own_clock_as_source(name: str, own: bool) -> None:
    assert clock.parse_chrony(text(f"clock/{name}.txt"), 0.0)["own_clock"] is own


@pytest.mark.parametrize(
    ("reference", "own"),
    [
        ("127.127.1.0", True),
        ("127.127.1.1", True),
        ("127.0.0.1", True),
        ("LOCAL(0)", True),
        (".LOCL.", True),
        ("LCL", True),
        ("ORPH", True),
        ("GPS", False),
        ("PPS", False),
        ("127.127.20.0", False),
        ("127.127.10.1", False),
        ("192.0.2.7", False),
        ("INIT", False),
        ("", False),
    ],
)
def test_ntpd_with_its_own_clock_as_source(reference: str, own: bool) -> None:
    told = f"leap=00, stratum=9, refid={reference}, offset=0.0, sys_jitter=0.0\n"

    assert clock.parse_ntpq(told)["own_clock"] is own


def test_a_kernel_that_nobody_keeps_the_time_of() -> None:
    # Linux 6.18's answer in a virtual machine without a time service.
    told = "00" * 24 + "0024f40000000000" * 2 + "40000000"

    assert clock.parse_timex(bytes.fromhex(told)) == {
        "by": "kernel",
        "synchronized": False,
        "offset_seconds": None,
        "max_error_seconds": 16.0,
    }


def test_without_any_answer_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> bytes:
        raise HostError("adjtimex: error 1")

    monkeypatch.setattr(clock, "host_timex", refuse)
    time, seen = clock.gather({}, RecordedHost(clock=1_790_000_000.1234))

    assert time.data == {"seconds": 1_790_000_000.123}
    assert seen.error == (
        "chronyc: no such program; ntpq: no such program; adjtimex: error 1; timedatectl: no such program"
    )


def test_failed_and_restarting_units_come_with_their_reasons() -> None:
    show = (
        f"systemctl show --no-pager --property={systemd_units.PROPERTIES} "
        "-- backup-nightly.service flapping.service"
    )
    commands = {
        " ".join(systemd_units.LIST): Ran(0, text("systemd_units/list.txt")),
        show: Ran(0, text("systemd_units/show.txt")),
    }
    [seen] = systemd_units.gather({}, RecordedHost({"/run/systemd/system/x": ""}, commands))
    backup, flapping = seen.data["units"]

    assert backup == {
        "unit": "backup-nightly.service",
        "active": "failed",
        "sub": "failed",
        "description": "Nightly backup",
        "result": "exit-code",
        "exit_status": 3,
        "restarts": 0,
        "changed_at": "2026-11-23T08:46:52+00:00",
    }
    assert (flapping["unit"], flapping["sub"]) == ("flapping.service", "auto-restart")


def test_a_host_without_systemd_has_no_observation() -> None:
    assert systemd_units.gather({}, RecordedHost()) == []


def test_a_bus_that_does_not_answer_is_an_error() -> None:
    # What systemctl 252 prints where systemd does not run.
    told = Ran(1, "", "Failed to connect to bus: Host is down\n")
    host = RecordedHost({"/run/systemd/system/x": ""}, {" ".join(systemd_units.LIST): told})

    assert (
        systemd_units.gather({}, host)[0].error
        == "systemctl: Failed to connect to bus: Host is down"
    )


def test_apt_names_security_updates_whichever_archive_comes_first() -> None:
    found = package_updates.parse_apt(text("package_updates/apt.txt"))

    assert [(one["package"], one["security"]) for one in found] == [
        ("base-files", False),
        ("bash", False),
        ("libgcrypt20", True),
        ("libssl3", True),
        ("libpam-modules", False),
        ("postgresql-15", True),
    ]
    assert found[3]["installed"] == "3.0.19-1~deb12u2"
    assert found[3]["candidate"] == "3.0.22-1~deb12u2"


class HostWithLists(RecordedHost):
    """With package lists that changed at `changed`, by path."""

    def __init__(self, files: dict[str, str], changed: dict[str, float]) -> None:
        super().__init__(
            {"/var/lib/dpkg/status": "", **files},
            {
                " ".join(package_updates.APT): Ran(0, ""),
                " ".join(package_updates.INSTALLED): Ran(0, ""),
            },
            clock=1_000_000.0,
        )
        self.changed = changed

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        if path not in self.changed:
            raise HostError(f"{path}: no such file or directory")
        return os.stat_result((0,) * 8 + (self.changed[path], 0))


LISTS = "/var/lib/apt/lists"


def test_an_update_that_reached_no_archive_does_not_make_the_lists_younger() -> None:
    # apt-get update 2.6 without a network: exit status 0, lists as they were, lists/partial written.
    files = {f"{LISTS}/deb.debian.org_debian_dists_bookworm_InRelease": ""}
    host = HostWithLists(files, {LISTS: 100_000.0, f"{LISTS}/partial": 999_000.0})

    [seen] = package_updates.gather({}, host)

    assert seen.data["lists_age_seconds"] == 900_000.0


@pytest.mark.parametrize(
    ("release", "count"),
    [
        ("Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\n", 1),
        ("Origin: Ubuntu\nLabel: Ubuntu\nSuite: jammy-security\n", 1),
        ("Origin: UbuntuESM\nLabel: UbuntuESM\nSuite: jammy-infra\n", 1),
        ("Origin: Debian\nLabel: Debian\nSuite: oldstable\nDescription: security\n", 0),
    ],
)
def test_lists_of_security_updates_are_told_by_label_or_suite(release: str, count: int) -> None:
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{release}"
    host = HostWithLists({f"{LISTS}/mirror.example.org_debian_InRelease": signed}, {LISTS: 0.0})

    [seen] = package_updates.gather({}, host)

    assert seen.data["security_lists"] == count


def test_kills_are_found_in_the_ring_buffer() -> None:
    # Booted at 1_000_000, killed 4910 s later.
    host = RecordedHost(
        {"/proc/vmstat": "oom_kill 1\n", "/proc/uptime": "5000.00 9000.00\n"},
        {"dmesg": Ran(0, text("oom_kills/dmesg.txt"))},
        clock=1_005_000.0,
    )
    [seen] = oom_kills.gather({"window_hours": 24}, host)

    assert seen.data["log"] == "kernel ring buffer"
    assert (seen.data["since_boot"], seen.data["in_window"]) == (1, 1)
    assert seen.data["kills"] == [
        {"at": "1970-01-12T15:08:30+00:00", "process": 26686, "name": "python3"}
    ]


FLOOD = "[400000.000000] [UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.1 LEN=40\n"
NOT_PERMITTED = Ran(1, "", "dmesg: read kernel buffer failed: Operation not permitted\n")
KILLED = "[450000.000000] Out of memory: Killed process 7 (app) total-vm:1kB\n"


@pytest.mark.parametrize(
    ("ring", "counted", "in_window"),
    [
        (FLOOD, 2, None),
        (FLOOD + KILLED, 2, 1),
        (FLOOD, 0, 0),
        ("[1.000000] Linux version 6.1\n" + FLOOD, 0, 0),
    ],
    ids=["kills were pushed out", "one is still there", "none to push out", "reaches back"],
)
def test_what_clients_make_the_kernel_write_hides_no_kill(
    ring: str, counted: int, in_window: int | None
) -> None:
    """A firewall's lines fill the ring buffer: what it does not reach back to is not zero."""
    host = RecordedHost(
        {"/proc/vmstat": f"oom_kill {counted}\n", "/proc/uptime": "450001.00 9000.00\n"},
        {"dmesg": Ran(0, ring)},
        clock=1_005_000.0,
    )
    [seen] = oom_kills.gather({"window_hours": 24}, host)

    assert seen.data["in_window"] == in_window


def test_a_flooded_journal_is_searched_for_kills() -> None:
    since = int(1_005_000.0 - 86400)
    journal = (
        f"journalctl --no-pager --output=short-unix --since=@{since} _TRANSPORT=kernel + "
        "_SYSTEMD_UNIT=systemd-oomd.service"
    )
    line = "1000000.5 web1 kernel: Out of memory: Killed process 7 (app) total-vm:1kB\n"
    host = RecordedHost(
        {"/proc/vmstat": "oom_kill 1\n", "/proc/uptime": "450001.00 9000.00\n"},
        {
            journal: Ran(-9, "1004999.5 web1 kernel: [UFW BLOCK] x\n", truncated=True),
            f"{journal} --grep=Killed .* due to|Killed process": Ran(0, line),
        },
        clock=1_005_000.0,
    )
    [seen] = oom_kills.gather({"window_hours": 24}, host)

    assert (seen.data["log"], seen.data["in_window"]) == ("journal", 1)


@pytest.mark.parametrize(
    ("before", "dmesg", "log", "in_window"),
    [
        ("", Ran(0, "[1.000000] Linux version 6.1\n" + KILLED), "kernel ring buffer", 1),
        ("", Ran(0, "[1.000000] Linux version 6.1\n"), "kernel ring buffer", 0),
        ("", NOT_PERMITTED, "", None),
        ("", Ran(0, FLOOD), "", None),
        ("-- No entries --\n", NOT_PERMITTED, "", None),
        ("555000.5 web1 kernel: Linux version 6.1\n", NOT_PERMITTED, "journal", 0),
        ("918599.5 web1 kernel: [UFW BLOCK] x\n", Ran(0, FLOOD), "journal", 0),
    ],
    ids=[
        "it is in the ring buffer",
        "not there either",
        "the ring buffer is not shown",
        "the ring buffer begins later",
        "the journal has nothing of the kernel",
        "the journal has the boot",
        "the journal goes back",
    ],
)
def test_a_journal_without_the_kernels_messages_is_not_the_only_log(
    before: str, dmesg: Ran, log: str, in_window: int | None
) -> None:
    """Whoever makes the journal write pushes out what was there; it may also not take the kernel's messages."""
    since = int(1_005_000.0 - 86400)
    journal = (
        f"journalctl --no-pager --output=short-unix --since=@{since} _TRANSPORT=kernel + "
        "_SYSTEMD_UNIT=systemd-oomd.service"
    )
    reach = (
        f"journalctl --no-pager --output=short-unix --lines=1 --until=@{since} _TRANSPORT=kernel"
    )
    host = RecordedHost(
        {"/proc/vmstat": "oom_kill 1\n", "/proc/uptime": "450001.00 9000.00\n"},
        {journal: Ran(0, "-- No entries --\n"), "dmesg": dmesg, reach: Ran(0, before)},
        clock=1_005_000.0,
    )
    [seen] = oom_kills.gather({"window_hours": 24}, host)

    assert (seen.data["log"], seen.data["in_window"]) == (log, in_window)


def test_kills_are_found_in_the_journal() -> None:
    [(at, told)] = oom_kills.parse_journal(text("oom_kills/journal.txt"))

    assert at == "2026-11-23T07:47:19+00:00"
    assert "Killed process 26686 (python3)" in told


def test_a_journal_that_may_not_be_read_gives_no_false_zero() -> None:
    since = int(1_005_000.0 - 86400)
    journal = (
        f"journalctl --no-pager --output=short-unix --since=@{since} _TRANSPORT=kernel + "
        "_SYSTEMD_UNIT=systemd-oomd.service"
    )
    host = RecordedHost(
        {"/proc/vmstat": "oom_kill 3\n", "/proc/uptime": "500000.00 9000.00\n"},
        {
            # Both as the programs answer an ordinary account.
            journal: Ran(0, "-- No entries --\n", "No journal files were found.\n"),
            "dmesg": Ran(1, "", "dmesg: read kernel buffer failed: Operation not permitted\n"),
        },
        clock=1_005_000.0,
    )
    [seen] = oom_kills.gather({"window_hours": 24}, host)

    assert seen.data["in_window"] is None
    assert seen.data["log_unreadable"] == (
        "journalctl: no journal files were found; "
        "dmesg: read kernel buffer failed: Operation not permitted"
    )


@pytest.mark.parametrize(
    ("line", "is_unit"),
    [
        ("nginx.service loaded failed failed A web server", True),
        ("\u25cf nginx.service loaded failed failed A web server", True),
        ("backup.timer not-found failed failed", True),
        ("nginx: loaded failed failed", False),
        ("Failed to list units: Connection timed out", False),
        ("<html><head><title>502 Bad Gateway</title></head>", False),
    ],
)
def test_a_line_of_systemctl_is_a_unit_or_is_said(line: str, is_unit: bool) -> None:
    units, unread = systemd_units.parse_units(line + "\n\n")

    assert (len(units), len(unread)) == (int(is_unit), int(not is_unit))


@pytest.mark.parametrize(
    ("line", "is_update"),
    [
        ("RHSA-2026:1234 Important/Sec. kernel-5.14.0-1.x86_64", True),
        ("FEDORA-2026-1 security Important kernel-6.1-1.x86_64 2026-11-01 08:00:00", True),
        ("Error: Failed to download metadata", False),
    ],
)
def test_a_line_of_dnf_is_an_update_or_is_said(line: str, is_update: bool) -> None:
    updates, unread = package_updates.parse_dnf(line + "\n\n")

    assert (len(updates), len(unread)) == (int(is_update), int(not is_update))


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_description_is_no_line_of_its_own(odd: str) -> None:
    line = f"a.mount loaded failed failed /home/x{odd}nginx.service loaded failed failed x\n"
    units, unread = systemd_units.parse_units(line)

    assert ([one["unit"] for one in units], unread) == (["a.mount"], [])
