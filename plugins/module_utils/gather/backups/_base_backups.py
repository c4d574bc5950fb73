# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a base backup of PostgreSQL, plain or in tars, and prove it by its manifest.

Source: pg_verifybackup.c, whose rules these are, of PostgreSQL 13 to 18.
"""

from __future__ import annotations

import re
import stat
import tarfile
from typing import Iterable

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._base_manifest import (
    LIMIT_BYTES,
    MANIFEST,
    NO_ALGORITHM,
    BaseManifest,
    Checksum,
    ManifestFile,
    parse_base_manifest,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._budget import (
    ALL,
    CHUNK_BYTES,
    NONE,
    PART,
    BrokenError,
    Budget,
    Counted,
    OutOfBudgetError,
    Reading,
    UnreadError,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._folder_files import (
    FolderFiles,
    named,
    shown,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._members import (
    escapes,
    open_tar,
    read_tar,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError

VERSION_FILE, CONTROL_FILE, LABEL = "PG_VERSION", "global/pg_control", "backup_label"
CHANGED_LATER = "postgresql.auto.conf"
"""What pg_basebackup itself may write after the manifest was made."""
NOT_LISTED = (MANIFEST, CHANGED_LATER, "recovery.signal", "standby.signal")
WAL = "pg_wal"
SEGMENT = re.compile(r"[0-9A-F]{24}")
SEGMENT_BYTES = (1 << 20, 1 << 30)
TAR = re.compile(r"(base|pg_wal|\d+)\.tar(?:\.gz|\.lz4|\.zst)?")
VERIFIERS = ("/usr/lib/postgresql/*/bin/pg_verifybackup", "/usr/pgsql-*/bin/pg_verifybackup")
VERIFIER_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
UNABLE = re.compile(
    r"could not open|could not stat|could not read|Permission denied|unexpected manifest version|not the same version"
)
VERSION_2_MAJOR = 17


class _Base:
    """A base backup while it is read. seen: sizes by name. wal: sizes of the files of the write-ahead log."""

    def __init__(self, folder: FolderFiles, manifest: BaseManifest, budget: Budget) -> None:
        self.folder, self.manifest, self.budget = folder, manifest, budget
        self.seen: dict[str, int] = {}
        self.wal: dict[str, int] = {}
        self.links: list[str] = []
        self.unproved: list[str] = []
        self.bytes = 0

    def see(self, name: str, size: int) -> ManifestFile | None:
        """Take down a file; return what the manifest says of it, None if nothing need be compared.

        Raises: BrokenError if it is not listed, or has another size.
        """
        if name.startswith(f"{WAL}/"):
            base = name[len(WAL) + 1 :]
            if SEGMENT.fullmatch(base):
                self.wal[base] = size
            return None
        listed = self.manifest.files.get(name)
        self.seen[name] = size
        if name in NOT_LISTED:
            return None
        if listed is None:
            raise BrokenError(f"{shown(name)} is not in the manifest")
        if listed.size != size:
            raise BrokenError(f"{shown(name)}: {size} bytes instead of {listed.size}")
        return listed

    def compare(self, listed: ManifestFile, pieces: Iterable[bytes]) -> None:
        """Read a file and compare it with the manifest.

        Raises: BrokenError, UnreadError, OutOfBudgetError.
        """
        made = Checksum(listed.algorithm)
        size = 0
        for data in pieces:
            made.update(data)
            size += len(data)
        self.bytes += size
        if size != listed.size:
            raise BrokenError(f"{shown(listed.path)}: {size} bytes instead of {listed.size}")
        if listed.algorithm not in ("", NO_ALGORITHM) and made.hexdigest() != listed.checksum:
            raise BrokenError(f"{shown(listed.path)} differs from its checksum in the manifest")

    def refuse_missing(self) -> None:
        """Raise BrokenError if a file is not there that the manifest lists; what lies behind a link was not seen."""
        behind = tuple(f"{link}/" for link in self.links)
        for name in self.manifest.files:
            if name in self.seen or name in NOT_LISTED or name.startswith(f"{WAL}/"):
                continue
            if not name.startswith(behind):
                raise BrokenError(f"{shown(name)} is missing", cut=True)


def read_pg_basebackup(folder: FolderFiles, budget: Budget) -> Reading:
    """Read a base backup to its end.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    plain = folder.has(VERSION_FILE) or not any(map(TAR.fullmatch, folder.names()))
    found = Reading([f"base backup of PostgreSQL{'' if plain else ' in tars'}"])
    if not folder.has(MANIFEST):
        if folder.status(MANIFEST) is not None:
            raise UnreadError(f"{MANIFEST} is no regular file")
        if folder.has(f"{MANIFEST}.tmp"):
            raise BrokenError(f"not finished: {MANIFEST}.tmp", cut=True)
        (_plain_alone if plain else _tars_alone)(folder, budget, found)
        found.proof, found.unproved = NONE, "its files: it has no manifest"
        if plain and not folder.has(LABEL):
            found.unproved += f" and no {LABEL}, so it is none unless the server was stopped"
        return found
    with named(MANIFEST):
        manifest = parse_base_manifest(_manifest(folder, budget))
    base = _Base(folder, manifest, budget)
    parsed = _read_plain(base) if plain else _read_tars(base, found)
    found.members, found.bytes = len(manifest.files), base.bytes
    checked = [
        bool(one.algorithm) and one.algorithm != NO_ALGORITHM for one in manifest.files.values()
    ]
    if not all(checked):
        base.unproved.append(f"{checked.count(False)} files without a checksum")
    if not parsed:
        base.unproved += _wal_unproved(base)
    if plain and "INCREMENTAL FROM LSN" in folder.text(LABEL):
        base.unproved.append("it needs the backup on which it is built")
    found.proof = NONE if not any(checked) else PART if base.unproved else ALL
    found.unproved = "; ".join(base.unproved)
    return found


