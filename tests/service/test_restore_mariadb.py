"""Backups of MariaDB, made by its programs, and restored; faults that were planted in them, and each found."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_mariadb import Live
from restore_trial import NAME, Trial, age, digest, needs, plant, said

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup

ROWS = 3000
TABLES = f"""
CREATE DATABASE shop;
USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(60) UNIQUE, placed_at DATETIME) ENGINE=InnoDB;
INSERT INTO orders SELECT seq, CONCAT('{NAME} ', seq), UTC_TIMESTAMP() - INTERVAL seq MINUTE FROM seq_1_to_{ROWS};
CREATE TABLE notes (id INT PRIMARY KEY, note TEXT) ENGINE=InnoDB;
INSERT INTO notes SELECT seq, 'x' FROM seq_1_to_100;
CREATE TABLE scans (id INT PRIMARY KEY, scan LONGBLOB) ENGINE=InnoDB;
INSERT INTO scans VALUES (1, REPEAT(CHAR(7), 2000000));
CREATE USER clerk@localhost IDENTIFIED BY 'secret';
GRANT SELECT ON shop.* TO clerk@localhost;
CREATE DEFINER=clerk@localhost VIEW recent AS SELECT * FROM orders WHERE id < 10;
CREATE TRIGGER counted BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '.');
CREATE EVENT emptied ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' DO DELETE FROM orders;
DELIMITER //
CREATE PROCEDURE total() BEGIN SELECT COUNT(*) FROM orders; SELECT 1; END//
DELIMITER ;
"""
ASSERTIONS = [
    {
        "name": "orders",
        "sql": "SELECT COUNT(*) FROM orders",
        "database": "shop",
        "equals": str(ROWS),
    },
    {
        "name": "newest",
        "sql": "SELECT MAX(placed_at) FROM shop.orders",
        "fresh_hours": 24.0,
    },
]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    needs("mariadbd", "mariadb-dump", "mariadb-backup", "mydumper")
    server = Live()
    try:
        server.run("mariadb", input=TABLES.encode())
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def made(live: Live) -> Path:
    """A folder with a backup of each kind: shop.sql, users.sql, all.sql, folder (of mydumper), raw, copy and stream.xb (of mariadb-backup)."""
    folder = live.folder / "backups"
    folder.mkdir(mode=0o700)
    for name, words in (
        ("shop.sql", ["--routines", "--events", "shop"]),
        (
            "users.sql",
            ["--routines", "--events", "--system=users", "--insert-ignore", "--databases", "shop"],
        ),
        ("all.sql", ["--routines", "--events", "--flush-privileges", "--all-databases"]),
        ("unflushed.sql", ["--routines", "--events", "--all-databases"]),
    ):
        with (folder / name).open("wb") as stream:
            live.run("mariadb-dump", *words, capture_output=False, stdout=stream)
    subprocess.run(
        [
            "mydumper",
            "-S",
            f"{live.folder}/s",
            "-B",
            "shop",
            "-o",
            folder / "folder",
            "-G",
            "-R",
            "-E",
        ],
        check=True,
        capture_output=True,
    )
    live.run("mariadb-backup", "--backup", f"--target-dir={folder}/raw")
    shutil.copytree(folder / "raw", folder / "copy")
    with (folder / "stream.xb").open("wb") as stream:
        live.run(
            *("mariadb-backup", "--backup", "--stream=xbstream"),
            capture_output=False,
            stdout=stream,
            stderr=subprocess.DEVNULL,
        )
    live.run("mariadb-backup", "--prepare", f"--target-dir={folder}/copy")
    age(folder)
    return folder


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    made = Trial(tmp_path)
    yield made
    made.close()


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of all backups, in which a fault may be planted."""
    return Path(shutil.copytree(made, tmp_path / "backups"))


