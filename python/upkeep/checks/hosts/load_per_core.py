"""Hosts are not given more work than they have processors for.

The load average over 15 minutes, divided by the processors that are on line. On Linux it counts tasks that wait for a
disk too; where the kernel counts stalls, a failing host's message says what was waited for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import numbers
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Load over 15 minutes per processor from which a host fails.

    medium_load: tasks per processor.
    high_load: tasks per processor.
    critical_load: tasks per processor.
    """

    medium_load: float = 2.0
    high_load: float = 5.0
    critical_load: float = 10.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the load per processor."""
    if seen.subject != "load":
        return None
    read = numbers(seen.data, "load_15", "processors")
    if read is None or read[1] == 0:
        return unknown("no load or number of processors was given")
    load, processors = read
    each = load / processors
    stalls = _stalls(seen)
    measures = (Measure("load per core", round(each, 3)), *stalls)
    state = f"load {each:.2f} per core over 15 min ({processors:.0f} cores)"
    for severity, limit in (
        (Severity.CRITICAL, limits.critical_load),
        (Severity.HIGH, limits.high_load),
        (Severity.MEDIUM, limits.medium_load),
    ):
        if each >= limit:
            shares = ", ".join(f"{one.value:g} % for {one.name.split()[-1]}" for one in stalls)
            waits = f"; of 5 min, some task waited {shares}" if shares else ""
            return failed(severity, f"{state}; limit {limit:g}{waits}", *measures)
    return passed(f"{state}; limit {limits.medium_load:g}", *measures)


def _stalls(seen: Observation) -> tuple[Measure, ...]:
    """Return the shares of 5 minutes in which some task waited for a processor, for a disk, for memory."""
    pressure = seen.data.get("pressure")
    found = []
    for name in ("cpu", "io", "memory"):
        shares = pressure.get(name) if isinstance(pressure, dict) else None
        read = numbers(shares, "some_avg300") if isinstance(shares, dict) else None
        if read:
            found.append(Measure(f"waited for {name}", read[0], "%"))
    return tuple(found)


CHECK = Check(
    title="Load is not too high for the processors",
    trouble="High load",
    gather="host_resources",
    since="0.1.0",
    why="If processes wait for a processor or a disk, the whole host is slow.",
    cannot_see=(
        "Short peaks: the load is a mean over 15 minutes. Which process causes the load. How "
        "much processor time other virtual machines take from this one."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "load per core": MeasureKind.STATE,
        "waited for cpu": MeasureKind.SHARE,
        "waited for io": MeasureKind.SHARE,
        "waited for memory": MeasureKind.SHARE,
    },
    source="proc_loadavg(5); node_exporter's mixin, NodeSystemSaturation 2; Checkmk CPU load (5, 10) per core",
    remedy="ps -eo stat,pcpu,pid,user,args --sort=-pcpu | head -20  # see what runs, and what waits (D)",
    absence=DECLARED,
)
