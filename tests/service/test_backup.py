"""Backup and restore of the store, on both databases; interrupted, cut off, and without room."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from io import BufferedReader
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from store_samples import NOW, answer, begun, result

from upkeep.model.errors import StoreError, UsageError
from upkeep.model.verdicts import Severity
from upkeep.rules import signatures
from upkeep.store import acts, open_store, runs, tables
from upkeep.store.answers import add_host
from upkeep.store.engine import backup

RESTORE = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from upkeep.rules import signatures
    from upkeep.store.engine import backup
    from service.test_backup import ACT

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

    backup._copy_pages = copy
    trust = backup.KeyTrust([sys.argv[4]])
    backup.restore(sys.argv[1], Path(sys.argv[2]), trust, ACT, replace=True)
    """
)
KEY = Ed25519PrivateKey.generate()
TRUST = backup.KeyTrust([signatures.public_text(KEY)])
ACT = acts.Act(NOW, "", "restore backup", "upkeep.backup", way=acts.CLI, account="operator")


def back_up(url: str, file: Path) -> backup.Backup:
    made, odd = backup.back_up(url, file, NOW, KEY)
    assert odd == []
    return made


def restore(url: str, file: Path, *, replace: bool = True) -> backup.Restored:
    return backup.restore(url, file, TRUST, ACT, replace=replace)


def sign(file: Path, by: Ed25519PrivateKey = KEY, **other: object) -> None:
    """Write the manifest of a file as it is now, signed."""
    manifest = backup.manifest_of(file)
    said = {
        key: value for key, value in json.loads(manifest.read_text()).items() if key != "signature"
    }
    data = file.read_bytes()
    said |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    said |= {"key": signatures.public_text(by), **other}
    signature = signatures.sign(by, signatures.canonical(said), signatures.BACKUP)
    manifest.write_text(json.dumps({**said, "signature": signature}))


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
    back_up(url, file)
    return file


@pytest.fixture
def lite(tmp_path: Path) -> str:
    """The URL of a SQLite database with three runs that hold some hundred pages."""
    url = f"sqlite:///{tmp_path}/lite/upkeep.db"
    fill(url, 3, hosts=10)
    return url


def test_what_was_backed_up_comes_back(url: str, kept: Path) -> None:
    fill(url, 3)

    made = restore(url, kept).made

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
        back_up(url, kept)


def test_what_is_in_the_database_is_not_lost_unless_told(url: str, kept: Path) -> None:
    fill(url, 1)

    with pytest.raises(UsageError, match="is not empty"):
        restore(url, kept, replace=False)

    assert count(url) == 3


HARMS = {
    "cut off": "its manifest says",
    "changed": "SHA-256",
    "longer": "its manifest says",
    "newer": "newer than this program's",
    "no revision of ours": "newer than this program's",
    "another format": "not a manifest",
    "a count that was changed": "not what was signed",
    "a hash that was changed": "not what was signed",
    "no manifest": "not a manifest",
    "a manifest that is a list": "not a manifest",
    "without its signature": "not a manifest",
    "signed for another purpose": "not what was signed",
    "of an older program": "it is not signed",
    "signed by somebody else": "a key that is not trusted here: SHA256:",
    "a key of another form": "not what was signed",
    "more rows than are there": "its rows are not those of its manifest",
    "not packed": "cannot be unpacked",
}


