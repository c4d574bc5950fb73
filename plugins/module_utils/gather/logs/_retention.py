# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives below a declared folder are past their days, and how they go without anything else going.

Every folder is opened by name below its parent's descriptor and never through a symbolic link, so that whoever may
write into a log folder cannot lead the clean-up elsewhere. An archive is unlinked only if it is still the very file
that was planned; unlink(2) takes a name away and never follows it.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "keep_days": {"type": "int", "required": True},
    "patterns": {
        "type": "list",
        "elements": "str",
        "default": [
            *("*.gz", "*.bz2", "*.xz", "*.zst", "*.[0-9]", "*.[0-9][0-9]", "*.[0-9][0-9][0-9]"),
            "*-[12][0-9][0-9][0-9][01][0-9][0-3][0-9]*",
        ],
    },
    "keep_newest": {"type": "int", "default": 2},
}
FILES_LIMIT = 100_000
DEPTH_LIMIT = 12
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Folders whose files are never archives alone: a root must lie deeper.
TOO_WIDE = frozenset(
    "/" + name
    for name in (
        *("", "bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run"),
        *("sbin", "srv", "sys", "tmp", "usr", "usr/lib", "usr/local", "usr/share", "var"),
        *("var/lib", "var/cache", "var/log/journal"),
    )
)


class RemovalRefusedError(Exception):
    """A root, or a file, that must not be touched; the text names it and says why."""


@dataclass(frozen=True)
class Archive:
    """A file below a root, and all that must still be so when it is unlinked."""

    path: str
    device: int
    inode: int
    size: int
    mtime: float


@dataclass
class Plan:
    """What would go. refused: files that are past their days and stay, with why; unread: folders not looked into."""

    root: str
    doomed: list[Archive] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    archives: int = 0
    total_bytes: int = 0


def plan(root: dict[str, Any], now: float) -> Plan:
    """Return which files below the root are past their days; nothing is changed.

    root: of the shape of ARGUMENTS. The newest `keep_newest` archives of each log stay whatever their age, so that a
    host whose clock is wrong loses no more than the old ones.
    Raises: RefusedError or OSError if it cannot be looked at.
    """
    if root["keep_days"] < 1 or root["keep_newest"] < 0:
        message = f"keep_days {root['keep_days']}, keep_newest {root['keep_newest']}"
        raise RemovalRefusedError(f"{root['path']}: {message}; expected at least 1 and 0")
    made = Plan(root["path"])
    series: dict[str, list[tuple[Archive, int]]] = {}
    opened = open_root(root["path"])
    try:
        device = os.fstat(opened).st_dev
        _walk(opened, "", device, root["patterns"], made, series, 0)
    finally:
        os.close(opened)
    for members in series.values():
        members.sort(key=lambda one: (-one[0].mtime, _place_in_series(one[0].path)))
        for archive, links in members[root["keep_newest"] :]:
            if now - archive.mtime <= root["keep_days"] * 86400:
                continue
            if links > 1:
                made.refused.append((archive.path, f"has {links} names (hard links)"))
            else:
                made.doomed.append(archive)
    made.doomed.sort(key=lambda one: one.path)
    return made


def _place_in_series(path: str) -> tuple[int, ...]:
    """Return what is smaller for the newer of two archives of a log by their names, where a copy has made them one age.

    `.1` is newer than `.2`, and `-20260102` than `-20260101`; what logrotate counts stays below a thousand.
    """
    name = os.path.basename(path)
    numbers = [int(one) for one in re.findall(r"[0-9]+", name[len(log_name(name)) :])]
    is_date = bool(numbers) and numbers[0] >= 1000
    return tuple(-one if is_date else one for one in numbers)


