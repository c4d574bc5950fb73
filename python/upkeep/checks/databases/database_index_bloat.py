"""Indexes have little room that nothing uses.

What was deleted leaves room that is read and kept in memory for nothing. Checks how much of an index is empty, by
an estimate: its size beside what its rows need by the widths that its statistics have.

The role of `explain_as` needs SELECT of the columns, for the server shows statistics only to those who may read the
rows; no row is read. Without it, those of 8 MiB or more are unknown; so they are until the table was analyzed. Of an
expression, and under row security, no right that should be given shows them: those are counted, and not judged.
"""

from __future__ import annotations

from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    Bloat,
    DatabaseObjects,
)
from upkeep.checks.databases._bloat import Limits, Mending, judged, wasted_bytes
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.verdicts import Measure, MeasureKind, Verdict

MENDING = Mending(
    "index",
    "REINDEX INDEX CONCURRENTLY {name}",
    "decide: it needs as much space again, and waits for older transactions",
)


@of_topic("index_bloat")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge those with the most room that nothing uses."""
    bloat = seen.index_bloat or Bloat()
    measure = Measure("wasted", wasted_bytes(bloat), "By")
    return judged(bloat, limits, seen, MENDING, measure)


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
        "Indexes other than B-trees. Indexes on an expression, unless the account owns them, and those of "
        "tables with row security: PostgreSQL shows nobody else their statistics. What has changed since the "
        "last vacuum. The estimate may be off by some percent."
    ),
    limits=Limits(),
    judge=judge,
    measures={"wasted": MeasureKind.STATE},
    source="check_postgres: bloat; pgsql-bloat-estimation",
    remedy="decide: REINDEX INDEX CONCURRENTLY it when there is little load",
    absence={"databases": gone()},
)
