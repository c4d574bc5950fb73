"""Verifications of backups for tests: a declared set with all options, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._declared import (
    VERIFY_OPTIONS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups.backups import ARGUMENTS
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.ledger import Ledger
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.verify import verify

ASSERTION = dict.fromkeys(VERIFY_OPTIONS["verify"]["options"]["assertions"]["options"])


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: one.get("default") for name, one in options.items()}


def declared(*paths: Path | str, **other: Any) -> dict[str, Any]:
    """Return a set as Ansible gives it to the module: each option has its default. What is of `verify` goes there."""
    options = VERIFY_OPTIONS["verify"]["options"]
    part = {**_defaults(options), "beside_live": "a test", "memory_bytes": 1_000_000_000}
    part.update({name: other.pop(name) for name in list(other) if name in options})
    part["assertions"] = [{**ASSERTION, **one} for one in part["assertions"]]
    wanted = _defaults(ARGUMENTS["sets"]["options"])
    return {**wanted, "name": "clinic", "paths": list(map(str, paths)), "verify": part, **other}


class Place:
    """A scratch place and a ledger of the test's own, which root alone can write to."""

    def __init__(self, home: Path) -> None:
        self.home, self.scratch, self.ledger = home, home / "scratch", Ledger(str(home / "ledger"))

    def verify(self, *paths: Path | str, afterwards: Any = None, **other: Any) -> dict[str, Any]:
        """Verify a set and return its row; nothing is left behind."""
        wanted = declared(*paths, **other)
        row = verify(wanted, self.ledger, Host(), str(self.scratch), afterwards)
        assert list(self.scratch.iterdir()) == []
        return row


@pytest.fixture
def place() -> Iterator[Place]:
    """A place to restore in. Only root can make the sandbox."""
    if os.geteuid() or shutil.which("bwrap") is None:
        pytest.skip("the sandbox needs root and bubblewrap")
    home = Path(tempfile.mkdtemp(prefix="restore-", dir="/var/tmp"))
    yield Place(home)
    shutil.rmtree(home)
