"""Large tables are not read as a whole again and again.

A query that finds no index reads all rows. Checks for large tables that are read so often, and by an index seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    WholeReads,
)
from upkeep.checks.databases._objects import MIB, Rows, name_of
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import counted, size, thousands
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """When a table fails: all must be reached.

    min_rows: rows that it has.
    min_mib: its size, in MiB.
    min_scans: times that it was read as a whole since the statistics began.
    min_rows_per_scan: rows that were read each time, on average.
    min_percent: of all its reads, in percent.
    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    min_rows: int = 10_000
    min_mib: float = 10.0
    min_scans: int = 1000
    min_rows_per_scan: int = 10_000
    min_percent: float = 5.0
    ignore: tuple[str, ...] = ()


@of_topic("missing_indexes")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the tables of which the most rows were read so."""
    found = seen.missing_indexes or []
    rows = Rows(found, _said, _mended, limits.ignore)
    limit = (
        f"limit {limits.min_scans} times, {limits.min_rows_per_scan} rows each, "
        f"{limits.min_percent:g} % of its reads"
    )
    worst = max((one.rows_read for one in found), default=0)
    return rows.judged(
        f"no large table is often read as a whole; {limit}",
        (Severity.LOW, lambda one: _is_bad(one, limits), limit),
        measures=[Measure("read", worst)],
    )


def _is_bad(one: WholeReads, limits: Limits) -> bool:
    return (
        one.live_rows >= limits.min_rows
        and one.size_bytes >= limits.min_mib * MIB
        and one.scans >= max(1, limits.min_scans)
        and one.rows_read / one.scans >= limits.min_rows_per_scan
        and 100 * one.scans / (one.scans + one.index_scans) >= limits.min_percent
    )


def _said(one: WholeReads) -> str:
    share = 100 * one.scans / max(1, one.scans + one.index_scans)
    return (
        f"{name_of(one.name)} ({size(one.size_bytes)}) was read as a whole {counted(one.scans, 'time')}, "
        f"{share:.0f} % of its reads, {thousands(round(one.rows_read / max(1, one.scans)))} rows each"
    )


def _mended(one: WholeReads) -> str:
    return "decide: see which queries read it so, and index what they look for; a report may well read all"


CHECK = Check(
    title="Large tables are not read as a whole again and again",
    trouble="Missing index",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "A query that reads a whole table becomes slower with each row, and pushes others out of "
        "memory."
    ),
    cannot_see=(
        "Which queries they are. Reads of standbys, which count for themselves. Slow queries of "
        "small tables."
    ),
    limits=Limits(),
    judge=judge,
    measures={"read": MeasureKind.COUNTER},
    source="pgHero: missing indexes; PostgreSQL, pg_stat_user_tables",
    remedy="decide: index what its queries look for",
    absence={"databases": gone()},
)
