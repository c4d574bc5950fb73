"""The store: SQLite out of the box, PostgreSQL by a setting; one text for both. The only importer of sqlalchemy."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection as Connection
from sqlalchemy import Engine, func, inspect, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from upkeep.model.errors import StoreError
from upkeep.store.engine import copies, engines, errors
from upkeep.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
MIGRATION_LOCK = 0x75706B65_6D69  # any number that no other program uses will do


@dataclass(frozen=True)
class Store:
    """An open database. place: how to name it to people, without its password."""

    engine: Engine
    place: str

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end.

        Raises: StoreError in one line.
        """
        try:
            with self.engine.begin() as db:
                yield db
        except SQLAlchemyError as exc:
            raise errors.readable(self.place, exc) from exc

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one moment, and does not wait for writers, nor they for it."""
        try:
            with self.engine.connect() as db:
                yield engines.for_reading(db)
        except SQLAlchemyError as exc:
            raise errors.readable(self.place, exc) from exc

    def close(self) -> None:
        """Close what is open; the store can be used again."""
        self.engine.dispose()


def open_store(url: str) -> Store:
    """Return the open database; a SQLite file is made and kept up to date by itself.

    Raises: StoreError if it cannot be opened, is newer than this program, is another program's, or is an older
    PostgreSQL database; ConfigurationError if the URL says nothing.
    """
    store = Store(*engines.connect(url))
    try:
        with store.read() as db:
            current, newest = versions(db, store.place)
    except StoreError:
        store.close()
        raise
    if current == newest:
        return store
    store.close()
    if store.engine.dialect.name == "sqlite":
        migrate(url)
        return store
    message = f"{store.place}: its version is {current or 'none'}; this program needs {newest}"
    raise StoreError(message, remedy="upkeep db upgrade")


def migrate(url: str, *, copied: bool = True) -> str:
    """Bring the database to this program's version, in one transaction; return that version.

    copied: keep a copy of a SQLite file as it was, beside it; of PostgreSQL `upkeep db upgrade` makes a backup.
    """
    store = Store(*engines.connect(url))
    with contextlib.closing(store):
        if copied and store.engine.dialect.name == "sqlite":
            with store.read() as db:
                current, newest = versions(db, store.place)
            if current and current != newest:
                copies.keep(Path(store.place), current)
    with contextlib.closing(store), store.begin() as db:
        alone(db)
        _current, newest = versions(db, store.place)
        upgrade(db)
    return newest


def alone(db: Connection) -> None:
    """Wait until nobody else changes the schema, and keep them waiting until the transaction ends."""
    if db.dialect.name == "postgresql":  # SQLite has one writer anyhow
        db.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))


def upgrade(db: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision, in the transaction of the connection."""
    import logging

    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config.attributes["connection"] = db
    command.upgrade(config, revision)


def rows_by_table(db: Connection) -> dict[str, int]:
    """Return how many rows each table has, whoever's it is."""
    names = inspect(db).get_table_names()
    return {
        one: db.execute(select(func.count()).select_from(table(one))).scalar() or 0 for one in names
    }


def revisions() -> list[str]:
    """Return the revisions that this program knows, the newest last."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def versions(db: Connection, place: str) -> tuple[str, str]:
    """Return the database's version, empty for an empty one, and this program's.

    Raises: StoreError if the database is of no use to this program.
    """
    newest = revisions()[-1]
    refuse_server(db, place)
    names = inspect(db).get_table_names()
    if not names:
        return "", newest
    current = ""
    if VERSION_TABLE in names:
        current = str(db.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    if len(current) != len(newest) or not current.isdecimal():
        message = f"{place}: holds another program's tables, such as {min(names)!r}"
        raise StoreError(message, remedy="give Upkeep a database of its own (UPKEEP_DATABASE)")
    if current > newest:
        message = f"{place}: its version is {current}, newer than this program's {newest}"
        raise StoreError(message, remedy="install the newer Upkeep that wrote it")
    return current, newest


def refuse_server(db: Connection, place: str) -> None:
    """Raise StoreError if a PostgreSQL database is none to keep anything in, whatever is in it."""
    if db.dialect.name == "postgresql":
        encoding = db.execute(text("SHOW server_encoding")).scalar()
        if encoding != "UTF8":
            name = db.execute(text("SELECT current_database()")).scalar()
            made = shlex.quote(f"{name}_utf8")
            remedy = f"createdb --template=template0 --encoding=UTF8 {made}  # then name it in the setting database"
            raise StoreError(f"{place}: its encoding is {encoding}; expected UTF8", remedy=remedy)
        _refuse_elsewhere(db, place)


def _refuse_elsewhere(db: Connection, place: str) -> None:
    """Raise StoreError if a table of ours, or a view of its name, stands in another schema of the PostgreSQL database.

    Whoever reads it by its bare name, as people and other programs do, would take the one for the other.
    """
    found = db.execute(
        ELSEWHERE, {"schema": engines.SCHEMA, "names": [VERSION_TABLE, *metadata.tables]}
    )
    for schema, name, owner in found:
        message = (
            f"{place}: {name!r} is in the schema {schema!r} (of {owner!r});"
            f" expected it in {engines.SCHEMA!r} only"
        )
        remedy = (
            f'if it is Upkeep\'s own: ALTER TABLE "{schema}"."{name}" SET SCHEMA {engines.SCHEMA};'
            " if not: give Upkeep a database of its own (UPKEEP_DATABASE)"
        )
        raise StoreError(message, remedy=remedy)


ELSEWHERE = text(
    "SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY(:names) AND n.nspname <> :schema"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND n.nspname !~ '^pg_(temp|toast)' ORDER BY 1, 2 LIMIT 1"
)
"""Other sessions' temporary tables are theirs alone."""
