# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of Redis does now, from INFO. Source: redis.io, commands/info."""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

Fields = Mapping[str, str]


def persistence(fields: Fields, points: Optional[str]) -> Dict[str, Any]:
    """Return what is kept on disk, and how the last writing ended. points: the setting `save`; None if not read.

    Raises: KeyError, ValueError if it is not told.
    """
    return {
        "keys": _keys(fields, "keys"),
        "save_points": None if points is None else points[:200],
        "last_save": fields["rdb_last_bgsave_status"],
        "unsaved_changes": int(fields["rdb_changes_since_last_save"]),
        "saved_seconds": max(0.0, time.time() - int(fields["rdb_last_save_time"])),
        "append_only": fields["aof_enabled"] == "1",
        "last_append": fields.get("aof_last_write_status", ""),
        "last_rewrite": fields.get("aof_last_bgrewrite_status", ""),
    }


def memory(fields: Fields, _points: Optional[str]) -> Dict[str, Any]:
    """Return how much memory is used, of how much, and what becomes of keys when it is full.

    Raises: KeyError, ValueError if it is not told.
    """
    return {
        "used_bytes": int(fields["used_memory"]),
        "limit_bytes": int(fields["maxmemory"]),
        "system_bytes": int(fields.get("total_system_memory") or 0),
        "policy": fields["maxmemory_policy"],
        "keys": _keys(fields, "keys"),
        "expiring_keys": _keys(fields, "expires"),
        "evicted": int(fields.get("evicted_keys") or 0),
    }


def replication(fields: Fields, _points: Optional[str]) -> List[Dict[str, Any]]:
    """Return the link to the primary, and those of replicas.

    Raises: KeyError, ValueError if it is not told.
    """
    links: List[Dict[str, Any]] = []
    if fields["role"] in ("slave", "replica"):
        links.append(
            {
                "name": f"{fields['master_host']}:{fields['master_port']}",
                "state": "streaming" if fields["master_link_status"] == "up" else "gone",
                "receiving": True,
            }
        )
    offset = int(fields["master_repl_offset"])
    for name in sorted(fields):
        if re.match(r"slave\d+$", name) and len(links) < 50:
            said = dict(part.split("=", 1) for part in fields[name].split(",") if "=" in part)
            links.append(
                {
                    "name": f"{said['ip']}:{said['port']}",
                    "state": "streaming" if said["state"] == "online" else "catchup",
                    "lag_bytes": max(0, offset - int(said["offset"])),
                    "lag_seconds": float(max(0, int(said["lag"]))),
                }
            )
    return links


def _keys(fields: Fields, which: str) -> int:
    """Return how many keys all databases have, or how many of them end by themselves."""
    found = (
        re.search(rf"\b{which}=(\d+)", fields[name]) for name in fields if re.match(r"db\d+$", name)
    )
    return sum(int(one.group(1)) for one in found if one)


TOPICS: Dict[str, Callable[[Fields, Optional[str]], Any]] = {
    "persistence": persistence,
    "memory": memory,
    "replication": replication,
}
