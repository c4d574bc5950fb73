"""Who connects gets in.

Attempts to connect that fail are wrong passwords, clients that give up, or somebody who guesses. Checks their share
since MariaDB's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    ConnectionAttempts,
    DatabaseActivity,
)
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look
from upkeep.model.text import age
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """Failed attempts from which a server fails, if it has come to both.

    medium_percent: of all attempts, in percent.
    least_failures: how many.
    """

    medium_percent: float = 3.0
    least_failures: int = 50


@of_topic("connection_attempts")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the share of attempts that failed, if there were many."""
    counts = seen.connection_attempts or ConnectionAttempts(0, 0, 0)
    read = readings.counted(counts.failed, counts.attempts)
    if read is None:
        return unknown("the server counts less than no attempts")
    failures, attempts = read
    percent = 100 * failures / max(1.0, failures, attempts)
    measures = (Measure("failed", failures), Measure("share", round(percent, 3), "%"))
    text = f"{failures:.0f} of {attempts:.0f} attempts to connect failed ({percent:.1f} %)"
    text = f"{text} in {age(max(0, counts.seconds))}"
    limit = f"limit {limits.medium_percent:g} % and {limits.least_failures} failures"
    if failures >= limits.least_failures and percent >= limits.medium_percent:
        return failed(Severity.MEDIUM, f"{text}; {limit}", *measures)
    return passed(f"{text}; {limit}", *measures)


CHECK = Check(
    title="Who connects gets in",
    trouble="Failed connections",
    why="Failed attempts are wrong passwords, an application that gives up, or somebody who guesses.",
    cannot_see="Who failed: the server's log has that. What was long ago counts as much as what is new.",
    measures={"failed": MeasureKind.COUNTER, "share": MeasureKind.SHARE},
    source="MySQLTuner: aborted connections < 3 %; MariaDB, Aborted_connects",
    remedy=look(
        "journalctl --no-pager --since -1d -u mariadb | grep -i denied | tail -n 20",
        "see who was refused; with log_warnings of 2 or more it is logged",
    ),
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
