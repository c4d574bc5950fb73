# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of WAL beside base backups: a restored one is recovered through it, to the end of what can be recovered.

What archive_command or pg_receivewal writes there is nothing but files. So all that can be wrong is looked for: a
segment that is missing, cut or damaged, of another server or version, or the history of a timeline that is lost. The
recovery point is the time of the last transaction that was replayed: the times of files say when they were copied.
"""

from __future__ import annotations

import os
import stat
import time

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    BrokenError,
    Budget,
    Counted,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._layers import (
    layer_of,
    unwrapped,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import MISSING, HostError
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.errors import (
    BadBackupError,
    NotTriedError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_cluster import (
    ControlData,
    WalArchive,
    wal_names,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_log_archive import (
    last_transaction,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_server import (
    DATA,
    PostgresServer,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_take_wal import (
    PARTIAL,
    STAGED,
    TAKE_WAL,
    UNPACKERS,
    of_folder,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal import (
    SEGMENT_BYTES,
    number_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal_pages import (
    goes_on,
    head_of,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.postgres_wal_plan import (
    Switches,
    WalFiles,
    WalPlan,
    followed,
    left_early,
    parse_history,
    planned,
    position_words,
    sorted_files,
    without_history,
)
from ansible_collections.astral.upkeep.plugins.module_utils.jobs.restore.task import (
    NO_LIMIT,
    Verification,
)

SHOWN = "/backup/wal"
HISTORY_BYTES = 1_000_000
HEAD_BYTES = 64
BEING_WRITTEN_SECONDS = 600.0
ANEW = "decide: find out why it was not archived, and take a new base backup: none before it reaches further"
UNDERSTOOD = "decide: keep WAL plain, or packed by gzip, bzip2, xz, zstd or lz4; what encrypts it must be undone first"
NO_CHECKPOINT = "could not locate required checkpoint record"
_HISTORY_OF_END = (
    "SELECT pg_catalog.pg_read_file('pg_wal/' || pg_catalog.lpad(pg_catalog.upper("
    "pg_catalog.to_hex(timeline_id)), 8, '0') || '.history') FROM pg_catalog.pg_control_checkpoint()"
)
"""A recovery ends with a timeline of its own, whose history says where."""


class WalFolder(WalArchive):
    """One such folder. path: as the site declares it."""

    def __init__(self, task: Verification, path: str) -> None:
        self._task, self._path = task, path
        self._files = WalFiles()
        self._plan = WalPlan(SEGMENT_BYTES, 0)
        self._first, self._system, self._trouble = "", "", ""
        self._magic = 0

    def look(self, control: ControlData) -> None:
        """See which of its files continue the backup, and what is wrong with them.

        Raises: BadBackupError, NotTriedError, HostError.
        """
        self._first, own, size = wal_names(self._task, control)
        self._system = control.system
        if not self._first:
            raise NotTriedError(
                "it has no backup_label, which says from where on it needs WAL",
                "decide: take base backups with pg_basebackup",
            )
        self._files = sorted_files(self._regular())
        kinds = self._cut_left_out(size)
        self._refuse_without_programs(kinds)
        timelines = followed(self._first, size, self._histories())
        self._plan = plan = planned(self._first, size, self._files, own, timelines)
        self.timeline = f"{plan.timeline}"
        self._task.row["wal_missing"] = plan.missing
        self._trouble = self._seen(timelines) or left_early(size, self._files, own, timelines)
        self._task.row["unproved"] = (
            ""  # what was said of a backup without its log does not hold beside one
        )
        self._magic = self._magic_of(self._first)

    def _regular(self) -> list[str]:
        """Return the names of its files.

        Raises: NotTriedError if it cannot be read.
        """
        host, found = self._task.host, []
        try:
            for name in host.names(self._path):
                # The server that writes there may remove what is old at any time.
                try:
                    info = host.stat(os.path.join(self._path, name), follow_links=False)
                except HostError as exc:
                    if exc.why == MISSING:
                        continue
                    raise
                if stat.S_ISREG(info.st_mode):
                    found.append(name)
        except HostError as exc:
            raise NotTriedError(
                f"wal: {exc}", "decide: correct `wal` under `verify` of the set"
            ) from exc
        return found

    def _cut_left_out(self, size: int) -> set[str]:
        """Take what is cut from the whole segments; return in what those that are needed are packed."""
        start, kinds = number_of(self._first, size), set()
        for kept in (self._files.whole, self._files.partial):
            for segment, name in sorted(kept.items()):
                if number_of(segment, size) < start:
                    continue
                path = os.path.join(self._path, name)
                kind = layer_of(self._task.host.read_head(path, HEAD_BYTES, follow_links=False))
                if kind:
                    kinds.add(kind)
                elif (
                    kept is self._files.whole
                    and self._task.host.stat(path, follow_links=False).st_size != size
                ):
                    self._files.cut[segment] = kept.pop(segment)
        return kinds

    def _refuse_without_programs(self, kinds: set[str]) -> None:
        for kind in sorted(kinds):
            if self._task.host.which(UNPACKERS[kind]) is None:
                package = {"xz": "xz-utils"}.get(kind, UNPACKERS[kind])
                raise NotTriedError(
                    f"{UNPACKERS[kind]} is not installed: the WAL is packed as {kind}",
                    f"apt-get install --yes {package}",
                )

    def _histories(self) -> dict[int, Switches]:
        """Return what each history file says.

        Raises: BadBackupError, NotTriedError.
        """
        found = {}
        for timeline, name in self._files.histories.items():
            try:
                text = self._bytes_of(name, HISTORY_BYTES).decode("utf-8", "replace")
                found[timeline] = parse_history(text)
            except (BrokenError, ValueError) as exc:
                raise BadBackupError(f"WAL: {name[:60]} cannot be read: {exc}", ANEW) from exc
            except UnreadError as exc:
                raise NotTriedError(f"WAL: {name[:60]}: {exc}") from exc
        return found

    def _bytes_of(self, name: str, limit: int) -> bytes:
        """Return the unpacked content of a file, not more than limit bytes.

        Raises: BrokenError, UnreadError, HostError.
        """
        host = self._task.host
        with host.open(os.path.join(self._path, name), follow_links=False) as file:
            budget = Budget(max(1.0, self._task.sandbox.ends - time.monotonic()), NO_LIMIT)
            stream = Counted(file.read, budget)
            kind = layer_of(stream.peek())
            if not kind:
                return _read(stream, limit)
            with unwrapped(kind, stream, host) as layer:
                return _read(layer.stream, limit)

    def _seen(self, timelines: Switches) -> str:
        """Return what is seen to be wrong before anything is read; empty if nothing is.

        Raises: NotTriedError, BadBackupError.
        """
        plan, files = self._plan, self._files
        name = plan.expected
        if name in files.others:
            raise NotTriedError(
                f"WAL {name} is there only as {files.others[name][:60]}, which is not understood",
                UNDERSTOOD,
            )
        trouble = self._cut(name)
        if not trouble and plan.missing:
            trouble = f"WAL {name} is missing, later ones are there"
        if not plan.last:
            trouble = trouble or f"WAL {name} is missing"
            raise BadBackupError(f"{trouble}: with it the restore begins", ANEW)
        if not plan.chosen and not trouble:
            raise BadBackupError(
                f"nothing in {self._path} is WAL that continues it, from {name} on", ANEW
            )
        lost = without_history(self._first, plan.size, files, timelines)
        if not trouble and lost:
            trouble = f"{lost[0]:08X}.history is missing, WAL of that timeline is there"
        return trouble

    def _cut(self, name: str) -> str:
        """Return that a segment is cut; empty if it is not, or is being written."""
        if name not in self._files.cut:
            return ""
        host, path = self._task.host, os.path.join(self._path, self._files.cut[name])
        info = host.stat(path, follow_links=False)
        if not self._plan.missing and abs(host.now() - info.st_mtime) < BEING_WRITTEN_SECONDS:
            self._task.note(f"WAL {name} is being written, and was left out")
            return ""
        return _of_another_size(name, info.st_size, self._plan.size)

    def _magic_of(self, name: str) -> int:
        """Return the format of a segment, of the folder or else of the backup; 0 if it cannot be read."""
        try:
            if name in self._plan.chosen:
                data = self._bytes_of(self._plan.chosen[name], HEAD_BYTES)
            else:
                path = os.path.join(self._task.outside(DATA), "pg_wal", name)
                data = self._task.host.read_head(path, HEAD_BYTES, follow_links=False)
        except (BrokenError, UnreadError, HostError):
            return 0
        head = head_of(data)
        return head.magic if head else 0

    def stage(self) -> list[tuple[str, str]]:
        """Let the server find each file under the name that it asks for; return what it must be shown for that."""
        task, plan = self._task, self._plan
        _write(task, TAKE_WAL, of_folder(plan.size))
        top = os.path.basename(STAGED)
        for name in (top, f"{top}/{PARTIAL}"):
            task.scratch.folder(name)
        places = {
            f"{top}/{PARTIAL}/{one}" if one in plan.partial else f"{top}/{one}": name
            for one, name in plan.chosen.items()
        }
        for timeline, name in self._files.histories.items():
            places[f"{top}/{timeline:08X}.history"] = name
        if self._everybody_reads(list(places.values())):
            for place, name in places.items():
                os.symlink(os.path.join(SHOWN, name), os.path.join(task.scratch.work, place))
            return [(task.host.realpath(self._path), SHOWN)]
        paths = {place: os.path.join(self._path, name) for place, name in places.items()}
        task.scratch.refuse_without_space(
            sum(task.host.stat(one, follow_links=False).st_size for one in paths.values())
        )
        for place, path in paths.items():
            task.copied(path, place)
        return []

    def _everybody_reads(self, names: list[str]) -> bool:
        """Return whether every account may read these of its files."""
        if os.stat(self._path).st_mode & 0o005 != 0o005:
            return False
        return all(os.lstat(os.path.join(self._path, one)).st_mode & 0o004 for one in names)

    def judge(self, server: PostgresServer) -> None:
        """See how far the server has come, and write down the recovery point."""
        row = self._task.row
        try:
            end = parse_history("".join(server.values(_HISTORY_OF_END)))[-1][1]
        except ValueError as exc:
            raise NotTriedError(
                "the recovered server does not say where its recovery ended"
            ) from exc
        last = last_transaction(server)
        row["recovery_point_at"] = last or row.get("taken_at")
        what = "the last transaction in it" if last else "the backup: no transaction came after it"
        self._task.note(
            f"WAL was replayed up to {position_words(end)}; the recovery point is the time of {what}"
        )
        short = self._short_of(end)
        if short:
            self._trouble = short

    def _short_of(self, end: int) -> str:
        """Return why a recovery has ended before the last whole segment did; empty if it has not.

        Raises: NotTriedError.
        """
        plan, size = self._plan, self._plan.size
        if plan.whole is None or end >= (plan.whole + 1) * size:
            return ""
        number = end // size
        name = plan.name_at(number)
        if name:
            why = self._wrong_with(name, number)
            if why:
                return why
            data = self._bytes_of(plan.chosen[name], size)
            if goes_on(data, end % size):
                if number == plan.whole:
                    return ""
                why = self._wrong_with(plan.name_at(number + 1), number + 1)
                if why:
                    return why
        whole = plan.name_at(plan.whole)
        more = "" if name == whole else f"; it reaches up to {whole}"
        return f"WAL cannot be replayed beyond {position_words(end)}, in {name or plan.last}{more}"

    def _wrong_with(self, name: str, number: int) -> str:
        """Return what is wrong with a whole segment from outside; empty if nothing is.

        Raises: NotTriedError.
        """
        size = self._plan.size
        if not name:
            return ""
        try:
            data = self._bytes_of(self._plan.chosen[name], size + 1)
        except BrokenError as exc:
            return f"WAL {name} cannot be unpacked: {exc}"
        except UnreadError as exc:
            raise NotTriedError(f"WAL {name}: {exc}") from exc
        if len(data) != size:
            return _of_another_size(name, len(data), size)
        head = head_of(data)
        if head is None:
            return f"WAL {name} does not begin as WAL does"
        if self._magic and head.magic != self._magic:
            raise NotTriedError(
                f"WAL {name} is of another version of PostgreSQL than the backup", ANEW
            )
        if f"{head.system}" != self._system:
            return f"WAL {name} is of another server"
        if head.at != number * size:
            return f"WAL {name} has the content of another segment"
        return ""

    def refuse(self, said: str = "") -> None:
        """Raise BadBackupError if anything was wrong. said: why the server did not start, if it did not."""
        if said and not self._trouble:
            number = number_of(self._first, self._plan.size)
            first = self._plan.name_at(number)
            self._trouble = self._wrong_with(first, number)
            if first and not self._trouble and NO_CHECKPOINT in said:
                self._trouble = f"WAL {first} is damaged: the restore begins with it"
        if self._trouble:
            raise BadBackupError("; ".join(filter(None, (self._trouble, said))), ANEW, "start")


def _of_another_size(name: str, found: int, size: int) -> str:
    if found < size:
        return f"WAL {name} is cut: {found} of {size} bytes"
    return f"WAL {name} is too long: more than {size} bytes"


def _read(stream: Counted, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while left > 0:
        part = stream.read(left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _write(task: Verification, inside: str, text: str) -> None:
    with open(task.outside(inside), "x", encoding="ascii") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
