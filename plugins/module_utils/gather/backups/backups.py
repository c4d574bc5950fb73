# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup of each declared set: its age, its size beside the earlier ones, read to its end."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._archives import (
    KINDS,
    Budget,
    check_manifest,
    read_to_end,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

ARGUMENTS: dict[str, dict[str, Any]] = {
    "sets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "path", "default": []},
            "kind": {"type": "str", "default": "auto", "choices": ["auto", *KINDS]},
            "rpo_hours": {"type": "float"},
            "repository": {"type": "str"},
            "password_file": {"type": "path"},
            "password": {"type": "str", "no_log": True},
            "snapshot_host": {"type": "str"},
            "snapshot_tag": {"type": "str"},
        },
        "mutually_exclusive": [("paths", "repository")],
    },
    "read": {"type": "bool", "default": True},
    "read_seconds": {"type": "int", "default": 60},
    "read_bytes": {"type": "int", "default": 100_000_000_000},
}
TIMEOUT_SECONDS = 110
TOOLS = ("zstd", "pg_restore", "restic")

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".incomplete", ".inprogress", ".filepart", "~")
BESIDE = (".sha256", ".sha256sum", ".sha512", ".md5", ".md5sum", ".sig", ".asc", ".minisig", ".log")
MANIFESTS = ("sha256sums", "sha512sums", "md5sums", "manifest", "backup_manifest")
RECENT_SECONDS = 120
GROWTH_SECONDS = 1.0
FUTURE_SECONDS = 600
EARLIER = 14
NAMED_AT = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)"
    r"(?:[-_T.]?([0-2]\d)[-_:.h]?([0-5]\d)(?:[-_:.]?([0-5]\d))?(Z)?)?(?!\d)"
)


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per declared set. What is read is shared out among the sets that are left."""
    seen = []
    ends = time.monotonic() + params["read_seconds"]
    sets = params["sets"]
    for index, wanted in enumerate(sets):
        share = max(0.0, ends - time.monotonic()) / (len(sets) - index)
        budget = Budget(share, params["read_bytes"]) if params["read"] else None
        try:
            if wanted["repository"]:
                seen.append(_restic(wanted, budget, host))
            else:
                seen.append(_files(wanted, budget, host))
        except HostError as exc:
            seen.append(not_seen(wanted["name"], exc))
    return seen


def _base(wanted: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what each set's data begins with."""
    return {
        "at": iso(host.now()),
        "where": wanted["repository"] or wanted["paths"],
        "rpo_hours": wanted["rpo_hours"],
        "count": 0,
        "newest": None,
    }


def _files(wanted: dict[str, Any], budget: Budget | None, host: Host) -> Observation:
    """Return what is seen of a set of files."""
    data = _base(wanted, host)
    if not wanted["paths"]:
        return Observation(wanted["name"], error="neither paths nor a repository are declared")
    backups, links, unfinished = find_backups(wanted["paths"], host)
    growing = []
    while backups and _is_growing(backups[0], host):
        growing.append(backups.pop(0)["path"])
    data.update(count=len(backups), links=links[:20], unfinished=unfinished[:20], growing=growing)
    lines = [f"{one['path']} {one['bytes']} B, written {iso(one['mtime'])}" for one in backups]
    raw = "\n".join(lines[:200])
    if not backups:
        return Observation(wanted["name"], data, raw)
    newest = backups[0]
    data["newest"] = {
        "path": newest["path"],
        "bytes": newest["bytes"],
        "taken_at": iso(newest["taken"]),
        "written_at": iso(newest["mtime"]),
        "named_at": iso(newest["named"]),
        "in_future": newest["taken"] > host.now() + FUTURE_SECONDS,
    }
    data["earlier_bytes"] = [one["bytes"] for one in backups[1 : 1 + EARLIER]]
    if budget is not None:
        try:
            data["content"] = read_to_end(newest["path"], wanted["kind"], budget, host)
            data["manifest"] = check_manifest(newest["path"], budget, host)
        except HostError as exc:
            data["content"] = {"state": "unread", "why": str(exc)}
    return Observation(wanted["name"], data, raw)


