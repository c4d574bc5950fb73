# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an isolation writes down on its host: what was done, and what has become of it since.

/run has what is alive, for it can be written when a disk is full. A folder a time, of root alone: `state.json`, written
as a whole by the module; `events`, to which the module, the release and the watch append; the rules, and the programs
that outlive the module.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import (
    MISSING,
    Host,
    HostError,
)

RUN = "/run/upkeep/isolation"
KEPT = "/var/lib/upkeep/isolation"
BOOT = f"{KEPT}/boot"
LAST = f"{KEPT}/last.json"
CURRENT = f"{RUN}/current"
ID = re.compile(r"[0-9A-Za-z-]{1,40}")
STATE, EVENTS, RULES, OTHERS = "state.json", "events", "rules.nft", "others.before"
LIMIT_BYTES = 8_000_000
EVENTS_LIMIT = 1000
LOCK_SECONDS = 15.0

NONE, ARMED, LOADED, CONFIRMED, RELEASED = "none", "armed", "loaded", "confirmed", "released"


@dataclass(frozen=True)
class Event:
    """What happened. at: in seconds since 1970. kind: put_back, changed_again, releasing, released and others."""

    at: float
    kind: str
    words: str


def parse_events(text: str) -> List[Event]:
    """Return the events, oldest first; a line that is none, such as half a line, is left out."""
    found = []
    for line in text.splitlines()[-EVENTS_LIMIT:]:
        match = re.fullmatch(r"(\d{1,12}) ([a-z_]{1,30})(?: (.{0,300}))?", line)
        if match:
            found.append(Event(float(match.group(1)), match.group(2), match.group(3) or ""))
    return found


def last(events: List[Event], *kinds: str) -> Event | None:
    """Return the newest event of these kinds."""
    return next((one for one in reversed(events) if one.kind in kinds), None)


def phase_of(state: Dict[str, Any], events: List[Event]) -> str:
    """Return how an isolation stands, by what was written down last."""
    if not state:
        return NONE
    if last(events, "released"):
        return RELEASED
    return str(state.get("phase") or NONE)


class Case:
    """One isolation of this host, in its folder."""

    def __init__(self, id_: str, host: Host | None = None, run: str = RUN) -> None:
        if not ID.fullmatch(id_):
            raise IsolationError(
                f"id: found {id_[:80]!r}; expected letters, digits and dashes, at most 40"
            )
        self.id, self.folder, self.host = id_, os.path.join(run, id_), host or Host()

    def path(self, name: str) -> str:
        """Return the path of one of its files."""
        return os.path.join(self.folder, name)

    def make(self) -> None:
        """Make the folder.

        Raises: IsolationError if it is not ours alone.
        """
        make_private(self.folder)

    def state(self) -> Dict[str, Any]:
        """Return what was written; empty if nothing was, or if it is not understood."""
        try:
            found = json.loads(self.read(STATE))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def events(self) -> List[Event]:
        """Return what has happened."""
        return parse_events(self.read(EVENTS))

    def read(self, name: str) -> str:
        """Return a file's text; empty if it is not there.

        Raises: HostError if it cannot be read.
        """
        return read_if_there(self.host, self.path(name))

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


def read_if_there(host: Host, path: str) -> str:
    """Return a file's text; empty if it is not there.

    Raises: HostError if it cannot be read, such as by another account than root.
    """
    try:
        return host.read(path, LIMIT_BYTES, follow_links=False)
    except HostError as exc:
        if exc.why == MISSING:
            return ""
        raise


def current(host: Host | None = None) -> Case | None:
    """Return the newest isolation of this boot; None if there was none.

    Raises: HostError if that cannot be read, IsolationError if it is not understood.
    """
    host = host or Host()
    name = read_if_there(host, CURRENT).strip()
    return Case(name, host) if name else None


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
    number = os.open(os.path.join(run, "lock"), flags, 0o600)
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


def boot_id(host: Host | None = None) -> str:
    """Return what tells this boot of the kernel from others."""
    with contextlib.suppress(HostError):
        return (host or Host()).read("/proc/sys/kernel/random/boot_id", 100).strip()
    return ""


def uptime() -> float:
    """Return the seconds since the boot, also those of a suspended machine: no clock that somebody sets."""
    return float(Host().read("/proc/uptime", 100).split()[0])


def others_differ(before: str, after: str, limit: int = 60) -> Tuple[str, ...]:
    """Return the lines of other people's rules that came (`+`) and went (`-`), each with its table."""
    had, has = _lines(before), _lines(after)
    found = [f"- {one}" for one in had if one not in set(has)]
    found += [f"+ {one}" for one in has if one not in set(had)]
    more = len(found) - limit
    return tuple(found[:limit] + ([f"and {more} more"] if more > 0 else []))


def _lines(listed: str) -> List[str]:
    """Return each rule, set and chain of a listing in one line with its table and chain."""
    found: List[str] = []
    table = inner = ""
    for line in listed.splitlines():
        text = line.strip()
        if not text or text == "}":
            continue
        if not line.startswith("\t"):
            table, inner = text.rstrip(" {"), ""
            found.append(table)
        elif line.startswith("\t") and not line.startswith("\t\t"):
            inner = text.rstrip(" {")
            found.append(f"{table} {inner}")
        else:
            found.append(f"{table} {inner}: {text}")
    return found
