"""Archives, trees of files, databases of SQLite and encrypted backups, restored; faults in them, and each found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from restore_trial import NAME, Trial, digest, needs, plant, said

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup

MAKE = f"""
mkdir -p data/letters data/pictures
for i in 1 2 3; do echo "{NAME} $i" > data/letters/$i.txt; done
head -c 50000 /dev/urandom > data/pictures/1.png
ln -s letters/1.txt data/newest
(cd data; find letters pictures -type f | xargs sha256sum > SHA256SUMS)
tar -cf files.tar data
gzip -k files.tar
zip -qry files.zip data
cp -r data tree
sqlite3 base.sqlite "CREATE TABLE patients (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON patients (name);
  CREATE VIEW v AS SELECT * FROM patients; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
  INSERT INTO patients SELECT i, '{NAME} ' || i FROM n"
sqlite3 base.sqlite .dump > base.sql
cp base.sqlite live.sqlite
printf '{NAME};1\\n%.0s' $(seq 500) > table.csv
gzip table.csv
age-keygen -o key 2>/dev/null
age-keygen -o other 2>/dev/null
echo wrong > noise
printf 'one secret\\n' > password
age -e -i key -o base.sql.age base.sql
mkdir -m 700 gnupg
gpg --homedir gnupg --batch --pinentry-mode loopback --passphrase-file password --symmetric -o files.tar.gpg files.tar
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backup of each kind, and keys."""
    needs("age", "gpg", "sqlite3", "tar", "unzip", "zip")
    folder = tmp_path_factory.mktemp("made")
    plant(MAKE, folder)
    shutil.rmtree(folder / "gnupg")  # sockets
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of all backups, in which a fault may be planted."""
    return Path(shutil.copytree(made, tmp_path / "backups", symlinks=True))


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    made = Trial(tmp_path)
    yield made
    made.close()


FILES = {"files": 5, "folders": 3, "links": 1}
ROWS = {"tables": 1, "rows": 2000, "views": 1, "indexes": 1}
LETTERS = {"files": "letters/*.txt", "equals": "3"}
COUNT = {
    "name": "SELECT count(*) FROM patients",
    "sql": "-- all of them\nSELECT count(*) FROM patients",
    "min": 1900.0,
}


@pytest.mark.parametrize(
    ("name", "kind", "figures", "proof", "assertion"),
    [
        ("files.tar", "tar", FILES, "checksums", {**LETTERS, "files": "data/letters/*.txt"}),
        ("files.tar.gz", "tar", FILES, "checksums", {**LETTERS, "files": "/data/letters/*.txt"}),
        ("files.zip", "zip", FILES, "checksums", {**LETTERS, "files": "data/letters/*.txt"}),
        ("tree", "tree", {**FILES, "folders": 2, "links": 0}, "checksums", LETTERS),
        ("base.sqlite", "sqlite", ROWS, "assertions", COUNT),
        ("base.sql", "sql sqlite3 .dump", ROWS, "assertions", COUNT),
        ("table.csv.gz", "text", {"files": 1}, "checksums", {"files": "table.csv"}),
        ("base.sql.age", "sql sqlite3 .dump", ROWS, "checksums", COUNT),
        ("files.tar.gpg", "tar", FILES, "checksums", {"files": "data/pictures/1.png"}),
    ],
)
def test_each_kind_is_restored_and_counted(
    name: str,
    kind: str,
    figures: dict[str, int],
    proof: str,
    assertion: dict[str, Any],
    made: Path,
    trial: Trial,
) -> None:
    before = digest(made)
    declared = {"password_file": str(made / "password")}

    row = trial.verify(
        made / name, declared=declared, assertions=[assertion], **keyed(name, made / "key")
    )

    assert said(row) == "restored: "
    assert row["kind"] == kind
    assert {key: row["figures"].get(key) for key in figures} == figures
    assert row["proof"] == proof
    assert [one["state"] for one in row["assertions"]] == ["held"]
    assert digest(made) == before


def keyed(name: str, key: Path) -> dict[str, str]:
    """Return the option of a set with backups that age has encrypted."""
    return {"identity_file": str(key)} if name.endswith(".age") else {}


EVIL_TAR = """python3 - <<'TEXT'
import io, tarfile
with tarfile.open("files.tar", "a") as archive:
    one = tarfile.TarInfo("NAME")
    one.type, one.linkname = KIND, "TARGET"
    one.devmajor, one.devminor = 1, 3
    archive.addfile(one)
    two = tarfile.TarInfo("SECOND")
    two.size = 1
    archive.addfile(two, io.BytesIO(b"x"))
TEXT
"""
EVIL_ZIP = """python3 - <<'TEXT'
import stat, zipfile
with zipfile.ZipFile("files.zip", "a") as archive:
    one = zipfile.ZipInfo("data/out")
    one.create_system, one.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(one, "/etc")
    archive.writestr("SECOND", "x")
TEXT
"""


