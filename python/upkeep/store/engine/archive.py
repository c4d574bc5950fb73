"""The rows of all tables as text: what a backup holds. Data only: nothing of it is ever a statement.

A file is JSON of a line each, packed by gzip. Of each table there is an object with its name, its columns and the last
number that it gave to a row, then an array for each row. Times are ISO 8601, bytes are base64.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)

from upkeep.model.errors import StoreError
from upkeep.store.tables import Moment

LEFT_OUT = frozenset({"session", "sign_in_attempt"})
"""Who is signed in is not kept: a session that has ended since must not begin again."""
ROWS = 500
"""At most this many are in memory at once; of tables with files in them, FILES."""
FILES = 8
BATCH_BYTES = 4_000_000
LINE_BYTES = 256_000_000
PACKED = 3
"""gzip's level: the next ones take twice the time for a few per cent."""


@dataclass
class Batch:
    """Some rows of a table, as statements take them. last: the last number given in the table, or 0."""

    table: Table
    last: int
    kinds: list[tuple[str, ColumnKind]]
    rows: list[dict[str, Any]] = field(default_factory=list)


class Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        data = self.file.read(len(buffer))
        self.hash.update(data)
        buffer[: len(data)] = data
        return len(data)


def kept(tables: Sequence[Table]) -> list[Table]:
    """Return the tables whose rows a backup has."""
    return [table for table in tables if table.name not in LEFT_OUT]


# --- out -------------------------------------------------------------------------------------------------------------
def write(db: Connection, tables: Sequence[Table], part: Path) -> dict[str, int]:
    """Write all rows as the connection sees them; return how many of each table."""
    counted = {}
    with part.open("wb") as file, gzip.GzipFile("", "wb", PACKED, file, mtime=0) as packed:
        for table in tables:
            names = [one.name for one in table.columns]
            header = {"table": table.name, "columns": names, "last": last_number(db, table)}
            packed.write(_line(header))
            counted[table.name] = 0
            for values in _rows(db, table):
                packed.write(_line(values))
                counted[table.name] += 1
    return counted


def _rows(db: Connection, table: Table) -> Iterator[list[Any]]:
    large = any(isinstance(one.type, LargeBinary) for one in table.columns)
    query = select(table).execution_options(yield_per=FILES if large else ROWS)
    packs = [_kind(one).pack for one in table.columns]
    try:
        for row in db.execute(query):
            pairs = zip(packs, row, strict=True)
            yield [None if value is None else pack(value) for pack, value in pairs]
    except ValueError as exc:
        raise StoreError(f"the table {table.name!r} cannot be kept: {exc!s:.200}") from exc


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


# --- and back --------------------------------------------------------------------------------------------------------
def read(file: Hashed, name: str, tables: Sequence[Table]) -> Iterator[Batch]:
    """Yield all rows of an archive, of each table at least one batch.

    Raises: StoreError for what is none of them.
    """
    wanted = iter(tables)
    batch: Batch | None = None
    size = 0
    for number, line in _lines(file, name):
        try:
            said = json.loads(line)
            if isinstance(said, dict):
                if batch:
                    yield batch
                batch, size = _begun(said, next(wanted, None)), 0
            else:
                _add(batch, said)
                size += len(line)
        except (ValueError, TypeError, RecursionError) as exc:
            raise StoreError(f"{name}: line {number}: {exc!s:.200}") from exc
        if batch and (len(batch.rows) >= ROWS or size >= BATCH_BYTES):
            yield batch
            batch, size = Batch(batch.table, batch.last, batch.kinds), 0
    if batch:
        yield batch
    missing = next(wanted, None)
    if missing is not None:
        raise StoreError(f"{name}: holds nothing of the table {missing.name!r}")


def load(db: Connection, file: Hashed, name: str, tables: Sequence[Table]) -> dict[str, int]:
    """Put an archive's rows into empty tables; return how many are there then."""
    last: dict[str, int] = {}
    for batch in read(file, name, tables):
        last[batch.table.name] = batch.last
        try:
            if batch.rows:
                db.execute(insert(batch.table), batch.rows)
        except (ValueError, OverflowError) as exc:  # what a driver has no word for
            raise StoreError(f"{name}: the table {batch.table.name!r}: {exc!s:.200}") from exc
    counts = {}
    for table in tables:
        continue_after(db, table, last[table.name])
        counts[table.name] = db.execute(select(func.count()).select_from(table)).scalar() or 0
    return counts


