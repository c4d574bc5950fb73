"""Each declared set has a backup that is not older than its recovery point objective (RPO).

The newest finished backup counts, by the older of two times: when it was written, and the one in its name; a touched
old file does not look fresh. A set without any backup is critical: absence is the fault. Links are no backups; a file
that still grows is not one yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed


@dataclass(frozen=True)
class Limits:
    """How old the newest backup may be.

    within_hours: RPO of a set that declares none (`rpo_hours`).
    critical_times: RPOs after which it is critical.
    """

    within_hours: float = 24.0
    critical_times: float = 3.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict:
    """Judge the age of the newest backup, by the clock of its host."""
    data = seen.data
    rpo = data["rpo_hours"] or limits.within_hours
    if not data["count"]:
        where = data["where"] if isinstance(data["where"], str) else ", ".join(data["where"])
        links = (
            f"; {len(data['links'])} links are not counted as backups" if data.get("links") else ""
        )
        unfinished = len(data.get("unfinished", ())) + len(data.get("growing", ()))
        rest = f"; {unfinished} unfinished" if unfinished else ""
        return failed(Severity.CRITICAL, f"no backup at {where[:300]}{links}{rest}")
    newest = data["newest"]
    taken = datetime.fromisoformat(newest["taken_at"])
    hours = (datetime.fromisoformat(data["at"]) - taken).total_seconds() / 3600
    measures = (Measure("age", hours * 3600, "s"), Measure("backups", data["count"]))
    if newest["in_future"]:
        return failed(Severity.MEDIUM, f"dated in the future: {newest['taken_at']}", *measures)
    text = f"{hours:.0f} h old, at most {rpo:g} h"
    if hours > rpo:
        critical = hours > rpo * limits.critical_times
        severity = Severity.CRITICAL if critical else Severity.HIGH
        return failed(severity, f"{text}: {newest['path']}", *measures)
    return passed(text, *measures)


CHECK = Check(
    title="Newest backup is within its RPO",
    trouble="Overdue backup",
    gather="backups",
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=(
        "If a disk is lost, everything written since the newest backup is lost with it. The "
        "RPO is the longest time that the business accepts to lose."
    ),
    cannot_see=(
        "The content of the backup: an empty or damaged backup is as new as a good one (see "
        "backup_size and backup_readable). Whether a copy exists on another host."
    ),
    limits=Limits(),
    judge=judge,
    measures={"age": MeasureKind.STATE, "backups": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; 45 CFR 164.308(a)(7)(ii)(A)",
    remedy="decide: run the set's backup now, or find in its log why it did not run",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
