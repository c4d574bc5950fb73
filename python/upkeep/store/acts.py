"""The audit log: who, by which way, what, on what, and whether it was let through. Rows are only added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from upkeep.model.stored_text import shown, told, written
from upkeep.store import tables

DONE, REFUSED, FAILED = "done", "refused", "failed"
WEB, CLI = "web", "cli"


@dataclass(frozen=True)
class Act:
    """Something that somebody did, or tried to.

    who: a user's name, empty if nobody is known. account: of the operating system, on the command line.
    what: in a few words, such as `acknowledge alert`; target: on what, such as its number.
    """

    at: datetime
    who: str
    what: str
    target: str = ""
    outcome: str = DONE
    detail: str = ""
    way: str = WEB
    account: str = ""
    address: str = ""
    id: int = 0


def record(db: Connection, act: Act) -> None:
    """Record an act, in the transaction that does it."""
    db.execute(
        insert(tables.act).values(
            at=act.at,
            who=shown(act.who, 100),
            account=shown(act.account, 100),
            way=act.way,
            address=shown(act.address, 64),
            what=shown(act.what, 100),
            target=told(act.target, 500),
            outcome=act.outcome,
            detail=" ".join(written(act.detail, 1_000).split("\n")),
        )
    )


def recent(db: Connection, count: int, before: int | None = None) -> list[Act]:
    """Return the newest acts, newest first; before: the number of one, for those that came earlier."""
    table = tables.act
    query = select(table).order_by(table.c.id.desc()).limit(count)
    if before is not None:
        query = query.where(table.c.id < before)
    return [Act(**row._mapping) for row in db.execute(query)]