def find_backups(
    patterns: list[str], host: Host
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the finished files, newest first, the links, and the unfinished files.

    A link is no backup: it says nothing of what it leads to, and hides what it lost.

    Raises: HostError if one cannot see.
    """
    found: dict[str, dict[str, Any]] = {}
    links, unfinished = set(), set()
    for pattern in patterns:
        paths = host.glob(pattern)
        if not paths:
            _readable_folder(pattern, host)
        for path in paths:
            name = os.path.basename(path).lower()
            if name.endswith(BESIDE) or name.split(".")[0] in MANIFESTS:
                continue
            try:
                info = host.stat(path, follow_links=False)
            except HostError as exc:
                if isinstance(exc.__cause__, FileNotFoundError):
                    continue
                raise
            if stat.S_ISLNK(info.st_mode):
                links.add(path)
            elif name.endswith(UNFINISHED) or name.startswith("."):
                unfinished.add(path)
            elif stat.S_ISREG(info.st_mode):
                named = named_at(os.path.basename(path))
                taken = info.st_mtime if named is None else min(named, info.st_mtime)
                found[path] = {
                    "path": path,
                    "bytes": info.st_size,
                    "mtime": info.st_mtime,
                    "named": named,
                    "taken": taken,
                }
    backups = sorted(found.values(), key=lambda one: (-one["taken"], one["path"]))
    return backups, sorted(links), sorted(unfinished)


def _readable_folder(pattern: str, host: Host) -> None:
    """Raise HostError if nothing matches only because a folder may not be read."""
    folder = os.path.dirname(re.split(r"[*?\[]", pattern)[0])
    if host.exists(folder or "/"):
        host.names(folder or "/")


def named_at(name: str) -> float | None:
    """Return the latest time that the name allows: a day alone may be its last second, in the host's zone."""
    match = NAMED_AT.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
        if hour is None:
            moment += timedelta(days=1)
        return (moment.replace(tzinfo=timezone.utc) if utc else moment).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_growing(backup: dict[str, Any], host: Host) -> bool:
    """Return whether the file was written just now and still gets longer."""
    if abs(host.now() - backup["mtime"]) > RECENT_SECONDS:
        return False
    time.sleep(GROWTH_SECONDS)
    try:
        return bool(host.stat(backup["path"], follow_links=False).st_size != backup["bytes"])
    except HostError:
        return True


def _restic(wanted: dict[str, Any], budget: Budget | None, host: Host) -> Observation:
    """Return what restic says of a repository; without a lock and without a cache, so that nothing is written."""
    data = _base(wanted, host)
    environment = {}
    if wanted["password_file"]:
        environment["RESTIC_PASSWORD_FILE"] = wanted["password_file"]
    if wanted["password"]:
        environment["RESTIC_PASSWORD"] = wanted["password"]
    command = ["restic", "--repo", wanted["repository"], "--no-lock", "--no-cache"]
    filters = []
    if wanted["snapshot_host"]:
        filters += ["--host", wanted["snapshot_host"]]
    if wanted["snapshot_tag"]:
        filters += ["--tag", wanted["snapshot_tag"]]
    said = host.run([*command, "--json", "snapshots", *filters], environment=environment)
    if said.status:
        last = (said.err.strip() or f"status {said.status}").splitlines()[-1]
        return Observation(wanted["name"], error=f"restic: {last[:300]}")
    try:
        snapshots = json.loads(said.out) or []
        times = sorted(_time_of(one["time"]) for one in snapshots)
        newest = max(snapshots, key=lambda one: _time_of(one["time"])) if snapshots else {}
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        return Observation(wanted["name"], error=f"restic: unexpected output: {exc}")
    data["count"] = len(snapshots)
    lines = [f"{one.get('short_id')} {one['time']} {one.get('hostname')}" for one in snapshots]
    if times:
        data["newest"] = {
            "path": f"snapshot {newest.get('short_id', '')}",
            "bytes": None,
            "taken_at": iso(times[-1]),
            "in_future": times[-1] > host.now() + FUTURE_SECONDS,
        }
        data["earlier_bytes"] = []
    if budget is not None and times:
        try:
            checked = host.run([*command, "check"], budget.seconds_left(), environment=environment)
            why = (checked.err.strip() or f"status {checked.status}").splitlines()[-1][:300]
            data["content"] = {
                "state": "broken" if checked.status else "complete",
                "why": f"restic check: {why}" if checked.status else "",
                "what": "restic repository; structure only, the data was not read",
            }
            lines += (checked.out + checked.err).splitlines()[-20:]
        except HostError as exc:
            data["content"] = {"state": "partial", "why": str(exc)}
    return Observation(wanted["name"], data, "\n".join(lines[-200:]))


def _time_of(text: str) -> float:
    """Return restic's time, which has up to nine digits of a second."""
    cut = re.sub(r"(\.\d{6})\d*", r"\1", re.sub(r"\.(\d{1,5})(?=[Z+-])", r".\g<1>", text))
    cut = re.sub(r"\.\d+", "", cut).replace("Z", "+00:00")
    return datetime.fromisoformat(cut).timestamp()
