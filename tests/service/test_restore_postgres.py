"""Backups of a live PostgreSQL server, restored and judged: what is found in them, and that the server stays as it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import left_behind
import psycopg
import pytest
from postgres import USER, Postgres, program
from restore_trial import Trial, needs

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.take import Taker

DEAR = "SELECT md5(string_agg(guest::text, ',' ORDER BY id)) FROM guest"


class Live:
    """A server that lives: with a tablespace, an archive, a slot and a subscription. made: its backups."""

    def __init__(self, made: Path) -> None:
        self.made, self.archive, self.space = made, made / "archive", made / "space"
        for folder in (self.archive, self.space):
            folder.mkdir()
            shutil.chown(folder, "postgres")
        self.server = Postgres()
        for name, value in (
            ("wal_level", "logical"),
            ("archive_mode", "on"),
            ("archive_command", f"cp %p {self.archive}/%f"),
        ):
            self.do(f"ALTER SYSTEM SET {name} = '{value}'", "postgres")
        self.server.stop()
        self.server.start()

    def do(self, statement: str, database: str = "shop") -> list[tuple[object, ...]]:
        with psycopg.connect(self.server.url(database), autocommit=True) as db:
            answer = db.execute(statement)
            return answer.fetchall() if answer.description else []

    def run(self, name: str, *arguments: str | Path) -> None:
        line = [program(name), "-h", str(self.server.home), "-U", USER, *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, cwd=self.made)
        assert done.returncode == 0, done.stderr

    def state(self) -> dict[str, object]:
        """Return the files of its tablespace and its archive, byte for byte, its rows and its slots."""
        folders = (self.archive, self.space)
        files = sorted(one for top in folders for one in top.rglob("*") if one.is_file())
        return {
            **{str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files},
            "rows": self.do(DEAR),
            "slots": self.do(
                "SELECT slot_name, active, restart_lsn, confirmed_flush_lsn FROM pg_replication_slots"
            ),
            "databases": self.do("SELECT datname FROM pg_database ORDER BY 1"),
        }


def fill(live: Live) -> None:
    live.do("CREATE ROLE app", "postgres")
    live.do(f"CREATE TABLESPACE elsewhere LOCATION '{live.space}'", "postgres")
    live.do("CREATE DATABASE shop", "postgres")
    live.do("CREATE TABLE guest (id int, name text) TABLESPACE elsewhere")
    live.do("INSERT INTO guest SELECT n, md5(n::text) FROM generate_series(1, 5000) n")
    live.do("ALTER TABLE guest ADD PRIMARY KEY (id)")
    live.do(
        "CREATE TABLE visit AS SELECT n AS id, n % 5000 + 1 AS guest FROM generate_series(1, 300) n"
    )
    live.do("ALTER TABLE visit OWNER TO app")
    # Only a superuser may read the table of another role for his view.
    live.do("CREATE MATERIALIZED VIEW early AS SELECT id FROM visit WHERE id < 0")
    live.do(
        "CREATE FUNCTION taken() RETURNS oid LANGUAGE sql AS $$SELECT lo_import('/etc/hostname')$$"
    )
    live.do("ALTER TABLE guest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    live.do("CREATE PUBLICATION everything FOR TABLE visit")
    live.do("SELECT pg_create_logical_replication_slot('kept', 'pgoutput')")
    live.do("CREATE DATABASE reader", "postgres")
    live.do("CREATE TABLE visit (id bigint, guest bigint)", "reader")
    live.do(
        f"CREATE SUBSCRIPTION reads CONNECTION 'host={live.server.home} user={USER} dbname=shop' PUBLICATION everything"
        " WITH (create_slot = false, slot_name = 'kept', copy_data = false, enabled = true)",
        "reader",
    )
    live.do("VACUUM FREEZE")
    # What would steer the verification's own questions.
    live.do("CREATE SCHEMA forged")
    live.do("CREATE AGGREGATE forged.count(*) (sfunc = int8inc, stype = int8, initcond = '7000')")
    live.do("ALTER DATABASE shop SET search_path = forged, public, pg_catalog", "postgres")
    live.do("ALTER DATABASE shop SET default_transaction_read_only = on", "postgres")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A live server and its backups."""
    needs("pg_restore")
    made = Path(tempfile.mkdtemp(prefix="upkeep-live-", dir="/var/tmp"))
    left_behind.remove_at_the_end(made)
    made.chmod(0o755)
    one = Live(made)
    try:
        fill(one)
        for form, name in (("c", "custom"), ("t", "tar"), ("d", "directory"), ("p", "plain.sql")):
            one.run("pg_dump", f"-F{form}", "-f", name, "shop")
        one.run("pg_dump", "-Fc", "-Z0", "-f", "unpacked", "shop")
        one.run("pg_dumpall", "-f", "all.sql")
        one.run("pg_basebackup", "-Ft", "-D", "base_tar", "-c", "fast")
        mapped = f"--tablespace-mapping={one.space}={made}/base/space"
        one.run("pg_basebackup", "-D", "base/data", mapped, "-c", "fast")
        for name, relation in (("INDEX", "guest_pkey"), ("TABLE", "visit")):
            FILES[name] = str(one.do(f"SELECT pg_relation_filepath('{relation}')")[0][0])
        one.do("ALTER SUBSCRIPTION reads DISABLE", "reader")
        one.do("CHECKPOINT")
        yield one
    finally:
        one.server.close()
        shutil.rmtree(made)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _unchanged(live: Live) -> Iterator[None]:
    """Whatever is restored: the live server is the same before and after, byte for byte."""
    before = live.state()
    yield
    assert live.state() == before


