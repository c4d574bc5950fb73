# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that the package manager would install, security ones named, and how old the lists are it knows them from."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = {}
TIMEOUT_SECONDS = 90
TOOLS = ("apt-get|dnf",)
SIMULATION_SECONDS = 80.0
NAMES_LIMIT = 50
RAW_LIMIT_CHARACTERS = 50_000

# No lock is taken, and without a cache file none is rewritten (apt-get would do that as root, even when simulating).
APT = [
    "apt-get",
    "--simulate",
    "--quiet=2",
    "-o",
    "Debug::NoLocking=1",
    "-o",
    "Dir::Cache::pkgcache=",
    "-o",
    "Dir::Cache::srcpkgcache=",
    "-o",
    "APT::Get::Show-User-Simulation-Note=0",
    "dist-upgrade",
]
# Each is touched by `apt-get update`; the stamp by APT::Periodic only.
# Not lists/partial: apt-get writes there when it reaches no archive, too.
APT_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
SECURITY = re.compile(r"security|UbuntuESM", re.IGNORECASE)
RELEASE_HEAD_BYTES = 2000
# From what was downloaded last; -C asks no network, so an old cache is possible and its age is seen.
DNF = ["dnf", "--quiet", "--cacheonly", "updateinfo", "list", "--security"]
DNF_CACHES = "/var/cache/dnf/*/repodata/repomd.xml"


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per package manager that this host has (`apt`, `dnf`)."""
    if host.which("apt-get") and host.exists("/var/lib/dpkg/status"):
        return [_apt(host)]
    if host.which("dnf"):
        return [_dnf(host)]
    return []


def _apt(host: Host) -> Observation:
    """Simulate an upgrade; dist-upgrade, since a new kernel is a new package."""
    listed = [name for name in host.glob("/var/lib/apt/lists/*") if name.endswith("Release")]
    stamps = []
    for path in APT_STAMPS:
        try:
            stamps.append(host.stat(path).st_mtime)
        except HostError:
            continue
    age = max(0.0, host.now() - max(stamps)) if stamps and listed else None
    try:
        ran = host.run(APT, timeout_seconds=SIMULATION_SECONDS)
    except HostError as exc:
        return Observation("apt", error=str(exc))
    if ran.status != 0:
        reason = (ran.err or ran.out).strip()[-400:] or f"ended with {ran.status}"
        return Observation("apt", raw=ran.out, error=f"apt-get: {reason}")
    pending = parse_apt(ran.out)
    security = [update for update in pending if update["security"]]
    data = {
        "manager": "apt",
        "lists": len(listed),
        "security_lists": sum(_is_of_security(path, host) for path in listed),
        "lists_age_seconds": age,
        "pending": len(pending),
        "security": len(security),
        "security_updates": security[:NAMES_LIMIT],
    }
    return Observation("apt", data, raw=ran.out[:RAW_LIMIT_CHARACTERS])


def _is_of_security(path: str, host: Host) -> bool:
    """Say if a Release file is of an archive whose updates apt-get shows as security ones: by its label or suite."""
    try:
        head = host.read(path, RELEASE_HEAD_BYTES)
    except HostError:
        return False
    fields = re.findall(r"^(?:Label|Suite|Codename):(.*)$", head, re.MULTILINE)
    return any(SECURITY.search(field) for field in fields)


def parse_apt(text: str) -> list[dict[str, Any]]:
    """Return the packages that `apt-get --simulate` would install, once each.

    A line is `Inst name [old] (new Label:version/suite, … [arch])`; no old version means a new package. It is a
    security update if one of the archives that have the version is one (Debian-Security, jammy-security, UbuntuESM).
    """
    updates = []
    for line in text.splitlines():
        match = re.match(r"Inst (\S+) (?:\[(\S+)\] )?\((\S+) (.*?)(?: \[\w+\])?\)", line)
        if match is None:
            continue
        name, old, new, origins = match.groups()
        updates.append(
            {
                "package": name,
                "installed": old or "",
                "candidate": new,
                "security": bool(SECURITY.search(origins)),
            }
        )
    return updates


def _dnf(host: Host) -> Observation:
    """List the security advisories that apply, from the cache of whoever asks."""
    try:
        ran = host.run(DNF, timeout_seconds=SIMULATION_SECONDS)
    except HostError as exc:
        return Observation("dnf", error=str(exc))
    if ran.status != 0:
        reason = (ran.err or ran.out).strip()[-400:] or f"ended with {ran.status}"
        return Observation("dnf", raw=ran.out, error=f"dnf: {reason}")
    caches = [host.stat(path).st_mtime for path in host.glob(DNF_CACHES)]
    updates, unread = parse_dnf(ran.out)
    data = {
        "manager": "dnf",
        "lists": len(caches),
        "lists_age_seconds": max(0.0, host.now() - max(caches)) if caches else None,
        "security": len(updates),
        "security_updates": updates[:NAMES_LIMIT],
        "unread": unread[:NAMES_LIMIT],
    }
    return Observation("dnf", data, raw=ran.out[:RAW_LIMIT_CHARACTERS])


def parse_dnf(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the packages of lines like `RHSA-2026:1234 Important/Sec. kernel-5.14.0-1.x86_64`, once each.

    And the lines of another shape: another version of dnf may tell of updates in them.
    """
    unread = []
    updates: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        match = re.match(r"(\S+)\s+(\S+/Sec\.)\s+(\S+)$", line.strip())
        if match:
            advisory, severity, package = match.groups()
            updates[package] = {
                "package": package,
                "advisory": advisory,
                "severity": severity.partition("/")[0],
                "security": True,
            }
        elif line.strip():
            unread.append(line[:80])
    return list(updates.values()), unread
