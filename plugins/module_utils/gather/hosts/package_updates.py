# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that are out for what is installed, security ones named, and how old each list is that says so.

A security update counts whether or not the package manager would install it: one of a package on hold, pinned to a
version, or excluded, is out all the same. Each archive's list has its own age: one that cannot be reached any more
keeps its old list, while the others become younger.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

ARGUMENTS: dict[str, dict[str, Any]] = {}
TIMEOUT_SECONDS = 90
NOT_READ = ("zypper", "yum", "microdnf", "tdnf", "apk", "pacman", "opkg", "xbps-install", "emerge")
TOOLS = ("apt-get|dnf",)
SIMULATION_SECONDS = 80.0  # of TIMEOUT_SECONDS; what follows has what is left of it
LIST_SECONDS = 25.0
NAMES_LIMIT = 50
ARCHIVES_LIMIT = 100
RAW_LIMIT_CHARACTERS = 50_000

# No lock is taken, and without a cache file none is rewritten (apt-get would do that as root, even when simulating).
APT_OPTIONS = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
APT = [
    "apt-get",
    "--simulate",
    "--quiet=2",
    "-o",
    "Debug::NoLocking=1",
    *APT_OPTIONS,
    "-o",
    "APT::Get::Show-User-Simulation-Note=0",
    "dist-upgrade",
]
INSTALLS = re.compile(r"Inst (\S+) (?:\[(\S+)\] )?\((\S+) (.*?)(?: \[\w+\])?\)")
POLICY = ["apt-cache", *APT_OPTIONS, "policy"]
INSTALLED = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${binary:Package}\n"]
# Each is touched by `apt-get update`; the stamp by APT::Periodic only.
# Not lists/partial: apt-get writes there when it reaches no archive, too.
APT_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
SECURITY = re.compile(r"security|UbuntuESM", re.IGNORECASE)
UBUNTU_RELEASES = "/usr/share/distro-info/ubuntu.csv"
FOLLOWED = 500  # apt's priority of an archive that nobody has set back
# From what was downloaded last; -C asks no network, so an old cache is possible and its age is seen.
DNF = ["dnf", "--quiet", "--cacheonly"]
ADVISORIES = ["updateinfo", "list", "--security"]
# The word of dnf 4, then that of dnf 5. Packages locked by dnf 4's versionlock are listed anyway.
NO_EXCLUDES = ["--setopt=disable_excludes=all,*"]
DNF_CACHES = ("/var/cache/dnf", "/var/cache/libdnf5")
DNF_OWN = "_dnf_local"  # dnf's plugin `local` makes it of what this host has downloaded


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return an observation of the package manager that this host has: `apt`, `dnf`, or one that is not read."""
    if host.which("apt-get") and host.exists("/var/lib/dpkg/status"):
        return [_apt(host)]
    if host.which("dnf"):
        return [_dnf(host)]
    other = next(filter(host.which, NOT_READ), None)
    reason = f"{other}: its updates are not read; only those of apt and dnf are"
    return [Observation(other, error=reason)] if other else []


def _apt(host: Host) -> Observation:
    """Simulate an upgrade (dist-upgrade, since a new kernel is a new package), and look at what it leaves out."""
    listed = [name for name in host.glob("/var/lib/apt/lists/*") if name.endswith("Release")]
    stamps = []
    for path in APT_STAMPS:
        try:
            stamps.append(host.stat(path).st_mtime)
        except HostError:
            continue
    age = max(0.0, host.now() - max(stamps)) if stamps and listed else None
    ends = host.monotonic() + SIMULATION_SECONDS
    try:
        ran = _ask(host, APT, SIMULATION_SECONDS)
    except HostError as exc:
        return not_seen("apt", exc)
    archives = _archives(listed, host)
    pending = parse_apt(ran)
    odd = [
        line for line in ran.split("\n") if line.startswith("Inst ") and not INSTALLS.match(line)
    ]
    left = min(LIST_SECONDS, max(4.0, ends - host.monotonic()))
    out, unread = _security_versions(host, archives, left)
    if odd:
        unread = f"apt-get: {len(odd)} lines were not understood, such as {odd[0][:120]!r}"
    # In a version that a point release has replaced since, apt-get shows no security update; it is one.
    installing = {update["package"] for update in pending}
    for update in out:
        if update["package"] in installing:
            update["kept"] = ""
    named = {update["package"]: update for update in pending if update["security"]}
    for update in out:
        named.setdefault(update["package"], update)
    data = {
        "manager": "apt",
        "lists": len(listed),
        "security_lists": sum(archive["security"] for archive in archives.values()),
        "lists_age_seconds": age,
        "archives": list(archives.values())[:ARCHIVES_LIMIT],
        "pending": len(pending),
        "security": len(named),
        "security_updates": list(named.values())[:NAMES_LIMIT],
        "unread": unread,
    }
    return Observation("apt", data, raw=ran[:RAW_LIMIT_CHARACTERS])


def _ask(host: Host, command: list[str], seconds: float) -> str:
    """Return what the program prints.

    Raises: HostError with its own reason if it fails, or prints too much.
    """
    ran = host.run(command, timeout_seconds=seconds)
    if ran.status != 0 or ran.truncated:
        reason = (ran.err or ran.out).strip()[-400:] or f"ended with {ran.status}"
        raise HostError(f"{command[0]}: {reason if ran.status else 'printed too much'}")
    return ran.out


def _archives(listed: list[str], host: Host) -> dict[str, dict[str, Any]]:
    """Return what each Release file says of its archive, by a key that its address in a version table has, too."""
    found = {}
    for path in listed:
        head, changed = "", None
        try:
            head = host.read(path)
            changed = host.stat(path).st_mtime
        except HostError:
            pass  # what is not known of it makes it no younger
        name = re.sub(r"_?(?:In)?Release$", "", path.rpartition("/")[2])
        found[_key(name)] = describe_archive(head, name, changed, host.now())
    _mark_quiet(found, host)
    return found


def describe_archive(head: str, name: str, changed: float | None, now: float) -> dict[str, Any]:
    """Return what a Release file says of its archive.

    security: apt-get shows its updates as security ones, by its label or suite. age_seconds: of the older of the file,
    which bears the time of the archive's last change, and the date in it (a mirror may have stopped). expired: it is
    past the time until which the archive itself calls it valid.
    """
    fields = {
        field: value.strip()
        for field, value in re.findall(r"^([A-Z][A-Za-z-]+):(.*)$", head, re.MULTILINE)
    }
    times = [time for time in (changed, _seconds(fields.get("Date", ""))) if time is not None]
    valid = _seconds(fields.get("Valid-Until", ""))
    told = [fields.get(field, "") for field in ("Label", "Suite", "Codename")]
    return {
        "name": " ".join(filter(None, told[:2])) or name[:200],
        "codename": told[2],
        "label": told[0],
        "security": any(map(SECURITY.search, told)),
        "age_seconds": max(0.0, now - min(times)) if times else None,
        "expired": valid is not None and valid < now,
        "quiet": False,
    }


def _mark_quiet(archives: dict[str, dict[str, Any]], host: Host) -> None:
    """Mark Ubuntu's archives in which nothing is to be expected: ESM's before a release's end, the usual ones after."""
    try:
        rows = [line.split(",") for line in host.read(UBUNTU_RELEASES).splitlines()]
    except HostError:
        rows = []
    today = datetime.fromtimestamp(host.now(), timezone.utc).strftime("%Y-%m-%d")
    ended = {row[2] for row in rows[1:] if len(row) > 5 and row[5] <= today}
    has_esm = {
        archive["codename"].partition("-")[0]
        for archive in archives.values()
        if archive["label"].startswith("UbuntuESM")
    }
    for archive in archives.values():
        release = archive["codename"].partition("-")[0]
        if archive["label"].startswith("UbuntuESM"):
            archive["quiet"] = release not in ended
        elif archive["label"] == "Ubuntu":
            archive["quiet"] = release in ended and release in has_esm


