"""Nobody waits for a lock for long.

A session that waits for a lock blocks those who come after it, so one forgotten transaction can stop an application.
Checks who has waited for longest, and names the session at the root: the one that blocks and does not wait itself.

On PostgreSQL 13, it needs `pg_read_all_stats`, or `pg_monitor`; later versions show lock waits to each account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    LockWait,
    LockWaits,
)
from upkeep.checks.databases._sessions import ending, graded, who
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.remedies import after, look
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

PREPARED_OF_MARIADB = look("mariadb -e 'XA RECOVER'", "decide: commit it or roll it back")
SHOW_HOLDERS = look(
    "mariadb -e 'SHOW PROCESSLIST'",
    'decide: it may be one that sleeps; INSTALL SONAME "metadata_lock_info" lets the next check name it, but waits too'
    " while all tables are locked",
)
PREPARED = 0
"""Stands for a prepared transaction, which has no session."""


@dataclass(frozen=True)
class Limits:
    """How long a session may wait for a lock.

    medium_minutes: from then on it fails, in minutes.
    high_minutes: from then on it fails, in minutes.
    """

    medium_minutes: float = 1.0
    high_minutes: float = 2.0


@of_topic("locks")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the session that has waited for longest."""
    waits = seen.locks or LockWaits(0)
    longest = max(waits.waiters, key=lambda one: one.seconds or 0.0, default=None)
    seconds = max(0.0, longest.seconds or 0.0) if longest else 0.0
    measures = (Measure("waiting", waits.waiting), Measure("longest", seconds, "s"))
    grade = graded(
        seconds,
        (
            (Severity.HIGH, limits.high_minutes * 60),
            (Severity.MEDIUM, limits.medium_minutes * 60),
        ),
    )
    if longest and grade:
        severity, limit = grade
        root, behind = _root(waits, longest)
        text = (
            f"{who(longest)} has waited for {duration(seconds)}, at most {limit / 60:g} min, for "
            f"{short(longest.wants or 'a lock', 120)}; {_rooted(waits, root, behind)}"
        )
        elsewhere = _elsewhere(waits, root, limits.medium_minutes * 60)
        if elsewhere:
            text = f"{text}; and {counted(elsewhere, 'more session waits', 'more sessions wait')} too long elsewhere"
        if root is None and not waits.holders_seen and not longest.blocked_by:
            text = f"{text}; who holds it is not visible without the plugin metadata_lock_info"
            return failed(severity, text, *measures, remedy=SHOW_HOLDERS)
        return failed(severity, text, *measures, remedy=_end(seen.kind, root))
    said = f"{counted(waits.waiting, 'session waits', 'sessions wait')} for a lock"
    said = f"{said}, the longest for {duration(seconds)}" if longest else said
    return passed(f"{said}; at most {limits.medium_minutes:g} min", *measures)


def behind_each(waits: LockWaits) -> dict[int, set[int]]:
    """Return by root, which blocks and does not wait itself, all who wait behind it."""
    blockers = {one.pid: set(one.blocked_by) for one in waits.waiters}
    behind: dict[int, set[int]] = {}
    for waiter in blockers:
        reached, ahead = {waiter}, [waiter]
        while ahead:
            for blocker in blockers.get(ahead.pop(), set()) - reached:
                reached.add(blocker)
                ahead.append(blocker)
        for root in reached - blockers.keys():
            behind.setdefault(root, set()).add(waiter)
    return behind


def _root(waits: LockWaits, longest: LockWait) -> tuple[int | None, int]:
    """Return the root before this session behind which most wait, and how many; None without one, as in a deadlock."""
    found = {root: len(all_) for root, all_ in behind_each(waits).items() if longest.pid in all_}
    root = max(found, key=lambda one: (found[one], -one), default=None)
    return root, found[root] if root is not None else 0


def _elsewhere(waits: LockWaits, root: int | None, seconds: float) -> int:
    """Return how many wait for so long and not behind this root; of a deadlock, all are told."""
    if root is None:
        return 0
    behind = behind_each(waits)[root]
    return sum((one.seconds or 0.0) >= seconds for one in waits.waiters if one.pid not in behind)


def _rooted(waits: LockWaits, root: int | None, behind: int) -> str:
    """Return who is at the root and how many wait behind it."""
    if root is None:
        return f"{counted(waits.waiting, 'session waits', 'sessions wait')} in all"
    holder = next((one for one in waits.holders if one.pid == root), None)
    said = who(holder) if holder else f"session {root}"
    if root == PREPARED:
        said = "a prepared transaction"
    if holder and holder.state:
        said = f"{said}, {short(holder.state, 40)} for {duration(max(0.0, holder.state_seconds or 0.0))}"
    many = counted(behind, "session waits", "sessions wait")
    return f"at the root is {said}; {many} behind it"


def _end(kind: str, root: int | None) -> str:
    """Return how to end the session at the root."""
    if root == PREPARED and kind == "mariadb":
        return PREPARED_OF_MARIADB
    if root == PREPARED:
        return after("database_prepared")
    if root is None:
        return ""
    words = "decide: end the session at the root; what it has not committed is undone"
    return ending(kind, root, words)


CHECK = Check(
    title="Nobody waits for a lock for long",
    trouble="Long lock wait",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "Who waits for a lock blocks those who come after it: one forgotten transaction can stop "
        "the whole application."
    ),
    cannot_see=(
        "What is waited for in another database than the one asked has no name. On PostgreSQL 13, a "
        "wait counts from the beginning of the statement. On MariaDB, who holds a lock of a table's definition or of a "
        "backup is told by the plugin metadata_lock_info alone, and not for each who waits. Who waits in "
        "GET_LOCK, or for a whole table of MyISAM, is not counted."
    ),
    limits=Limits(),
    judge=judge,
    measures={"waiting": MeasureKind.STATE, "longest": MeasureKind.STATE},
    source="check_postgres: locks; locks waiting 1/2 min",
    remedy="decide: end the session at the root, or let the application commit earlier",
    absence={"databases": gone()},
)
