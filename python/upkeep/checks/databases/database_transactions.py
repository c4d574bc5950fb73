"""No transaction stays open for long.

An open transaction keeps vacuum from removing what was deleted since it began, and holds its locks. Checks how long
transactions have been open, and how long sessions do nothing in one.

Needs `pg_read_all_stats`, or `pg_monitor`: other accounts see only their own sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    OpenTransaction,
)
from upkeep.checks.databases._sessions import ending, told, who
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

IDLE = ("idle in transaction", "idle in transaction (aborted)")


@dataclass(frozen=True)
class Limits:
    """How long a transaction may be open.

    medium_minutes: from then on it fails, in minutes.
    high_minutes: from then on it fails, in minutes.
    medium_idle_minutes: for a session that does nothing in it, in minutes.
    high_idle_minutes: for a session that does nothing in it, in minutes.
    """

    medium_minutes: float = 30.0
    high_minutes: float = 120.0
    medium_idle_minutes: float = 2.0
    high_idle_minutes: float = 5.0


@of_topic("transactions")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the oldest transaction, and the one in which a session has done nothing for longest."""
    rows = seen.transactions or []
    oldest = max(rows, key=lambda one: one.seconds or 0.0, default=None)
    idlest = max(
        (one for one in rows if one.state in IDLE),
        key=lambda one: one.state_seconds or 0.0,
        default=None,
    )
    measures = (
        Measure("oldest", max(0.0, oldest.seconds or 0.0) if oldest else 0.0, "s"),
        Measure("idle", max(0.0, idlest.state_seconds or 0.0) if idlest else 0.0, "s"),
    )
    left, found = list(rows), []
    for severity, open_minutes, idle_minutes in (
        (Severity.HIGH, limits.high_minutes, limits.high_idle_minutes),
        (Severity.MEDIUM, limits.medium_minutes, limits.medium_idle_minutes),
    ):
        for seconds_of, say, minutes in (
            (_idle_seconds, _is_idle, idle_minutes),
            (_open_seconds, _is_open, open_minutes),
        ):
            bad = [one for one in left if seconds_of(one) >= minutes * 60]
            left = [one for one in left if one not in bad]
            bad.sort(key=seconds_of, reverse=True)
            if bad:
                found.append(
                    (severity, [(one, say(one)) for one in bad], f"at most {minutes:g} min")
                )
    if found:
        severity, worst, _limit = found[0]
        text = told(found, lambda one: one[1], apart=", ")
        return failed(severity, text, *measures, remedy=_end(seen.kind, worst[0][0]))
    said = f"the oldest for {duration(measures[0].value)}" if oldest else "none is open"
    return passed(
        f"{counted(len(rows), 'open transaction')}, {said}; at most {limits.medium_minutes:g} min, "
        f"{limits.medium_idle_minutes:g} min idle",
        *measures,
    )


def _open_seconds(one: OpenTransaction) -> float:
    return one.seconds or 0.0


def _idle_seconds(one: OpenTransaction) -> float:
    """Return since when it does nothing; less than any limit if it does something."""
    return one.state_seconds or 0.0 if one.state in IDLE else -1.0


def _is_open(one: OpenTransaction) -> str:
    return f"the transaction of {who(one)} has been open for {duration(_open_seconds(one))}"


def _is_idle(one: OpenTransaction) -> str:
    return f"{who(one)} has been idle in a transaction for {duration(_idle_seconds(one))}"


def _end(kind: str, one: OpenTransaction) -> str:
    """Return how to end the session; what was prepared before MariaDB's start has none."""
    if kind == "mariadb" and not one.pid:
        return look("mariadb -e 'XA RECOVER'", "decide: commit it or roll it back")
    return ending(kind, one.pid, "decide: end it; what it has not committed is undone")


CHECK = Check(
    title="No transaction stays open for long",
    trouble="Long transaction",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "An open transaction holds its locks, and vacuum cannot remove what was deleted since it "
        "began: tables grow, and queries become slower."
    ),
    cannot_see="What the transaction does: texts of statements hold data, so they are not read.",
    limits=Limits(),
    judge=judge,
    measures={"oldest": MeasureKind.STATE, "idle": MeasureKind.STATE},
    source="check_postgres: txn_time, txn_idle; our limits for those that work",
    remedy="decide: end the session, or let the application commit earlier",
    absence={"databases": gone()},
)
