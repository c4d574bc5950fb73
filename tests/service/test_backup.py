"""Backup and restore of the store, on both databases; interrupted, cut off, and without room."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import NOW, answer, begun, result

from upkeep.errors import StoreError, UsageError
from upkeep.store import backup, open_store, runs
from upkeep.store.observed import add_host
from upkeep.verdicts import Severity

RESTORE = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from upkeep.store import backup

    moment, whole = sys.argv[3], backup._copy_pages

    def copy(source, target, path):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if moment == "within":
            def step(*_):
                os.kill(os.getpid(), signal.SIGKILL)
            target.execute("PRAGMA cache_size=5")
            source.backup(target, pages=50, progress=step)
        whole(source, target, path)
        if moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    def second(source, target, path, seen=[]):
        seen.append(path)
        (copy if len(seen) == 2 else whole)(source, target, path)

    backup._copy_pages = second
    backup.restore(sys.argv[1], Path(sys.argv[2]), replace=True)
    """
)


def fill(url: str, count: int, hosts: int = 1) -> None:
    with closing(open_store(url)) as store:
        for _ in range(count):
            with store.begin() as db:
                run_id = runs.start(db, begun())
                for number in range(hosts):
                    host = f"h{number}"
                    results = [result(Severity.HIGH, subject=f"/{n}", host=host) for n in range(20)]
                    add_host(db, run_id, answer(*results, host=host))


def count(url: str) -> int:
    with closing(open_store(url)) as store, store.read() as db:
        return len(runs.recent(db, 10_000))


@pytest.fixture
def kept(url: str, tmp_path: Path) -> Path:
    """A backup with two runs."""
    fill(url, 2)
    file = tmp_path / "upkeep.backup"
    backup.back_up(url, file, NOW)
    return file


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """The URL of a SQLite database with three runs that hold some hundred pages."""
    url = f"sqlite:///{tmp_path}/lite/upkeep.db"
    fill(url, 3, hosts=10)
    return url


def test_what_was_backed_up_comes_back(url: str, kept: Path) -> None:
    fill(url, 3)

    made = backup.restore(url, kept, replace=True)

    assert count(url) == made.tables["run"] == 2
    fill(url, 1)  # numbers go on
    assert count(url) == 3


def test_a_backup_is_private_whole_and_says_what_it_holds(kept: Path) -> None:
    manifest = json.loads(backup.manifest_of(kept).read_text())

    assert {stat.S_IMODE(one.stat().st_mode) for one in (kept, backup.manifest_of(kept))} == {0o600}
    assert manifest["tables"]["run"] == 2
    assert manifest["bytes"] == kept.stat().st_size
    assert manifest["schema"].isdecimal()
    assert [one for one in kept.parent.iterdir() if one.name.startswith(".")] == []


def test_a_backup_is_never_written_over(url: str, kept: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        backup.back_up(url, kept, NOW)


def test_what_is_in_the_database_is_not_lost_unless_told(url: str, kept: Path) -> None:
    fill(url, 1)

    with pytest.raises(UsageError, match="is not empty"):
        backup.restore(url, kept)

    assert count(url) == 3


@pytest.mark.parametrize("harm", ["cut off", "changed", "newer", "other kind", "no manifest"])
def test_a_backup_that_does_not_fit_changes_nothing(url: str, kept: Path, harm: str) -> None:
    manifest = backup.manifest_of(kept)
    said = json.loads(manifest.read_text())
    data = bytearray(kept.read_bytes())
    if harm == "cut off":
        kept.write_bytes(data[: len(data) // 2])
    elif harm == "changed":
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
    elif harm == "newer":
        manifest.write_text(json.dumps({**said, "schema": "9999"}))
    elif harm == "other kind":
        manifest.write_text(json.dumps({**said, "database": "paper"}))
    else:
        manifest.write_text("{}")
    fill(url, 1)
    words = {
        "cut off": "its manifest says",
        "changed": "SHA-256",
        "newer": "newer than this program's",
        "other kind": "is of a paper database",
        "no manifest": "not a manifest",
    }

    with pytest.raises(StoreError, match=words[harm]):
        backup.restore(url, kept, replace=True)

    assert count(url) == 3


def test_a_manifest_with_other_rows_than_the_file_changes_nothing(url: str, kept: Path) -> None:
    manifest = backup.manifest_of(kept)
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**said, "tables": {**said["tables"], "run": 7}}))
    fill(url, 1)

    with pytest.raises(StoreError, match="manifest"):
        backup.restore(url, kept, replace=True)

    assert count(url) == 3


