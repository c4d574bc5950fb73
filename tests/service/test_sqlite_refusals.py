"""Files of SQLite that cannot be read now, or are none: what is said of them, and that they stay as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from verdicts import verdict_of

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases import databases
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.checks.databases import database_connect
from upkeep.model.verdicts import Severity, Status, Verdict

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def params(path: Path) -> dict[str, Any]:
    """Return how a file is declared."""
    return {
        "databases": [{"kind": "sqlite", "name": str(path)}],
        "discover": False,
        "timeout_seconds": 8,
        "catalog_seconds": 8,
    }


def connect(seen: Observation) -> Verdict:
    verdict: Verdict = verdict_of(database_connect.CHECK, seen, database_connect.Limits(), NOW)
    return verdict


def files_in(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return by name what must stay as it is."""
    found = {one.name: (one.stat(), one.read_bytes()) for one in folder.iterdir()}
    return {name: (about.st_ino, about.st_mtime_ns, data) for name, (about, data) in found.items()}


def left_by_a_killed_writer(path: Path, journal: str) -> None:
    """Make a database whose writer was killed in the midst of a transaction that it had begun to write."""
    program = (
        "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute(f'pragma journal_mode={sys.argv[2]}'); c.execute('create table patient (t text)');"
        "c.execute('pragma cache_size=2'); c.execute('begin');"
        "[c.execute('insert into patient values (?)', ('x' * 3000,)) for n in range(200)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, path, journal], check=False)


@pytest.mark.parametrize(
    ("journal", "without", "reason"),
    [
        ("delete", "", "a writer ended before it was done; the next one puts that right"),
        ("wal", "-shm", "a write-ahead log without an index was left behind"),
    ],
    ids=["hot journal", "log without its index"],
)
def test_what_a_killed_writer_of_sqlite_left_is_unknown(
    tmp_path: Path, journal: str, without: str, reason: str
) -> None:
    path = tmp_path / "left.db"
    left_by_a_killed_writer(path, journal)
    if without:
        Path(f"{path}{without}").unlink()
    before = files_in(tmp_path)
    assert len(before) == 2

    [seen] = databases.gather(params(path), Host())

    assert connect(seen).status is Status.UNKNOWN
    assert connect(seen).message.startswith(f"not opened: {reason}")
    assert connect(seen).remedy.startswith("decide: start its application")
    assert files_in(tmp_path) == before


def test_an_empty_file_is_unknown_as_it_is_new_or_was_emptied(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()

    [seen] = databases.gather(params(path), Host())

    assert connect(seen).status is Status.UNKNOWN
    assert connect(seen).message.endswith("new.db: empty: it is new, or was emptied")
    assert connect(seen).remedy.startswith("decide: restore it, if it has had data")
    assert files_in(tmp_path)["new.db"][2] == b""


def opened(_host: Host, path: str, _follow: bool = True) -> None:
    """Say that a file was opened."""
    raise HostError(f"{path}: it was opened")


@pytest.mark.parametrize("name", ["/proc/kmsg", "/proc/self/environ", "/dev/zero", "/tmp", "FIFO"])
def test_what_is_no_file_on_a_disk_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    os.mkfifo(tmp_path / "FIFO")
    (tmp_path / "link.db").symlink_to(tmp_path / name)  # a whole path stays as it is
    monkeypatch.setattr(Host, "open", opened)

    [seen] = databases.gather(params(tmp_path / "link.db"), Host())

    assert connect(seen).severity is Severity.CRITICAL
    assert "not a " in connect(seen).message
    assert connect(seen).remedy.startswith("ls -ld ")
    assert "opened" not in repr(seen)
