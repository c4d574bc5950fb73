# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the backups of a set: files, folders, split volumes; and when each was taken, by what is cheap to see.

A link is no backup: it says nothing of what it leads to, and hides what it lost.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    HEAD_BYTES,
    TAIL_BYTES,
    BrokenError,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    FOLDER_KINDS,
    TREE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    taken_in_head,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    begins_alone,
    due_in,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    folder_written,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folders import (
    folder_kind,
    folder_time,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._names import named_at
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sql import (
    TRAILER,
    is_text,
    program_of,
    taken,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._volumes import grouped
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._witnesses import (
    TakenTime,
    TimeWitness,
    as_data,
    decide,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

UNFINISHED = (
    *(".part", ".partial", ".tmp", ".temp", ".incomplete", ".inprogress", ".filepart"),
    *("_inprogress", ".writing", ".crdownload", ".unfinished", ".new", ".uploading", "~"),
)
BEGUN = ("incomplete", "partial", "unfinished", "inprogress", "tmp.", "tmp_", "tmp-", ".")
"""How the name of what is not finished begins."""
BESIDE = (
    *(".sha256", ".sha256sum", ".sha512", ".md5", ".md5sum", ".sha1"),
    ".minisig",
    *(".log", ".lock", ".pid", ".sha512sum", ".sha1sum"),
)
SIGNED = (".asc", ".sig")
SCRIPTS = (".sh", ".py", ".pl", ".md", ".html", ".conf", ".cfg", ".ini", ".service", ".env")
MANIFESTS = ("sha256sums", "sha512sums", "md5sums", "sha1sums", "manifest", "backup_manifest")
LOOKED_INTO = 20
"""The newest backups, at most this many, are asked for the time that they say themselves."""
FOLDER_ENTRIES = 200_000
WILD = re.compile(r"[*?\[]")


@dataclass
class Candidate:
    """A backup of a set, or what may be one.

    path: how it is shown. name: by which it is said what is due. paths: its files in their order, or its folder.
    kind: of a folder. missing: names of volumes that are not there.
    ids: device and inode of each file. inside: what its content says of when it was taken.
    """

    path: str
    name: str
    form: str
    paths: list[str]
    bytes: int | None
    written: float | None
    kind: str = ""
    missing: list[str] = field(default_factory=list)
    ids: list[tuple[int, int]] = field(default_factory=list)
    named: TimeWitness | None = None
    inside: TimeWitness | None = None
    unfinished: str = ""

    def decided(self, now: float) -> TakenTime:
        """Return when it was taken, by the witness that counts."""
        said = [self.inside, self.named]
        witnesses = [one for one in said if one is not None]
        if self.written is not None:
            witnesses.append(TimeWitness("written", self.written, "the time of writing"))
        return decide(witnesses, now)


@dataclass
class Candidates:
    """What lies where a set says. backups: newest first. unfinished: backups by whose names they are being made."""

    backups: list[Candidate] = field(default_factory=list)
    unfinished: list[Candidate] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def sort(self, now: float) -> None:
        """Order the backups, newest first; those without a time come last."""
        self.backups.sort(
            key=lambda one: (-(one.decided(now).at or 0.0), -(one.written or 0.0), one.path)
        )


class _Entries:
    """What the patterns of a set match: files and folders with their stats, and links."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.files: dict[str, os.stat_result] = {}
        self.folders: dict[str, os.stat_result] = {}
        self.links: set[str] = set()

    def match(self, pattern: str, kind: str) -> None:
        """Take what a pattern matches; behind a link that it matches nothing is taken.

        Raises: HostError if one cannot see.
        """
        paths = self.host.glob(pattern)
        if not paths:
            _refuse_unseen(pattern, self.host)
        start = folder_of(pattern)
        for path in paths:
            path = path.rstrip("/") or path
            if not self._behind_link(os.path.dirname(path), start):
                self.take(path)
        if kind == "auto" and paths == [pattern]:
            self._open(pattern.rstrip("/"))

    def _behind_link(self, folder: str, start: str) -> bool:
        """Return whether a folder that varies in the set is a link, or lies behind one."""
        if not f"{folder}/".startswith(start) or f"{folder}/" == start:
            return False
        if folder in self.links or self._behind_link(os.path.dirname(folder), start):
            return True
        if stat.S_ISLNK(self.host.stat(folder, follow_links=False).st_mode):
            self.links.add(folder)
        return folder in self.links

    def take(self, path: str) -> None:
        """Put a path where it belongs."""
        name = os.path.basename(path).lower()
        if name.endswith(BESIDE) or name.split(".")[0] in MANIFESTS or name == "lost+found":
            return
        try:
            info = self.host.stat(path, follow_links=False)
        except HostError as exc:
            if isinstance(exc.__cause__, FileNotFoundError):
                return
            raise
        if stat.S_ISLNK(info.st_mode):
            self.links.add(path)
        elif stat.S_ISREG(info.st_mode):
            self.files[path] = info
        elif stat.S_ISDIR(info.st_mode):
            self.folders[path] = info

    def _open(self, path: str) -> None:
        """Take the files of a folder that the site names instead of a pattern, if they are backups by their names.

        A folder of another format is a backup itself, and one of other files is a copy of them.
        """
        if path not in self.folders or folder_kind(path, self.host):
            return
        names = [name for name in self.host.names(path) if not name.startswith(".")]
        groups = grouped([os.path.join(path, name) for name in names])
        named = [one for one in groups if _is_backup(os.path.basename(one.name))]
        if named:
            del self.folders[path]
        for one in named:
            for each in one.paths:
                self.take(each)

    def leave_out_others(self) -> list[str]:
        """Leave out signatures, and texts and scripts that lie beside backups; return what is to be said of them."""
        for path in [path for path in self.files if path.endswith(SIGNED)]:
            if path[: path.rindex(".")] in self.files:
                del self.files[path]
        others = [path for path in self.files if _is_other(os.path.basename(path))]
        if not others or len(others) == len(self.files):
            return []
        for path in others:
            del self.files[path]
        return [f"{len(others)} texts or scripts beside the backups are not counted"]


def candidates(patterns: list[str], kind: str, host: Host) -> Candidates:
    """Return what lies at these paths and patterns. kind: what the site says of it, or `auto`.

    Raises: HostError if one cannot see.
    """
    found = Candidates()
    entries = _Entries(host)
    for pattern in patterns:
        entries.match(pattern, kind)
    found.links = sorted(entries.links)
    found.notes = entries.leave_out_others() if kind == "auto" else []
    now = host.now()
    known, trees = _folders_of(
        entries.folders if kind in (*FOLDER_KINDS, "auto") else {}, kind, host
    )
    inside = tuple(f"{one.path}/" for one in known)
    files = entries.files if kind not in FOLDER_KINDS else {}
    left = sorted(path for path in files if not path.startswith(inside))
    _take_files(left, files, found, host)
    if not (known or left):
        known = [_folder(path, TREE, entries.folders[path], host) for path in trees]
    for one in known:
        (found.unfinished if one.unfinished else found.backups).append(one)
    starts = tuple(folder_of(pattern) for pattern in patterns)
    for one in [*found.backups, *found.unfinished]:
        one.named = _named(one, starts, now)
    found.sort(now)
    for one in found.backups[:LOOKED_INTO]:
        one.inside = _inside(one, host)
    found.sort(now)
    future = [one.path for one in found.backups if one.decided(now).at is None]
    if future and len(future) < len(found.backups):
        found.notes.append(f"{future[0]} is dated in the future, or not at all, and is not counted")
    return found


def _is_other(name: str) -> bool:
    """Return whether a name says that it is a text or a script, and no backup."""
    due = due_in(name)
    return not due.layers and (due.content == "text" or name.lower().endswith(SCRIPTS))


def _is_backup(name: str) -> bool:
    """Return whether a name says that it is one of a backup, finished or not."""
    due = due_in(name)
    return bool(due.layers or _unfinished(name)) or due.content not in ("", "text")


def _take_files(
    paths: list[str], files: dict[str, os.stat_result], found: Candidates, host: Host
) -> None:
    """Take down the backups that are files, those in several volumes as one."""
    for group in grouped(paths, partial(_alone, host)):
        infos = [files[path] for path in group.paths]
        one = Candidate(
            path=group.paths[0],
            name=os.path.basename(group.name),
            form="file" if group.paths == [group.name] else "volumes",
            paths=list(group.paths),
            bytes=sum(info.st_size for info in infos),
            written=max(info.st_mtime for info in infos),
            missing=list(group.missing),
            ids=[(info.st_dev, info.st_ino) for info in infos],
            unfinished=_unfinished(os.path.basename(group.paths[0])),
        )
        if len(one.paths) > 1 and not os.path.basename(one.path).startswith("."):
            one.unfinished = ""  # split may be told to end the names of all volumes so
        (found.unfinished if one.unfinished else found.backups).append(one)


def _alone(host: Host, path: str) -> bool:
    """Return whether a file begins as a backup does, and not as a later volume of one."""
    try:
        return begins_alone(host.read_head(path, HEAD_BYTES, follow_links=False))
    except HostError:
        return False


def _folders_of(
    folders: dict[str, os.stat_result], declared: str, host: Host
) -> tuple[list[Candidate], list[str]]:
    """Return the backups that are folders, none of them inside another one, and the paths of all other folders."""
    known: list[Candidate] = []
    others: list[str] = []
    for path in sorted(folders):
        if any(path.startswith(f"{one.path}/") for one in known):
            continue
        kind = TREE if declared == TREE else folder_kind(path, host)
        if kind:
            known.append(_folder(path, kind, folders[path], host))
        else:
            others.append(path)
    return known, others


def _folder(path: str, kind: str, info: os.stat_result, host: Host) -> Candidate:
    """Return a backup that is a folder."""
    size: int | None
    try:
        size, written, _count = folder_written(path, host, FOLDER_ENTRIES)
    except OutOfBudgetError:
        size, written = None, info.st_mtime
    name = os.path.basename(path)
    return Candidate(
        path, name, "folder", [path], size, written, kind, unfinished=_unfinished(name)
    )


def _unfinished(name: str) -> str:
    """Return why a backup of that name is not finished; empty if it may be."""
    lower = name.lower()
    if lower.endswith(UNFINISHED) or lower.startswith(BEGUN):
        return "its name says that it is not finished"
    return ""


def folder_of(pattern: str) -> str:
    """Return the folder of a pattern above which nothing varies, with a slash at its end."""
    return os.path.dirname(WILD.split(pattern)[0]).rstrip("/") + "/"


def _named(one: Candidate, starts: tuple[str, ...], now: float) -> TimeWitness | None:
    """Return what its name says, or else the names of the folders that vary in the set, the innermost first."""
    start = max((each for each in starts if one.path.startswith(each)), key=len, default="/")
    folders = [part for part in os.path.dirname(one.path)[len(start) :].split("/") if part]
    for part in [one.name, *reversed(folders)]:
        named = named_at(part, one.written, now)
        if named is not None:
            return TimeWitness("name", named.at, named.words)
    return None


def _inside(one: Candidate, host: Host) -> TimeWitness | None:
    """Return what a backup says itself, as far as that stands at its beginning, or at its end in plain text."""
    try:
        if one.form == "folder":
            said = folder_time(one.path, one.kind, host)
            return None if said is None else TimeWitness("inside", said[0], said[1])
        at, words = _in_file(one, host)
    except (HostError, BrokenError, UnreadError, OutOfBudgetError, OSError):
        return None  # reading it will say why
    return None if at is None else TimeWitness("inside", at, words)


def _in_file(one: Candidate, host: Host) -> tuple[float | None, str]:
    with host.open(one.paths[0], follow_links=False) as stream:
        head = stream.read(HEAD_BYTES)
        if head.startswith(b"\x1f\x8b"):
            try:
                head = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
            except zlib.error:
                return None, ""
        if head.startswith(b"PGDMP"):
            return taken_in_head(head), "the header of the dump"
        if is_text(head[:256]) and program_of(head):
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            return taken(stream.read(TAIL_BYTES)), TRAILER
    return None, ""


def _refuse_unseen(pattern: str, host: Host) -> None:
    """Raise HostError if nothing matches only because something may not be seen."""
    folder = os.path.dirname(WILD.split(pattern)[0])
    if host.exists(folder or "/"):
        host.names(folder or "/")
    if not WILD.search(pattern):
        host.exists(pattern)


def looked_at(patterns: list[str], host: Host) -> list[str]:
    """Return the real folders below which the set's files lie."""
    return sorted({host.realpath(folder_of(pattern)) for pattern in patterns})


def as_taken(one: Candidate, now: float) -> dict[str, Any]:
    """Return the fields of BackupTaken."""
    return {
        "path": one.path,
        "form": one.form,
        "bytes": one.bytes,
        "volumes": len(one.paths),
        **as_data(one.decided(now)),
    }
