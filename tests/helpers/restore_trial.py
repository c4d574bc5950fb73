"""A backup is verified where a test can look: a ledger and a scratch place of its own, and commands that plant faults."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import left_behind
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups import backups
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import RestoredBackup
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import verify

NAME = "Mustermann"
"""Of a patient: it stands in the backups, and nowhere else."""


def needs(*programs: str) -> None:
    """Skip without root or one of these programs, or fail in CI."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the sandbox")
    for program in ("bwrap", *programs):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")


def plant(command: str, folder: Path) -> None:
    """Run the command of a shell that plants a fault; what it changes seems to be an hour old."""
    subprocess.run(["sh", "-ec", command], cwd=folder, check=True, capture_output=True)
    age(folder)


def age(folder: Path) -> None:
    """Let all seem to have been written an hour ago: what was written now may still be being made."""
    subprocess.run(
        ["find", folder, "-exec", "touch", "-h", "-d", "1 hour ago", "{}", "+"], check=True
    )


def digest(folder: Path) -> dict[str, str]:
    """Return a checksum of each file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


class Trial:
    """Where one test verifies. Its scratch place is in memory, for what is restored there is of no worth."""

    def __init__(self, folder: Path) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.scratch = Path(tempfile.mkdtemp(prefix="upkeep-restore-", dir=memory))
        left_behind.remove_at_the_end(self.scratch)
        self.folder = folder / "ledger"
        self.ledger = Ledger(str(self.folder))

    def verify(
        self,
        path: Path,
        afterwards: Callable[[RestoredBackup], None] | None = None,
        declared: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Verify the backup at a path and return its row. Nothing is left of it, and nobody is named in the ledger."""
        where = {} if "repository" in (declared or {}) else {"paths": [str(path)]}
        one = {"name": "s", **where, **(declared or {})}
        valid = ArgumentSpecValidator(backups.ARGUMENTS).validate(
            {"sets": [{**one, "verify": {"beside_live": "a test", **options}}]}
        )
        assert not valid.error_messages
        wanted = valid.validated_parameters["sets"][0]
        row = verify(wanted, self.ledger, Host(), str(self.scratch), afterwards)
        assert list(self.scratch.iterdir()) == []
        assert NAME not in "".join(each.read_text() for each in self.folder.iterdir())
        return row

    def close(self) -> None:
        """Remove the scratch place."""
        shutil.rmtree(self.scratch, ignore_errors=True)


def said(row: dict[str, Any]) -> str:
    """Return what became of a verification, and why."""
    return f"{row['outcome']}: {row['why']}"
