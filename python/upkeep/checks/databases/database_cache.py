"""Databases find their pages in memory.

Checks the share of blocks that a database found in shared buffers, since its statistics were reset. A database that has
read little is not judged: each page is read once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    CacheCounts,
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import by_limit, told
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import size
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

GIB = 1024**3


@dataclass(frozen=True)
class Limits:
    """The share of blocks that must be found in shared buffers.

    low_percent: below it fails, in percent.
    medium_percent: below it fails, in percent.
    least_gib: a database that has read less than this since statistics were reset is not judged, in GiB.
    """

    low_percent: float = 99.0
    medium_percent: float = 90.0
    least_gib: float = 10.0


@of_topic("cache")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the database with the smallest share."""
    rows = seen.cache or []
    if any(min(one.hit, one.read, one.read_bytes) < 0 for one in rows):
        return unknown("a database has read an impossible number of blocks")
    judged = [one for one in rows if one.read_bytes >= limits.least_gib * GIB and one.read]
    if not judged:
        most = max((one.read_bytes for one in rows), default=0)
        return nothing_to_judge(
            f"no database has read more than {size(most)} from disk; judged from {limits.least_gib:g} GiB"
        )
    worst = min(judged, key=_percent)
    percent = _percent(worst)
    measure = Measure("hit", round(percent, 3), "%")
    levels = [
        (severity, _below(limit), f"at least {limit:g} %")
        for severity, limit in (
            (Severity.MEDIUM, limits.medium_percent),
            (Severity.LOW, limits.low_percent),
        )
    ]
    bad = by_limit(sorted(judged, key=_percent), levels)
    if bad:
        return failed(bad[0][0], told(bad, _said), measure)
    return passed(f"{_said(worst)}; at least {limits.low_percent:g} %", measure)


def _below(limit: float) -> Callable[[CacheCounts], bool]:
    return lambda one: _percent(one) < limit


def _said(one: CacheCounts) -> str:
    return (
        f"{short(one.name, 80)} found {_percent(one):.2f} % of its blocks in shared buffers and read "
        f"{size(one.read_bytes)}"
    )


def _percent(one: CacheCounts) -> float:
    return 100 * one.hit / (one.hit + one.read)


CHECK = Check(
    title="Databases find their pages in memory",
    trouble="Low cache hit rate",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="A page that is not in memory is read from disk, which takes a thousand times as long.",
    cannot_see=(
        "What the operating system has in its cache: such a block counts as read. What happened "
        "recently: the counters go back to when they were reset."
    ),
    limits=Limits(),
    judge=judge,
    measures={"hit": MeasureKind.SHARE},
    source="check_postgres: hitratio; pgHero: cache hit rate 99 %",
    remedy="decide: see which queries read most, then give it more shared_buffers or memory",
    absence={"databases": gone()},
)
