"""File systems keep inodes for new files.

A file system without inodes left refuses every new file while df shows space. Those that have no fixed number of
inodes (btrfs, vfat) and those mounted read-only are not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import numbers
from upkeep.model.remedies import about
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Used inodes from which a file system fails.

    medium_percent: of all inodes, in percent.
    high_percent: of all inodes, in percent.
    critical_percent: of all inodes, in percent.
    """

    medium_percent: float = 90.0
    high_percent: float = 95.0
    critical_percent: float = 99.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of inodes that is used."""
    if seen.data.get("mounted") is False:
        return unknown(
            "nothing is mounted there",
            remedy=about("mount {subject}  # mount it; it should be there", seen.subject),
        )
    if seen.data.get("seen_as_another") is True or seen.data.get("read_only") is True:
        return None
    read = numbers(seen.data, "inodes", "inodes_free")
    if read is None:
        return unknown("no number of inodes was given")
    inodes, free = read
    if inodes <= 0:
        return None
    percent = 100 * (inodes - free) / inodes
    measure = Measure("inodes used", round(percent, 2), "%")
    state = f"{percent:.1f} % of inodes used, {free:.0f} left"
    for severity, limit in (
        (Severity.CRITICAL, limits.critical_percent),
        (Severity.HIGH, limits.high_percent),
        (Severity.MEDIUM, limits.medium_percent),
    ):
        if percent >= limit:
            return failed(severity, f"{state}; limit {limit:g} %", measure)
    return passed(f"{state}; limit {limits.medium_percent:g} %", measure)


CHECK = Check(
    title="File systems have free inodes",
    trouble="Shortage of inodes",
    gather="file_systems",
    since="0.1.0",
    why="A file system without free inodes refuses new files, although df shows free space.",
    cannot_see=(
        "Peaks between two checks, and quotas. File systems that have no fixed number of inodes "
        "(btrfs, vfat) or are mounted read-only."
    ),
    limits=Limits(),
    judge=judge,
    measures={"inodes used": MeasureKind.SHARE},
    source="Checkmk filesystem inode levels (10, 5) % free; node_exporter's mixin, NodeFilesystemAlmostOutOfFiles",
    remedy="du -x --inodes {subject} | sort -n | tail -20  # see where the most files are",
    absence={"file systems": gone("is not mounted any more")},
)
