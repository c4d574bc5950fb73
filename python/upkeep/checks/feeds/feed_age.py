"""A feed is there, and not older than it may be: whoever writes it still does.

Its time is the file's, or what the server says as Last-Modified.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.astral.upkeep.plugins.module_utils.gather.feeds._feeds_shape import (
    FeedState,
)
from upkeep.judging.check import DECLARED, Check
from upkeep.model.verdicts import (
    Measure,
    MeasureKind,
    Severity,
    Verdict,
    failed,
    passed,
    unknown,
)

FUTURE = timedelta(minutes=5)
"""What two clocks may differ by."""


@dataclass(frozen=True)
class Limits:
    """How old a feed may be.

    within_hours: the age up to which it is fresh.
    """

    within_hours: float = 26.0


def judge(seen: FeedState, limits: Limits, now: datetime) -> Verdict:
    """Judge the age of the feed, by the clock of whoever looked."""
    if not seen.there:
        return failed(Severity.HIGH, "not there")
    if seen.modified_at is None:
        return unknown("the server sends no time for it (Last-Modified)")
    if seen.modified_at - seen.at > FUTURE:
        return failed(Severity.MEDIUM, f"dated in the future: {seen.modified_at.isoformat()}")
    hours = max(0.0, (seen.at - seen.modified_at).total_seconds() / 3600)
    measure = Measure("age", hours * 3600, "s")
    text = f"{hours:.1f} h old, at most {limits.within_hours:g} h"
    if hours > limits.within_hours:
        return failed(Severity.MEDIUM, text, measure)
    return passed(text, measure)


CHECK = Check(
    title="Feed is fresh",
    trouble="Stale feed",
    gather="feeds",
    shape=FeedState,
    since="0.1.0",
    needs={"source": "build/portal", "place": "https://ci.example.org/portal/report.json"},
    why=(
        "If a feed is not written any more, its readers go on with old data: a scanner that "
        "has stopped looks like one that finds nothing."
    ),
    cannot_see=(
        "Whether the content is new: a feed that is written again with the same content looks "
        "fresh."
    ),
    limits=Limits(),
    judge=judge,
    measures={"age": MeasureKind.STATE},
    source="RFC 9110, section 8.8.2 (Last-Modified); NIST SP 800-53 Rev. 5, SI-4",
    remedy="decide: find out why the program that writes the feed has stopped; its log shows its last run",
    controls=("45 CFR 164.312(b)",),
    absence=DECLARED,
)
