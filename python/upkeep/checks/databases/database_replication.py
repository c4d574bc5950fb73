"""Standbys follow.

A standby that is late, or does not follow, loses what it has not received if the primary fails, and shows old data.
Checks on a primary how late each standby is, and whether commits wait for one that is not there; on a standby whether
it receives and applies.

Needs `pg_monitor`: other accounts see that there are standbys, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    StandbyState,
)
from upkeep.checks.databases._sessions import MIB, graded, listed
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.remedies import look
from upkeep.model.text import counted, duration, size
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)

BROKEN = {
    "missing": (
        Severity.CRITICAL,
        "commits wait for {name} of synchronous_standby_names, and too few of them are connected",
    ),
    "gone": (Severity.CRITICAL, "receives nothing from {name}"),
    "failed": (Severity.CRITICAL, "applies nothing of {name}: it stopped at an error"),
    "paused": (Severity.HIGH, "receives, but applies nothing: it is paused"),
}
OF_MARIADB = {
    "gone": look(
        "mariadb -e 'show all slaves status'",
        "see its last error; then start the primary, or give back the way to it",
    ),
    "failed": look(
        "mariadb -e 'show all slaves status'",
        "decide: repair what its last error names, or set the replica up anew",
    ),
    "paused": look("mariadb -e 'START ALL SLAVES'", "decide: let it apply again"),
}
REMEDIES = {
    "missing": "decide: start the standby again, or take it out of synchronous_standby_names",
    "gone": "decide: start the primary, or give back the way to it; see the log of the standby for why it ended",
    "paused": look(
        "runuser -u postgres -- psql -c 'select pg_wal_replay_resume()'",
        "decide: let it apply again",
    ),
}


@dataclass(frozen=True)
class Limits:
    """How late a standby may be.

    medium_minutes: from then on it fails, in minutes.
    high_minutes: from then on it fails, in minutes.
    medium_mib: of WAL that it has not applied, in MiB.
    high_mib: of WAL that it has not applied, in MiB.
    least_standbys: how many standbys a primary must have.
    """

    medium_minutes: float = 5.0
    high_minutes: float = 30.0
    medium_mib: float = 512.0
    high_mib: float = 4096.0
    least_standbys: int = 0


@of_topic("replication")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the link that is broken or latest."""
    rows = seen.replication or []
    worst_bytes = max((one.lag_bytes or 0 for one in rows), default=0)
    worst_seconds = max((one.lag_seconds or 0.0 for one in rows), default=0.0)
    sending = [one for one in rows if not one.receiving and one.state != "missing"]
    measures = (
        Measure("standbys", len(sending)),
        Measure("lag", max(0, worst_bytes), "By"),
        Measure("late", max(0.0, worst_seconds), "s"),
    )
    broken = [one for one in rows if one.state in BROKEN]
    if broken:
        worst = min(broken, key=lambda one: BROKEN[one.state][0].rank)
        severity, words = BROKEN[worst.state]
        alike = [one for one in broken if one.state == worst.state]
        text = words.replace("{name}", listed([short(one.name, 120) for one in alike]))
        others = len(broken) - len(alike)
        text += f"; and {others} more" if others else ""
        text = f"{text}; expected: it follows"
        return failed(severity, text, *measures, remedy=_fix(seen.kind, worst.state))
    graded_rows = [(grade, one) for one in rows if (grade := _grade(one, limits))]
    if graded_rows:
        graded_rows.sort(key=lambda pair: pair[0][0].rank)
        severity, limit = graded_rows[0][0]
        said = listed([_said(one) for _grade, one in graded_rows], apart="; ")
        return failed(severity, f"{said}; at most {limit}", *measures)
    if not seen.in_recovery and len(sending) < limits.least_standbys:
        text = f"{counted(len(sending), 'standby follows', 'standbys follow')}, at least {limits.least_standbys}"
        return failed(Severity.HIGH, text, *measures)
    if not rows:
        return passed("no standby follows it, and none must", *measures)
    if all(one.state == "archive" for one in rows):
        text = "it follows an archive, so how late it is cannot be seen"
        return nothing_to_judge(text, *measures)
    said = listed([_said(one) for one in rows])
    return passed(f"{said}; at most {limits.medium_minutes:g} min", *measures)


def _fix(kind: str, state: str) -> str:
    """Return what to do about a link that is broken; empty for the check's own."""
    return (OF_MARIADB if kind == "mariadb" else REMEDIES).get(state, "")


def _grade(one: StandbyState, limits: Limits) -> tuple[Severity, str] | None:
    """Return how bad its lag is, and the limit in words; by time or by size, whichever is worse."""
    late = graded(
        one.lag_seconds,
        (
            (Severity.HIGH, limits.high_minutes * 60),
            (Severity.MEDIUM, limits.medium_minutes * 60),
        ),
    )
    behind = graded(
        one.lag_bytes,
        ((Severity.HIGH, limits.high_mib * MIB), (Severity.MEDIUM, limits.medium_mib * MIB)),
    )
    if late and (behind is None or late[0].rank <= behind[0].rank):
        return late[0], f"{late[1] / 60:g} min"
    return (behind[0], f"{behind[1] / MIB:g} MiB") if behind else None


def _said(one: StandbyState) -> str:
    """Return `web2 at 192.0.2.7 (streaming) is 2 min 05 s and 12 MiB behind`."""
    parts = [] if one.lag_seconds is None else [duration(max(0.0, one.lag_seconds))]
    parts += [] if one.lag_bytes is None else [size(max(0, one.lag_bytes))]
    late = " and ".join(parts) or "an unknown time"
    state = short(one.state, 40)
    if one.receiving:
        return f"it is {late} behind {short(one.name, 120)} ({state})"
    return f"{short(one.name, 120)} ({state}) is {late} behind"


CHECK = Check(
    title="Standbys follow",
    trouble="Replication lag",
    gather="database_activity",
    shape=DatabaseActivity,
    needs_network=True,
    since="0.1.0",
    why=(
        "If the primary fails, what a standby has not received is lost; until then, it shows old "
        "data, and the primary keeps WAL for it."
    ),
    cannot_see=(
        "A standby that is switched off, unless `least_standbys` says how many there must be. How "
        "late one is that is fed from an archive alone."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "standbys": MeasureKind.STATE,
        "lag": MeasureKind.STATE,
        "late": MeasureKind.STATE,
    },
    source="check_postgres: hot_standby_delay; PostgreSQL, pg_stat_replication, pg_stat_wal_receiver; our limits",
    remedy="decide: see what slows the standby: its disk, the network, or long queries on it",
    absence={"databases": gone()},
)
