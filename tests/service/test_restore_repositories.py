"""Repositories of restic and borg, verified by restoring them; and what in them would pass for good."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Restored, Task
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import verify

PASSWORD = "nur-geheim"
SECRET = "Befund von Erika Mustermann"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the sandbox")


def needs(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not on PATH")


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Return when each file of a folder was changed, and its content."""
    return {
        str(path): (
            path.lstat().st_ctime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted([folder, *folder.rglob("*")])
    }


class Place:
    """Where a test verifies: a ledger, a scratch place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(str(folder / "ledger"))
        self.scratch = folder / "scratch"

    def verify(
        self,
        repository: Path | str,
        afterwards: Callable[[Task, Restored], None] | None = None,
        name: str = "files",
        password: str = PASSWORD,
        **options: Any,
    ) -> dict[str, Any]:
        """Verify a repository and return the row; nothing may be left, and no content be told."""
        one = {"name": name, "repository": str(repository), "password": password}
        valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(
            {"sets": [{**one, "verify": {"lock_minutes": 0, **options}}]}
        )
        assert not valid.error_messages
        wanted = valid.validated_parameters["sets"][0]
        row = verify(wanted, self.ledger, Host(), str(self.scratch), afterwards)
        assert list(self.scratch.iterdir()) == []
        written = "".join(path.read_text() for path in (self.folder / "ledger").iterdir())
        assert "Mustermann" not in written
        assert password not in written
        return row


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def restic(repository: Path, *words: str, status: int = 0) -> str:
    """Run restic as its user does; return what it prints."""
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(repository)}
    ran = subprocess.run(
        ["restic", "--no-cache", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def restic_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a repository of two snapshots, of which the second has one more file."""
    needs("restic", "bwrap")
    home = tmp_path_factory.mktemp("restic")
    files = home / "files"
    files.mkdir()
    (files / f"{SECRET}.pdf").write_bytes(os.urandom(400_000))
    (files / "canary").write_text("here")
    restic(home / "repository", "init")
    restic(home / "repository", "backup", str(files))
    (files / "new").write_bytes(os.urandom(300_000))
    restic(home / "repository", "backup", str(files))
    return home


@pytest.fixture
def restic_copy(restic_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(restic_home / "repository", tmp_path / "repository"))


def newest_pack(repository: Path) -> Path:
    """Return the pack with the data of the newest snapshot."""
    packs = [one for one in (repository / "data").glob("*/*") if one.stat().st_size > 100_000]
    return min(packs, key=lambda one: one.stat().st_size)


def flip(path: Path, at: int) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_newest_snapshot_of_restic_is_restored_and_counted_and_nothing_is_written(
    restic_home: Path, place: Place
) -> None:
    repository = restic_home / "repository"
    before = state(repository)
    seen: dict[str, Any] = {}

    def look(task: Task, restored: Restored) -> None:
        seen["canary"] = Path(restored.root, *restic_home.parts[1:], "files/canary").read_text()

    row = place.verify(
        repository,
        look,
        assertions=[{"files": f"{restic_home}/files/*", "equals": "3"}, {"files": "**/canary"}],
    )

    assert state(repository) == before
    assert (row["outcome"], row["why"], row["covered"]) == ("restored", "", "all")
    assert (row["proof"], row["figures"]["files"]) == ("checksums", 3)
    assert row["figures"]["bytes"] == 700_004 == row["restored_bytes"]
    assert [one["state"] for one in row["assertions"]] == ["held", "held"]
    assert seen == {"canary": "here"}
    assert row["notes"] == []
    cycle = place.ledger.cycle("files")
    assert (cycle["parts"], cycle["done"], cycle["unproved"]) == (16, [1], 0)
    assert len(cycle["never"]) == 1
