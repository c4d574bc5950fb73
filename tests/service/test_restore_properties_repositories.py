"""Whatever is flipped, cut or zeroed in a repository of restic or borg: what is proved is what was backed up.

And a part of a repository that holds the damage never counts as read and good.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import left_behind
import pytest
from restore_damage import Damage, Seen, damages_of_files, refuse_false_proof
from restore_trial import Trial, digest, needs

from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.cycle import part_of

pytestmark = pytest.mark.thorough
PASSWORD = "nur-geheim"
COUNT = 24
PARTS = 4


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder in memory with a repository of each program, of two snapshots or archives; the second has more files."""
    needs("restic", "borg")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix="upkeep-repositories-", dir=memory))
    left_behind.remove_at_the_end(home)
    environment = {
        **os.environ,
        "RESTIC_PASSWORD": PASSWORD,
        "BORG_PASSPHRASE": PASSWORD,
        "BORG_BASE_DIR": str(home / "own"),
    }

    def run(*line: str) -> None:
        subprocess.run(line, cwd=home, env=environment, check=True, capture_output=True)

    run("restic", "--no-cache", "-r", "restic", "init")
    run("borg", "init", "-e", "repokey-blake2", "borg")
    for number in range(4):
        for name in range(4):
            folder = home / "files" / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / str(name)).write_bytes(os.urandom(30_000 * (name + 1)))
        run("restic", "--no-cache", "-r", "restic", "backup", "files")
        run("borg", "create", f"borg::{number}", "files")
        if number == 1:
            shutil.rmtree(home / "files" / "0")  # in older ones alone
    yield home
    shutil.rmtree(home)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    one = Trial(tmp_path)
    yield one
    one.close()


def seen(trial: Trial, repository: Path, **options: object) -> Seen:
    """Verify a repository; return its row, and a hash over the names and bytes of what came out."""
    declared = {"repository": str(repository), "password": PASSWORD}
    return Seen.of(
        lambda take: trial.verify(repository, take, declared, **{"lock_minutes": 0.0, **options}),
        lambda restored: (
            hashlib.sha256(repr(digest(Path(restored.root))).encode()).hexdigest()
            if restored.root
            else "not restored"
        ),
    )


def forget(trial: Trial) -> None:
    """Begin a new ledger: what was read before the damage is no proof of after it, and nobody says that it is."""
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir()


def spoil(path: Path, damage: Damage) -> bool:
    """Do the damage to a file; return whether it is another one then, for there may have been zeros."""
    before = path.read_bytes()
    data = bytearray(before)
    damage(data)
    path.chmod(0o600)
    path.write_bytes(data)
    return before != data


def refuse_read(trial: Trial, file: Path, what: str) -> None:
    """Fail if the part with this file of `data` counts as read and good. restic names by checksums, borg by numbers."""
    cycle, kept = trial.ledger.cycle("s"), trial.ledger.kept("s")
    if len(file.name) == 64:
        assert part_of(file.name, cycle.get("parts") or 1) not in cycle.get("done", []), what
    else:
        assert int(file.name) > kept.get("position", -1), (what, cycle, trial.ledger.rows("s"))


@pytest.mark.parametrize("name", ["restic", "borg"])
def test_what_is_proved_of_a_repository_is_what_was_backed_up(
    made: Path, trial: Trial, name: str
) -> None:
    path = Path(shutil.copytree(made / name, made / "damaged" / name))
    good = seen(trial, path)
    assert (good.row["outcome"], good.row["proof"]) == ("restored", "checksums"), good.row

    for what, file, damage in damages_of_files(made / name, name, COUNT):
        forget(trial)
        if not spoil(path / file, damage):
            continue
        found = seen(trial, path)
        refuse_false_proof(good, found, what)
        if file.parts[0] == "data":
            refuse_read(trial, file, what)
        shutil.copy(made / name / file, path / file)


@pytest.mark.parametrize("name", ["restic", "borg"])
def test_a_part_with_damage_in_it_never_counts_as_read(made: Path, trial: Trial, name: str) -> None:
    path = Path(shutil.copytree(made / name, made / "damaged" / f"{name}-parts"))

    for what, inside, damage in damages_of_files(made / name / "data", name, COUNT // 3):
        file = Path("data", inside)
        forget(trial)
        if not spoil(path / file, damage):
            continue
        rows = []
        while not rows or (len(rows) < PARTS and rows[-1]["outcome"] == "part"):
            rows.append(seen(trial, path, whole_bytes=10, parts=PARTS, cycle_days=1e6).row)
            refuse_read(trial, file, what)
        assert rows[-1]["outcome"] == "failed", (what, rows)
        shutil.copy(made / name / file, path / file)
