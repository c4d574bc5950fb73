# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd that have failed, or that systemd keeps starting again."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import (
    Observation,
    not_seen,
)

ARGUMENTS: dict[str, dict[str, Any]] = {}
TOOLS = ("systemctl",)
UNITS_LIMIT = 500
SHOWN_LIMIT = 50  # with their reasons
# Source: systemd.unit(5); systemctl(1), `systemctl --state=help`.
UNIT = re.compile(
    r"\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope|snapshot|busname)$"
)
ACTIVE = (
    "active",
    "reloading",
    "inactive",
    "failed",
    "activating",
    "deactivating",
    "maintenance",
    "refreshing",
)
PROPERTIES = "Id,ActiveState,SubState,Result,ExecMainStatus,NRestarts,StateChangeTimestamp"
# `auto-restart` is where a unit waits that dies again and again; it never counts as failed.
LIST = [
    "systemctl",
    "list-units",
    "--all",
    "--state=failed,auto-restart",
    "--plain",
    "--no-legend",
    "--no-pager",
    "--full",
]


def gather(params: dict[str, Any], host: Host) -> list[Observation]:
    """Return the observation `systemd`; nothing on a host that systemd did not start."""
    if not host.exists("/run/systemd/system"):
        return []
    try:
        listed = host.run(LIST)
    except HostError as exc:
        return [not_seen("systemd", exc)]
    if listed.status != 0:
        reason = (listed.err or listed.out).strip() or f"ended with {listed.status}"
        return [Observation("systemd", error=f"systemctl: {reason[:300]}")]
    units, unread = parse_units(listed.out)
    raw = listed.out
    if units:
        names = [unit["unit"] for unit in units[:SHOWN_LIMIT]]
        try:
            shown = host.run(
                ["systemctl", "show", "--no-pager", f"--property={PROPERTIES}", "--", *names]
            )
            raw += "\n" + shown.out
            details = parse_properties(shown.out)
            units = [{**unit, **details.get(unit["unit"], {})} for unit in units]
        except HostError:
            pass  # The list says what matters; the reasons only help.
    data = {"units": units[:UNITS_LIMIT], "count": len(units), "unread": unread[:UNITS_LIMIT]}
    return [Observation("systemd", data, raw=raw)]


def parse_units(text: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the listed units (name, states, description), and the lines that are of none.

    Old versions mark what failed with a dot in front, `--plain` or not. Source: systemctl(1), list-units.
    """
    units = []
    unread = []
    for line in text.split("\n"):  # a description may hold what else ends a line to Python
        fields = line.lstrip("\u25cf*\u00d7 ").split(None, 4)
        if not fields:
            continue
        if len(fields) < 4 or not UNIT.search(fields[0]) or fields[2] not in ACTIVE:
            unread.append(line[:80])
            continue
        units.append(
            {
                "unit": fields[0],
                "active": fields[2],
                "sub": fields[3],
                "description": fields[4].strip()[:200] if len(fields) > 4 else "",
            }
        )
    return units, unread


def parse_properties(text: str) -> dict[str, dict[str, Any]]:
    """Return result, exit status, restarts and the time of the last change, by unit. Source: systemctl(1), show."""
    found = {}
    for block in text.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        if "Id" in fields:
            found[fields["Id"]] = {
                "result": fields.get("Result", ""),
                "exit_status": _number(fields.get("ExecMainStatus", "")),
                "restarts": _number(fields.get("NRestarts", "")),
                "changed_at": _time(fields.get("StateChangeTimestamp", "")),
            }
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _time(text: str) -> str | None:
    """Return ISO 8601 for `Mon 2026-11-23 08:10:03 UTC`, which is what Host's TZ=UTC makes systemctl print."""
    try:
        parsed = datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return None
    return parsed.replace(tzinfo=timezone.utc).isoformat()
