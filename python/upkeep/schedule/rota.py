"""Who is on call, by the site's rota and the overrides to it; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from upkeep.schedule.calendars import Period
from upkeep.site.schedule_file import Schedule, Turn

MOST_TURNS = 1_000
"""After this number of turns of the same person nobody else comes."""


@dataclass(frozen=True)
class OnCall:
    """Who is called first, then who is next. gap: nobody by the rota; people is then who is called in that case."""

    people: tuple[str, ...]
    gap: bool = False


@dataclass(frozen=True)
class Handover:
    """When somebody else is called first, and who; empty: nobody is."""

    at: datetime
    person: str


@dataclass(frozen=True)
class Override:
    """Somebody takes a team's calls for a time, in UTC."""

    team: str
    person: str
    begins: datetime
    ends: datetime


def on_call(
    schedule: Schedule, team_id: str, at: datetime, overrides: Iterable[Override] = ()
) -> OnCall:
    """Return who is on call for a team. A team without a rota has none: its members are called, in their order."""
    team = schedule.teams.get(team_id)
    if team is None:
        return OnCall((), gap=True)
    taken = [one.person for one in overrides if one.team == team_id and one.begins <= at < one.ends]
    turn = _turn(schedule, team_id, at)
    fallback = (team.fallback,) if team.fallback else ()
    if turn is None:
        by_rota = () if team.rota else team.members
        people = (*taken, *by_rota, *fallback)
        return OnCall(_once(people), gap=not (taken or by_rota))
    zone = ZoneInfo(schedule.zone_of(team))
    # Turns change at the same local time, whatever daylight saving does in between.
    passed = at.astimezone(zone).replace(tzinfo=None) - turn.starts
    number = int(passed // timedelta(seconds=turn.each)) % len(turn.people)
    in_order = turn.people[number:] + turn.people[:number]
    return OnCall(_once((*taken, *in_order, *fallback)))


def handover(
    schedule: Schedule, team_id: str, at: datetime, overrides: Iterable[Override] = ()
) -> Handover | None:
    """Return when somebody else is called first after a time; None if that is not to come."""
    overrides = [one for one in overrides if one.team == team_id]
    first = on_call(schedule, team_id, at, overrides).people[:1]
    edge = _next_edge(schedule, team_id, at, overrides)
    for _step in range(MOST_TURNS):
        if edge is None:
            return None
        people = on_call(schedule, team_id, edge, overrides).people[:1]
        if people != first:
            return Handover(edge, "".join(people))
        edge = _next_edge(schedule, team_id, edge, overrides)
    return None


def _next_edge(
    schedule: Schedule, team_id: str, after: datetime, overrides: Iterable[Override]
) -> datetime | None:
    """Return when who is on call may change next: a turn, a part of the rota, or an override begins or ends."""
    team = schedule.teams.get(team_id)
    edges = [edge for one in overrides for edge in (one.begins, one.ends)]
    if team is not None:
        zone = ZoneInfo(schedule.zone_of(team))
        local = after.astimezone(zone).replace(tzinfo=None)
        parts = [edge for turn in team.rota for edge in (turn.starts, turn.ends) if edge]
        turn = _turn(schedule, team_id, after)
        if turn is not None:
            each = timedelta(seconds=turn.each)
            begun = turn.starts + (local - turn.starts) // each * each
            parts += [
                begun + each,
                begun + 2 * each,
            ]  # the second, where the clock is put back at the first
        edges += [edge.replace(tzinfo=zone).astimezone(UTC) for edge in parts]
    return min((edge for edge in edges if edge > after), default=None)


def gaps(schedule: Schedule, team_id: str, after: datetime, until: datetime) -> list[Period]:
    """Return the times in which nobody is on call by the rota; none for a team without one."""
    team = schedule.teams.get(team_id)
    if team is None or not team.rota:
        return []
    zone = ZoneInfo(schedule.zone_of(team))
    edges = {after, until}
    for turn in team.rota:
        for local in filter(None, (turn.starts, turn.ends)):
            edge = local.replace(tzinfo=zone).astimezone(UTC)
            if after < edge < until:
                edges.add(edge)
    found: list[Period] = []
    ordered = sorted(edges)
    for begins, ends in pairwise(ordered):
        if _turn(schedule, team_id, begins) is None:
            if found and found[-1].ends == begins:
                begins = found.pop().begins
            found.append(Period(f"nobody in {team.title} is on call", begins, ends))
    return found


def _turn(schedule: Schedule, team_id: str, at: datetime) -> Turn | None:
    """Return the first part of the rota that holds."""
    team = schedule.teams[team_id]
    local = at.astimezone(ZoneInfo(schedule.zone_of(team))).replace(tzinfo=None)
    for turn in team.rota:
        if turn.starts <= local and (turn.ends is None or local < turn.ends):
            return turn
    return None


def _once(people: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(people))
