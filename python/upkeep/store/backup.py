"""A copy of the store's database, and the way back.

A backup is one file and a manifest beside it, FILE.json: the database's kind and version, the rows of each table, and
the file's size and SHA-256. The file gets its name last, so a backup that has its name is whole. Restoring replaces
everything in one transaction of the database: whatever interrupts it, the old content is there, or the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL

from upkeep.errors import StoreError, UsageError
from upkeep.store import MIGRATIONS, engines, errors, migrate, postgresql_programs
from upkeep.store.engines import BUSY_SECONDS

BLOCK_BYTES = 1 << 20
VERSION_TABLE = "alembic_version"
MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Backup:
    """What a backup holds. tables: rows by name. schema: the database's version."""

    database: str
    schema: str
    made_at: str
    tables: dict[str, int]
    bytes: int
    sha256: str


def manifest_of(file: Path) -> Path:
    """Return where a backup's manifest stands."""
    return file.with_name(f"{file.name}.json")


# --- out -------------------------------------------------------------------------------------------------------------
def back_up(url: str, file: Path, now: datetime) -> Backup:
    """Write a backup that has been read back to its end; others may go on writing to the database.

    Raises UsageError if the file is there already, StoreError if database or folder do not allow it.
    """
    place = engines.parse(url)
    if file.exists():
        raise UsageError(
            f"{file}: is there already", remedy="name a new file, such as one with today's date"
        )
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    kind = place.get_backend_name()
    with _private(part), _told(file):
        if kind == "sqlite":
            tables, schema = _copy_out(Path(place.database or ""), part)
        else:
            tables, schema = postgresql_programs.dump(place, part)
        made = Backup(
            database=kind,
            schema=schema,
            made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            tables=dict(sorted(tables.items())),
            bytes=part.stat().st_size,
            sha256=_sha256(part),
        )
        _sync(part)
        _write_private(manifest_of(file), json.dumps(asdict(made), indent=2) + "\n")
        part.rename(file)
        _sync(file.parent)
    return made


def _copy_out(path: Path, part: Path) -> tuple[dict[str, int], str]:
    if not path.is_file():
        raise StoreError(f"{path}: there is no database", remedy="upkeep run makes it")
    with _sqlite(path) as source, _sqlite(part) as copy:
        _copy_pages(source, copy, path)
        # One file, and no other process will ever look for its log.
        copy.execute("PRAGMA journal_mode=DELETE")
        return _look_over(copy, part)


# --- and back --------------------------------------------------------------------------------------------------------
def restore(url: str, file: Path, *, replace: bool = False) -> Backup:
    """Put a backup's content into the database, and bring it to this program's version.

    Raises StoreError if the backup is not whole, is newer than this program or of the other kind of database;
    UsageError if there is something in the database and `replace` is not said.
    """
    place = engines.parse(url)
    made = read_manifest(file)
    _refuse_what_does_not_fit(place, file, made)
    if place.get_backend_name() == "sqlite":
        with _told(Path(place.database or "")):
            _restore_sqlite(Path(place.database or ""), file, made, replace=replace)
    else:
        rows = postgresql_programs.rows(place)
        _refuse_replacing(postgresql_programs.name(place), rows, replace=replace)
        postgresql_programs.load(place, file, made.tables)
    migrate(url)
    return made


def read_manifest(file: Path) -> Backup:
    """Return what the backup holds; raise StoreError if it is not what its manifest says."""
    path = manifest_of(file)
    try:
        size = file.stat().st_size
        with path.open("rb") as stream:
            said = json.loads(stream.read(MANIFEST_BYTES))
        made = Backup(**said)
        _refuse_odd(made)
    except OSError as exc:
        raise StoreError(f"{exc.filename}: {(exc.strerror or str(exc)).lower()}") from exc
    except (ValueError, TypeError) as exc:
        raise StoreError(f"{path}: not a manifest that `upkeep backup` wrote") from exc
    if size != made.bytes:
        raise StoreError(f"{file}: has {size} bytes; its manifest says {made.bytes}", remedy=OTHER)
    with _told(file):
        found = _sha256(file)
    if found != made.sha256:
        raise StoreError(f"{file}: its SHA-256 is not the one of its manifest", remedy=OTHER)
    return made


OTHER = "take another backup; nothing was changed"


def _refuse_odd(made: Backup) -> None:
    texts = (made.database, made.schema, made.made_at, made.sha256)
    counts = made.tables.values() if isinstance(made.tables, dict) else [None]
    if not all(isinstance(one, str) for one in texts) or not all(
        isinstance(one, int) for one in (*counts, made.bytes)
    ):
        raise TypeError("a field of another type")
    if not made.schema.isdecimal():
        raise ValueError("no version")


def _refuse_what_does_not_fit(place: URL, file: Path, made: Backup) -> None:
    kind = place.get_backend_name()
    if made.database != kind:
        message = f"{file}: is of a {made.database} database; this one is {kind}"
        raise StoreError(message, remedy="set UPKEEP_DATABASE to a database of its kind")
    newest = max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    if made.schema > newest:
        message = f"{file}: its version is {made.schema}, newer than this program's {newest}"
        raise StoreError(message, remedy="install the newer Upkeep that wrote it")