def _seconds(text: str) -> float | None:
    """Return a Release file's time in seconds since 1970."""
    try:
        parsed = parsedate_to_datetime(re.sub(r"UTC$", "+0000", text))
        return parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _key(address: str) -> str:
    """Return an archive's address without what apt writes otherwise in names of files."""
    return re.sub(r"%[0-9a-fA-F]{2}|[^A-Za-z0-9]", "", address)


def _security_versions(
    host: Host, archives: dict[str, dict[str, Any]], seconds: float
) -> tuple[list[dict[str, Any]], str]:
    """Return security updates with why apt-get might not install them, and why they could not be looked for."""
    try:
        rows = [line.split() for line in _ask(host, INSTALLED, seconds).splitlines()]
        names = [row[-1] for row in rows if len(row) > 1 and row[0][1:2] not in "nc"]
        held = {row[-1] for row in rows if row and row[0].startswith("h")}
        out = _ask(host, [*POLICY, *names], seconds) if names else ""
    except HostError as exc:
        return [], str(exc)
    try:
        system = host.read("/etc/os-release")
    except HostError:
        system = ""
    if names and "  Version table:\n" not in out:
        return [], f"apt-cache policy: no version table in {out[:120]!r}"
    release = re.search(r"^VERSION_CODENAME=[\"']?(\w+)", system, re.MULTILINE)
    found = parse_policy(out, archives, release.group(1) if release else "")
    for update in found:
        is_candidate = update.pop("is_candidate")
        held_back = "kept back" if is_candidate else "pinned"
        update["kept"] = "on hold" if update["package"] in held else held_back
    return found, ""


