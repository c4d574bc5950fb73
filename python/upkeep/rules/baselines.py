"""What is normal for a series, and when a better normal has been reached. Pure.

A baseline is what a person has accepted as normal; the machine only proposes. Median and spread (the median absolute
deviation, times 1.4826 so that it compares with a standard deviation) bear a few wild values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from statistics import median
from typing import Any

LEAST_SAMPLES = 20
LEAST_SPAN = timedelta(days=7)
WINDOW = timedelta(days=28)
NEWEST_WITHIN = timedelta(days=7)
BETTER_BY = 0.05
TO_SPREAD = 1.4826
NOISE_SPREADS = 3


class Better(Enum):
    """Which way a measure gets better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Series:
    """What is measured: a check's measure of one subject."""

    site: str
    check: str
    host: str
    subject: str
    measure: str


@dataclass(frozen=True)
class Level:
    """What a series was like in a time. spread: as wide as a standard deviation would be."""

    median: float
    spread: float
    samples: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Baseline:
    """What was accepted. number: of its record in the chain of signatures."""

    number: int
    series: Series
    better: Better
    level: Level
    accepted_by: str
    accepted_at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """How a value stands to a baseline, in words for people; and whether it is worse."""

    text: str
    worse: bool = False


@dataclass(frozen=True)
class Proposal:
    """What could be accepted, or why there is nothing to propose. level: what the series is like now, if known."""

    series: Series
    better: Better
    level: Level | None
    before: Baseline | None
    refused: str = ""

    @property
    def change(self) -> float | None:
        """How far the median is from the accepted one, as a part of it; None if there is none, or it is 0."""
        if self.level is None or self.before is None or not self.before.level.median:
            return None
        return (self.level.median - self.before.level.median) / abs(self.before.level.median)


def level_of(
    values: Sequence[tuple[datetime, float]], now: datetime, window: timedelta = WINDOW
) -> Level | None:
    """Return what a series was like in the window before now; None if it has no value there."""
    seen = sorted((at, value) for at, value in values if now - window < at <= now)
    if not seen:
        return None
    middle = median(value for _at, value in seen)
    spread = TO_SPREAD * median(abs(value - middle) for _at, value in seen)
    return Level(middle, spread, len(seen), seen[0][0], seen[-1][0])


def propose(
    series: Series,
    values: Sequence[tuple[datetime, float]],
    before: Baseline | None,
    better: Better,
    now: datetime,
) -> Proposal:
    """Propose a baseline from a series' values: the first one, or one that is better than the accepted one.

    Only values after the accepted baseline's own count, so that the same ones never improve it twice. Better is a
    median that is better by more than 5 % and by more than the wider of the two spreads.
    """
    if before is not None:
        values = [one for one in values if one[0] > before.level.until]
    level = level_of(values, now)
    said = _too_little(level, now)
    if not said and level is not None and before is not None:
        said = _not_better(level, before.level, better)
    return Proposal(series, better, level, before, said)


def compared(value: float, baseline: Baseline) -> Comparison:
    """Return how a value stands to the baseline: `12 % above the baseline of 0.42, worse`.

    Within three spreads it is as the baseline: of a series that has not changed, about one value in fifty is not.
    """
    middle, spread = baseline.level.median, baseline.level.spread
    off = value - middle
    if abs(off) <= NOISE_SPREADS * spread:
        return Comparison(f"as the baseline of {middle:.4g}")
    way = "above" if off > 0 else "below"
    worse = (off > 0) == (baseline.better is Better.LOWER)
    much = f"{abs(off / middle) * 100:.0f} %" if middle else f"{abs(off):.4g}"
    word = "worse" if worse else "better"
    return Comparison(f"{much} {way} the baseline of {middle:.4g}, {word}", worse)


def record_of(proposal: Proposal, reason: str) -> dict[str, Any]:
    """Return what is signed of a baseline that is accepted, beside who and when."""
    level, one = proposal.level, proposal.series
    if level is None:
        raise ValueError("nothing was measured")
    return {
        "site": one.site,
        "check": one.check,
        "host": one.host,
        "subject": one.subject,
        "measure": one.measure,
        "better": proposal.better.value,
        "median": level.median,
        "spread": level.spread,
        "samples": level.samples,
        "since": level.since.isoformat(),
        "until": level.until.isoformat(),
        "replaces": proposal.before.number if proposal.before else None,
        "reason": reason,
    }


def baseline_of(record: dict[str, Any]) -> Baseline:
    """Return the baseline of a signed record."""
    names = ("site", "check", "host", "subject", "measure")
    times = {key: datetime.fromisoformat(record[key]) for key in ("since", "until")}
    return Baseline(
        number=record["number"],
        series=Series(*(record[one] for one in names)),
        better=Better(record["better"]),
        level=Level(record["median"], record["spread"], record["samples"], **times),
        accepted_by=record["user"],
        accepted_at=datetime.fromisoformat(record["at"]),
        reason=record["reason"],
    )


def _too_little(level: Level | None, now: datetime) -> str:
    """Return why what was measured proves too little, or nothing."""
    if level is None:
        return (
            f"nothing was measured in the last {WINDOW.days} days, or since the accepted baseline"
        )
    if level.samples < LEAST_SAMPLES:
        return f"{level.samples} values, at least {LEAST_SAMPLES}"
    if level.until - level.since < LEAST_SPAN:
        return f"values of less than {LEAST_SPAN.days} days"
    if now - level.until > NEWEST_WITHIN:
        return f"the newest value is older than {NEWEST_WITHIN.days} days"
    return ""


def _not_better(level: Level, before: Level, better: Better) -> str:
    """Return why one level is not better than another, or nothing."""
    gained = before.median - level.median
    if better is Better.HIGHER:
        gained = -gained
    if gained <= 0:
        return f"{level.median:.4g} is not better than {before.median:.4g}"
    if gained <= BETTER_BY * abs(before.median):
        return (
            f"{level.median:.4g} is better than {before.median:.4g} by no more than {BETTER_BY:.0%}"
        )
    spread = max(level.spread, before.spread)
    if gained <= spread:
        return f"{level.median:.4g} is better than {before.median:.4g} by no more than the spread of {spread:.4g}"
    return ""
