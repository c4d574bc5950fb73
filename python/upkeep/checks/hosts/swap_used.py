"""Swap is a reserve and not in use to the brim.

A host without swap on a disk is not judged: zram is memory, and full when it does its work. Full swap beside enough
memory is old and harmless up to a point; full swap is the step before processes are killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import numbers, size_text
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Used swap from which a host fails.

    low_percent: of all swap, in percent.
    medium_percent: of all swap, in percent.
    """

    low_percent: float = 80.0
    medium_percent: float = 95.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of swap that is used."""
    if seen.subject != "swap":
        return None
    read = numbers(seen.data, "total_bytes", "free_bytes")
    if read is None or read[0] == 0:
        return unknown("no sizes were given")
    total, free = read
    percent = 100 * (total - free) / total
    measure = Measure("used", round(percent, 2), "%")
    state = f"{percent:.1f} % of {size_text(total)} swap used"
    for severity, limit in (
        (Severity.MEDIUM, limits.medium_percent),
        (Severity.LOW, limits.low_percent),
    ):
        if percent >= limit:
            return failed(severity, f"{state}; limit {limit:g} %", measure)
    return passed(f"{state}; limit {limits.low_percent:g} %", measure)


CHECK = Check(
    title="Swap is not full",
    trouble="High swap usage",
    gather="host_resources",
    since="0.1.0",
    why="When swap is full, the kernel soon kills processes.",
    cannot_see=(
        "Whether swapping slows the host now: pages can stay in swap for a long time without "
        "harm. Compressed swap in memory (zram)."
    ),
    limits=Limits(),
    judge=judge,
    measures={"used": MeasureKind.SHARE},
    source="proc_meminfo(5); monitoring-plugins check_swap, sample -w 20% -c 10% free",
    remedy="grep -s VmSwap /proc/[0-9]*/status | sort -k2 -n | tail  # see who was swapped out",
    absence={"swap": gone("is not in use any more")},
)
