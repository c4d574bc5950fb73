"""Whether the targets of a review are met by what was seen, and how much of the time nobody has seen. Pure.

The time between two due times of a check is seen if a look brought a value in it; else all of it is unseen. A value
holds until the next one, at most until the end of the time in which it was seen. A look that found nothing to judge
makes its time idle: neither within a target nor outside of it, and not unseen either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from upkeep.model.verdicts import MeasureKind
from upkeep.schedule.due_times import Timing, due_times, next_due
from upkeep.site.schedule_file import TargetRule

MOST_UNSEEN = 0.05
"""With a larger share of the time unseen, a target is never met: whether it is, is unknown."""
LEAST_SHARE = 99.0
"""At least this many percent of the observed time must be within a target, where the schedule does not say how many."""


RULES: Mapping[MeasureKind, TargetRule] = {
    MeasureKind.COUNTER: "total",
    MeasureKind.LATENCY: "within",
    MeasureKind.SHARE: "within",
    MeasureKind.STATE: "worst",
}
"""The rule of a target that names none, by what its measure is like."""


@dataclass(frozen=True)
class Objective:
    """What a measure should be. share: how many percent of the time, with the rule `within`."""

    rule: TargetRule
    at_most: float | None = None
    at_least: float | None = None
    share: float = LEAST_SHARE

    @property
    def is_one(self) -> bool:
        """Whether there is anything to be met; else it is a trend."""
        return self.at_most is not None or self.at_least is not None

    def excess(self, value: float) -> float:
        """Return by how much a value is outside; 0 or less if it is within."""
        if self.at_most is not None and value > self.at_most:
            return value - self.at_most
        if self.at_least is not None:
            under = self.at_least - value
            return under if self.at_most is None else max(under, value - self.at_most)
        return 0.0 if self.at_most is None else value - self.at_most


@dataclass(frozen=True)
class Rhythm:
    """When a check is due by one procedure. seconds: how long after that its run may bring a value."""

    timing: Timing
    seconds: float = 0.0


class Slot(NamedTuple):
    """A time in which one look is due. must: whether it must have brought a value by now.

    explained: whether a value in it tells of all of it; else it is unseen, whatever was seen in it.
    """

    begins: datetime
    ends: datetime
    must: bool = True
    explained: bool = True


class SeriesLook(NamedTuple):
    """What a look brought. value: None if there was nothing to judge."""

    at: datetime
    value: float | None


@dataclass(frozen=True)
class JudgedSeries:
    """How a series stands to its target.

    meets: None if it has none, or if that is not known. figure: what the rule goes by: for `within` how many percent of
    the time that was seen, for `worst` the worst value, for `total` what was counted; None if nothing was seen.
    unseen_seconds: of `seconds` in which it should have been seen.
    """

    meets: bool | None
    figure: float | None
    unseen_seconds: float
    seconds: float

    @property
    def unseen(self) -> float:
        """The share of the time that nobody has seen, from 0 to 1."""
        return self.unseen_seconds / self.seconds if self.seconds else 0.0


def target_of(wanted: Mapping[str, Any], kind: MeasureKind | None) -> Objective:
    """Return the target that a schedule asks for. kind: of its measure; one that nobody knows counts as a state."""
    share = wanted.get("share")
    return Objective(
        wanted.get("rule") or ("within" if share is not None else RULES[kind or MeasureKind.STATE]),
        wanted.get("at_most"),
        wanted.get("at_least"),
        LEAST_SHARE if share is None else share,
    )


# --- the time --------------------------------------------------------------------------------------------------------
def slots_of(rhythms: Sequence[Rhythm], since: datetime, until: datetime) -> list[Slot]:
    """Return the times between the due times of a period, of all procedures together.

    What was due before the period explains its beginning. What is due at its end stands for its time to come: so each
    due time counts in one period. Without any rhythm nothing says how long a value holds: all of it is unseen.
    """
    if not rhythms:
        return [Slot(since, until, explained=False)]
    ready: dict[datetime, datetime] = {}
    for one in rhythms:
        lasts = timedelta(seconds=one.seconds + one.timing.jitter_seconds)
        for due in due_times(one.timing, since, until):
            ready[due] = max(due + lasts, ready.get(due, due))
    following = [at for one in rhythms if (at := next_due(one.timing, until))]
    edges = [since, *sorted(ready), min(following, default=until)]
    return [
        Slot(begins, ends, begins in ready and ready[begins] <= until)
        for begins, ends in pairwise(edges)
        if ends > begins
    ]


def spans(
    slots: Iterable[Slot], looks: Sequence[SeriesLook]
) -> Iterator[tuple[float, SeriesLook | None]]:
    """Yield the time in pieces: how many seconds, and the look that tells of them; None if nobody has seen them.

    slots, looks: in the order of time.
    """
    at, count = 0, len(looks)
    for begins, ends, must, explained in slots:
        if not explained:
            yield (ends - begins).total_seconds(), None
            continue
        while at < count and looks[at].at < begins:
            at += 1
        first = at
        while at < count and looks[at].at < ends:
            at += 1
        if at - first == 1:  # as it should be; there may be a million of them
            yield (ends - begins).total_seconds(), looks[first]
        elif at > first:
            edges = [begins, *(one.at for one in looks[first + 1 : at]), ends]
            for one, (since, until) in zip(looks[first:at], pairwise(edges), strict=True):
                yield (until - since).total_seconds(), one
        elif must:
            yield (ends - begins).total_seconds(), None


# --- the target ------------------------------------------------------------------------------------------------------
def judge(
    target: Objective,
    slots: Sequence[Slot],
    looks: Sequence[SeriesLook],
    before: float | None = None,
) -> JudgedSeries:
    """Return how a series stands to its target. before: its last value before the period; a counter goes on from it.

    That a target is missed may be plain though a part of the time is unseen; that it is met never is.
    """
    inside = outside = idle = unseen = 0.0
    for seconds, look in spans(slots, looks):
        if look is None:
            unseen += seconds
        elif look.value is None:
            idle += seconds
        elif target.excess(look.value) > 0:
            outside += seconds
        else:
            inside += seconds
    every = inside + outside + idle + unseen
    values = [one.value for one in looks if one.value is not None]
    blind = unseen > MOST_UNSEEN * every
    meets: bool | None = None
    if target.rule == "within":
        seen = inside + outside
        figure = 100 * inside / seen if seen else None
        missed = figure is not None and figure < target.share
        plainly = missed and 100 * (inside + unseen) < target.share * (seen + unseen)
    elif target.rule == "worst":
        figure = max(values, key=target.excess, default=None)
        missed = plainly = figure is not None and target.excess(figure) > 0
    else:
        figure = counted(values, before) if values else None
        missed = figure is not None and target.excess(figure) > 0
        # What was not seen can only add to it.
        plainly = missed and target.at_most is not None and (figure or 0.0) > target.at_most
    if target.is_one and figure is not None:
        meets = False if plainly else None if blind else not missed
    return JudgedSeries(meets, figure if target.is_one else None, unseen, every)


def counted(values: Iterable[float], before: float | None = None) -> float:
    """Return how much a counter has counted; where it is less than before, it began again at 0."""
    total = 0.0
    for value in values:
        if before is not None:
            total += value - before if value >= before else value
        before = value
    return total


# --- what is told ----------------------------------------------------------------------------------------------------
def state_of(measure: Mapping[str, Any], series: Mapping[str, Any]) -> str:
    """Return how a series of a review's evidence stands: `met`, `missed`, `unknown`; empty if it has no target."""
    if not _has_target(measure):
        return ""
    return {True: "met", False: "missed", None: "unknown"}[series["meets"]]


