"""Replication slots are used, and keep no more than there is room for.

A slot keeps WAL, and old rows, for whoever uses it. If nobody does, the disk fills up; a slot that has lost its WAL is
of no use, and its standby must be made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    SlotState,
)
from upkeep.checks.databases._sessions import MIB, graded, listed, literal, psql
from upkeep.checks.databases._topics import of_topic
from upkeep.judging.check import Check, gone
from upkeep.judging.readings import short
from upkeep.model.text import counted, duration, size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed

LOST, SOON_LOST = "lost", "unreserved"


@dataclass(frozen=True)
class Limits:
    """What a slot may keep.

    medium_mib: of WAL for a slot that is in use, in MiB.
    high_mib: of WAL for a slot that is in use, in MiB.
    medium_unused_mib: of WAL for a slot that nobody uses, in MiB.
    high_unused_mib: of WAL for a slot that nobody uses, in MiB.
    unused_hours: how long nobody may use a slot, in hours; known from PostgreSQL 17.
    held_transactions: how many transactions may begin while a slot that nobody uses keeps old rows.
    """

    medium_mib: float = 4096.0
    high_mib: float = 16384.0
    medium_unused_mib: float = 256.0
    high_unused_mib: float = 4096.0
    unused_hours: float = 24.0
    held_transactions: int = 1_000_000


@of_topic("slots")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge the slot that is lost, or keeps most."""
    rows = [one for one in seen.slots or () if not one.synced]
    unused = [one for one in rows if not one.active]
    kept = max((one.retained_bytes or 0 for one in rows), default=0)
    measures = (
        Measure("slots", len(rows)),
        Measure("unused", len(unused)),
        Measure("kept", max(0, kept), "By"),
    )
    found = [(problem, one) for one in rows if (problem := _problem(one, limits))]
    if found:
        found.sort(key=lambda pair: pair[0][0].rank)
        (severity, _text), worst = found[0]
        text = listed([f"{_named(one)} {why}" for (_severity, why), one in found], apart="; ")
        return failed(severity, text, *measures, remedy=_drop(worst))
    many = counted(len(rows), "replication slot")
    return passed(
        f"{many}, {len(unused)} not in use; at most {size(max(0, kept))} of WAL kept, limit {limits.medium_mib:g} MiB",
        *measures,
    )


def _problem(one: SlotState, limits: Limits) -> tuple[Severity, str] | None:
    """Return how bad it is, and why, in words; None if all is well."""
    if one.wal_status == LOST or one.invalid:
        why = f" ({short(one.invalid, 60)})" if one.invalid else ""
        return Severity.HIGH, f"has lost what it kept{why}: who uses it must be made anew"
    if one.wal_status == SOON_LOST:
        return (
            Severity.HIGH,
            "keeps more than max_slot_wal_keep_size: it is lost at a next checkpoint",
        )
    used = (Severity.HIGH, limits.high_mib * MIB), (Severity.MEDIUM, limits.medium_mib * MIB)
    idle = (
        (Severity.HIGH, limits.high_unused_mib * MIB),
        (Severity.MEDIUM, limits.medium_unused_mib * MIB),
    )
    grade = graded(one.retained_bytes, used if one.active else idle)
    state = "is in use" if one.active else "is not in use"
    if grade:
        kept = size(one.retained_bytes or 0)
        return grade[0], f"{state} and keeps {kept} of WAL, at most {grade[1] / MIB:g} MiB"
    if one.active:
        return None
    held = one.holds_xids or 0
    if held >= limits.held_transactions:
        text = f"{state}, and vacuum cannot remove what {held} later transactions left"
        return Severity.MEDIUM, f"{text}; at most {limits.held_transactions}"
    seconds = one.inactive_seconds or 0.0
    if seconds >= limits.unused_hours * 3600:
        return (
            Severity.MEDIUM,
            f"has not been used for {duration(seconds)}, at most {limits.unused_hours:g} h",
        )
    return None


def _named(one: SlotState) -> str:
    place = f" of {short(one.database, 60)}" if one.database else ""
    return f"slot {short(one.name, 70)} ({short(one.kind or 'slot', 20)}{place})"


def _drop(one: SlotState) -> str:
    """Return how to drop it; a slot in use cannot be dropped."""
    if one.active:
        return "decide: see why who uses the slot is late"
    words = "decide: drop it if nobody will use it again; else start who uses it"
    return psql(words, f"select pg_drop_replication_slot({literal(one.name)})")


CHECK = Check(
    title="Replication slots are used and keep no more than there is room for",
    trouble="Forgotten replication slot",
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    why=(
        "A slot that nobody uses keeps WAL until the disk is full, and old rows so that vacuum "
        "cannot remove them. A slot that has lost its WAL stops its standby."
    ),
    cannot_see=(
        "Whether whoever used the slot comes back. Before PostgreSQL 17, since when it is not used."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "slots": MeasureKind.STATE,
        "unused": MeasureKind.STATE,
        "kept": MeasureKind.STATE,
    },
    source="check_postgres: replication_slots; PostgreSQL, pg_replication_slots, wal_status; our limits",
    remedy="decide: drop the slot if nobody uses it, or set max_slot_wal_keep_size",
    absence={"databases": gone()},
)
