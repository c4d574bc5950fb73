"""No archive lies longer than its declared days, and none that should go cannot.

Judges the folders that the site declares in `retention`; their clean-up is the job log_rotation. Archives with a second
name and links in the place of archives are never removed: they are findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.model.remedies import about
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How much slack there is.

    grace_days: days after which an archive is late that the job has not removed.
    """

    grace_days: float = 2.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge one declared folder."""
    data = seen.data
    if data["kind"] != "retention":
        return None
    measures = (
        Measure("archives", data["archives"]),
        Measure("archive_bytes", data["bytes"], "By"),
        Measure("overdue_bytes", data["overdue_bytes"], "By"),
    )
    keep = data["keep_days"]
    if data["overdue"]:
        oldest = datetime.fromisoformat(data["oldest_overdue_at"])
        age = (datetime.fromisoformat(data["at"]) - oldest).total_seconds() / 86400
        if age > keep + limits.grace_days:
            text = (
                f"{data['overdue']} archives are older than {keep} days, the oldest is "
                f"{age:.0f} d old"
            )
            return failed(Severity.LOW, text, *measures)
    if data["refused"]:
        text = f"{len(data['refused'])} files that a clean-up must not touch, such as {data['refused'][0]}"
        return failed(
            Severity.MEDIUM,
            text,
            *measures,
            remedy=about("ls -li {subject}  # see the links", data["path"]),
        )
    if data["unread"]:
        return unknown(f"{len(data['unread'])} folders not read, such as {data['unread'][0]}")
    return passed(f"{data['archives']} archives, none older than {keep} days", *measures)


CHECK = Check(
    title="Archived logs are removed on time",
    trouble="Overdue removal of archived logs",
    gather="log_rotation",
    since="0.1.0",
    needs={"retention": [{"path": "/var/log/app", "keep_days": 90}]},
    why="Old archives fill disks, and personal data must not be kept longer than was promised.",
    cannot_see=(
        "Folders that the site does not declare. Copies elsewhere, such as on a log server or "
        "in backups."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "archives": MeasureKind.STATE,
        "archive_bytes": MeasureKind.STATE,
        "overdue_bytes": MeasureKind.STATE,
    },
    source="NIST SP 800-92, section 5.1; GDPR, article 5(1)(e)",
    remedy="decide: run the job that removes old archives, or keep them longer (keep_days)",
    controls=("45 CFR 164.316(b)(2)(i)",),
    absence=DECLARED,
)
