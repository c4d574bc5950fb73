"""The newest backup can be read to its end, and holds no member that would be written elsewhere.

Decompressed to the end, with its checksums; tar and zip listed; a dump ends with its program's last line; a
PostgreSQL dump in custom format read by pg_restore, an SQLite file by its own quick_check; of a restic repository the
structure. Nothing is unpacked. What there was no time for, or no program, is unknown. Of encrypted files only the
first bytes can be seen, which is said, and is unknown unless the site says that it is enough. This is not a restore.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
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

    encrypted_header: take an encrypted file whose first bytes are in order as read.
    """

    encrypted_header: bool = False


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge what reading it gave."""
    data = seen.data
    if not data["count"]:
        return unknown("there is no backup to read", remedy=after("backup_fresh"))
    if "content" not in data:
        return nothing_to_judge("not read: the site says `read: false`")
    content, path = data["content"], data["newest"]["path"]
    state, why = content["state"], content["why"]
    measures = [Measure("reading", content["seconds"], "s")] if "seconds" in content else []
    if "members" in content:
        measures.append(Measure("members", content["members"]))
    if state == "broken":
        return failed(Severity.CRITICAL, f"{path} cannot be read: {why}", *measures)
    if state == "complete" and content.get("members") == 0:
        return failed(Severity.CRITICAL, f"{path} is an empty {content['what']}", *measures)
    if content.get("hostile"):
        text = (
            f"{path} has members that would be extracted outside of the target folder, such as "
            f"{content['hostile'][0]}"
        )
        return failed(Severity.HIGH, text, *measures)
    if state == "header" and limits.encrypted_header:
        return passed(f"{path}: {why}", *measures)
    if state == "complete":
        members = f", {content['members']} members" if "members" in content else ""
        return passed(f"{path} was read as {content['what']}{members}", *measures)
    return unknown(f"{path}: {why}", *measures)


CHECK = Check(
    title="Newest backup can be read to its end",
    trouble="Unreadable backup",
    gather="backups",
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=(
        "A backup that cannot be read to its end is useless, and nobody notices until it is needed."
    ),
    cannot_see=(
        "Whether the backup can be restored and its content is correct: nothing is restored. "
        "The content of encrypted files, except for the first bytes."
    ),
    limits=Limits(),
    judge=judge,
    measures={"reading": MeasureKind.LATENCY, "members": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; pg_restore(1); restic check",
    remedy="decide: make a new backup, and keep the previous one until the new one can be read",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
