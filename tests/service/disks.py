"""A small file system of a test's own, to fill up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size on the folder, which is made."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    folder.mkdir()
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={megabytes}m,mode=0700",
        "upkeep-test",
        str(folder),
    ]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this root may not mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
