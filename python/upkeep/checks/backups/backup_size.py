"""The newest backup is about as big as those before it.

A dump that suddenly shrinks has lost something; one that suddenly grows has taken in something. Compared with the
median of up to 14 backups before it. Repositories (restic) have no size of a snapshot: there is no result for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupSeen,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import size_text
from upkeep.model.remedies import after
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
    """How far the size may be from the median.

    at_least_percent: of the median.
    at_most_percent: of the median.
    compare_at_least: earlier backups that it takes to compare.
    """

    at_least_percent: float = 50.0
    at_most_percent: float = 300.0
    compare_at_least: int = 3


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge the newest size against the trailing median."""
    if seen.newest is None:
        return unknown("there is no backup to compare", remedy=after("backup_fresh"))
    if seen.newest.bytes is None:
        return None  # a repository: snapshots have no size of their own
    size, earlier = seen.newest.bytes, seen.earlier_bytes
    measure = Measure("size", size, "By")
    if not size:
        return failed(Severity.CRITICAL, f"{seen.newest.path} is empty", measure)
    if len(earlier) < limits.compare_at_least:
        text = f"{size_text(size)}; {len(earlier)} earlier backups, {limits.compare_at_least} to compare"
        return nothing_to_judge(text, measure)
    usual = median(earlier)
    if not usual:
        return nothing_to_judge(f"{size_text(size)}; the earlier backups are empty", measure)
    percent = 100 * size / usual
    text = (
        f"{size_text(size)}, {percent:.0f} % of the median of the {len(earlier)} backups before it"
    )
    if percent < limits.at_least_percent:
        return failed(Severity.HIGH, f"{text}, at least {limits.at_least_percent:g} %", measure)
    if percent > limits.at_most_percent:
        return failed(Severity.LOW, f"{text}, at most {limits.at_most_percent:g} %", measure)
    return passed(text, measure)


CHECK = Check(
    title="Newest backup has its usual size",
    trouble="Unusual backup size",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={"sets": [{"name": "shop database", "paths": ["/backup/shop-*.dump"], "rpo_hours": 24}]},
    why=(
        "A dump that suddenly shrinks has lost data, even if the program that wrote it "
        "reported no error."
    ),
    cannot_see=(
        "Whether the content is correct. A slow change, if each backup is about as large as "
        "the ones before it. Snapshots of a repository, because they have no size of their own."
    ),
    limits=Limits(),
    judge=judge,
    measures={"size": MeasureKind.STATE},
    source="Barman, last_backup_minimum_size; borgmatic, spot check",
    remedy="decide: make a new backup, if the newest one lacks what the one before it has",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
