# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are folders: what kind one is, when it was taken, and how it reads to its end."""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import time

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_backups import (
    LABEL,
    VERSION_FILE,
    WAL,
    read_pg_basebackup,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_backups import (
    TAR as BASE_TAR,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_manifest import (
    MANIFEST,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    HEAD_BYTES,
    Budget,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    MARIABACKUP,
    MYDUMPER,
    PG_BASEBACKUP,
    PG_DIRECTORY,
    TREE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_folders import (
    CHECKPOINTS,
    DATA_FILE,
    FINISHED,
    INFOS,
    METADATA,
    SETTINGS,
    SQL_FILE,
    STARTED,
    TOC,
    UNFINISHED_METADATA,
    read_mariabackup,
    read_mydumper,
    read_pg_directory,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    MAGIC,
    taken_in_head,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    ENDINGS,
    FolderFiles,
    local_moment,
    within,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._name_clocks import (
    ZONE_HOURS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._trees import read_tree
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

BASE_TARS = ["base.tar", *(f"base.tar{end}" for end in ENDINGS)]
DATA_WITHOUT_TOC = re.compile(r"(?:\d{3,}|blob_\d+)\.dat(?:\.gz|\.lz4|\.zst)?|blobs(?:_\d+)?\.toc")
"""A file of a dump by pg_dump; where there are only such, its table of contents was lost."""
SCHEMA_OF_MYDUMPER = re.compile(r"-schema-create\.sql(?:\.gz|\.zst|\.lz4)?$")
START = re.compile(r"^START TIME: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S+)", re.MULTILINE)
LABEL_WRITTEN = re.compile(
    r'"backup_label", "Size": \d+, "Last-Modified": "(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT"'
)
COPIED = re.compile(r"^(end_time|start_time)\s*=\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")


def folder_kind(path: str, host: Host) -> str:
    """Return what kind of backup a folder is: one of the kinds above but TREE; empty if it is of no known format.

    Never raises: what cannot be seen shows when it is read.
    """
    folder = FolderFiles(path, host)
    with contextlib.suppress(HostError, UnreadError, OSError):
        if folder.status(TOC) is not None and _is_toc(folder):
            return PG_DIRECTORY
        if folder.has(VERSION_FILE) and (folder.has(LABEL) or folder.status(MANIFEST) is not None):
            return PG_BASEBACKUP
        if {"global", WAL} <= set(host.names(path)):
            return PG_BASEBACKUP
        if any(map(folder.has, BASE_TARS)) and (
            folder.has(MANIFEST) or any(folder.has(f"pg_wal{name[4:]}") for name in BASE_TARS)
        ):
            return PG_BASEBACKUP
        if _begins_as_base(folder):  # and what was to come is missing
            return PG_BASEBACKUP
        if any(map(folder.has, (*CHECKPOINTS, *INFOS, SETTINGS))):
            return MARIABACKUP
        if folder.has(METADATA) and STARTED.search(folder.text(METADATA)):
            return MYDUMPER
        if (folder.has(METADATA) or folder.has(UNFINISHED_METADATA)) and any(
            "-schema" in name for name in host.names(path)
        ):
            return MYDUMPER
        return _by_its_files(host.names(path))
    return ""


def _begins_as_base(folder: FolderFiles) -> bool:
    """Return whether the folder has the first or the last file of a base backup."""
    if START.search(folder.text(LABEL)):
        return True
    path = os.path.join(folder.path, MANIFEST)
    return folder.has(MANIFEST) and b"PostgreSQL-Backup-Manifest" in folder.host.read_head(
        path, 100, follow_links=False
    )


def _by_its_files(names: list[str]) -> str:
    """Return which program wrote such files, whose list of them is not there; empty if none is known to."""
    if names and all(map(DATA_WITHOUT_TOC.fullmatch, names)):
        return PG_DIRECTORY
    if any(map(SCHEMA_OF_MYDUMPER.search, names)) and all(map(SQL_FILE.fullmatch, names)):
        return MYDUMPER
    if any(name in BASE_TARS for name in names) and all(map(BASE_TAR.fullmatch, names)):
        return PG_BASEBACKUP
    return ""


def _is_toc(folder: FolderFiles) -> bool:
    """Return whether the folder is a dump of pg_dump: also if its table of contents is damaged, or a link."""
    path = os.path.join(folder.path, TOC)
    if folder.has(TOC) and folder.host.read_head(path, len(MAGIC), follow_links=False) == MAGIC:
        return True
    return any(map(DATA_FILE.fullmatch, folder.host.names(folder.path)))


def folder_time(path: str, kind: str, host: Host) -> tuple[float, str] | None:
    """Return when a backup was taken by what is in it, and what says so; None if nothing does.

    Raises: HostError.
    """
    folder = FolderFiles(path, host)
    if kind == PG_DIRECTORY and folder.has(TOC):
        head = host.read_head(os.path.join(path, TOC), HEAD_BYTES, follow_links=False)
        return _said(taken_in_head(head), "header of the dump")
    if kind == PG_BASEBACKUP:
        return _base_time(folder)
    if kind == MYDUMPER:
        text = folder.text(METADATA) or folder.text(UNFINISHED_METADATA)
        for pattern, words in (
            (FINISHED, f"end of the dump in {METADATA}"),
            (STARTED, f"start of the dump in {METADATA}, which does not say that it is finished"),
        ):
            match = pattern.search(text)
            if match is not None:
                return _said(local_moment(match.group(1).strip()[:19]), words)
    if kind == MARIABACKUP:
        info = next((name for name in INFOS if folder.has(name)), "")
        times = dict(COPIED.findall(folder.text(info))) if info else {}
        for key in ("end_time", "start_time"):
            if key in times:
                return _said(local_moment(times[key]), f"{key} in {info}")
    return None


def _said(moment: float | None, words: str) -> tuple[float, str] | None:
    return None if moment is None or moment <= 0 else (moment, words)


def _base_time(folder: FolderFiles) -> tuple[float, str] | None:
    """Return when a base backup began."""
    match = START.search(folder.text(LABEL))
    if match is not None:
        return _said(_moment_in(match.group(1), match.group(2)), f"start time in {LABEL}")
    if not folder.has(MANIFEST):
        return None
    path = os.path.join(folder.path, MANIFEST)
    head = folder.host.read_head(path, 1 << 20, follow_links=False).decode("utf-8", "replace")
    match = LABEL_WRITTEN.search(head)
    if match is None:
        return None
    return _said(_moment_in(match.group(1), "GMT"), f"time of {LABEL} in {MANIFEST}")


def _moment_in(text: str, zone: str) -> float | None:
    """Return the time in a zone that has a short name, or an offset; in this host's where nobody knows the name."""
    local = local_moment(text)
    if local is None or time.localtime(local).tm_zone == zone:
        return local
    hours = {**ZONE_HOURS, "west": 1, "cst": -6}.get(zone.lower())
    offset = None if hours is None else hours * 3600
    match = OFFSET.fullmatch(zone)
    if match is not None:
        seconds = int(match.group(2)) * 3600 + int(match.group(3) or 0) * 60
        offset = -seconds if match.group(1) == "-" else seconds
    if offset is None:
        return local
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")) - offset


def read_folder(path: str, kind: str, budget: Budget, host: Host) -> Reading:
    """Read a folder to its end. kind: what folder_kind says; TREE or empty for a tree of files.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    folder = FolderFiles(path, host)
    readers = {
        PG_DIRECTORY: read_pg_directory,
        PG_BASEBACKUP: read_pg_basebackup,
        MYDUMPER: read_mydumper,
        MARIABACKUP: read_mariabackup,
    }
    if kind not in (*readers, TREE, ""):
        raise UnreadError(f"it is a folder, and not {kind}")
    try:
        found = readers.get(kind, read_tree)(folder, budget)
        said = folder_time(path, kind, host)
    except HostError as exc:
        raise UnreadError(within(path, exc)) from exc
    if found.taken is None:
        found.taken, found.taken_words = said if said is not None else (None, "")
    return found
