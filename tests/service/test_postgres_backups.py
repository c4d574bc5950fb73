"""Backups that the real pg_dump and pg_basebackup made, and faults that were really caused in them."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from postgres import USER, Postgres, program

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    folder_written,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folders import (
    folder_kind,
    folder_time,
    read_folder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._postgresql import (
    read_custom,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

RECORDED = Path(__file__).parents[1] / "unit" / "recorded" / "backups"
MUTATIONS = 40


class BareHost(Host):
    """A host without PostgreSQL's programs: a file server that keeps backups."""

    def which(self, program: str) -> str | None:
        return None if program.startswith("pg_") else super().which(program)

    def glob(self, pattern: str, limit: int = 10_000) -> list[str]:
        return []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Yield a folder with backups of a server that has a table and large objects."""
    home = tmp_path_factory.mktemp("made")
    server = Postgres()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as db:
            db.execute(
                "CREATE TABLE guest AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 5000) n"
            )
            db.execute("CREATE TABLE nothing (id int)")
            db.execute("SELECT lo_from_bytea(4001, decode(repeat('00ff1234', 20000), 'hex'))")

        def run(name: str, *arguments: str) -> None:
            done = subprocess.run(
                [program(name), "-h", str(server.home), "-U", USER, *arguments],
                capture_output=True,
                cwd=home,
            )
            assert done.returncode == 0, done.stderr

        run("pg_dump", "-Fd", "-j2", "-f", "directory", "postgres")
        run("pg_dump", "-Fc", "-f", "custom.dump", "postgres")
        run("pg_basebackup", "-D", "plain", "-c", "fast", "--no-sync")
        run(
            "pg_basebackup",
            "-D",
            "tar",
            "-Ft",
            "-z",
            "-c",
            "fast",
            "--no-sync",
            "--manifest-checksums=SHA256",
        )
        run(
            "pg_basebackup",
            "-D",
            "zst",
            "-Ft",
            "-X",
            "fetch",
            "-c",
            "fast",
            "--no-sync",
            "--compress=server-zstd",
        )
        run("pg_basebackup", "-D", "without_wal", "-X", "none", "-c", "fast", "--no-sync")
    finally:
        server.close()
    return home


def read(folder: Path, host: Host | None = None, seconds: float = 600) -> Reading:
    host = host or Host()
    return read_folder(str(folder), folder_kind(str(folder), host), Budget(seconds, 1 << 33), host)


@pytest.fixture
def plain(made, tmp_path):
    """A base backup to cause faults in: its files are the same ones until one is written anew."""
    shutil.copytree(made / "plain", tmp_path / "plain", copy_function=os.link)
    return tmp_path / "plain"


def write_anew(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_a_dump_in_a_folder_by_two_workers_reads_to_its_end(made):
    found = read(made / "directory")

    assert (found.state, found.proof) == ("whole", "part")
    assert found.bytes > 5000 * 33 + 80_000


def test_a_base_backup_is_proved_with_its_log_by_the_program_of_its_version(made):
    found = read(made / "plain")

    assert (found.what, found.proof, found.unproved) == (["base backup of PostgreSQL"], "all", "")
    assert found.members > 900
    at, words = folder_time(str(made / "plain"), "pg_basebackup", Host())
    size, written, files = folder_written(str(made / "plain"), Host(), 200_000)
    assert (found.taken, words) == (at, "start time in backup_label")
    assert abs(written - at) < 600
    assert size > found.bytes - 1
    assert files >= found.members


def test_a_base_backup_is_compared_with_its_manifest_where_no_program_of_postgresql_is(made):
    found = read(made / "plain", BareHost())

    assert (found.state, found.proof) == ("whole", "part")
    assert found.unproved.startswith("the write-ahead log of timeline 1 from ")
    assert found.unproved.endswith(", which was not parsed")


def test_a_base_backup_in_packed_tars_is_compared_with_its_manifest(made):
    found = read(made / "tar")

    assert (found.state, found.proof) == ("whole", "part")
    assert found.what == ["base backup of PostgreSQL in tars"]
    assert found.unproved.endswith(", which was not parsed")
    assert found.taken_words == "time of backup_label in backup_manifest"


def test_a_base_backup_in_tars_of_zstd_with_the_log_among_the_files_is_compared_too(made):
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not here")
    found = read(made / "zst")

    assert (found.state, found.proof) == ("whole", "part")
    assert found.unproved.endswith(", which was not parsed")


@pytest.mark.parametrize("host", [Host(), BareHost()])
def test_a_base_backup_whose_log_lies_elsewhere_says_so(made, host):
    found = read(made / "without_wal", host)

    assert (found.state, found.proof) == ("whole", "part")
    assert found.unproved.endswith(
        ", which is not in the backup: without an archive of it nothing can be restored"
    )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    write_anew(path, bytes(data))


def cut(path: Path) -> None:
    write_anew(path, path.read_bytes()[:-1])


FAULTS = {
    "a flipped bit": (lambda folder: flip(folder / "base/1/PG_VERSION"), "base/1/PG_VERSION"),
    "a cut file": (lambda folder: cut(folder / "global/pg_control"), "global/pg_control"),
    "a missing file": (lambda folder: (folder / "base/1/PG_VERSION").unlink(), "base/1/PG_VERSION"),
    "a stranger": (lambda folder: (folder / "base/1/stranger").write_text("x"), "base/1/stranger"),
    "an edited manifest": (lambda folder: flip(folder / "backup_manifest"), "backup_manifest"),
    "a cut manifest": (lambda folder: cut(folder / "backup_manifest"), "backup_manifest"),
    "cut log": (lambda folder: cut(next((folder / "pg_wal").glob("0*"))), "pg_wal/0000"),
}


@pytest.mark.parametrize("host", [Host(), BareHost()], ids=["with programs", "without"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_base_backup_is_seen(fault, host, plain):
    cause, names = FAULTS[fault]
    cause(plain)
    with pytest.raises(BrokenError) as caught:
        read(plain, host)
    assert names in str(caught.value)


def test_a_flipped_bit_in_the_log_is_seen_by_the_program_that_parses_it(plain):
    log = next((plain / "pg_wal").glob("0*"))
    data = bytearray(log.read_bytes())
    data[60] ^= 1
    write_anew(log, bytes(data))
    with pytest.raises(BrokenError, match="WAL parsing failed"):
        read(plain)


def test_the_only_file_of_the_log_may_be_kept_elsewhere_and_that_is_said(plain):
    for log in (plain / "pg_wal").glob("0*"):
        log.unlink()

    assert read(plain).unproved.endswith(
        ", which is not in the backup: without an archive of it nothing can be restored"
    )


def test_a_changed_setting_is_said_and_does_not_fail(plain):
    changed = plain / "postgresql.auto.conf"
    write_anew(changed, changed.read_bytes() + b"primary_conninfo = ''\n")

    assert read(plain).unproved == "postgresql.auto.conf, which differs from the manifest"


def test_a_base_backup_without_a_manifest_is_read_and_not_proved(plain):
    (plain / "backup_manifest").unlink()
    found = read(plain)
    assert (found.state, found.proof, found.unproved) == (
        "whole",
        "none",
        "its files: it has no manifest",
    )

    (plain / "backup_manifest.tmp").write_text("{")
    with pytest.raises(BrokenError, match="not finished") as caught:
        read(plain)
    assert caught.value.cut


def test_a_link_in_a_base_backup_is_not_followed(plain, tmp_path):
    (plain / "base/1/PG_VERSION").rename(tmp_path / "elsewhere")
    (plain / "base/1/PG_VERSION").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokenError, match="base/1/PG_VERSION is missing"):
        read(plain)


def test_a_base_backup_that_takes_too_long_is_not_read_to_its_end(made):
    with pytest.raises(OutOfBudgetError):
        read(made / "plain", seconds=0)


@pytest.mark.parametrize("fault", ["flip", "cut", "missing", "no log"])
def test_a_fault_in_a_tar_is_seen(fault, made, tmp_path):
    folder = tmp_path / "tar"
    shutil.copytree(made / "tar", folder, copy_function=os.link)
    base = folder / "base.tar.gz"
    if fault == "flip":
        data = bytearray(gzip.decompress(base.read_bytes()))
        data[data.index(b"\n", 5000)] ^= 1
        write_anew(base, gzip.compress(bytes(data), 1))
    elif fault == "cut":
        cut(base)
    elif fault == "missing":
        base.rename(folder / "base.tar.gz.moved")
    else:
        (folder / "pg_wal.tar.gz").unlink()
        assert read(folder).unproved.endswith(
            ", which is not in the backup: without an archive of it nothing can be restored"
        )
        return
    with pytest.raises((BrokenError, UnreadError)):
        read_folder(str(folder), "pg_basebackup", Budget(60, 1 << 33), Host())


def restored(data: bytes, path: Path) -> list[bytes]:
    """Return the rows and the large objects that pg_restore gives of a dump."""
    path.write_bytes(data)
    out = subprocess.run([program("pg_restore"), "-f", "-", str(path)], capture_output=True).stdout
    return re.findall(rb"(?m)^\d+\t[^\t\n]*\t[^\t\n]*$|^.*lowrite.*$", out)


def test_what_still_reads_restores_the_same_data(tmp_path):
    """Names and definitions have no checksum: of the table of contents only what leads to data must be seen."""
    data = (RECORDED / "pg15_zlib.dump").read_bytes()
    expected = restored(data, tmp_path / "dump")
    assert len(expected) == 72
    choice, whole = random.Random(18), 0
    while whole < MUTATIONS:
        damaged = bytearray(data)
        damaged[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
        try:
            read_custom(Counted(io.BytesIO(damaged).read, Budget(60, 1 << 30)), Reading())
        except (BrokenError, UnreadError):
            continue
        whole += 1
        assert restored(bytes(damaged), tmp_path / "dump") == expected
