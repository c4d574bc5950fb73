"""Copies of a SQLite file as it was before an upgrade, beside it: the way back is to put one in its place."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from upkeep.model.errors import StoreError

KEPT = 2
"""At most this many copies stay; the oldest go."""


def path_of(path: Path, revision: str) -> Path:
    """Return where the copy of a file that has this revision stands."""
    return path.with_name(f"{path.name}.{revision}.backup")


def keep(path: Path, revision: str) -> Path:
    """Keep a copy for this user alone, as of one moment; return where it is. Others may go on writing meanwhile.

    Raises: StoreError if there is no room for it.
    """
    kept = path_of(path, revision)
    part = path.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            found = target.execute("SELECT version_num FROM alembic_version").fetchone()
        if found == (
            revision,
        ):  # else another process has upgraded it meanwhile, and has its own copy
            part.replace(kept)
    except (OSError, sqlite3.Error) as exc:
        reason = getattr(exc, "strerror", "") or str(exc)
        raise StoreError(
            f"{kept}: no copy could be made before the upgrade: {reason.lower()}; nothing was changed",
            remedy="upkeep db upgrade --no-backup  # or make room in that folder first",
        ) from exc
    finally:
        part.unlink(missing_ok=True)
    _forget(path)
    return kept


def _forget(path: Path) -> None:
    copies = sorted(path.parent.glob(f"{path.name}.[0-9][0-9][0-9][0-9].backup"))
    for one in copies[:-KEPT]:
        one.unlink(missing_ok=True)