def parse_policy(
    text: str, archives: dict[str, dict[str, Any]], release: str
) -> list[dict[str, Any]]:
    """Return the packages of which a security archive has a newer version than the installed one.

    From `apt-cache policy PACKAGE…`: versions stand there newest first, `***` before the installed one, each with the
    archives that have it and their priorities. An archive of another release that was set back is not followed.
    """
    found: dict[str, dict[str, Any]] = {}
    package, said, version = "", {"Installed": "", "Candidate": ""}, ""
    for line in text.splitlines():
        header = re.match(r"(\S+):$", line)
        field = re.match(r"  (Installed|Candidate): (\S+)", line)
        row = re.match(r" (\*\*\*|   ) (\S+) -?\d+", line)
        source = re.match(r" {6,}(-?\d+) (\S+) (\S+)/[^/\s]+ .*Packages$", line)
        if header:
            package = header.group(1)
        elif field:
            said[field.group(1)] = field.group(2)
        elif row:
            version = row.group(2) if row.group(1) != "***" and version != "***" else "***"
        elif line == "  Version table:":
            version = ""
        elif source and version not in ("", "***") and _is_expected(source, archives, release):
            found.setdefault(
                package,
                {
                    "package": package,
                    "installed": said["Installed"],
                    "candidate": version,
                    "security": True,
                    "is_candidate": version == said["Candidate"],
                },
            )
    return [update for update in found.values() if update["installed"] != "(none)"]


def parse_apt(text: str) -> list[dict[str, Any]]:
    """Return the packages that `apt-get --simulate` would install, once each.

    A line is `Inst name [old] (new Label:version/suite, … [arch])`; no old version means a new package. It is a
    security update if one of the archives that have the version is one (Debian-Security, jammy-security, UbuntuESM).
    """
    updates = []
    for line in text.splitlines():
        match = INSTALLS.match(line)
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


