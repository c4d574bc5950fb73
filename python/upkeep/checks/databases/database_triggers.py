"""Triggers and rules are switched on.

What was switched off for a migration is easily forgotten. Checks for triggers, the checks of foreign keys, rules and
event triggers that are off or fire on replicas only, and for whom `session_replication_role` switches off all of them.
A database that subscribes to another one is a replica.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    DisabledTrigger,
)
from upkeep.checks.databases._objects import Rows, name_of, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict


@dataclass(frozen=True)
class Limits:
    """Which may be off.

    ignore: shell patterns of names of triggers, foreign keys and rules that may be so, such as `public.old_*`.
    """

    ignore: tuple[str, ...] = ()


@of_topic("triggers")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict:
    """Judge what is off: all of them and foreign keys first, for then nothing keeps the tables together."""
    found = seen.triggers or []
    rows = Rows(found, _said, lambda one: _fix(seen.subject, one), limits.ignore)
    return rows.judged(
        "0 triggers or rules are off, at most 0",
        (Severity.HIGH, lambda one: one.kind in ("setting", "foreign key"), "at most 0"),
        (Severity.MEDIUM, lambda one: True, "at most 0"),
        measures=[Measure("off", len(found))],
    )


def _said(one: DisabledTrigger) -> str:
    if one.kind == "setting":
        return f"all triggers and foreign keys are off for {_whom(one)}: {short(one.name, 64)} is replica"
    of = f" of {name_of(one.table)}" if one.table else ""
    how = "fires on replicas only" if one.replica else "is off"
    return f"{short(one.kind, 20)} {short(one.name, 64)}{of} {how}"


def _whom(one: DisabledTrigger) -> str:
    """Return for whom a setting is made, such as `ROLE clerk IN DATABASE shop`."""
    return "all" if one.table == "SYSTEM" else name_of(one.table)


def _fix(subject: str, one: DisabledTrigger) -> str:
    if one.kind == "setting":
        words = "decide: look for rows that refer to nothing; its sessions must connect again"
        more = ["select pg_reload_conf()"] if one.table == "SYSTEM" else []
        return psql(subject, f"ALTER {one.table} RESET {one.name}", words, *more)
    if one.kind == "event trigger":
        return psql(
            subject, f"ALTER EVENT TRIGGER {one.name} ENABLE", "decide: it was off meanwhile"
        )
    if one.kind == "foreign key":
        statement = f"ALTER TABLE {one.table} ENABLE TRIGGER ALL"
        return psql(
            subject,
            statement,
            "decide: it switches on all of them; look for rows that refer to nothing",
        )
    what = "RULE" if one.kind == "rule" else "TRIGGER"
    statement = f"ALTER TABLE {one.table} ENABLE {what} {one.name}"
    return psql(subject, statement, "decide: what it would have done meanwhile is not done")


CHECK = Check(
    title="Triggers and rules are switched on",
    trouble="Disabled trigger",
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    why=(
        "Audits, sums and foreign keys are kept by triggers: while they are off, wrong rows come "
        "in unseen."
    ),
    cannot_see=(
        "Triggers that were dropped, or that do nothing. Sessions that switch them off for "
        "themselves."
    ),
    limits=Limits(),
    judge=judge,
    measures={"off": MeasureKind.STATE},
    source="check_postgres: disabled_triggers; PostgreSQL, ALTER TABLE: DISABLE TRIGGER",
    remedy="decide: switch them on, and correct what they have missed",
    absence={"databases": gone()},
)
