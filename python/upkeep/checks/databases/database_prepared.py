"""No prepared transaction is forgotten.

A transaction prepared for two-phase commit stays until somebody commits or rolls it back, even over a restart. It holds
its locks, and vacuum cannot remove what was deleted since it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PreparedTransaction,
)
from upkeep.checks.databases._sessions import by_limit, literal, psql, reaching, told
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed


@dataclass(frozen=True)
class Limits:
    """How long a transaction may be prepared.

    medium_minutes: from then on it fails, in minutes.
    high_minutes: from then on it fails, in minutes.
    """

    medium_minutes: float = 10.0
    high_minutes: float = 60.0


@of_topic("prepared")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the oldest prepared transaction."""
    rows = seen.prepared or []
    oldest = max(rows, key=lambda one: one.seconds or 0.0, default=None)
    seconds = max(0.0, oldest.seconds or 0.0) if oldest else 0.0
    measures = (Measure("prepared", len(rows)), Measure("oldest", seconds, "s"))
    grades = [
        (severity, minutes * 60, f"at most {minutes:g} min")
        for severity, minutes in (
            (Severity.HIGH, limits.high_minutes),
            (Severity.MEDIUM, limits.medium_minutes),
        )
    ]
    bad = by_limit(sorted(rows, key=_seconds, reverse=True), reaching(_seconds, grades))
    if oldest and bad:
        many = counted(len(rows), "transaction is", "transactions are")
        text = f"{told(bad, _said, apart=', ')}; {many} prepared"
        words = "decide: COMMIT PREPARED or ROLLBACK PREPARED, as its coordinator decided"
        # Without its name, which may be more than a name, the administrator has to look for it.
        statement = (
            f"ROLLBACK PREPARED {literal(oldest.gid)}"
            if oldest.gid
            else "select gid, prepared, owner from pg_prepared_xacts order by prepared"
        )
        return failed(
            bad[0][0], text, *measures, remedy=psql(words, statement, database=oldest.database)
        )
    said = f", the oldest for {duration(seconds)}" if oldest else ""
    many = counted(len(rows), "prepared transaction")
    return passed(f"{many}{said}; at most {limits.medium_minutes:g} min", *measures)


def _seconds(one: PreparedTransaction) -> float:
    return max(0.0, one.seconds or 0.0)


def _said(one: PreparedTransaction) -> str:
    return (
        f"{short(one.gid, 80) or 'a transaction'} of {short(one.account or 'an account', 60)} in "
        f"{short(one.database or 'a database', 60)} has been prepared for {duration(_seconds(one))}"
    )


CHECK = Check(
    title="No prepared transaction is forgotten",
    trouble="Forgotten prepared transaction",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "A prepared transaction holds its locks until somebody ends it, even over a restart, and "
        "vacuum cannot remove what was deleted since it began."
    ),
    cannot_see="Whether its coordinator will still end it.",
    limits=Limits(),
    judge=judge,
    measures={"prepared": MeasureKind.STATE, "oldest": MeasureKind.STATE},
    source="check_postgres: prepared_txns; PostgreSQL, PREPARE TRANSACTION; our limits",
    remedy="decide: commit it or roll it back, and see why its coordinator did not",
    absence={"databases": gone()},
)
