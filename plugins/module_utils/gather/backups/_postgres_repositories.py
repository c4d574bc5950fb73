# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest and Barman write of their backups beside them, read from a local folder without their programs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    BARMAN,
    PGBACKREST,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Repository,
    Snapshot,
    UnfinishedSnapshot,
    moment,
    name_of,
    repository_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

INFO, MANIFEST = "backup.info", "backup.manifest"
INFO_BYTES = 20_000_000
BARMAN_BYTES = 1_000_000
BARMAN_LIMIT = 2_000
_ENCRYPTED = b"Salted__"
_LABEL = re.compile(r"\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?\Z")
_BARMAN_ID = re.compile(r"\d{8}T\d{6}\Z")
_IN_META = "-backup.info"


class _InfoError(Exception):
    """Why a file is not what pgBackRest writes."""


def find_stanza(place: str, host: Host) -> list[str]:
    """Return the stanzas of a pgBackRest repository, none if the folder is no such repository."""
    folder = os.path.join(place, "backup")
    return [name for name in _names(folder, host) if _has_info(os.path.join(folder, name), host)]


def find_servers(place: str, host: Host) -> list[str]:
    """Return the servers of a Barman home; an empty name if the folder is itself that of a server."""
    if _is_server(place, host):
        return [""]
    return [name for name in _names(place, host) if _is_server(os.path.join(place, name), host)]


def pgbackrest(wanted: dict[str, Any], host: Host) -> Repository:
    """Return what the repository's backup.info says, or its copy if that cannot be read.

    Raises: HostError.
    """
    place = wanted["repository"]
    stanza = _only(find_stanza(place, host), wanted, "stanza")
    folder = os.path.join(place, "backup", stanza)
    reasons = []
    for name in (INFO, INFO + ".copy"):
        path = os.path.join(folder, name)
        try:
            data = host.read_bytes(path, INFO_BYTES)
            return repository_of(PGBACKREST, place, *_listed(parse_info(data), folder, host))
        except (HostError, _InfoError) as exc:
            reasons.append(str(exc) if isinstance(exc, HostError) else f"{path}: {exc}")
    raise HostError(reasons[0])


def parse_info(data: bytes) -> dict[str, dict[str, Any]]:
    """Return the sections of pgBackRest's backup.info, each with its values, whose checksum is verified.

    The checksum is the SHA-1 of the sections as one JSON object, with the text of each value as it stands in the file.
    Raises: _InfoError. Source: pgBackRest, src/info/info.c.
    """
    if data.startswith(_ENCRYPTED):
        raise _InfoError("encrypted by pgBackRest, and not read without its key")
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        key, is_value, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], {})
        elif is_value and sections:
            current[key] = value
        elif line.strip():
            raise _InfoError(f"no section and no value in line {line[:40]!r}")
    said = sections.get("backrest", {}).pop("backrest-checksum", "")
    whole = ",".join(
        '"%s":{%s}' % (name, ",".join(f'"{key}":{value}' for key, value in values.items()))
        for name, values in sections.items()
        if values
    )
    computed = hashlib.sha1(("{%s}" % whole).encode("utf-8", "surrogateescape"))  # noqa: S324 - the format's
    if said.strip('"') != computed.hexdigest():
        raise _InfoError("its checksum is not that of its content" if said else "ends early")
    try:
        return {
            name: {key: json.loads(value) for key, value in values.items()}
            for name, values in sections.items()
        }
    except (ValueError, RecursionError) as exc:
        raise _InfoError(f"a value is no JSON: {str(exc)[:80]}") from exc


def _listed(
    info: dict[str, dict[str, Any]], folder: str, host: Host
) -> tuple[list[Snapshot], list[UnfinishedSnapshot]]:
    """Return the backups in backup.info, and those in the folder that are not in it.

    Raises: _InfoError.
    """
    current = info.get("backup:current", {})
    finished, unfinished = [], []
    for label, one in current.items():
        if not isinstance(one, dict) or not _LABEL.match(label):
            raise _InfoError(f"not a backup: {name_of(label)[:60]!r}")
        start, stop = one.get("backup-timestamp-start"), one.get("backup-timestamp-stop")
        if not isinstance(start, int) or not isinstance(stop, int):
            raise _InfoError(f"backup {label} has no time")
        why = _incomplete(label, one, current, folder, host)
        if why:
            unfinished.append(UnfinishedSnapshot(label, why, float(start)))
            continue
        size = one.get("backup-info-repo-size")
        size = size if isinstance(size, int) else None
        finished.append(Snapshot(label, float(stop), size, "end of the backup in backup.info"))
    for label in _names(folder, host):
        path = os.path.join(folder, label)
        if _LABEL.match(label) and label not in current:
            since = host.stat(path).st_mtime
            why = "not in backup.info: it is being made, or was not finished"
            unfinished.append(UnfinishedSnapshot(label, why, since, making=True))
    return finished, unfinished


