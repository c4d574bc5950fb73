# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down what an isolation does."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from typing import Any, Dict, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    EVENTS,
    RUN,
    STATE,
    Case,
    current,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

LOCK_SECONDS = 15.0


class OwnCase(Case):
    """An isolation that is written down."""

    def make(self) -> None:
        """Make the folder.

        Raises: IsolationError if it is not ours alone.
        """
        make_private(self.folder)

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Write a file, as a whole or not at all.

        Raises: IsolationError.
        """
        write_whole(self.path(name), text, mode)

    def save(self, state: Dict[str, Any]) -> None:
        """Write the state.

        Raises: IsolationError.
        """
        self.write(STATE, json.dumps(state))

    def tell(self, kind: str, words: str = "") -> None:
        """Append an event.

        Raises: IsolationError.
        """
        line = f"{int(time.time())} {kind} {' '.join(words.split())[:300]}".rstrip()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            number = os.open(self.path(EVENTS), flags, 0o600)
            with os.fdopen(number, "w", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as exc:
            raise IsolationError(f"{self.path(EVENTS)}: {exc.strerror}") from exc


def own_current() -> OwnCase | None:
    """Return the newest isolation of this boot, to be written to; None if there was none.

    Raises: HostError if that cannot be read, IsolationError if it is not understood.
    """
    found = current()
    return OwnCase(found.id) if found else None


def make_current(case: Case) -> None:
    """Let it be the newest.

    Raises: IsolationError.
    """
    write_whole(os.path.join(os.path.dirname(case.folder), "current"), case.id + "\n")


def make_private(folder: str) -> None:
    """Make a folder of root alone.

    Raises: IsolationError if it cannot be, or if others may write there.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        info = os.lstat(folder)
        if info.st_uid != os.geteuid() or info.st_mode & 0o022 or os.path.islink(folder):
            raise IsolationError(
                f"{folder}: not a folder of root that others cannot write to; remove it"
            )
        os.chmod(folder, 0o700)
    except OSError as exc:
        raise IsolationError(f"{folder}: {exc.strerror}") from exc


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Write a file in one step.

    Raises: IsolationError.
    """
    part = ""
    try:
        number, part = tempfile.mkstemp(dir=os.path.dirname(path))
        with os.fdopen(number, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(number)
        os.chmod(part, mode)
        os.replace(part, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise IsolationError(f"{path}: {exc.strerror}") from exc


@contextlib.contextmanager
def alone(run: str = RUN) -> Iterator[None]:
    """Be the only one who isolates or releases this host.

    Raises: IsolationError if another one does so all the time.
    """
    make_private(run)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        number = os.open(os.path.join(run, "lock"), flags, 0o600)
    except OSError as exc:
        raise IsolationError(f"{run}/lock: {exc.strerror}") from exc
    try:
        ends = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as exc:
                if time.monotonic() > ends:
                    raise IsolationError(
                        f"{run}/lock: somebody else isolates or releases this host just now; look in a minute"
                    ) from exc
                time.sleep(0.1)
        yield
    finally:
        os.close(number)


def uptime() -> float:
    """Return the seconds since the boot, also those of a suspended machine: no clock that somebody sets."""
    return float(Host().read("/proc/uptime", 100).split()[0])
