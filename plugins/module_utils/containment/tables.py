# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our tables, as they are on the host."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError

TABLE = "upkeep_isolation"

FAMILIES = ("inet", "bridge", "netdev")
AS_LOADED, GONE, CHANGED = "as loaded", "gone", "changed"
NFT_SECONDS = 20.0


def listed(host: Host, family: str) -> str | None:
    """Return one of our tables as nft lists it, without counters; None if it is not there.

    Raises: HostError if nft cannot be run.
    """
    ran = host.run(["nft", "--stateless", "list", "table", family, TABLE], NFT_SECONDS)
    return ran.out if ran.status == 0 else None


def tables_there(host: Host) -> List[str]:
    """Return the families that have a table of ours.

    Raises: HostError if nft does not say.
    """
    ran = host.run(["nft", "list", "tables"], NFT_SECONDS)
    if ran.status:
        raise HostError(f"nft list tables: {(ran.err or ran.out).strip()[:300]}")
    rows = [line.split() for line in ran.out.splitlines()]
    for one in rows:
        if len(one) != 3 or one[0] != "table":
            raise HostError(f"nft list tables: no table in line {' '.join(one)[:120]!r}")
    return [one[1] for one in rows if one[2] == TABLE and one[1] in FAMILIES]


def tables(host: Host, state: Dict[str, Any]) -> List[Dict[str, str]]:
    """Return each table that was loaded, and how it is now.

    Raises: HostError.
    """
    rows = []
    for family, text in (state.get("listed") or {}).items():
        now = listed(host, family)
        how = GONE if now is None else AS_LOADED if now == text else CHANGED
        rows.append({"family": family, "state": how})
    return rows
