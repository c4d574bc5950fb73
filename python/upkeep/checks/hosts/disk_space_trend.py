"""File systems do not fill up within the next weeks.

Compares how much was available in each run of the last 30 days: takes the median of the slopes between all pairs
of them (Theil and Sen): a file that comes and goes, or a night's backup, does not move it. Only a file system that was
seen often enough, over long enough, is judged; one that is mounted read-only is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import median

from ansible_collections.astral.upkeep.plugins.module_utils.host.results import Observation
from upkeep.judging.check import Check, History, PastMoment, gone
from upkeep.judging.readings import numbers, size_text
from upkeep.model.text import counted
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

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Limits:
    """When a file system fails, by the days that are left until it is full.

    medium_days: this many days or fewer.
    high_days: this many days or fewer.
    min_looks: earlier checks below which nothing is judged.
    min_days: days between the first look and now below which nothing is judged.
    """

    medium_days: float = 14.0
    high_days: float = 3.0
    min_looks: int = 6
    min_days: float = 3.0


def judge(
    seen: Observation, limits: Limits, now: datetime, history: Sequence[PastMoment]
) -> Verdict | None:
    """Judge how many days are left at the pace of the last weeks."""
    if seen.data.get("mounted") is False or seen.data.get("seen_as_another") is True:
        return None  # disk_space says what is wrong
    if seen.data.get("read_only") is True:
        return None
    left = _available(seen)
    if left is None:
        return unknown("no sizes were given")
    known = [(one.at, was) for one in history if (was := _available(one.seen)) is not None]
    days = (now - known[0][0]).total_seconds() / DAY_SECONDS if known else 0.0
    looks = f"{counted(len(known), 'earlier check')} in {days:.1f} days"
    if len(known) < limits.min_looks or days < limits.min_days:
        least = f"at least {limits.min_looks} in {limits.min_days:g} days"
        return nothing_to_judge(f"{looks}, {least}: too few for a trend")
    pace = _pace([*known, (now, left)])
    if pace >= 0:
        return passed(f"does not fill up: {size_text(left)} available, based on {looks}")
    days_left = left / -pace
    measure = Measure("days_left", round(days_left, 2), "d")
    state = f"full in {days_left:.1f} days at {size_text(-pace)} a day, based on {looks}"
    for severity, limit in (
        (Severity.HIGH, limits.high_days),
        (Severity.MEDIUM, limits.medium_days),
    ):
        if days_left <= limit:
            return failed(severity, f"{state}; limit {limit:g} days", measure)
    return passed(f"{state}; limit {limits.medium_days:g} days", measure)


def _available(seen: Observation) -> float | None:
    """Return how many bytes are available; None if the host did not say."""
    read = numbers(seen.data, "available_bytes")
    return read[0] if read else None


def _pace(points: Sequence[tuple[datetime, float]]) -> float:
    """Return the median of the slopes between all pairs of looks, in bytes a day; negative while it fills."""
    slopes = [
        (there - here) / seconds * DAY_SECONDS
        for (begin, here), (end, there) in combinations(points, 2)
        if (seconds := (end - begin).total_seconds()) > 0
    ]
    return median(slopes) if slopes else 0.0


CHECK = Check(
    title="File systems will not fill up soon",
    trouble="File system filling up",
    gather="file_systems",
    since="0.1.0",
    why=(
        "A disk that will be full in a week can be cleaned up in working hours; a disk that is "
        "full at night cannot."
    ),
    cannot_see=(
        "Growth that fills the disk between two checks, and growth in steps that are months "
        "apart. A change of pace: the pace is the median of 30 days. File systems that have "
        "been checked for a few days only."
    ),
    limits=Limits(),
    judge=judge,
    history=History(days=30, at_most=60),
    measures={"days_left": MeasureKind.STATE},
    source="Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968); Prometheus' predict_linear; "
    "node_exporter's mixin, NodeFilesystemSpaceFillingUp",
    remedy="du -xh --max-depth=3 {subject} | sort -h | tail -20  # see what grows; then decide what to remove",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence={"file systems": gone("is not mounted any more")},
)
