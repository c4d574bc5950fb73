"""What a database says when it cannot, in one line and with what to do."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from upkeep.model.errors import StoreError

ELSEWHERE = "set UPKEEP_STATE to a folder that can be written"
SPACE = "free space there; nothing that was written is lost"
LAYOUT = "its tables are not those of its revision: restore it from a backup, or move it away"
# By SQLite's primary result code.
SQLITE = {
    sqlite3.SQLITE_FULL: ("disk full", SPACE),
    sqlite3.SQLITE_BUSY: ("another process holds it", "end what holds it, then try again"),
    sqlite3.SQLITE_NOTADB: ("not a database", "move the file away, or set UPKEEP_DATABASE"),
    sqlite3.SQLITE_CORRUPT: ("damaged", "restore it from a backup, or move the file away"),
    sqlite3.SQLITE_READONLY: ("cannot be written", ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", ELSEWHERE),
}
# By PostgreSQL's SQLSTATE.
POSTGRESQL = {
    "53100": ("disk full", SPACE),
    "55P03": ("another session holds it", "end what holds it, then try again"),
    "42703": ("", LAYOUT),  # undefined column
    "42P01": ("", LAYOUT),  # undefined table
    "3F000": ("", "CREATE SCHEMA public, where Upkeep's tables stand"),
    "42501": ("", "let the user own the database: ALTER DATABASE … OWNER TO …"),
    "25006": ("", "name the primary server in UPKEEP_DATABASE, not a standby"),
}
_NUMBER = re.compile(r"\[Errno -?\d+\] ")
"""What Python puts before the system's words."""
UNREACHABLE = (
    "check that the server runs, and that UPKEEP_DATABASE names it, the database and the user"
)


def readable(place: str, exc: SQLAlchemyError) -> StoreError:
    """Return the error that a person is shown."""
    cause: BaseException = exc
    if isinstance(exc, DBAPIError) and exc.orig is not None:
        cause = exc.orig
    said, remedy = _NUMBER.sub("", " ".join(str(cause).split())), ""
    if isinstance(cause, sqlite3.Error):
        known = of_sqlite(cause)
    else:
        state = getattr(cause, "sqlstate", None)
        away = isinstance(exc, DBAPIError) and (state is None or exc.connection_invalidated)
        known = POSTGRESQL.get(state or "", ("", UNREACHABLE if away else ""))
    said, remedy = known[0] or said, known[1]
    return StoreError(f"{place}: {said[:300]}", remedy=remedy)


def of_sqlite(cause: sqlite3.Error) -> tuple[str, str]:
    """Return what an error of SQLite means, and what to do; two empty texts if nothing is known."""
    code = getattr(cause, "sqlite_errorcode", 0)
    # Shared memory that does not fit on the disk is an I/O error to SQLite.
    if code in (sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE):
        return SQLITE[sqlite3.SQLITE_FULL]
    # SQLite has one code for all that is wrong with a statement.
    if code == sqlite3.SQLITE_ERROR and str(cause).startswith(("no such column", "no such table")):
        return "", LAYOUT
    return SQLITE.get(code & 0xFF, ("", ""))
