# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read dumps in folders: of pg_dump, mydumper and mariadb-backup.

Sources: pg_backup_directory.c; mydumper.c; the chapter on mariadb-backup's files in MariaDB's documentation.
"""

from __future__ import annotations

import re
import stat

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    NONE,
    PART,
    BrokenError,
    Budget,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._dump_toc import (
    BLOBS,
    DumpEntry,
    ends_with,
    read_toc,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
    named,
    packed_name,
    shown,
)

TOC, BLOBS_TOC = "toc.dat", "blobs.toc"
ONE_NAME = re.compile(r"(?!\.{1,2}$)[^/\0\s]{1,250}")
OBJECT_LINE = re.compile(rb"(\d+) (\S+)")
OBJECT_LINES_BYTES = 32 << 20
DATA_FILE = re.compile(r"(?:\d+|blob_\d+)\.dat(?:\.gz|\.lz4|\.zst)?|blobs(?:_\d+)?\.toc")
TOC_UNPROVED = "the table of contents, which has no checksum"
METADATA, UNFINISHED_METADATA = "metadata", "metadata.partial"
STARTED = re.compile(r"^(?:# )?Started dump at: (.+)$", re.MULTILINE)
FINISHED = re.compile(r"^(?:# )?Finished dump at: (.+)$", re.MULTILINE)
SQL_FILE = re.compile(r"(.+?)\.(sql|dat)(?:\.gz|\.zst|\.lz4)?$")
PART_OF_TABLE = re.compile(r"(?:\.\d{5,})+$")
SCHEMA = re.compile(r"-(?:schema(?:-(?:create|view|triggers|post|sequence|tablespace))?|checksum)$")
ENDLESS = re.compile(r"-(?:checksum|schema-(?:triggers|post|sequence|tablespace))$")
CHECKPOINTS = ("xtrabackup_checkpoints", "mariadb_backup_checkpoints")
SETTINGS = "backup-my.cnf"
REDO_LOGS = ("ib_logfile0", "xtrabackup_logfile")
SYSTEM_FILE = re.compile(r"ibdata\d+|undo\d+")
LEAST_PAGE_BYTES = 4096
PACKED_PAGE_BYTES = 1024
OF_INNODB = b"\xfe\x01\x0c"
"""The first two bytes of a .frm, and the fourth, which says the engine."""
INFOS = ("xtrabackup_info", "mariadb_backup_info")


def read_pg_directory(folder: FolderFiles, budget: Budget) -> Reading:
    """Read a dump of pg_dump in a folder: the table of contents, and each file that it lists.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    found = Reading(["dump of pg_dump in a folder"])
    with named(TOC), folder.stream(TOC, budget) as stream:
        toc = read_toc(stream)
    found.members, found.taken, found.bytes = toc.members, toc.taken, 0
    found.taken_words = "header of the dump" if toc.taken is not None else ""
    names = set(folder.names())
    data = _Data(folder, names, budget, found)
    for entry in toc.entries.values():
        _read_entry(entry, data)
    stranger = next((name for name in sorted(names - data.read) if DATA_FILE.fullmatch(name)), "")
    if stranger:
        raise BrokenError(f"{shown(stranger)} is not in the table of contents")
    if data.read and data.checked:
        found.proof, found.unproved = PART, TOC_UNPROVED
    else:
        found.unproved = "its data and its table of contents, which have no checksum"
    return found


class _Data:
    """The files of data while they are read. checked: each of them had a checksum over its content."""

    def __init__(
        self, folder: FolderFiles, names: set[str], budget: Budget, found: Reading
    ) -> None:
        self.folder, self.names, self.budget, self.found = folder, names, budget, found
        self.read: set[str] = set()
        self.checked = True

    def read_all(self, name: str, ends: bytes = b"", may_be_empty: bool = False) -> None:
        """Read a file to its end. ends: what its content must end with, before the end of a line or several.

        Raises: as `FolderFiles.content` does.
        """
        if not ONE_NAME.fullmatch(name):
            raise BrokenError("a name of a file that leads elsewhere, or that nobody writes")
        lies = packed_name(name, self.names)
        if not lies:
            raise BrokenError(f"{shown(name)} is missing", cut=True)
        self.read.add(lies)
        found = self.folder.status(lies)
        if found is not None and stat.S_ISREG(found.st_mode) and not found.st_size:
            if may_be_empty and not lies.endswith(".gz"):  # of nothing lz4 and zstd write nothing
                return
            raise BrokenError(f"{shown(lies)}: empty", cut=True)
        with self.folder.content(lies, self.budget) as (stream, layer):
            stream.drain()
            self.found.bytes = (self.found.bytes or 0) + stream.count
            if ends and not ends_with(stream.tail, ends):
                raise BrokenError("ends without the mark of its end", cut=True)
        self.checked = self.checked and layer is not None and layer.checked


def _read_entry(entry: DumpEntry, data: _Data) -> None:
    """Read the data of one entry.

    Raises: as `FolderFiles.content` does.
    """
    if entry.kind != BLOBS:
        data.read_all(entry.file, b"\\." if entry.copied else b"")
        return
    # Up to version 9 the entry had a name of a file that was not written.
    listed = entry.file if packed_name(entry.file, data.names) else BLOBS_TOC
    for name in _objects(listed, data):
        data.read_all(name, may_be_empty=True)


