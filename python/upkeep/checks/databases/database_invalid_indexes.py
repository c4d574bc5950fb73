"""No index is invalid.

An index that CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY did not complete is used by no query. Checks for those
that are invalid while nothing builds them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    InvalidIndex,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict

LEFT_OVER = re.compile(r'_cc(new|old)\d*"?$')


@dataclass(frozen=True)
class Limits:
    """Which may be invalid.

    ignore: shell patterns of names that may be so, such as `public.old_*`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("invalid_indexes")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge the indexes that are invalid and not being built."""
    found = seen.invalid_indexes or []
    rows = Rows(found, _said, lambda one: _mended(seen.subject, one), limits.ignore)
    count = [Measure("invalid", len(found))]
    return rows.judged(
        "0 indexes are invalid, at most 0",
        (Severity.MEDIUM, lambda one: True, "at most 0"),
        measures=count,
    )


def _said(one: InvalidIndex) -> str:
    kept = " and is written all the same" if one.is_ready else ""
    return f"{name_of(one.name)} ({size(one.size_bytes)}) of {name_of(one.table)} is invalid{kept}"


def _mended(subject: str, one: InvalidIndex) -> str:
    if one.is_partitioned:
        return "decide: create the indexes that its partitions lack, and attach them"
    if LEFT_OVER.search(one.name):
        words = "decide: a REINDEX that was stopped has left it"
        return psql(subject, f"DROP INDEX CONCURRENTLY {one.name}", words)
    words = "decide: or drop it; for a unique one, see first that no value is there twice"
    return psql(subject, f"REINDEX INDEX CONCURRENTLY {one.name}", words)


CHECK = Check(
    title="No index is invalid",
    trouble="Invalid index",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "Queries do not use an invalid index, and a unique one guarantees nothing; writes may "
        "still keep it."
    ),
    cannot_see="Indexes whose entries are wrong: amcheck sees those.",
    limits=Limits(),
    judge=judge,
    measures={"invalid": MeasureKind.STATE},
    source="PostgreSQL, CREATE INDEX: Building Indexes Concurrently",
    remedy="decide: REINDEX INDEX CONCURRENTLY or drop them",
    absence={"databases": gone()},
)