def carry_out(made: Plan) -> tuple[list[Archive], list[tuple[str, str]]]:
    """Unlink what is planned; return what has gone, and what has not, with why.

    What is no longer the planned file (another inode, size or time, a link, a second name) stays.
    """
    gone: list[Archive] = []
    kept: list[tuple[str, str]] = []
    opened = open_root(made.root)
    try:
        for archive in made.doomed:
            try:
                _unlink(opened, os.path.relpath(archive.path, made.root), archive)
                gone.append(archive)
            except RemovalRefusedError as exc:
                kept.append((archive.path, str(exc)))
            except OSError as exc:
                kept.append((archive.path, _why(exc)))
    finally:
        os.close(opened)
    return gone, kept


def open_root(path: str) -> int:
    """Return a descriptor of the folder, reached without any symbolic link.

    Raises: RefusedError or OSError.
    """
    if not path.startswith("/") or os.path.normpath(path) != path or path in TOO_WIDE:
        raise RemovalRefusedError(
            f"{path}: expected an absolute, plain path of a folder that holds only logs"
        )
    opened = os.open("/", FOLDER)
    try:
        for part in path.strip("/").split("/"):
            inner = os.open(part, FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
    except OSError as exc:
        os.close(opened)
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise RemovalRefusedError(
                f"{path}: {part!r} is a symbolic link, or not a folder"
            ) from exc
        raise
    return opened


def _walk(
    opened: int,
    inside: str,
    device: int,
    patterns: list[str],
    made: Plan,
    series: dict[str, list[tuple[Archive, int]]],
    depth: int,
) -> None:
    """Take in the folder and those below it on the same file system."""
    for name in sorted(os.listdir(opened)):
        place = os.path.join(inside, name)
        path = os.path.join(made.root, place)
        try:
            info = os.stat(name, dir_fd=opened, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                if info.st_dev != device or depth >= DEPTH_LIMIT:
                    made.unread.append(f"{path}: another file system, or too deep")
                    continue
                inner = os.open(name, FOLDER, dir_fd=opened)
                try:
                    _walk(inner, place, device, patterns, made, series, depth + 1)
                finally:
                    os.close(inner)
                continue
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                made.unread.append(f"{path}: {_why(exc)}")
            continue
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        if not stat.S_ISREG(info.st_mode):
            made.refused.append((path, "is a symbolic link, or not a regular file"))
            continue
        if made.archives >= FILES_LIMIT:
            made.unread.append(f"{path}: more than {FILES_LIMIT} archives")
            return
        made.archives += 1
        made.total_bytes += info.st_size
        archive = Archive(path, info.st_dev, info.st_ino, info.st_size, info.st_mtime)
        series.setdefault(os.path.join(inside, log_name(name)), []).append((archive, info.st_nlink))


def log_name(name: str) -> str:
    """Return the name of the log that an archive is of, as far as it shows: without number, date, compression."""
    name = re.sub(r"\.(gz|bz2|xz|zst|lz4|Z|lzma)$", "", name)
    return re.sub(r"(\.\d{1,4}|[-_.]?\d{4}-?\d\d-?\d\d([-_.T]?\d{2,6})?)(?=\.[a-z]+$|$)", "", name)


def _unlink(root: int, place: str, archive: Archive) -> None:
    """Unlink the file at place below the root.

    Raises: RefusedError if it is not the planned one.
    """
    *folders, name = place.split("/")
    opened = os.dup(root)
    try:
        for folder in folders:
            inner = os.open(folder, FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
        info = os.stat(name, dir_fd=opened, follow_symlinks=False)
        found = (info.st_dev, info.st_ino, info.st_size, info.st_mtime)
        if found != (archive.device, archive.inode, archive.size, archive.mtime):
            raise RemovalRefusedError("is no longer the file that was planned")
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            raise RemovalRefusedError(f"has {info.st_nlink} names (hard links)")
        os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)


def _why(exc: OSError) -> str:
    if exc.errno in (errno.ELOOP, errno.ENOTDIR):
        return "reached only through a symbolic link, or not a folder"
    return (exc.strerror or str(exc)).lower()
