"""Files that signatures name by their hash: kept once, compressed, never changed, never removed."""

from __future__ import annotations

import hashlib
import zlib

from sqlalchemy import Connection, LargeBinary, cast, select

from upkeep.store import tables
from upkeep.store.engine.statements import insert


def keep(db: Connection, content: bytes) -> str:
    """Keep the content, unless it is kept already; return its SHA-256."""
    sha256 = hashlib.sha256(content).hexdigest()
    values = {"sha256": sha256, "size_bytes": len(content), "content": zlib.compress(content)}
    db.execute(insert(db, tables.kept_file).values(values).on_conflict_do_nothing())
    return sha256


def content_of(db: Connection, sha256: str) -> bytes | None:
    """Return the content, or None if nothing of that hash is kept."""
    table = tables.kept_file
    # A column of SQLite takes any type, and text in place of bytes would end the reading of everything else.
    packed = db.execute(
        select(cast(table.c.content, LargeBinary)).where(table.c.sha256 == sha256)
    ).scalar()
    return zlib.decompress(packed) if packed is not None else None