GUESTS = {"sql": "SELECT count(*) FROM guest", "database": "shop", "equals": "5000"}


@pytest.mark.parametrize(
    ("backup", "database"),
    [
        ("custom", "shop"),
        pytest.param("tar", "shop", marks=pytest.mark.thorough),
        pytest.param("directory", "shop", marks=pytest.mark.thorough),
        pytest.param("unpacked", "shop", marks=pytest.mark.thorough),
        ("plain.sql", "restored"),
        ("all.sql", "shop"),
        ("base_tar", "shop"),
        pytest.param("base/data", "shop", marks=pytest.mark.thorough),
    ],
)
def test_a_good_backup_is_restored_and_each_row_is_there(
    live: Live, trial: Trial, backup: str, database: str
) -> None:
    row = trial.verify(live.made / backup, assertions=[{**GUESTS, "database": database}])

    assert (row["outcome"], row["why"], row["findings"]) == ("restored", "", [])
    assert row["counts"][f"{database}.public.guest"] == 5000
    assert row["counts"][f"{database}.public.visit"] == 300
    assert row["assertions"][0]["state"] == "held"
    assert row["restore_seconds"] > 0
    assert row["restored_bytes"] > 1_000_000
    assert row["programs"]["postgres"]
    assert "5000" not in " ".join(row["notes"])


@pytest.mark.parametrize("packer", ["gzip", "xz"])
@pytest.mark.thorough
def test_a_packed_dump_is_restored(live: Live, trial: Trial, packer: str, tmp_path: Path) -> None:
    for name in ("custom", "plain.sql"):
        packed = tmp_path / f"{name}.{packer}"
        with packed.open("wb") as stream:
            subprocess.run([packer, "-c", live.made / name], stdout=stream, check=True)
        row = trial.verify(packed, declared={"name": name})
        assert (row["outcome"], row["figures"]["rows"]) == ("restored", 5300)


@pytest.mark.thorough
def test_roles_that_are_not_in_a_dump_are_named_and_come_from_the_declared_globals(
    live: Live, trial: Trial, tmp_path: Path
) -> None:
    assert trial.verify(live.made / "custom")["notes"] == [
        "roles not in this backup: app, upkeep; restored without what they may do"
    ]
    live.run("pg_dumpall", "--globals-only", "-f", tmp_path / "globals.sql")
    row = trial.verify(live.made / "custom", globals=str(tmp_path / "globals.sql"))
    assert (row["outcome"], row["notes"]) == ("restored", [])


