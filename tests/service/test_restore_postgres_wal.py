"""A base backup with a folder of WAL beside it: recovered to its end, and what is wrong in that folder is found."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from postgres import USER, Postgres, program
from restore_trial import Trial, age, digest, needs

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import (
    postgres_wal_folder,
)

ROWS = 2000
"""Written in each segment; a row has about a kilobyte."""
FOLDERS = ("wal", "received", "switched")
LATE = 3
"""How many segments are filled behind the base backups; then one more is begun."""


class Writing:
    """A server that archives and streams its log. home: of two base backups and three folders of WAL.

    `plain` has no log of its own, `stream` has that of its own time. `wal` was filled by archive_command, `received` by
    pg_receivewal; `switched` is `wal` after the server was promoted and had written more.
    written: when the rows of each round were written, the earliest and the latest time.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in ("archive", "received"):
            (home / name).mkdir()
            shutil.chown(home / name, "postgres")
        self.written: list[tuple[datetime, datetime]] = []
        self.server = Postgres()
        for name, value in (
            ("archive_mode", "on"),
            ("archive_command", f"cp %p {home}/archive/%f"),
            ("autovacuum", "off"),
        ):
            self.do(f"ALTER SYSTEM SET {name} = '{value}'")
        self.server.stop()
        self.server.start()
        self.do("CREATE TABLE guest (id int, round int, name text)")

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        answer: list[tuple[Any, ...]] = []
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as db:
            for one in statements:
                said = db.execute(one)
                answer = said.fetchall() if said.description else []
        return answer

    def write(self) -> None:
        began = datetime.now(UTC)
        self.do(
            f"INSERT INTO guest SELECT n, {len(self.written)}, repeat(md5(n::text), 30) FROM generate_series(1, {ROWS}) n"
        )
        self.written.append((began, datetime.now(UTC)))

    def switch(self) -> None:
        """Begin the next segment, and wait until the one before is archived."""
        name = self.do("SELECT pg_walfile_name(pg_current_wal_lsn())")[0][0]
        self.do("SELECT pg_switch_wal()")
        self.wait(lambda: (self.home / "archive" / name).exists())
        self.wait(lambda: self.do("SELECT last_archived_wal FROM pg_stat_archiver")[0][0] >= name)

    def wait(self, done: Callable[[], bool]) -> None:
        for _attempt in range(1200):
            if done():
                return
            time.sleep(0.1)
        pytest.fail("the log did not come")

    def base(self, name: str, *options: str) -> None:
        line = [program("pg_basebackup"), "-h", str(self.server.home), "-U", USER, "-D", name]
        done = subprocess.run(
            [*line, "-c", "fast", *options], cwd=self.home, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def make(self) -> None:
        # Its slot keeps the log until it was received.
        self.do("SELECT pg_create_physical_replication_slot('received', true)")
        line = [
            program("pg_receivewal"),
            "-h",
            str(self.server.home),
            "-U",
            USER,
            "-n",
            "--synchronous",
        ]
        receiver = subprocess.Popen(
            [*line, "-S", "received", "-D", str(self.home / "received")],
            user="postgres",
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.wait(lambda: bool(self.do("SELECT 1 FROM pg_stat_replication")))
            self.write()
            self.base("plain", "-X", "none")
            self.base("stream", "-X", "stream")
            for _round in range(LATE):
                self.write()
                self.switch()
            self.write()
            at = self.do("SELECT pg_current_wal_flush_lsn()")[0][0]
            self.wait(
                lambda: self.do(f"SELECT bool_or(flush_lsn >= '{at}') FROM pg_stat_replication")[0][
                    0
                ]
            )
        finally:
            receiver.send_signal(signal.SIGINT)
            receiver.wait()
        self.do("SELECT pg_drop_replication_slot('received')")
        shutil.copytree(self.home / "archive", self.home / "wal")
        self.promote()
        shutil.copytree(self.home / "archive", self.home / "switched")
        for name in ("plain", "stream", *FOLDERS):
            age(self.home / name)

    def promote(self) -> None:
        """Let the server begin a timeline, in the middle of a segment, and write on."""
        self.server.stop("immediate")
        standby = self.server.home / "data" / "standby.signal"
        standby.touch()
        shutil.chown(standby, "postgres")
        self.server.start()
        self.do("SELECT pg_promote()")
        for _round in range(2):
            self.write()
            self.switch()


@pytest.fixture(scope="module")
def writing() -> Iterator[Writing]:
    needs("pg_restore", "zstd", "lz4", "xz")
    home = Path(tempfile.mkdtemp(prefix="upkeep-wal-", dir="/var/tmp"))
    left_behind.remove_at_the_end(home)
    home.chmod(0o755)
    one = Writing(home)
    try:
        one.make()
        yield one
    finally:
        one.server.close()
        shutil.rmtree(home)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _unchanged(writing: Writing) -> Iterator[None]:
    """Whatever is recovered: the base backups and the folders of WAL are the same before and after."""
    before = {one: digest(writing.home / one) for one in ("plain", "stream", *FOLDERS)}
    yield
    assert {one: digest(writing.home / one) for one in before} == before


def shell(command: str) -> Callable[[Path, Path], None]:
    """Return what runs a command in a folder of WAL. $S1 is the first segment that is needed, and $S2 follows it."""

    def plant(base: Path, wal: Path) -> None:
        run(command, base, wal)

    return plant


def run(command: str, base: Path, wal: Path) -> None:
    label = (base / "backup_label").read_text()
    first = label.partition("(file ")[2][:24]
    later = sorted(one.name for one in wal.iterdir() if len(one.name) == 24 and one.name >= first)
    names = {f"S{number}": name for number, name in enumerate(later, 1)}
    done = subprocess.run(
        ["sh", "-ec", command], cwd=wal, env={**os.environ, **names}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    age(wal)


GOOD: dict[str, tuple[str, str, str, int]] = {
    "a whole one": ("stream", "wal", "", LATE + 1),
    "for a base backup without a log of its own": ("plain", "wal", "", LATE + 1),
    "that everybody may read": ("plain", "wal", "chmod 755 .; chmod 644 *", LATE + 1),
    "packed by gzip": ("plain", "wal", "gzip 0*", LATE + 1),
    "packed by zstd": ("plain", "wal", "zstd -q --rm 0*", LATE + 1),
    "packed by lz4": ("plain", "wal", "for F in 0*; do lz4 -q --rm $F $F.lz4; done", LATE + 1),
    "packed by xz under the names of segments": (
        "plain",
        "wal",
        "for F in $S1 $S2 $S3 $S4; do xz -0 $F; mv $F.xz $F; done",
        LATE + 1,
    ),
    "with the segment that was being written": ("stream", "received", "", LATE + 2),
    "with a packed segment that was being written, without its end": (
        "stream",
        "received",
        "gzip -S .gz.partial *.partial; for F in *.gz.partial; do G=${F%.partial.gz.partial}.gz.partial;"
        " mv $F $G; truncate -s -5 $G; done",
        LATE + 2,
    ),
    "that goes on in another timeline": ("stream", "switched", "", LATE + 4),
    "that goes on in another timeline, packed": ("plain", "switched", "gzip 0*", LATE + 4),
    "of another timeline, not yet written in": (
        "plain",
        "switched",
        "rm -f 00000002????????????????",
        LATE + 2,
    ),
    "that ends with a segment that is just being copied": (
        "stream",
        "wal",
        "truncate -s 1M $S4",
        LATE,
    ),
    "beside what has nothing to do with it": (
        "stream",
        "wal",
        "echo x >notes.txt; mkdir old; cp $S1 old; echo x >$S2.tmp; ln -s /etc/passwd 000000010000000000000999",
        LATE + 1,
    ),
}
"""Each: base backup, folder of WAL, what is done to it, how many rounds of rows come out."""


def copied(writing: Writing, name: str, folder: Path) -> Path:
    shutil.copytree(writing.home / name, folder / name, symlinks=True)
    return folder / name


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(one, marks=() if "being written" in one or one.endswith("timeline") else pytest.mark.thorough)
        for one in GOOD
    ],
)  # fmt: skip
def test_a_base_backup_is_recovered_through_a_folder_of_wal(
    writing: Writing, trial: Trial, good: str, tmp_path: Path
) -> None:
    base, name, command, rounds = GOOD[good]
    wal = copied(writing, name, tmp_path)
    run(command, writing.home / base, wal)
    if "just being" in good:
        now = time.time()
        os.utime(sorted(wal.glob("0" * 7 + "1" + "?" * 16))[-1], (now, now))

    row = trial.verify(writing.home / base, wal=str(wal))

    assert (row["outcome"], row["why"], row["wal_missing"]) == ("restored", "", [])
    assert row["counts"]["postgres.public.guest"] == ROWS * rounds
    began, ended = writing.written[rounds - 1]
    at = datetime.fromisoformat(row["recovery_point_at"])
    assert began - timedelta(seconds=1) <= at <= ended
    assert row["notes"][-1].startswith("WAL was replayed up to 0/")
    assert row["proof"] == "checksums"
    assert row["restore_seconds"] >= row["seconds"]["restore"] + row["seconds"]["start"] - 0.01


FAULTS: dict[str, tuple[str, str, Callable[[Path, Path], None], str, str]] = {
    "a segment of WAL that is missing": (
        "stream",
        "wal",
        shell("rm $S3"),
        "failed",
        "WAL $S3 is missing, later ones are there",
    ),
    "a segment of WAL that was being written, and later ones": (
        "stream",
        "wal",
        shell("mv $S3 $S3.partial"),
        "failed",
        "WAL $S3 is missing, later ones are there",
    ),
    "no WAL with which the restore begins": (
        "plain",
        "wal",
        shell("rm $S1"),
        "failed",
        "WAL $S1 is missing, later ones are there: with it the restore begins",
    ),
    "a segment of WAL that was cut": (
        "stream",
        "wal",
        shell("truncate -s 1M $S2"),
        "failed",
        "WAL $S2 is cut: 1048576 of 16777216 bytes",
    ),
    "the last segment of WAL that was cut": (
        "stream",
        "wal",
        shell("truncate -s 1M $S4"),
        "failed",
        "WAL $S4 is cut: 1048576 of 16777216 bytes",
    ),
    "a packed segment of WAL that was cut": (
        "stream",
        "wal",
        shell("gzip $S2; truncate -s -9 $S2.gz"),
        "failed",
        "WAL $S2 cannot be unpacked: the gz ends too early",
    ),
    "a flipped byte in a packed segment of WAL": (
        "stream",
        "wal",
        shell(
            "zstd -q --rm $S2; printf XXX | dd of=$S2.zst bs=1 seek=90000 conv=notrunc status=none"
        ),
        "failed",
        "WAL $S2 cannot be unpacked: ",
    ),
    "a flipped byte in a segment of WAL": (
        "stream",
        "wal",
        shell("printf XXX | dd of=$S2 bs=1 seek=900000 conv=notrunc status=none"),
        "failed",
        "WAL cannot be replayed beyond 0/",
    ),
    "zeros in the last segment of WAL": (
        "stream",
        "wal",
        shell("dd if=/dev/zero of=$S4 bs=8192 seek=99 count=1 conv=notrunc status=none"),
        "failed",
        "WAL cannot be replayed beyond 0/",
    ),
    "an empty folder of WAL": (
        "stream",
        "wal",
        shell("rm *"),
        "failed",
        " is WAL that continues it, from 0",
    ),
    "no folder of WAL": (
        "stream",
        "wal",
        lambda _base, wal: shutil.rmtree(wal),
        "unknown",
        "/wal: no such file or directory",
    ),
    "a segment of WAL of another server": (
        "stream",
        "wal",
        shell("printf XXXX | dd of=$S2 bs=1 seek=26 conv=notrunc status=none"),
        "failed",
        "WAL $S2 is of another server",
    ),
    "a segment of WAL with the content of another one": (
        "stream",
        "wal",
        shell("cp $S1 $S2"),
        "failed",
        "WAL $S2 has the content of another segment",
    ),
    "a segment of WAL of a later version": (
        "stream",
        "wal",
        shell(r"printf '' | dd of=$S2 bs=1 conv=notrunc status=none"),
        "unknown",
        "WAL $S2 is of another version of PostgreSQL than the backup",
    ),
    "a segment of WAL that is encrypted": (
        "stream",
        "wal",
        shell("mv $S2 $S2.gpg"),
        "unknown",
        "WAL $S2 is there only as $S2.gpg, which is not understood",
    ),
    "a timeline of WAL without its history": (
        "stream",
        "switched",
        shell("rm 00000002.history"),
        "failed",
        "00000002.history is missing, WAL of that timeline is there",
    ),
    "a history of WAL that was cut": (
        "stream",
        "switched",
        shell("truncate -s 3 00000002.history"),
        "failed",
        "WAL: 00000002.history cannot be read: ",
    ),
}
NOT_SLOW = ("that is missing", "zeros in the last")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(one, marks=() if any(word in one for word in NOT_SLOW) else pytest.mark.thorough)
        for one in FAULTS
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_of_wal_is_found(
    writing: Writing, trial: Trial, fault: str, tmp_path: Path
) -> None:
    base, name, plant, outcome, words = FAULTS[fault]
    wal = copied(writing, name, tmp_path)
    first = (writing.home / base / "backup_label").read_text().partition("(file ")[2][:24]
    later = sorted(one.name for one in wal.iterdir() if len(one.name) == 24 and one.name >= first)
    for number, one in enumerate(later, 1):
        words = words.replace(f"$S{number}", one)
    plant(writing.home / base, wal)

    row = trial.verify(writing.home / base, wal=str(wal))

    assert words in row["why"]
    assert row["outcome"] == outcome
    if "is missing, later ones are there" in row["why"] and "begins" not in row["why"]:
        assert row["wal_missing"] == [row["why"].split()[1]]
        assert row["counts"]["postgres.public.guest"] < ROWS * (LATE + 1)
        began, ended = writing.written[1]
        at = datetime.fromisoformat(row["recovery_point_at"])
        assert began - timedelta(seconds=1) <= at <= ended


@pytest.mark.thorough
def test_wal_that_a_program_has_packed_which_is_not_here_is_unknown(
    writing: Writing, trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wal = copied(writing, "wal", tmp_path)
    run("zstd -q --rm 0*", writing.home / "stream", wal)
    monkeypatch.setitem(postgres_wal_folder.UNPACKERS, "zst", "zstd-nowhere")

    row = trial.verify(writing.home / "stream", wal=str(wal))

    assert (row["outcome"], row["why"]) == (
        "unknown",
        "zstd-nowhere is not installed: the WAL is packed as zst",
    )


@pytest.mark.thorough
def test_a_folder_of_wal_beside_another_kind_of_backup_is_a_mistake(
    trial: Trial, tmp_path: Path
) -> None:
    tree = tmp_path / "files.tar"
    subprocess.run(["tar", "-cf", tree, "-C", "/etc", "hostname"], check=True)
    age(tmp_path)

    row = trial.verify(tree, wal=str(tmp_path))

    assert (row["outcome"], row["why"]) == (
        "unknown",
        "verify: wal: found a backup of kind tar, which has no use for it; expected base backups of PostgreSQL",
    )
