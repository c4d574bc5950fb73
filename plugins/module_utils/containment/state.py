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
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List

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
SHAPES: Dict[str, Any] = {
    "kept": list, "families": list, "listed": dict, "dead_men": list, "proofs": list, "gateways": list, "targets": list,
}  # fmt: skip
"""Of parts of the state, where they are there."""
LIMIT_BYTES = 8_000_000
EVENTS_LIMIT = 1000

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

    def state(self) -> Dict[str, Any]:
        """Return what was written; empty if nothing was, or if it is not understood."""
        try:
            found = json.loads(self.read(STATE))
        except (ValueError, RecursionError):
            return {}
        is_ours = isinstance(found, dict) and all(
            isinstance(found.get(name, shape()), shape) for name, shape in SHAPES.items()
        )
        return (
            found
            if is_ours and all(isinstance(one, dict) for one in found.get("dead_men", []))
            else {}
        )

    def events(self) -> List[Event]:
        """Return what has happened."""
        return parse_events(self.read(EVENTS))

    def read(self, name: str) -> str:
        """Return a file's text; empty if it is not there.

        Raises: HostError if it cannot be read.
        """
        return read_if_there(self.host, self.path(name)) or ""


def read_if_there(host: Host, path: str) -> str | None:
    """Return a file's text; None if it is not there.

    Raises: HostError if it cannot be read, such as by another account than root.
    """
    try:
        return host.read(path, LIMIT_BYTES, follow_links=False)
    except HostError as exc:
        if exc.why == MISSING:
            return None
        raise


def current(host: Host | None = None) -> Case | None:
    """Return the newest isolation of this boot; None if there was none.

    If what names it is lost, or names nothing, it is the one of those that are there that has begun last.

    Raises: HostError if that cannot be read, IsolationError if it is not understood.
    """
    host = host or Host()
    said = read_if_there(host, CURRENT)
    name = "" if said is None else said.strip()
    if ID.fullmatch(name) and (Case(name, host).state() or Case(name, host).events()):
        return Case(name, host)
    ids = [path.split("/")[-2] for path in host.glob(f"{RUN}/*/{STATE}")]
    known = [Case(one, host) for one in ids if ID.fullmatch(one)]
    newest = max((one for one in known if one.state()), key=_began, default=None)
    if newest is None and said is not None:
        return Case(name, host)
    return newest


def _began(case: Case) -> float:
    began = case.state().get("began")
    return float(began) if isinstance(began, (int, float)) else 0.0


def isolated(host: Host) -> Dict[str, Any]:
    """Return the `id` of the isolation that stands now, `since` when, in seconds since 1970, and `by` whom.

    Empty if the host is not isolated, or if that cannot be read, such as by another account than root.
    """
    with contextlib.suppress(HostError, IsolationError, TypeError, ValueError):
        case = current(host)
        state = case.state() if case else {}
        if case and phase_of(state, case.events()) in (LOADED, CONFIRMED):
            since = int(state.get("since") or state.get("began") or 0)
            return {"id": case.id, "since": since, "by": str(state.get("by") or "")}
    return {}


def boot_id(host: Host | None = None) -> str:
    """Return what tells this boot of the kernel from others."""
    with contextlib.suppress(HostError):
        return (host or Host()).read("/proc/sys/kernel/random/boot_id", 100).strip()
    return ""
