"""Whatever ends the tests, nothing that they started goes on: not a server, not a browser, not a run.

Every process that tests start inherits a mark in its environment. A guard waits until the tests' own process has
ended, even by SIGKILL, then stops what has the mark and removes the folders that it was told of.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil

MARK = "STARTED_BY_TESTS"
PATIENCE_SECONDS = 3
REMOVING_SECONDS = 60

_guards: list[_Guard] = []


class _Guard:
    """The process that waits; a new one if somebody has ended it, for what it knew is written down here."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.folders: list[Path] = []
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, self.mark],
            stdin=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the tests; and it must not take itself for something that they left.
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != MARK},
        )

    def tell(self, folder: Path) -> None:
        self.folders.append(folder)
        try:
            self._write([folder])
        except BrokenPipeError:
            self.process.communicate()  # closes the pipe without a word of what is still in it
            print(
                f"the guard of the tests ended with {self.process.returncode}; a new one begins",
                file=sys.stderr,
            )
            self.process = self._start()
            self._write(self.folders)

    def _write(self, folders: list[Path]) -> None:
        if self.process.stdin is not None:
            self.process.stdin.writelines(f"{one}\n" for one in folders)
            self.process.stdin.flush()


def guard() -> None:
    """Start the guard of this process, and mark what it starts from now on."""
    _guards.append(_Guard())
    os.environ[MARK] = _guards[-1].mark


def remove_at_the_end(folder: Path) -> None:
    """Have the folder removed when this process has ended, if it is still there."""
    for one in _guards:
        one.tell(folder)


def relieve() -> None:
    """Let the guard do its work now, and wait for it."""
    while _guards:
        _guards.pop().process.communicate()


def words_of(process: psutil.Process) -> list[str]:
    """Return a process's command line; an empty one if it has ended meanwhile, as any may that was found a moment ago."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that have the mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def main() -> None:
    mark = sys.argv[1]
    folders = sys.stdin.read().splitlines()  # until nobody is there to write
    for process in (left := marked(mark)):
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(left, timeout=PATIENCE_SECONDS)
    for process in (left := marked(mark)):
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=REMOVING_SECONDS)
    for folder in folders:
        remove(Path(folder))


def remove(folder: Path) -> None:
    """Remove a folder; again while somebody who is about to end still writes there, as a server's children do."""
    ends = time.monotonic() + REMOVING_SECONDS
    while folder.exists() and time.monotonic() < ends:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
