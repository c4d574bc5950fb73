"""The end of the chain of records, written down beside the installation's key: outside of the database.

Each record names the one before it, so one that is missing within the chain is noticed. That the newest are missing is
only noticed by who knows that they were there: each installation notes the newest record whenever it has added one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from upkeep.model.errors import StoreError
from upkeep.rules.signatures import Signed, digest
from upkeep.store import Store, records

LOG = logging.getLogger(__name__)
FOLDER = "ends"


@dataclass(frozen=True)
class End:
    """A record that was the newest of its chain."""

    number: int
    sha256: str


def noted(signing: Path, store: Store) -> End | None:
    """Return the newest record that this installation has noted of a database; None if it has noted none.

    signing: the folder of the installation's key.
    """
    return _read(_path(signing, store))


def note(signing: Path, store: Store, *, restored: bool = False) -> None:
    """Note the newest record. If the one that was noted before is missing, that stays noted: `review verify` tells.

    restored: whatever was noted, the database is now what somebody has put into it. A signature that is kept does not
    fail because its end cannot be noted: what was noted before is still true.
    """
    path = _path(signing, store)
    try:
        with _alone(path):
            before = None if restored else _read(path)
            with store.read() as db:
                last = records.last(db)
                there = records.get(db, before.number) if before else None
            if before and (there is None or digest(there.text) != before.sha256):
                return
            if last is not None and (before is None or last.number > before.number):
                _write(path, End(last.number, digest(last.text)))
            elif last is None:
                path.unlink(missing_ok=True)
    except (OSError, StoreError) as exc:
        LOG.warning("%s: the newest record is not noted: %s", path, exc)


def missing(end: End | None, chain: Iterable[Signed]) -> Iterator[str]:
    """Yield what is missing at the end of a chain, by what was noted of it; pure."""
    if end is None:
        return
    last = 0
    for one in chain:
        last = max(last, one.number)
        if one.number != end.number:
            continue
        if not one.text.isascii() or digest(one.text) != end.sha256:
            yield f"record {end.number}: this installation has noted a different record, with the hash {end.sha256}"
        return
    if last > end.number:
        return  # a gap within the chain, which the chain itself tells
    which = (
        f"record {end.number} is"
        if last == end.number - 1
        else f"records {last + 1} to {end.number} are"
    )
    yield f"{which} missing at the end: this installation has noted the last record, with the hash {end.sha256}"


def _path(signing: Path, store: Store) -> Path:
    """Return the file for this database, whoever signs in to it."""
    url = store.engine.url.set(username=None, password=None)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(Path(url.database or "").absolute()))
    name = hashlib.sha256(url.render_as_string().encode()).hexdigest()[:16]
    return signing / FOLDER / name


def _read(path: Path) -> End | None:
    try:
        number, sha256 = path.read_text("ascii").split()
        return End(int(number), sha256)
    except FileNotFoundError:
        return None
    except ValueError as exc:
        message = f"{path}: found something other than the number and hash of a record"
        remedy = f"compare the newest record with what you have written down, then: rm {path}"
        raise StoreError(message, remedy=remedy) from exc


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the folder's lock, so that nobody else writes there meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, end: End) -> None:
    """Replace the file, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="ascii") as stream:
        stream.write(f"{end.number} {end.sha256}\n")
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
