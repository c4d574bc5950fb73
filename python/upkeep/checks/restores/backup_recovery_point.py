"""WAL beside a base backup reaches up to now, without a gap: that is how much would really be lost.

The newest verification says how far the WAL reached when it began. A segment that is missing in between ends each
recovery there, whatever was archived after it. Sets without an archive of WAL are not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import (
    FAILED,
    FUTURE_SECONDS,
    NEEDS,
    RESTORED,
    VERIFY,
    age_seconds,
    is_verified,
    newest,
    of_days,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.remedies import after
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    passed,
    unknown,
)

NAMED = 3


@dataclass(frozen=True)
class Limits:
    """How far behind WAL may be.

    behind_hours: RPO of a set that declares none (`rpo_hours`).
    """

    behind_hours: float = 24.0


def judge(seen: RestoreSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge how far the WAL of the newest verification reached."""
    if seen.max_days is None or not is_verified(seen):
        return None
    row = newest(seen.rows, RESTORED, FAILED)
    if row is None or not any(_has_wal(one) for one in seen.rows):
        return None
    ago = of_days(age_seconds(seen, row))
    if row.wal_missing:
        names = ", ".join(short(one, 40) for one in row.wal_missing[:NAMED])
        more = ", …" if len(row.wal_missing) > NAMED else ""
        text = f"WAL is missing, and recovery ends there: {names}{more}; seen {ago}"
        return failed(Severity.HIGH, text)
    point = row.recovery_point_at
    if point is None:
        text = "the newest verification does not say how far WAL reaches"
        return unknown(text, remedy=after("backup_restored"))
    hours = (row.began_at - point).total_seconds() / 3600
    if hours < -FUTURE_SECONDS / 3600:
        return unknown(f"WAL reaches into the future: {point.isoformat()}")
    at_most = seen.rpo_hours or limits.behind_hours
    measure = Measure("behind", max(0.0, hours) * 3600, "s")
    text = f"WAL reached to {point:%Y-%m-%d %H:%M} UTC, {max(0.0, hours):.1f} h before it was verified {ago}"
    text = f"{text}, at most {at_most:g} h"
    if hours > at_most:
        return failed(Severity.HIGH, text, measure)
    if age_seconds(seen, row) > seen.max_days * 86400:
        return unknown(f"{text}; that was too long ago", measure, remedy=VERIFY)
    return passed(text, measure)


def _has_wal(row: RestoreRow) -> bool:
    """Return whether there was an archive of WAL."""
    return row.recovery_point_at is not None or bool(row.wal_missing)


CHECK = Check(
    title="WAL beside a base backup reaches up to now",
    trouble="WAL behind its RPO",
    gather="restores",
    shape=RestoreSeen,
    since="0.1.0",
    needs=NEEDS,
    why=(
        "With WAL beside it, a base backup can be brought up to the last minute. Without, or "
        "with a gap, all that was written since the base backup is lost."
    ),
    cannot_see=(
        "How far WAL reaches since the newest verification. Whether what WAL holds is right: "
        "it is replayed only as far as the verification does."
    ),
    limits=Limits(),
    judge=judge,
    measures={"behind": MeasureKind.STATE},
    source="PostgreSQL documentation, Continuous Archiving and Point-in-Time Recovery",
    remedy="decide: find in the server's log why archive_command fails, and make a new base backup if WAL is lost",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
