# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks for a reboot: the flag that packages leave, and a kernel that is newer than the running one."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = {}
NAMES_LIMIT = 30
FLAGS = ("/run/reboot-required", "/var/run/reboot-required")


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return the observation `reboot`. Inside a container kernels are not seen, and only the flag speaks."""
    try:
        running = host.read("/proc/sys/kernel/osrelease", 1000).strip()
        uptime = float(host.read("/proc/uptime", 1000).split()[0])
    except (HostError, ValueError, IndexError) as exc:
        return [Observation("reboot", error=str(exc))]
    booted = host.now() - uptime
    flag = next((path for path in FLAGS if host.exists(path)), None)
    installed = sorted(
        {os.path.basename(path)[len("vmlinuz-") :] for path in host.glob("/boot/vmlinuz-*")}
        | {os.path.basename(os.path.dirname(path)) for path in host.glob("/lib/modules/*/vmlinuz")}
    )
    newer = newer_kernel(running, installed)
    data: dict[str, Any] = {
        "booted_at": _iso(booted),
        "flag_at": _iso(host.stat(flag).st_mtime) if flag else None,
        "packages": _packages(host, flag),
        "running_kernel": running,
        "newer_kernel": newer,
        "newer_kernel_at": _since(host, f"/boot/vmlinuz-{newer}", f"/lib/modules/{newer}/vmlinuz")
        if newer
        else None,
        "kernel_replaced_at": _replaced(host, running, booted),
    }
    raw = f"running {running}\ninstalled {' '.join(installed)}\nflag {flag or 'none'}\n"
    restarting = _needs_restarting(host)
    if restarting is not None:
        data["packages"] += restarting[0]
        raw += restarting[1]
    return [Observation("reboot", data, raw=raw)]


def _packages(host: Host, flag: str | None) -> list[str]:
    """Return the packages that asked for the reboot. Source: Debian's update-notifier, reboot-required.pkgs."""
    if flag is None:
        return []
    try:
        names = host.read(f"{flag}.pkgs", 100_000).split()
    except HostError:
        return []
    return list(dict.fromkeys(names))[:NAMES_LIMIT]


def newer_kernel(running: str, installed: list[str]) -> str | None:
    """Return the newest installed kernel of the running one's flavour (`-amd64`, `-generic`) if it is newer."""
    rivals = [one for one in installed if flavour(one) == flavour(running)]
    newest = max(rivals, key=version_key, default=running)
    return newest if version_key(newest) > version_key(running) else None


def flavour(release: str) -> str:
    """Return what is left of a kernel release without its numbers and architecture-free suffixes: `amd64`."""
    return "-".join(re.findall(r"(?<=-)[a-z][a-z0-9_]*", release))


def version_key(release: str) -> tuple[tuple[int, ...], ...]:
    """Return a key that sorts kernel releases as their numbers, part by part."""
    return tuple(tuple(map(int, re.findall(r"\d+", part))) for part in release.split("-"))


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


def _needs_restarting(host: Host) -> tuple[list[str], str] | None:
    """Return the packages that dnf's needs-restarting names, and its text; None without that program."""
    if host.which("needs-restarting") is None:
        return None
    try:
        ran = host.run(["needs-restarting", "-r"])
    except HostError:
        return None
    return (parse_needs_restarting(ran.out) if ran.status == 1 else []), ran.out


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
