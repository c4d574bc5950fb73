# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: what is told of an isolation, from what was written down."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.containment.look import (
    Surroundings,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.standing import (
    iso,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    last,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.writing import (
    OwnCase,
)


def session_row(looked: Surroundings) -> List[Any]:
    """Return what tells the connection of this run from a later one."""
    return [looked.session.peer, looked.session.peer_port] if looked.session else []


def gateways_of(state: Dict[str, Any]) -> List[str]:
    """Return the gateways that the host had."""
    return [str(one) for one in state.get("gateways") or []]


def kept_results(state: Dict[str, Any]) -> Dict[str, Any]:
    """Return what was found when the host was isolated."""
    empty = {"sockets": 0, "left": [], "entries": None}
    return {
        "cut": state.get("cut") or empty,
        "snapshot": state.get("snapshot") or {},
        "proofs": state.get("proofs") or [],
        "obstacles": [],
    }


def kept_words(rows: List[Dict[str, Any]]) -> str:
    """Return what stays, in a line."""
    return ", ".join(f"{one.get('to')} {one.get('protocol')} {one.get('port')}" for one in rows)


def phase_words(case: OwnCase | None, state: Dict[str, Any], phase: str) -> str:
    """Return how it came that the host is not isolated."""
    ended = last(case.events(), "released") if case else None
    if ended is not None:
        return f"released since {iso(ended.at)} ({ended.words}); isolate it again"
    return f"not isolated{'' if not state else f' ({phase})'}"
