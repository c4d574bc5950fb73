# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borg: the newest archive extracted, and each time the next segments of its repository read.

borg repairs what it reads and takes locks, so it is given a mirror in the scratch place: a folder with links to the
parts of the repository, which is read-only there, and a copy of its settings, in which borg remembers how far a check
came. No lock is taken or seen by it, and nothing of the repository is changed.

A remote repository is read beside the sandbox, without a lock (--bypass-lock); its files come as a stream. Its segments
are not checked, for a check there takes its lock and writes.

borg ends with 1 for warnings. Some are of what a user without privileges cannot do, such as giving a file to another
user; any other is taken for a failure: it says so of files whose chunks were lost and replaced by zeros.
"""

from __future__ import annotations

import contextlib
import time
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.borg_repository import (
    PRINTED,
    Archives,
    failure,
    with_position,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.cycle import Cycle
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.repository import (
    TREE,
    RestoredSnapshot,
    complaints,
    unpack,
    wait_until_free,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

CHECK_SECONDS = 10
"""How long borg reads segments before it writes down how far it is."""


@contextlib.contextmanager
def restored_borg(task: Verification) -> Iterator[RestoredBackup]:
    """Extract the newest archive, or read it to its end if it is too large; and read the next segments."""
    now = task.host.now()
    name = task.row["backup"]
    with task.step("find"):
        if "?" in name or len(name) >= 200:
            raise NotTriedError("borg: the name of its newest archive is not understood")
        archives = Archives(task)
        if not archives.remote:
            remove = f"borg break-lock {archives.real}"
            wait_until_free(task, archives.holders, remove)
            archives.make_mirror()
        archives.note_version()
    try:
        with task.step("restore"):
            restored = _extract(task, archives, "::" + name.replace("{", "{{").replace("}", "}}"))
        task.row["proof"] = "checksums"
        if archives.remote:
            task.row["unproved"] = "older archives: a check of a remote repository takes its lock"
            if not restored.root:
                task.row["covered"] = f"0 of {task.verify['parts']}"
        else:
            archives.refuse_gone_back()
            with task.step("check"):
                _check(task, archives, now, bool(restored.root))
    except BadBackupError as exc:
        if archives.lost_meanwhile():
            raise NotTriedError("another program has changed the repository meanwhile") from exc
        raise
    yield restored


def _extract(task: Verification, archives: Archives, archive: str) -> RestoredSnapshot:
    """Extract an archive, or only read all of it if it is too large.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    size = _size(task, archives, archive)
    if size > task.verify["whole_bytes"]:
        said = archives.run(["extract", "--dry-run", archive])
        archives.refuse_failure("extract --dry-run", said.status, said.err)
        return RestoredSnapshot("", whole=False)
    task.scratch.refuse_without_space(size)
    tree = task.scratch.folder(TREE)
    began = time.monotonic()
    if archives.remote:
        _streamed(task, archives, archive, tree)
    else:
        with archives.box.telling(task, size):
            said = archives.run(["extract", archive], task.scratch.inside(tree))
        archives.refuse_failure("extract", said.status, said.err)
    task.row["restored_bytes"] = size
    task.row["restore_seconds"] = round(time.monotonic() - began, 3)
    return RestoredSnapshot(tree, whole=True)


def _size(task: Verification, archives: Archives, archive: str) -> int:
    """Return how many bytes the files of an archive have; `borg info` would read all archives for it.

    Raises: BadBackupError, NotTriedError.
    """
    words = ["list", "--format", "{size}{NL}", archive]
    if not archives.remote:
        said = archives.run(words, into_file=True)
        archives.refuse_failure("list", said.status, said.err)
        return sum(int(one) for one in complaints(task, PRINTED) if one.isdigit())
    total, rest = 0, b""
    with archives.stream(words) as read:
        for chunk in iter(lambda: read(1 << 16), b""):
            *lines, rest = (rest + chunk).split(b"\n")
            total += sum(int(one) for one in lines if one.isdigit())
            task.sandbox.look()
    return total


def _streamed(task: Verification, archives: Archives, archive: str, tree: str) -> None:
    """Let borg print the files of an archive beside the sandbox, and tar write them in it."""
    with archives.stream(["export-tar", archive, "-"]) as read:
        unpack(task, read, tree)


def _check(task: Verification, archives: Archives, now: float, whole: bool) -> None:
    """Read the next part of the segments, or all of them if they are few; only then borg finds out which are missing.

    Raises: BadBackupError, NotTriedError, CancelledError. What was read until then is kept.
    """
    listed = task.repository.snapshots if task.repository else []
    parts, name = task.verify["parts"], task.wanted["name"]
    cycle = Cycle(task.ledger, name, parts, archives.identity(), now)
    numbers, size = archives.segments()
    last = numbers[-1] if numbers else 0
    if whole:
        cycle.restored(task.row["backup"])
    if size <= task.verify["whole_bytes"]:
        _run_check(archives, [])
        cycle.reached(1.0, last, task.host.now())
        cycle.keep(listed, 0)
        if not whole:
            task.row["covered"] = cycle.covered()
        return
    wanted = (len(cycle.done) + 1) / parts
    while True:
        began = time.monotonic()
        archives.keep_settings(with_position(archives.settings, cycle.position))
        _run_check(archives, [f"--max-duration={CHECK_SECONDS}"])
        position = archives.position() or last
        share = sum(one <= position for one in numbers) / max(1, len(numbers))
        cycle.reached(share, position, task.host.now())
        cycle.keep(listed, 0)
        task.progress(share)
        enough = share >= wanted and not cycle.behind(task.host.now(), task.verify["cycle_days"])
        left = task.sandbox.ends - time.monotonic()
        if share >= 1 or enough or left < 3 * (time.monotonic() - began):
            break
    task.row["unproved"] = f"the other archives, of which {cycle.covered()} parts were read"
    if not whole:
        task.row["covered"] = cycle.covered()


def _run_check(archives: Archives, words: list[str]) -> None:
    """Let borg check segments. Its status 1 means here that it has found errors."""
    said = archives.run(["check", "--repository-only", *words])
    if said.status == 1:
        raise BadBackupError(str(failure("check", 1, said.err, archives.remote)))
    if said.status:
        raise failure("check", said.status, said.err, archives.remote)
