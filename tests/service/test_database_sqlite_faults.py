"""Faults of SQLite, planted in real files: each is found, nothing is left beside a file, and its owner stays."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines import (
    _sqlite_objects,
    sqlite,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import (
    database_objects,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.model.verdicts import Status, Verdict

NOW = datetime(2026, 11, 27, tzinfo=UTC)
CHECKS = tuple(f"database_{topic}" for topic in sqlite.ENGINE.topics["database_objects"])
SECRET = "5551234"
"""A key, as a number of a patient may be."""


def see(path: Path, seconds: int = 30) -> Observation:
    declared = {"kind": "sqlite", "name": str(path)}
    params = {
        "databases": [declared],
        "discover": False,
        "timeout_seconds": 8,
        "catalog_seconds": seconds,
    }
    [seen] = database_objects.gather(params, Host())
    assert seen.error == ""
    assert SECRET not in repr(seen)
    return seen


def judged(check: str, seen: Observation, **limits: Any) -> Verdict | None:
    module = importlib.import_module(f"upkeep.checks.databases.{check}")
    found = verdict_of(module.CHECK, seen, module.Limits(**limits), NOW)
    assert found is None or isinstance(found, Verdict)
    return found


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open it as its application does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


PROGRAM = """
import sqlite3, sys
many = [sqlite3.connect(sys.argv[1], isolation_level=None) for _number in range(2)]
for line in sys.stdin:
    many[int(line[0])].execute(line[1:]).fetchall()
    print("done", flush=True)
"""


@contextmanager
def application(path: Path) -> Iterator[Callable[..., None]]:
    """Yield what runs statements in an application of two connections, 0 and 1: a process that has the file open.

    SQLite's own record of what is locked is one of a process, and would be the gather's too.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(*lines: str) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in lines:
                process.stdin.write(f"{line}\n".encode())
                process.stdin.flush()
                assert process.stdout.readline() == b"done\n"

        yield run
        process.stdin.close()


def till(folder: Path, mode: str = "delete") -> Path:
    """Make a database with bills and their items."""
    path = folder / "a till?.db"
    with opened(path) as db:
        db.execute(f"pragma journal_mode = {mode}")
        db.execute("create table bill (id integer primary key, said text)")
        db.execute("create table item (id integer primary key, bill references bill, said text)")
        db.execute("create index item_said on item (said)")
        db.execute(f"insert into bill values ({SECRET}, 'one')")
        db.execute(f"insert into item values ({SECRET}, {SECRET}, 'bread')")
    return path


def orphan(path: Path) -> None:
    with opened(path) as db:
        db.execute("delete from bill")


def adopt(path: Path) -> None:
    with opened(path) as db:
        db.execute("delete from item")


def root_page(path: Path, name: str) -> tuple[int, int]:
    with opened(path) as db:
        page = db.execute("select rootpage from sqlite_master where name = ?", (name,)).fetchone()[
            0
        ]
        return page, db.execute("pragma page_size").fetchone()[0]


def break_index(path: Path) -> None:
    """Empty the index: its page says that it has no entry."""
    page, size = root_page(path, "item_said")
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\0\0")


def mend_index(path: Path) -> None:
    with opened(path) as db:
        db.execute("reindex")


def break_page(path: Path) -> None:
    page, size = root_page(path, "bill")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)


def break_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 100)


def empty_much(path: Path) -> None:
    with opened(path) as db:
        db.execute("create table log (said blob)")
        db.execute("insert into log values (zeroblob(2000000))")
        db.execute("delete from log")


def vacuum(path: Path) -> None:
    with opened(path) as db:
        db.execute("vacuum")


Change = Callable[[Path], object]
FAULTS: tuple[tuple[str, Change, Change | None, str, str, dict[str, Any]], ...] = (
    ("rows without a parent", orphan, adopt, "database_foreign_key_rows", "1 row of item refers to no row of bill", {}),
    ("an index without its entries", break_index, mend_index, "database_integrity", "missing from index item_said", {}),
    ("an overwritten page of a table", break_page, None, "database_integrity", "integrity_check found", {}),
    ("an overwritten schema", break_schema, None, "database_integrity", "it is malformed", {}),
    ("free pages", empty_much, vacuum, "database_free_pages", "are free pages", {"low_mib": 1}),
)  # fmt: skip
"""Name, what plants it, what undoes it, the check that must fail, words in its message, its limits."""


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("fault", FAULTS, ids=[one[0] for one in FAULTS])
def test_a_fault_is_found_and_gone_when_it_is_undone(
    tmp_path: Path, fault: tuple[Any, ...], mode: str
) -> None:
    _name, plant, undo, check, words, limits = fault
    path = till(tmp_path, mode)
    shutil.copy(path, tmp_path / "whole")
    plant(path)

    found = judged(check, see(path), **limits)
    if undo:
        undo(path)
    else:
        shutil.copy(tmp_path / "whole", path)
    undone = judged(check, see(path), **limits)

    assert found is not None
    assert found.status is Status.FAIL
    assert words in found.message
    assert undone is not None
    assert undone.status is Status.PASS