def _refuse_replacing(name: str, rows: Mapping[str, int], *, replace: bool) -> None:
    full = {table: count for table, count in rows.items() if count and table != VERSION_TABLE}
    if full and not replace:
        most = max(full, key=lambda table: full[table])
        message = f"{name}: is not empty: {full[most]} rows in {most!r}"
        raise UsageError(message, remedy="upkeep restore --replace, to lose what is in it now")


def _restore_sqlite(path: Path, file: Path, made: Backup, *, replace: bool) -> None:
    with _sqlite(file, "mode=ro&immutable=1") as source:
        if _look_over(source, file) != (made.tables, made.schema):
            raise StoreError(f"{file}: its rows are not those of its manifest", remedy=OTHER)
    try:
        rows = _rows_of(path) if path.exists() else {}
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        # Nothing can be read of it, so there is nothing to replace in a transaction.
        _refuse_replacing(str(path), {"a damaged file": path.stat().st_size}, replace=replace)
        _move_aside(path)
        rows = {}
    _refuse_replacing(str(path), rows, replace=replace)
    engines.make_private(path)
    aside = path.with_name(f"{path.name}.before-restore")
    with _sqlite(path) as target, contextlib.ExitStack() as stack:
        if rows:
            aside.unlink(missing_ok=True)
            _write_private(aside, "")
            with _sqlite(aside) as old:
                _copy_pages(target, old, path)
        source = stack.enter_context(_sqlite(file, "mode=ro&immutable=1"))
        target.execute("PRAGMA synchronous=FULL")
        _copy_pages(source, target, path)
        if _look_over(target, path) != (made.tables, made.schema):
            if rows:
                with _sqlite(aside) as old:
                    _copy_pages(old, target, path)
            raise StoreError(f"{path}: reads back other than it was written; the old one is back")
    aside.unlink(missing_ok=True)


def _move_aside(path: Path) -> None:
    """Give a damaged database and its logs other names, so that no log is taken for the new one's."""
    mark = f"damaged-{int(time.time())}"  # a name, not a time that anything is judged by
    for suffix in ("", "-wal", "-shm", "-journal"):
        one = path.with_name(path.name + suffix)
        if one.exists():
            one.rename(path.with_name(f"{path.name}.{mark}{suffix}"))


# --- SQLite ----------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _sqlite(path: Path, how: str = "mode=rw") -> Iterator[sqlite3.Connection]:
    """Yield a connection to a file that is there."""
    address = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(
        sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    ) as db:
        yield db


def _copy_pages(source: sqlite3.Connection, target: sqlite3.Connection, path: Path) -> None:
    """Copy the whole database in one step: one moment of the source, one transaction of the target."""
    source.backup(target, pages=-1, progress=_give_up_after(path, BUSY_SECONDS), sleep=0.25)


def _give_up_after(path: Path, seconds: float) -> Callable[[int, int, int], None]:
    """Return what is told of each step; the library would try for ever while another process holds the file."""
    ends = time.monotonic() + seconds

    def step(status: int, _left: int, _pages: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > ends:
            remedy = "stop what holds it (upkeep serve), then try again"
            raise StoreError(f"{path}: another process holds it", remedy=remedy)

    return step


def _look_over(db: sqlite3.Connection, path: Path) -> tuple[dict[str, int], str]:
    """Return rows by table and the version, once every page has been read and is in order."""
    said = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
    if said != ["ok"]:
        raise StoreError(f"{path}: damaged: {said[0]!s:.200}", remedy="take another backup")
    rows = _rows(db)
    if VERSION_TABLE not in rows:
        raise StoreError(f"{path}: not a database of Upkeep's")
    versions = db.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()  # noqa: S608 - ours
    return rows, str(versions[0][0]) if versions else ""


def _rows_of(path: Path) -> dict[str, int]:
    with _sqlite(path) as db:
        return _rows(db)


def _rows(db: sqlite3.Connection) -> dict[str, int]:
    found = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    names = {str(row[0]): str(row[0]).replace('"', '""') for row in found}
    return {
        name: int(db.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608
        for name, quoted in sorted(names.items())
    }


# --- files -----------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def _private(part: Path) -> Iterator[None]:
    """Make an empty file for this user alone, and remove it at the end."""
    try:
        _write_private(part, "")
        yield
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    """Write a file for this user alone, in one step if it is there already."""
    part = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path}: {(exc.strerror or str(exc)).lower()}") from exc


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what database and disk say into one line."""
    try:
        yield
    except sqlite3.Error as exc:
        said, remedy = errors.of_sqlite(exc)
        raise StoreError(f"{path}: {said or exc}", remedy=remedy) from exc
    except OSError as exc:
        raise StoreError(f"{exc.filename or path}: {(exc.strerror or str(exc)).lower()}") from exc
