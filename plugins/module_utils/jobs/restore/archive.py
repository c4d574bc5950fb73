# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: tar and zip, and a packed file, extracted in the sandbox by the programs that people extract them with.

A member that would be written elsewhere was found when the archive was read (gather/backups/_members.py). The programs
refuse such members, too; and whatever they do, it is in the sandbox.

Source: tar(1), section "Security" of its manual; unzip(1).
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import PACKERS
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import SHORT
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Finished
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import prove_beside
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.tree import (
    NAME,
    RestoredTree,
)

_TAR_LACKS = re.compile(r"(.*): Cannot mknod: ")
_TAR_SAYS = re.compile(r"tar: (?:Removing leading |Exiting with failure status)")
_SHORT_OF = re.compile(r"No space left|Cannot allocate|memory exhausted|Disk quota", re.IGNORECASE)
_SEALED = (5, 81, 82)
"""Of unzip: a method or an encryption that it does not know, or no password."""


@contextlib.contextmanager
def restored_tar(task: Verification) -> Iterator[RestoredBackup]:
    """Extract a tar.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    root = _begin(task, "tar")
    with task.step("restore"):
        line = ["tar", "--extract", "--file=-", f"--directory=/scratch/{NAME}"]
        line += ["--no-same-owner", "--no-same-permissions", "--warning=no-timestamp"]
        with task.content() as stream:
            said = task.sandbox.run(line, given=task.reader(stream))
        _refuse_tar(task, said)
    yield _ended(task, root)


def _refuse_tar(task: Verification, said: Finished) -> None:
    """Raise what is wrong; a device cannot be made in the sandbox, and its member is left out."""
    lines = [one for one in said.err.splitlines() if one.strip()]
    devices = [one for one in lines if _TAR_LACKS.match(one)]
    others = [one for one in lines if not _TAR_LACKS.match(one) and not _TAR_SAYS.match(one)]
    if devices:
        task.note(f"{len(devices)} devices in it were not made")
    if said.status and (others or not devices):
        _refuse(task, "tar", others[0] if others else f"ended with status {said.status}")


def _refuse(task: Verification, program: str, why: str) -> None:
    """Raise what an extracting program says.

    Raises: BadBackupError, NotTriedError.
    """
    if _SHORT_OF.search(why):
        raise NotTriedError(f"{program}: {why[:200]}")
    if task.row["findings"]:
        raise BadBackupError(
            task.row["findings"][0], "decide: find out who put that into the backup"
        )
    raise BadBackupError(f"{program}: {why[:200]}")


@contextlib.contextmanager
def restored_zip(task: Verification) -> Iterator[RestoredBackup]:
    """Extract a zip.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    if task.host.which("unzip") is None:
        raise NotTriedError("unzip is not installed", "apt-get install --yes unzip")
    root = _begin(task, "unzip")
    with task.step("restore"):
        inside = task.unpacked("archive.zip")
        said = task.sandbox.run(["unzip", "-q", "-n", inside, "-d", f"/scratch/{NAME}"])
        task.remove(inside)
        lines = [one.strip() for one in said.err.splitlines() if one.strip()]
        why = lines[-1] if lines else f"ended with status {said.status}"
        if said.status in _SEALED or "unable to get password" in said.err:
            raise NotTriedError(f"unzip: {why[:200]}")
        if said.status:
            _refuse(task, "unzip", why)
    yield _ended(task, root)


@contextlib.contextmanager
def restored_text(task: Verification) -> Iterator[RestoredBackup]:
    """Unpack a text that is no dump: a table, a list, a log.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    root = _begin(task, "")
    with task.step("restore"):
        task.unpacked(f"{NAME}/{bare_name(task.backup.name if task.backup else '')}")
    yield _ended(task, root)


def bare_name(name: str) -> str:
    """Return the name that a file has when it is unpacked."""
    stem = os.path.basename(name)
    while True:
        head, dot, end = stem.rpartition(".")
        if (
            not dot
            or not head
            or (end not in PACKERS and end not in SHORT and end not in ("age", "gpg", "asc"))
        ):
            return stem or "file"
        stem = head


def _begin(task: Verification, program: str) -> str:
    """Make the folder into which is extracted; return its path outside of the sandbox."""
    prove_beside(task)
    task.scratch.refuse_without_space(task.backup.bytes or 0 if task.backup else 0)
    if program:
        option = "--version" if program == "tar" else "-v"
        words = task.sandbox.run([program, option]).out.split("\n")[0].split(" ")
        task.row["programs"][program] = (
            words[-1] if program == "tar" else words[1] if len(words) > 1 else ""
        )[:40]
    return task.scratch.folder(NAME)


def _ended(task: Verification, root: str) -> RestoredTree:
    task.row["restore_seconds"] = task.row["seconds"]["restore"]
    return RestoredTree(task, root)