def _manifest(folder: FolderFiles, budget: Budget) -> bytes:
    """Return the manifest's bytes.

    Raises: UnreadError if they are too many.
    """
    with folder.stream(MANIFEST, budget) as stream:
        parts = []
        for part in iter(stream.read, b""):
            parts.append(part)
            if stream.count > LIMIT_BYTES:
                raise UnreadError(f"more than {LIMIT_BYTES >> 20} MiB")
        return b"".join(parts)


def _plain_alone(folder: FolderFiles, budget: Budget, found: Reading) -> None:
    """Read each file of a plain base backup without a manifest.

    Raises: as `FolderFiles.stream` does.
    """
    found.members, found.bytes = 0, 0
    lost = [f"{name}/" for name in ("base", "global") if not _has_files(folder, name)]
    # The last of these is the last that is written.
    lost += [name for name in (VERSION_FILE, CONTROL_FILE) if not folder.has(name)]
    if lost:
        raise BrokenError(f"{lost[0]} is missing", cut=True)
    for name, status in folder.walk(budget):
        if stat.S_ISREG(status.st_mode):
            with folder.stream(name, budget) as stream:
                stream.drain()
                found.members, found.bytes = found.members + 1, found.bytes + stream.count


def _has_files(folder: FolderFiles, name: str) -> bool:
    """Return whether there is a folder of that name with something in it."""
    found = folder.status(name)
    return found is not None and stat.S_ISDIR(found.st_mode) and bool(folder.names(name))


def _tars_alone(folder: FolderFiles, budget: Budget, found: Reading) -> None:
    """Read each tar of a base backup without a manifest.

    Raises: as `FolderFiles.content` does.
    """
    found.members, found.bytes = 0, 0
    for name in sorted(filter(TAR.fullmatch, folder.names())):
        with folder.content(name, budget) as (stream, _layer):
            each = Reading()
            read_tar(stream, each, folder.host.now())
            found.members, found.bytes = (
                found.members + (each.members or 0),
                found.bytes + stream.count,
            )
            found.hostile += each.hostile


