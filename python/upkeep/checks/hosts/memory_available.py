"""Hosts keep memory available, so that nothing has to be killed or swapped out.

Available is the kernel's own estimate (MemAvailable), which counts file cache as free, and what ZFS's cache would give
back; in a container with a limit it is what is left of that. Where the kernel counts stalls, the share of time in which
all tasks waited for memory is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import numbers, size_text
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Available memory below which a host fails.

    medium_percent: of all memory, in percent.
    high_percent: of all memory, in percent.
    critical_percent: of all memory, in percent.
    """

    medium_percent: float = 10.0
    high_percent: float = 5.0
    critical_percent: float = 2.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of memory that is available."""
    if seen.subject != "memory":
        return None
    read = numbers(seen.data, "total_bytes", "available_bytes")
    if read is None or read[0] == 0:
        return unknown("no sizes were given")
    total, available = read
    percent = 100 * available / total
    measures = [Measure("available", round(percent, 2), "%")]
    pressure = seen.data.get("pressure")
    stalled = numbers(pressure, "full_avg300") if isinstance(pressure, dict) else None
    if stalled:
        measures.append(Measure("stalled", stalled[0], "%"))
    state = f"{percent:.1f} % available ({size_text(available)} of {size_text(total)})"
    for severity, limit in (
        (Severity.CRITICAL, limits.critical_percent),
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        if percent < limit:
            waits = f", tasks stalled {stalled[0]:g} % of 5 min" if stalled else ""
            return failed(severity, f"{state}, at least {limit:g} %{waits}", *measures)
    return passed(f"{state}, at least {limits.medium_percent:g} %", *measures)


CHECK = Check(
    title="Memory is available",
    trouble="Low memory",
    gather="host_resources",
    since="0.1.0",
    why="When no memory is left, the kernel kills a process of its choice.",
    cannot_see=(
        "Peaks between two checks. The limits of single services, which can be reached while "
        "the host has enough memory."
    ),
    limits=Limits(),
    judge=judge,
    measures={"available": MeasureKind.SHARE, "stalled": MeasureKind.SHARE},
    source="proc_meminfo(5), MemAvailable; node_exporter's mixin, NodeMemoryHighUtilization 90 %",
    remedy="ps -eo rss,pid,user,args --sort=-rss | head -20  # see who holds it",
    absence=DECLARED,
)
