"""InnoDB removes what nobody needs any more.

What a change leaves of the old row is kept for open transactions, then purged. If purge does not keep up, tables grow
and reads become slower. Checks how many transactions wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    PurgeState,
)
from upkeep.checks.databases._sessions import graded
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look
from upkeep.model.text import counted
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown

SEE = look(
    "mariadb -e 'select trx_mysql_thread_id, trx_started from information_schema.innodb_trx order by 2 limit 5'",
    "end transactions that stay open; else raise innodb_purge_threads",
)


@dataclass(frozen=True)
class Limits:
    """The length of the history from which a server fails.

    medium_transactions: how many.
    high_transactions: how many.
    """

    medium_transactions: int = 1_000_000
    high_transactions: int = 10_000_000


@of_topic("purge")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the length of InnoDB's history."""
    history = (seen.purge or PurgeState(0)).history
    if history < 0:
        return unknown("the server counts less than no transactions")
    measure = Measure("history", history)
    text = f"changes of {counted(history, 'transaction')} are not purged"
    grade = graded(
        history,
        (
            (Severity.HIGH, limits.high_transactions),
            (Severity.MEDIUM, limits.medium_transactions),
        ),
    )
    if grade:
        severity, limit = grade
        return failed(severity, f"{text}; limit {limit:.0f}", measure, remedy=SEE)
    return passed(f"{text}; limit {limits.medium_transactions}", measure)


CHECK = Check(
    title="InnoDB purges what was changed",
    trouble="Long history of InnoDB",
    why="Old rows that are not purged fill the disk, and each read has to step over them.",
    cannot_see="Which table they are of.",
    measures={"history": MeasureKind.STATE},
    source="MariaDB, InnoDB Purge, Innodb_history_list_length; Percona's limit of 1 million",
    remedy="decide: end transactions that stay open; else raise innodb_purge_threads",
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
