"""Whether the database can be written: by a real write of one row, for reading works where nothing can be kept."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from upkeep.model.errors import StoreError
from upkeep.store import Store, tables
from upkeep.store.engine.statements import upsert

# A small write still fits into a log that is there already, when what a run brings does not.
LEAST_FREE_BYTES = 1_000_000


def prove_writable(store: Store, now: datetime) -> None:
    """Write a row.

    Raises: StoreError if that cannot be done, or there is no room for more.
    """
    with store.begin() as db:
        upsert(db, tables.write_probe, [{"id": 1, "at": now}], ["id"])
    if store.engine.dialect.name == "sqlite":
        _prove_room(Path(store.place))


def _prove_room(path: Path) -> None:
    try:
        system = os.statvfs(path.parent)
    except OSError as exc:
        raise StoreError(f"{path.parent}: {(exc.strerror or str(exc)).lower()}") from exc
    free = system.f_bavail * system.f_frsize
    if free < LEAST_FREE_BYTES:
        message = f"{path}: {free // 1000} kB are free on its file system"
        raise StoreError(f"{message}; expected {LEAST_FREE_BYTES // 1000} kB at least")