def evil_tar(name: str, kind: str, target: str, second: str) -> str:
    """Return the command that puts a member of a kind, and a file behind it, into the tar."""
    text = EVIL_TAR.replace("NAME", name).replace("KIND", f"tarfile.{kind}")
    return text.replace("TARGET", target).replace("SECOND", second)


# What is planted: the command, in a copy of the folder with all backups; the backup; what is said of it.
FAULTS = {
    "a file of a tar through a link": (
        evil_tar("data/out", "SYMTYPE", "/etc", "data/out/reached"),
        "files.tar",
        "failed: members would be extracted elsewhere, such as data/out/reached",
    ),
    "a file of a tar above its folder": (
        evil_tar("data/in", "SYMTYPE", "letters", "../../reached"),
        "files.tar",
        "failed: members would be extracted elsewhere, such as ../../reached",
    ),
    "a device in a tar": (
        evil_tar("data/device", "CHRTYPE", "", "data/after"),
        "files.tar",
        "restored: ",
    ),
    "a link in a tar that leads out, and nothing behind it": (
        evil_tar("data/out", "SYMTYPE", "/etc/passwd", "data/after"),
        "files.tar",
        "restored: ",
    ),
    "a file of a zip through a link": (
        EVIL_ZIP.replace("SECOND", "data/out/reached"),
        "files.zip",
        "failed: members would be extracted elsewhere, such as data/out/reached",
    ),
    "a tar without its end": (
        "head -c 40000 files.tar > cut; mv cut files.tar",
        "files.tar",
        "failed: it cannot be read: ",
    ),
    "a flipped byte in a tar": (
        r"""at=$(grep -abo 'Mustermann 2' files.tar | cut -d: -f1)
        printf X | dd of=files.tar bs=1 seek=$at conv=notrunc""",
        "files.tar",
        "failed: letters/2.txt differs from its checksum in SHA256SUMS",
    ),
    "a flipped byte in a packed tar": (
        r"printf '\377\377\377' | dd of=files.tar.gz bs=1 seek=30000 conv=notrunc",
        "files.tar.gz",
        "failed: it cannot be read: ",
    ),
    "a file that is gone from a tree": (
        "rm tree/letters/3.txt",
        "tree",
        "failed: letters/3.txt is missing; SHA256SUMS lists it",
    ),
    "a tar beside the checksum of another one": (
        "sha256sum files.zip | sed s/files.zip/files.tar/ > files.tar.sha256",
        "files.tar",
        "failed: files.tar differs from its checksum in files.tar.sha256",
    ),
    "a page of SQLite overwritten": (
        "head -c 4096 /dev/urandom | dd of=base.sqlite bs=4096 seek=3 conv=notrunc",
        "base.sqlite",
        "failed: it cannot be read: SQLite: ",
    ),
    "an index of SQLite that lacks a row": (
        """sqlite3 base.sqlite "PRAGMA writable_schema = ON;
          UPDATE sqlite_master SET sql = 'CREATE INDEX by_name ON patients (name DESC)' WHERE name = 'by_name'" """,
        "base.sqlite",
        "failed: integrity_check: ",
    ),
    "a table that is gone from SQLite": (
        "sqlite3 base.sqlite 'ALTER TABLE patients RENAME TO others'",
        "base.sqlite",
        "failed: SELECT count(*) FROM patients: found sqlite3: ",
    ),
    "a shell command in a dump of SQLite": (
        "sed -i '3i .shell touch /scratch/reached' base.sql",
        "base.sql",
        "failed: line 3 of the dump asks for what runs programs or opens files",
    ),
    "the word quit in a dump of SQLite, with which sqlite3 says that all went well": (
        "sed -i '3i .quit' base.sql",
        "base.sql",
        "failed: sqlite3 has ended before the dump, or its last statement does not end",
    ),
    "a file written by a dump of SQLite": (
        """sed -i "3i SELECT writefile('/scratch/reached', 'x');" base.sql""",
        "base.sql",
        "failed: line 3 of the dump asks for what runs programs or opens files",
    ),
    "a row twice in a dump of SQLite": (
        f"sed -i \"s/^COMMIT;/INSERT INTO patients VALUES (1, '{NAME}');\\nCOMMIT;/\" base.sql",
        "base.sql",
        "failed: sqlite3: Runtime error near line 2006: UNIQUE constraint failed: patients.id (19)",
    ),
    "the key of another backup": (
        "mv other key",
        "base.sql.age",
        "failed: age: the declared key does not open it",
    ),
    "a file that is no key": (
        "mv noise key",
        "base.sql.age",
        "unknown: age: the declared key is none that it can use",
    ),
    "a flipped byte in what age has encrypted": (
        r"printf '\377\377' | dd of=base.sql.age bs=1 seek=30000 conv=notrunc",
        "base.sql.age",
        "failed: age: it is damaged",
    ),
    "a cut dump that was encrypted": (
        "head -c 20000 base.sql > cut; rm base.sql.age; age -e -i key -o base.sql.age cut",
        "base.sql.age",
        "failed: what is encrypted in it cannot be read: ends without the last line of sqlite3 .dump",
    ),
    "another password": (
        "echo another > password",
        "files.tar.gpg",
        "failed: gpg: the declared key does not open it",
    ),
    "a flipped byte in what gpg has encrypted": (
        r"printf '\377\377' | dd of=files.tar.gpg bs=1 seek=1000 conv=notrunc",
        "files.tar.gpg",
        "failed: ",
    ),
}


