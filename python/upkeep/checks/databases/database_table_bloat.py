"""Tables have little room that nothing uses.

What was deleted leaves room that is read and kept in memory for nothing. Checks how much of a table is empty, by an
estimate: its size beside what its rows need by the widths that its statistics have.

The role of `explain_as` needs SELECT of the columns, for the server shows statistics only to those who may read the
rows; no row is read. Without it, those of 8 MiB or more are unknown; so they are until the table was analyzed. Under
row security, no right that should be given shows them: those are counted, and not judged.
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
    "table",
    "VACUUM (ANALYZE) {name}",
    "decide: its room is used again; VACUUM FULL makes it smaller, and locks it meanwhile",
)


@of_topic("table_bloat")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge those with the most room that nothing uses."""
    bloat = seen.table_bloat or Bloat()
    measure = Measure("wasted", wasted_bytes(bloat), "By")
    return judged(bloat, limits, seen, MENDING, measure)


CHECK = Check(
    title="Tables have little room that nothing uses",
    trouble="Table bloat",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why="Empty room is read with the rest: queries become slower, and memory and backups larger.",
    cannot_see=(
        "Its long values, which stand in a table of their own. Tables with row security: PostgreSQL shows their "
        "statistics only to whom no policy bars. What has changed since the last vacuum. The estimate may be off "
        "by some percent."
    ),
    limits=Limits(),
    judge=judge,
    measures={"wasted": MeasureKind.STATE},
    source="check_postgres: bloat; pgsql-bloat-estimation",
    remedy="decide: VACUUM it more often; pg_repack or VACUUM FULL makes it smaller",
    absence={"databases": gone()},
)
