"""Whatever is flipped, cut or zeroed in a backup of PostgreSQL: what is proved by its checksums is what was backed up."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import left_behind
import psycopg
import pytest
from postgres import USER, Postgres, program
from restore_damage import flip, zero
from restore_trial import Trial, age, needs

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore import postgres_server
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup

pytestmark = pytest.mark.thorough
FILL = (
    "CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT '2026-11-27', note bytea)",
    "INSERT INTO t (name, note) SELECT md5(n::text), decode(md5((n * 7)::text), 'hex') FROM generate_series(1, 3000) n",
    "CREATE TABLE visit (id int, t int REFERENCES t, paid numeric(9, 2) CHECK (paid >= 0))",
    "INSERT INTO visit SELECT n, n % 3000 + 1, n * 1.07 FROM generate_series(1, 2000) n",
    "CREATE INDEX by_name ON t (name)",
    "CREATE VIEW paid AS SELECT t, sum(paid) AS paid FROM visit GROUP BY t",
    "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'",
    "COMMENT ON TABLE visit IS 'what is paid'",
)
CONTENT = """
SELECT md5(concat_ws('|', current_database(),
  (SELECT string_agg(t::text, ';' ORDER BY id) FROM t),
  (SELECT string_agg(visit::text, ';' ORDER BY id) FROM visit),
  (SELECT sum(paid) FROM paid), twice(21), (SELECT last_value FROM t_id_seq),
  obj_description('visit'::regclass),
  (SELECT string_agg(concat_ws(' ', relname, relkind, relowner::regrole, relacl), ';' ORDER BY relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull,
      pg_get_expr(adbin, adrelid)), ';' ORDER BY attrelid::regclass::text, attnum)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid IN ('t'::regclass, 'visit'::regclass, 'paid'::regclass) AND attnum > 0),
  (SELECT string_agg(pg_get_indexdef(indexrelid), ';' ORDER BY indexrelid::regclass::text) FROM pg_index
    WHERE indrelid IN ('t'::regclass, 'visit'::regclass)),
  (SELECT string_agg(pg_get_constraintdef(oid), ';' ORDER BY conname) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace),
  pg_get_viewdef('paid'::regclass)))