@pytest.mark.parametrize(
    ("name", "kind", "accounts"),
    [
        ("shop.sql", "sql mysqldump", 0),
        ("all.sql", "sql mysqldump", 1),
        ("unflushed.sql", "sql mysqldump", 1),
        ("folder", "mydumper", 0),
        ("raw", "mariabackup", 1),
        pytest.param("users.sql", "sql mysqldump", 1, marks=pytest.mark.thorough),
        pytest.param("stream.xb", "xbstream", 1, marks=pytest.mark.thorough),
    ],
)
def test_each_kind_is_restored_and_counted_and_no_event_of_it_runs(
    name: str, kind: str, accounts: int, made: Path, trial: Trial
) -> None:
    before = digest(made)

    row = trial.verify(made / name, assertions=ASSERTIONS)

    assert said(row) == "restored: "
    assert row["kind"] == kind
    assert [one["state"] for one in row["assertions"]] == ["held", "held"]
    assert row["counts"] == {"shop.notes": 100, "shop.orders": ROWS, "shop.scans": 1}
    expected = {
        "tables": 3,
        "rows": ROWS + 101,
        "views": 1,
        "routines": 1,
        "triggers": 1,
        "events": 1,
    }
    assert {key: row["figures"][key] for key in expected} == expected
    assert (row["figures"]["accounts"] > 0) == bool(accounts)
    assert ("accounts and their rights are not in it" in row["notes"]) == (not accounts)
    runs_as = "1 view runs as an account that is not in it, such as shop.recent"
    assert [one for one in row["notes"] if "view" in one] == ([] if accounts else [runs_as])
    # Of a folder only the pages of InnoDB have checksums, of a stream each piece has one.
    assert row["proof"] == ("checksums" if name == "stream.xb" else "assertions")
    assert (".frm" in row["unproved"]) == (name == "raw")
    assert digest(made) == before


