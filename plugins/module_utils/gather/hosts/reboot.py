# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks for a reboot: the flag that packages leave, and a kernel that is newer than the running one.

Newer is what the host's own package manager calls so, among kernels of the running one's flavour.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable

from ansible_collections.astral.upkeep.plugins.module_utils.gather.hosts._boot_loader import (
    next_kernel,
    release_key,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

ARGUMENTS: dict[str, dict[str, Any]] = {}
NAMES_LIMIT = 30
FLAGS = ("/run/reboot-required", "/var/run/reboot-required")
IMAGES = ("/boot/vmlinuz-{}", "/lib/modules/{}/vmlinuz")
# What stands in a release's name and says nothing of its flavour: distributions, architectures, counters.
NO_FLAVOUR = frozenset(["deb", "bpo", "el", "fc", "amzn", "rc", "r"])
ARCHITECTURES = re.compile(r"x86_64|i[3-6]86|aarch64|s390x|ppc64le")


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return the observation `reboot`. Inside a container kernels are not seen, and only the flag speaks."""
    try:
        running = host.read("/proc/sys/kernel/osrelease", 1000).strip()
        uptime = float(host.read("/proc/uptime", 1000).split()[0])
    except (HostError, ValueError, IndexError) as exc:
        return [not_seen("reboot", exc)]
    booted = host.now() - uptime
    flag = next((path for path in FLAGS if host.exists(path)), None)
    installed = sorted(
        {os.path.basename(path)[len("vmlinuz-") :] for path in host.glob("/boot/vmlinuz-*")}
        | {os.path.basename(os.path.dirname(path)) for path in host.glob("/lib/modules/*/vmlinuz")}
    )
    newer, by = newer_kernel(host, running, installed)
    data: dict[str, Any] = {
        "booted_at": _iso(booted),
        "flag_at": _iso(host.stat(flag).st_mtime) if flag else None,
        "packages": _packages(host, flag),
        "running_kernel": running,
        "newer_kernel": newer,
        "newer_kernel_at": _since(host, *(one.format(newer) for one in IMAGES)) if newer else None,
        "compared_by": by,
        "next_kernel": next_kernel(host),
        "kernel_replaced_at": _replaced(host, running, booted),
        "unread": "",
    }
    raw = (
        f"running {running}\ninstalled {' '.join(installed)}\nflag {flag or 'none'}\n"
        f"next {data['next_kernel'] or 'not told'}\n"
    )
    restarting = _needs_restarting(host)
    if restarting is not None:
        data["packages"] += restarting.packages
        data["unread"] = restarting.unread
        raw += restarting.text
    return [Observation("reboot", data, raw=raw)]


def _packages(host: Host, flag: str | None) -> list[str]:
    """Return the packages that asked for the reboot. Source: Debian's update-notifier, reboot-required.pkgs."""
    if flag is None:
        return []
    try:
        names = host.read(f"{flag}.pkgs").split()
    except HostError:
        return []
    return list(dict.fromkeys(names))[:NAMES_LIMIT]


def newer_kernel(host: Host, running: str, installed: list[str]) -> tuple[str | None, str]:
    """Return the newest installed kernel of the running one's flavour if it is newer, and who says so: rpm, dpkg.

    A running kernel that no package has is compared by the names of releases. A host with one kernel is asked for no
    package: to look for a file's package takes dpkg a tenth of a second.
    """
    if not set(installed) - {running}:
        return None, "name"
    for tool, packages_of, is_newer in (
        ("dpkg", _dpkg_packages, _dpkg_newer),
        ("rpm", _rpm_packages, _rpm_newer),
    ):
        try:
            packages = packages_of(host, list(dict.fromkeys([running, *installed])))
            if running in packages:
                return _newest(packages, running, partial(is_newer, host)), tool
        except HostError:
            continue
    rivals = [one for one in installed if flavour(one) == flavour(running)]
    name = max(rivals, key=release_key, default=running)
    return (name if release_key(name) > release_key(running) else None), "name"


def _newest(
    packages: dict[str, tuple[str, str]], running: str, is_newer: Callable[[str, str], bool]
) -> str | None:
    """Return the release whose package is the newest of the running one's kind; None if that runs."""
    kind, newest = packages[running]
    newer = None
    for release, (its_kind, version) in sorted(packages.items()):
        if release != running and its_kind == kind and is_newer(version, newest):
            newer, newest = release, version
    return newer


def flavour(release: str) -> str:
    """Return the words of a kernel release that say what kind it is: `cloud-amd`, `generic`, `uek`."""
    words = re.findall(r"[a-z]+", ARCHITECTURES.sub("", release.lower()))
    return "-".join(word for word in words if word not in NO_FLAVOUR)


def _dpkg_packages(host: Host, releases: list[str]) -> dict[str, tuple[str, str]]:
    """Return flavour and package version by release, of the kernels that dpkg has installed.

    Raises: HostError.
    """
    paths = [one.format(release) for release in releases for one in IMAGES]
    said = host.run(["dpkg-query", "--search", *paths]).out
    found = {path: package for package, path in re.findall(r"^(\S+): (/\S+)$", said, re.MULTILINE)}
    shown = ["dpkg-query", "--show", "--showformat=${binary:Package} ${Version}\n"]
    versions = dict(
        line.split(" ", 1)
        for line in (
            host.run([*shown, *sorted(set(found.values()))]).out if found else ""
        ).splitlines()
    )
    return {
        release: (flavour(release), versions[found[path]])
        for release in releases
        for path in (one.format(release) for one in IMAGES)
        if found.get(path) in versions
    }


def _dpkg_newer(host: Host, one: str, other: str) -> bool:
    return host.run(["dpkg", "--compare-versions", one, "gt", other]).status == 0


def _rpm_packages(host: Host, releases: list[str]) -> dict[str, tuple[str, str]]:
    """Return package name and version-release by kernel release, of those that rpm has installed.

    Raises: HostError.
    """
    found: dict[str, tuple[str, str]] = {}
    for release in releases:
        for path in (one.format(release) for one in IMAGES):
            ran = host.run(["rpm", "-qf", "--qf", "%{NAME} %{VERSION} %{RELEASE}\\n", path])
            fields = ran.out.splitlines()[0].split(" ") if ran.status == 0 and ran.out else []
            if len(fields) == 3:
                found.setdefault(release, (fields[0], " ".join(fields[1:])))
    return found


def _rpm_newer(host: Host, one: str, other: str) -> bool:
    """Compare as rpm does, first versions, then releases. Source: rpm-lua(7), rpm.vercmp."""
    if not re.fullmatch(r"[\w.+~^ ]+", one + other):
        raise HostError(f"rpm: no versions to compare: {one[:80]!r}, {other[:80]!r}")
    pairs = zip(one.split(" "), other.split(" "))
    asked = " ".join(f'print(rpm.vercmp("{mine}", "{its}"), "")' for mine, its in pairs)
    ran = host.run(["rpm", "--eval", f"%{{lua: {asked}}}"])
    said = re.findall(r"-?[01]", ran.out)
    if ran.status != 0 or len(said) != 2:
        raise HostError(f"rpm: {(ran.err or ran.out).strip()[:200]}")
    return (said[0], said[1]) == ("0", "1") or said[0] == "1"


def _replaced(host: Host, running: str, booted: float) -> str | None:
    """Return when the running kernel's package was unpacked anew under the same name since the boot (Debian)."""
    for path in (
        f"/var/lib/dpkg/info/linux-image-{running}.list",
        f"/var/lib/dpkg/info/linux-image-{running}-unsigned.list",
    ):
        try:
            changed = host.stat(path).st_mtime
        except HostError:
            continue
        return _iso(changed) if changed > booted else None
    return None


@dataclass(frozen=True)
class _Restarting:
    """What needs-restarting says; unread: why it is not known what it means."""

    packages: list[str]
    text: str
    unread: str = ""


def _needs_restarting(host: Host) -> _Restarting | None:
    """Return the packages that dnf's needs-restarting names; None without that program."""
    if host.which("needs-restarting") is None:
        return None
    try:
        ran = host.run(["needs-restarting", "-r"])
    except HostError as exc:
        return _Restarting([], "", str(exc))
    if ran.status == 0:
        return _Restarting([], ran.out)
    packages = parse_needs_restarting(ran.out) if ran.status == 1 else []
    if not packages:  # 1 is also what dnf's own errors end with
        said = (ran.err or ran.out).strip().splitlines() or ["nothing"]
        return _Restarting(
            [], ran.out, f"needs-restarting ended with {ran.status}: {said[-1][:200]}"
        )
    return _Restarting(packages, ran.out)


def parse_needs_restarting(text: str) -> list[str]:
    """Return the packages in lines like `  * kernel-core`."""
    return re.findall(r"^\s+\* (\S+)", text, re.MULTILINE)[:NAMES_LIMIT]


def _since(host: Host, *paths: str) -> str | None:
    """Return when the first of the paths that is there was put there (its time of change: packages set the others)."""
    for path in paths:
        try:
            return _iso(host.stat(path).st_ctime)
        except HostError:
            continue
    return None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat()
