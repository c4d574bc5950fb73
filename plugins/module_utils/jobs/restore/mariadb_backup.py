# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of mariadb-backup: copied once more, prepared, read page by page, started, and each table checked.

The backup itself is never prepared: that changes it in place. Of its settings only those are used without which its
files cannot be opened; its plugins, functions, events and accounts stay asleep (--skip-grant-tables).

Source: the chapters on mariadb-backup and innochecksum in MariaDB's documentation.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from typing import Any, Callable, Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_folders import (
    CHECKPOINTS,
    INFOS,
    SETTINGS,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
    RestoreError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_dump import (
    other_server,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_server import (
    MariaDbServer,
    program,
    settings_of,
    version_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_stream import (
    StreamNames,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.mariadb_tables import (
    RestoredMariaDb,
    restored_bytes,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.sums import prove_beside
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    RestoredBackup,
    Verification,
)

_NAME = "copy"
_PACKED = (".qp", ".zst", ".lz4", ".gz", ".xbcrypt", ".xbs")
_PAGES = re.compile(r"(?:.*\.ibd|ibdata\d+|undo\d+)\Z")
_NEEDS = re.compile(
    r"encrypt|decrypt|key[ _]id|plugin|provider|Upgrade after a crash|redo log (?:format|version)|"
    r"No space left|Cannot allocate memory|Out of memory|Too many open files",
    re.IGNORECASE,
)
"""What the program lacks, so that nothing is said of the backup."""
_WORD = re.compile(r"\[(?:ERROR|FATAL)\]\s*(.*)|(?:FATAL ERROR|Error): (.*)")
_STAMP = re.compile(r"^\[\d+\] [\d-]+ [\d:]+ ")
_END_OF_LOG = re.compile(r"End of log at LSN=(\d{1,20})")
_LAST = re.compile(r"^last_lsn\s*=\s*(\d{1,20})\s*$", re.MULTILINE)
_CHECKED_OTHERWISE = re.compile(r"ib_logfile\d+|ib_buffer_pool|xtrabackup_|.*\.(?:cnf|pid)\Z")
"""Made when the copy was prepared, or by us, or of no content."""
FILES_AT_ONCE = 500
MOST_ENDINGS = 8
EXTENT_BYTES = 1 << 20
EXTENT_PAGES = 64
# Stops at the first file that has a bad page, and names it. In the first file of the system, two extents behind the
# first one are the doublewrite buffer: pages of any file, old ones too.
_EACH = """last=$1 first=$2; shift 2
for one; do
  case $one in
  */ibdata1) "$0" --end-page=$last "$one" && "$0" --start-page=$first "$one";;
  *) "$0" "$one";;
  esac >/dev/null 2>&1 || { echo "$one"; exit 3; }
done"""


class RestoredMariaBackup(RestoredMariaDb):
    """A copy of a server's files that was prepared and started. doubted: a file with a page that is not as it was."""

    def __init__(self, task: Verification, server: MariaDbServer, doubted: str) -> None:
        super().__init__(task, server)
        self._doubted = doubted

    def check(self) -> None:
        """Let the server read each table; say which views refer to what is not in it.

        Raises: BadBackupError.
        """
        self.check_tables()
        if self._doubted:
            self.read_rows()
            self._task.note(f"{self._doubted}: a page that no table uses differs from its checksum")
            self._task.row.update(proof="none", unproved=f"what is in {self._doubted}")
        super().check()


@contextlib.contextmanager
def restored_mariabackup(task: Verification) -> Iterator[RestoredBackup]:
    """Copy a folder, prepare and start it.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    source = task.backup.path if task.backup else ""
    with _restored(task, source, lambda: task.copied(source, _NAME)) as restored:
        yield restored


@contextlib.contextmanager
def restored_xbstream(task: Verification) -> Iterator[RestoredBackup]:
    """Extract a stream of mariadb-backup, prepare and start what is in it.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    prove_beside(task)
    reader = program(("mbstream",), task.host)
    with task.step("restore"):
        folder = task.scratch.folder(_NAME)
        with task.content() as stream:
            line = [reader, "--extract", f"--directory=/scratch/{_NAME}"]
            names = StreamNames()
            said = task.sandbox.run(line, given=names.reader(task.reader(stream)))
        if said.status:
            lines = said.err.strip().splitlines() or ["no word of why"]
            raise BadBackupError(f"mbstream: {_STAMP.sub('', lines[-1])[:200]}")
        if not _checkpoints(FolderFiles(folder, task.host)):
            raise BadBackupError(
                f"it ends too early: {CHECKPOINTS[0]} is missing, which is written last"
            )
    _prove_stream(task, names)
    with _restored(task, folder, lambda: None) as restored:
        yield restored


def _prove_stream(task: Verification, names: StreamNames) -> None:
    """Say what the stream proves: mbstream has compared each piece with its checksum, and no name with anything.

    Raises: BadBackupError if a name stands alone.
    """
    changed = [] if names.unread else names.changed()
    if changed:
        raise BadBackupError(
            f"its stream has pieces of {changed[0][:200]} and no end of it: a name in it has changed"
        )
    if task.row["proof"] == "checksums":
        return  # of the whole, beside it
    alone = names.alone()
    left_out = "the names of its files" if names.unread else f"the names of {alone} empty files"
    if names.unread or alone:
        task.row["unproved"] = f"{left_out}, which the checksums of its pieces leave out"
    else:
        task.row["proof"], task.row["unproved"] = "checksums", ""


@contextlib.contextmanager
def _restored(task: Verification, path: str, bring: Callable[[], Any]) -> Iterator[RestoredBackup]:
    """Prepare and start a copy. path: where it can be looked at before; bring: brings it to its place.

    Raises: BadBackupError, NotTriedError, CancelledError.
    """
    folder = FolderFiles(path, task.host)
    preparer = program(("mariadb-backup", "mariabackup"), task.host)
    info = next((folder.text(name) for name in INFOS if folder.has(name)), "")
    settings, checkpoints = settings_of(folder.text(SETTINGS)), _checkpoints(folder)
    with task.step("find"):
        server = MariaDbServer(task, f"/scratch/{_NAME}", settings)
        _refuse_unfit(checkpoints, info, task.host.names(path))
        whose = _other(info, server)
    with contextlib.ExitStack() as stack:
        with _doubted(whose):
            with task.step("restore"):
                bring()
                _leave_out(task, settings)
                reached = _prepare(task, preparer, settings)
            task.row["restored_bytes"] = restored_bytes(task, server.data)
            task.row["restore_seconds"] = task.row["seconds"]["restore"]
            with task.step("check"):
                doubted = _read_pages(task, settings)
            with task.step("start"):
                stack.enter_context(server.started(accounts=False))
                _refuse_short_log(checkpoints, reached or _reached(server))
        restored = RestoredMariaBackup(task, server, doubted)
        restored.whole = not re.search(r"^partial\s*=\s*Y", info, re.MULTILINE)
        if not restored.whole:
            task.note("it is a partial backup: databases or tables were left out when it was made")
        yield restored


def _refuse_unfit(checkpoints: str, info: str, names: list[str]) -> None:
    """Raise NotTriedError if it can be of no use alone, or is packed. names: of the files at its top."""
    if re.search(r"^backup_type\s*=\s*incremental", checkpoints, re.MULTILINE):
        raise NotTriedError(
            "it is an incremental backup, and is restored only with the one on which it is built"
        )
    if re.search(r"^compressed\s*=\s*(?!N\b)\S", info, re.MULTILINE) or any(
        name.endswith(_PACKED) for name in names
    ):
        raise NotTriedError(
            "its files are packed by mariadb-backup --compress, which is not undone here"
        )


def _other(info: str, server: MariaDbServer) -> str:
    """Return whose it is, if a failure need not be the backup's; empty if it is of the server that is here.

    Raises: NotTriedError if that server cannot read it at all.
    """
    said = re.search(r"^server_version\s*=\s*(\S{1,80})", info, re.MULTILINE)
    version = said.group(1) if said else ""
    other = other_server(version, server.version)
    if version and other:
        raise NotTriedError(f"it is of {other}: {server.version_text} is here")
    if not version:
        return "an unknown server"
    return "" if version_of(version) == server.version else version


def _checkpoints(folder: FolderFiles) -> str:
    return next((folder.text(name) for name in CHECKPOINTS if folder.has(name)), "")


def _reached(server: MariaDbServer) -> int:
    """Return how far the server is; it has written a little of its own since it began."""
    rows = server.rows("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current';")
    return int(rows[0][1]) if rows else 0


def _refuse_short_log(checkpoints: str, reached: int) -> None:
    """Raise BadBackupError if the copy is not as far as the backup says: its redo log ends at what is broken in it.

    mariadb-backup takes that for the end of the log, and says that all is well.
    """
    said = _LAST.search(checkpoints)
    if said and reached and reached < int(said.group(1)):
        raise BadBackupError(
            f"its redo log was applied up to LSN {reached}; expected {said.group(1)}: it is broken or cut there"
        )


@contextlib.contextmanager
def _doubted(whose: str) -> Iterator[None]:
    """Take a failure for one of the backup only if it is of the same version as the server here."""
    try:
        yield
    except BadBackupError as exc:
        if whose:
            raise _unknown(f"it is of {whose}, and another server is here: {exc}") from exc
        if _NEEDS.search(str(exc)):
            raise _unknown(str(exc)) from exc
        raise


def _unknown(why: str) -> RestoreError:
    return NotTriedError(why, "decide: verify it on a host with the same version and plugins")


def _leave_out(task: Verification, settings: list[str]) -> None:
    """Remove what leads out of the copy: settings, and the places of tables that lay elsewhere (.isl)."""
    top = task.outside(f"/scratch/{_NAME}")
    for folder, _names, files in os.walk(top):
        for name in files:
            if name.endswith((".isl", ".cnf")) or name in ("master.info", "relay-log.info"):
                os.unlink(os.path.join(folder, name))
    # mariadb-backup reads this file whatever it is told.
    path = os.path.join(top, SETTINGS)
    with open(path, "x", encoding="ascii") as stream:
        stream.write("\n".join(["[mysqld]", *(one.lstrip("-") for one in settings), ""]))
    task.scratch.give(path)


def _prepare(task: Verification, preparer: str, settings: list[str]) -> int:
    """Make the copy consistent; return up to which LSN there was a redo log, 0 if the program does not say.

    Raises: BadBackupError.
    """
    memory = min(max(task.sandbox.memory_bytes // 4, 64 << 20), 1 << 30)
    line = [preparer, "--no-defaults", "--prepare", f"--target-dir=/scratch/{_NAME}"]
    said = task.sandbox.run([*line, f"--use-memory={memory}", *settings])
    if said.status:
        raise BadBackupError(f"mariadb-backup --prepare: {complaint(said.err)}")
    return max((int(one) for one in _END_OF_LOG.findall(said.err)), default=0)


def complaint(text: str) -> str:
    """Return the first error that mariadb-backup or the server reports in a text of theirs."""
    found = _WORD.search(text)
    words = (found.group(1) or found.group(2) or "").strip() if found else ""
    return words[:200] or "no word of why"


def _read_pages(task: Verification, settings: list[str]) -> str:
    """Compare each page of InnoDB with its checksum; return the first file in which one differs.

    That need not mean much: it may be a page that no table uses.
    """
    try:
        reader = program(("innochecksum",), task.host)
    except NotTriedError:
        task.note("innochecksum is not installed: not all pages were compared with their checksums")
        return ""
    top = task.outside(f"/scratch/{_NAME}")
    paths = [
        os.path.join(folder, name)
        for folder, _names, files in os.walk(top)
        for name in sorted(files)
        if _PAGES.match(name)
    ]
    extent = max(EXTENT_PAGES, EXTENT_BYTES // page_bytes(settings))
    for start in range(0, len(paths), FILES_AT_ONCE):
        some = [task.scratch.inside(path) for path in paths[start : start + FILES_AT_ONCE]]
        said = task.sandbox.run(
            ["sh", "-c", _EACH, reader, str(extent - 1), str(3 * extent), *some]
        )
        if said.status:
            return os.path.relpath(said.out.strip() or some[0], f"/scratch/{_NAME}")[:200]
        task.progress((start + len(some)) / len(paths))
    _tell_unproved(task, top)
    return ""


def _tell_unproved(task: Verification, top: str) -> None:
    """Say which files have no checksum, unless each file of the backup has one (beside it, or in its stream)."""
    if task.row["proof"] == "checksums":
        return
    ends = Counter(
        ending(name)
        for _folder, _names, files in os.walk(top)
        for name in files
        if not (_PAGES.match(name) or _CHECKED_OTHERWISE.match(name))
    )
    named = [f"{number} {end}" for end, number in ends.most_common(MOST_ENDINGS)]
    more = f" and {len(ends) - MOST_ENDINGS} more kinds" if len(ends) > MOST_ENDINGS else ""
    words = f"what is not in pages of InnoDB: {', '.join(named)}{more}"
    task.row["unproved"] = words if named else ""
    task.row["proof"] = "none" if named else "checksums"


def ending(name: str) -> str:
    """Return of what kind a file of a server is, by its name: where a table is in several files, by the last part."""
    found = re.search(r"\.[A-Za-z]{2,4}\Z", name)
    return found.group() if found else "other"


def page_bytes(settings: list[str]) -> int:
    """Return the size of a page that options of the server name, or else the usual one."""
    named = [one.split("=")[1] for one in settings if one.startswith("--innodb-page-size=")]
    return int(named[0]) if named else 16384
