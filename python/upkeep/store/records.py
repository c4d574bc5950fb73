"""The chain of signed records: appended one after the other, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, func, insert, select

from upkeep.rules import signatures
from upkeep.rules.signatures import Signed
from upkeep.store import tables

CHAIN_LOCK = 0x75706B65_7369  # any number that no other program uses will do
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class KeptRecord:
    """A record as it is kept. kind, about: where queries find it; verifying compares them with the record."""

    kind: str
    about: str
    signed: Signed


def hold(db: Connection) -> None:
    """Lock the chain until the transaction ends; others that append at the same time wait."""
    if db.dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        db.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))


def append(
    db: Connection, key: Ed25519PrivateKey, kind: str, about: str, record: Mapping[str, Any]
) -> Signed:
    """Sign a record and append it, in the transaction that does what it says."""
    hold(db)
    table = tables.signature
    body = {**record, "kind": kind, "about": about}
    made = signatures.append(key, last(db), body)
    db.execute(insert(table).values(kind=kind, about=about, **vars(made)))
    return made


def last(db: Connection) -> Signed | None:
    """Return the newest record, or None."""
    table = tables.signature
    row = db.execute(select(table).order_by(table.c.number.desc()).limit(1)).first()
    return _of_row(row).signed if row else None


def get(db: Connection, number: int) -> Signed | None:
    """Return the record of that number, or None."""
    table = tables.signature
    row = db.execute(select(table).where(table.c.number == number)).first()
    return _of_row(row).signed if row else None


def chain(db: Connection) -> Iterator[KeptRecord]:
    """Yield the whole chain in its order."""
    table = tables.signature
    query = select(table).order_by(table.c.number).execution_options(yield_per=ROWS_AT_ONCE)
    return (_of_row(row) for row in db.execute(query))


def of(db: Connection, kind: str, about: str = "") -> list[dict[str, Any]]:
    """Return the records of one thing, or of all of its kind, in the order of the chain."""
    table = tables.signature
    query = select(table.c.text).where(table.c.kind == kind).order_by(table.c.number)
    if about:
        query = query.where(table.c.about == about)
    return [json.loads(text) for text in db.execute(query).scalars()]


def hashes(db: Connection, kind: str, about: str) -> dict[int, str]:
    """Return the hash of each record of one thing, by its number: what the record after it names."""
    table = tables.signature
    query = select(table.c.number, table.c.text).where(table.c.kind == kind, table.c.about == about)
    return {row.number: signatures.digest(row.text) for row in db.execute(query)}


def _of_row(row: Row[Any]) -> KeptRecord:
    return KeptRecord(row.kind, row.about, Signed(row.number, row.text, row.signature, row.key))
