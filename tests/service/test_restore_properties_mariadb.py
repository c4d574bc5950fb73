"""Whatever is flipped, cut or zeroed in a backup of MariaDB: what is proved by its checksums is what was backed up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_mariadb import Live
from restore_damage import Seen, damages, damages_of_files, refuse_false_proof
from restore_trial import Trial, age, needs

pytestmark = pytest.mark.thorough
TABLES = """
CREATE DATABASE shop COLLATE latin1_german1_ci;
USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, customer VARCHAR(60) UNIQUE, placed_at DATETIME, paid DOUBLE);
INSERT INTO orders SELECT seq, CONCAT('Kunde ', seq), '2026-01-01' + INTERVAL seq HOUR, seq / 7 FROM seq_1_to_900;
CREATE TABLE notes (id INT PRIMARY KEY, note TEXT, about INT, FOREIGN KEY (about) REFERENCES orders (id));
INSERT INTO notes SELECT seq, REPEAT('x', seq), seq FROM seq_1_to_90;
CREATE TABLE old (id INT PRIMARY KEY, note TEXT) ENGINE=MyISAM;
INSERT INTO old SELECT seq, CONCAT('alt ', seq) FROM seq_1_to_90;
CREATE VIEW recent AS SELECT * FROM orders WHERE id < 10;
CREATE TRIGGER counted BEFORE INSERT ON notes FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '.');
CREATE EVENT emptied ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' DO DELETE FROM orders;
CREATE PROCEDURE total() SELECT COUNT(*) FROM orders;
"""
_OF = "FROM information_schema.{0} WHERE {1}_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
ALL = "SELECT SHA2(CONCAT_WS(';', {}), 256)".format(
    ", ".join(
        f"(SELECT GROUP_CONCAT(CONCAT_WS(',', {', '.join(f'QUOTE({one})' for one in columns)}) ORDER BY {order}) {where})"
        for columns, order, where in (
            (("id", "customer", "placed_at", "paid"), "id", "FROM shop.orders"),
            (("id", "note", "about"), "id", "FROM shop.notes"),
            (("id", "note"), "id", "FROM shop.old"),
            (
                ("table_schema", "table_name", "column_name", "column_type", "is_nullable", "column_default"),
                "1, table_schema, table_name, ordinal_position",
                _OF.format("columns", "table"),
            ),
            (
                ("table_schema", "table_name", "index_name", "column_name", "non_unique"),
                "table_schema, table_name, index_name, seq_in_index",
                _OF.format("statistics", "table"),
            ),
            (("table_schema", "table_name", "view_definition"), "table_name", _OF.format("views", "table")),
            (
                ("trigger_name", "event_object_table", "action_statement"),
                "trigger_name",
                _OF.format("triggers", "trigger"),
            ),
            (("routine_name", "routine_definition"), "routine_name", _OF.format("routines", "routine")),
            (("name", "body"), "name", "FROM mysql.event"),
            (("catalog_name", "schema_name", "default_collation_name"), "2", "FROM information_schema.schemata WHERE schema_name = 'shop'"),
        )
    )
)  # fmt: skip
"""Asks for a hash over all rows, and over what the tables, views, triggers, routines and events are."""
PACKERS = {
    "gz": ["gzip", "-k"],
    "zst": ["zstd", "-q"],
    "xz": ["xz", "-k"],
    "lz4": ["lz4", "-q", "-m"],
}


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder with a backup of each kind, made of one server."""
    needs("mariadbd", "mariadb-dump", "mariadb-backup", "mydumper", "zstd", "xz", "lz4")
    server = Live()
    try:
        server.run("mariadb", input=TABLES.encode())
        folder = server.folder / "backups"
        folder.mkdir(mode=0o700)
        with (folder / "shop.sql").open("wb") as stream:
            words = ["--routines", "--events", "--databases", "shop"]
            server.run("mariadb-dump", *words, capture_output=False, stdout=stream)
        for packer in PACKERS.values():
            subprocess.run([*packer, folder / "shop.sql"], check=True)
        for name, more in (("folder", []), ("packed", ["-c"])):
            line = ["mydumper", "-S", f"{server.folder}/s", "-B", "shop", "-o", folder / name]
            subprocess.run([*line, "-G", "-R", "-E", *more], check=True, capture_output=True)
        server.run("mariadb-backup", "--backup", f"--target-dir={folder}/raw")
        shutil.copytree(folder / "raw", folder / "copy")
        server.run("mariadb-backup", "--prepare", f"--target-dir={folder}/copy")
        with (folder / "stream.xb").open("wb") as stream:
            server.run(
                *("mariadb-backup", "--backup", "--stream=xbstream"),
                capture_output=False,
                stdout=stream,
                stderr=subprocess.DEVNULL,
            )
        yield folder
    finally:
        server.close()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


def seen(trial: Trial, path: Path) -> Seen:
    """Verify a backup; return its row, and the hash of what came out."""
    return Seen.of(lambda take: trial.verify(path, take), lambda restored: restored.ask(ALL, ""))


@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("shop.sql", "none"),
        *((f"shop.sql.{end}", "checksums") for end in PACKERS),
        ("stream.xb", "checksums"),
    ],
)
def test_what_is_proved_of_a_file_is_what_was_backed_up(
    made: Path, trial: Trial, name: str, proof: str
) -> None:
    path = made / "damaged" / name  # in memory, too
    path.parent.mkdir(exist_ok=True)
    shutil.copy(made / name, path)
    age(path.parent)
    good = seen(trial, path)
    assert (good.row["outcome"], good.row["proof"]) == ("restored", proof), good.row

    for what, damage in damages(path.stat().st_size, name, 30):
        data = bytearray((made / name).read_bytes())
        damage(data)
        path.write_bytes(data)
        age(path.parent)
        refuse_false_proof(good, seen(trial, path), what)


@pytest.mark.parametrize("name", ["folder", "packed", "raw", "copy"])
def test_what_is_proved_of_a_folder_is_what_was_backed_up(
    made: Path, trial: Trial, name: str
) -> None:
    path = Path(shutil.copytree(made / name, made / "damaged" / name))
    age(path)
    good = seen(trial, path)
    assert (good.row["outcome"], good.row["proof"]) == ("restored", "none"), good.row

    for what, file, damage in damages_of_files(made / name, name, 30):
        data = bytearray((made / name / file).read_bytes())
        damage(data)
        (path / file).write_bytes(data)
        age(path)
        refuse_false_proof(good, seen(trial, path), what)
        shutil.copy(made / name / file, path / file)
