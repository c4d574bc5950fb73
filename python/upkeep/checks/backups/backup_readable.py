"""The newest backup can be read to its end, and holds no member that would be written elsewhere.

What it is, its first bytes say, inside each wrapping (gz, bz2, xz, zst, lz4); it is read as that, to its end mark,
with every checksum that it has. Behind the end there may be only padding. An empty backup fails, and so does a text
where a dump is due. Nothing is unpacked on the disk, and nothing is restored. What carries no checksum passes as
readable, and the message says that its content cannot be proved. What there was no time or no program for, or what was
not understood, is unknown. Of an encrypted file only the header and the length can be seen, which is unknown unless the
site says that it is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupContent,
    BackupSeen,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import after
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)


@dataclass(frozen=True)
class Limits:
    """What is enough.

    encrypted_header: take an encrypted file whose header and length are in order as read.
    """

    encrypted_header: bool = False


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge what reading it gave."""
    if seen.newest is None:
        return unknown("there is no backup to read", remedy=after("backup_fresh"))
    content, path = seen.content, seen.newest.path
    if content is None:
        if seen.read:
            return unknown(f"{path} was not read")
        return nothing_to_judge("not read: the site says `read: false`")
    measures = [] if content.seconds is None else [Measure("reading", content.seconds, "s")]
    if content.members is not None:
        measures.append(Measure("members", content.members))
    if content.state == "broken":
        return failed(Severity.CRITICAL, f"{path} cannot be read: {content.why}", *measures)
    if content.hostile:
        text = (
            f"{path} has members that would be extracted outside of the target folder, such as "
            f"{content.hostile[0]}"
        )
        return failed(Severity.HIGH, text, *measures)
    if content.state == "encrypted" and limits.encrypted_header:
        return passed(f"{path}: {content.why}; its header is in order: {content.what}", *measures)
    if content.state == "whole":
        return passed(f"{path} {_read(content)}", *measures)
    return unknown(f"{path}: {content.why}", *measures)


def _read(content: BackupContent) -> str:
    """Return how a whole backup was read, and how far that proves its content."""
    members = f", {content.members} members" if content.members is not None else ""
    text = f"is readable as {content.what}{members}"
    if content.proof == "all":
        return f"{text}; its checksums match"
    if content.proof == "part":
        return f"{text}; its checksums match, but for {content.unproved}"
    return f"{text}; content not provable: {content.unproved or 'it has no checksum'}"


CHECK = Check(
    title="Newest backup can be read to its end",
    trouble="Unreadable backup",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=(
        "A backup that cannot be read to its end is useless, and nobody notices until it is needed."
    ),
    cannot_see=(
        "Whether the backup can be restored and its content is correct: nothing is restored. "
        "The content of encrypted files. What lies in the members of an archive. A change of a "
        "backup without checksums, such as a plain tar, that leaves it readable."
    ),
    limits=Limits(),
    judge=judge,
    measures={"reading": MeasureKind.LATENCY, "members": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; pg_restore(1); restic check",
    remedy="decide: make a new backup, and keep the previous one until the new one can be read",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
