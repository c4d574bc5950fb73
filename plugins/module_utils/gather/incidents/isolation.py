# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host is isolated, since when, and whether its isolation still holds: its tables, timers and proofs."""

from __future__ import annotations

import json
from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.containment.errors import (
    IsolationError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.probes import (
    is_tight,
    prove,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.standing import (
    CHANGED_AGAIN,
    LOADED_AGAIN,
    NOT_PUT_BACK,
    PUT_BACK,
    standing,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.state import (
    LAST,
    NONE,
    RELEASED,
    Case,
    Event,
    boot_id,
    current,
    read_if_there,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.tables import (
    tables_there,
)
from ansible_collections.astral.upkeep.plugins.module_utils.containment.timers import (
    DeadMan,
    problem,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

ARGUMENTS: Dict[str, Dict[str, Any]] = {}
TIMEOUT_SECONDS = 60.0
PROVED_PORTS = 3
"""Ports that the site wants to be tried: each may take until its time is up."""


def gather(params: Dict[str, Any], host: Host) -> List[Observation]:
    """Return the observation `isolation`. What is forbidden is tried from the host, and nothing is changed."""
    try:
        case = current(host)
        stands = standing(host)
        data = (
            _none(host, stands)
            if stands["state"] in (NONE, RELEASED)
            else _isolated(host, case, stands)
        )
    except (HostError, IsolationError, ValueError) as exc:
        return [not_seen("isolation", exc)]
    return [Observation("isolation", data, raw=json.dumps(stands, indent=1))]


def _common(stands: Dict[str, Any]) -> Dict[str, Any]:
    names = ("state", "id", "by", "why", "since", "until", "released_at", "released_by", "reboot")
    return {
        name: stands[name] or None if name.endswith(("since", "until", "_at")) else stands[name]
        for name in names
    }


def _none(host: Host, stands: Dict[str, Any]) -> Dict[str, Any]:
    """Return what a host is that is not isolated: with what it should be, or what is left."""
    data = _common(stands)
    left = tables_there(host) if host.is_root() and host.which("nft") else []
    data["left"] = left
    if stands["state"] == NONE:
        said = read_if_there(host, LAST)
        before = {} if said is None else json.loads(said)
        if isinstance(before, dict) and before.get("boot_id") not in (None, boot_id(host)):
            data["before_boot"] = {
                "by": str(before.get("by") or ""),
                "reboot": str(before.get("reboot") or ""),
            }
    return data


def _isolated(host: Host, case: Case | None, stands: Dict[str, Any]) -> Dict[str, Any]:
    state = case.state() if case else {}
    events = _since_loaded(case.events() if case else [])
    kinds = [one.kind for one in events]
    is_booted = state.get("boot_id") != boot_id(host)
    men = [DeadMan(**one) for one in stands["dead_men"]]
    whole = [(str(address), int(port)) for address, port in state.get("targets") or []]
    ports = [one for one in whole if one[1]][:PROVED_PORTS]
    proofs = prove(host, [*ports, *(one for one in whole if not one[1])])
    return {
        **_common(stands),
        "tables": {one["family"]: one["state"] for one in stands["tables"]},
        "put_back": [one.words for one in events if one.kind == PUT_BACK],
        "changed_again": CHANGED_AGAIN in kinds or NOT_PUT_BACK in kinds,
        "watched": _is_watched(host, case),
        # Until somebody comes, the host has the timer of its boot.
        "timers": [why for why in (problem(host, one) for one in men) if why and not is_booted],
        "booted": is_booted,
        "ports": [int(one) for one in state.get("ports") or []],
        "tight": is_tight(proofs),
        "leaks": [f"{one['what']}: {one['found']}" for one in proofs if one["ok"] is False],
        "left": [],
    }


def _since_loaded(events: List[Event]) -> List[Event]:
    """Return what has happened since somebody has put the tables there last."""
    at = max([number for number, one in enumerate(events) if one.kind == LOADED_AGAIN], default=-1)
    return events[at + 1 :]


def _is_watched(host: Host, case: Case | None) -> bool:
    """Return whether the program still runs that watches the tables."""
    if case is None:
        return False
    try:
        pid = int(case.read("armed.watch"))
        return "watch.py" in host.read(f"/proc/{pid}/cmdline", 10_000)
    except (HostError, ValueError):
        return False
