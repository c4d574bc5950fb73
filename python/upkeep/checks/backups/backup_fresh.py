"""Each declared set has a backup that is not older than its recovery point objective (RPO).

The newest finished backup counts. When it was taken is what its content says (the head or the last line of a dump,
the newest member of an archive, the list of a repository), else a date in its name, else the time of writing. If two
of them differ by more than a day, the older one counts: a copy of an old backup has a new time of writing. A time in
the future is none. A set without any backup is critical: absence is the fault. Links are no backups. A backup that is
being made is not one yet; it fails only if nothing was written to it for a long time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupSeen,
    BackupTaken,
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

ACTIVE_SECONDS = 900
"""A backup that was written to so lately is being made."""
WAIT = "decide: check again when it is finished; if it is not soon, find in its log why"


@dataclass(frozen=True)
class Limits:
    """How old the newest backup may be.

    within_hours: RPO of a set that declares none (`rpo_hours`).
    critical_times: RPOs after which it is critical.
    making_hours: hours without a write after which a backup that is being made fails.
    """

    within_hours: float = 24.0
    critical_times: float = 3.0
    making_hours: float = 12.0


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict:
    """Judge the age of the newest backup, by the clock of its host."""
    rpo = seen.rpo_hours or limits.within_hours
    newest = seen.newest
    if newest is None:
        links = f"; {len(seen.links)} links are not counted as backups" if seen.links else ""
        unfinished = (
            f"; {len(seen.making)} unfinished: {seen.making[0].path}" if seen.making else ""
        )
        where = ", ".join(seen.where)[:300]
        for making in seen.making:
            if abs((seen.at - making.written_at).total_seconds()) < ACTIVE_SECONDS:
                why = f"{making.path} is being made ({making.why})"
                return unknown(f"no finished backup at {where} yet; {why}", remedy=WAIT)
        notes = "".join(f"; {note}" for note in seen.notes)
        return failed(Severity.CRITICAL, f"no backup at {where}{links}{unfinished}{notes}")
    count = Measure("backups", seen.count)
    if newest.taken_at is None:
        if newest.future_at is None:
            return unknown(f"nothing says when the backup was taken: {newest.path}", count)
        when = f"{newest.future_at:%Y-%m-%d %H:%M} UTC"
        text = f"the only time of the backup is in the future: {when}: {newest.path}"
        return failed(Severity.MEDIUM, text, count)
    hours = (seen.at - newest.taken_at).total_seconds() / 3600
    measures = (Measure("age", hours * 3600, "s"), count)
    text = f"{hours:.0f} h old{_by(newest)}, at most {rpo:g} h"
    if hours > rpo:
        critical = hours > rpo * limits.critical_times
        severity = Severity.CRITICAL if critical else Severity.HIGH
        return failed(severity, f"{text}: {newest.path}", *measures)
    for making in seen.making:
        idle = (seen.at - making.written_at).total_seconds() / 3600
        if making.written_at > newest.taken_at and idle > limits.making_hours:
            stuck = f"{making.path} is not finished, and was last written {idle:.0f} h ago ({making.why})"
            return failed(Severity.MEDIUM, f"{stuck}; the backup before it is {text}", *measures)
    making_now = f"; {len(seen.making)} unfinished" if seen.making else ""
    notes = "".join(f"; {note}" for note in seen.notes)
    return passed(f"{text}{making_now}{notes}", *measures)


def _by(newest: BackupTaken) -> str:
    """Return which witness counts and what the others say, where they do not agree."""
    if not newest.disagree:
        return ""
    others = [
        f"{one.words or one.by} says {one.at:%Y-%m-%d %H:%M}"
        for one in newest.witnesses
        if one.by != newest.taken_by
    ]
    counts = next((one.words for one in newest.witnesses if one.by == newest.taken_by), "")
    return f" by {counts or newest.taken_by} (but {', '.join(others)})"


CHECK = Check(
    title="Newest backup is within its RPO",
    trouble="Overdue backup",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=(
        "If a disk is lost, everything written since the newest backup is lost with it. The "
        "RPO is the longest time that the business accepts to lose."
    ),
    cannot_see=(
        "The content of the backup: an empty or damaged backup is as new as a good one (see "
        "backup_size and backup_readable). Whether a copy exists on another host (see "
        "backup_second_copy)."
    ),
    limits=Limits(),
    judge=judge,
    measures={"age": MeasureKind.STATE, "backups": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.4.1; 45 CFR 164.308(a)(7)(ii)(A)",
    remedy="decide: run the set's backup now, or find in its log why it did not run",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
