"""A repository that is too large to be proved at once is proved part by part, all of it within the declared time.

Parts are numbered for one cycle. Packs that came into a part after it was read are not proved yet, and are counted.
Snapshots of which nothing was ever proved are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.restores._restores_shape import (
    RestoreCycle,
    RestoreSeen,
)
from upkeep.checks.restores._ledger_words import NEEDS, VERIFY, is_verified
from upkeep.judging.check import DECLARED, Check
from upkeep.judging.readings import short
from upkeep.model.remedies import after
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

NAMED = 3
NEVER_AT_MOST = 50


@dataclass(frozen=True)
class Limits:
    """Within how long all parts are to be read.

    full_days: of a set that declares none (`cycle_days`).
    """

    full_days: float = 90.0


def judge(seen: RestoreSeen, limits: Limits, now: datetime) -> Verdict | None:
    """Judge since when all of a repository was proved."""
    if not is_verified(seen):
        return None
    if "cycle" in seen.unread:
        return unknown(
            f"its cycle cannot be read: {short(seen.unread['cycle'], 160)}",
            remedy=after("backup_restored"),
        )
    cycle = seen.cycle
    if cycle is None:
        return None
    if not 0 < cycle.parts <= 4096 or cycle.unproved < 0:
        return unknown(f"a cycle of {cycle.parts} parts is not understood")
    done = len({one for one in cycle.done if 1 <= one <= cycle.parts})
    measures = (
        Measure("proved", 100 * done / cycle.parts, "%"),
        Measure("unproved", cycle.unproved),
        Measure("never", len(cycle.never)),
    )
    at_most = seen.cycle_days or limits.full_days
    text = f"{done} of {cycle.parts} parts proved since {cycle.began_at:%Y-%m-%d}"
    since = cycle.last_full_at or cycle.began_at
    days = (seen.at - since).total_seconds() / 86400
    if days < -1:
        return unknown(f"proved in the future: {since.isoformat()}", *measures)
    ago = f"{max(0.0, days):.1f} days ago, at most {at_most:g}"
    if cycle.last_full_at is None:
        text = f"{text}; no full cycle yet, the first began {ago}{_left(cycle)}"
    else:
        text = f"all parts were proved {ago}; {text}{_left(cycle)}"
    if days > at_most:
        return failed(Severity.MEDIUM, text, *measures)
    if cycle.last_full_at is None:
        return nothing_to_judge(text, *measures, remedy=VERIFY)
    return passed(text, *measures)


def _left(cycle: RestoreCycle) -> str:
    """Return what is not proved yet."""
    packs = f"; {cycle.unproved} packs came later and are not proved yet" if cycle.unproved else ""
    if not cycle.never:
        return packs
    more = " or more" if len(cycle.never) >= NEVER_AT_MOST else ""
    names = ", ".join(short(one, 60) for one in cycle.never[:NAMED])
    names += ", …" if len(cycle.never) > NAMED else ""
    return f"{packs}; {len(cycle.never)}{more} snapshots never proved: {names}"


CHECK = Check(
    title="All of a repository is proved within its cycle",
    trouble="Unproved part of a repository",
    gather="restores",
    shape=RestoreSeen,
    since="0.1.0",
    needs=NEEDS,
    why=(
        "A repository keeps each piece of data once. One rotten pack breaks each snapshot that "
        "needs it, and reading a tenth of the packs each month does not find it for long."
    ),
    cannot_see=(
        "Packs that came after their part was read in this cycle: they are counted, and proved "
        "by the next one. Whether a part that is good today rots tomorrow."
    ),
    limits=Limits(),
    judge=judge,
    measures={
        "proved": MeasureKind.SHARE,
        "unproved": MeasureKind.STATE,
        "never": MeasureKind.STATE,
    },
    source="restic check --read-data-subset; borg check --max-duration",
    remedy="decide: verify the set more often, or in fewer and larger parts (parts of its verify)",
    controls=("45 CFR 164.308(a)(7)(ii)(D)",),
    absence=DECLARED,
)