# What is planted: the command, in a copy of the folder with all backups; the backup; what is said of it.
FAULTS = {
    "a shell command in a dump": (
        r"sed -i '25i \\\\! touch /scratch/reached' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for a command of the client that runs programs or opens files",
    ),
    "the word system in a dump": (
        "sed -i '25i system touch /scratch/reached' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for a command of the client that runs programs or opens files",
    ),
    "the word source in a dump": (
        "sed -i '25i source /etc/passwd' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for a command of the client that runs programs or opens files",
    ),
    "an editor in a dump": (
        "sed -i '25i edit' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for a command of the client that runs programs or opens files",
    ),
    "a file written by a dump": (
        """sed -i "25i SELECT 1 INTO OUTFILE '/tmp/reached';" shop.sql""",
        "shop.sql",
        "failed: line 25 of the dump asks to read or write a file",
    ),
    "a file of the client read by a dump": (
        """sed -i "25i LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE mysql.plugin;" shop.sql""",
        "shop.sql",
        "failed: line 25 of the dump asks to read",
    ),
    "events switched on by a dump": (
        "sed -i '25i SET GLOBAL event_scheduler = ON;' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for what only an administrator of the server may do",
    ),
    "events switched on by a dump that grants all rights": (
        "sed -i '/Dump completed/i SET GLOBAL event_scheduler = ON;' users.sql",
        "users.sql",
        "failed: the dump asks to switch events on",
    ),
    "the word quit in a dump, with which the client says that all went well": (
        "sed -i '25i quit' shop.sql",
        "shop.sql",
        "failed: the dump: the client has ended before it, or its last statement does not end",
    ),
    "another server in a dump": (
        "sed -i '25i connect shop 192.0.2.1' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks to connect to another server",
    ),
    "a shell command in a folder of mydumper": (
        r"sed -i '2i \\\\! touch /scratch/reached' folder/shop.orders.sql",
        "folder",
        "failed: shop.orders.sql asks for a command of the client that runs programs or opens files",
    ),
    "a comment in a dump that is not closed": (
        "sed -i 's|^LOCK TABLES `orders`.*|/* unclosed|' shop.sql",
        "shop.sql",
        "failed: shop.orders has 0 rows; the dump has ",
    ),
    "rows that a comment in a dump hides": (
        "sed -i -e '/^INSERT INTO `orders`/i /*' -e '/ALTER TABLE `orders` ENABLE KEYS/c */;' shop.sql",
        "shop.sql",
        "failed: shop.orders has 0 rows; the dump has ",
    ),
    "rows that a comment in a file of mydumper hides": (
        r"sed -i '1i /*' folder/shop.orders.*sql; echo '*/;' >> $(echo folder/shop.orders.0*sql)",
        "folder",
        "failed: ",
    ),
    "accounts removed by a dump of another database": (
        "sed -i '/Dump completed/i DELETE FROM mysql.global_priv;' shop.sql",
        "shop.sql",
        "failed: the dump is of other databases, and asks to remove or change accounts that each server has",
    ),
    "a table of the server itself in a dump of another database": (
        "sed -i '/Dump completed/i CREATE TABLE mysql.mine (i INT);' shop.sql",
        "shop.sql",
        "failed: the dump is of other databases, and asks to make or drop mysql.mine",
    ),
    "a pager in a dump, which no client runs that reads from a file": (
        "sed -i '25i ;' shop.sql; sed -i '26i pager cat > /scratch/reached' shop.sql",
        "shop.sql",
        "failed: line 26 of the dump asks for a pager",
    ),
    "the word shutdown in a dump": (
        "sed -i '25i SHUTDOWN;' shop.sql",
        "shop.sql",
        "failed: line 25 of the dump asks for what only an administrator of the server may do",
    ),
    "the word shutdown in a dump that grants all rights": (
        "sed -i '/Dump completed/i CREATE USER x@localhost; GRANT ALL ON *.* TO x@localhost; SHUTDOWN;' users.sql",
        "users.sql",
        "failed: the backup asks the server to shut down",
    ),
    "a row twice in a dump": (
        f"""sed -i "/Dump completed/i INSERT INTO orders VALUES (0, '{NAME} 1', NULL);" shop.sql""",
        "shop.sql",
        "failed: line N of the dump: error 1062: Duplicate entry '…'",
    ),
    "a table that a dump does not make": (
        "sed -i '/^CREATE TABLE `orders`/,/;$/d' shop.sql",
        "shop.sql",
        "failed: line N of the dump: error 1146: Table 'shop.orders' doesn't exist",
    ),
    "a flipped bit in a dump": (
        "sed -i 's/^INSERT INTO `orders` VALUES/INSERT INTO `orders` VALUER/' shop.sql",
        "shop.sql",
        "failed: line N of the dump: error 1064: ",
    ),
    "a flipped bit in a date, which a server takes with a warning": (
        """sed -i "0,/,'20/s//,'2p/" shop.sql""",
        "shop.sql",
        "failed: the dump: error 1265: Data truncated for column '…' at row 1",
    ),
    "a dump without its end": (
        "head -c -3000 shop.sql > cut; mv cut shop.sql",
        "shop.sql",
        "failed: it cannot be read: ends without the last line of mysqldump",
    ),
    "an engine that is not here": (
        "sed -i 's/ENGINE=InnoDB/ENGINE=Nowhere/' shop.sql",
        "shop.sql",
        "unknown: the dump: it needs a storage engine that this server lacks: error 1286: Unknown storage engine 'Nowhere'",
    ),
    "a collation of MySQL 8": (
        "sed -i 's/COLLATE=[a-z0-9_]*/COLLATE=utf8mb4_0900_ai_ci/' shop.sql",
        "shop.sql",
        "unknown: line N of the dump: it needs a collation that this server lacks",
    ),
    "words of a later version": (
        "sed -i 's/^-- Server version.*/-- Server version\t99.1.2-MariaDB/; 25i CREATE NOVELTY x;' shop.sql",
        "shop.sql",
        "unknown: line 25 of the dump: it is of MariaDB 99.1, which is later than",
    ),
    "a flipped byte in a copy": (
        r"printf '\377\377' | dd of=copy/shop/orders.ibd bs=1 seek=70000 conv=notrunc",
        "copy",
        "failed: shop.orders cannot be read: error 1034: ",
    ),
    "a flipped byte in a long value of a copy": (
        r"printf '\377\377' | dd of=copy/shop/scans.ibd bs=1 seek=1500000 conv=notrunc",
        "copy",
        "failed: shop/scans.ibd: a page of it differs from its checksum",
    ),
    "a flipped byte in the doublewrite buffer of a copy, which nobody reads": (
        r"printf '\377\377' | dd of=copy/ibdata1 bs=1 seek=1200000 conv=notrunc",
        "copy",
        "restored: ",
    ),
    "a file that is gone from a copy": (
        "rm copy/shop/orders.ibd",
        "copy",
        "failed: shop.orders cannot be read: error ",
    ),
    "a table that is gone from a copy, both files": (
        "rm copy/shop/orders.*",
        "copy",
        "failed: orders: found error 1146: Table 'shop.orders' doesn't exist",
    ),
    "a redo log of a copy that was cut": (
        "truncate -s 14000 raw/ib_logfile0",
        "raw",
        "failed: ",
    ),
    "a flipped byte in the redo log of a copy": (
        r"printf '\377\377' | dd of=raw/ib_logfile0 bs=1 seek=100000 conv=notrunc",
        "raw",
        "failed: ",
    ),
    # Where no page is newer, mariadb-backup takes what is broken for the end of the log: completed OK!
    "a redo log of a copy that ends before the backup did": (
        "sed -i 's/^last_lsn.*/last_lsn = 9999999999/' raw/xtrabackup_checkpoints",
        "raw",
        "failed: its redo log was applied up to LSN ",
    ),
    "a stream of mariadb-backup without its end": (
        "truncate -s 5000000 stream.xb",
        "stream.xb",
        "failed: mbstream: xb_stream_read_chunk()",
    ),
    "a flipped byte in a stream of mariadb-backup": (
        r"printf '\377\377' | dd of=stream.xb bs=1 seek=3000000 conv=notrunc",
        "stream.xb",
        "failed: mbstream: xb_stream_read_chunk(): invalid checksum",
    ),
    "a name in a stream of mariadb-backup that has changed": (
        r"LC_ALL=C sed -i '0,/shop.db.opt/s//shop\/db.opu/' stream.xb",
        "stream.xb",
        "failed: its stream has pieces of shop/db.op",
    ),
    "a copy of a later version": (
        "sed -i 's/^server_version.*/server_version = 99.1.2-MariaDB/' copy/xtrabackup_info",
        "copy",
        "unknown: it is of MariaDB 99.1, which is later than",
    ),
    "a copy that is built on another one": (
        "sed -i 's/^backup_type.*/backup_type = incremental/' copy/xtrabackup_checkpoints",
        "copy",
        "unknown: it is an incremental backup",
    ),
}
QUICK = (
    "a shell command in a dump",
    "events switched on by a dump",
    "a row twice in a dump",
    "rows that a comment in a dump hides",
    "an engine that is not here",
    "a flipped byte in a long value of a copy",
)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough, id=name)
        for name in FAULTS
    ],
)
def test_a_planted_fault_is_found(fault: str, copy: Path, trial: Trial) -> None:
    command, name, expected = FAULTS[fault]
    plant(command, copy)

    row = trial.verify(copy / name, assertions=ASSERTIONS[:1])

    found = said(row)
    if " N of" in expected:
        found = "".join("N" if part.isdigit() else part for part in _words(found))
    assert found.startswith(expected), row
    assert ("asks" in found) == bool(row["findings"])