def _objects(listed: str, data: _Data) -> list[str]:
    """Return the files of the large objects, one line each.

    Raises: as `FolderFiles.content` does.
    """
    lies = packed_name(listed, data.names)
    if not ONE_NAME.fullmatch(listed) or not lies:
        raise BrokenError(f"{shown(listed)} is missing", cut=True)
    data.read.add(lies)
    with data.folder.content(lies, data.budget) as (stream, _layer):
        parts: list[bytes] = []
        for part in iter(stream.read, b""):
            parts.append(part)
            if stream.count > OBJECT_LINES_BYTES:
                raise UnreadError("more large objects than are read here")
        text = b"".join(parts)
        if text and not text.endswith(b"\n"):
            raise BrokenError("ends in a line", cut=True)
        names = []
        for line in text.splitlines():
            match = OBJECT_LINE.fullmatch(line)
            if match is None:
                raise BrokenError("a line that nobody writes")
            names.append(match.group(2).decode("utf-8", "surrogateescape"))
        return names


def read_mydumper(folder: FolderFiles, budget: Budget) -> Reading:
    """Read a dump of mydumper: finished, each file to its end, and each table with its definition.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    found = Reading(["dump of mydumper in a folder"], bytes=0)
    if not FINISHED.search(folder.text(METADATA)):
        raise BrokenError(f"not finished: {METADATA} does not say when it ended", cut=True)
    names = set(folder.names())
    data = _Data(folder, names, budget, found)
    schemas, tables = set(), []
    for name in sorted(names):
        match = SQL_FILE.fullmatch(name)
        if match is None:
            continue
        endless = match.group(2) == "dat" or ENDLESS.search(match.group(1))
        data.read_all(name, b"" if endless else b";")
        if SCHEMA.search(match.group(1)):
            schemas.add(match.group(1))
        else:
            tables.append(match.group(1))
    if not data.read:
        raise BrokenError("empty: no file of a table or a schema")
    _refuse_undefined(tables, schemas)
    found.members = len(data.read)
    if data.checked:
        found.proof, found.unproved = (
            PART,
            "which files there must be: a file that is missing may not show",
        )
    else:
        found.unproved = "its files, which have no checksum"
    return found


def _refuse_undefined(tables: list[str], schemas: set[str]) -> None:
    """Raise BrokenError if a table has data and no definition, where others have theirs (--no-schemas writes none)."""
    for table in tables:
        stems = {table, PART_OF_TABLE.sub("", table)}
        if schemas and not any(f"{stem}-schema" in schemas for stem in stems):
            raise BrokenError(f"{shown(table)}-schema.sql is missing", cut=True)


def read_mariabackup(folder: FolderFiles, budget: Budget) -> Reading:
    """Read a copy of MariaDB's files, each to its end.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    found = Reading(["copy of mariadb-backup"], members=0, bytes=0)
    checkpoints = next((name for name in CHECKPOINTS if folder.has(name)), CHECKPOINTS[0])
    said = dict(re.findall(r"^(\w+)\s*=\s*(\S+)\s*$", folder.text(checkpoints), re.MULTILINE))
    kind = said.get("backup_type", "")
    if not kind or not said.get("to_lsn", "").isdigit():
        raise BrokenError(f"{checkpoints} does not say what was copied and how far", cut=True)
    if not any(folder.has(name) for name in ("ibdata1", "ibdata1.delta")):
        raise BrokenError("ibdata1 is missing", cut=True)
    if kind in ("full-backuped", "incremental") and not any(map(folder.has, REDO_LOGS)):
        raise BrokenError(f"not prepared, and {REDO_LOGS[0]} is missing", cut=True)
    size = re.search(r"^innodb_page_size\s*=\s*(\d+)", folder.text(SETTINGS), re.MULTILINE)
    page = (int(size.group(1)) if size else 0) or LEAST_PAGE_BYTES
    sizes: dict[str, int] = {}
    defined = []
    for name, status in folder.walk(budget):
        if not stat.S_ISREG(status.st_mode):
            continue
        with folder.stream(name, budget) as stream:
            head = stream.peek(4)
            stream.drain()
        sizes[name] = stream.count
        unit = page if SYSTEM_FILE.fullmatch(name) else PACKED_PAGE_BYTES
        if (unit == page or name.endswith(".ibd")) and stream.count % unit:
            raise BrokenError(f"{shown(name)}: ends within a page", cut=True)
        if name.endswith(".frm") and head[:2] + head[3:4] == OF_INNODB:
            defined.append(name[:-4])
    found.members, found.bytes = len(sizes), sum(sizes.values())
    unproved = [
        "its files, which have no checksum of their own (the pages of InnoDB have, and were not looked at)"
    ]
    stems = {re.split(r"#P#|\.", name)[0] for name in sizes if not name.endswith(".frm")}
    bare = [name for name in defined if name not in stems]
    if bare:
        unproved.append(f"the rows of {shown(bare[0])}, which has no file of its own")
    if kind == "full-backuped":
        unproved.append("not prepared yet")
    if "incremental" in kind or said.get("from_lsn", "0") != "0":
        unproved.append("it needs the backup on which it is built")
    found.proof, found.unproved = NONE, "; ".join(unproved)
    return found
