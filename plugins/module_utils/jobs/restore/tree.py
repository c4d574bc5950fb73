# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files: copied, each file of the copy held against its source, counted."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import (
    hash_of,
    prove_inside,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

NAME = "tree"


class RestoredTree(RestoredBackup):
    """Files that were restored. root: their folder, outside of the sandbox, in which nothing runs any more."""

    def __init__(self, task: Verification, root: str) -> None:
        self._task, self.root = task, root
        self._files: dict[str, int] = {}
        self._folders, self._links = 0, 0

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many files, folders, links and bytes there are, and the files of each folder at the top."""
        self._tidy()
        if not any(self._files.values()):
            raise BadBackupError("no file in it has any content")
        self._task.row["restored_bytes"] = size = sum(self._files.values())
        figures = {
            "files": len(self._files),
            "folders": self._folders,
            "links": self._links,
            "bytes": size,
        }
        counts: dict[str, int] = {}
        start = self._top()
        for name in self._files:
            first, slash, _rest = name[len(start) :].partition("/")
            shown = _shown(first if slash else ".")
            counts[shown] = counts.get(shown, 0) + 1
        return figures, counts

    def check(self) -> None:
        """Hold the files against the lists of checksums at their top.

        Raises: BadBackupError, NotTriedError.
        """
        start = self._top()
        prove_inside(
            self._task, os.path.join(self.root, start), [name[len(start) :] for name in self._files]
        )

    def _top(self) -> str:
        """Return the folder in which all files are, as its path below root with a slash; empty if there is none."""
        return _common(list(self._files))

    def _tidy(self) -> None:
        """Take down what there is, and remove what nobody should go through: links that lead out, pipes, sockets."""
        outside = special = 0
        for folder, names, files in os.walk(self.root):
            for name in [*names, *files]:
                path = os.path.join(folder, name)
                info = os.lstat(path)
                if stat.S_ISREG(info.st_mode):
                    self._files[os.path.relpath(path, self.root)] = info.st_size
                elif stat.S_ISDIR(info.st_mode):
                    self._folders += 1
                elif not stat.S_ISLNK(info.st_mode):
                    special += 1
                    os.unlink(path)
                elif _leads_out(path, self.root):
                    outside += 1
                    os.unlink(path)
                else:
                    self._links += 1
        if outside:
            self._task.note(f"{outside} links lead out of it, and were not restored")
        if special:
            self._task.note(f"{special} pipes, sockets or devices were not restored")


def _common(names: list[str]) -> str:
    """Return the path of the innermost folder that has all files, with a slash at its end; empty if there is none."""
    shared = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""
    return shared + "/" if shared else ""


def _shown(name: str) -> str:
    """Return a name as text that can be kept anywhere."""
    return os.fsencode(name).decode("utf-8", "replace")[:200]


def _leads_out(link: str, root: str) -> bool:
    real, top = os.path.realpath(link), os.path.realpath(root)
    return real != top and not real.startswith(top + "/")


@contextlib.contextmanager
def restored_tree(task: Verification) -> Iterator[RestoredBackup]:
    """Copy a tree, and hold the copy against it.

    Raises: NotTriedError, CancelledError.
    """
    source = task.backup.path if task.backup else ""
    with task.step("restore"):
        root = task.outside(task.copied(source, NAME))
    task.row["restore_seconds"] = task.row["seconds"]["restore"]
    with task.step("check"):
        _compare(task, source, root)
    yield RestoredTree(task, root)


def _compare(task: Verification, source: str, copy: str) -> None:
    """Compare each file of a tree with its copy.

    Raises: NotTriedError if one differs: it changed while it was copied, or the disk does not give the same twice.
    """
    links = special = 0
    for folder, names, files in os.walk(source):
        links += sum(os.path.islink(os.path.join(folder, name)) for name in names)
        for name in files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                links += 1
                continue
            if not stat.S_ISREG(info.st_mode):
                special += 1
                continue
            relative = os.path.relpath(path, source)
            other = os.path.join(copy, relative)
            try:
                same = os.lstat(other).st_size == info.st_size
            except FileNotFoundError:
                same = False
            if not same or hash_of(task, path) != hash_of(task, other):
                raise NotTriedError(
                    f"{relative[:200]}: its copy differs; it may have changed meanwhile"
                )
    if links or special:
        task.note(f"{links} links, and {special} pipes, sockets or devices, were not copied")
