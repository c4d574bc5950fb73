"""Times of tries at a service that a host told, read with suspicion: mean, percentiles, the slowest step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STEPS = {
    "dns": "name look-up",
    "tcp": "connecting",
    "upgrade": "STARTTLS",
    "tls": "TLS",
    "first_byte": "first byte",
}
MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class TryTimes:
    """Times over the tries that were answered, in seconds. steps: the mean of each step that was told."""

    mean: float
    p50: float
    p95: float
    steps: dict[str, float]

    @property
    def slowest_step(self) -> str:
        """Return where the time went: `; 1.91 s of it first byte`; nothing if no steps were told."""
        if not self.steps:
            return ""
        step = max(self.steps, key=lambda name: self.steps[name])
        return f"; {self.steps[step]:.2f} s of it {STEPS[step]}"


def try_times(tries: Iterable[Mapping[str, Any]]) -> TryTimes | None:
    """Return the times of the tries that tell a total; None if none does."""
    told = [one for one in tries if finite(one.get("total_seconds")) is not None]
    totals = sorted(total for one in told if (total := finite(one["total_seconds"])) is not None)
    if not totals:
        return None
    steps = {}
    for step in STEPS:
        spent = [finite(one.get(f"{step}_seconds")) for one in told]
        known = [one for one in spent if one is not None]
        if known:
            steps[step] = sum(known) / len(known)
    return TryTimes(
        sum(totals) / len(totals), percentile(totals, 50), percentile(totals, 95), steps
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: a value that was measured, for few tries the slowest one."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def finite(value: Any) -> float | None:
    """Return value if it is a number of seconds that can be, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_SECONDS else None
