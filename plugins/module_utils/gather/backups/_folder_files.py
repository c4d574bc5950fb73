# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a backup that is a folder: nothing outside of it is opened, and no link is followed."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import (
    Layer,
    layer_of,
    unwrapped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    MISSING,
    Host,
    HostError,
)

DEPTH_LIMIT = 200
ENTRY_LIMIT = 200_000
WALK_SECONDS = 20.0  # where no budget is given
NAME_CHARACTERS = 200
ENDINGS = {".gz": "gz", ".lz4": "lz4", ".zst": "zst"}


class FolderFiles:
    """A folder, and its files by their names below it."""

    def __init__(self, path: str, host: Host) -> None:
        self.path, self.host = path.rstrip("/") or "/", host
        self._real = host.realpath(self.path)

    def status(self, name: str) -> os.stat_result | None:
        """Return the stat of what has that name, of a link itself; None if there is none.

        Raises: UnreadError.
        """
        try:
            return self.host.stat(os.path.join(self.path, name), follow_links=False)
        except HostError as exc:
            if exc.why == MISSING:
                return None
            raise UnreadError(f"{shown(name)}: {_reason(exc)}") from exc

    def has(self, name: str) -> bool:
        """Return whether there is a regular file of that name, as far as one can see."""
        with contextlib.suppress(UnreadError):
            found = self.status(name)
            return found is not None and stat.S_ISREG(found.st_mode)
        return False

    def names(self, name: str = "") -> list[str]:
        """Return the names in the folder, or in one below it.

        Raises: UnreadError.
        """
        try:
            return self.host.names(os.path.join(self.path, name))
        except HostError as exc:
            raise UnreadError(f"{shown(name) or 'the folder'}: {_reason(exc)}") from exc

    def walk(
        self, budget: Budget, limit: int = ENTRY_LIMIT, blind: bool = False
    ) -> Iterator[tuple[str, os.stat_result]]:
        """Yield what is in it, but the folders: names and stats, of links themselves. It stays on the ways it sees.

        blind: pass over what cannot be seen.

        Raises: UnreadError; OutOfBudgetError if there are more than limit entries, or folders in folders without end.
        """
        todo, count = [""], 0
        while todo:
            folder = todo.pop()
            if folder.count("/") > DEPTH_LIMIT:
                raise OutOfBudgetError(f"folders are nested deeper than {DEPTH_LIMIT}")
            for name in self._names(folder, blind):
                count += 1
                if count > limit:
                    raise OutOfBudgetError(f"more than {limit} files and folders")
                budget.take(0)
                path = os.path.join(folder, name)
                try:
                    found = self.status(path)
                except UnreadError:
                    if not blind:
                        raise
                    continue
                if found is not None and stat.S_ISDIR(found.st_mode):
                    todo.append(path)
                elif found is not None:  # else it has gone since
                    yield path, found

    def _names(self, folder: str, blind: bool) -> list[str]:
        try:
            return self.names(folder)
        except UnreadError:
            if blind:
                return []
            raise

    @contextlib.contextmanager
    def stream(self, name: str, budget: Budget) -> Iterator[Counted]:
        """Give the file as a stream.

        Raises: BrokenError if it is missing; UnreadError if it cannot be read, is no regular file or lies elsewhere.
        """
        path = os.path.join(self.path, name)
        folder = self.host.realpath(os.path.dirname(path))
        if not f"{folder}/".startswith(f"{self._real.rstrip('/')}/"):
            raise UnreadError(f"{shown(name)}: lies behind a link that leads elsewhere")
        try:
            file = self.host.open(path, follow_links=False)
        except HostError as exc:
            if exc.why == MISSING:
                raise BrokenError(f"{shown(name)} is missing", cut=True) from exc
            raise UnreadError(f"{shown(name)}: {_reason(exc)}") from exc

        def read(size: int) -> bytes:
            try:
                return file.read(size)
            except OSError as exc:
                raise UnreadError(f"{shown(name)}: {exc.strerror or 'cannot be read'}") from exc

        with file:
            yield Counted(read, budget)

    @contextlib.contextmanager
    def content(self, name: str, budget: Budget) -> Iterator[tuple[Counted, Layer | None]]:
        """Give the file unpacked, if its ending says that it is packed, and its wrapping.

        Raises: as `stream` does, and what is wrong with the wrapping, with the file's name.
        """
        kind = ENDINGS.get(os.path.splitext(name)[1], "")
        with contextlib.ExitStack() as stack:
            stack.enter_context(named(name))
            outer = stack.enter_context(self.stream(name, budget))
            if not kind:
                yield outer, None
                return
            head = outer.peek()
            if not head:
                raise BrokenError("empty", cut=True)
            if layer_of(head) != kind:
                raise BrokenError(f"does not begin as {kind}")
            layer = stack.enter_context(unwrapped(kind, outer, self.host))
            yield layer.stream, layer
            layer.stream.drain()
            outer.drain()

    def text(self, name: str, limit_bytes: int = 1 << 16) -> str:
        """Return a small file's text; empty if there is none.

        Raises: HostError if it cannot be read, or has more than limit_bytes.
        """
        if not self.has(name):
            return ""
        return self.host.read(os.path.join(self.path, name), limit_bytes, follow_links=False)


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except BrokenError as exc:
        raise BrokenError(_once(name, str(exc)), cut=exc.cut) from exc
    except UnreadError as exc:
        raise UnreadError(_once(name, str(exc))) from exc


def _once(name: str, text: str) -> str:
    return text if text.startswith(shown(name)) else f"{shown(name)}: {text}"


def shown(name: str) -> str:
    """Return a name as far as a message shows it."""
    return name[:NAME_CHARACTERS]


def packed_name(name: str, names: set[str]) -> str:
    """Return under which name a file lies, bare or with a packer's ending; empty if under none."""
    return next((name + end for end in ("", *ENDINGS) if name + end in names), "")


def folder_written(path: str, host: Host, limit: int = ENTRY_LIMIT) -> tuple[int, float, int]:
    """Return the bytes of a folder's regular files, when the newest of them was written, and how many they are.

    What cannot be seen does not count: reading the folder will say so. Without any file it is the folder's own time.

    Raises: OutOfBudgetError if there are more than limit entries, or to walk over them takes too long; HostError.
    """
    total, newest, files = 0, 0.0, 0
    for _name, found in FolderFiles(path, host).walk(Budget(WALK_SECONDS, 0), limit, blind=True):
        if stat.S_ISREG(found.st_mode):
            total, newest, files = total + found.st_size, max(newest, found.st_mtime), files + 1
    return total, newest if files else host.stat(path, follow_links=False).st_mtime, files


def local_moment(text: str) -> float | None:
    """Return the time of `2026-11-27 14:20:31` in this host's zone; None if it is none."""
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def _reason(exc: HostError) -> str:
    """Return why, without the path before it."""
    text = str(exc)
    return text[len(exc.at) + 2 :] if exc.at and text.startswith(f"{exc.at}: ") else text


def within(folder: str, exc: HostError) -> str:
    """Return why something in a folder could not be seen, with its name in the folder."""
    name = os.path.relpath(exc.at, folder) if exc.at else "."
    return _reason(exc) if name == "." else f"{shown(name)}: {_reason(exc)}"