def test_a_log_that_a_reader_holds_back_is_found(tmp_path: Path) -> None:
    path = till(tmp_path, "wal")
    with application(path) as run:
        run("0begin", "0select * from bill")
        run(*["1insert into item values (null, null, zeroblob(600000))"] * 3)
        run("1pragma wal_checkpoint(passive)")
        held = see(path)
        run("0commit", "1pragma wal_checkpoint(passive)")
        carried = see(path)

    limits = {"medium_mib": 1}
    found, undone = (judged("database_write_ahead_log", one, **limits) for one in (held, carried))
    assert found is not None
    assert found.status is Status.FAIL
    assert "MiB are not in the file yet" in found.message
    assert undone is not None
    assert undone.status is Status.PASS
    assert carried.data["write_ahead_log"]["pending_bytes"] == 0
    assert carried.data["write_ahead_log"]["size_bytes"] > 1_000_000


@pytest.mark.parametrize("mode", ["delete", "wal", "truncate", "persist"])
@pytest.mark.parametrize("held_open", [True, False])
def test_a_fresh_file_has_no_fault_and_nothing_is_left_beside_it(
    tmp_path: Path, mode: str, held_open: bool
) -> None:
    def files() -> list[tuple[Any, ...]]:
        about = [(one.name, one.stat()) for one in sorted(tmp_path.iterdir())]
        return [(name, one.st_ino, one.st_uid, one.st_gid, one.st_mode) for name, one in about]

    path = till(tmp_path, mode)
    if os.geteuid() == 0:
        for one in tmp_path.iterdir():
            os.chown(one, 65534, 65534)
    with application(path if held_open else tmp_path.parent / "other.db") as run:
        run("0select count(*) from sqlite_master")
        before = files()
        seen = see(path)
        assert files() == before

    found = {check: judged(check, seen) for check in CHECKS}
    log = found.pop("database_write_ahead_log")
    assert (log is None) == (mode != "wal")
    assert {one.status for one in (*found.values(), log) if one} == {Status.PASS}
    assert seen.data["integrity"]["how"] == "integrity_check"


def test_a_file_that_its_application_holds_is_unknown_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite_objects, "HELD_SECONDS", 0.2)
    path = till(tmp_path)
    with application(path) as run:
        run("0begin exclusive", "0insert into bill values (1, 'two')")
        seen = see(path)
        run("0rollback")

    found = judged("database_integrity", seen)
    assert found is not None
    assert found.status is Status.UNKNOWN
    assert found.message == "could not be read: its application holds a lock"


def test_an_application_writes_on_while_its_file_is_read(tmp_path: Path) -> None:
    """Without a log, a reader with a lock would keep it waiting."""
    path = till(tmp_path)
    flags = {"uri": True, "timeout": 0.0, "isolation_level": None}
    written = []

    def slow(connection: sqlite3.Connection, _ends: float) -> str:
        connection.execute("begin")
        connection.execute("select count(*) from item").fetchone()
        if not written:
            with closing(sqlite3.connect(path.as_uri(), **flags)) as application:
                application.execute("insert into bill values (1, 'two')")
            written.append(1)
        return "read"

    answer = _sqlite_objects._read(Host(), str(path), "mode=ro", (slow, 1e12))

    assert answer == "read"
    assert written


def test_what_takes_too_long_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_connection: sqlite3.Connection, _ends: float) -> None:
        raise sqlite3.OperationalError("interrupted")

    monkeypatch.setitem(_sqlite_objects.OBJECTS, "integrity", never)

    seen = see(till(tmp_path))

    found = judged("database_integrity", seen)
    assert found is not None
    assert found.message == "could not be read: not finished within its time"
    assert judged("database_foreign_key_rows", seen) is not None
    assert seen.data["foreign_key_rows"] == []


def test_what_needs_its_application_is_unknown(tmp_path: Path) -> None:
    path = till(tmp_path)
    with opened(path) as db:
        db.create_collation("of_the_shop", lambda one, other: (one > other) - (one < other))
        db.execute("create table name (said text collate of_the_shop primary key) without rowid")
        db.execute("insert into name values ('a'), ('b')")

    found = judged("database_integrity", see(path))

    assert found is not None
    assert found.status is Status.UNKNOWN
    assert "a function, collation or module of its application" in found.message


@pytest.mark.parametrize("content", [None, b"", b"not a database, just text " * 9])
def test_a_file_that_is_none_is_unknown(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "odd.db"
    if content is not None:
        path.write_bytes(content)

    found = judged("database_integrity", see(path))

    assert found is not None
    assert found.status is Status.UNKNOWN
    assert found.remedy == "fix what database_connect says first"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("row 5551234 missing from index i7", "row N missing from index i7"),
        ("Tree 5 page 6: btreeInitPage() returns error code 11", "Tree 5 page 6: btreeInitPage() returns error code 11"),
        ("Tree 2 page 3 cell 4: Rowid 99 out of order", "Tree 2 page 3 cell 4: Rowid N out of order"),
        ("row -42 of t", "row N of t"),
    ],
    ids=["a row", "a page", "both", "below zero"],
)  # fmt: skip
def test_no_number_of_a_row_is_told(line: str, said: str) -> None:
    assert _sqlite_objects.said(line) == said
