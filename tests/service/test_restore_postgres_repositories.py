"""Repositories of pgBackRest and Barman: restored by them, up to the last of the archived log; and their false comforts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from postgres import USER, Postgres, program
from restore_trial import Trial, needs


class Archiving:
    """A server that archives its log into a repository. home: of that."""

    def __init__(self, tool: str, command: str) -> None:
        needs(tool)
        self.home = Path(tempfile.mkdtemp(prefix="upkeep-wal-", dir="/var/tmp"))
        left_behind.remove_at_the_end(self.home)
        shutil.chown(self.home, "postgres")
        self.home.chmod(0o755)
        self.space = self.home / "space"
        self.space.mkdir()
        shutil.chown(self.space, "postgres")
        self.server = Postgres()
        self.conf = self.home / f"{tool}.conf"
        self.do("ALTER SYSTEM SET archive_mode = 'on'")
        self.do(
            f"ALTER SYSTEM SET archive_command = '{command.format(home=self.home, conf=self.conf)}'"
        )
        self.server.stop()
        self.server.start()

    def do(self, *statements: str) -> None:
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as db:
            for one in statements:
                db.execute(one)

    def fill(self) -> None:
        self.do(
            f"CREATE TABLESPACE elsewhere LOCATION '{self.space}'",
            "CREATE TABLE guest TABLESPACE elsewhere AS"
            " SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 5000) n",
        )

    def write_on(self, segments: int) -> None:
        """Write rows behind the backup, each in a segment of its own."""
        for number in range(segments):
            self.do(f"INSERT INTO guest VALUES ({6000 + number}, 'late')", "SELECT pg_switch_wal()")

    def run(self, *line: str) -> str:
        folder = str(Path(program("pg_ctl")).parent)
        done = subprocess.run(
            line,
            user="postgres",
            extra_groups=[],
            cwd=self.home,
            env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(self.home)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def archived(self, done: Callable[[], bool]) -> None:
        for _attempt in range(600):
            if done():
                return
            time.sleep(0.1)
        pytest.fail("the log was not archived")

    def close(self) -> None:
        self.server.close()
        shutil.rmtree(self.home)


@pytest.fixture(scope="module")
def pgbackrest() -> Iterator[Path]:
    """A repository of pgBackRest, with a full backup and what was written after it."""
    one = Archiving("pgbackrest", "pgbackrest --config={conf} --stanza=clinic archive-push %p")
    try:
        lines = ["[global]", f"repo1-path={one.home}/repository", f"log-path={one.home}/log"]
        lines += [f"lock-path={one.home}/lock", f"spool-path={one.home}/spool", "start-fast=y"]
        lines += ["compress-type=lz4", "[clinic]", f"pg1-path={one.server.home}/data"]
        lines += [f"pg1-socket-path={one.server.home}", f"pg1-user={USER}", ""]
        one.conf.write_text("\n".join(lines))
        one.run("pgbackrest", f"--config={one.conf}", "--stanza=clinic", "stanza-create")
        one.fill()
        one.run("pgbackrest", f"--config={one.conf}", "--stanza=clinic", "backup", "--type=full")
        one.write_on(3)
        repository = one.home / "repository"
        one.archived(lambda: len(list(repository.glob("archive/clinic/*/*/*.lz4"))) >= 5)
        yield repository
    finally:
        one.close()


@pytest.fixture(scope="module")
def barman() -> Iterator[Path]:
    """A home of Barman, with a backup and what was written after it."""
    one = Archiving("barman", "cp %p {home}/barman/clinic/incoming/%f")
    try:
        server = f"host={one.server.home} user={USER} dbname=postgres"
        lines = ["[barman]", f"barman_home={one.home}/barman", "barman_user=postgres"]
        lines += [f"log_file={one.home}/barman.log", "[clinic]", "description=a test"]
        lines += [f"conninfo={server}", f"streaming_conninfo={server}", "backup_method=postgres"]
        lines += ["archiver=on", f"backup_directory={one.home}/barman/clinic", ""]
        one.conf.write_text("\n".join(lines))
        one.run("mkdir", "-p", "barman/clinic/incoming")
        one.fill()
        one.do("SELECT pg_switch_wal()")
        incoming = one.home / "barman" / "clinic" / "incoming"
        one.archived(lambda: any(incoming.glob("0*")))
        one.run("barman", "-c", str(one.conf), "cron")
        one.run("barman", "-c", str(one.conf), "backup", "clinic")
        one.write_on(3)
        wals = one.home / "barman" / "clinic" / "wals"

        def taken() -> bool:
            one.run("barman", "-c", str(one.conf), "archive-wal", "clinic")
            return len(segments(wals)) >= 4

        one.archived(taken)
        yield one.home / "barman"
    finally:
        one.close()


def segments(folder: Path) -> list[Path]:
    """Return the archived segments, in their order."""
    return sorted(
        one for one in folder.rglob("0*") if one.is_file() and len(one.name.split("-")[0]) == 24
    )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def verified(trial: Trial, repository: Path, kind: str) -> dict[str, Any]:
    return trial.verify(repository, declared={"repository": str(repository), "kind": kind})


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


@pytest.mark.parametrize("tool", ["pgbackrest", pytest.param("barman", marks=pytest.mark.thorough)])
def test_a_repository_is_restored_up_to_the_last_of_its_log(
    tool: str, trial: Trial, request: pytest.FixtureRequest
) -> None:
    row = verified(trial, request.getfixturevalue(tool), tool)

    assert row["why"] == ""
    assert (row["proof"], row["wal_missing"]) == ("checksums", [])
    assert row["counts"]["postgres.public.guest"] == 5003
    assert row["recovery_point_at"] >= row["taken_at"]
    assert row["programs"][tool]


def test_what_pgbackrest_calls_an_error_with_status_0_is_one(
    pgbackrest: Path, trial: Trial, tmp_path: Path
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(pgbackrest, copy, symlinks=True)
    flip(
        max(copy.glob("backup/clinic/*F/pg_tblspc/*/*/*/*.lz4"), key=lambda one: one.stat().st_size)
    )

    row = verified(trial, copy, "pgbackrest")

    assert (row["outcome"], row["step"]) == ("failed", "check")
    assert row["why"].endswith("is invalid: checksum invalid: 1") or "missing: 0" in row["why"]


@pytest.mark.thorough
def test_a_repository_that_is_not_there_is_no_success(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "backup").mkdir()
    assert verified(trial, tmp_path, "pgbackrest")["outcome"] == "unknown"


@pytest.mark.thorough
@pytest.mark.parametrize("tool", ["pgbackrest", "barman"])
def test_a_gap_in_the_log_is_named_and_the_recovery_point_lies_before_it(
    tool: str, trial: Trial, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(request.getfixturevalue(tool), copy, symlinks=True)
    gone = segments(copy)[-2]
    gone.unlink()

    row = verified(trial, copy, tool)

    assert row["why"] == ""
    assert row["wal_missing"] == [gone.name.split("-")[0]]
    assert row["counts"]["postgres.public.guest"] in (5001, 5002)


@pytest.mark.thorough
@pytest.mark.parametrize("tool", ["pgbackrest", "barman"])
def test_a_log_that_lacks_what_the_backup_begins_with_is_a_fault(
    tool: str, trial: Trial, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(request.getfixturevalue(tool), copy, symlinks=True)
    for one in segments(copy)[:-1]:
        one.unlink()

    row = verified(trial, copy, tool)

    assert row["outcome"] == "failed"
    assert "the archive lacks 0000" in row["why"]


@pytest.mark.thorough
def test_a_flipped_byte_in_the_log_that_barman_keeps_is_seen(
    barman: Path, trial: Trial, tmp_path: Path
) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(barman, copy, symlinks=True)
    damaged = segments(copy)[-2]
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1
    damaged.write_bytes(data)

    row = verified(trial, copy, "barman")

    assert row["outcome"] == "failed"
    assert row["why"].startswith("the archived log cannot be read beyond ")
