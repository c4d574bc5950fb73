"""What all processes of one run of the tests share: a folder, and the servers in it.

The first process that needs a server starts it, under a lock. It is marked as started by the process that runs the
whole, not by the worker that happened to come first, so it lives as long as the run, and the guard of that process
stops it and removes the folder whatever ends the run; see left_behind.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import left_behind
from filelock import FileLock
from patience import PATIENCE_SECONDS

FOLDER = "SHARED_BY_TESTS"
MARK = "SHARED_BY_TESTS_MARK"
ROOM_BYTES = 8_000_000_000


def begin() -> None:
    """Make the folder; called by each process at its beginning, and done by the first of them."""
    if FOLDER not in os.environ:
        made = Path(tempfile.mkdtemp(prefix="upkeep-tests-", dir=_memory()))
        made.chmod(0o711)  # a server's own account passes through
        left_behind.remove_at_the_end(made)
        os.environ[FOLDER] = str(made)
        os.environ[MARK] = os.environ[left_behind.MARK]


def _memory() -> str | None:
    """Return the folder of memory, if it has room for hundreds of databases: to make and remove them is half of it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= ROOM_BYTES
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """Let one process at a time be here; yield the folder of that name, which is not there for the first."""
    folder = Path(os.environ[FOLDER])
    with FileLock(folder / f"{name}.lock", timeout=PATIENCE_SECONDS):
        yield folder / name


def environment() -> dict[str, str]:
    """Return the environment for what outlives the process that starts it."""
    return {**os.environ, left_behind.MARK: os.environ[MARK]}
