# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs and their archives against logrotate's configuration, and deleted files that are still held open."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._logrotate import (
    COMPRESSED,
    Config,
    Stanza,
    archive_pattern,
    date_format,
    is_taboo,
    next_archives,
    parse_config,
    parse_debug,
    parse_state,
    takes,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._retention import (
    ARGUMENTS as ROOT_ARGUMENTS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.logs._retention import (
    RemovalRefusedError,
    plan,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    Host,
    HostError,
    text_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    Whole,
    not_seen,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso

ARGUMENTS: dict[str, dict[str, Any]] = {
    "config": {"type": "list", "elements": "path"},
    "state": {"type": "path"},
    "retention": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": ROOT_ARGUMENTS,
    },
    "log_folders": {"type": "list", "elements": "path", "default": ["/var/log"]},
    "unrotated_bytes": {"type": "int", "default": 500_000_000},
    "open_files": {"type": "bool", "default": True},
}
TOOLS = ("logrotate",)

CONFIG = "/etc/logrotate.conf"
STATES = (
    *("/var/lib/logrotate/status", "/var/lib/logrotate/logrotate.status"),
    *("/var/lib/logrotate.status", "/var/lib/misc/logrotate.status"),
)
LIMIT_BYTES = 2_000_000  # hundreds of logs, each with its archives
LOGS_LIMIT = 300
LOGS, UNROTATED = "logs", "unrotated files"
FILES_LIMIT = 20
SCAN_SECONDS = 8
INCLUDE_DEPTH = 8
# Files without a name that no log was ever: shared memory and the like.
NAMELESS = ("/memfd:", "/dev/", "/SYSV", "/i915", "/drm", "/[aio]", "/anon_hugepage")


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation per log, and each of the configuration, the retention roots, deleted files."""
    seen: list[Observation] = []
    files = OpenFiles(host) if params["open_files"] else None
    covered: list[re.Pattern[str]] = []
    paths: set[str] = set()
    config, why = load_config(params["config"], host)
    whole: list[str] = []
    if config is None and why:
        seen.append(Observation("logrotate", error=why))
    if config is not None:
        claimed, state = read_state(params["state"], host)
        found, unseen = logs_of(config, host)
        seen.append(_configuration(params, config, found, state, host))
        seen += [Observation(pattern, error=error, of=LOGS) for pattern, error in unseen.items()]
        if host.is_root() and not (unseen or config.problems or len(found) > LOGS_LIMIT):
            whole.append(LOGS)
        births = birth_times([path for path, _stanza in found[:LOGS_LIMIT]], host)
        for path, stanza in found[:LOGS_LIMIT]:
            covered.append(archive_pattern(os.path.basename(path), stanza.policy))
            if path not in paths:
                paths.add(path)
                linked = _linked(path, stanza, found, host)
                one = linked or _log(path, stanza, claimed.get(path, ""), births, files, host)
                seen.append(replace(one, of=LOGS))
    unrotated = _unrotated(params, paths, covered, host)
    seen += unrotated
    # What no stanza is for is known only beside all that some stanza is for.
    known = LOGS in whole or (config is None and not why)
    if host.is_root() and known and len(unrotated) < FILES_LIMIT:
        whole.append(UNROTATED)
    seen += [_retained(root, host) for root in params["retention"]]
    if files is not None:
        seen.append(files.observation())
    return Whole(seen, whole)


def load_config(names: list[str] | None, host: Host) -> tuple[Config | None, str]:
    """Return the configuration with all that it includes; None, and why, if it cannot be had.

    names: as the site declares them; where none are, a host without logrotate has none, and there is no why.
    """
    config = Config()

    def include(path: str, depth: int = 0) -> None:
        path = at_home(path, host)
        if depth > INCLUDE_DEPTH:
            config.problems.append(f"{path}: included {depth} deep")
            return
        try:
            if stat.S_ISDIR(host.stat(path).st_mode):
                for name in host.names(path):
                    if not is_taboo(name, config.taboo):
                        include(os.path.join(path, name), depth + 1)
                return
            text = host.read(path)
        except HostError as exc:
            config.problems.append(str(exc))
            return
        if "\0" in text:
            config.problems.append(f"{path}: not a text file: it has NUL bytes")
            return
        parse_config(text, path, config, lambda other: include(other, depth + 1))

    for name in names or [CONFIG]:
        try:
            if not host.exists(name):
                return None, f"{name}: no such file" if names else ""
        except HostError as exc:
            return None, str(exc)
        include(name)
    return config, ""


def at_home(path: str, host: Host) -> str:
    """Return the path with its `~/`, which logrotate reads as $HOME, in includes as in patterns."""
    home = host.environ("HOME")
    return home.rstrip("/") + path[1:] if home and path.startswith("~/") else path


def read_state(path: str | None, host: Host) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what the state file claims, by log, and what is wrong with it."""
    state: dict[str, Any] = {"path": path or "", "problem": "", "unseen": ""}
    if not path:
        try:
            said = host.run(["logrotate", "--version"])
            match = re.search(r"state file path:\s*(\S+)", said.out + said.err)
            state["path"] = match.group(1) if match else ""
        except HostError:
            pass
    for candidate in [state["path"]] if state["path"] else STATES:
        try:
            if host.exists(candidate):
                state["path"] = candidate
                claimed, state["problem"] = parse_state(host.read(candidate))
                return claimed, state
        except HostError as exc:
            state["unseen"] = str(exc)
    return {}, state


def logs_of(config: Config, host: Host) -> tuple[list[tuple[str, Stanza]], dict[str, str]]:
    """Return each log with its stanza, as often as it is matched, and the patterns whose folder cannot be read.

    A pattern that has to match something, and does not, stands for its log.
    """
    found: list[tuple[str, Stanza]] = []
    unseen: dict[str, str] = {}
    for stanza in config.stanzas:
        for pattern in (at_home(one, host) for one in stanza.patterns):
            matches = [one for one in host.glob(pattern) if not _is_folder(one, host)]
            if not matches:
                folder = os.path.dirname(pattern)
                try:
                    if not re.search(r"[*?\[]", folder) and host.exists(folder):
                        host.names(folder)
                except HostError as exc:
                    unseen[pattern] = str(exc)
                    continue
                if not stanza.policy["missingok"]:
                    found.append((pattern, stanza))
            found += [(path, stanza) for path in matches]
    return found, unseen


def _is_folder(path: str, host: Host) -> bool:
    try:
        return stat.S_ISDIR(host.stat(path).st_mode)
    except HostError:
        return False


def birth_times(paths: list[str], host: Host) -> dict[str, float]:
    """Return when the files were made, by `device:inode`, where the file system keeps it.

    The proof of a rotation: a log that is created anew, or an archive that is copied, is born then. Python can not
    ask for it; stat(1) of GNU can.
    """
    if not paths:
        return {}
    births = {}
    try:
        said = host.run(["stat", "-c", "%d:%i %W", "--", *paths])
    except HostError:
        return {}
    for line in said.out.splitlines():
        match = re.fullmatch(r"(\d+:\d+) (\d+)", line)
        if match and int(match.group(2)):
            births[match.group(1)] = float(match.group(2))
    return births


def identity(info: os.stat_result) -> str:
    """Return `device:inode`."""
    return f"{info.st_dev}:{info.st_ino}"


def archives_of(path: str, policy: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return the archives of a log, newest first.

    at: the time in its name, else when its last line was written (compression keeps that).

    Raises: HostError if their folder cannot be read.
    """
    folder = os.path.dirname(path)
    olddir = policy.get("olddir")
    folder = os.path.join(folder, olddir) if olddir else folder
    pattern = archive_pattern(os.path.basename(path), policy)
    found: list[dict[str, Any]] = []
    for name in host.names(folder):
        match = pattern.fullmatch(name)
        if match is None:
            continue
        try:
            info = host.stat(os.path.join(folder, name), follow_links=False)
        except HostError:
            continue  # gone since
        if not stat.S_ISREG(info.st_mode):
            continue
        groups = match.groupdict()
        found.append(
            {
                "path": os.path.join(folder, name),
                "number": int(groups["number"]) if groups["number"] else None,
                "named_at": None if groups["number"] else _named_at(groups),
                "bytes": info.st_size,
                "mtime": info.st_mtime,
                "ctime": info.st_ctime,
                "compressed": bool(groups["packed"]),
                "id": identity(info),
            }
        )
    found.sort(key=lambda one: (one["named_at"] or one["mtime"], -(one["number"] or 0)))
    return found[::-1]


def _named_at(groups: dict[str, str | None]) -> float | None:
    """Return the time in an archive's name: local time, read as the host's."""
    if groups.get("s"):
        return float(groups["s"] or 0)
    if not groups.get("Y"):
        return None
    parts = [int(groups.get(part) or least) for part, least in zip("YmdHMS", "111000")]
    try:
        return time.mktime((*parts, 0, 0, -1))  # type: ignore[arg-type]
    except (OverflowError, ValueError):
        return None


def _linked(
    path: str, stanza: Stanza, found: list[tuple[str, Stanza]], host: Host
) -> Observation | None:
    """Return what is seen of a log that is a symbolic link to a file: logrotate passes over it."""
    try:
        if not stat.S_ISLNK(host.stat(path, follow_links=False).st_mode):
            return None
        if not stat.S_ISREG(host.stat(path).st_mode):
            return None  # a device: nothing is collected
    except HostError:
        return None  # not there: that is the log's own verdict
    target = host.realpath(path)
    data = {
        "kind": "link",
        "place": stanza.place,
        "target": target,
        "rotated": any(other == target for other, _stanza in found),
    }
    return Observation(path, data, raw=f"{path} -> {target}\n")


def _log(
    path: str,
    stanza: Stanza,
    claimed: str,
    births: dict[str, float],
    files: OpenFiles | None,
    host: Host,
) -> Observation:
    """Return what is seen of one log: itself, its policy, its archives, and what proves its last rotation."""
    policy = stanza.policy
    data: dict[str, Any] = {
        "kind": "log",
        "at": iso(host.now()),
        "place": stanza.place,
        "policy": policy,
        "date_format": date_format(policy) if policy.get("dateext") else "",
        "claimed_at": claimed,
    }
    try:
        if not host.exists(path):
            return Observation(path, {**data, "exists": False})
        info = host.stat(path)
        archives = archives_of(path, policy, host)
        space = host.statvfs(os.path.dirname(path))
        began = (
            None
            if archives or not info.st_size
            else first_time(text_of(host.read_head(path, 4096)))
        )
    except HostError as exc:
        return not_seen(path, exc)
    newest = archives[0] if archives else None
    born = births.get(identity(info))
    if newest:
        births.update(birth_times([newest["path"]], host))
    first = policy.get("start", 1)
    numbers = sorted(one["number"] for one in archives if one["number"] is not None)
    data.update(
        exists=True,
        bytes=info.st_size,
        written_at=iso(info.st_mtime),
        born_at=iso(born),
        free_bytes=space.f_bavail * space.f_frsize,
        archives=len(archives),
        archive_bytes=sum(one["bytes"] for one in archives),
        newest=newest and os.path.basename(newest["path"]),
        newest_bytes=newest and newest["bytes"],
        newest_at=iso(newest["named_at"] or newest["mtime"]) if newest else None,
        newest_written_at=iso(newest["mtime"]) if newest else None,
        oldest_at=iso(archives[-1]["named_at"] or archives[-1]["mtime"]) if archives else None,
        uncompressed=sum(not one["compressed"] and one["bytes"] > 0 for one in archives),
        missing_numbers=[n for n in range(first, numbers[-1]) if n not in numbers][:20]
        if numbers
        else [],
        proved_at=iso(_proved(policy, born, newest, births) or began),
        writers=files.writers(identity(info)) if files else [],
        archive_writers=files.writers(newest["id"]) if files and newest else [],
    )
    lines = [f"{path} {info.st_size} B, written {data['written_at']}, born {data['born_at']}"]
    lines += [
        f"{one['path']} {one['bytes']} B, written {iso(one['mtime'])}" for one in archives[:50]
    ]
    return Observation(path, data, raw="\n".join(lines) + "\n")


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def first_time(text: str) -> float | None:
    """Return the day at the start of a log's first line, as 2026-11-23 or 23/Nov/2026; None if none is there."""
    head = text.split("\n", 1)[0][:80]
    match = re.search(r"\b(\d{4})-(\d\d)-(\d\d)\b", head)
    parts = match.groups() if match else ()
    match = re.search(r"\b(\d\d)/([A-Z][a-z]{2})/(\d{4}):", head)
    if match and match.group(2) in MONTHS:
        parts = (match.group(3), str(MONTHS.index(match.group(2)) + 1), match.group(1))
    try:
        return datetime(*map(int, parts), tzinfo=timezone.utc).timestamp() if parts else None  # type: ignore[misc, arg-type]
    except (ValueError, OverflowError):
        return None


def _proved(
    policy: dict[str, Any],
    born: float | None,
    newest: dict[str, Any] | None,
    births: dict[str, float],
) -> float | None:
    """Return since when the log has been collecting: the latest that its own birth and its newest archive prove.

    None if neither says: no archive, and no birth time on this file system. The state file proves nothing:
    logrotate writes it after a rotation that failed, too.
    """
    proofs = [] if born is None or (policy.get("copytruncate") and newest) else [born]
    if newest:
        # An archive is renamed or copied at the rotation: not before its last line, not before its birth if copied.
        proofs.append(newest["named_at"] or newest["mtime"])
        birth = births.get(newest["id"])
        if policy.get("copytruncate") and birth and not newest["compressed"]:
            proofs.append(birth)
    return max(proofs) if proofs else None


def _configuration(
    params: dict[str, Any],
    config: Config,
    found: list[tuple[str, Stanza]],
    state: dict[str, Any],
    host: Host,
) -> Observation:
    """Return what logrotate itself says of its configuration, and which logs are in it twice."""
    names = params["config"] or [CONFIG]
    data: dict[str, Any] = {
        "kind": "configuration",
        "files": names,
        "stanzas": len(config.stanzas),
        "logs": len(found),
        "left_out": max(0, len(found) - LOGS_LIMIT),
        "state": state,
        "errors": [],
        "warnings": [],
        "problems": config.problems[:FILES_LIMIT],
        "unseen": "",
    }
    places: dict[str, list[str]] = {}
    for path, stanza in found:
        places.setdefault(path, []).append(stanza.place)
    data["twice"] = {path: at for path, at in places.items() if len(at) > 1}
    data["own_archives"] = own_archives(config, found[:LOGS_LIMIT], host)
    data["hard_links"] = []
    raw = ""
    try:
        options = ["--state", state["path"]] if state["path"] else []
        said = host.run(["logrotate", "-d", *options, *names])
        raw = (said.err + said.out)[:100_000]
        debugged = parse_debug(said.err + "\n" + said.out)
        data.update(
            errors=[line[:300] for line in debugged.errors[:FILES_LIMIT]],
            warnings=[line[:300] for line in debugged.warnings[:FILES_LIMIT]],
            hard_links=debugged.hard_links[:FILES_LIMIT],
            status=said.status,
        )
    except HostError as exc:
        data["unseen"] = str(exc)
    return Observation("logrotate", data, raw=raw)


def own_archives(
    config: Config, found: list[tuple[str, Stanza]], host: Host
) -> list[dict[str, str]]:
    """Return the logs whose next archive is a log itself to some pattern, which rotates it again and again."""
    patterns = [
        (at_home(one, host), stanza.place) for stanza in config.stanzas for one in stanza.patterns
    ]
    wide = [(one, place) for one, place in patterns if re.search(r"[*?\[]", one)]
    taken: list[dict[str, str]] = []
    for path, stanza in found:
        folder = os.path.join(os.path.dirname(path), stanza.policy.get("olddir") or "")
        for name in next_archives(os.path.basename(path), stanza.policy):
            archive = os.path.normpath(os.path.join(folder, name))
            place = next((place for one, place in wide if takes(one, archive)), "")
            if place and len(taken) < FILES_LIMIT:
                taken.append({"log": path, "archive": archive, "place": place})
    return taken


def _unrotated(
    params: dict[str, Any], known: set[str], covered: list[re.Pattern[str]], host: Host
) -> list[Observation]:
    """Return the big files in the log folders that no stanza is for; journald keeps its own within limits."""
    seen = []
    for folder in params["log_folders"]:
        for path in host.glob(f"{folder.rstrip('/')}/**"):
            name = os.path.basename(path)
            if path in known or name.endswith((".journal", ".journal~", *COMPRESSED)):
                continue
            try:
                info = host.stat(path, follow_links=False)
            except HostError:
                continue
            # Blocks, not length: lastlog is long and empty.
            size = info.st_blocks * 512
            if not stat.S_ISREG(info.st_mode) or size < params["unrotated_bytes"]:
                continue
            if not any(pattern.fullmatch(name) for pattern in covered):
                written = iso(info.st_mtime)
                data = {"kind": "unrotated", "bytes": size, "written_at": written}
                seen.append(Observation(path, data, of=UNROTATED))
    return sorted(seen, key=lambda one: -one.data["bytes"])[:FILES_LIMIT]


def _retained(root: dict[str, Any], host: Host) -> Observation:
    """Return what a retention root holds past its days: the plan of the job, not carried out."""
    subject = f"retention {root['path']}"
    try:
        made = plan(root, host.now())
    except OSError as exc:
        return Observation(subject, error=f"{root['path']}: {exc.strerror or exc}")
    except RemovalRefusedError as exc:
        return not_seen(subject, exc)
    oldest = min((one.mtime for one in made.doomed), default=None)
    data = {
        "kind": "retention",
        "path": root["path"],
        "keep_days": root["keep_days"],
        "archives": made.archives,
        "bytes": made.total_bytes,
        "overdue": len(made.doomed),
        "overdue_bytes": sum(one.size for one in made.doomed),
        "oldest_overdue_at": iso(oldest),
        "at": iso(host.now()),
        "refused": [f"{path}: {why}" for path, why in made.refused[:FILES_LIMIT]],
        "unread": made.unread[:FILES_LIMIT],
    }
    lines = [f"{one.path} {one.size} B, written {iso(one.mtime)}" for one in made.doomed[:200]]
    return Observation(subject, data, raw="\n".join(lines))


class OpenFiles:
    """What the processes of this host hold open, as far as this user may see: all as root, else its own."""

    def __init__(self, host: Host) -> None:
        self.deleted: dict[str, dict[str, Any]] = {}
        self.held: dict[str, set[str]] = {}
        self.unseen = 0
        self.complete = True
        ends = time.monotonic() + SCAN_SECONDS
        for pid in filter(str.isdigit, host.names("/proc")):
            if time.monotonic() > ends:
                self.complete = False
                break
            try:
                self._process(pid, host)
            except HostError as exc:
                self.unseen += isinstance(exc.__cause__, PermissionError)

    def _process(self, pid: str, host: Host) -> None:
        """Take in one process.

        Raises: HostError if it may not be seen or has ended.
        """
        name = ""
        for number in host.names(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{number}"
            try:
                info = host.stat(link)
                if not stat.S_ISREG(info.st_mode):
                    continue
                flags = re.search(r"flags:\s*(\d+)", host.read(f"/proc/{pid}/fdinfo/{number}"))
                writes = bool(flags and int(flags.group(1), 8) & os.O_ACCMODE)
                path = host.readlink(link)
                name = name or host.read(f"/proc/{pid}/comm", 64).strip()
            except HostError:
                continue
            if writes:
                self.held.setdefault(identity(info), set()).add(f"{name}[{pid}]")
            if info.st_nlink == 0 and not path.startswith(NAMELESS):
                self.deleted[identity(info)] = {
                    "path": re.sub(r" \(deleted\)$", "", path),
                    "bytes": info.st_blocks * 512,
                    "pid": int(pid),
                    "process": name,
                    "writes": writes,
                }

    def writers(self, which: str) -> list[str]:
        """Return the processes that hold the file open for writing, as name[pid]."""
        return sorted(self.held.get(which, ()))[:5]

    def observation(self) -> Observation:
        """Return the deleted files that still take space, the biggest first."""
        files = sorted(self.deleted.values(), key=lambda one: -one["bytes"])
        data = {
            "kind": "deleted",
            "count": len(files),
            "bytes": sum(one["bytes"] for one in files),
            "files": files[:FILES_LIMIT],
            "processes_unseen": self.unseen,
            "complete": self.complete,
        }
        lines = [f"{one['bytes']} B {one['process']}[{one['pid']}] {one['path']}" for one in files]
        return Observation("deleted open files", data, raw="\n".join(lines[:200]))
