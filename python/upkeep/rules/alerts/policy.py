"""Pure: when is who told of an alert. Policy per severity, hours of the team, its rota and the windows → calls.

Everything is counted from the beginning of the alert's round, in the hours of its team: a hand-over of the rota, or to
the next person, does not begin them again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from upkeep.rules.alerts.model import ACKNOWLEDGED, Alert
from upkeep.site.schedule_file import Step

WINDOW = "maintenance window"
SILENT_IN_WINDOWS = (2, 3)
"""What opens in a maintenance window waits until it ends, and is told then if it still fails; 1 never waits."""
HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400


class Hours(Protocol):
    """A team's business hours, as calendars.BusinessHours."""

    def opens(self, at: datetime) -> datetime:
        """Return when it is open next; at itself if it is."""

    def add(self, at: datetime, seconds: float) -> datetime:
        """Return the time that many open seconds later."""

    def next_day(self, at: datetime) -> datetime:
        """Return when the next business day begins."""


@dataclass(frozen=True)
class Times:
    """What the calendar says of a team.

    on_call: who, then who is next, at a time; empty if nobody. window_from: when a maintenance window is open next,
    the time itself if one is; None if none comes.
    """

    hours: Hours
    on_call: Callable[[datetime], Sequence[str]]
    window_from: Callable[[datetime], datetime | None]


@dataclass(frozen=True)
class Call:
    """One telling of an alert. person: empty for the team as a whole. number: tells it from the others of its round."""

    at: datetime
    person: str
    number: str

    @property
    def again(self) -> bool:
        """Whether another call of the round was due before it."""
        return self.number not in ("team", "0.0")


def begins(step: Step, since: datetime, times: Times) -> datetime:
    """Return when people are told first."""
    if step.begins == "at once":
        return since
    if step.begins == "business hours":
        return times.hours.opens(since)
    if step.begins == WINDOW and (window := times.window_from(since)) is not None:
        return window
    return times.hours.next_day(since)


def answer_by(step: Step, since: datetime, times: Times) -> datetime:
    """Return by when somebody must acknowledge it."""
    return _later(step, begins(step, since, times), step.within, times)


def calls(alert: Alert, step: Step, now: datetime, times: Times) -> list[Call]:
    """Return the calls that are due: of each person and repetition the latest, so that nobody gets what was missed.

    The team as a whole is told when it begins; so is who is on call, if it is called at once or in business hours.
    Until somebody acknowledges, that is repeated, and the next persons of the rota are told too: of an alert that comes
    and goes, once it has lasted for an hour. Of an acknowledged alert that came back, only that is told.
    """
    start = begins(step, alert.round_at, times)
    if start > now:
        return []
    found = [Call(start, "", "team")]
    to_people = step.begins in ("at once", "business hours")
    # Each coming back begins a new round, if people were told of the last: within one it lasts.
    lasts = HOUR_SECONDS if alert.returns else 0
    for index, at in enumerate(_hand_overs(step, start, now, times, lasts)):
        repeat, when = _latest(step, at, now, times, 0 if index else lasts)
        people = times.on_call(when) if to_people else ()
        if index >= len(people):
            break
        found.append(Call(when, people[index], f"{index}.{repeat}"))
        if alert.status == ACKNOWLEDGED:
            break
    if len(found) == 1 and alert.status != ACKNOWLEDGED:
        # Nobody is on call: the team is all there is to be told again.
        repeat, when = _latest(step, start, now, times, lasts)
        found[0] = Call(when, "", f"team.{repeat}" if repeat else "team")
    return found


def news_at(alert: Alert, step: Step, since: datetime, times: Times) -> datetime:
    """Return when people are told of new causes in an alert that they know.

    since: when the first of them came. It is not sooner than `repeat` after the last telling; an hour, where the step
    repeats nothing.
    """
    last = alert.news_at or begins(step, alert.round_at, times)
    every = timedelta(seconds=step.repeat or HOUR_SECONDS)
    return begins(step, max(since, last + every), times)


def hear_news(step: Step, now: datetime, times: Times) -> list[str]:
    """Return the person who hears of news beside the team; none where only the team is told."""
    to_people = step.begins in ("at once", "business hours")
    return list(times.on_call(now))[:1] if to_people else []


def _hand_overs(
    step: Step, start: datetime, now: datetime, times: Times, lasts: float
) -> list[datetime]:
    """Return when the first, second, … person is told for the first time, up to now; the second not before `lasts`."""
    found = [start]
    after = step.next_person_after
    while after is not None and len(found) < 100:
        at = _later(step, start, max(lasts - after, 0) + after * len(found), times)
        if at > now:
            break
        found.append(at)
    return found


def _latest(
    step: Step, start: datetime, now: datetime, times: Times, lasts: float
) -> tuple[int, datetime]:
    """Return the number and the time of the latest repetition, of which the first is not before `lasts`; 0 if none."""
    repeat = step.repeat
    if repeat is None:
        return 0, start

    def repeated(count: int) -> datetime:
        return _later(step, start, max(lasts - repeat, 0) + count * repeat, times)

    # Hours of work are no shorter than the clock's; a day may be, by one.
    most = int(((now - start).total_seconds() + HOUR_SECONDS) // repeat)
    count = bisect_right(range(1, most + 1), now, key=repeated)
    return count, repeated(count) if count else start


def _later(step: Step, at: datetime, seconds: float, times: Times) -> datetime:
    """Return the time so much later; in the hours in which the step counts."""
    if step.begins in ("at once", WINDOW):
        return at + timedelta(seconds=seconds)
    if step.begins == "business hours":
        return times.hours.add(at, seconds)
    days, rest = divmod(seconds, DAY_SECONDS)
    for _day in range(int(days)):
        at = times.hours.next_day(at)
    # A working day is shorter than 24 h: what is less than a day is not later than one.
    return min(times.hours.add(at, rest), times.hours.next_day(at))