QUICK = (
    "a file of a tar through a link",
    "a device in a tar",
    "a file of a zip through a link",
    "a flipped byte in a tar",
    "a tar beside the checksum of another one",
    "an index of SQLite that lacks a row",
    "a shell command in a dump of SQLite",
    "the key of another backup",
    "a cut dump that was encrypted",
    "another password",
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

    row = trial.verify(
        copy / name,
        declared={"password_file": str(copy / "password")},
        assertions=[COUNT] if name.startswith("base") else [],
        **keyed(name, copy / "key"),
    )

    assert said(row).startswith(expected), row
    assert ("elsewhere" in row["why"] or "asks" in row["why"]) == bool(row["findings"])


def test_what_leads_out_of_an_archive_is_not_kept(copy: Path, trial: Trial) -> None:
    plant(FAULTS["a link in a tar that leads out, and nothing behind it"][0], copy)
    plant(evil_tar("data/device", "CHRTYPE", "", "data/last"), copy)

    row = trial.verify(copy / "files.tar")

    assert row["figures"]["links"] == 1
    assert "1 devices in it were not made" in row["notes"]
    assert "1 links lead out of it, and were not restored" in row["notes"]


def test_a_database_whose_log_lies_beside_it_is_restored_with_it(copy: Path, trial: Trial) -> None:
    plant(
        """sqlite3 live.sqlite 'PRAGMA journal_mode = WAL' && python3 - <<'TEXT'
import os, sqlite3
base = sqlite3.connect("live.sqlite")
base.execute("INSERT INTO patients VALUES (9999, 'x')")
base.commit()
os._exit(0)
TEXT""",
        copy,
    )
    assert (copy / "live.sqlite-wal").stat().st_size

    row = trial.verify(copy / "live.sqlite")

    assert said(row) == "restored: "
    assert row["counts"] == {"patients": 2001}


def test_a_backup_that_has_shrunk_since_the_verification_before_is_bad(
    made: Path, copy: Path, trial: Trial
) -> None:
    trial.verify(made / "base.sqlite")
    plant("sqlite3 base.sqlite 'DELETE FROM patients WHERE id > 900'", copy)

    row = trial.verify(copy / "base.sqlite")

    assert (
        said(row)
        == "failed: it has shrunk: patients has 900; it had 2000 in the verification before"
    )


def test_content_that_nothing_proves_is_restored_and_said_to_be_unproved(
    copy: Path, trial: Trial
) -> None:
    first = trial.verify(copy / "base.sqlite")
    second = trial.verify(copy / "base.sqlite")

    assert [said(first), first["proof"]] == ["restored: ", "none"]
    assert [said(second), second["proof"]] == ["restored: ", "figures"]


@pytest.mark.parametrize(
    "statement", [".shell id", "  .read /etc/passwd", "DROP", "SELECT 1; SELECT 2"]
)
def test_a_statement_that_cannot_be_asked_is_unknown(
    statement: str, made: Path, trial: Trial
) -> None:
    row = trial.verify(made / "base.sqlite", assertions=[{"sql": statement}])

    assert row["outcome"] == "unknown"


def test_a_table_of_sqlite_is_taken(made: Path, trial: Trial, tmp_path: Path) -> None:
    taken = tmp_path / "patients.sql"

    def take(restored: RestoredBackup) -> None:
        restored.take_table("patients", str(taken))

    row = trial.verify(made / "base.sql.age", take, identity_file=str(made / "key"))

    assert said(row) == "restored: "
    assert taken.read_text().count(NAME) == 2000