def _is_expected(source: Any, archives: dict[str, dict[str, Any]], release: str) -> bool:
    """Return whether a line of a version table is of a security archive that this system is to follow."""
    priority, address, suite = source.groups()
    place = re.sub(r"^[\w+]+:(?://)?(?:[^/@]*@)?", "", address)
    archive = archives.get(_key(f"{place}/dists/{suite}"), {})
    if not archive.get("security", SECURITY.search(suite)):
        return False
    # Ubuntu's own client sets ESM back where there is no contract for it.
    is_esm = archive.get("label", "").startswith("UbuntuESM")
    is_ours = bool(release) and (archive.get("codename") or suite).startswith(release)
    return int(priority) >= FOLLOWED or (is_ours and not is_esm)


def _dnf(host: Host) -> Observation:
    """List the security advisories that apply, those of excluded and locked packages too, and the age of each list."""
    unread = ""
    try:
        plain = _ask(host, [*DNF, *ADVISORIES], LIST_SECONDS)
        enabled = parse_repositories(_ask(host, [*DNF, "repolist", "--enabled"], LIST_SECONDS))
    except HostError as exc:
        return not_seen("dnf", exc)
    try:
        everything = _ask(host, [*DNF, *NO_EXCLUDES, *ADVISORIES], LIST_SECONDS)
    except HostError as exc:
        everything, unread = plain, str(exc)
    updates, odd = parse_dnf(everything)
    known = {update["package"] for update in parse_dnf(plain)[0]}
    for update in updates:
        if update["package"] not in known:
            update["kept"] = "excluded"
    if odd:
        unread = (
            f"dnf: {len(odd)} lines of updateinfo were not understood, such as {odd[0][:120]!r}"
        )
    archives = [_repository(name, host) for name in enabled]
    ages = [one["age_seconds"] for one in archives if one["age_seconds"] is not None]
    data = {
        "manager": "dnf",
        "lists": len(ages),
        "lists_age_seconds": max(ages, default=None),
        "archives": archives[:ARCHIVES_LIMIT],
        "security": len(updates),
        "security_updates": updates[:NAMES_LIMIT],
        "unread": unread,
    }
    return Observation("dnf", data, raw=everything[:RAW_LIMIT_CHARACTERS])


def _repository(name: str, host: Host) -> dict[str, Any]:
    """Return an enabled repository with the time since its server was last asked.

    dnf sets the time of the list of packages each time it finds it unchanged; that of repomd.xml is of the last change.
    """
    checked = []
    for kind in ("*primary.xml*", "repomd.xml"):
        for folder in DNF_CACHES:
            for path in host.glob(f"{folder}/{name}-*/repodata/{kind}"):
                if re.fullmatch(r"[0-9a-f]{16}", path.split("/")[-3][len(name) + 1 :]):
                    checked.append(host.stat(path).st_mtime)
        if checked:
            break
    return {
        "name": name,
        "security": True,
        "age_seconds": max(0.0, host.now() - max(checked)) if checked else None,
    }


def parse_repositories(text: str) -> list[str]:
    """Return the names that `dnf repolist` gives."""
    _head, found, rows = text.partition("repo id")
    names = [line.split()[0] for line in rows.splitlines()[1:] if line.strip()] if found else []
    return [name for name in names if name != DNF_OWN]


def parse_dnf(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the packages, once each, and the lines that are none.

    dnf 4 writes `RHSA-2026:1234 Important/Sec. kernel-5.14.0-1.x86_64`, dnf 5 a table with the columns name, type,
    severity, package, issued.
    """
    updates: dict[str, dict[str, Any]] = {}
    odd = []
    for line in text.splitlines():
        row = line.split()
        if len(row) == 3 and row[1].endswith("/Sec."):
            advisory, severity, package = row[0], row[1].partition("/")[0], row[2]
        elif len(row) >= 5 and row[1] == "security":
            advisory, severity, package = row[0], row[2], row[3]
        else:
            if row and row[:2] != ["Name", "Type"]:
                odd.append(line.strip())
            continue
        updates[package] = {
            "package": package,
            "advisory": advisory,
            "severity": severity,
            "security": True,
        }
    return list(updates.values()), odd
