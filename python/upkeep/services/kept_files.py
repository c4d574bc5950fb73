"""What runs keep beside the database: their workspaces, and their reports. Removed when its run is gone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psutil

from upkeep.store import Store, runs
from upkeep.store.engine.statements import batched

OWNER = "owner.json"
REPORT = re.compile(r"\.?run-(\d{1,18})\.html(?:\..*)?")
LOOKED = ".looked"
LOOKS_EVERY_SECONDS = 86_400
ORPHAN_SECONDS = 3_600
"""A workspace that nobody has put a name on is left alone for so long: its run may be about to."""


# --- workspaces ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Owner:
    """Whose a workspace is: a process, and the store that its run is written down in."""

    store: str
    host: str
    pid: int
    process_started: float
    boot_id: str

    def lives(self, boot_id: str) -> bool:
        """Return whether the process still runs; one on another machine is left to that machine."""
        if self.host != socket.gethostname():
            return True
        if self.boot_id != boot_id:
            return False
        try:
            return abs(float(psutil.Process(self.pid).create_time()) - self.process_started) < 1.0
        except psutil.Error:
            return False


def claim_workspace(folder: Path, store: Store, boot_id: str) -> None:
    """Put our name on a new workspace."""
    process = psutil.Process()
    owner = Owner(store.place, socket.gethostname(), process.pid, process.create_time(), boot_id)
    (folder / OWNER).write_text(json.dumps(asdict(owner)), encoding="utf-8")


def sweep_workspaces(store: Store, workspaces: Path, boot_id: str) -> int:
    """Remove the workspaces of this user that runs of this store have left, and return how many.

    Never that of a run without an end: what waits in it is taken in first. Never one of a process that lives, nor of
    another store, which may have a run that we know nothing of.
    """
    removed = 0
    with store.read() as db:
        for folder in _own_folders(workspaces):
            run = runs.of_workspace(db, str(folder))
            if run is not None and run.status == runs.RUNNING:
                continue
            if run is None and not _abandoned(folder, store, boot_id):
                continue
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def _own_folders(workspaces: Path) -> Iterator[Path]:
    try:
        entries = list(os.scandir(workspaces))
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            own = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
            if own and entry.name.startswith("run-") and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _abandoned(folder: Path, store: Store, boot_id: str) -> bool:
    """Return whether a workspace without a run was left by a process of this store that does not live any more."""
    try:
        owner = Owner(**json.loads((folder / OWNER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        try:  # it ended before it could say so; what others put into it is theirs
            old = time.time() - folder.stat().st_mtime > ORPHAN_SECONDS
            return old and not any(folder.iterdir())
        except OSError:
            return False
    return owner.store == store.place and not owner.lives(boot_id)


# --- reports ---------------------------------------------------------------------------------------------------------
def report_path(state: Path, run_id: int) -> Path:
    """Return where the report of a run is."""
    return state.absolute() / "reports" / f"run-{run_id}.html"


def remove_reports(state: Path, run_ids: Iterable[int]) -> int:
    """Remove the reports of runs that are not kept any more; return how many there were."""
    count = 0
    for run_id in run_ids:
        with contextlib.suppress(OSError):
            report_path(state, run_id).unlink()
            count += 1
    return count


def remove_stray_reports(store: Store, state: Path, days: int, now: datetime) -> int:
    """Remove reports that are older than runs are kept and whose run the store does not know; return how many.

    For what was left before. Looks once a day: there may be hundreds of thousands.
    """
    folder = state.absolute() / "reports"
    looked = folder / LOOKED
    with contextlib.suppress(OSError):
        if 0 <= now.timestamp() - looked.stat().st_mtime < LOOKS_EVERY_SECONDS:
            return 0
    oldest = (now - timedelta(days=days)).timestamp()
    count = 0
    for some in batched(_reports_before(folder, oldest)):
        with store.read() as db:
            known = runs.which_are_there(db, [run_id for run_id, _path in some])
        for run_id, path in some:
            if run_id not in known:
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
    with contextlib.suppress(OSError):
        looked.touch(mode=0o600)
        os.utime(looked, (now.timestamp(), now.timestamp()))
    return count


def _reports_before(folder: Path, oldest: float) -> Iterator[tuple[int, Path]]:
    try:
        entries = os.scandir(folder)
    except OSError:
        return
    with entries:
        for entry in entries:
            found = REPORT.fullmatch(entry.name)
            with contextlib.suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                if found and stat.S_ISREG(about.st_mode) and about.st_mtime < oldest:
                    yield int(found[1]), Path(entry.path)
