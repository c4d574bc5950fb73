"""Tables hold little free room inside.

What was deleted from a table of MariaDB leaves room in its file, which only that table uses again. Checks how much
of a table's file is free, from a size on at which it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    FragmentedTable,
)
from upkeep.checks.databases._sessions import MIB, backticked, ignored, listed, mariadb
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Free room from which a table fails, if it has come to both.

    low_percent: of the table's file, in percent.
    low_mib: free room, in MiB.
    ignore: patterns of tables that are not judged, such as `shop.log_*`.
    """

    low_percent: float = 40.0
    low_mib: float = 256.0
    ignore: tuple[str, ...] = ()


@of_topic("fragmented_tables")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the table with the most room inside."""
    rows = [one for one in seen.fragmented_tables or () if not ignored(one.name, limits.ignore)]
    if any(one.free_bytes < 0 or one.size_bytes < 0 for one in rows):
        return unknown("a table is smaller than nothing")
    most = max((one.free_bytes for one in rows), default=0)
    measure = Measure("free", most, "By")
    bad = [
        one
        for one in sorted(rows, key=lambda one: -one.free_bytes)
        if one.free_bytes >= limits.low_mib * MIB and _percent(one) >= limits.low_percent
    ]
    limit = f"limit {limits.low_percent:g} % and {limits.low_mib:g} MiB"
    if not bad:
        return passed(f"at most {size(most)} of a table are free inside; {limit}", measure)
    said = [
        f"{short(one.name, 80)} ({short(one.engine, 20)}) has {size(one.free_bytes)} free inside, "
        f"{_percent(one):.0f} % of its file"
        for one in bad
    ]
    text = f"{listed(said)}; {limit}"
    return failed(Severity.LOW, text, measure, remedy=_rewrite(bad[0]))


def _percent(one: FragmentedTable) -> float:
    return 100 * one.free_bytes / max(1, one.free_bytes + one.size_bytes)


def _rewrite(one: FragmentedTable) -> str:
    table = backticked(one.name)
    words = (
        f"decide: it writes the table anew and needs {size(2 * one.size_bytes)} free on the disk"
    )
    return mariadb(words, f"OPTIMIZE TABLE {table}") if table else words


CHECK = Check(
    title="Tables hold little free room inside",
    trouble="Fragmented table",
    why="Room inside of a table's file fills the disk, is read by scans, and is kept in memory.",
    cannot_see="Tables in the shared table space. Pages that are only half full.",
    measures={"free": MeasureKind.STATE},
    source="MySQLTuner: fragmented tables; information_schema.tables, data_free; our limits",
    remedy="decide: write the table anew by OPTIMIZE TABLE in a maintenance window",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
