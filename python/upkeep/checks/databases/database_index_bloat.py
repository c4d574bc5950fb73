"""Indexes have little room that nothing uses.

What was deleted leaves room that is read and kept in memory for nothing. Checks how much of an index is empty, by
an estimate: its size beside what its rows need by the widths that its statistics have.

The role of `explain_as` needs SELECT of the columns, for the server shows statistics only to those who may read the
rows; no row is read. Without it, those of 8 MiB or more are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    BloatedIndex,
    DatabaseObjects,
)
from upkeep.checks.databases._objects import MIB, Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """How much of an index may be empty: both limits must be reached.

    min_percent: of its size, in percent.
    medium_mib: in MiB.
    high_mib: in MiB.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_percent: float = 40.0
    medium_mib: float = 100.0
    high_mib: float = 10_240.0
    ignore: tuple[str, ...] = ()


@of_topic("index_bloat")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge those with the most room that nothing uses."""
    found = seen.index_bloat or []
    rows = Rows(found, _said, lambda one: _fix(seen.subject, one), limits.ignore)
    levels = [
        (severity, lambda one, mib=mib: _is_bad(one, limits, mib), _limit(limits, mib))
        for severity, mib in (
            (Severity.HIGH, limits.high_mib),
            (Severity.MEDIUM, limits.medium_mib),
        )
    ]
    worst = max((one.wasted_bytes for one in found), default=0)
    said = f"no index wastes as much; {_limit(limits, limits.medium_mib)}"
    return rows.judged(said, *levels, measures=[Measure("wasted", worst, "By")])


def _is_bad(one: BloatedIndex, limits: Limits, mib: float) -> bool:
    share = 100 * one.wasted_bytes / max(1, one.size_bytes)
    return one.wasted_bytes >= mib * MIB and share >= limits.min_percent


def _limit(limits: Limits, mib: float) -> str:
    return f"limit {size(mib * MIB)} and {limits.min_percent:g} %"


def _said(one: BloatedIndex) -> str:
    share = 100 * one.wasted_bytes / max(1, one.size_bytes)
    return (
        f"{name_of(one.name)} has about {size(one.wasted_bytes)} of {size(one.size_bytes)} "
        f"({share:.0f} %) empty"
    )


def _fix(subject: str, one: BloatedIndex) -> str:
    words = "decide: it needs as much space again, and waits for older transactions"
    return psql(subject, f"REINDEX INDEX CONCURRENTLY {one.name}", words)


CHECK = Check(
    title="Indexes have little room that nothing uses",
    trouble="Index bloat",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "A swollen index is read with its empty room: it takes more of the memory, and scans become slower."
    ),
    cannot_see=(
        "Indexes other than B-trees. What has changed since the last vacuum. The estimate may be "
        "off by some percent."
    ),
    limits=Limits(),
    judge=judge,
    measures={"wasted": MeasureKind.STATE},
    source="check_postgres: bloat; pgsql-bloat-estimation",
    remedy="decide: REINDEX INDEX CONCURRENTLY it when there is little load",
    absence={"databases": gone()},
)
