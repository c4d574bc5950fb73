"""Which hosts say that they are isolated, as they were seen last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from upkeep.model.answer import Isolated, Observed, Outcome
from upkeep.model.stored_text import name, shown
from upkeep.store import tables
from upkeep.store.engine.statements import batched, upsert


@dataclass(frozen=True)
class IsolationTold:
    """What a host has said of itself. isolated: None if it is not; at: when, by the controller's clock."""

    host: str
    isolated: Isolated | None
    at: datetime


def note(db: Connection, site: str, told: Iterable[IsolationTold]) -> None:
    """Keep how hosts are isolated, and forget those that are not any more."""
    told = list(told)
    rows = [
        {
            "site": name(site),
            "host": name(one.host, 255),
            "isolation": shown(one.isolated.id, 40),
            "since": one.isolated.since,
            "isolated_by": shown(one.isolated.by, 200),
            "seen_at": one.at,
        }
        for one in told
        if one.isolated
    ]
    upsert(db, tables.isolated_host, rows, ["site", "host"], newest=("seen_at",))
    known = now(db, site)
    table = tables.isolated_host
    for one in told:
        if not one.isolated and name(one.host, 255) in known:
            where = (table.c.site == name(site), table.c.host == name(one.host, 255))
            db.execute(delete(table).where(*where, table.c.seen_at < one.at))


def note_answers(db: Connection, site: str, answers: Iterable[Observed]) -> None:
    """Keep what the hosts that answered say."""
    seen = (one for one in answers if one.outcome is Outcome.OK and not one.seen_from)
    note(db, site, (IsolationTold(one.host, one.isolated, one.observed_at) for one in seen))


def now(db: Connection, site: str, hosts: Collection[str] | None = None) -> dict[str, Isolated]:
    """Return the isolated hosts of a site, of all for an empty one; hosts: of these only."""
    table = tables.isolated_host
    query = select(table).order_by(table.c.since, table.c.host)
    if site:
        query = query.where(table.c.site == name(site))
    pieces = (
        [query]
        if hosts is None
        else [query.where(table.c.host.in_(some)) for some in batched(sorted(hosts))]
    )
    return {
        row.host: Isolated(row.isolation, row.since, row.isolated_by)
        for piece in pieces
        for row in db.execute(piece)
    }
