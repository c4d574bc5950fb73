"""Whatever is flipped, cut or zeroed in a backup: what is restored as proved by its checksums is what was backed up.

What passes without such a proof may have other content, and its row says so: `none`, with what is not proved.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from restore_damage import damages
from restore_trial import Trial, age, digest, needs, plant

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup

pytestmark = pytest.mark.thorough
MAKE = """
mkdir -p data/letters
for i in $(seq 1 40); do seq $i 400 > data/letters/$i.txt; done
head -c 30000 /dev/urandom > data/noise
tar -cf files.tar data
gzip -k files.tar
xz -k files.tar
zip -qr files.zip data
sqlite3 base.sqlite "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON t (name);
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(i) FROM n"
sqlite3 base.sqlite .dump > base.sql
gzip -k base.sql
"""
ALL_ROWS = "SELECT group_concat(id || '=' || name) FROM (SELECT * FROM t ORDER BY id)"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("sqlite3", "tar", "xz", "zip", "unzip")
    folder = tmp_path_factory.mktemp("made")
    plant(MAKE, folder)
    return folder


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


def content_of(restored: RestoredBackup) -> str:
    """Return a hash over what was restored: names and bytes of files, or the rows of the table."""
    if restored.root:
        return hashlib.sha256(repr(digest(Path(restored.root))).encode()).hexdigest()
    return hashlib.sha256(restored.ask(ALL_ROWS, "").encode()).hexdigest()


def seen(trial: Trial, path: Path) -> tuple[dict[str, object], str]:
    """Verify a backup; return its row, and the hash of what came out, empty if nothing did."""
    hashes: list[str] = []

    def take(restored: RestoredBackup) -> None:
        try:
            hashes.append(content_of(restored))
        except Exception:
            hashes.append("cannot be read")

    row = trial.verify(path, take)
    return row, hashes[0] if hashes else ""


@pytest.mark.parametrize(
    ("name", "proves"),
    [
        ("files.tar", False),
        ("files.tar.gz", True),
        ("files.tar.xz", True),
        ("files.zip", False),  # its checksums leave the names out
        ("base.sqlite", False),
        ("base.sql", False),
        ("base.sql.gz", True),
    ],
)
def test_what_is_proved_by_its_checksums_is_what_was_backed_up(
    made: Path, trial: Trial, tmp_path: Path, name: str, proves: bool
) -> None:
    (tmp_path / "b").mkdir()
    path = tmp_path / "b" / name
    shutil.copy(made / name, path)
    age(tmp_path / "b")
    good, whole = seen(trial, path)
    assert (good["outcome"], good["proof"] == "checksums") == ("restored", proves)

    for what, damage in damages(path.stat().st_size, name):
        data = bytearray((made / name).read_bytes())
        damage(data)
        path.write_bytes(data)
        age(tmp_path / "b")
        row, found = seen(trial, path)
        if row["outcome"] == "restored" and found != whole:
            assert row["proof"] in ("none", "figures"), (what, row)
            assert not proves, (what, row)
            assert row["proof"] == "figures" or row["unproved"], (what, row)
        if row["outcome"] == "failed":
            assert row["why"], what
