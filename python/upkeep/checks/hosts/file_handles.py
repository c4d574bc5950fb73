"""Hosts keep file handles for new files and connections.

The kernel's own limit for the whole host (fs.file-max); limits of single processes are not seen here.
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
    """Open file handles from which a host fails.

    medium_percent: of fs.file-max, in percent.
    critical_percent: of fs.file-max, in percent.
    """

    medium_percent: float = 70.0
    critical_percent: float = 90.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of file handles that are open."""
    if seen.subject != "file handles":
        return None
    read = numbers(seen.data, "open", "limit")
    if read is None or read[1] == 0:
        return unknown("no number of file handles was given")
    used, most = read
    percent = 100 * used / most
    measures = (Measure("used", round(percent, 2), "%"), Measure("open", used))
    state = f"{percent:.1f} % of file handles open ({used:.0f})"
    for severity, limit in (
        (Severity.CRITICAL, limits.critical_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        if percent >= limit:
            return failed(severity, f"{state}; limit {limit:g} %", *measures)
    return passed(f"{state}; limit {limits.medium_percent:g} %", *measures)


CHECK = Check(
    title="System has free file handles",
    trouble="Shortage of file handles",
    gather="host_resources",
    since="0.1.0",
    why="At the kernel's limit no program can open a file or a connection any more.",
    cannot_see=(
        "The limits of single processes (LimitNOFILE, ulimit -n), which are often reached "
        "sooner. Peaks between two checks."
    ),
    limits=Limits(),
    judge=judge,
    measures={"used": MeasureKind.SHARE, "open": MeasureKind.STATE},
    source="proc_sys_fs(5), file-nr; node_exporter's mixin, NodeFileDescriptorLimit 70/90 %",
    remedy="lsof -n | awk '{print $1, $2}' | sort | uniq -c | sort -n | tail  # see who holds them",
    absence=DECLARED,
)
