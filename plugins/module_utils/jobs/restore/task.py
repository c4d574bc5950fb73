# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One verification while it goes on: the set, its backup, the place where it is restored, the row that it becomes."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import time
from typing import Any, Callable, Iterator, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._files import Joined
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._find import Candidate
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import (
    layer_of,
    unwrapped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._snapshots import (
    Repository,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.times import iso
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    CancelledError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sandbox import Sandbox
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.scratch import Scratch

COPY_BYTES = 1 << 20
TOLD_SECONDS = 1.0
NO_LIMIT = 1 << 60


def empty_row(name: str) -> dict[str, Any]:
    """Return a row of the ledger (RestoreRow) of which nothing is known yet. name: of the set."""
    return {
        "set": name,
        "outcome": "unknown",
        "step": "find",
        "why": "",
        "backup": "",
        "kind": "",
        "covered": "all",
        "proof": "none",
        "unproved": "",
        "seconds": {},
        "figures": {},
        "counts": {},
        "assertions": [],
        "findings": [],
        "notes": [],
        "programs": {},
    }


class Verification:
    """One verification of one set, in a sandbox of its own.

    wanted: the set as declared; verify: its part of that name. backup: its newest one that is finished, or repository:
    what its repository lists, newest first. row: becomes a row of the ledger (RestoreRow).
    """

    def __init__(
        self,
        wanted: dict[str, Any],
        row: dict[str, Any],
        ledger: Ledger,
        scratch: Scratch,
        host: Host,
    ) -> None:
        """Make the sandbox.

        Raises: NotTriedError if there can be none.
        """
        self.wanted, self.verify, self.row = wanted, wanted["verify"], row
        self.ledger, self.scratch, self.host = ledger, scratch, host
        ends = time.monotonic() + self.verify["minutes"] * 60
        self.sandbox = Sandbox(scratch, host, ends, self.verify["memory_bytes"])
        self.backup: Candidate | None = None
        self.repository: Repository | None = None
        self.decrypted = ""
        self._told_at = 0.0
        self.began = host.now()
        self.now_at = "find"

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; its name is where the verification ended if it fails. A step that is gone into again adds up."""
        self.now_at = name
        self.progress(None)
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = self.row["seconds"]
            seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - began, 3)

    def progress(self, share: float | None) -> None:
        """Write down how far the step is, from 0 to 1; not more often than anybody looks."""
        now = time.monotonic()
        if share is not None and now - self._told_at < TOLD_SECONDS:
            return
        self._told_at = now
        self.ledger.running(
            {
                "set": self.wanted["name"],
                "backup": self.row["backup"],
                "step": self.now_at,
                "began_at": iso(self.began),
                "share": share,
            }
        )

    def note(self, text: str) -> None:
        """Take down what else is to be said."""
        if text not in self.row["notes"] and len(self.row["notes"]) < 20:
            self.row["notes"].append(text[:300])

    def finding(self, text: str) -> None:
        """Take down what a backup asked for that none should: the verification fails."""
        if text not in self.row["findings"] and len(self.row["findings"]) < 20:
            self.row["findings"].append(text[:300])

    # --- the backup, for the programs of the sandbox -----------------------------------------------------------------
    def shown(self, path: str, inside: str) -> tuple[str, list[tuple[str, str]]]:
        """Return a path in the sandbox at which a file or folder of the backup can be read, and what is to be shown.

        It is shown in place, read-only, where everybody may read it; else it is copied into the scratch place.
        """
        if self.everybody_reads(path):
            return inside, [(self.host.realpath(path), inside)]
        return self.copied(path, os.path.basename(inside)), []

    def copied(self, path: str, name: str) -> str:
        """Copy a file or folder of the backup into the scratch place; return its path in the sandbox.

        Links are not followed, and are not copied: what they lead to is no part of the backup.

        Raises: NotTriedError if there is no space or it cannot be read; CancelledError.
        """
        sizes = list(self._files_below(path))
        self.scratch.refuse_without_space(sum(size for _one, size in sizes))
        target = os.path.join(self.scratch.work, name)
        total, done = sum(size for _one, size in sizes) or 1, 0
        try:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.mkdir(target, 0o700)
                for folder, names, _files in os.walk(path):
                    for each in names:
                        if not os.path.islink(os.path.join(folder, each)):
                            relative = os.path.relpath(os.path.join(folder, each), path)
                            os.mkdir(os.path.join(target, relative), 0o700)
            for one, size in sizes:
                relative = os.path.relpath(one, path)
                self._copy(one, target if relative == "." else os.path.join(target, relative))
                done += size
                self.progress(done / total)
            self.scratch.give(target)
        except OSError as exc:
            raise NotTriedError(f"{exc.filename or path}: {exc.strerror}") from exc
        return self.scratch.inside(target)

    def _copy(self, path: str, target: str) -> None:
        with self.host.open(path, follow_links=False) as source, open(target, "xb") as into:
            os.fchmod(into.fileno(), 0o600)
            for chunk in iter(lambda: source.read(COPY_BYTES), b""):
                into.write(chunk)
                self.sandbox.look()

    def _files_below(self, path: str) -> Iterator[tuple[str, int]]:
        """Yield each regular file below, with its size."""
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            yield path, os.lstat(path).st_size
            return
        for folder, _names, files in os.walk(path):
            for name in files:
                info = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(info.st_mode):
                    yield os.path.join(folder, name), info.st_size

    def everybody_reads(self, path: str) -> bool:
        """Return whether every account may read a file, or a folder and all that is in it."""
        info = os.stat(path)
        if not stat.S_ISDIR(info.st_mode):
            return bool(info.st_mode & 0o004)
        for folder, _names, files in os.walk(path):
            if os.stat(folder).st_mode & 0o005 != 0o005:
                return False
            if any(not os.lstat(os.path.join(folder, name)).st_mode & 0o004 for name in files):
                return False
        return True

    @contextlib.contextmanager
    def content(self) -> Iterator[Counted]:
        """Give what is in all wrappings of a backup that is a file or several volumes.

        Raises: BadBackupError while it is read, if it is broken; NotTriedError if it cannot be read here.
        """
        paths = [self.decrypted] if self.decrypted else (self.backup.paths if self.backup else [])
        with contextlib.ExitStack() as stack, _told():
            files = [stack.enter_context(self.host.open(one, follow_links=False)) for one in paths]
            raw: Any = files[0] if len(files) == 1 else io.BufferedReader(Joined(files))
            budget = Budget(max(1.0, self.sandbox.ends - time.monotonic()), NO_LIMIT)
            stream = Counted(raw.read, budget, raw if len(files) == 1 else None)
            while layer_of(stream.peek()):
                kind = layer_of(stream.peek())
                stream = stack.enter_context(unwrapped(kind, stream, self.host)).stream
            yield stream

    def reader(self, stream: Counted) -> Callable[[int], bytes]:
        """Return a function that gives the bytes of a stream to a program, and tells what is wrong with it as we do."""

        def read(size: int) -> bytes:
            with _told():
                return stream.read(size)

        return read

    def unpacked(self, name: str) -> str:
        """Write what is in the wrappings of the backup into a file; return its path in the sandbox.

        Raises: BadBackupError, NotTriedError, CancelledError.
        """
        target = os.path.join(self.scratch.work, name)
        with self.content() as stream, open(target, "xb") as into:
            os.fchmod(into.fileno(), 0o600)
            for chunk in iter(lambda: stream.read(COPY_BYTES), b""):
                into.write(chunk)
                self.sandbox.look()
        self.scratch.give(target)
        return self.scratch.inside(target)

    def save(self, argv: list[str], target: str, reads: Sequence[tuple[str, str]] = ()) -> None:
        """Write what a program of the sandbox prints into a new file outside of it. reads: as Sandbox.run.

        Raises: NotTriedError.
        """
        part = self.scratch.folder(f"saved-{time.monotonic_ns()}") + "/out"
        line = ["sh", "-c", 'exec >"$0"; exec "$@"', self.scratch.inside(part), *argv]
        said = self.sandbox.run(line, reads)
        if said.status or not os.path.getsize(part):
            lines = said.err.strip().splitlines() or ["nothing came out"]
            raise NotTriedError(f"{argv[0]}: {lines[-1][:200]}")
        with open(os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
            info = os.fstat(source.fileno())
            # What runs in the sandbox may have put something else there.
            if not stat.S_ISREG(info.st_mode) or info.st_uid != self.scratch.uid:
                raise NotTriedError(f"{argv[0]}: what came out is not a file of the sandbox")
            with open(target, "xb") as into:
                os.fchmod(into.fileno(), 0o600)
                shutil.copyfileobj(source, into)

    def outside(self, inside: str) -> str:
        """Return the path outside of the sandbox of a path below /scratch."""
        return self.scratch.work + inside[len("/scratch") :]

    def remove(self, inside: str) -> None:
        """Remove a file or a tree of the scratch place, to have its space."""
        path = self.outside(inside)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what readers of backups raise as a verification's end."""
    try:
        yield
    except BrokenError as exc:
        raise BadBackupError(str(exc)) from exc
    except OutOfBudgetError as exc:
        raise CancelledError(str(exc)) from exc
    except (UnreadError, HostError) as exc:
        raise NotTriedError(str(exc)) from exc
    except OSError as exc:
        raise NotTriedError(f"{exc.filename or 'the backup'}: {exc.strerror}") from exc


class RestoredBackup:
    """What came out of a backup, as long as it is there. Each kind has its own."""

    root = ""
    """The folder in which restored files lie, outside of the sandbox; empty if it is a database."""

    def figures(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return counts of the whole, and of each table or folder."""
        raise NotImplementedError

    def check(self) -> None:
        """Let the database check its own structure.

        Raises: BadBackupError.
        """

    def ask(self, sql: str, database: str) -> str:
        """Return the one value of a statement. database: empty for the only one, or the main one.

        Raises: NotTriedError if that cannot be asked here; BadBackupError if the data does not know it.
        """
        raise NotTriedError("SQL was asked, and the backup is of no database")

    def take_table(self, table: str, target: str) -> None:
        """Write one table into a file outside of the sandbox, as its program dumps it.

        Raises: NotTriedError if there is no such table.
        """
        raise NotTriedError("the backup is of no database, and has no tables; name a file instead")
