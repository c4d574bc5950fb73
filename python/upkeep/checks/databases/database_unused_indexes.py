"""Indexes are used.

Each index is written with each row. Checks for those that guarantee nothing and that no query has used since the
statistics began.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engines._postgresql_tables import (
    AT_MOST,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    UnusedIndex,
    UnusedIndexes,
)
from upkeep.checks.databases._objects import DAY, MIB, Rows, name_of, psql, standby_verdict
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, size
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Status,
    Verdict,
    nothing_to_judge,
    unknown,
)


@dataclass(frozen=True)
class Limits:
    """When an index fails.

    min_days: the statistics must be as old as that, in days.
    low_mib: its size, in MiB.
    medium_mib: its size, in MiB.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_days: float = 30.0
    low_mib: float = 10.0
    medium_mib: float = 1024.0
    ignore: tuple[str, ...] = ()


@of_topic("unused_indexes")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the largest that were not used, if the statistics are old enough to say so."""
    if seen.in_recovery:
        return standby_verdict("who uses them, and each standby for itself")
    unused = seen.unused_indexes
    if unused is None:
        return nothing_to_judge("was not observed")
    if unused.seconds < 0 or unused.standbys < 0:
        return unknown("a number that cannot be was reported")
    days = unused.seconds / DAY
    if days < limits.min_days:
        return nothing_to_judge(
            f"its statistics are {days:.1f} days old, at least {limits.min_days:g} are needed"
        )
    rows = Rows(unused.indexes, _said, lambda one: _fix(seen, one), limits.ignore)
    told = f" for {days:.0f} days{_elsewhere(unused)}"
    levels = [
        (
            severity,
            lambda one, mib=mib: one.size_bytes >= mib * MIB,
            f"not used{told}; limit {mib:g} MiB",
        )
        for severity, mib in ((Severity.MEDIUM, limits.medium_mib), (Severity.LOW, limits.low_mib))
    ]
    total = sum(one.size_bytes for one in unused.indexes)
    said = f"no index of {limits.low_mib:g} MiB was not used{told}"
    verdict = rows.judged(said, *levels, measures=[Measure("unused", total, "By")])
    if verdict.status is Status.FAIL and unused.unheard:
        return _perhaps_used(unused, verdict)
    if verdict.status is Status.PASS and len(unused.indexes) + unused.used_there >= AT_MOST:
        return unknown(f"only the {AT_MOST} largest were looked at", *verdict.measures)
    return verdict


def _perhaps_used(unused: UnusedIndexes, verdict: Verdict) -> Verdict:
    """Return what is known while a standby has not said what it uses."""
    one = unused.unheard[0]
    more = f", and {len(unused.unheard) - 1} more" if len(unused.unheard) > 1 else ""
    text = f"the standby {short(one.address, 100)}{more} has not said what it uses: {short(one.why, 160)}"
    step = "decide: let the account in there, or correct `standbys`"
    return unknown(f"{text}; {verdict.message}", *verdict.measures, remedy=step)


def _elsewhere(unused: UnusedIndexes) -> str:
    asked = f", {counted(unused.asked, 'standby', 'standbys')} included" if unused.asked else ""
    left = unused.standbys - unused.asked - len(unused.unheard)
    return (
        f"{asked or ', here'}; {counted(left, 'standby', 'standbys')} not asked"
        if left > 0
        else asked
    )


def _said(one: UnusedIndex) -> str:
    return f"{name_of(one.name)} ({size(one.size_bytes)}) of {name_of(one.table)}"


def _fix(seen: DatabaseObjects, one: UnusedIndex) -> str:
    words = "decide: see first that no yearly task needs it"
    unused = seen.unused_indexes
    if unused is not None and unused.standbys > unused.asked:
        words = "decide: name each standby in `standbys` first, so that it is asked what it uses"
    how = "" if one.is_partitioned else "CONCURRENTLY "  # the server refuses it for those
    return psql(seen.subject, f"DROP INDEX {how}{one.name}", words)


CHECK = Check(
    title="Indexes are used",
    trouble="Unused index",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why="Each index makes writes slower, and takes memory and disk.",
    cannot_see=(
        "Queries of standbys that `standbys` does not name. Indexes that were made a short time "
        "ago. Those that help the planner by their statistics alone."
    ),
    limits=Limits(),
    judge=judge,
    measures={"unused": MeasureKind.STATE},
    source="pgHero: unused indexes; PostgreSQL, pg_stat_user_indexes",
    remedy="decide: drop those that nothing needs",
    absence={"databases": gone()},
)