def is_by_mean(measure: Mapping[str, Any]) -> bool:
    """Return whether an older program kept it: it held the mean of what was seen against the target, and no more."""
    return "rule" not in measure


def summary(evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how each target of a review's evidence stands, in short: what a signature's record says of them.

    figure: the one farthest from the target. unseen: the largest share of the time that nobody has seen.
    """
    found = []
    for one in evidence.get("measures", ()):
        states = [state_of(one, each) for each in one["series"]]
        if is_by_mean(one) or not _has_target(one):
            continue
        target = Objective(one["rule"], one["at_most"], one["at_least"])
        figures = [each["figure"] for each in one["series"] if each["figure"] is not None]
        worst = min if target.rule == "within" else _farthest(target)
        found.append(
            {key: one[key] for key in ("check", "name", "rule", "share", "at_most", "at_least")}
            | {state: states.count(state) for state in ("met", "missed", "unknown")}
            | {
                "left_out": one["left_out"],
                "figure": worst(figures) if figures else None,
                "unseen": max((each["unseen"] for each in one["series"]), default=1.0),
            }
        )
    return found


def _has_target(measure: Mapping[str, Any]) -> bool:
    return measure["at_most"] is not None or measure["at_least"] is not None


def _farthest(target: Objective) -> Callable[[list[float]], float]:
    return lambda figures: max(figures, key=target.excess)
