"""The newest backup has the checksum that was written down beside it.

Looks for NAME.sha256, NAME.sha512, NAME.md5 and SHA256SUMS and the like in the same folder. Without any there is no
result, unless the site requires one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupManifest,
    BackupSeen,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import after, quote
from upkeep.model.verdicts import Severity, Verdict, failed, nothing_to_judge, passed, unknown


@dataclass(frozen=True)
class Limits:
    """What there must be.

    required: fail if there is no checksum.
    """

    required: bool = False


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the comparison."""
    if seen.newest is None:
        return unknown("there is no backup to compare", remedy=after("backup_fresh"))
    if seen.newest.form != "file":
        return None  # what is no file has a manifest of its own, or none
    if seen.content is None and not seen.read:
        return nothing_to_judge("not compared: the site says `read: false`")
    manifest, path = seen.manifest, seen.newest.path
    if manifest is None:
        missing = failed(Severity.MEDIUM, f"there is no checksum file for {path}")
        return missing if limits.required else None
    named = f"{manifest.path} ({manifest.algorithm})"
    if manifest.state == "mismatch":
        remedy = _compare(manifest)
        return failed(Severity.CRITICAL, f"{path} does not match {named}", remedy=remedy)
    if manifest.state == "not listed":
        return failed(Severity.MEDIUM, f"{path} is not in {manifest.path}")
    if manifest.state == "match":
        return passed(f"{path} matches {named}")
    return unknown(f"{manifest.path}: {manifest.why}")


def _compare(manifest: BackupManifest) -> str:
    """Return the command that names what differs; empty if there is none for this kind of list."""
    folder, _slash, name = manifest.path.rpartition("/")
    program = {
        "sha256": "sha256sum",
        "sha512": "sha512sum",
        "sha1": "sha1sum",
        "md5": "md5sum",
    }.get(manifest.algorithm.lower())
    where, what = quote(folder or "/"), quote(name)
    if program is None or not where or not what:
        return ""
    keep = "see what differs; then make a new backup, and keep the previous one until the new one matches"
    return f"cd {where} && {program} --check {what}  # {keep}"


CHECK = Check(
    title="Newest backup matches its checksum",
    trouble="Backup checksum mismatch",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=("A backup that was changed by a faulty disk or by a person is found before it is needed."),
    cannot_see=(
        "A checksum of a backup that was already damaged, or a checksum that was replaced "
        "together with the backup: both are in the same folder."
    ),
    limits=Limits(),
    judge=judge,
    source="sha256sum(1); pg_verifybackup(1)",
    remedy="decide: make a new backup, and keep the previous one until the new one matches its checksum",
    controls=("45 CFR 164.312(c)(1)",),
    absence=DECLARED,
)
