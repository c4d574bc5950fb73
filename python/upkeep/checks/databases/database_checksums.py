"""No page of a database was read with a wrong checksum.

A wrong checksum says that the disk, or what is between it and the server, has changed data. Checks the server's own
count per database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ChecksumState,
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import listed
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)


@dataclass(frozen=True)
class Limits:
    """There are no limits: one is too many."""


@of_topic("checksums")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the count of each database."""
    state = seen.checksums or ChecksumState(False)
    rows = [one for one in state.databases if one.failures != 0]
    measure = Measure("failures", sum(max(0, one.failures) for one in rows))
    if rows:
        worst = max(rows, key=lambda one: one.failures)
        name = short(worst.name, 80) if worst.name else "what all databases share"
        ago = "" if worst.seconds is None else f", the last {duration(max(0.0, worst.seconds))} ago"
        others = [
            short(one.name, 80) or "what all databases share" for one in rows if one is not worst
        ]
        more = f"; more of {listed(others)}" if others else ""
        text = f"{counted(worst.failures, 'page')} of {name} had a wrong checksum{ago}{more}; expected none"
        return failed(Severity.CRITICAL, text, measure)
    if not state.enabled:
        return nothing_to_judge("data_checksums is off", measure)
    return passed("no page with a wrong checksum was read; expected none", measure)


CHECK = Check(
    title="No page of a database was read with a wrong checksum",
    trouble="Damaged database pages",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why="The disk has changed data: what the page held is lost, and more will be.",
    cannot_see=(
        "Pages that nobody has read since they were damaged. Failures from before statistics were reset."
    ),
    limits=Limits(),
    judge=judge,
    measures={"failures": MeasureKind.COUNTER},
    source="PostgreSQL, pg_stat_database, checksum_failures",
    remedy=(
        "decide: copy the whole data folder first, then see in the server's log which file it is, test disk and "
        "memory, and restore from a backup of before"
    ),
    controls=("45 CFR 164.312(c)(1)",),
    absence={"databases": gone()},
)
