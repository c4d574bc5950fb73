# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a tree of files: what in it is an archive or a dump is read as a backup of its own."""

from __future__ import annotations

import os
import re
import stat
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    HEAD_BYTES,
    BrokenError,
    Budget,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_folders import (
    TOC,
    read_pg_directory,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import MAGIC
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import (
    FOREIGN,
    DueContent,
    begins_alone,
    content_of,
    due_in,
    read_file,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
    named,
    shown,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._sql import (
    complaint,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._volumes import (
    VolumeSet,
    grouped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError

UNPROVED = "a tree of files has no checksums"
UNREAD = [name for _magic, name in FOREIGN]
BEING_MADE = re.compile(r"\.(?:part|partial|tmp|temp|incomplete|filepart|crdownload)$|~$", re.I)
BESIDE = re.compile(r"(?:sums?|\.(?:sha\d+|md5|sig|asc|txt|log|json|ya?ml))(?:\.txt)?$", re.I)


def read_tree(folder: FolderFiles, budget: Budget) -> Reading:
    """Read a tree; its bytes are those of the files. Of a file that is no archive and no dump, its first block.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    found = Reading(["tree of files"], unproved=UNPROVED, members=0, bytes=0)
    sizes = {
        name: status.st_size for name, status in folder.walk(budget) if stat.S_ISREG(status.st_mode)
    }
    if not any(sizes.values()):
        raise BrokenError(f"empty: no file in it{' has any content' if sizes else ''}")
    found.members, found.bytes = len(sizes), sum(sizes.values())
    count, newest, words, all_say = 0, 0.0, "", True
    for name, each in _backups_in(folder, sizes, budget):
        if each is None:
            all_say = all_say and bool(BESIDE.search(name))
            continue
        count += 1
        if each.taken is None or "member" in each.taken_words:  # which says when a file changed
            all_say = False
        elif each.taken > newest:
            newest, words = each.taken, f"{shown(name)}: {each.taken_words}"
        for member in each.hostile:
            found.escapes(f"{name}: {member}")
        if each.state != "whole" and found.state != "unread":
            found.state, found.why = each.state, f"{shown(name)}: {each.why}"
    if count:
        found.what.append(f"archives and dumps in it: {count}")
    if all_say and newest:
        found.taken, found.taken_words = newest, words
    return found


def _backups_in(
    folder: FolderFiles, sizes: dict[str, int], budget: Budget
) -> Iterator[tuple[str, Reading | None]]:
    """Yield what is in a tree and how it reads; None for what is no archive and no dump.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    dumps = {os.path.dirname(name) for name in sizes if _is_toc(folder, name)}
    for name in sorted(dumps):
        with named(name):
            yield name, read_pg_directory(_below(folder, name), budget)
    left = [name for name in sizes if os.path.dirname(name) not in dumps]
    for group in grouped(left, lambda name: begins_alone(_head(folder, name, 0, budget))):
        due = _due(os.path.basename(group.name))
        heads = [_head(folder, name, sizes[name], budget) for name in group.paths]
        judged = _is_backup(os.path.basename(group.name), due, heads[0])
        if judged and not {f"{group.name}-wal", f"{group.name}-journal"} & sizes.keys():
            yield group.paths[0], _read(folder, group, due, budget)
        else:
            yield group.paths[0], None


def _due(name: str) -> DueContent:
    """Return what is due in a file of a tree: in a packed page of a manual or a changelog is any text."""
    due = due_in(name)
    if due.content == "database":
        return DueContent(due.layers)
    inner = name.lower().split(".")[1:-1]
    other = inner and not re.fullmatch(r"\d\d+", inner[-1])
    return DueContent(due.layers, "text") if due.layers and not due.content and other else due


def _is_toc(folder: FolderFiles, name: str) -> bool:
    """Return whether the file is the table of contents of a dump by pg_dump."""
    path = os.path.join(folder.path, name)
    return os.path.basename(name) == TOC and folder.host.read_head(
        path, len(MAGIC), follow_links=False
    ).startswith(MAGIC)


def _below(folder: FolderFiles, name: str) -> FolderFiles:
    """Return a folder of a tree.

    Raises: UnreadError if it is a link by now.
    """
    path, real = os.path.join(folder.path, name), folder.host.realpath
    if real(path) != os.path.join(real(folder.path), name).rstrip("/"):
        raise UnreadError(f"{shown(name)}: lies behind a link")
    return FolderFiles(path, folder.host)


def _head(folder: FolderFiles, name: str, size: int, budget: Budget) -> bytes:
    """Return the first block of a file.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    with folder.stream(name, budget) as stream:
        head = stream.read(HEAD_BYTES)
    if size and not head:
        raise BrokenError(f"{shown(name)}: cut while it was read", cut=True)
    return head


def _is_backup(name: str, due: DueContent, head: bytes) -> bool:
    """Return whether a name or the first bytes say that a file is an archive or a dump, as far as a tree of any files.

    A script is named .sql too, a ring of keys .gpg, and other databases .db: those are not judged.
    """
    if BEING_MADE.search(name):
        return False
    what = content_of(head)
    if what == "cpio":  # as what boots a machine is
        return name.endswith(".cpio")
    if due.layers or due.content in ("tar", "zip") or what in UNREAD:
        return True
    if due.content == "text" and what in ("sql", "text"):
        return False
    failed = complaint(head, len(head)) != ""
    if due.content in ("encrypted", "enc"):
        return what == "encrypted" or failed or (not head and name.count(".") > 1)
    if due.content in ("sql", "dump") and (what == "zeros" or failed):
        return True
    if what == "sql" and head.lstrip()[:2] not in (b"--", b"/*"):
        return False
    return what != "encrypted" and begins_alone(head)


def _read(folder: FolderFiles, group: VolumeSet, due: DueContent, budget: Budget) -> Reading:
    """Read an archive or a dump in a tree.

    Raises: BrokenError, OutOfBudgetError.
    """
    name = group.paths[0]
    try:
        with named(name):
            if group.missing:
                raise BrokenError(f"the volume {group.missing[0]} is missing", cut=True)
            _below(folder, os.path.dirname(name))
            return read_file(
                [os.path.join(folder.path, one) for one in group.paths], due, budget, folder.host
            )
    except (UnreadError, HostError) as exc:
        # SQL that somebody wrote by hand: a tree has such, and its wrapping was read to its end.
        if str(exc).endswith("nothing marks its end"):
            return Reading()
        return Reading(state="unread", why=str(exc).rpartition(f"{shown(name)}: ")[2])
