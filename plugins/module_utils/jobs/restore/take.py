# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one table or one file of what was restored."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.scratch import (
    refuse_place,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup


class Taker:
    """Keeps a table or a file of what was restored.

    taken: the paths of what was kept. problem: why nothing was, which says nothing about the backup.
    """

    def __init__(self, wanted: dict[str, Any]) -> None:
        """Take what is wanted: `to`, a folder; `table` or `file`."""
        self.wanted = wanted
        self.taken: list[str] = []
        self.problem = "nothing was restored"

    def take(self, restored: RestoredBackup) -> None:
        """Write it into the folder, which must be root's alone. Nothing that is there is overwritten."""
        try:
            self.taken.append(self._write(restored))
            self.problem = ""
        except RestoreError as exc:
            self.problem = str(exc)
        except OSError as exc:
            self.problem = f"{exc.filename or self.wanted['to']}: {exc.strerror}"

    def target(self) -> str:
        """Return into which file it is written.

        Raises: NotTriedError if that is there already, or nothing is named.
        """
        if not self.wanted["table"] and not (self.wanted["file"] or "").strip("/"):
            raise NotTriedError("no table and no file is named")
        name = self.wanted["table"] or os.path.basename(self.wanted["file"].rstrip("/"))
        name = re.sub(r"[^\w.-]", "_", name) + (".sql" if self.wanted["table"] else "")
        target = os.path.join(self.wanted["to"], name)
        if os.path.lexists(target):
            raise NotTriedError(f"{target} is there already; nothing is overwritten")
        return target

    def _write(self, restored: RestoredBackup) -> str:
        target, folder = self.target(), self.wanted["to"]
        made = not os.path.lexists(folder)
        refuse_place(folder, "to:")
        try:
            if self.wanted["table"]:
                restored.take_table(self.wanted["table"], target)
            else:
                _take_file(restored, self.wanted["file"], target)
        except BaseException:
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            raise
        return target


def _take_file(restored: RestoredBackup, file: str, target: str) -> None:
    """Copy one restored file; nothing outside of what was restored."""
    if not restored.root:
        raise NotTriedError("the backup is of a database; name a table instead")
    top = os.path.realpath(restored.root)
    path = os.path.realpath(os.path.join(top, file.lstrip("/")))
    if path.startswith(top + "/") and os.path.isdir(path):
        raise NotTriedError(f"{file}: is a folder; name a file in it")
    if not path.startswith(top + "/") or not os.path.isfile(path):
        raise NotTriedError(f"{file}: no such file was restored")
    with open(path, "rb") as source, open(target, "xb") as into:
        os.fchmod(into.fileno(), 0o600)
        shutil.copyfileobj(source, into)
