# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read how the isolation of this host stands. Changes nothing."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    ARMED,
    LOADED,
    NONE,
    RELEASED,
    Case,
    Event,
    current,
    last,
    phase_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    tables,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

PUT_BACK, CHANGED_AGAIN, NOT_PUT_BACK = "put_back", "changed_again", "not_put_back"
LOADED_AGAIN = "loaded_again"
EVENTS_TOLD = 20


def iso(seconds: Any) -> str:
    """Return a time of the host; empty for none."""
    with contextlib.suppress(TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat()
    return ""


def standing(host: Host) -> Dict[str, Any]:
    """Return how the isolation of the host stands; `state` is `none` if it was not isolated since its boot.

    Raises: HostError if the tables cannot be listed.
    """
    case = current(host)
    state: Dict[str, Any] = case.state() if case else {}
    events: List[Event] = case.events() if case else []
    phase = phase_of(state, events)
    is_up = phase not in (NONE, RELEASED)
    return {
        "id": case.id if case and state else "",
        "state": phase,
        "since": iso(state.get("since")),
        "until": iso(state.get("until")) if is_up else "",
        "by": str(state.get("by") or ""),
        "why": str(state.get("why") or ""),
        "tables": tables(host, state) if is_up else [],
        "kept": list(state.get("kept") or []),
        "reboot": str(state.get("reboot") or ""),
        "dead_men": list(state.get("dead_men") or []) if is_up else [],
        "events": [
            {"at": iso(one.at), "kind": one.kind, "words": one.words}
            for one in events[-EVENTS_TOLD:]
        ],
        **_ended(events, phase),
    }


def _ended(events: List[Event], phase: str) -> Dict[str, str]:
    ended = last(events, "released") if phase == RELEASED else None
    return {
        "released_at": iso(ended.at) if ended else "",
        "released_by": ended.words if ended else "",
    }


def under_way(case: Case | None) -> str:
    """Return which isolation was begun and is not confirmed yet, in a sentence; empty if none is."""
    state = case.state() if case else {}
    if case is None or phase_of(state, case.events()) not in (ARMED, LOADED):
        return ""
    return (
        f"another isolation is under way, by {state.get('by')} since {iso(state.get('began'))}; it is not "
        f"confirmed yet, and ends by itself at {iso(state.get('unless_confirmed_at'))}"
    )
