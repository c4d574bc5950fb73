"""A server of MariaDB as a site has one, for tests: with a folder, a socket and data of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import left_behind
from patience import PATIENCE_SECONDS


class Live:
    """A server as a site has one, in memory. folder: with its socket, and with what was made of it.

    settings: of the server, besides those of all.
    """

    def __init__(self, *settings: str) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="upkeep-maria-", dir=memory))
        left_behind.remove_at_the_end(self.folder)
        self.folder.chmod(0o755)
        shutil.chown(self.folder, "mysql")
        data = ["--no-defaults", "--user=mysql", f"--datadir={self.folder}/data"]
        data += [f"--tmpdir={self.folder}", "--skip-sync-frm"]
        subprocess.run(
            ["mariadb-install-db", *data, "--force", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    shutil.which("mariadbd") or "mariadbd",
                    *data,
                    f"--socket={self.folder}/s",
                    "--skip-networking",
                    *settings,
                ],
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + PATIENCE_SECONDS
        while self.run("mariadb", "-e", "SELECT 1", check=False).returncode:
            assert time.monotonic() < ends, (self.folder / "log").read_text()
            time.sleep(0.05)

    def run(self, program: str, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run one of its programs."""
        line = [program, "--no-defaults", f"--socket={self.folder}/s", "--user=root", *words]
        return subprocess.run(line, **{"check": True, "capture_output": True, **options})

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)
