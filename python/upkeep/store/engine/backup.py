"""A copy of what the store holds, and the way back.

A backup is an archive of data (archive.py) and a manifest beside it, FILE.json: the revision, the rows of each table,
the file's size and SHA-256, and the signature of the installation that wrote it over all of that. Restoring makes the
tables by our own migrations, puts the data into them and compares the result with what ours are; nothing that stands in
the file is ever a statement. It replaces everything in one transaction.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import URL, Connection, Table

from upkeep.model.errors import StoreError, UsageError
from upkeep.rules import signatures
from upkeep.store import (
    VERSION_TABLE,
    Store,
    acts,
    alone,
    refuse_server,
    revisions,
    rows_by_table,
    upgrade,
    versions,
)
from upkeep.store.engine import archive, engines, errors, layout, postgresql, went_back
from upkeep.store.engine.engines import BUSY_SECONDS

FORMAT = 2
MANIFEST_BYTES = 1 << 20
OF_BEFORE = frozenset({"database", "schema", "made_at", "tables", "bytes", "sha256"})
"""What a manifest had that no key has signed."""
OTHER = "take another backup; nothing was changed"
CONVERT = (
    "restore it with the Upkeep that wrote it, then make a new backup: docs/install-service.md,"
    " 'Backups of an older Upkeep'"
)


@dataclass(frozen=True)
class Backup:
    """What a backup holds. database: of which kind it came; schema: its revision; tables: rows by name.

    key: the public key of who signed it, as OpenSSH writes it.
    """

    format: int
    database: str
    schema: str
    made_at: str
    tables: dict[str, int]
    bytes: int
    sha256: str
    key: str

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its key."""
        return signatures.fingerprint(self.key)


@dataclass(frozen=True)
class KeyTrust:
    """Whose backups are restored: those of these public keys, and of the key with this fingerprint, if there is one."""

    keys: Collection[str]
    fingerprint: str = ""

    def __contains__(self, made: Backup) -> bool:
        return made.key in self.keys or made.fingerprint == self.fingerprint


@dataclass(frozen=True)
class Restored:
    """What was restored. back: what went back with it, a line each; None if what was there before could not be read."""

    made: Backup
    back: list[str] | None


def manifest_of(file: Path) -> Path:
    """Return where a backup's manifest stands."""
    return file.with_name(f"{file.name}.json")


# --- out -------------------------------------------------------------------------------------------------------------
def back_up(
    url: str, file: Path, now: datetime, key: Ed25519PrivateKey
) -> tuple[Backup, list[str]]:
    """Write a backup that has been read back to its end; others may go on writing to the database.

    Return it with what is odd about the database's own tables and triggers.
    Raises: UsageError if the file is there
    already, StoreError if database or folder do not allow it.
    """
    place = engines.parse(url)
    if file.exists():
        raise UsageError(
            f"{file}: exists already", remedy="name a new file, such as one with today's date"
        )
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        raise StoreError(
            f"{place.database}: there is no database",
            remedy="upkeep schedule list  # see what can be run; the first run makes it",
        )
    if not file.parent.is_dir():
        folder = file.parent.absolute()
        raise UsageError(f"{folder}: no such folder", remedy=f"mkdir -p {shlex.quote(str(folder))}")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    store = Store(*engines.connect(url))
    with _private(part), _told(file), contextlib.closing(store):
        with store.read() as db:
            current, _newest = versions(db, store.place)
            if not current:
                raise StoreError(f"{store.place}: is empty or not a database of Upkeep's")
            odd = layout.differences(db, current)
            tables = archive.kept(layout.layout_of(current).tables)
            counted = archive.write(db, tables, part)
        with part.open("rb") as written:
            hashed = archive.Hashed(written)
            if _counted(hashed, part, tables) != counted:
                raise StoreError(f"{part}: reads back differently than it was written")
        made = Backup(
            format=FORMAT,
            database=place.get_backend_name(),
            schema=current,
            made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
            tables=counted,
            bytes=part.stat().st_size,
            sha256=hashed.hash.hexdigest(),
            key=signatures.public_text(key),
        )
        _sync(part)
        _write_private(manifest_of(file), _signed(made, key))
        part.rename(file)
        _sync(file.parent)
    return made, odd


