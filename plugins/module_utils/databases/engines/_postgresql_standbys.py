# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which indexes are used by no server of those that share them: a primary, and the standbys that the site names."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    AccessRefusedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_client import (
    ask_all,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_indexes import (
    USED_THERE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.refusals import told
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

LEAST_SECONDS = 2.0
"""For a standby, however long its primary took."""


def without_used(
    unused: Mapping[str, Any], host: Host, database: Mapping[str, Any], ends: float
) -> Dict[str, Any]:
    """Return the unused indexes of a primary without those that a standby uses, whose names it keeps to itself.

    unused: as the primary has answered. ends: when the standbys should have answered.
    """
    rows: List[Dict[str, Any]] = [dict(one) for one in unused["indexes"]]
    roots = [one.pop("root") for one in rows]
    seconds, used = float(unused["seconds"]), set()
    unheard = []
    standbys = database.get("standbys") or []
    for standby in standbys:
        place = {**database, **{name: value for name, value in standby.items() if value}}
        address = f"{place.get('address') or 'localhost'}:{place.get('port') or 5432}"
        try:
            there = _asked(host, place, roots, max(LEAST_SECONDS, ends - time.monotonic()))
        except (AccessRefusedError, ValueError) as exc:
            unheard.append({"address": address, "why": str(exc)[:300]})
            continue
        used |= {int(one) for one in there["used"]}
        seconds = min(seconds, float(there["seconds"]))
    return {
        **unused,
        "seconds": seconds,
        "indexes": [one for one, root in zip(rows, roots) if root not in used],
        "used_there": len(used),
        "asked": len(standbys) - len(unheard),
        "unheard": unheard,
    }


def _asked(
    host: Host, place: Dict[str, Any], roots: Sequence[int], seconds: float
) -> Mapping[str, Any]:
    """Return what a standby answers.

    Raises: AccessRefusedError, or ValueError with why what it says is no use.
    """
    question = USED_THERE.replace("{roots}", "{" + ",".join(str(int(one)) for one in roots) + "}")
    try:
        reply = ask_all(host, place, {"used": question}, seconds).by_name["used"]
    except AccessRefusedError as exc:
        raise ValueError(told(str(exc), seconds).reason) from exc
    if reply.why or not isinstance(reply.value, dict):
        raise ValueError(reply.why or "no answer")
    if not reply.value["in_recovery"]:
        raise ValueError("it is no standby")
    if reply.value["missing"]:
        raise ValueError(
            "it does not have these indexes: it is behind, or a standby of another server"
        )
    return reply.value
