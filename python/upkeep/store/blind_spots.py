"""The rows of checks that can read nothing on a host, and which checks one cause blinds there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select

from upkeep.judging.check import load
from upkeep.model.stored_text import name
from upkeep.rules.blindness import Spot, by_cause
from upkeep.store import tables
from upkeep.store.engine.statements import batched


def gathers() -> Mapping[str, str]:
    """Return the gather of each check."""
    return {one: check.gather for one, check in load().items()}


def of_hosts(
    db: Connection, site: str, hosts: Collection[str], *, lock: bool = False
) -> dict[str, dict[str, Spot]]:
    """Return the checks that read nothing on some hosts, by host and check; lock: nobody else moves them meanwhile."""
    table = tables.blind_spot
    found: dict[str, dict[str, Spot]] = {}
    for some in batched(sorted(hosts)):
        query = select(table).where(table.c.site == site, table.c.host.in_(some))
        for row in db.execute(query.with_for_update() if lock else query):
            found.setdefault(row.host, {})[row.check_id] = of_row(row)
    return found


def blinded(
    db: Connection, site: str, hosts: Collection[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the checks that each cause blinds on some hosts, by host and the subject of the finding of it."""
    return {
        (host, name(subject)): tuple(sorted(spot.check for spot in alike))
        for host, spots in of_hosts(db, site, hosts).items()
        for subject, alike in by_cause(spots.values(), gathers()).items()
    }


def of_row(row: Any) -> Spot:
    """Return the check that a row of the table tells of."""
    return Spot(row.host, row.check_id, row.subject, row.why, row.since, row.looks, row.from_first)
