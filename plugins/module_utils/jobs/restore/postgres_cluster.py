# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a restored cluster before it starts: each path in it leads into the scratch place, or it is refused."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from typing import Iterator

from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_programs import (
    Version,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    DATA,
    TABLESPACES,
    PostgresServer,
    last_line,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import (
    SEGMENT,
    SEGMENT_BYTES,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import Verification

SPACES, LABEL, MAP = "pg_tblspc", "backup_label", "tablespace_map"
LABEL_BYTES = 64_000
_STARTS = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)
_LEFT_BY_SERVERS = (
    "postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal", "recovery.conf", "recovery.done", MAP,
    "postgresql.auto.conf", "current_logfiles",
)  # fmt: skip
_EMPTIED = ("pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp")
_FOR_KEYS = re.compile(r"[\w.-]+\.(?:crt|key|pem|crl|conf)\Z")
_RESTORE_SETTINGS = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
_LEAST = {
    "max_connections": 50,
    "max_worker_processes": 16,
    "max_locks_per_transaction": 256,
    # The server may have been given more after the backup, and replay must keep all that were open at once.
    "max_prepared_transactions": 200,
}


class WalArchive:
    """An archive of the log. timeline: the number of the one to follow; empty for the newest that a server finds."""

    timeline = ""

    def look(self, control: ControlData) -> None:
        """See what is there, before the start. control: of the restored cluster."""
        raise NotImplementedError

    def stage(self) -> list[tuple[str, str]]:
        """Make it ready for the server; return what is to be shown to it for that, as Sandbox.run takes it."""
        return []

    def judge(self, server: PostgresServer) -> None:
        """Judge what the server has taken of it."""

    def refuse(self, said: str = "") -> None:
        """Raise BadBackupError if it was found bad, after all else was judged. said: why the server did not start."""


@dataclass
class StartPlan:
    """How a restored cluster is started.

    restore_command: gives its log; empty if that is in the backup. reads: what is shown to the server for that.
    compared: its files were compared with checksums already. changed: files that the program which restored it writes.
    archive: from which its log comes; None if that is in the backup.
    """

    restore_command: str = ""
    reads: list[tuple[str, str]] = field(default_factory=list)
    compared: bool = False
    changed: tuple[str, ...] = ()
    archive: WalArchive | None = None


class ControlData:
    """What pg_controldata says of a cluster."""

    def __init__(self, text: str) -> None:
        lines = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        self._said = {name.strip(): value.strip() for name, value in lines}

    @property
    def system(self) -> str:
        """The number that tells its server from all others."""
        return self._said.get("Database system identifier", "")

    @property
    def segment_bytes(self) -> int:
        """The size of a file of the log."""
        said = self._said.get("Bytes per WAL segment", "")
        return int(said) if said.isdigit() and int(said) else SEGMENT_BYTES

    def settings(self, plan: StartPlan, version: Version) -> dict[str, str]:
        """Return the settings with which it starts: at least what the server had that it is of."""
        found = {}
        for name, setting in _RESTORE_SETTINGS.items():
            said = self._said.get(name, "")
            if said.isdigit():
                found[setting] = str(max(int(said), _LEAST.get(setting, 0)))
        found["hot_standby"] = "off"
        if version[0] >= 12:
            found["restore_command"] = plan.restore_command or "false"
            if plan.archive is not None and plan.archive.timeline:
                found["recovery_target_timeline"] = plan.archive.timeline
        return found


def control_data(server: PostgresServer) -> ControlData:
    """Return what pg_controldata says.

    Raises: BadBackupError.
    """
    said = server.run("pg_controldata", "-D", DATA)
    if said.status or "WARNING" in said.out + said.err:
        raise BadBackupError(
            f"global/pg_control is damaged: pg_controldata: {last_line(said.err or said.out)}"
        )
    return ControlData(said.out)


def tablespaces_of(path: str, host: Host) -> dict[str, str]:
    """Return the folders of the tablespaces of a plain base backup, by OID: those in it or beside it.

    Raises: NotTriedError if one lies elsewhere: it may be the live one.
    """
    folder = os.path.join(path, SPACES)
    found: dict[str, str] = {}
    top = os.path.dirname(os.path.realpath(path))
    beside = os.path.join(top if top != "/" else os.path.realpath(path), "")
    for name in host.names(folder) if host.exists(folder) else []:
        link = os.path.join(folder, name)
        if not os.path.islink(link):
            continue
        target = os.path.realpath(link)
        near = target.startswith((os.path.join(os.path.realpath(path), ""), beside))
        if not name.isdigit() or not near or _is_live(target):
            raise NotTriedError(
                f"tablespace {name[:20]} lies at {os.readlink(link)[:120]}, out of the backup: it may be the live one",
                "decide: take base backups with --tablespace-mapping to a folder beside them, or as tars (-Ft)",
            )
        found[name] = target
    return found


def _is_live(target: str) -> bool:
    """Return whether a running server has its tablespace there: its folder is its current one."""
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            folder = f"/proc/{name}/cwd/{SPACES}"
            if name.isdigit() and os.path.isdir(folder):
                for one in os.listdir(folder):
                    if (
                        os.path.realpath(
                            os.path.join(os.readlink(f"/proc/{name}/cwd"), SPACES, one)
                        )
                        == target
                    ):
                        return True
    return False


def note_links(task: Verification, path: str) -> None:
    """Say which links are not followed.

    Raises: NotTriedError if the server would miss what one leads to.
    """
    for relative in _links(path):
        head, _slash, name = relative.rpartition("/")
        if head == SPACES:
            continue
        if head or not _FOR_KEYS.match(name):
            raise NotTriedError(
                f"{relative[:120]} is a link: what it leads to is not in the backup",
                "decide: take base backups with pg_basebackup, which follows it",
            )
        task.note(f"{name[:80]} is a link and was left out")


def lead_in(task: Verification) -> None:
    """Lead each link into the scratch place.

    Raises: BadBackupError, NotTriedError if one leads elsewhere, or something is neither file nor folder.
    """
    data = task.outside(DATA)
    places = task.outside(TABLESPACES)
    spaces = os.listdir(places) if os.path.isdir(places) else []
    named = set(_mapped(data))
    for relative in _links(data):
        head, _slash, name = relative.rpartition("/")
        if head != SPACES or not name.isdigit():
            raise NotTriedError(
                f"{relative[:120]} is a link that leads out of it: it is not started"
            )
        named.add(name)
        target = os.readlink(os.path.join(data, relative))
        os.unlink(os.path.join(data, relative))
        own = os.path.basename(target)
        if target == f"{TABLESPACES}/{own}" and own in spaces and own != name:
            # A program that restores calls it by its name.
            os.rename(os.path.join(places, own), os.path.join(places, name))
            spaces = [one for one in spaces if one != own] + [name]
    missing = sorted(named - set(spaces))
    if missing:
        raise BadBackupError(f"the files of tablespace {missing[0][:20]} are not in it")
    os.makedirs(os.path.join(data, SPACES), exist_ok=True)
    for name in spaces:
        place = os.path.join(data, SPACES, name)
        if next(_links(os.path.join(places, name)), ""):
            raise NotTriedError(
                f"a link in tablespace {name[:20]} leads out of it: it is not started"
            )
        if os.path.lexists(place):
            raise NotTriedError(
                f"{SPACES}/{name[:20]} is a folder, and there is another one of that name"
            )
        os.symlink(f"{TABLESPACES}/{name}", place)
    task.scratch.give(data)
    os.chmod(data, 0o700)


def _mapped(data: str) -> list[str]:
    """Return the tablespaces that the backup's own map names."""
    text = _text(os.path.join(data, MAP))
    return [line.split(" ", 1)[0] for line in text.splitlines() if line.split(" ", 1)[0].isdigit()]


def _links(top: str) -> Iterator[str]:
    """Yield each link below a folder, by its path in it.

    Raises: NotTriedError for what is neither file, folder nor link.
    """
    for folder, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                yield os.path.relpath(path, top)
            elif not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                raise NotTriedError(f"{os.path.relpath(path, top)[:120]} is no file and no folder")


def clean(task: Verification, version: Version, plan: StartPlan) -> None:
    """Remove what a server has left, and say how the log is to be read."""
    data = task.outside(DATA)
    online = os.path.lexists(os.path.join(data, LABEL))
    for name in _LEFT_BY_SERVERS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(data, name))
    for name in _EMPTIED:
        folder = os.path.join(data, name)
        for one in os.listdir(folder) if os.path.isdir(folder) else []:
            path = os.path.join(folder, one)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
    if online:
        name, text = "recovery.signal", ""
        if version[0] < 12:
            name, text = "recovery.conf", f"restore_command = '{plan.restore_command or 'false'}'\n"
            if plan.archive is not None and plan.archive.timeline:
                text += f"recovery_target_timeline = '{plan.archive.timeline}'\n"
        with open(os.path.join(data, name), "x", encoding="utf-8") as stream:
            stream.write(text)
        task.scratch.give(os.path.join(data, name))


def first_segment(task: Verification) -> str:
    """Return the first file of the log that a restored base backup needs; empty if it needs none."""
    match = _STARTS.search(_text(os.path.join(task.outside(DATA), LABEL)))
    return match.group(1) if match else ""


def wal_names(task: Verification, control: ControlData) -> tuple[str, list[str], int]:
    """Return the first segment that it needs, those that are in it, and their size; no first if it needs none."""
    data = task.outside(DATA)
    folder = os.path.join(data, "pg_wal")
    names = (
        [one for one in os.listdir(folder) if SEGMENT.fullmatch(one)]
        if os.path.isdir(folder)
        else []
    )
    return first_segment(task), names, control.segment_bytes


def _text(path: str) -> str:
    """Return the beginning of a file of the copy; nothing if it is not there."""
    try:
        with open(path, "rb") as stream:
            return stream.read(LABEL_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, IsADirectoryError):
        return ""
