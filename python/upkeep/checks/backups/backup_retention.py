"""Each set keeps as many backups as the site declares: of hours, days, weeks, months and years.

A tier such as `daily: 7` asks for a backup in each of the newest seven days, by the calendar of the host. The running
period counts only if it has a backup already. Periods that began before the declared `since` are not asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.backups._backups_shape import (
    BackupSeen,
    BackupTier,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    nothing_to_judge,
    passed,
)

TIERS = ("hourly", "daily", "weekly", "monthly", "yearly")


@dataclass(frozen=True)
class Limits:
    """How many periods may lack a backup.

    missing_at_most: of each tier.
    """

    missing_at_most: int = 0


def judge(seen: BackupSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge each declared tier; what falls short of any of them fails."""
    if not seen.retention:
        return None
    tiers = [tier for tier in seen.retention if tier.expected > 0]
    missing = sum(max(0, tier.expected - tier.found) for tier in tiers)
    measures = (
        Measure("missing", missing),
        *(Measure(tier.name, tier.found) for tier in seen.retention if tier.name in TIERS),
    )
    if not tiers:
        since = "no period of a declared tier has begun since the day from which the set is kept"
        return nothing_to_judge(since, *measures)
    short = [tier for tier in tiers if tier.expected - tier.found > limits.missing_at_most]
    if short:
        text = "; ".join(_short(tier) for tier in short)
        return failed(Severity.MEDIUM, f"too few backups: {text}", *measures)
    return passed(", ".join(f"{one.name} {_count(one)}" for one in tiers), *measures)


def _short(tier: BackupTier) -> str:
    """Return what is said of a tier that lacks backups."""
    newest = ", ".join(tier.missing)
    return f"{tier.name} {_count(tier)}" + (f", none of {newest}" if newest else "")


def _count(tier: BackupTier) -> str:
    """Return how many are found of how many."""
    so_far = f" so far, {tier.declared} declared" if tier.expected < tier.declared else ""
    return f"{tier.found} of {tier.expected}{so_far}"


CHECK = Check(
    title="Backups are kept as long as declared",
    trouble="Backups missing from retention",
    gather="backups",
    shape=BackupSeen,
    since="0.1.0",
    needs={
        "sets": [
            {
                "name": "shop database",
                "paths": ["/backup/shop-*.dump"],
                "rpo_hours": 24,
                "retention": {"daily": 7, "weekly": 4, "monthly": 12, "since": "2026-01-01"},
            }
        ]
    },
    why=(
        "Damage is often noticed weeks after it was done. Then only an older backup has the "
        "data, and a rotation that deletes too much has removed it."
    ),
    cannot_see=(
        "Whether the older backups can be read: only the newest one is read. Whether older "
        "ones were to be deleted, and were not."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "missing": MeasureKind.STATE,
        "hourly": MeasureKind.STATE,
        "daily": MeasureKind.STATE,
        "weekly": MeasureKind.STATE,
        "monthly": MeasureKind.STATE,
        "yearly": MeasureKind.STATE,
    },
    source="restic forget, --keep-daily and its like; NIST SP 800-34 Rev. 1, section 3.4.2",
    remedy="decide: stop the rotation that deletes too much, or declare what is really to be kept",
    controls=("45 CFR 164.308(a)(7)(ii)(A)",),
    absence=DECLARED,
)
