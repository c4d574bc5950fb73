"""Autovacuum works.

Without it, tables grow, statistics become wrong and transaction numbers run out. Checks that it is on, that the server
counts the changes which it goes by, and that not all its workers have been busy for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    AutovacuumState,
    DatabaseActivity,
)
from upkeep.checks.databases._sessions import psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.model.text import duration
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """How long all workers may be busy.

    busy_minutes: since the last of them began, in minutes.
    """

    busy_minutes: float = 60.0


@of_topic("autovacuum")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge its settings, then its workers."""
    state = seen.autovacuum or AutovacuumState(False, False, 0)
    if state.workers < 0 or state.max_workers < 1:
        return unknown(f"{state.workers} of {state.max_workers} workers")
    measures = (Measure("workers", state.workers),)
    for name, on in (("autovacuum", state.enabled), ("track_counts", state.track_counts)):
        if not on:
            text = f"{name} is off, expected on: only what is about to wrap around is vacuumed"
            return failed(Severity.HIGH, text, *measures, remedy=_switch_on(name))
    busy = f"{state.workers} of {state.max_workers} workers are busy"
    seconds = max(0.0, state.youngest_seconds or 0.0)
    if state.workers >= state.max_workers and seconds >= limits.busy_minutes * 60:
        text = f"{busy}, the last that began for {duration(seconds)}, at most {limits.busy_minutes:g} min"
        return failed(Severity.MEDIUM, text, *measures)
    return passed(f"it is on, {busy}; all of them at most {limits.busy_minutes:g} min", *measures)


def _switch_on(name: str) -> str:
    return psql(
        "decide: switch it on",
        f"ALTER SYSTEM SET {name} = on",
        "select pg_reload_conf()",
    )


CHECK = Check(
    title="Autovacuum works",
    trouble="Autovacuum off or overloaded",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "Without autovacuum, tables grow, queries get wrong plans, and in the end the server stops "
        "accepting writes."
    ),
    cannot_see="Tables for which it is switched off alone, or too slow: database_dead_rows judges those.",
    limits=Limits(),
    judge=judge,
    measures={"workers": MeasureKind.STATE},
    source="PostgreSQL, Routine Vacuuming, The Autovacuum Daemon; our limit",
    remedy="decide: allow more workers, or let them work faster: autovacuum_max_workers, autovacuum_vacuum_cost_limit",
    absence={"databases": gone()},
)
