"""Leases: never two runs that change the same host, whoever begins them. Held as long as the run has no end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from upkeep.model.stored_text import name
from upkeep.store import tables
from upkeep.store.engine.statements import insert
from upkeep.store.runs import RUNNING


def take(
    db: Connection, site: str, hosts: Sequence[str], run_id: int, now: datetime
) -> dict[str, int]:
    """Take all of the hosts for a run, or none; return the hosts that others hold, with their runs.

    A run that has ended holds nothing any more, however it ended.
    """
    table, run = tables.lease, tables.run
    ended = select(run.c.id).where(run.c.status != RUNNING)
    db.execute(delete(table).where(table.c.site == name(site), table.c.run_id.in_(ended)))
    rows = [
        {"site": name(site), "host": name(host, 255), "run_id": run_id, "taken_at": now}
        for host in sorted(set(hosts))  # in one order, so that no two wait for each other
    ]
    if not rows:
        return {}
    with db.begin_nested() as part:
        db.execute(insert(db, table).on_conflict_do_nothing(), rows)
        where = (table.c.site == name(site), table.c.host.in_([row["host"] for row in rows]))
        holders = {row.host: int(row.run_id) for row in db.execute(select(table).where(*where))}
        others = {host: holder for host, holder in holders.items() if holder != run_id}
        if others:
            part.rollback()
    return others


def release(db: Connection, run_id: int) -> None:
    """Give back what a run holds."""
    db.execute(delete(tables.lease).where(tables.lease.c.run_id == run_id))