def _counted(file: archive.Hashed, name: Path, tables: list[Table]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for batch in archive.read(file, str(name), tables):
        counted[batch.table.name] = counted.get(batch.table.name, 0) + len(batch.rows)
    return counted


def _signed(made: Backup, key: Ed25519PrivateKey) -> str:
    said = asdict(made)
    signature = signatures.sign(key, signatures.canonical(said), signatures.BACKUP)
    return json.dumps({**said, "signature": signature}, indent=2) + "\n"


# --- and back --------------------------------------------------------------------------------------------------------
def restore(
    url: str, file: Path, trust: KeyTrust, act: acts.Act, *, replace: bool = False
) -> Restored:
    """Put a backup's content into the database, as this program's tables, and write the act down in it.

    Nothing is touched before signature, size and SHA-256 are right.
    Raises: StoreError if the backup is not whole, not
    signed by a key that is trusted, or of a revision that this program does not know; UsageError if there is
    something in the database and `replace` is not said.
    """
    place = engines.parse(url)
    made = read_manifest(file, trust)
    with _told(file), file.open("rb") as stream:
        _refuse_changed(file, stream, made)
        filling = _Filling(file, stream, made, act)
        if place.get_backend_name() == "sqlite":
            path = Path(place.database or "")
            with _told(path):
                back = _restore_sqlite(path, filling, replace=replace)
        else:
            back = _restore_postgresql(place, filling, replace=replace)
    return Restored(made, back)


def read_manifest(file: Path, trust: KeyTrust) -> Backup:
    """Return what the backup holds.

    Raises: StoreError if nobody who is trusted says so.
    """
    path = manifest_of(file)
    try:
        with path.open("rb") as stream:
            said = json.loads(stream.read(MANIFEST_BYTES))
        if isinstance(said, dict) and said.keys() == OF_BEFORE:
            message = (
                f"{file}: an older Upkeep wrote it: it is not signed, and may contain SQL "
                "statements"
            )
            raise StoreError(message, remedy=CONVERT)
        signature = said.pop("signature")
        made = Backup(**said)
        _refuse_odd(made)
        text = signatures.canonical(said)
    except FileNotFoundError as exc:
        message = f"{file} is not a backup: {path.name}, which `upkeep db backup` writes beside it, is not there"
        if not file.exists():
            message = f"{file}: there is no such file"
        raise UsageError(message) from exc
    except OSError as exc:
        raise StoreError(f"{exc.filename}: {(exc.strerror or str(exc)).lower()}") from exc
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        message = f"{path}: not a manifest that `upkeep db backup` wrote"
        raise StoreError(message, remedy=OTHER) from exc
    if not isinstance(signature, str) or not signatures.holds(
        made.key, text, signature, signatures.BACKUP
    ):
        raise StoreError(f"{path}: its content is not what was signed", remedy=OTHER)
    if made not in trust:
        message = f"{file}: signed with a key that is not trusted here: {made.fingerprint}"
        remedy = (
            "compare it with what `upkeep db backup` said when it was made, then:"
            f" upkeep db restore {file} --trust-key {made.fingerprint}"
        )
        raise StoreError(message, remedy=remedy)
    if made.schema not in revisions():
        message = (
            f"{file}: its version is {made.schema}, newer than this program's {revisions()[-1]}"
        )
        raise StoreError(message, remedy="install the newer Upkeep that wrote it")
    return made


def _refuse_odd(made: Backup) -> None:
    texts = (made.database, made.schema, made.made_at, made.sha256, made.key)
    counts = made.tables.values() if isinstance(made.tables, dict) else [None]
    if not all(isinstance(one, str) for one in texts) or not all(
        type(one) is int for one in (*counts, made.bytes, made.format)
    ):
        raise TypeError("a field of another type")
    if made.format != FORMAT or not made.schema.isdecimal():
        raise ValueError("another format, or no version")
    signatures.fingerprint(made.key)


def _refuse_changed(file: Path, stream: BufferedReader, made: Backup) -> None:
    size = os.fstat(stream.fileno()).st_size
    if size != made.bytes:
        raise StoreError(f"{file}: has {size} bytes; its manifest says {made.bytes}", remedy=OTHER)
    if hashlib.file_digest(stream, "sha256").hexdigest() != made.sha256:
        raise StoreError(f"{file}: its SHA-256 is not the one of its manifest", remedy=OTHER)
    stream.seek(0)


@dataclass(frozen=True)
class _Filling:
    """A backup that is about to be put into an empty database."""

    file: Path
    stream: BufferedReader
    made: Backup
    act: acts.Act

    def fill(self, db: Connection) -> None:
        """Make the tables, and put the data in.

        Raises: StoreError unless all of it and nothing else is there.
        """
        upgrade(db, self.made.schema)
        hashed = archive.Hashed(self.stream)
        tables = archive.kept(layout.layout_of(self.made.schema).tables)
        counted = archive.load(db, hashed, str(self.file), tables)
        while hashed.read(1 << 20):
            pass
        if hashed.hash.hexdigest() != self.made.sha256:
            raise StoreError(f"{self.file}: was changed while it was read")
        if counted != self.made.tables:
            raise StoreError(f"{self.file}: its rows are not those of its manifest")
        upgrade(db)
        different = layout.differences(db, revisions()[-1])
        if different:
            more = f", and {len(different) - 1} more" if different[1:] else ""
            raise StoreError(f"the restored tables are not ours: {different[0]}{more}")
        acts.record(db, self.act)

    def went_back(self, db: Connection, before: went_back.StandBefore | None) -> list[str] | None:
        """Return what the backup takes back."""
        after = went_back.stand(db)
        if before is None or after is None:
            return None
        return went_back.lines(before, after) + went_back.again(db, before, self.act.at)


def _refuse_replacing(name: str, rows: Mapping[str, int], *, replace: bool) -> None:
    full = {table: count for table, count in rows.items() if count and table != VERSION_TABLE}
    if full and not replace:
        most = max(full, key=lambda table: full[table])
        message = f"{name}: is not empty: {full[most]} rows in {most!r}"
        raise UsageError(message, remedy="say --replace, to lose what is in it now")


def _looked_again(store: Store, before: Mapping[str, int]) -> str:
    """Return what is known of the database after a restore that has failed: only what is seen there."""
    try:
        with store.read() as db:
            now = rows_by_table(db)
    except StoreError as exc:
        return f"what is in the database now is not known: {exc}"
    if not now and not before:
        return "checked again: the database is empty, as it was"
    if now == before:
        return f"checked again: the old content is still there ({sum(now.values())} rows)"
    return (
        f"checked again: there are {sum(now.values())} rows of {len(now)} tables now, and there "
        "were"
        f" {sum(before.values())} of {len(before)}"
    )


# --- PostgreSQL ------------------------------------------------------------------------------------------------------
def _restore_postgresql(place: URL, filling: _Filling, *, replace: bool) -> list[str] | None:
    """Replace all that is in our schema, in one transaction."""
    store = Store(*engines.connect(place.render_as_string(hide_password=False)))
    with contextlib.closing(store):
        with store.read() as db:
            refuse_server(db, store.place)
            rows = rows_by_table(db)
        _refuse_replacing(store.place, rows, replace=replace)
        with store.read() as db:
            before = went_back.stand(db) if rows else None
        try:
            with store.begin() as db:
                alone(db)
                postgresql.clear(db)
                filling.fill(db)
                return filling.went_back(db, before)
        except StoreError as exc:
            store.close()
            known = _looked_again(store, rows)
            message = str(exc) if store.place in str(exc) else f"{store.place}: {exc}"
            raise StoreError(message, remedy=known) from exc


# --- SQLite ----------------------------------------------------------------------------------------------------------
def _restore_sqlite(path: Path, filling: _Filling, *, replace: bool) -> list[str] | None:
    """Make a new file beside the database, and copy its pages over the old ones in one transaction."""
    damaged = False
    try:
        rows = _rows_of(path) if path.exists() else {}
    except sqlite3.DatabaseError as exc:
        if exc.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        # Nothing can be read of it, so there is nothing to replace in a transaction.
        _refuse_replacing(str(path), {"a damaged file": path.stat().st_size}, replace=replace)
        damaged, rows = True, {}
    _refuse_replacing(str(path), rows, replace=replace)
    before = None
    if rows:
        with _store_of(path) as store, store.read() as db:
            before = went_back.stand(db)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.new")
    with _private(part):
        try:
            with _store_of(part) as store, store.begin() as db:
                filling.fill(db)
                back = filling.went_back(db, before)
                expected = rows_by_table(db)
        except StoreError as exc:
            # Not a byte of it was written to: this made a file of its own.
            message = str(exc).replace(str(part), str(path))
            raise StoreError(message, remedy=exc.remedy or "nothing was changed") from exc
        if damaged:
            _move_aside(path)
        engines.make_private(path)
        _put_in_place(part, path, rows)
    with _store_of(path) as store, store.read() as db:
        if layout.differences(db, revisions()[-1]) or rows_by_table(db) != expected:
            raise StoreError(
                f"{path}: reads back differently than it was written",
                remedy="what was there before is gone; restore again, onto another disk",
            )
    return back


def _put_in_place(part: Path, path: Path, rows: Mapping[str, int]) -> None:
    try:
        with _told(path), _sqlite(part) as source, _sqlite(path) as target:
            _look_over(source, part)
            target.execute("PRAGMA synchronous=FULL")
            _copy_pages(source, target, path)
            _look_over(target, path)
    except StoreError as exc:
        with _store_of(path) as store:
            known = _looked_again(store, rows)
        raise StoreError(str(exc), remedy="; ".join(filter(None, (exc.remedy, known)))) from exc


@contextlib.contextmanager
def _store_of(path: Path) -> Iterator[Store]:
    url = URL.create("sqlite", database=str(path.absolute()))
    with contextlib.closing(Store(*engines.connect(url.render_as_string()))) as store:
        yield store


def _move_aside(path: Path) -> None:
    """Give a damaged database and its logs other names, so that no log is taken for the new one's."""
    mark = f"damaged-{int(time.time())}"  # a name, not a time that anything is judged by
    for suffix in ("", "-wal", "-shm", "-journal"):
        one = path.with_name(path.name + suffix)
        if one.exists():
            one.rename(path.with_name(f"{path.name}.{mark}{suffix}"))


@contextlib.contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a file that is there."""
    address = f"{path.absolute().as_uri()}?mode=rw"
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


def _look_over(db: sqlite3.Connection, path: Path) -> None:
    """Read every page.

    Raises: StoreError if one is not in order.
    """
    said = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
    if said != ["ok"]:
        raise StoreError(f"{path}: damaged: {said[0]!s:.200}")


def _rows_of(path: Path) -> dict[str, int]:
    with _sqlite(path) as db:
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
