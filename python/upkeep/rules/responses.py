"""How fast people responded to the incidents of a month, as one figure: the slowest response. Pure.

An incident belongs to the month in which it was seen. Its response is from then to the first act of a person, and
should have taken less than its first phase may take. The figure is the slowest, for a mean hides the one that nobody
has looked at. Drills do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

from upkeep.rules.completion import month_of
from upkeep.rules.incidents import Incident

ResponseState = Literal["met", "missed", "open"]


@dataclass(frozen=True)
class IncidentResponse:
    """How long it took until a person did something. answered: False while nobody has; seconds count on then."""

    incident: int
    title: str
    seen_at: datetime
    seconds: float
    limit_seconds: float
    answered: bool = True

    @property
    def state(self) -> ResponseState:
        """Whether it took less than it should; open while nobody has done anything and there is time."""
        if self.seconds >= self.limit_seconds:
            return "missed"
        return "met" if self.answered else "open"


@dataclass(frozen=True)
class ResponseFigure:
    """A month's responses to incidents of a kind, the slowest first. over: whether the month has ended."""

    month: str
    kind: str
    rows: tuple[IncidentResponse, ...]
    over: bool = True

    @property
    def slowest(self) -> IncidentResponse | None:
        """The slowest; None without an incident."""
        return self.rows[0] if self.rows else None

    @property
    def median_seconds(self) -> float | None:
        """Half of them took at most this long; None without an incident."""
        return median(one.seconds for one in self.rows) if self.rows else None

    def count(self, state: ResponseState) -> int:
        """Return how many stand like this."""
        return sum(one.state == state for one in self.rows)


def responses(
    incidents: Iterable[Incident], month: str, kind: str, zone: str, now: datetime
) -> ResponseFigure:
    """Return a month's figure.

    Raises: UsageError for what is not a month.
    """
    begins, ends = month_of(month, zone)
    rows = [
        IncidentResponse(
            one.id,
            one.opened.title,
            one.seen_at,
            (now - one.seen_at if one.response is None else one.response).total_seconds(),
            one.opened.phases[0].within_seconds,
            one.response is not None,
        )
        for one in incidents
        if one.opened.kind == kind and not one.opened.drill and begins <= one.seen_at < ends
    ]
    rows.sort(key=lambda one: (-one.seconds, one.incident))
    return ResponseFigure(month.strip(), kind, tuple(rows), now >= ends)
