# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base backups of PostgreSQL: copied, compared with their manifest, led into the scratch place, started and read.

A base backup names the place it came from: in its settings, its map of tablespaces, its links. A server that is started
from it as it is writes there. So it is always a copy, none of its settings is used, and each path in it leads into the
scratch place, or it is not started.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_backups import (
    TAR,
    VERSION_FILE,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_manifest import (
    MANIFEST,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_cluster import (
    ControlData,
    StartPlan,
    WalArchive,
    clean,
    control_data,
    lead_in,
    note_links,
    tablespaces_of,
    wal_names,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_errors import (
    is_lack,
    without_data,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    PostgresPrograms,
    exactly,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_restored import (
    RestoredPostgres,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    ADMIN,
    CONF,
    DATA,
    NO_ROLE,
    TABLESPACES,
    NotStartedError,
    PostgresServer,
    last_line,
    once,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_take_wal import (
    COMMAND,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import gaps
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal_folder import (
    WalFolder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    NO_LIMIT,
    RestoredBackup,
    Verification,
)

USUAL_ADMIN = "postgres"
MANIFESTS_SINCE = 13
_INCOMPATIBLE = "incompatible with server"


@contextlib.contextmanager
def restored_base(task: Verification) -> Iterator[RestoredBackup]:
    """Restore a base backup, a folder of files or of tars."""
    path = task.backup.path if task.backup else ""
    folder = FolderFiles(path, task.host)
    with task.step("restore"):
        if folder.has(VERSION_FILE):
            _copy(task, path)
        else:
            _extract(task, folder)
    wal, plan = task.verify["wal"], StartPlan()
    if wal:
        plan = StartPlan(COMMAND, archive=WalFolder(task, wal))
    with started(task, plan) as restored:
        yield restored


@contextlib.contextmanager
def started(task: Verification, plan: StartPlan) -> Iterator[RestoredBackup]:
    """Check what was restored into the scratch place, start it, and give it.

    Raises: BadBackupError, NotTriedError.
    """
    programs = exactly(_major(task), task.host)
    task.row["restored_bytes"] = _size(task)
    task.row["restore_seconds"] = task.row["seconds"]["restore"]
    server = PostgresServer(task, programs, USUAL_ADMIN)
    archive = plan.archive
    lead_in(task)
    with task.step("check"):
        control = control_data(server)
        if archive is not None:
            archive.look(control)
        else:
            _refuse_gaps(task, control)
        _compare(task, programs, plan)
    with task.step("stage"):
        server.reads = [*plan.reads, *(archive.stage() if archive is not None else [])]
    clean(task, programs.version, plan)
    with contextlib.ExitStack() as stack:
        with task.step("start"):
            _recover(server, stack, control.settings(plan, programs.version), archive)
        if archive is not None:  # nobody has the data before its log is replayed
            task.row["restore_seconds"] += task.row["seconds"]["start"]
        yield _RecoveredPostgres(task, server, archive)


class _RecoveredPostgres(RestoredPostgres):
    """A restored cluster. What its archive of the log lacks is told before what its data lacks because of that."""

    def __init__(
        self, task: Verification, server: PostgresServer, archive: WalArchive | None
    ) -> None:
        super().__init__(task, server, "", physical=True)
        self._archive = archive

    def check(self) -> None:
        """Let amcheck look at it, then refuse a bad archive.

        Raises: BadBackupError.
        """
        super().check()
        if self._archive is not None:
            self._archive.refuse()


def _recover(
    server: PostgresServer,
    stack: contextlib.ExitStack,
    settings: dict[str, str],
    archive: WalArchive | None,
) -> None:
    """Start it, and let it read its log to the end.

    Raises: BadBackupError, NotTriedError.
    """
    if archive is None:
        _start(server, stack, settings)
        return
    try:
        _start(server, stack, settings)
    except BadBackupError as exc:
        archive.refuse(str(exc))
        raise
    archive.judge(server)


def _major(task: Verification) -> tuple[int, ...]:
    try:
        with open(os.path.join(task.outside(DATA), VERSION_FILE), "rb") as stream:
            return version_of(stream.read(20).decode("ascii", "replace"))
    except OSError as exc:
        raise BadBackupError(f"{VERSION_FILE} is missing") from exc


def _size(task: Verification) -> int:
    total = 0
    for top in (DATA, TABLESPACES):
        for folder, _names, files in os.walk(task.outside(top)):
            total += sum(os.lstat(os.path.join(folder, one)).st_size for one in files)
    return total


def _copy(task: Verification, path: str) -> None:
    """Copy a plain one, and each of its tablespaces that lies in it or beside it."""
    spaces = tablespaces_of(path, task.host)
    note_links(task, path)
    task.copied(path, os.path.basename(DATA))
    if spaces:
        task.scratch.folder(os.path.basename(TABLESPACES))
    for oid, place in spaces.items():
        task.copied(place, f"{os.path.basename(TABLESPACES)}/{oid}")


def _extract(task: Verification, folder: FolderFiles) -> None:
    """Extract the tars: that of the base, those of tablespaces, and that of the log.

    Raises: BadBackupError, NotTriedError.
    """
    tars = sorted(name for name in folder.names() if TAR.fullmatch(name))
    task.scratch.refuse_without_space(
        sum(info.st_size for info in map(folder.status, tars) if info is not None)
    )
    task.scratch.folder(os.path.basename(DATA))
    task.scratch.folder(os.path.basename(TABLESPACES))
    for name in sorted(tars, key=lambda one: not one.startswith("base.")):
        stem = name.split(".")[0]
        place = DATA if stem == "base" else f"{DATA}/pg_wal"
        if stem.isdigit():
            place = f"{TABLESPACES}/{stem}"
            task.scratch.folder(place[len("/scratch/") :])
        _extract_one(task, folder, name, place)
    if folder.has(MANIFEST):
        task.copied(os.path.join(folder.path, MANIFEST), f"{os.path.basename(DATA)}/{MANIFEST}")


def _extract_one(task: Verification, folder: FolderFiles, name: str, place: str) -> None:
    """Let tar extract one in the sandbox: what it holds is not trusted."""
    argv = ["tar", "-x", "-f", "-", "-C", place, "--no-same-owner", "--no-same-permissions"]
    try:
        with folder.content(
            name, Budget(max(1.0, task.sandbox.ends - time.monotonic()), NO_LIMIT)
        ) as (stream, _layer):
            said = task.sandbox.run(argv, given=task.reader(stream))
    except BrokenError as exc:
        raise BadBackupError(str(exc)) from exc
    except UnreadError as exc:
        raise NotTriedError(str(exc)) from exc
    if said.status:
        raise BadBackupError(f"{name}: {last_line(said.err)}")


def _refuse_gaps(task: Verification, control: ControlData) -> None:
    """Raise if the log that the backup needs to be whole is not in it as a whole."""
    first, names, size = wal_names(task, control)
    if not first:
        return
    missing = gaps(first, names, size)
    task.row["wal_missing"] = missing[:20]
    if not names:
        raise NotTriedError(
            f"its write-ahead log, from {first} on, is not in it: without it nothing can be restored",
            "decide: take base backups with their log (pg_basebackup -X stream), or name the folder of its archive"
            " in the set's `wal`",
        )
    if missing:
        raise BadBackupError(f"its write-ahead log has a gap: {missing[0]} is missing")


def _compare(task: Verification, programs: PostgresPrograms, plan: StartPlan) -> None:
    """Compare the copy with its manifest, by the program of its version, which parses the log too.

    Raises: BadBackupError.
    """
    there = os.path.lexists(os.path.join(task.outside(DATA), MANIFEST))
    if not there or programs.version[0] < MANIFESTS_SINCE:
        if not plan.compared:
            task.note("it has no manifest: its files were compared with nothing")
        return
    options = ["--no-parse-wal"] if plan.restore_command else []
    options += [f"--ignore={one}" for one in plan.changed]
    said = task.sandbox.run(
        [programs.path("pg_verifybackup"), "--exit-on-error", *options, DATA], programs.shown()
    )
    task.row["programs"]["pg_verifybackup"] = programs.words
    if said.status:
        errors = [one.partition("error: ")[2] for one in said.err.splitlines() if "error: " in one]
        text = errors[0] if errors else last_line(said.err)
        raise BadBackupError(f"pg_verifybackup: {text[:200]}")
    if plan.compared or _has_checksums(task):
        task.row.update(proof="checksums", unproved="")


def _has_checksums(task: Verification) -> bool:
    """Return whether the manifest, which was found good, has checksums of files."""
    with open(os.path.join(task.outside(DATA), MANIFEST), "rb") as stream:
        return b'"Checksum-Algorithm"' in stream.read(1 << 16)


def _start(server: PostgresServer, stack: contextlib.ExitStack, settings: dict[str, str]) -> None:
    """Start it, whoever is its superuser.

    Raises: BadBackupError, NotTriedError.
    """
    try:
        try:
            stack.enter_context(server.running(settings))
        except NotStartedError as exc:
            if str(exc) != NO_ROLE:
                raise
            _add_admin(server)
            stack.enter_context(server.running(settings))
    except NotStartedError as exc:
        raise _not_started(exc) from exc


def _add_admin(server: PostgresServer) -> None:
    """Make a superuser whose name is known, in the mode in which nobody signs in."""
    argv = [
        server.programs.path("postgres"), "--single", "-D", DATA, "-c", f"config_file={CONF}/postgresql.conf",
        "template1",
    ]  # fmt: skip
    server.clear()
    said = server.task.sandbox.run(
        argv,
        server.programs.shown(),
        given=once(f"CREATE ROLE {ADMIN};\nALTER ROLE {ADMIN} SUPERUSER LOGIN;\n".encode("ascii")),
    )
    if said.status:
        raise NotTriedError(f"postgres --single: {last_line(said.err)}")
    server.user = ADMIN


def _not_started(exc: NotStartedError) -> BadBackupError | NotTriedError:
    """Return what it says of the backup that its server did not start."""
    ended = [one for one in exc.said if one.level in ("FATAL", "PANIC") and one.state != "57P03"]
    if not ended:
        return NotTriedError(f"the server did not start: {exc}")
    one = ended[-1]
    text = f"the server did not start: {without_data(one.state, one.text)}"
    lost = one.text.startswith(("could not open file", "could not open directory"))
    if one.text.startswith("directory ") and one.text.endswith(" does not exist"):
        return NotTriedError(
            f"{text}: a tablespace was made after the backup",
            "decide: take a new base backup, which knows the tablespace",
        )
    if _INCOMPATIBLE in one.text or (is_lack(one.state, one.text) and not lost):
        step = "decide: name the library in the set's `preload`" if "library" in one.text else ""
        return NotTriedError(text, step)
    return BadBackupError(text)