def test_a_table_that_is_gone_since_the_verification_before_is_missed(
    live: Live, trial: Trial, tmp_path: Path
) -> None:
    live.run("pg_dump", "-Fc", "-T", "guest", "-f", tmp_path / "custom", "shop")
    assert trial.verify(live.made / "custom")["outcome"] == "restored"

    row = trial.verify(tmp_path / "custom")

    assert (row["outcome"], row["step"]) == ("failed", "assert")
    assert row["why"].startswith("it has shrunk: shop.public.guest is gone; it had 5000")


@pytest.mark.thorough
def test_assertions_ask_one_value_and_change_nothing(live: Live, trial: Trial) -> None:
    row = trial.verify(
        live.made / "custom",
        assertions=[
            {"sql": "SELECT max(id) FROM visit", "min": 300.0, "max": 300.0},
            {"sql": "SELECT E'a\\nb' AS text FROM visit LIMIT 1", "equals": "a\nb"},
            {"sql": "DELETE FROM visit RETURNING 1", "equals": "1"},
            {"sql": "SELECT id FROM visit", "equals": "1"},
            {"sql": "SELECT count(*) FROM gone", "equals": "1"},
            {"sql": "SELECT 1 FROM visit", "database": "gone", "equals": "1"},
            {"sql": "SELECT count(*) FROM guest", "database": "shop", "equals": "5000"},
            {"sql": "-- SELECT 1", "equals": "1"},
            {"sql": r"\! id", "equals": "1"},
            {"sql": "SELEC 1", "equals": "1"},
        ],
    )
    states = [one["state"] for one in row["assertions"]]
    assert states == [
        "held",
        "held",
        "unknown",
        "unknown",
        "failed",
        "unknown",
        "held",
        "unknown",
        "unknown",
        "unknown",
    ]
    assert row["assertions"][4]["found"] == 'relation "gone" does not exist (42P01)'
    assert row["assertions"][5]["found"].startswith("database 'gone' is not in it; it has shop")


@pytest.mark.thorough
def test_a_database_that_gives_its_sessions_another_role_is_counted_and_asked_all_the_same(
    live: Live, trial: Trial, tmp_path: Path
) -> None:
    backup = copied(live, "all.sql", tmp_path)
    edit(
        backup,
        "ALTER DATABASE shop OWNER",
        "ALTER DATABASE shop SET role = app;\nALTER DATABASE shop OWNER",
    )
    os.utime(backup, (0, 1_700_000_000))

    row = trial.verify(backup, assertions=[GUESTS])

    assert (row["outcome"], row["counts"]["shop.public.guest"]) == ("restored", 5000)


@pytest.mark.thorough
def test_one_table_is_taken_out_of_what_was_restored(
    live: Live, trial: Trial, tmp_path: Path
) -> None:
    taker = Taker({"to": str(tmp_path / "to"), "table": "shop.public.visit", "file": None})
    row = trial.verify(live.made / "base_tar", afterwards=taker.take)

    text = Path(taker.taken[0]).read_text()
    assert (row["outcome"], text.count("\n300\t301\n")) == ("restored", 1)
    assert "guest_pkey" not in text


# --- faults, each with what plants it --------------------------------------------------------------------------------
def flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def edit(path: Path, old: str, new: str) -> None:
    data = path.read_bytes()
    assert old.encode() in data
    path.write_bytes(data.replace(old.encode(), new.encode(), 1))


FILES: dict[str, str] = {}
"""Where the index and a table of the live server lie in a base backup."""


def shell(command: str) -> Callable[[Path], None]:
    """Return what runs a command, in which BACKUP is the copy of the backup."""

    def plant(backup: Path) -> None:
        names = {**FILES, "BACKUP": str(backup)}
        subprocess.run(command, shell=True, check=True, env={**os.environ, **names})

    return plant


LAST = "-- PostgreSQL database dump complete"
PUBLICATION = "CREATE PUBLICATION everything WITH (publish = 'insert, update, delete, truncate');"
REACHES = "COPY public.visit (id) FROM PROGRAM 'seq 3';"


def add(text: str) -> Callable[[Path], None]:
    """Return what adds statements to the end of a dump, before its trailer."""
    return lambda backup: edit(backup, f"--\n{LAST}", f"{text}\n--\n{LAST}")


