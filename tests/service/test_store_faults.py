"""Faults of disks, servers and processes, really caused: nothing that was acknowledged is lost, nothing doubled.

The numbers are those of the list of faults that the product survives.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import disks
from service.postgres import Postgres
from sqlalchemy import func, select, text
from store_samples import NOW, answer, begun, result

from upkeep.model.answer import Observed
from upkeep.model.errors import StoreError
from upkeep.model.verdicts import Severity
from upkeep.store import Store, findings, migrate, open_store, runs, tables
from upkeep.store.answers import add_host, observed_in
from upkeep.store.engine import engines
from upkeep.store.spool import Spool

HOLD = textwrap.dedent(
    """
    import sqlite3, sys, time
    db = sqlite3.connect(sys.argv[1], isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    """
)
WRITE = textwrap.dedent(
    """
    import os, signal, sys
    from sqlalchemy import event
    from store_samples import answer, begun, result
    from upkeep.store import open_store, runs
    from upkeep.store.answers import add_host
    from upkeep.model.verdicts import Severity

    store = open_store(sys.argv[1])
    left = int(sys.argv[2])

    @event.listens_for(store.engine, "before_cursor_execute")
    def count(_db, _cursor, statement, *_rest):
        global left
        left -= statement.startswith(("INSERT", "UPDATE"))
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with store.begin() as db:
        run_id = runs.start(db, begun())
    for number in range(9):
        with store.begin() as db:
            results = [result(Severity.HIGH, subject=f"/{n}") for n in range(5)]
            add_host(db, run_id, answer(*results, host=f"h{number}"))
        print(f"h{number}", flush=True)
    """
)


def one(host: str = "web1") -> Observed:
    return answer(result(Severity.HIGH, host=host), result(subject="/var", host=host), host=host)


def start(store: Store) -> int:
    with store.begin() as db:
        return runs.start(db, begun())


def add(store: Store, run_id: int, observed: Observed) -> bool:
    with store.begin() as db:
        return add_host(db, run_id, observed)


def given(store: Store, run_id: int = 1) -> list[Observed]:
    with store.read() as db:
        return list(observed_in(db, run_id))


def path_of(store: Store) -> Path:
    return Path(store.engine.url.database or "")


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/state/upkeep.db")
    yield store
    store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    with disks.small(tmp_path / "disk", 2) as folder:
        yield folder


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while stream.write(b"x" * 4096):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no end")


@pytest.mark.parametrize("statements", [4, 12, 17, 24, 31, 36])
def test_3_a_writer_killed_between_statements_leaves_what_it_acknowledged_and_no_half(
    url: str, statements: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", WRITE, url, str(statements)], stdout=subprocess.PIPE, text=True
    )

    assert killed.returncode == -signal.SIGKILL
    acknowledged = killed.stdout.split()
    store = open_store(url)
    if store.engine.dialect.name == "sqlite":
        with store.read() as db:
            assert db.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            assert db.execute(text("PRAGMA foreign_key_check")).all() == []
    found = given(store)
    assert [each.host for each in found] == acknowledged
    assert [(len(each.seen), len(each.results)) for each in found] == [(5, 5)] * len(acknowledged)
    with store.read() as db:
        assert len(findings.open_ones(db)) == 5 * len(acknowledged)
        assert len(runs.unfinished(db)) == 1
    assert add(store, 1, one("h8"))
    store.close()


def test_3_a_writer_killed_at_any_time_leaves_what_it_acknowledged(url: str) -> None:
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, url, "-1"], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(3)]
        writer.kill()
        acknowledged += writer.communicate()[0].split()

        store = open_store(url)
        with store.read() as db:
            run_id = runs.recent(db, 1)[0].id
        stored = [each.host for each in given(store, run_id)]
        assert stored[: len(acknowledged)] == acknowledged
        assert len(stored) <= len(acknowledged) + 1
        store.close()


def test_5_a_full_disk_keeps_history_readable_and_no_half_run(disk: Path) -> None:
    url = f"sqlite:///{disk}/state/upkeep.db"
    store = open_store(url)
    run_id = start(store)
    add(store, run_id, one("a"))
    filler = fill(disk)

    big = answer(result(Severity.HIGH, subject="big"), host="b", raw=os.urandom(200_000).hex())
    with pytest.raises(StoreError) as caught:
        add(store, run_id, big)

    assert str(caught.value) == f"{store.place}: disk full"
    assert caught.value.remedy == "free space there; nothing that was written is lost"
    assert [each.host for each in given(store, run_id)] == ["a"]
    filler.unlink()
    assert add(store, run_id, big)
    assert given(store, run_id) == [one("a"), big]
    store.close()


def test_5_history_can_be_opened_on_a_full_disk(disk: Path) -> None:
    url = f"sqlite:///{disk}/state/upkeep.db"
    store = open_store(url)
    run_id = start(store)
    add(store, run_id, one("a"))
    store.close()
    fill(disk)

    store = open_store(url)

    assert [each.host for each in given(store, run_id)] == ["a"]
    with store.read() as db:
        assert [each.host for each in findings.open_ones(db)] == ["a"]
    store.close()


def test_5_no_database_can_be_made_on_a_full_disk(disk: Path) -> None:
    (disk / "state").mkdir()
    fill(disk)

    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{disk}/state/upkeep.db")

    assert str(caught.value) == f"{disk}/state/upkeep.db: disk full"


def test_25_a_lock_of_some_seconds_is_waited_for_and_readers_do_not_wait(
    sqlite_store: Store,
) -> None:
    run_id = start(sqlite_store)
    add(sqlite_store, run_id, one("a"))
    command = [sys.executable, "-c", HOLD, str(path_of(sqlite_store)), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()

        assert len(given(sqlite_store, run_id)) == 1
        assert open_store(str(sqlite_store.engine.url)).close() is None
        assert holder.poll() is None
        add(sqlite_store, run_id, one("b"))

    assert len(given(sqlite_store, run_id)) == 2


def test_25_a_lock_without_end_is_told_and_the_answer_waits_in_the_spool(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = start(sqlite_store)
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    hasty = open_store(str(sqlite_store.engine.url))
    command = [sys.executable, "-c", HOLD, str(path_of(sqlite_store)), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreError) as caught:
            add(hasty, run_id, one("a"))
        Spool(tmp_path / "spool").put(run_id, one("a"))
        holder.kill()

    assert str(caught.value) == f"{hasty.place}: another process holds it"
    assert len(Spool(tmp_path / "spool").load(hasty)) == 1
    assert given(sqlite_store, run_id) == [one("a")]
    hasty.close()


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of the test's own, to be stopped."""
    server = Postgres()
    yield server
    server.close()


def test_26_a_server_that_stops_in_mid_run_gets_each_answer_once(
    server: Postgres, tmp_path: Path
) -> None:
    url = server.create("upkeep")
    migrate(url)
    store, spool = open_store(url), Spool(tmp_path / "spool")
    run_id = start(store)
    add(store, run_id, one("a"))

    with pytest.raises(StoreError), store.begin() as db:  # noqa: PT012 - the commit shall fail
        add_host(db, run_id, one("b"))
        server.stop("immediate")
    spool.put(run_id, one("b"))
    with pytest.raises(StoreError) as caught:
        add(store, run_id, one("c"))
    spool.put(run_id, one("c"))
    with pytest.raises(StoreError):
        spool.load(store)

    assert caught.value.remedy.startswith("check that the server runs")
    server.start()
    kept = tmp_path / "kept"
    shutil.copytree(spool.folder, kept)
    assert len(spool.load(store)) == 2
    assert len(spool.load(store)) == 0
    # A crash between writing and removing: the same once more.
    assert len(Spool(kept).load(store)) == 0
    assert given(store, run_id) == [one("a"), one("b"), one("c")]
    with store.read() as db:
        assert [each.count for each in findings.open_ones(db)] == [1, 1, 1]
        doubled = db.execute(select(func.count()).select_from(tables.finding_event)).scalar_one()
    assert doubled == 3
    store.close()


def test_27_a_restart_between_two_answers_is_not_even_noticed(server: Postgres) -> None:
    url = server.create("upkeep")
    migrate(url)
    store = open_store(url)
    run_id = start(store)
    server.stop("fast")
    server.start()

    assert add(store, run_id, one("a"))
    store.close()


# --- the spool -------------------------------------------------------------------------------------------------------
def test_the_spool_is_private_and_in_order(sqlite_store: Store, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    run_id = start(sqlite_store)
    for number in range(12):
        spool.put(run_id, one(f"h{number}"))

    files = sorted(spool.folder.iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * 12
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert len(spool.load(sqlite_store)) == 12
    assert list(spool.folder.iterdir()) == []
    with sqlite_store.read() as db:
        order = (
            db.execute(select(tables.report.c.host).order_by(tables.report.c.id)).scalars().all()
        )
    assert order == [f"h{number}" for number in range(12)]


def test_the_spool_overwrites_nothing_after_it_was_loaded_in_part(
    sqlite_store: Store, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    run_id = start(sqlite_store)
    for host in "abc":
        spool.put(run_id, one(host))
    min(spool.folder.iterdir()).unlink()  # loaded, before the store was lost again

    spool.put(run_id, one("d"))

    assert len(spool.load(sqlite_store)) == 3
    assert [each.host for each in given(sqlite_store, run_id)] == ["b", "c", "d"]


def test_the_spool_keeps_the_end_of_a_run(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    assert spool.end() is None

    spool.put_end("partial", "disk full", NOW)

    assert spool.end() == ("partial", "disk full", NOW, None)


def test_a_file_cut_off_by_a_crash_is_as_good_as_not_written(
    sqlite_store: Store, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    run_id = start(sqlite_store)
    spool.put(run_id, one("a"))
    (spool.folder / "00000002.part").write_text('{"run_id": 1, "obse')

    assert len(spool.load(sqlite_store)) == 1
