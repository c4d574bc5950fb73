"""Security updates that are out: held, pinned or excluded too; and the age of each archive's own list."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts import package_updates
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError, Ran
from upkeep.checks.hosts.security_updates import Limits, judge
from upkeep.model.verdicts import Status, Verdict

DAY = 86400.0
RECORDED = Path(__file__).parents[2] / "recorded/hosts/package_updates"

# --- the real apt, with a system of its own --------------------------------------------------------------------------
INSTALLED = """Package: {name}
Status: {want} ok installed
Maintainer: nobody <nobody@example.org>
Architecture: all
Version: 1.0
Description: a package for tests

"""
OUT = """Package: {name}
Architecture: all
Version: {version}
Maintainer: nobody <nobody@example.org>
Filename: pool/{name}.deb
Size: 1
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
Description: a package for tests

"""
RELEASE = """Origin: Debian
Label: {label}
Suite: {suite}
Codename: {suite}
Date: {date}
Architectures: all
Components: main
SHA256:
 {digest} {size} main/binary-all/Packages
"""


class AptHost(Host):
    """This machine's apt in a folder: its packages, archives, pins and lists."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/cache/apt/archives/partial",
        ):
            (root / folder).mkdir(parents=True)
        (root / "etc/os-release").write_text('VERSION_CODENAME="bookworm"\n')
        (root / "apt.conf").write_text(
            f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\n'
            'APT::Architecture "all";\nAPT::Architectures "all";\nAPT::Sandbox::User "";\n'
        )
        self.suites: list[str] = []

    def install(self, *names: str, held: str = "") -> None:
        text = "".join(
            INSTALLED.format(name=name, want="hold" if name == held else "install")
            for name in names
        )
        (self.root / "var/lib/dpkg/status").write_text(text)

    def publish(self, label: str, suite: str, date: datetime, **versions: str) -> None:
        """Make an archive, or make it anew."""
        folder = self.root / "archives" / suite / "dists" / suite
        (folder / "main/binary-all").mkdir(parents=True, exist_ok=True)
        packages = "".join(
            OUT.format(name=name, version=version) for name, version in versions.items()
        ).encode()
        (folder / "main/binary-all/Packages").write_bytes(packages)
        (folder / "Release").write_text(
            RELEASE.format(
                label=label,
                suite=suite,
                date=format_datetime(date, usegmt=False),
                digest=hashlib.sha256(packages).hexdigest(),
                size=len(packages),
            )
        )
        at = date.timestamp()
        os.utime(folder / "Release", (at, at))
        self.suites = list(dict.fromkeys([*self.suites, suite]))
        lines = [
            f"deb [trusted=yes] copy:{self.root}/archives/{one} {one} main" for one in self.suites
        ]
        (self.root / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")

    def update(self) -> None:
        subprocess.run(
            ["apt-get", "update", "--quiet=2"],
            env={**os.environ, "APT_CONFIG": f"{self.root}/apt.conf"},
            capture_output=True,
            check=False,
        )

    def pin(self, text: str) -> None:
        (self.root / "etc/apt/preferences.d/x").write_text(text)

    def path(self, path: str) -> str:
        inside = path.startswith(("/var/lib/", "/etc/", "/usr/share/distro-info/"))
        return f"{self.root}{path}" if inside else path

    def open(self, path: str, follow_links: bool = True) -> Any:
        return super().open(self.path(path), follow_links)

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        return super().stat(self.path(path), follow_links)

    def exists(self, path: str) -> bool:
        return super().exists(self.path(path))

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        found = super().glob(self.path(pattern), limit)
        return [one.removeprefix(str(self.root)) for one in found]

    def run(self, command: list[str], *args: Any, **kwargs: Any) -> Ran:
        own = {"APT_CONFIG": f"{self.root}/apt.conf", "DPKG_ADMINDIR": f"{self.root}/var/lib/dpkg"}
        return super().run(command, *args, **{**kwargs, "environment": own})


NOW = datetime.now(UTC)
needs_apt = pytest.mark.skipif(shutil.which("apt-cache") is None, reason="no apt on this machine")


def verdict(host: Host) -> Verdict:
    [seen] = package_updates.gather({}, host)
    assert not seen.error
    return judge(seen, Limits(), datetime.now(UTC))


@needs_apt
@pytest.mark.parametrize(
    ("held", "pin", "named"),
    [
        ("", "", "hello"),
        ("hello", "", "hello (on hold)"),
        ("", "Package: hello\nPin: version 1.0\nPin-Priority: 1001\n", "hello (pinned)"),
        ("", "Package: *\nPin: release l=Debian-Security\nPin-Priority: -1\n", "hello (pinned)"),
        ("", "Package: hello\nPin: release n=bookworm\nPin-Priority: 990\n", "hello (pinned)"),
    ],
    ids=["plain", "on hold", "pinned", "whole archive set back", "another archive preferred"],
)
def test_a_security_update_that_apt_leaves_out_is_pending(
    tmp_path: Path, held: str, pin: str, named: str
) -> None:
    host = AptHost(tmp_path)
    host.install("hello", "other", held=held)
    host.publish("Debian", "bookworm", NOW, hello="1.0", other="1.0")
    host.publish("Debian-Security", "bookworm-security", NOW, hello="1.1")
    host.update()
    host.pin(pin)

    found = verdict(host)

    assert found.status is Status.FAIL
    assert found.message == f"1 security updates pending, at most 0: {named}"


@needs_apt
def test_an_update_that_a_point_release_has_replaced_is_still_a_security_update(
    tmp_path: Path,
) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian", "bookworm", NOW, hello="1.2")
    host.publish("Debian-Security", "bookworm-security", NOW, hello="1.1")
    host.update()

    assert verdict(host).message == "1 security updates pending, at most 0: hello"


@needs_apt
@pytest.mark.parametrize(
    ("pin", "status"),
    [("Package: *\nPin: release n=trixie-security\nPin-Priority: 100\n", "pass"), ("", "fail")],
    ids=["set back", "followed"],
)
def test_an_archive_of_another_release_counts_if_it_is_followed(
    tmp_path: Path, pin: str, status: str
) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian-Security", "bookworm-security", NOW, hello="1.0")
    host.publish("Debian-Security", "trixie-security", NOW, hello="2.0")
    host.update()
    host.pin(pin)

    assert verdict(host).status.value == status


@needs_apt
def test_ubuntus_esm_without_a_contract_is_not_followed(tmp_path: Path) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("UbuntuESM", "bookworm-infra-security", NOW, hello="1.1")
    host.publish("Ubuntu", "bookworm-security", NOW, hello="1.0")
    host.update()
    host.pin("Package: *\nPin: release l=UbuntuESM\nPin-Priority: -32768\n")

    assert verdict(host).status is Status.PASS


@needs_apt
@pytest.mark.parametrize(
    ("main", "security", "told"),
    [
        (0, 0, "0 security updates pending, at most 0; lists 0.0 d old"),
        (60, 0, "0 security updates pending, at most 0; lists 0.0 d old"),
        (60, 6, "0 security updates pending, at most 0; lists 6.0 d old"),
        (0, 60, "the list of Debian-Security bookworm-security is 60 d old, at most 7 d"),
        (60, 60, "the list of Debian-Security bookworm-security is 60 d old, at most 7 d"),
    ],
    ids=["both young", "main between point releases", "six days", "security only", "both old"],
)
def test_each_security_archive_has_its_own_age(
    tmp_path: Path, main: int, security: int, told: str
) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian-Security", "bookworm-security", NOW - timedelta(days=security))
    host.publish("Debian", "bookworm", NOW - timedelta(days=main), hello="1.0")
    host.update()

    assert verdict(host).message == told


@needs_apt
def test_a_security_archive_that_cannot_be_reached_any_more_grows_old(tmp_path: Path) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian-Security", "bookworm-security", NOW - timedelta(days=9))
    host.publish("Debian", "bookworm", NOW - timedelta(days=9), hello="1.0")
    host.update()
    shutil.move(tmp_path / "archives/bookworm-security", tmp_path / "gone")
    host.publish("Debian", "bookworm", NOW, hello="1.0")
    host.update()

    assert verdict(host).message == (
        "the list of Debian-Security bookworm-security is 9 d old, at most 7 d"
    )


@needs_apt
def test_what_apt_cache_does_not_tell_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian-Security", "bookworm-security", NOW, hello="1.0")
    host.update()
    monkeypatch.setattr(package_updates, "POLICY", ["apt-cache", "no-such-command"])

    found = verdict(host)

    assert found.status is Status.UNKNOWN
    assert found.message.startswith("could not look for all updates: apt-cache: ")


# --- Release files ---------------------------------------------------------------------------------------------------
def release(**fields: str) -> str:
    return "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())


AT = 1_795_680_000.0  # Thu, 26 Nov 2026 08:00:00 UTC


def test_a_release_file_may_have_its_fields_behind_its_sums(tmp_path: Path) -> None:
    sums = "".join(f" {number:032x} 1 main/{number}\n" for number in range(2000))
    path = tmp_path / "x.example_dists_stable_Release"
    path.write_text(
        f"MD5Sum:\n{sums}" + release(Label="Our-Security", Date="Mon, 23 Nov 2026 08:00:00 UTC")
    )

    [found] = package_updates._archives([str(path)], Host()).values()

    assert (found["security"], found["name"]) == (True, "Our-Security")
    assert found["age_seconds"] is not None


@pytest.mark.parametrize("manager", package_updates.NOT_READ)
def test_a_package_manager_that_is_not_read_is_no_silence(manager: str) -> None:
    [seen] = package_updates.gather({}, RecordedHost(commands={manager: Ran(0, "")}))

    assert seen.error == f"{manager}: its updates are not read; only those of apt and dnf are"


def test_a_host_without_packages_has_no_updates() -> None:
    assert package_updates.gather({}, RecordedHost()) == []


@needs_apt
def test_a_line_of_apt_get_that_is_not_understood_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = AptHost(tmp_path)
    host.install("hello")
    host.publish("Debian-Security", "bookworm-security", NOW, hello="1.0")
    host.update()
    monkeypatch.setattr(package_updates, "APT", ["printf", "Inst hello 1.0 -> 2.0\\n"])

    found = verdict(host)

    assert found.status is Status.UNKNOWN
    assert "1 lines were not understood, such as 'Inst hello 1.0 -> 2.0'" in found.message


@pytest.mark.parametrize(
    ("head", "changed", "age", "expired"),
    [
        (release(Date="Wed, 25 Nov 2026 08:00:00 UTC"), AT, DAY, False),
        (release(Date="Wed, 25 Nov 2026 09:00:00 +0100"), AT, DAY, False),
        (release(Date="Thu, 26 Nov 2026 08:00:00 UTC"), AT - 60 * DAY, 60 * DAY, False),
        (release(Label="x"), AT - DAY, DAY, False),
        (release(Date="yesterday"), AT - DAY, DAY, False),
        (release(Date="Fri, 27 Nov 2026 08:00:00 UTC"), AT + DAY, 0.0, False),
        ("", None, None, False),
        (release(Valid_Until="Wed, 25 Nov 2026 08:00:00 UTC"), AT, 0.0, True),
        (release(Valid_Until="Fri, 27 Nov 2026 08:00:00 UTC"), AT, 0.0, False),
    ],
    ids=[
        "a mirror that stopped",
        "another zone",
        "an old file",
        "no date",
        "no such date",
        "the future",
        "nothing",
        "expired",
        "valid",
    ],
)
def test_the_older_of_file_and_date_counts(
    head: str, changed: float | None, age: float | None, expired: bool
) -> None:
    found = package_updates.describe_archive(head, "x", changed, AT)

    assert (found["age_seconds"], found["expired"]) == (age, expired)


# The columns of distro-info-data's ubuntu.csv.
UBUNTU = (
    "version,codename,series,created,release,eol,eol-server,eol-esm\n"
    "20.04 LTS,Focal Fossa,focal,2019-10-17,2020-04-23,2025-05-31,2025-05-31,2030-04-23\n"
    "22.04 LTS,Jammy Jellyfish,jammy,2021-10-14,2022-04-21,2027-06-01,2027-06-01,2032-04-21\n"
)
LISTS = "/var/lib/apt/lists"


@pytest.mark.parametrize(
    ("series", "old", "quiet"),
    [
        ("jammy", "UbuntuESM", True),
        ("jammy", "Ubuntu", False),
        ("focal", "UbuntuESM", False),
        ("focal", "Ubuntu", True),
    ],
)
def test_ubuntus_archives_count_while_something_is_expected_of_them(
    series: str, old: str, quiet: bool
) -> None:
    class Dated(RecordedHost):
        def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
            at = self.clock - (60 * DAY if f"_{old}_" in path else 0)
            return os.stat_result((0,) * 8 + (at, 0))

    files = {
        f"{LISTS}/x_{label}_InRelease": release(
            Label=label, Suite=f"{series}-security", Codename=series
        )
        for label in ("Ubuntu", "UbuntuESM")
    }
    commands = {
        " ".join(package_updates.APT): Ran(0, ""),
        " ".join(package_updates.INSTALLED): Ran(0, ""),
    }
    host = Dated(
        {"/var/lib/dpkg/status": "", package_updates.UBUNTU_RELEASES: UBUNTU, **files},
        commands,
        clock=AT,
    )

    assert (verdict(host).status is Status.PASS) == quiet


# --- dnf -------------------------------------------------------------------------------------------------------------
class DnfHost(RecordedHost):
    """With the caches of repositories, last looked at so many days ago."""

    def __init__(self, days: dict[str, float], repositories: str, plain: str, wide: str) -> None:
        ask = package_updates.DNF
        super().__init__(
            dict.fromkeys(days, ""),
            {
                " ".join([*ask, *package_updates.ADVISORIES]): Ran(0, plain),
                " ".join([*ask, *package_updates.NO_EXCLUDES, *package_updates.ADVISORIES]): Ran(
                    0, wide
                ),
                " ".join([*ask, "repolist", "--enabled"]): Ran(0, repositories),
            },
            clock=AT,
        )
        self.days = days

    def stat(self, path: str, follow_links: bool = True) -> os.stat_result:
        if path not in self.days:
            raise HostError(f"{path}: no such file or directory")
        return os.stat_result((0,) * 8 + (self.clock - self.days[path] * DAY, 0))


def text(name: str) -> str:
    return (RECORDED / name).read_text()


def cache(name: str, file: str = "0c1f-primary.xml.gz", number: str = "ed72be4a7e7cb678") -> str:
    return f"/var/cache/dnf/{name}-{number}/repodata/{file}"


BASE, SEC = cache("base", number="41c342764261b40b"), cache("sec")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ({BASE: 0, SEC: 0}, "0 security updates pending, at most 0; lists 0.0 d old"),
        ({BASE: 0, SEC: 60}, "the list of sec is 60 d old, at most 7 d"),
        ({BASE: 60, SEC: 60}, "the list of base is 60 d old, at most 7 d; 1 more are too old"),
        # Unchanged for long, and looked at today: dnf sets the time of the list, not of repomd.xml.
        (
            {BASE: 0, SEC: 0, cache("sec", "repomd.xml"): 90},
            "0 security updates pending, at most 0; lists 0.0 d old",
        ),
        ({BASE: 0, cache("sec", "repomd.xml"): 60}, "the list of sec is 60 d old, at most 7 d"),
        ({BASE: 0}, "there is no list of sec whose age is known"),
        # A repository that is switched off keeps its cache; one of a longer name is another.
        (
            {BASE: 0, SEC: 0, cache("off"): 400, cache("sec-debug"): 400},
            "0 security updates pending, at most 0; lists 0.0 d old",
        ),
        ({BASE: 0, cache("sec-debug"): 0}, "there is no list of sec whose age is known"),
        (
            {BASE: 0, SEC.replace("/dnf/", "/libdnf5/"): 2},
            "0 security updates pending, at most 0; lists 2.0 d old",
        ),
    ],
    ids=[
        "both young",
        "one old",
        "both old",
        "unchanged",
        "repomd only",
        "never reached",
        "switched off",
        "a longer name",
        "dnf 5",
    ],
)
def test_each_repository_has_its_own_age(days: dict[str, float], told: str) -> None:
    host = DnfHost(days, text("dnf_repolist.txt"), "", "")

    assert verdict_of_dnf(host).message == told


