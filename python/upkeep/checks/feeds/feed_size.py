"""A feed is as large as it should be: an empty one is no feed, and one that has grown out of all bounds is another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.astral.upkeep.plugins.module_utils.gather.feeds._feeds_shape import (
    FeedState,
)
from upkeep.judging.check import DECLARED, Check
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


@dataclass(frozen=True)
class Limits:
    """How large a feed is.

    least_bytes: fewer are no feed.
    most_bytes: more are another one than is meant.
    """

    least_bytes: int = 1
    most_bytes: int = 50_000_000


def judge(seen: FeedState, limits: Limits, now: datetime) -> Verdict:
    """Judge the size of the feed."""
    if not seen.there:
        return unknown("it is not there", remedy=after("feed_age"))
    size = seen.bytes
    measure = Measure("size", size, "By")
    if size < limits.least_bytes:
        return failed(Severity.MEDIUM, f"{size} bytes, at least {limits.least_bytes}", measure)
    text = f"{size} bytes, at most {limits.most_bytes}"
    if size > limits.most_bytes:
        return failed(Severity.MEDIUM, text, measure)
    return passed(text, measure)


CHECK = Check(
    title="Feed has a plausible size",
    trouble="Unusual feed size",
    gather="feeds",
    shape=FeedState,
    since="0.1.0",
    needs={"source": "build/portal", "place": "https://ci.example.org/portal/report.json"},
    why=(
        "A program that fails while it writes the feed leaves an empty or truncated file. The "
        "file is new, so its readers report that nothing was found."
    ),
    cannot_see="The content: an error page of a plausible size passes.",
    limits=Limits(),
    judge=judge,
    measures={"size": MeasureKind.STATE},
    source="NIST SP 800-53 Rev. 5, SI-10",
    remedy="decide: read the feed, and the log of the program that writes it",
    controls=("45 CFR 164.312(c)(1)",),
    absence=DECLARED,
)
