"""What older programs wrote of who asked for runs, and of what reviews show, means the same with this one."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest
from recorded_store import Recorded
from sqlalchemy import select, text

from upkeep.store import migrate, open_store, tables

RECORDED = Recorded("0008")
RAW, OTHER, GONE = "a" * 64, "b" * 64, "c" * 64


def shows(*hashes: str) -> str:
    """What a review shows of rows that do not pass."""
    return json.dumps({"not_passing": {"rows": [{"evidence_sha256": one} for one in hashes]}})


@pytest.mark.parametrize(
    ("requests", "asked_by"),
    [
        ([], ""),
        ([("ann", 1)], "ann"),
        ([("ann", None)], ""),
        ([("ann", 2)], ""),
        ([("ann", 1), ("bob", 2)], "ann"),
    ],
    ids=["by the schedule or by hand", "on the page", "that became none", "another run", "several"],
)
def test_whose_a_run_was_is_read_once(
    tmp_path: Path, requests: list[tuple[str, int | None]], asked_by: str
) -> None:
    url = RECORDED.on_sqlite(tmp_path / "upkeep.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "upkeep.db")) as db, db:
        db.execute("DELETE FROM run_request")
        for who, run_id in requests:
            db.execute(
                "INSERT INTO run_request (site, procedure, host_limit, asked_by, asked_at, run_id, message)"
                " VALUES ('s', 'daily', '', ?, '2030-06-01 00:00:00', ?, '')",
                (who, run_id),
            )
        before = db.execute("SELECT started_by FROM run WHERE id = 1").fetchone()
    migrate(url)

    with contextlib.closing(open_store(url)) as store, store.read() as db_:
        columns = (tables.run.c.started_by, tables.run.c.asked_by)
        found = db_.execute(select(*columns).where(tables.run.c.id == 1)).one()
    assert tuple(found) == (*before, asked_by)


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        (shows(RAW), {RAW}),
        (shows(RAW, OTHER, RAW), {RAW, OTHER}),
        (shows(GONE), set()),
        (shows(""), set()),
        (shows("no hash"), set()),
        (json.dumps({"not_passing": {"rows": []}}), set()),
        (json.dumps({}), set()),
        (json.dumps([1]), set()),
        ("no JSON", set()),
        (None, set()),
    ],
    ids=[
        "one", "two, one of them twice", "that is gone", "a row without any", "what is no hash", "no rows",
        "nothing", "another shape", "what cannot be read", "what is not kept",
    ],
)  # fmt: skip
def test_what_reviews_show_and_is_still_there_is_kept_from_now_on(
    tmp_path: Path, shown: str | None, kept: set[str]
) -> None:
    url = RECORDED.on_sqlite(tmp_path / "upkeep.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "upkeep.db")) as db, db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM kept_file")
        for one in (RAW, OTHER):
            values: tuple[Any, ...] = (one, 1, zlib.compress(b"x"))
            db.execute(
                "INSERT INTO evidence (sha256, size_bytes, content) VALUES (?, ?, ?)", values
            )
        if shown is not None:
            values = ("d" * 64, 1, zlib.compress(shown.encode()))
            db.execute(
                "INSERT INTO kept_file (sha256, size_bytes, content) VALUES (?, ?, ?)", values
            )
        db.execute("UPDATE review SET evidence_sha256 = ?", ("d" * 64,))
    migrate(url)

    with contextlib.closing(open_store(url)) as store, store.read() as db_:
        found = set(db_.execute(text("SELECT sha256 FROM named_evidence")).scalars())
    assert found == kept
