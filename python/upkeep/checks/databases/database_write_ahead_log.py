"""The write-ahead log of an SQLite is carried over into the file.

A reader that never ends keeps SQLite from that: then the log grows without end, and each read becomes slower. Checks
how much of it is not in the file yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_objects_shape import (
    DatabaseObjects,
    WriteAheadLog,
)
from upkeep.checks.databases._sessions import MIB, graded
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look, quote
from upkeep.model.text import size
from upkeep.model.verdicts import Measure, MeasureKind, Severity, Verdict, failed, passed, unknown


@dataclass(frozen=True)
class Limits:
    """What is not carried over, from which a file fails.

    medium_mib: in MiB.
    high_mib: in MiB.
    """

    medium_mib: float = 64.0
    high_mib: float = 1024.0


@of_topic("write_ahead_log")
def judge(seen: DatabaseObjects, limits: Limits, now: datetime) -> Verdict | None:
    """Judge what is not carried over; a file without a log is not judged."""
    log = seen.write_ahead_log or WriteAheadLog("")
    if log.mode == "none":
        return None
    if log.pending_bytes is None or readings.counted(log.pending_bytes, log.size_bytes) is None:
        return unknown("the log's index was not understood")
    measures = (Measure("pending", log.pending_bytes, "By"), Measure("size", log.size_bytes, "By"))
    text = f"{size(log.pending_bytes)} of a log of {size(log.size_bytes)} are not in the file yet"
    grade = graded(
        log.pending_bytes,
        ((Severity.HIGH, limits.high_mib * MIB), (Severity.MEDIUM, limits.medium_mib * MIB)),
    )
    if grade:
        severity, limit = grade
        remedy = _readers(seen.subject)
        return failed(severity, f"{text}; limit {limit / MIB:g} MiB", *measures, remedy=remedy)
    return passed(f"{text}; limit {limits.medium_mib:g} MiB", *measures)


def _readers(subject: str) -> str:
    """Return how to see who has the file open."""
    path = quote(subject.partition(" ")[2])
    words = (
        "see who holds it open: a reader that does not end keeps the log from being carried over"
    )
    return look(f"lsof {path}", words) if path else f"decide: {words}"


CHECK = Check(
    title="SQLite carries its log over",
    trouble="Write-ahead log that grows",
    why="The log fills the disk, and each read of the database becomes slower.",
    cannot_see="Which reader holds it back. The room that a log keeps after it was carried over.",
    measures={"pending": MeasureKind.STATE, "size": MeasureKind.STATE},
    source="SQLite: Write-Ahead Logging, Avoiding Excessively Large WAL Files; our limits",
    remedy="decide: end the reader that keeps the log from being carried over",
    limits=Limits(),
    judge=judge,
    gather="database_objects",
    shape=DatabaseObjects,
    since="0.1.0",
    absence={"databases": gone()},
)
