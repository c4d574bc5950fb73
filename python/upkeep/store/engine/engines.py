"""How each of the two databases is opened, so that the rest need not know which it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from upkeep.model.errors import ConfigurationError, StoreError
from upkeep.store.engine.errors import ELSEWHERE

BUSY_SECONDS = 60
CONNECT_SECONDS = 10
# A server that is gone without a word is noticed within a minute.
KEEPALIVE = {
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
SCHEMA = "public"
"""Where our tables stand in PostgreSQL. Its default would look into a schema of the role's own name first."""
SEARCH_PATH = f"{SCHEMA}, pg_temp"  # temporary tables come first where they are not named
NO_SHARED_MEMORY = (sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)
SHAPE = "sqlite:////path/file.db or postgresql://<user>@host/name"  # a user without brackets would be masked


def connect(url: str) -> tuple[Engine, str]:
    """Return an engine that opens its database at first use, and the database's name for people.

    Raises: ConfigurationError if the URL names no database that we know, StoreError if the file cannot be made.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _connect_sqlite(parsed)
    return _connect_postgresql(parsed)


def parse(url: str) -> URL:
    """Return the URL of a database of a kind that we know.

    Raises: ConfigurationError for others.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError) as exc:
        # Without the URL itself: there may be a password in it.
        raise ConfigurationError(f"database: no database URL; expected {SHAPE}") from exc
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            message = "database: SQLite needs a file, for runs to be remembered"
            raise ConfigurationError(f"{message}; expected {SHAPE}")
        return parsed
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql")
    raise ConfigurationError(f"database: {backend[:40]!r} is not supported; expected {SHAPE}")


def is_missing(url: str) -> bool:
    """Return whether a database is a SQLite file that is not there yet."""
    parsed = parse(url)
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


def for_reading(db: Connection) -> Connection:
    """Return the connection, set to read only, as of one moment."""
    if db.dialect.name == "sqlite":
        return db.execution_options(upkeep_reads=True)
    return db.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _connect_sqlite(url: URL) -> tuple[Engine, str]:
    path = Path(url.database or "")
    make_private(path)
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, creator=lambda: _open_sqlite(path))
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine, str(path)


def _connect_postgresql(url: URL) -> tuple[Engine, str]:
    url = url.set(drivername="postgresql+psycopg")
    # Nothing else of the URL: a parameter may hold a password too.
    host = url.host or url.query.get("host") or "this machine"
    place = f"PostgreSQL database {url.database or url.username} on {host}"
    arguments = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8", **KEEPALIVE}
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=arguments)
    except ModuleNotFoundError as exc:
        message = f"{place}: the Python package {exc.name} is not installed"
        raise ConfigurationError(message, remedy="pip install 'upkeep[postgres]'") from exc
    # First of all: SQLAlchemy asks a new connection at once in which schema it is.
    event.listen(engine, "connect", _on_postgresql_connect, insert=True)
    event.listen(engine, "begin", _on_postgresql_begin)
    return engine, place


def make_private(path: Path) -> None:
    """Make the file and its folder, for this user alone, if they are not there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        message = f"{exc.filename or path}: {(exc.strerror or str(exc)).lower()}"
        raise StoreError(message, remedy=ELSEWHERE) from exc


def _open_sqlite(path: Path) -> sqlite3.Connection:
    """Return a connection on which we say BEGIN ourselves.

    The driver's own comes too late and deferred: two writers would then fail instead of waiting.
    """

    def opened(*first: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in first:
                db.execute(f"PRAGMA {pragma}")
            if db.execute("PRAGMA page_count").fetchone() == (0,):
                # For a new file only: so that space which retention frees can be given back.
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                db.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            db.close()
            raise
        return db

    try:
        return opened()
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode not in NO_SHARED_MEMORY:
            raise
        # No room even for the file by which processes share it. Alone we can do without, and history can be read.
        return opened("locking_mode=EXCLUSIVE")


def _on_sqlite_begin(db: Connection) -> None:
    reads = db.get_execution_options().get("upkeep_reads")
    db.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _on_postgresql_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(f"SET search_path = {SEARCH_PATH}")
    connection.commit()


def _on_postgresql_begin(db: Connection) -> None:
    # The path once more: a pooler may hand each transaction to another session of the server.
    db.exec_driver_sql(
        f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SET LOCAL search_path = {SEARCH_PATH}"
    )
