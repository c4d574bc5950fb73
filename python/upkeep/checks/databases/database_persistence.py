"""Redis keeps on disk what it is set to keep.

If the last copy failed, Redis refuses all writes by default; if its log cannot be written, what was answered may be
lost. Checks how the last writing ended, and how old the last copy is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.databases._database_activity_shape import (
    DatabaseActivity,
    RedisPersistence,
)
from upkeep.checks.databases._topics import of_topic
from upkeep.judging import readings
from upkeep.judging.check import Check, gone
from upkeep.model.remedies import look
from upkeep.model.text import counted, duration
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
    unknown,
)

SEE = look(
    "redis-cli config get dir",
    "see whether this folder has room and may be written, and what the server's log says",
)
SAVE = "decide: let it save more often (`save` in redis.conf), or write a copy now by BGSAVE"


@dataclass(frozen=True)
class Limits:
    """How old the last copy may be, if something was changed since.

    medium_hours: in hours.
    """

    medium_hours: float = 24.0


@of_topic("persistence")
def judge(seen: DatabaseActivity, limits: Limits, now: datetime) -> Verdict:
    """Judge what failed, then the age of the last copy; a server that is set to keep nothing is not judged."""
    kept = seen.persistence or RedisPersistence(0, "", -1, -1.0, append_only=False)
    if readings.counted(kept.unsaved_changes, kept.saved_seconds) is None:
        return unknown("what INFO tells of persistence was not understood")
    measures = (
        Measure("unsaved changes", kept.unsaved_changes),
        Measure("age", round(kept.saved_seconds, 3), "s"),
    )
    for bad, severity, text in (
        (
            kept.append_only and kept.last_append == "err",
            Severity.CRITICAL,
            "its log cannot be written",
        ),
        (kept.last_save == "err", Severity.HIGH, "the last copy failed, so it may refuse writes"),
        (kept.last_rewrite == "err", Severity.MEDIUM, "its log was not written anew, so it grows"),
    ):
        if bad:
            return failed(severity, f"{text}; expected: ok", *measures, remedy=SEE)
    if kept.append_only:
        return passed("its log is written, and the last copy was: ok", *measures)
    if kept.save_points == "":
        return nothing_to_judge("it is set to keep nothing on disk", *measures)
    changes = counted(kept.unsaved_changes, "change")
    text = f"{changes} since the last copy, {duration(kept.saved_seconds)} ago"
    limit = f"at most {limits.medium_hours:g} h"
    if kept.unsaved_changes and kept.saved_seconds >= limits.medium_hours * 3600:
        return failed(Severity.MEDIUM, f"{text}; {limit}", *measures, remedy=SAVE)
    return passed(f"{text}; {limit}", *measures)


CHECK = Check(
    title="Redis keeps its data on disk",
    trouble="Unsaved data in Redis",
    why="What is not on disk is lost when the server ends; after a failed copy, writes are refused.",
    cannot_see="Whether the copy can be read. Whether a server that is set to keep nothing should keep something.",
    measures={"unsaved changes": MeasureKind.STATE, "age": MeasureKind.STATE},
    source="redis.io: INFO persistence; Redis persistence",
    remedy="decide: see whether its folder has room and may be written, and what its log says",
    limits=Limits(),
    judge=judge,
    gather="database_activity",
    shape=DatabaseActivity,
    since="0.1.0",
    absence={"databases": gone()},
)