def _read_plain(base: _Base) -> bool:
    """Read a plain base backup; return whether the write-ahead log was parsed too.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    todo = []
    for name, status in base.folder.walk(base.budget):
        if stat.S_ISLNK(status.st_mode):
            base.links.append(name)
        elif stat.S_ISREG(status.st_mode):
            todo += [listed for listed in (base.see(name, status.st_size),) if listed is not None]
        else:
            raise BrokenError(f"{shown(name)} is no file and no folder")
    base.refuse_missing()
    if base.links:
        base.unproved.append("what lies behind links, which are not followed")
    missing = _missing_wal(base, _said_bytes(base))
    verified, parsed = _verify(base, not missing)
    if not verified:
        for listed in todo:
            with base.folder.stream(listed.path, base.budget) as stream:
                base.compare(listed, iter(stream.read, b""))
    _compare_changed(base)
    return parsed


def _compare_changed(base: _Base) -> None:
    """Say so if the file that pg_basebackup may change was changed."""
    listed = base.manifest.files.get(CHANGED_LATER)
    if listed is None:
        return
    try:
        with base.folder.stream(CHANGED_LATER, base.budget) as stream:
            base.compare(listed, iter(stream.read, b""))
    except BrokenError:
        base.unproved.append(f"{CHANGED_LATER}, which differs from the manifest")


def _verify(base: _Base, with_wal: bool) -> tuple[bool, bool]:
    """Let pg_verifybackup compare all files, if one is here that can; return whether it did, and parsed the log.

    Raises: BrokenError, UnreadError, OutOfBudgetError.
    """
    program, major = ("", 0) if base.links else _verifier(base)
    if not program:
        return False, False
    with_wal = with_wal and f"{major}" == base.folder.text(VERSION_FILE).strip()
    base.budget.take(sum(base.seen.values()))
    options = ["--exit-on-error", *([] if with_wal else ["--no-parse-wal"])]
    try:
        ran = base.folder.host.run(
            [program, *options, base.folder.path], base.budget.seconds_left()
        )
    except HostError as exc:
        if "still running" in str(exc):
            raise OutOfBudgetError("there was not enough time to read all of it") from exc
        return False, False
    if not ran.status:
        base.bytes += sum(base.seen.values())
        return True, with_wal
    lines = [line.rpartition("error: ")[2] for line in ran.err.splitlines() if "error: " in line]
    said = "; ".join(lines[:2])[:300] or f"pg_verifybackup: status {ran.status}"
    if ran.status < 0 or UNABLE.search(ran.err):
        raise UnreadError(said)
    raise BrokenError(said)


def _verifier(base: _Base) -> tuple[str, int]:
    """Return the pg_verifybackup that fits best, and its major version; an empty text if none does.

    That of the same version parses the write-ahead log too; a newer one understands older manifests.
    """
    host = base.folder.host
    wanted = base.folder.text(VERSION_FILE).strip()
    least = VERSION_2_MAJOR if base.manifest.version > 1 else 0
    found = [path for pattern in VERIFIERS for path in host.glob(pattern)]
    found += [path for path in (host.which("pg_verifybackup"),) if path]
    fitting: list[tuple[bool, int, str]] = []
    for path in found:
        try:
            said = VERIFIER_MAJOR.search(host.run([path, "--version"]).out)
        except HostError:
            continue
        major = int(said.group(1)) if said else 0
        if major >= least and wanted.isdigit() and major >= int(wanted):
            fitting.append((str(major) == wanted, -major, path))
    best = max(fitting, default=(False, 0, ""))
    return best[2], -best[1]


def _said_bytes(base: _Base) -> int:
    """Return how long each file of the log is by the head of the first one, for all may be cut; 0 if it has none."""
    head = b""
    for name in sorted(base.wal)[:1]:
        with base.folder.stream(f"{WAL}/{name}", base.budget) as stream:
            head = stream.read(36)
    size = int.from_bytes(head[32:], "little")
    return size if bin(size).count("1") == 1 else 0


def _missing_wal(base: _Base, said: int = 0) -> list[str]:
    """Return the ranges of the write-ahead log that are not in the backup at all. said: bytes of a file.

    Raises: BrokenError if one is there in part.
    """
    if not base.wal:
        return [one.words for one in base.manifest.wal]
    size = max(said, *base.wal.values())
    size = 1 << max(size - 1, SEGMENT_BYTES[0] - 1).bit_length()
    if size > SEGMENT_BYTES[1]:
        raise BrokenError(f"{WAL}: files of a size that none has")
    for one in base.manifest.wal:
        for name in one.segments(size):
            if name not in base.wal:
                raise BrokenError(f"{WAL}/{name} is missing", cut=True)
            if base.wal[name] != size:
                raise BrokenError(
                    f"{WAL}/{name}: {base.wal[name]} bytes instead of {size}", cut=True
                )
    return []


def _wal_unproved(base: _Base) -> list[str]:
    """Return what is to be said of a write-ahead log that was not parsed."""
    missing = _missing_wal(base)
    if missing:
        words = "which is not in the backup: without an archive of it nothing can be restored"
        return [f"{one}, {words}" for one in missing]
    return [f"{one.words}, which was not parsed" for one in base.manifest.wal]


def _read_tars(base: _Base, found: Reading) -> bool:
    """Read a base backup in tars, each member compared with the manifest; return that no log was parsed.

    Raises: BrokenError, UnreadError, OutOfBudgetError, HostError.
    """
    for name in sorted(filter(TAR.fullmatch, base.folder.names())):
        kind = name.partition(".")[0]
        prefix = {"base": "", WAL: f"{WAL}/"}.get(kind, f"pg_tblspc/{kind}/")
        with base.folder.content(name, base.budget) as (stream, _layer):
            try:
                _read_members(base, stream, prefix, found)
            except tarfile.ReadError as exc:
                raise BrokenError("the tar ends in a member", cut=True) from exc
            except (tarfile.TarError, ValueError, OverflowError) as exc:
                raise BrokenError(f"tar: {str(exc)[:200]}") from exc
    base.refuse_missing()
    return False


def _read_members(base: _Base, stream: Counted, prefix: str, found: Reading) -> None:
    """Compare the members of a tar with the manifest."""
    with open_tar(stream) as archive:
        for member in archive:
            archive.members = []  # it would keep all of them
            if escapes(member.name):
                found.escapes(member.name)
            if not member.isreg():
                continue
            name = prefix + (member.name[2:] if member.name.startswith("./") else member.name)
            listed = base.see(name, member.size)
            file = archive.extractfile(member)
            if listed is not None and file is not None:
                base.compare(listed, iter(lambda file=file: file.read(CHUNK_BYTES), b""))  # type: ignore[misc]
