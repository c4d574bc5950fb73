"""What the checks of restores say of a row of the ledger, and the next steps that they share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreRow,
    RestoreSeen,
)
from upkeep.judging.readings import counted, short
from upkeep.model.remedies import look, quote
from upkeep.model.text import duration, size

RESTORED, FAILED, UNKNOWN, PART = "restored", "failed", "unknown", "part"
FUTURE_SECONDS = 3600
"""A verification that ended so far ahead of the host's own clock was written by another clock."""
VERIFY = (
    "upkeep run restore-verification  # decide: verify the set outside of its backup window; the procedure of "
    "astral.upkeep.backup_verify may be called otherwise: see upkeep schedule list"
)
NEEDS = {
    "sets": [
        {
            "name": "shop database",
            "paths": ["/backup/shop-*.dump"],
            "rpo_hours": 24,
            "verify": {
                "max_days": 31,
                "rto_minutes": 60,
                "assertions": [
                    {
                        "name": "newest order",
                        "sql": "SELECT max(placed_at) FROM orders",
                        "fresh_hours": 26,
                    }
                ],
            },
        }
    ]
}


def is_verified(seen: RestoreSeen) -> bool:
    """Return whether the site wants the set to be verified."""
    return seen.max_days is not None


def newest(rows: Sequence[RestoreRow], *outcomes: str) -> RestoreRow | None:
    """Return the newest row with one of these outcomes."""
    return next((one for one in rows if one.outcome in outcomes), None)


def age_seconds(seen: RestoreSeen, row: RestoreRow) -> float:
    """Return how long ago it ended, by the host's clock; below 0 if that is in the future."""
    return (seen.at - row.ended_at).total_seconds()


def is_ahead(seen: RestoreSeen, row: RestoreRow) -> bool:
    """Return whether it was written by a clock that was ahead."""
    return age_seconds(seen, row) < -FUTURE_SECONDS


def of_days(seconds: float) -> str:
    """Return `3.2 days ago`; for what is held against days."""
    return f"{max(0.0, seconds) / 86400:.1f} days ago"


def speed(row: RestoreRow) -> tuple[float, float | None] | None:
    """Return the seconds that the restore alone took, and bytes a second; None where they were not measured."""
    seconds = counted(row.restore_seconds)
    if seconds is None:
        return None
    came_out = counted(row.restored_bytes)
    return seconds[0], came_out[0] / seconds[0] if came_out and seconds[0] > 0 else None


def restored_ago(seen: RestoreSeen, row: RestoreRow) -> str:
    """Return `restored in 4 min 12 s, 36.0 MiB/s, 1.2 days ago`, as far as it was measured."""
    ago = of_days(age_seconds(seen, row))
    measured = speed(row)
    if measured is None:
        return f"restored {ago}"
    seconds, rate = measured
    fast = f", {size(rate)}/s" if rate is not None else ""
    return f"restored in {duration(seconds)}{fast}, {ago}"


def which(row: RestoreRow) -> str:
    """Return which backup it was, and when that was taken."""
    name = short(row.backup, 160)
    if not name:
        return "no backup was found"
    return f"{name}, taken {_moment(row.taken_at)}"


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "at an unknown time"


def why(row: RestoreRow) -> str:
    """Return the step at which it ended, and why."""
    step = short(row.step, 20)
    at = f"at step {step}: " if step and step != "done" else ""
    findings = "; ".join(short(one, 160) for one in row.findings[:3])
    return at + (short(row.why, 300) or findings or "it says no reason")


def show(row: RestoreRow, words: str) -> str:
    """Return the next step: look at the row, then as the words say; the words alone if its id is nothing to paste."""
    name = quote(row.id)
    return look(f"upkeep restore show {name}", words) if name else words