@pytest.mark.parametrize(("harm", "words"), HARMS.items(), ids=HARMS)
def test_a_backup_that_does_not_fit_changes_nothing(
    url: str, kept: Path, harm: str, words: str
) -> None:
    manifest = backup.manifest_of(kept)
    said = json.loads(manifest.read_text())
    data = bytearray(kept.read_bytes())
    if harm == "cut off":
        kept.write_bytes(data[: len(data) // 2])
    elif harm == "changed":
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
    elif harm == "longer":
        kept.write_bytes(data + b"more")
    elif harm == "newer":
        sign(kept, schema="9999")
    elif harm == "no revision of ours":
        sign(kept, schema="0003")
    elif harm == "another format":
        sign(kept, format=3)
    elif harm == "a count that was changed":
        said["tables"]["run"] = 7
        manifest.write_text(json.dumps(said))
    elif harm == "a hash that was changed":
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
        manifest.write_text(json.dumps({**said, "sha256": hashlib.sha256(data).hexdigest()}))
    elif harm == "no manifest":
        manifest.write_text("{}")
    elif harm == "a manifest that is a list":
        manifest.write_text("[]")
    elif harm == "without its signature":
        del said["signature"]
        manifest.write_text(json.dumps(said))
    elif harm == "signed for another purpose":
        del said["signature"]
        signature = signatures.sign(KEY, signatures.canonical(said))
        manifest.write_text(json.dumps({**said, "signature": signature}))
    elif harm == "of an older program":
        manifest.write_text(json.dumps({key: said[key] for key in backup.OF_BEFORE}))
    elif harm == "signed by somebody else":
        sign(kept, Ed25519PrivateKey.generate())
    elif harm == "a key of another form":
        sign(kept, key="ssh-ed25519 AAAA")
    elif harm == "more rows than are there":
        sign(kept, tables={**said["tables"], "run": 7})
    else:
        kept.write_bytes(gzip.decompress(data))
        sign(kept)
    fill(url, 1)

    with pytest.raises(StoreError, match=words) as caught:
        restore(url, kept)

    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    assert count(url) == 3


def test_a_key_of_another_installation_is_trusted_by_its_fingerprint_alone(
    url: str, kept: Path
) -> None:
    other = Ed25519PrivateKey.generate()
    sign(kept, other)
    wrong = backup.KeyTrust(TRUST.keys, signatures.fingerprint(signatures.public_text(KEY)))
    right = backup.KeyTrust([], signatures.fingerprint(signatures.public_text(other)))

    with pytest.raises(StoreError) as caught:
        backup.restore(url, kept, wrong, ACT, replace=True)

    assert f"--trust-key {right.fingerprint}" in caught.value.remedy
    assert backup.restore(url, kept, right, ACT, replace=True).made.tables["run"] == 2


# --- what is in a file is data ---------------------------------------------------------------------------------------
Lines = list[object]


def lines_of(file: Path) -> Lines:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def rewrite(file: Path, lines: Lines) -> None:
    """Write an archive as somebody would who has the key."""
    file.write_bytes(gzip.compress("".join(f"{json.dumps(one)}\n" for one in lines).encode()))
    sign(file)


def at(lines: Lines, table: str) -> int:
    """Where a table begins."""
    return next(n for n, one in enumerate(lines) if isinstance(one, dict) and one["table"] == table)


STATEMENT = "'); COMMIT; DROP TABLE run CASCADE; --"


def test_a_statement_in_an_archive_is_a_text(url: str, kept: Path) -> None:
    lines = lines_of(kept)
    row = lines[at(lines, "run") + 1]
    assert isinstance(row, list)
    row[2] = STATEMENT
    rewrite(kept, lines)

    restore(url, kept)

    with closing(open_store(url)) as store, store.read() as db:
        assert STATEMENT in db.execute(select(tables.run.c.title)).scalars().all()


FOREIGN = {
    "a table of its own": "found the table 'evil'",
    "the revision's table": "found the table 'alembic_version'",
    "sessions": "found the table 'session'",
    "a table twice": "found the table",
    "a table that is missing": "found the table",
    "the last table is missing": "holds nothing of the table 'result'",
    "a statement for a column": "found the table 'run'",
    "a column that is missing": "found the table 'run'",
    "a row that is too long": "found no row of 'run'",
    "a row of no table": "a row of no table",
    "a row that is a text": "found no row of 'run'",
    "a number that is a text": "run.id: found 'x'",
    "a number that is a yes": "run.id: found True",
    "a number without bounds": "run|range",
    "a time without a zone": "expected a time with its zone",
    "a time that is none": "'now'",
    "bytes that are none": "line ",
    "a last number that is a text": "the last number of 'run'",
    "no text of JSON": "line ",
    "half a character": "run",
    "a row that refers to nothing": "FOREIGN KEY|foreign key",
    "a row twice": "UNIQUE|unique|rows are not those",
    "a line without an end": "longer than",
}


@pytest.mark.parametrize(("harm", "words"), FOREIGN.items(), ids=FOREIGN)
def test_what_is_no_data_of_ours_changes_nothing_though_it_is_signed(
    url: str, kept: Path, harm: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of(kept)
    begins = at(lines, "run")
    header, row = lines[begins], lines[begins + 1]
    assert isinstance(header, dict)
    assert isinstance(row, list)
    evil = {"table": "evil", "columns": ["id"], "last": 0}
    if harm == "a table of its own":
        lines.append(evil)
    elif harm == "the revision's table":
        lines += [{**evil, "table": "alembic_version", "columns": ["version_num"]}, ["0001"]]
    elif harm == "sessions":
        lines.append({**evil, "table": "session"})
    elif harm == "a table twice":
        lines.insert(begins, dict(header))
    elif harm == "a table that is missing":
        del lines[at(lines, "act")]
    elif harm == "the last table is missing":
        lines = lines[: at(lines, "result")]
    elif harm == "a statement for a column":
        header["columns"] = [*header["columns"][:-1], "title) VALUES (1); DROP TABLE run; --"]
    elif harm == "a column that is missing":
        header["columns"] = header["columns"][:-1]
    elif harm == "a row that is too long":
        row.append(1)
    elif harm == "a row of no table":
        lines.insert(0, [1])
    elif harm == "a row that is a text":
        lines[begins + 1] = "x"
    elif harm == "a number that is a text":
        row[0] = "x"
    elif harm == "a number that is a yes":
        row[0] = True
    elif harm == "a number without bounds":
        row[0] = 10**30
    elif harm == "a time without a zone":
        row[header["columns"].index("started_at")] = "2030-06-01T06:00:00"
    elif harm == "a time that is none":
        row[header["columns"].index("started_at")] = "now"
    elif harm == "bytes that are none":
        lines.insert(at(lines, "evidence") + 1, ["0" * 64, 1, "?"])
    elif harm == "a last number that is a text":
        header["last"] = "1); DROP TABLE run; --"
    elif harm == "half a character":
        row[2] = "\ud800"
    elif harm == "a row that refers to nothing":
        hosts = at(lines, "run_host")
        first = lines[hosts + 1]
        assert isinstance(first, list)
        first[1] = 99
    elif harm == "a row twice":
        lines.insert(begins + 1, row)
    elif harm == "a line without an end":
        monkeypatch.setattr("upkeep.store.engine.archive.LINE_BYTES", 20)
    rewrite(kept, lines)
    if harm == "no text of JSON":
        kept.write_bytes(gzip.compress(b"DROP TABLE run;\n"))
        sign(kept)
    fill(url, 1)

    with pytest.raises(StoreError, match=words) as caught:
        restore(url, kept)

    assert "nothing was changed" in caught.value.remedy or "old content" in caught.value.remedy
    assert count(url) == 3


def test_a_file_that_is_changed_while_it_is_read_changes_nothing(
    url: str, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of(kept)
    before = backup.manifest_of(kept).read_text()
    row = lines[at(lines, "run") + 1]
    assert isinstance(row, list)
    row[2] = "another"
    looked = backup._refuse_changed

    def change(file: Path, stream: BufferedReader, made: backup.Backup) -> None:
        looked(file, stream, made)
        rewrite(kept, lines)  # the same file, as its reader has it open
        backup.manifest_of(kept).write_text(before)

    monkeypatch.setattr(backup, "_refuse_changed", change)
    fill(url, 1)

    with pytest.raises(StoreError, match="was changed while it was read"):
        restore(url, kept)

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
        made = [back_up(url, tmp_path / f"{n}.backup") for n in range(3)]
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
    back_up(lite, file)
    fill(lite, 2, hosts=10)

    arguments = [lite, str(file), moment, *TRUST.keys]
    ended = subprocess.run(
        [sys.executable, "-c", RESTORE, *arguments], check=False, cwd=Path(__file__).parents[1]
    )

    assert ended.returncode == -signal.SIGKILL
    assert count(lite) == {"before": 5, "within": 5, "after": 3}[moment]
    with closing(sqlite3.connect(tmp_path / "lite" / "upkeep.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    restore(lite, file)
    assert count(lite) == 3


def test_a_damaged_database_is_replaced_and_kept(lite: str, tmp_path: Path) -> None:
    file = tmp_path / "upkeep.backup"
    back_up(lite, file)
    path = tmp_path / "lite" / "upkeep.db"
    path.write_bytes(b"not a database at all" * 999)

    with pytest.raises(UsageError, match="is not empty"):
        restore(lite, file, replace=False)
    restore(lite, file)

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


def shrink(folder: Path, more_kilobytes: int = 96) -> None:
    """Leave room for little more than what is there."""
    used = sum(path.stat().st_size for path in folder.iterdir()) // 1024
    subprocess.run(
        ["mount", "-o", f"remount,size={used + more_kilobytes}k", str(folder)], check=True
    )


def test_without_room_there_is_no_half_backup(lite: str, small: Path) -> None:
    shrink(small, 4)
    with pytest.raises(StoreError, match=r"full|no space"):
        back_up(lite, small / "upkeep.backup")

    assert list(small.iterdir()) == []


def test_without_room_the_old_content_stays(lite: str, tmp_path: Path, small: Path) -> None:
    file = tmp_path / "upkeep.backup"
    back_up(lite, file)
    url = f"sqlite:///{small}/upkeep.db"
    fill(url, 1)
    with closing(sqlite3.connect(small / "upkeep.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shrink(small)

    with pytest.raises(StoreError, match=r"full|no space"):
        restore(url, file)

    with closing(sqlite3.connect(small / "upkeep.db")) as db:
        assert db.execute("SELECT count(*) FROM run").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
