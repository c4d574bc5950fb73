"""Whether a mean is larger now than it was: what is certain in spite of what it is like from one time to the next.

Between intervals a mean varies more than what varies within them lets expect: load comes and goes. So the earlier
intervals say how wide it varies, and how much of that goes on from one to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import exp, log, sqrt
from statistics import mean, median

LEAST_EARLIER = 15
MOST_EARLIER = 60
NEWEST = (3, 5, 10)
"""Of how many of the newest intervals the mean is compared. One alone proves nothing: it may be an outlier."""
CERTAIN = 3.4
"""How many standard errors a difference must be: what is looked at again and again is above 3 by chance, too."""
OUTLIER_SPREADS = 3.0
TO_SPREAD = 1.4826
MOST_GOING_ON = 0.9


@dataclass(frozen=True)
class Interval:
    """What was counted between two looks. mean, stddev: of one call, in seconds; stddev None if it is not told."""

    began: datetime
    ended: datetime
    calls: int
    mean: float
    stddev: float | None = None

    @property
    def total(self) -> float:
        """Return the time of all calls, in seconds."""
        return self.calls * self.mean


@dataclass(frozen=True)
class Shift:
    """How the newest intervals differ from the earlier ones.

    before, after: the means of one call, in seconds. newest, earlier: how many intervals. errors: how many standard
    errors the difference is. spread: of the mean from one interval to the next, as a part of it.
    """

    before: float
    after: float
    newest: int
    earlier: int
    errors: float
    spread: float

    @property
    def change(self) -> float:
        """Return the change as a part of what was before: 0.1 is 10 % more."""
        return self.after / self.before - 1


def shift_of(intervals: Sequence[Interval]) -> Shift | None:
    """Return the most certain difference of the newest intervals; None if there are too few earlier ones."""
    usable = [one for one in intervals if one.mean > 0]
    shifts = [
        _shift(usable[:-count][-MOST_EARLIER:], usable[-count:])
        for count in NEWEST
        if len(usable) - count >= LEAST_EARLIER
    ]
    return max(shifts, key=lambda one: one.errors, default=None)


def _shift(earlier: Sequence[Interval], newest: Sequence[Interval]) -> Shift:
    """Compare the logarithms of the means: a load that doubles and halves again is as far above as below."""
    values = [log(one.mean) for one in earlier]
    middle = median(values)
    within = median(_error_within(one) for one in (*earlier, *newest))
    rough = max(TO_SPREAD * median(abs(one - middle) for one in values), within, 1e-6)
    values = [_bounded(one, middle, rough) for one in values]
    level = mean(values)
    spread = max(rough, sqrt(sum((one - level) ** 2 for one in values) / (len(values) - 1)))
    going_on = _going_on(values, level)
    now = [log(one.mean) for one in newest]
    bounded = [_bounded(one, level, spread) for one in now]
    # If each of them is far out, on one side, they are no outliers.
    far_out = abs(sum(bounded) - len(now) * level) > len(now) * (OUTLIER_SPREADS - 0.01) * spread
    raised = mean(now if far_out else bounded) - level
    error = spread * sqrt(
        _inflation(len(now), going_on) / len(now) + _inflation(len(values), going_on) / len(values)
    )
    # A spread that is known from few values is itself uncertain: Student's distribution is wider than the normal one.
    wider = 1 + (CERTAIN**2 + 1) / (4 * (len(values) - 1))
    return Shift(exp(level), exp(mean(now)), len(now), len(values), raised / error / wider, spread)


def _error_within(one: Interval) -> float:
    """Return the standard error of an interval's mean, as a part of it, by what varies from call to call."""
    return (one.stddev or 0.0) / one.mean / sqrt(max(1, one.calls))


def _bounded(value: float, middle: float, spread: float) -> float:
    """Return the value, at most some spreads from the middle: one that is far out counts no more than that."""
    far = OUTLIER_SPREADS * spread
    return min(middle + far, max(middle - far, value))


def _going_on(values: Sequence[float], level: float) -> float:
    """Return how much of a difference from the level is still there in the next interval: 0 to MOST_GOING_ON."""
    square = sum((one - level) ** 2 for one in values)
    if not square:
        return 0.0
    together = sum((a - level) * (b - level) for a, b in pairwise(values))
    found = together / square
    # Of few values it is found too small.
    return min(MOST_GOING_ON, max(0.0, found + (1 + 4 * max(0.0, found)) / len(values)))


def _inflation(count: int, going_on: float) -> float:
    """Return how much larger the variance of the mean of this many is than if they were independent of each other."""
    return 1 + 2 * sum((1 - lag / count) * going_on**lag for lag in range(1, count))
