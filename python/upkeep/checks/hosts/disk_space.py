"""File systems keep room for what is written to them.

Used is what df shows: without the blocks reserved for root. A percentage alone would trouble big disks and an amount
alone small ones, so a file system fails where both limits are passed. One that is mounted read-only is not judged.
A mount point that the site declares, or that /etc/fstab has mounted at each start, fails if nothing is mounted on it:
what is written there fills another disk. With the option nofail it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import numbers, short, size_text
from upkeep.model.remedies import about
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

GIB = 1024**3


@dataclass(frozen=True)
class Limits:
    """A file system fails with a severity if it is used to the percentage and has less available than the GiB.

    medium_percent: used, in percent.
    medium_gib: available, in GiB.
    high_percent: used, in percent.
    high_gib: available, in GiB.
    critical_percent: used, in percent.
    critical_gib: available, in GiB.
    """

    medium_percent: float = 80.0
    medium_gib: float = 100.0
    high_percent: float = 90.0
    high_gib: float = 50.0
    critical_percent: float = 97.0
    critical_gib: float = 10.0


def judge(seen: Observation, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the share of space that is used."""
    if seen.data.get("seen_as_another") is True:
        return None
    if seen.data.get("mounted") is False:
        return _missing(seen)
    if seen.data.get("read_only") is True and seen.data.get("lost_writes") is not True:
        return None
    read = numbers(seen.data, "size_bytes", "free_bytes", "available_bytes")
    if read is None:
        return unknown("no sizes were given")
    size, free, available = read
    used = size - free
    if used + available <= 0:
        return None  # no blocks at all: an interface, not a disk
    percent = 100 * used / (used + available)
    measures = (Measure("used", round(percent, 2), "%"), Measure("available", available, "By"))
    state = f"{percent:.1f} % used, {size_text(available)} available"
    for severity, percent_limit, gib_limit in (
        (Severity.CRITICAL, limits.critical_percent, limits.critical_gib),
        (Severity.HIGH, limits.high_percent, limits.high_gib),
        (Severity.MEDIUM, limits.medium_percent, limits.medium_gib),
    ):
        if percent >= percent_limit and available < gib_limit * GIB:
            limit = f"limit {percent_limit:g} % with less than {gib_limit:g} GiB"
            return failed(severity, f"{state}; {limit}", *measures)
    limit = f"limit {limits.medium_percent:g} %"
    if percent >= limits.medium_percent:  # passes by what is available: say so
        limit += f" with less than {limits.medium_gib:g} GiB"
    return passed(f"{state}; {limit}", *measures)


def _missing(seen: Observation) -> Verdict:
    """Judge that nothing is mounted where something should be."""
    remedy = about(
        "mount {subject}; findmnt --verify  # mount it; it should be there", seen.subject
    )
    fstab = seen.data.get("by")
    if fstab is None:
        text = "declared in the site, but nothing is mounted there"
        return failed(Severity.CRITICAL, text, remedy=remedy)
    text = f"{short(fstab, 60)} mounts it at every boot, but nothing is mounted there"
    if seen.data.get("nofail") is True:
        return unknown(f"{text} (nofail: it may be missing)", remedy=remedy)
    return failed(Severity.HIGH, text, remedy=remedy)


CHECK = Check(
    title="File systems have free space",
    trouble="Low disk space",
    gather="file_systems",
    since="0.1.0",
    why="When a disk is full, databases stop, logs are lost and logins fail.",
    cannot_see=(
        "Peaks between two checks, and quotas. How full a pool below the file system is, such "
        "as a thin pool. File systems that are mounted read-only."
    ),
    limits=Limits(),
    judge=judge,
    measures={"used": MeasureKind.SHARE, "available": MeasureKind.STATE},
    source="df(1); Checkmk filesystem levels (80, 90) %; node_exporter's mixin, NodeFilesystemAlmostOutOfSpace",
    remedy="du -xh --max-depth=3 {subject} | sort -h | tail -20  # see what grows; then decide what to remove",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence={"file systems": gone("is not mounted any more")},
)