FAULTS: dict[str, tuple[str, Callable[[Path], None], str, str]] = {
    "a flipped byte in a custom dump": ("custom", flip, "failed", "it cannot be read"),
    "a flipped byte in a dump in a tar": (
        "tar",
        lambda one: edit(
            one, "\n7\t8f14e45fceea167a5a36dedd4bea2543", "\nx\t8f14e45fceea167a5a36dedd4bea2543"
        ),
        "failed",
        "invalid input syntax for type integer (22P02)",
    ),
    "a flipped byte in a custom dump that is not packed": (
        "unpacked",
        lambda one: edit(
            one, "7\t8f14e45fceea167a5a36dedd4bea2543\n", "x\t8f14e45fceea167a5a36dedd4bea2543\n"
        ),
        "failed",
        "invalid input syntax for type integer (22P02)",
    ),
    "a flipped byte in a dump in a folder": (
        "directory",
        lambda one: flip(max(one.glob("*.dat.gz"), key=lambda each: each.stat().st_size)),
        "failed",
        "it cannot be read",
    ),
    "a flipped byte in a plain dump": (
        "plain.sql",
        lambda one: edit(one, "CREATE TABLE public.guest", "CREATE TABLD public.guest"),
        "failed",
        "syntax error at or near (42601)",
    ),
    "a row twice in a plain dump": (
        "plain.sql",
        shell(r"sed -i '0,/^7\t8f14e45f.*/s//&\n&/' $BACKUP"),
        "failed",
        'could not create unique index "guest_pkey" (23505)',
    ),
    "a dump without its trailer": (
        "plain.sql",
        shell("head -n -6 $BACKUP > $BACKUP.cut && mv $BACKUP.cut $BACKUP"),
        "failed",
        "ends without the last line of pg_dump",
    ),
    "a shell command in a dump": (
        "plain.sql",
        add(r"\! touch /var/tmp/upkeep-was-here"),
        "failed",
        r"the dump asks for a psql command: \!",
    ),
    "a connection to the live server in a dump": (
        "plain.sql",
        add("\\connect shop upkeep /var/run/postgresql\nDELETE FROM public.guest;"),
        "failed",
        r"the dump asks for a psql command: \connect with a server",
    ),
    "a program as the source of rows": (
        "plain.sql",
        add("COPY public.guest FROM PROGRAM 'cat /etc/passwd';"),
        "failed",
        "the dump asks for more than a restore: external program",
    ),
    "a program as the source of rows in a custom dump": (
        "custom",
        lambda one: edit(one, PUBLICATION, f"{REACHES:<{len(PUBLICATION)}}"),
        "failed",
        "the dump asks for more than a restore: external program",
    ),
    "a file of the server in a dump": (
        "plain.sql",
        add("SELECT pg_catalog.lo_import('/etc/passwd');"),
        "failed",
        "the dump asks for more than a restore: lo_import",
    ),
    "an extension that is not here": (
        "plain.sql",
        add("CREATE EXTENSION nowhere;"),
        "unknown",
        'this server lacks what it needs: extension "nowhere" is not available (0A000)',
    ),
    "a locale that is not here": (
        "all.sql",
        lambda one: edit(
            one,
            "ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C'",
            "ENCODING = 'UTF8' LOCALE = 'xx_YY'",
        ),
        "unknown",
        "this server lacks what it needs: invalid locale name",
    ),
    "a version that is not here": (
        "plain.sql",
        shell(r"sed -i 's/^\(-- Dumped from database version\) .*/\1 99.1/' $BACKUP"),
        "unknown",
        "it needs the programs of PostgreSQL 99 or newer; found ",
    ),
    "a base backup of a version that is not here": (
        "base/data",
        shell("echo 99 > $BACKUP/PG_VERSION; rm $BACKUP/backup_manifest"),
        "unknown",
        "it needs the programs of PostgreSQL 99 and no other; found ",
    ),
    "a lost file of a base backup without a manifest": (
        "base/data",
        shell(r"rm $BACKUP/backup_manifest $BACKUP/../space/PG_*/*/*"),
        "failed",
        "could not open file",
    ),
    "a zeroed page in an index of a base backup without a manifest": (
        "base/data",
        shell(
            "rm $BACKUP/backup_manifest;"
            " dd if=/dev/zero of=$BACKUP/$INDEX bs=8192 seek=5 count=1 conv=notrunc status=none"
        ),
        "failed",
        'pg_amcheck: btree index "shop.public.guest_pkey" is damaged',
    ),
    "a page of a table that is not one in a base backup without a manifest": (
        "base/data",
        shell(
            "rm $BACKUP/backup_manifest;"
            " dd if=/dev/urandom of=$BACKUP/$TABLE bs=8192 count=1 conv=notrunc status=none"
        ),
        "failed",
        "counting: invalid page in block 0 of relation ",
    ),
    "a log that was cut in a base backup": (
        "base/data",
        shell(
            "for F in $BACKUP/pg_wal/0*; do truncate -s 1M $F; done;"
            " find $BACKUP -exec touch -h -d '1 hour ago' {} +"
        ),
        "failed",
        "it cannot be read: pg_wal/",
    ),
    "a log that was zeroed in a base backup without a manifest": (
        "base/data",
        shell(
            "rm $BACKUP/backup_manifest; for F in $BACKUP/pg_wal/0*; do"
            " dd if=/dev/zero of=$F bs=1M count=16 conv=notrunc status=none; done"
        ),
        "failed",
        "the server did not start: could not locate required checkpoint record (XX000)",
    ),
    "no log in a base backup": (
        "base/data",
        shell("rm $BACKUP/pg_wal/0*"),
        "unknown",
        "its write-ahead log, from ",
    ),
    "a link out of a base backup": (
        "base/data",
        shell(
            "rm $BACKUP/backup_manifest; mv $BACKUP/base/1 $BACKUP/../one; ln -s ../../one $BACKUP/base/1"
        ),
        "unknown",
        "base/1 is a link: what it leads to is not in the backup",
    ),
    "a tablespace that is still the live one": (
        "base/data",
        lambda one: _relink(one),
        "unknown",
        "out of the backup: it may be the live one",
    ),
    "a lost tar of a tablespace": (
        "base_tar",
        shell("rm $BACKUP/backup_manifest $BACKUP/[0-9]*.tar"),
        "failed",
        "the files of tablespace ",
    ),
}