"""


class Made:
    """A server, backups of it in each format, and a folder of WAL beside one of them."""

    def __init__(self, home: Path) -> None:
        self.home, self.server = home, Postgres()
        (home / "wal").mkdir()
        shutil.chown(home / "wal", "postgres")
        for name, value in (("archive_mode", "on"), ("archive_command", f"cp %p {home}/wal/%f")):
            self.do("postgres", f"ALTER SYSTEM SET {name} = '{value}'")
        self.server.stop()
        self.server.start()
        self.do("postgres", "CREATE DATABASE shop")
        self.do("shop", *FILL)

    def do(self, database: str, *statements: str) -> None:
        with psycopg.connect(self.server.url(database), autocommit=True) as db:
            for one in statements:
                db.execute(one)

    def run(self, name: str, *arguments: str) -> None:
        line = [program(name), "-h", str(self.server.home), "-U", USER, *arguments]
        done = subprocess.run(line, capture_output=True, cwd=self.home, text=True)
        assert done.returncode == 0, done.stderr

    def make(self) -> None:
        for form, name in (("c", "custom"), ("d", "directory"), ("t", "tar"), ("p", "plain.sql")):
            self.run("pg_dump", f"-F{form}", "-f", name, "shop")
        self.run("pg_dump", "-Fc", "-Z0", "-f", "unpacked", "shop")
        self.run("pg_dumpall", "-f", "all.sql")
        self.run("pg_basebackup", "-D", "base", "-c", "fast", "-X", "stream")
        self.run("pg_basebackup", "-Ft", "-z", "-D", "base_tar", "-c", "fast", "-X", "stream")
        self.run("pg_basebackup", "-D", "base_wal", "-c", "fast", "-X", "none")
        self.do("shop", "UPDATE t SET name = md5(name)", "UPDATE visit SET paid = paid + 1")
        self.server.stop()  # archives all
        first = (self.home / "base_wal" / "backup_label").read_text().partition("(file ")[2][:24]
        for one in (self.home / "wal").iterdir():
            if one.name < first:
                one.unlink()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    needs("pg_restore")
    home = Path(tempfile.mkdtemp(prefix="upkeep-property-", dir="/var/tmp"))
    left_behind.remove_at_the_end(home)
    home.chmod(0o755)
    one = Made(home)
    try:
        one.make()
        yield home
    finally:
        one.server.start()
        one.server.close()
        shutil.rmtree(home)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


def damages(
    top: Path, number: int, seed: str
) -> Iterator[tuple[str, Path, Callable[[bytearray], None]]]:
    """Yield a file below, or the file itself, what to do to it, and a name. Large files are met more often.

    Zeros at the end of a file are let be: of them its segments of the log are made, for the most part.
    """
    chance = random.Random(seed)
    files = [one for one in sorted(top.rglob("*")) if one.is_file()] or [top]
    sizes = [len(one.read_bytes().rstrip(b"\0")) for one in files]
    for count in range(number):
        ((file, size),) = chance.choices(list(zip(files, sizes, strict=True)), sizes)
        at = chance.randrange(size)
        if count % 3 == 0:
            bit = 1 << chance.randrange(8)
            yield (
                f"{file.name}: bit {bit} of byte {at}",
                file,
                lambda data, at=at, bit=bit: flip(data, at, bit),
            )  # type: ignore[misc]
        elif count % 3 == 1:
            yield (
                f"{file.name}: cut at {at}",
                file,
                lambda data, at=at: data.__delitem__(slice(at, None)),
            )  # type: ignore[misc]
        else:
            yield f"{file.name}: 512 zeros at {at}", file, lambda data, at=at: zero(data, at)  # type: ignore[misc]


def seen(trial: Trial, path: Path, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Verify a backup; return its row, and the hash of what came out, empty if nothing did."""
    hashes: list[str] = []

    def take(restored: RestoredBackup) -> None:
        try:
            hashes.append(restored.ask(CONTENT, ""))
        except Exception as exc:
            hashes.append(f"cannot be read: {type(exc).__name__}")

    row = trial.verify(path, take, **options)
    return row, hashes[0] if hashes else ""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let initdb run once: each other empty server is a copy of the first one."""
    made, kept = postgres_server.PostgresServer.make, tmp_path / "empty"

    def make(self: postgres_server.PostgresServer) -> None:
        data = Path(self.task.outside(postgres_server.DATA))
        if not kept.exists():
            made(self)
            shutil.copytree(data, kept)
            return
        for inside in (postgres_server.DATA, postgres_server.TABLESPACES):
            self.task.remove(inside)
        shutil.copytree(kept, data)
        data.chmod(0o700)
        self.task.scratch.give(str(data))

    monkeypatch.setattr(postgres_server.PostgresServer, "make", make)


@pytest.mark.parametrize(
    ("name", "proves", "number"),
    [
        ("custom", False, 24),
        ("unpacked", False, 24),
        ("directory", False, 24),
        ("tar", False, 18),
        ("plain.sql", False, 18),
        ("all.sql", False, 18),
        ("base", True, 36),
        ("base_tar", True, 15),
        ("base_wal", True, 18),
        ("wal", True, 21),
    ],
)
def test_what_is_proved_by_its_checksums_is_what_was_backed_up(
    made: Path, trial: Trial, tmp_path: Path, quick: None, name: str, proves: bool, number: int
) -> None:
    (tmp_path / "b").mkdir()
    copies = ["base_wal", "wal"] if "wal" in name else [name]
    for one in copies:
        copy = shutil.copytree if (made / one).is_dir() else shutil.copy
        copy(made / one, tmp_path / "b" / one)
    path, top = tmp_path / "b" / copies[0], tmp_path / "b" / name
    options = {"wal": str(tmp_path / "b" / "wal")} if "wal" in name else {}
    age(tmp_path / "b")
    good, whole = seen(trial, path, options)
    assert (good["outcome"], good["proof"] == "checksums") == ("restored", proves), good
    assert len(whole) == len(hashlib.md5(b"").hexdigest())

    ended: dict[str, int] = {}
    for what, file, damage in damages(top, number, name):
        before = file.read_bytes()
        data = bytearray(before)
        damage(data)
        file.write_bytes(data)
        age(file)
        row, found = seen(trial, path, options)
        ended[row["outcome"]] = ended.get(row["outcome"], 0) + 1
        if row["outcome"] == "restored" and found != whole:
            assert row["proof"] in ("none", "figures"), (what, row)
            assert not proves, (what, row)
            assert row["proof"] == "figures" or row["unproved"], (what, row)
        if row["outcome"] == "failed":
            assert row["why"], what
        file.write_bytes(before)
        age(file)
    print(name, ended)
