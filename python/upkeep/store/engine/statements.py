"""Inserts that know conflicts, in either database's dialect; and lists in bits that a statement can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

BATCH = 500
EVIDENCE_LOCK = 0x75706B65_6570  # "upkeep"; any number that no other program uses will do
Values = dict[str, Any]
T = TypeVar("T")


def batched(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists that fit into the parameters of one statement."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def insert(db: Connection, table: Table) -> Any:
    """Return an insert that has on_conflict_do_nothing and on_conflict_do_update."""
    return _insert(db.dialect.name, table)


def insert_new(db: Connection, table: Table, rows: list[Values]) -> None:
    """Insert the rows that are not there yet."""
    if rows:
        db.execute(insert(db, table).on_conflict_do_nothing(), rows)


def upsert(
    db: Connection, table: Table, rows: list[Values], keys: list[str], newest: tuple[str, ...] = ()
) -> set[Any]:
    """Insert rows, or replace those with the same keys; return the first keys of those that now stand.

    newest: columns by which a row that is there is not replaced by an older one.
    """
    if not rows:
        return set()
    statement = _upsert(db.dialect.name, table, tuple(rows[0]), tuple(keys), newest)
    return set(db.execute(statement, rows).scalars())


@cache
def _upsert(
    dialect: str,
    table: Table,
    names: tuple[str, ...],
    keys: tuple[str, ...],
    newest: tuple[str, ...],
) -> Any:
    """Return the statement; to build it takes longer than to execute it, and there are a few only."""
    statement = _insert(dialect, table)
    values = {name: statement.excluded[name] for name in names if name not in keys}
    where = None
    if newest:
        there = tuple_(*[table.c[name] for name in newest])
        where = tuple_(*[statement.excluded[name] for name in newest]) >= there
    changed = statement.on_conflict_do_update(index_elements=list(keys), set_=values, where=where)
    return changed.returning(table.c[keys[-1]])


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def lock_evidence(db: Connection, *, shared: bool) -> None:
    """Keep those who refer to evidence that is there, and those who remove what none refers to, apart.

    SQLite has one writer at a time anyhow.
    """
    if db.dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        db.execute(select(lock(EVIDENCE_LOCK)))
