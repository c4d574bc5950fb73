"""The tables of a revision as our own migrations make them, and whether a database has these and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    text,
)
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeEngine

from upkeep.store import MIGRATIONS, VERSION_TABLE, revisions, upgrade
from upkeep.store.engine.engines import SCHEMA
from upkeep.store.tables import Moment, metadata

GUARDS = MIGRATIONS / "postgresql_guards.txt"
"""What the migrations make in PostgreSQL beside tables; a test compares it with a server."""


@dataclass(frozen=True)
class SchemaLayout:
    """A revision as SQLite has it. tables: each after those that it refers to. objects: what it says of itself."""

    tables: tuple[Table, ...]
    objects: Mapping[str, str]


@functools.cache
def layout_of(revision: str) -> SchemaLayout:
    """Return what our migrations make; the columns have types for both databases."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as db:
            upgrade(db, revision)
            found = MetaData()
            found.reflect(db)
            objects = _sqlite_objects(db)
    finally:
        engine.dispose()
    tables = [
        Table(table.name, MetaData(), *(Column(one.name, _type(one.type)) for one in table.columns))
        for table in found.sorted_tables
        if table.name != VERSION_TABLE
    ]
    return SchemaLayout(tuple(tables), objects)


def differences(db: Connection, revision: str) -> list[str]:
    """Return what is there and not ours, and what is ours and not there.

    Of PostgreSQL only the newest revision is known.
    """
    if db.dialect.name == "sqlite":
        return _compared(layout_of(revision).objects, _sqlite_objects(db))
    if revision != revisions()[-1]:
        return []
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(db, opts={"compare_type": True})
    found = [f"the tables differ: {one!r:.200}" for one in compare_metadata(context, metadata)]
    guards = GUARDS.read_text(encoding="utf-8").splitlines()
    return found + _compared(dict.fromkeys(guards, ""), dict.fromkeys(postgresql_guards(db), ""))


def postgresql_guards(db: Connection) -> list[str]:
    """Return a line for each thing in our schema that is no table, column, index or key of one."""
    return sorted(db.execute(POSTGRESQL_OBJECTS, {"schema": SCHEMA}).scalars())


def _type(found: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type for both databases of what SQLite says of a column."""
    known: list[tuple[type[TypeEngine[Any]], TypeEngine[Any]]] = [
        (Boolean, Boolean()),
        (Integer, BigInteger()),
        (Float, Float()),
        (DateTime, Moment()),
        (LargeBinary, LargeBinary()),
    ]
    # Texts without their length: a server cuts off what it is told to take for a shorter one.
    return next((ours for kind, ours in known if isinstance(found, kind)), Text())


def _sqlite_objects(db: Connection) -> dict[str, str]:
    # What SQLite makes for itself is no trigger and no view.
    rows = db.exec_driver_sql(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
        " WHERE type NOT IN ('table', 'index') OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {f"{kind} {name} of {table}": str(sql) for kind, name, table, sql in rows}


def _compared(ours: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        *(f"not ours: {one:.300}" for one in sorted(found.keys() - ours.keys())),
        *(f"missing: {one:.300}" for one in sorted(ours.keys() - found.keys())),
        *(
            f"different from ours: {one:.300}"
            for one in sorted(ours.keys() & found.keys())
            if ours[one] != found[one]
        ),
    ]


POSTGRESQL_OBJECTS = text("""
WITH ours AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema),
  extended AS (SELECT objid FROM pg_catalog.pg_depend WHERE deptype = 'e')
SELECT pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal AND c.relnamespace IN (TABLE ours)
UNION ALL SELECT 'function ' || p.oid::regprocedure || ' ' || p.prokind::text || ' ' || l.lanname
    || CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END
    || coalesce(' ' || p.proconfig::text, '')
    || ' ' || pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex')
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE p.pronamespace IN (TABLE ours) AND p.oid NOT IN (TABLE extended)
UNION ALL SELECT 'default ' || c.relname || '.' || a.attname || ' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  WHERE c.relnamespace IN (TABLE ours) AND pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    <> 'nextval(''' || c.relname || '_' || a.attname || '_seq''::regclass)'
UNION ALL SELECT 'relation ' || c.relname || ' ' || c.relkind::text
    || CASE WHEN c.relrowsecurity THEN ' row security' ELSE '' END
    || CASE WHEN c.relhasrules THEN ' rules' ELSE '' END
  FROM pg_catalog.pg_class c
  WHERE c.relnamespace IN (TABLE ours) AND c.oid NOT IN (TABLE extended)
    AND (c.relkind NOT IN ('r', 'i', 't', 'S') OR c.relrowsecurity OR c.relhasrules OR c.relkind = 'S'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i')))
UNION ALL SELECT 'constraint ' || n.conname || ' ' || pg_catalog.pg_get_constraintdef(n.oid)
  FROM pg_catalog.pg_constraint n
  WHERE n.connamespace IN (TABLE ours) AND n.contype NOT IN ('p', 'u', 'f', 'n')
UNION ALL SELECT 'type ' || t.typname || ' ' || t.typtype::text
  FROM pg_catalog.pg_type t
  WHERE t.typnamespace IN (TABLE ours) AND t.typtype IN ('d', 'e', 'r') AND t.oid NOT IN (TABLE extended)
UNION ALL SELECT 'operator ' || o.oid::regoperator
  FROM pg_catalog.pg_operator o
  WHERE o.oprnamespace IN (TABLE ours) AND o.oid NOT IN (TABLE extended)
""")
"""Triggers and whether they are on; functions and the hash of their text; defaults; views, loose sequences; checks.

Plain tables with their columns, indexes and keys are compared by themselves.
"""