def verdict_of_dnf(host: RecordedHost) -> Verdict:
    [seen] = package_updates.gather({}, host)
    assert (seen.subject, seen.error) == ("dnf", "")
    return judge(seen, Limits(), datetime.now(UTC))


@pytest.mark.parametrize(
    ("plain", "wide", "status", "told"),
    [
        (
            text("dnf_plain.txt"),
            text("dnf_all.txt"),
            "fail",
            "3 security updates pending, at most 0: rpt-hello-1.1-1.noarch, rpt-locked-1.1-1.noarch, "
            "rpt-other-1.1-1.noarch (excluded)",
        ),
        (
            "",
            text("dnf5.txt"),
            "fail",
            "1 security updates pending, at most 0: openssl-libs-3.2.4-1.fc41.x86_64 (excluded)",
        ),
        (
            "",
            "RLSA-2026:1 security\n",
            "unknown",
            "could not look for all updates: dnf: 1 lines of updateinfo were not understood, "
            "such as 'RLSA-2026:1 security'",
        ),
    ],
    ids=["dnf 4, one excluded", "dnf 5", "not understood"],
)
def test_excluded_packages_are_pending_and_what_is_not_understood_is_no_pass(
    plain: str, wide: str, status: str, told: str
) -> None:
    found = verdict_of_dnf(DnfHost({BASE: 0, SEC: 0}, text("dnf_repolist.txt"), plain, wide))

    assert (found.status.value, found.message) == (status, told)