def _lines(file: Hashed, name: str) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.GzipFile("", "rb", fileobj=file) as unpacked:
            number = 0
            while line := unpacked.readline(LINE_BYTES + 1):
                number += 1
                if len(line) > LINE_BYTES:
                    raise StoreError(f"{name}: line {number}: longer than {LINE_BYTES} bytes")
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise StoreError(f"{name}: cannot be unpacked: {exc}") from exc


def _begun(said: dict[str, Any], table: Table | None) -> Batch:
    names = [one.name for one in table.columns] if table is not None else []
    if table is None or said.get("table") != table.name or said.get("columns") != names:
        expected = f"{table.name!r} with {names}" if table is not None else "no more tables"
        raise ValueError(f"found the table {said.get('table')!r}; expected {expected}")
    last = said.get("last")
    if type(last) is not int or last < 0:
        raise ValueError(f"the last number of {table.name!r}: found {last!r:.40}")
    return Batch(table, last, [(one.name, _kind(one)) for one in table.columns])


def _add(batch: Batch | None, said: Any) -> None:
    """Add a row to the table that has begun."""
    if batch is None:
        raise ValueError("a row of no table")
    if not isinstance(said, list) or len(said) != len(batch.kinds):
        count = len(batch.kinds)
        raise ValueError(f"found no row of {batch.table.name!r}, which has {count} values")
    row: dict[str, Any] = {}
    for (name, kind), value in zip(batch.kinds, said, strict=True):
        if value is None:
            row[name] = None
        elif type(value) in kind.json:
            row[name] = kind.unpack(value)
        else:
            raise ValueError(f"{batch.table.name}.{name}: found {value!r:.60}")
    batch.rows.append(row)


# --- values ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ColumnKind:
    """How values of a type are written. json: what they are in an archive."""

    json: tuple[type, ...]
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


def _checked(*types: type) -> Callable[[Any], Any]:
    """Return what lets values of these types pass: SQLite keeps any value in any column."""

    def check(value: Any) -> Any:
        if type(value) not in types:
            raise ValueError(f"found {value!r:.60}; expected {types[0].__name__}")
        return value

    return check


def _moment(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"found {value!r:.60}; expected a time with its zone")
    return found


def _bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


KINDS: dict[type, ColumnKind] = {
    BigInteger: ColumnKind((int,), _checked(int), int),
    Float: ColumnKind((float, int), _checked(float, int), float),
    Boolean: ColumnKind((bool,), _checked(bool), bool),
    Text: ColumnKind((str,), _checked(str), str),
    Moment: ColumnKind((str,), datetime.isoformat, _moment),
    LargeBinary: ColumnKind((str,), lambda value: base64.b64encode(value).decode("ascii"), _bytes),
}


def _kind(column: Column[Any]) -> ColumnKind:
    return KINDS[type(column.type)]


# --- the numbers of rows ---------------------------------------------------------------------------------------------
def last_number(db: Connection, table: Table) -> int:
    """Return the last number that the table gave to a row of its own; 0 if it gives none, or none that it remembers."""
    if db.dialect.name == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        return int(db.execute(query, {"name": table.name}).scalar() or 0)
    sequence = _sequence(db, table)
    if sequence is None:
        return 0
    found = db.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608
    return int(found.last_value) if found.is_called else 0


def continue_after(db: Connection, table: Table, last: int) -> None:
    """Set the table's next number to one that it has never given."""
    if db.dialect.name == "sqlite":
        counts = text(
            "SELECT count(*) FROM sqlite_master WHERE name = :name AND sql LIKE '%AUTOINCREMENT%'"
        )
        if not db.execute(counts, {"name": table.name}).scalar():
            return
        found = last_number(db, table)
        values = {"name": table.name, "seq": max(last, found)}
        db.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
        db.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), values)
        return
    sequence = _sequence(db, table)
    if sequence is None:
        return
    newest = db.execute(select(func.max(table.c.id))).scalar() or 0
    if max(last, newest):
        db.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :last)"),
            {"sequence": sequence, "last": max(last, newest)},
        )


def _sequence(db: Connection, table: Table) -> str | None:
    """Return the sequence behind a table's `id`, as a statement names it."""
    if "id" not in table.columns:
        return None
    query = text("SELECT pg_get_serial_sequence(:name, 'id')")
    found = db.execute(query, {"name": f"public.{table.name}"}).scalar()
    return str(found) if found else None