def _words(text: str) -> list[str]:
    head, _of, tail = text.partition(" of the dump")
    return [*head.rpartition(" ")[:2], head.rpartition(" ")[2], _of, tail]


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (["broken"], "1 view refers to what is not in it, such as shop.broken"),
        (["broken", "too"], "2 views refer to what is not in it, such as shop.broken"),
    ],
    ids=["one", "two"],
)
@pytest.mark.thorough
def test_a_view_of_a_table_that_is_not_in_a_dump_is_noted(
    views: list[str], said: str, copy: Path, trial: Trial
) -> None:
    made = "".join(f"CREATE VIEW {one} AS SELECT * FROM passing;" for one in views)
    line = f"USE shop; CREATE TABLE passing (i INT); {made} DROP TABLE passing;"
    plant(f"sed -i '/Dump completed/i {line}' unflushed.sql", copy)

    row = trial.verify(copy / "unflushed.sql", assertions=ASSERTIONS)

    assert row["outcome"] == "restored", row
    assert said in row["notes"]


@pytest.mark.thorough
def test_a_dump_that_has_shrunk_since_the_verification_before_is_bad(
    made: Path, copy: Path, trial: Trial
) -> None:
    trial.verify(made / "shop.sql")
    plant("sed -i '/^INSERT INTO `orders`/,/;$/d' shop.sql", copy)

    row = trial.verify(copy / "shop.sql")

    assert (
        said(row)
        == f"failed: it has shrunk: shop.orders has 0; it had {ROWS} in the verification before"
    )


def test_a_live_server_is_as_it_was_after_a_dump_that_would_have_emptied_it(
    live: Live, copy: Path, trial: Trial
) -> None:
    client = f"mariadb --no-defaults -S {live.folder}/s -e 'DROP DATABASE shop'"
    (copy / "line").write_text(f"USE mysql;\n\\! {client}\n")
    plant("sed -i '24r line' shop.sql", copy)
    asked = "CHECKSUM TABLE shop.orders, shop.notes, shop.scans, mysql.global_priv, mysql.proc, mysql.event"
    before = live.run("mariadb", "-N", "-e", asked).stdout

    row = trial.verify(copy / "shop.sql")

    assert said(row).startswith("failed: line 26 of the dump asks for a command of the client")
    assert live.run("mariadb", "-N", "-e", asked).stdout == before
    assert len(before.splitlines()) == 6


def test_a_table_is_taken_out_of_a_dump(made: Path, trial: Trial, tmp_path: Path) -> None:
    taken = tmp_path / "orders.sql"

    def take(restored: RestoredBackup) -> None:
        restored.take_table("orders", str(taken))

    row = trial.verify(made / "shop.sql", take)

    assert said(row) == "restored: "
    text = taken.read_text()
    assert text.count(NAME) == ROWS
    assert "CREATE TABLE `notes`" not in text
    assert taken.stat().st_mode & 0o077 == 0
