"""The newest backup has the checksum that was written down beside it.

Looks for NAME.sha256, NAME.sha512, NAME.md5 and SHA256SUMS and the like in the same folder. Without any there is no
result, unless the site requires one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import after, quote
from upkeep.model.verdicts import Severity, Verdict, failed, nothing_to_judge, passed, unknown


@dataclass(frozen=True)
class Limits:
    """What there must be.

    required: fail if there is no checksum.
    """

    required: bool = False


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the comparison."""
    data = seen.data
    if not data["count"]:
        return unknown("there is no backup to compare", remedy=after("backup_fresh"))
    if data["newest"]["bytes"] is None:
        return None  # a repository: it has checksums of its own
    if "manifest" not in data:
        if "content" not in data:
            return nothing_to_judge("not compared: the site says `read: false`")
        return unknown(
            "not compared: the backup could not be read",
            remedy=after("backup_readable"),
        )
    manifest, path = data["manifest"], data["newest"]["path"]
    if manifest is None:
        missing = failed(Severity.MEDIUM, f"there is no checksum file for {path}")
        return missing if limits.required else None
    state = manifest["state"]
    if state == "mismatch":
        text = f"{path} does not match {manifest['path']} ({manifest['algorithm']})"
        return failed(Severity.CRITICAL, text, remedy=_compare(manifest))
    if state == "not listed":
        return failed(Severity.MEDIUM, f"{path} is not in {manifest['path']}")
    if state == "match":
        return passed(f"{path} matches {manifest['path']} ({manifest['algorithm']})")
    return unknown(f"{manifest['path']}: {manifest['why']}")


def _compare(manifest: Mapping[str, Any]) -> str:
    """Return the command that names what differs; empty if there is none for this kind of list."""
    folder, _slash, name = str(manifest["path"]).rpartition("/")
    program = {
        "sha256": "sha256sum",
        "sha512": "sha512sum",
        "sha1": "sha1sum",
        "md5": "md5sum",
    }.get(str(manifest["algorithm"]).lower())
    where, what = quote(folder or "/"), quote(name)
    if program is None or not where or not what or name == "backup_manifest":
        return ""
    keep = "see what differs; then make a new backup, and keep the previous one until the new one matches"
    return f"cd {where} && {program} --check {what}  # {keep}"


CHECK = Check(
    title="Newest backup matches its checksum",
    trouble="Backup checksum mismatch",
    gather="backups",
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
