"""A year of the schedule before it happens: what overlaps, what a blackout stops, when nobody is on call; pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from zoneinfo import ZoneInfo

from upkeep.schedule import rota
from upkeep.schedule.calendars import Calendars, Period
from upkeep.schedule.due_times import begins_at, due_times, timing_of
from upkeep.site.schedule_file import Schedule

ONE_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Planned:
    """How often a procedure is due, and how long its runs may take together."""

    procedure: str
    times: int
    seconds: float


@dataclass(frozen=True)
class Collision:
    """Two procedures whose runs may overlap on the same hosts; or one with its own next run.

    procedure: the one that is due less often. times: how many of its runs meet the other's.
    """

    procedure: str
    other: str
    hosts: str
    times: int
    first_at: datetime


@dataclass(frozen=True)
class Stopped:
    """Occurrences of a procedure that changes hosts which are due in a blackout."""

    procedure: str
    blackout: str
    times: int
    first_at: datetime


@dataclass(frozen=True)
class Week:
    """The load of a week: how many runs begin, and how long they may take together. begins: its Monday."""

    begins: date
    runs: int
    seconds: float


@dataclass(frozen=True)
class Gap:
    """A time in which a team has nobody on call by its rota."""

    team: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Simulation:
    """What a year of the schedule brings."""

    year: int
    planned: tuple[Planned, ...]
    collisions: tuple[Collision, ...]
    stopped: tuple[Stopped, ...]
    weeks: tuple[Week, ...]
    gaps: tuple[Gap, ...]


def simulate(calendars: Calendars, year: int) -> Simulation:
    """Return what the year brings, from its first to its last midnight in the schedule's time zone."""
    schedule = calendars.schedule
    zone = ZoneInfo(schedule.time_zone)
    begin, end = (datetime(one, 1, 1, tzinfo=zone).astimezone(UTC) for one in (year, year + 1))
    begins = {name: _begins(schedule, name, begin, end) for name in schedule.procedures}
    blackouts = calendars.blackouts(begin, end)
    return Simulation(
        year=year,
        planned=tuple(
            Planned(name, len(found), len(found) * schedule.procedures[name].duration)
            for name, found in begins.items()
        ),
        collisions=_collisions(schedule, begins),
        stopped=tuple(_stopped(schedule, begins, blackouts)),
        weeks=tuple(_weeks(schedule, begins, year, zone)),
        gaps=tuple(
            Gap(team, one.begins, one.ends)
            for team in schedule.teams
            for one in rota.gaps(schedule, team, begin, end)
        ),
    )


def _begins(schedule: Schedule, name: str, begin: datetime, end: datetime) -> list[float]:
    """Return when runs of a procedure begin, as POSIX time, ascending."""
    timing = timing_of(schedule, name)
    if timing is None:
        return []
    first = begin - timedelta(microseconds=1)
    found = [
        begins_at(timing, due).timestamp()
        for due in due_times(timing, first, end - timedelta(microseconds=1))
    ]
    return sorted(found) if timing.jitter_seconds else found


def _collisions(schedule: Schedule, begins: Mapping[str, list[float]]) -> tuple[Collision, ...]:
    """Return which procedures overlap, the most frequent first."""
    events = sorted((at, name) for name, found in begins.items() for at in found)
    hosts = {name: one.hosts for name, one in schedule.procedures.items()}
    shared = {
        (a, b) for a, of_a in hosts.items() for b, of_b in hosts.items() if may_share(of_a, of_b)
    }
    lasts = {name: one.duration for name, one in schedule.procedures.items()}
    met: dict[tuple[str, str], dict[float, float]] = {}
    running: list[tuple[float, float, str]] = []  # until when, since when, what
    for at, name in events:
        if running:
            running = [one for one in running if one[0] > at]
            for _until, since, other in running:
                if (name, other) not in shared:
                    continue
                if (len(begins[name]), name) < (len(begins[other]), other):
                    met.setdefault((name, other), {}).setdefault(at, at)
                else:
                    met.setdefault((other, name), {}).setdefault(since, at)
        running.append((at + lasts[name], at, name))
    collisions = [
        Collision(
            name,
            other,
            schedule.procedures[name].hosts,
            len(runs),
            datetime.fromtimestamp(min(runs.values()), UTC),
        )
        for (name, other), runs in met.items()
    ]
    return tuple(sorted(collisions, key=lambda one: (-one.times, one.procedure, one.other)))


def may_share(one: str, other: str) -> bool:
    """Return whether two of Ansible's patterns may have a host in common, as far as their words tell.

    Groups of different names count as different hosts: which hosts are in them only the inventory knows.
    """
    words = [
        {word for word in re.split(r"[:,]", text) if word[:1] not in ("", "!", "&")}
        for text in (one, other)
    ]
    if any("all" in each for each in words):
        return True
    return any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in words[0] for b in words[1])


def _stopped(
    schedule: Schedule, begins: Mapping[str, list[float]], blackouts: list[Period]
) -> Iterator[Stopped]:
    """Yield what blackouts stop; an occurrence in two of them counts in the first."""
    for name, found in begins.items():
        if not schedule.procedures[name].changes:
            continue
        times: dict[str, list[float]] = {}
        reached = 0
        for one in blackouts:
            low = max(reached, bisect_left(found, one.begins.timestamp()))
            high = bisect_left(found, one.ends.timestamp())
            if high > low:
                times.setdefault(one.title, []).extend(found[low:high])
                reached = high
        for title, stopped in times.items():
            yield Stopped(name, title, len(stopped), datetime.fromtimestamp(stopped[0], UTC))


def _weeks(
    schedule: Schedule, begins: Mapping[str, list[float]], year: int, zone: ZoneInfo
) -> Iterator[Week]:
    """Yield the load of each week of the year, from the Monday on or before its first day."""
    monday = date(year, 1, 1) - timedelta(days=date(year, 1, 1).weekday())
    mondays = [monday]
    while mondays[-1] < date(year + 1, 1, 1):
        mondays.append(mondays[-1] + ONE_WEEK)
    edges = [datetime.combine(day, time(), zone).timestamp() for day in mondays]
    for day, (low, high) in zip(mondays, pairwise(edges), strict=False):
        runs, seconds = 0, 0.0
        for name, found in begins.items():
            times = bisect_left(found, high) - bisect_left(found, low)
            runs += times
            seconds += times * schedule.procedures[name].duration
        yield Week(day, runs, seconds)
