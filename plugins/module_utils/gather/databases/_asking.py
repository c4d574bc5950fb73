# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How databases are asked side by side: what that may take of their servers, and of this host."""

from __future__ import annotations

import contextlib
import importlib
import time
from typing import Any, Callable, Dict, Mapping

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import (
    LONGEST_LOOK_SECONDS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.databases.registry import server
from ansible_collections.astral.upkeep.plugins.module_utils.host.children import (
    STARVED_SHARE,
    Answer,
    CallBounds,
    never,
    side_by_side,
)

AT_ONCE = 8
GRACE_SECONDS = 2.0


def ask_side_by_side(
    calls: Dict[str, Callable[[], Any]],
    databases: Mapping[str, Dict[str, Any]],
    seconds: float,
    ends: float,
    ends_lane: Callable[[Answer], bool] = never,
) -> Dict[str, Answer]:
    """Return the answer of each call, which has this many seconds to ask its database.

    One connection at a time is made to each server, so that the last one that it has is not ours; and few in all, for
    what waits for this host's own processors asks nothing. The start of a client, and the look at how fast that is,
    come on top of the seconds. ends: when all must be answered; what cannot be asked before says so.
    """
    if any(database["kind"] in ("postgresql", "pgbouncer") for database in databases.values()):
        with contextlib.suppress(ImportError):
            importlib.import_module("psycopg")  # once, not in the process of each call
    grace = GRACE_SECONDS + STARVED_SHARE * min(seconds, LONGEST_LOOK_SECONDS)
    bounds = CallBounds(
        at_once=AT_ONCE,
        grace_seconds=grace,
        total_seconds=max(1.0, ends - time.monotonic() - seconds - grace - GRACE_SECONDS),
        lanes={name: server(database) for name, database in databases.items()},
        ends_lane=ends_lane,
    )
    return side_by_side(calls, seconds, bounds)