def _relink(backup: Path) -> None:
    (backup / "backup_manifest").unlink()
    for link in (backup / "pg_tblspc").iterdir():
        link.unlink()
        link.symlink_to(next(Path("/var/tmp").glob("upkeep-live-*/space")))


SLOW = (
    "in a tar",
    "unpacked",
    "not packed",
    "row twice",
    "file of the server",
    "live server",
    "locale",
    "lost file",
    "zeroed",
    "lost tar",
)


def copied(live: Live, name: str, folder: Path) -> Path:
    """Return a copy of a backup that was made; a base backup keeps the tablespace that lies beside it."""
    top = name.split("/")[0]
    source = live.made / top
    if source.is_dir():
        shutil.copytree(source, folder / top, symlinks=True)
        for link in folder.glob(f"{top}/data/pg_tblspc/*"):
            link.unlink()
            link.symlink_to(folder / top / "space")
    else:
        shutil.copy(source, folder / top)
    return folder / name


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(one, marks=pytest.mark.thorough if any(word in one for word in SLOW) else ())
        for one in FAULTS
    ],
)
def test_a_planted_fault_is_found(live: Live, trial: Trial, fault: str, tmp_path: Path) -> None:
    name, plant, outcome, words = FAULTS[fault]
    backup = copied(live, name, tmp_path)
    plant(backup)
    if backup.is_file():
        os.utime(backup, (0, 1_700_000_000))  # else it might still be being made

    row = trial.verify(backup)

    assert words in row["why"]
    assert row["outcome"] == outcome
    said = " ".join([row["why"], *row["notes"], *row["findings"]])
    assert "8f14e45fceea167a5a36dedd4bea2543" not in said
    assert not Path("/var/tmp/upkeep-was-here").exists()
