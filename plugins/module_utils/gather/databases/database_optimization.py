# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the job db_optimize ended for each database, and what it has left: what its record on the host says."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation

ARGUMENTS: dict[str, dict[str, Any]] = {
    "optimize_folder": {"type": "path", "default": "/var/lib/upkeep/optimize"},
}
LIMIT_BYTES = 4_000_000
MOST, MOST_RESTS = 1000, 50


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return one observation for each database that the job has worked on; none where it has never run.

    Raises: HostError if the record cannot be read, or if somebody else may write it.
    """
    path = os.path.join(params["optimize_folder"], "record.json")
    if not host.exists(path):
        return []
    info = host.stat(path, follow_links=False)
    if (
        not stat.S_ISREG(info.st_mode)
        or info.st_mode & 0o022
        or info.st_uid not in (0, os.geteuid())
    ):
        raise HostError(f"{path}: expected a file of root that nobody else may write")
    try:
        said = json.loads(host.read_bytes(path, LIMIT_BYTES, follow_links=False))
        return parse_record(said)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as exc:
        raise HostError(f"{path}: not what the job db_optimize writes") from exc


def parse_record(said: dict[str, Any]) -> list[Observation]:
    """Return what a record says of each database.

    Raises: ValueError, TypeError, AttributeError or KeyError if it is no record.
    """
    rests: dict[str, list[dict[str, Any]]] = {}
    for entry in said["reindexing"]:
        rests.setdefault(_text(entry["subject"]), []).append(_rest(entry))
    seen = []
    for name, last in list(said["last"].items())[:MOST]:
        data: dict[str, Any] = {
            key: _text(last[key]) for key in ("ended_at", "run", "outcome", "why")
        }
        data.update({key: int(last[key]) for key in ("done", "not_done")})
        data["rests"] = rests.pop(name, [])[:MOST_RESTS]
        seen.append(Observation(name, data))
    for name, left in rests.items():  # of a run that was killed before its end
        seen.append(Observation(name, {"outcome": "unknown", "rests": left[:MOST_RESTS]}))
    return seen


def _rest(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a REINDEX has left, or may have left if that was not looked at yet."""
    return {
        "index": _text(", ".join(entry.get("rests") or [])),
        "of": _text(f"{entry['schema']}.{entry['index']}"),
        "database": _text(entry["name"]),
        "port": int(entry["port"]),
        "run": _text(entry["run"]),
        "began_at": _text(entry["began_at"]),
        "why": _text(entry["why"]),
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value[:400]
