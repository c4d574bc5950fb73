"""The store: SQLite out of the box, PostgreSQL by a setting; one text for both. The only importer of sqlalchemy."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from upkeep.errors import ConfigurationError, StoreError

BUSY_SECONDS = 60
CONNECT_SECONDS = 10
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Store:
    """An open database. place: how to name it to people, without its password."""

    engine: Engine
    place: str

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end; raise StoreError in one line."""
        try:
            with self.engine.begin() as db:
                yield db
        except SQLAlchemyError as exc:
            raise _error(self.place, exc) from exc

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that does not wait for writers, nor they for it."""
        try:
            with self.engine.connect() as db:
                yield db.execution_options(upkeep_reads=True)
        except SQLAlchemyError as exc:
            raise _error(self.place, exc) from exc

    def close(self) -> None:
        """Close what is open; the store can be used again."""
        self.engine.dispose()


def open_store(url: str) -> Store:
    """Return the open database; a SQLite file is made and kept up to date by itself.

    Raises StoreError if it cannot be opened, is newer than this program, or is an older PostgreSQL database;
    ConfigurationError if the URL says nothing.
    """
    store = _connect(url)
    current, newest = _versions(store)
    if current == newest:
        return store
    if store.engine.dialect.name == "sqlite":
        _migrate(store, current, newest)
        return store
    _refuse_newer(store, current, newest)
    message = f"{store.place}: its version is {current or 'none'}; this program needs {newest}"
    raise StoreError(message, remedy="upkeep db upgrade")


def migrate(url: str) -> str:
    """Bring the database to this program's version, in one transaction; return that version."""
    store = _connect(url)
    try:
        current, newest = _versions(store)
        _migrate(store, current, newest)
    finally:
        store.close()
    return newest


def _migrate(store: Store, current: str | None, newest: str) -> None:
    import logging

    from alembic import command
    from alembic.config import Config

    _refuse_newer(store, current, newest)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with store.begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "head")


def _refuse_newer(store: Store, current: str | None, newest: str) -> None:
    if current is not None and current > newest:
        message = f"{store.place}: its version is {current}, newer than this program's {newest}"
        raise StoreError(message, remedy="install the newer Upkeep that wrote it")


def _connect(url: str) -> Store:
    """Return an engine that opens its database at first use."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        place = _place(parsed)
        if parsed.get_backend_name() == "sqlite":
            _make_private(parsed)
            engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
            event.listen(engine, "connect", _on_sqlite_connect)
            event.listen(engine, "begin", _on_sqlite_begin)
        else:
            engine = create_engine(
                parsed, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}
            )
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        shape = "sqlite:////path/file.db or postgresql://user@host/name"
        raise ConfigurationError(f"database: no database URL; expected {shape}") from exc
    except ModuleNotFoundError as exc:
        message = f"{place}: the Python package {exc.name} is not installed"
        raise ConfigurationError(message, remedy="pip install 'upkeep[postgres]'") from exc
    return Store(engine, place)


def _place(url: URL) -> str:
    """Return the database's name for people."""
    if url.get_backend_name() == "sqlite":
        return url.database or "a database in memory"
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def _make_private(url: URL) -> None:
    """Make the SQLite file's folder and the file, for this user alone."""
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        message = f"{path}: {(exc.strerror or str(exc)).lower()}"
        remedy = "set UPKEEP_STATE to a folder that can be written"
        raise StoreError(message, remedy=remedy) from exc


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and deferred: two writers would then fail instead of waiting.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_sqlite_begin(db: Connection) -> None:
    reads = db.get_execution_options().get("upkeep_reads")
    db.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _versions(store: Store) -> tuple[str | None, str]:
    """Return the database's version, None for an empty one, and this program's."""
    newest = max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    with store.begin() as db:
        if "alembic_version" not in _tables(db):
            return None, newest
        return db.execute(text("SELECT version_num FROM alembic_version")).scalar(), newest


def _tables(db: Connection) -> list[str]:
    from sqlalchemy import inspect

    return list(inspect(db).get_table_names())


def _error(place: str, exc: SQLAlchemyError) -> StoreError:
    """Return what went wrong in one line, with what to do."""
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    said = " ".join(str(cause).split())
    code = getattr(cause, "sqlite_errorcode", None)
    remedy = ""
    if (code is not None and code & 0xFF == sqlite3.SQLITE_FULL) or "No space left" in said:
        said, remedy = "disk full", "free space there; nothing that was written is lost"
    elif code is not None and code & 0xFF == sqlite3.SQLITE_BUSY:
        said = f"another process has held it for {BUSY_SECONDS} s"
        remedy = "end what holds it, then try again"
    elif code is not None and code & 0xFF == sqlite3.SQLITE_NOTADB:
        said, remedy = "not a database", "move the file away, or set UPKEEP_DATABASE"
    elif code is not None and code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        remedy = "set UPKEEP_STATE to a folder that can be written"
    return StoreError(f"{place}: {said[:300]}", remedy=remedy)