def _incomplete(
    label: str, one: dict[str, Any], current: dict[str, Any], folder: str, host: Host
) -> str:
    """Return why a backup in backup.info cannot be relied on; empty if nothing is known."""
    if one.get("backup-error") is True:
        return "pgBackRest found errors in pages of the database while it made it"
    needed = [one.get("backup-prior"), *(one.get("backup-reference") or [])]
    missing = [str(name) for name in needed if name and name not in current]
    if missing:
        return f"depends on backup {name_of(missing[0])}, which is not there"
    if not host.exists(os.path.join(folder, label, MANIFEST)):
        return f"its {MANIFEST} is not there"
    return ""


def barman(wanted: dict[str, Any], host: Host) -> Repository:
    """Return what the backup.info of each backup says.

    Raises: HostError.
    """
    place = wanted["repository"]
    server = _only(find_servers(place, host), wanted, "server")
    folder = os.path.join(place, server) if server else place
    paths = {
        name: os.path.join(folder, "base", name, INFO)
        for name in _names(os.path.join(folder, "base"), host)
        if _BARMAN_ID.match(name)
    }
    # Newer releases write it there, and leave an older one behind.
    for name in _names(os.path.join(folder, "meta"), host):
        if name.endswith(_IN_META) and _BARMAN_ID.match(name[: -len(_IN_META)]):
            paths[name[: -len(_IN_META)]] = os.path.join(folder, "meta", name)
    if len(paths) > BARMAN_LIMIT:
        raise HostError(f"{place}: more than {BARMAN_LIMIT} backups")
    finished, unfinished = [], []
    for name, path in sorted(paths.items()):
        try:
            one = _of_barman(name, host.read(path, BARMAN_BYTES))
        except HostError as exc:
            one = UnfinishedSnapshot(name, str(exc)[:200])
        if isinstance(one, Snapshot):
            finished.append(one)
        else:
            unfinished.append(one)
    return repository_of(BARMAN, place, finished, unfinished)


def _of_barman(name: str, text: str) -> Snapshot | UnfinishedSnapshot:
    """Return what one backup.info of Barman says of its backup."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    status = said.get("status", "")
    since = _barman_time(said.get("begin_time", ""))
    if status != "DONE":
        error = said.get("error", "None")
        why = f"its status is {name_of(status)[:40] or 'missing'}"
        why += "" if error == "None" else f": {name_of(error)}"
        return UnfinishedSnapshot(name, why, since, making=status not in ("FAILED", ""))
    taken = _barman_time(said.get("end_time", ""))
    if taken is None:
        return UnfinishedSnapshot(name, "backup.info has no end_time", since)
    size = said.get("size", "")
    count = int(size) if re.match(r"\d{1,18}\Z", size) else None
    return Snapshot(name, taken, count, "end_time in backup.info")


def _barman_time(text: str) -> float | None:
    """Return a time of Barman's; before 2.0 it wrote those of ctime, in the server's zone."""
    try:
        return moment(text)
    except (ValueError, OverflowError):
        pass
    try:
        return time.mktime(time.strptime(text, "%a %b %d %H:%M:%S %Y"))
    except (ValueError, OverflowError):
        return None


def _only(names: list[str], wanted: dict[str, Any], what: str) -> str:
    """Return the one that is declared, or the only one there is.

    Raises: HostError if there is none, or more.
    """
    place, declared = wanted["repository"], wanted.get("stanza")
    if declared and declared in names:
        return str(declared)
    if names == [""] and declared in (None, "", os.path.basename(os.path.abspath(place))):
        return ""
    if declared:
        raise HostError(f"{place}: no {what} {name_of(declared)} with backups")
    if not names:
        raise HostError(f"{place}: no {what} with backups")
    if len(names) > 1:
        shown = ", ".join(name_of(name) for name in names[:5])
        raise HostError(f"{place}: {len(names)} of them; say in `stanza` which {what}: {shown}")
    return names[0]


def _names(folder: str, host: Host) -> list[str]:
    """Return the folder's names, none if there is no such folder.

    Raises: HostError if it may not be read.
    """
    return host.names(folder) if host.exists(folder) else []


def _has_info(folder: str, host: Host) -> bool:
    return any(host.exists(os.path.join(folder, name)) for name in (INFO, INFO + ".copy"))


def _is_server(folder: str, host: Host) -> bool:
    """Return whether the folder is that of a Barman server; it may have no backup yet."""
    base = os.path.join(folder, "base")
    if not host.exists(base):
        return False
    beside = any(host.exists(os.path.join(folder, name)) for name in ("wals", "incoming", "errors"))
    return beside or any(_BARMAN_ID.match(name) for name in _names(base, host))
