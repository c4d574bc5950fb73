"""Each set with a second copy has it elsewhere, as new as the recovery point objective (RPO) asks.

A copy on the same file system, device, volume group or host is lost with the first one. What the host cannot tell, such
as where a file server keeps its data, passes only if the site declares why it is elsewhere; a copy that the host shows
to be near does not pass with any reason. A copy may be older than the RPO by the time that copying takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupCopy,
    BackupSeen,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    passed,
    unknown,
)

UNKNOWN_PLACE = "unknown"
DECLARE = (
    "decide: if the copy is on another machine, in another place, declare why in second_copy.elsewhere of the set; "
    "if not, copy the set there"
)


@dataclass(frozen=True)
class Limits:
    """How old the second copy may be.

    within_hours: RPO of a set that declares none (`rpo_hours`).
    lag_hours: how long copying may take after that.
    """

    within_hours: float = 24.0
    lag_hours: float = 24.0


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge where the second copy is, and its age by the clock of its host."""
    copy = seen.copy
    if copy is None:
        return None
    where = ", ".join(copy.where)[:200] or "the second copy"
    if copy.error:
        return unknown(f"{where}: {copy.error}")
    if copy.newest is None:
        return failed(Severity.HIGH, f"no backup at the second copy: {where}")
    if copy.apart != UNKNOWN_PLACE:
        return failed(Severity.HIGH, _too_close(copy, where))
    if copy.differs:
        return failed(Severity.HIGH, f"{copy.newest.path} is not a copy: {copy.differs}")
    if copy.newest.taken_at is None:
        return _without_time(copy)
    hours = (seen.at - copy.newest.taken_at).total_seconds() / 3600
    at_most = (seen.rpo_hours or limits.within_hours) + limits.lag_hours
    measure = Measure("age", hours * 3600, "s")
    text = f"{hours:.0f} h old, at most {at_most:g} h"
    if hours > at_most:
        return failed(Severity.HIGH, f"{text}: {copy.newest.path}", measure)
    if not copy.elsewhere:
        return unknown(
            f"{text}, but not known to be elsewhere: {copy.why}", measure, remedy=DECLARE
        )
    return passed(f"{text}; elsewhere, as declared: {copy.elsewhere}", measure)


def _too_close(copy: BackupCopy, where: str) -> str:
    """Return what is said of a copy that is lost with the first one."""
    declared = f"; declared to be elsewhere: {copy.elsewhere}" if copy.elsewhere else ""
    return f"second copy on the {copy.apart}: {copy.why or where}{declared}"


def _without_time(copy: BackupCopy) -> Verdict:
    """Judge a copy of which nothing says when it was taken."""
    newest = copy.newest
    if newest is not None and newest.future_at is not None:
        text = f"second copy dated in the future: {newest.future_at.isoformat()}"
        return failed(Severity.MEDIUM, text)
    return unknown("nothing says when the second copy was taken")


CHECK = Check(
    title="Second copy is elsewhere and within its RPO",
    trouble="Second copy lost with the first",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={
        "sets": [
            {
                "name": "shop database",
                "paths": ["/backup/shop-*.dump"],
                "rpo_hours": 24,
                "second_copy": {
                    "paths": ["/mnt/offsite/shop-*.dump"],
                    "elsewhere": "file server in the other building",
                },
            }
        ]
    },
    why=(
        "If the disk or the host is lost, so is each backup on it. A copy that nobody looks at "
        "stops unnoticed, and its age shows only when it is needed."
    ),
    cannot_see=(
        "Where a file server or a provider keeps its data: the declared reason is believed. "
        "Whether the content of the copy can be restored."
    ),
    limits=Limits(),
    judge=judge,
    measures={"age": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; 45 CFR 164.308(a)(7)(ii)(A)",
    remedy="decide: copy the set's backups to another machine in another place, and declare that as its second copy",
    controls=("45 CFR 164.308(a)(7)(ii)(A)", "45 CFR 164.310(d)(2)(iv)"),
    absence=DECLARED,
)
