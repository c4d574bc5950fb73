"""Each set is restored within its recovery time objective (RTO), and about as fast as before.

The newest restore of all of it counts: the time of the restore alone, as it was measured. It is compared with the
median of the restores before it that covered as much. A restore in the verification's scratch place may be slower or
faster than one on the machine that would replace the lost one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import (
    NEEDS,
    RESTORED,
    is_verified,
    newest,
    restored_ago,
    speed,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.remedies import after
from upkeep.model.text import duration
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
    """How slow a restore may be.

    slower_percent: of the median of the restores before it.
    compare_at_least: earlier restores that it takes to compare.
    compare_from_seconds: what is faster is not compared.
    """

    slower_percent: float = 200.0
    compare_at_least: int = 3
    compare_from_seconds: float = 60.0


def judge(seen: RestoreSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the newest restore against the RTO, and against those before it."""
    if not is_verified(seen):
        return None
    row = newest(seen.rows, RESTORED)
    measured = speed(row) if row is not None else None
    if row is None or measured is None:
        if seen.rto_minutes is None:
            return nothing_to_judge("no restore was measured, and no rto_minutes is declared")
        return unknown("no restore was measured", remedy=after("backup_restored"))
    seconds, rate = measured
    measures = [Measure("restore", seconds, "s")]
    if rate is not None:
        measures.append(Measure("throughput", rate, "By/s"))
    text = restored_ago(seen, row)
    if row.covered != "all":
        return nothing_to_judge(f"{text}, but only {short(row.covered, 60)}", *measures)
    rto = seen.rto_minutes
    if rto is not None:
        text = f"{text}, at most {rto:g} min"
        if seconds > rto * 60:
            return failed(Severity.HIGH, text, *measures)
    earlier = [
        known[0]
        for one in seen.rows[seen.rows.index(row) + 1 :]
        if one.outcome == RESTORED and one.covered == row.covered and (known := speed(one))
    ]
    if len(earlier) < limits.compare_at_least:
        if rto is None:
            few = f"{len(earlier)} earlier restores, {limits.compare_at_least} to compare"
            return nothing_to_judge(f"{text}; no rto_minutes is declared; {few}", *measures)
        return passed(text, *measures)
    usual = median(earlier)
    before = f"median of the {len(earlier)} before it {duration(usual)}"
    slow = seconds > usual * limits.slower_percent / 100
    if slow and seconds >= limits.compare_from_seconds:
        said = f"{text}; {before}, at most {limits.slower_percent:g} % of that"
        return failed(Severity.LOW, said, *measures)
    return passed(f"{text}; {before}", *measures)


CHECK = Check(
    title="Backups are restored within their RTO",
    trouble="Slow restore",
    gather="restores",
    shape=RestoreSeen,
    since="0.1.0",
    needs=NEEDS,
    why=(
        "The RTO is how long the business accepts to stand still. Data grows, and a restore "
        "that took an hour last year takes three today."
    ),
    cannot_see=(
        "The time that people, a new machine and the network need before the restore begins. "
        "How fast the disks of that machine are."
    ),
    limits=Limits(),
    judge=judge,
    measures={"restore": MeasureKind.LATENCY, "throughput": MeasureKind.STATE},
    source="NIST SP 800-34 Rev. 1, section 3.2.1; 45 CFR 164.308(a)(7)(ii)(B)",
    remedy="decide: restore with more jobs or from a faster place, or make a smaller backup; else declare a longer RTO",
    controls=("45 CFR 164.308(a)(7)(ii)(B)",),
    absence=DECLARED,
)