def test_others_go_on_writing_meanwhile(url: str, tmp_path: Path) -> None:
    fill(url, 1)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            fill(url, 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backup.back_up(url, tmp_path / f"{n}.backup", NOW) for n in range(3)]
    finally:
        ended.set()
        writer.join()

    for one in made:  # each is of one moment: no run without its results
        assert one.tables["result"] == 20 * one.tables["run_host"]
        assert one.tables["run_host"] == one.tables["run"]


@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_killed_in_the_middle_the_old_or_the_new_is_there(
    lite: str, tmp_path: Path, moment: str
) -> None:
    file = tmp_path / "upkeep.backup"
    backup.back_up(lite, file, NOW)
    fill(lite, 2, hosts=10)

    ended = subprocess.run([sys.executable, "-c", RESTORE, lite, str(file), moment], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert count(lite) == {"before": 5, "within": 5, "after": 3}[moment]
    with closing(sqlite3.connect(tmp_path / "lite" / "upkeep.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    backup.restore(lite, file, replace=True)
    assert count(lite) == 3


def test_a_damaged_database_is_replaced_and_kept(lite: str, tmp_path: Path) -> None:
    file = tmp_path / "upkeep.backup"
    backup.back_up(lite, file, NOW)
    path = tmp_path / "lite" / "upkeep.db"
    path.write_bytes(b"not a database at all" * 999)

    with pytest.raises(UsageError, match="is not empty"):
        backup.restore(lite, file)
    backup.restore(lite, file, replace=True)

    assert count(lite) == 3
    assert [one.name for one in path.parent.iterdir() if "damaged" in one.name]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB; `shrink` takes the rest of its room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def shrink(folder: Path) -> None:
    """Leave room for little more than what is there."""
    used = sum(path.stat().st_size for path in folder.iterdir()) // 1024
    subprocess.run(["mount", "-o", f"remount,size={used + 96}k", str(folder)], check=True)


def test_without_room_there_is_no_half_backup(lite: str, small: Path) -> None:
    shrink(small)
    with pytest.raises(StoreError, match=r"full|no space"):
        backup.back_up(lite, small / "upkeep.backup", NOW)

    assert list(small.iterdir()) == []


def test_without_room_the_old_content_stays(lite: str, tmp_path: Path, small: Path) -> None:
    file = tmp_path / "upkeep.backup"
    backup.back_up(lite, file, NOW)
    url = f"sqlite:///{small}/upkeep.db"
    fill(url, 1)
    with closing(sqlite3.connect(small / "upkeep.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shrink(small)

    with pytest.raises(StoreError, match=r"full|no space"):
        backup.restore(url, file, replace=True)

    with closing(sqlite3.connect(small / "upkeep.db")) as db:
        assert db.execute("SELECT count(*) FROM run").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_no_password_is_on_a_command_line(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "swordfish-4711"
    seen = tmp_path / "seen"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        real = next(f"{folder}/{name}" for folder in os.environ["PATH"].split(":") if os.access(f"{folder}/{name}", os.X_OK))  # fmt: skip
        (programs / name).write_text(
            f'#!/bin/sh\necho {name} "$@" >>{seen}\nenv >>{seen}\nexec {real} "$@"\n'
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    fill(url, 1)
    with_password = url.replace("upkeep@", f"upkeep:{secret}@")

    backup.back_up(with_password, tmp_path / "x.backup", NOW)
    backup.restore(with_password, tmp_path / "x.backup", replace=True)

    told = seen.read_text()
    assert {"pg_dump", "pg_restore", "psql"} <= {line.split(" ")[0] for line in told.splitlines()}
    assert secret not in told
