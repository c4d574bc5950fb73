"""What is valid in a schedule and yet cannot be meant: never due, always in a blackout, nobody's; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from upkeep import reviews, rota
from upkeep.calendars import Calendars, span_timing
from upkeep.fields import within
from upkeep.schedule import Timing, as_others_read, due_times, next_due, timing_of
from upkeep.schedule_file import Schedule

AHEAD = timedelta(days=366)
OCCURRENCES = 1000
"""So many are looked at: what is due every few minutes shows within a day what it is like."""
YEARS_OF_WEEKS = 6
"""Within so many years each week of the calendar comes, the 53rd too."""
NAMED_DATES = 12


@dataclass(frozen=True)
class Remark:
    """One thing that cannot be meant. about: `procedure daily` or `team ops`; kind: a word for programs.

    level: `error` for what can never be done as the file says it.
    """

    about: str
    kind: str
    text: str
    remedy: str
    level: Literal["error", "warn"] = "warn"


def lint(calendars: Calendars, now: datetime) -> list[Remark]:
    """Return all remarks, in the order of the file."""
    schedule = calendars.schedule
    return [
        *readings(schedule, now),
        *(one for name in schedule.procedures for one in _of_procedure(calendars, name, now)),
        *(one for name in schedule.teams for one in _of_team(schedule, name, now)),
    ]


def readings(schedule: Schedule, now: datetime) -> list[Remark]:
    """Return what is due on days that others do not read out of its rule: a date is told, and none is dropped."""
    timings = [(f"procedure {name}", timing_of(schedule, name)) for name in schedule.procedures]
    timings += [
        (f"{kind} {span.title}", span_timing(schedule, span))
        for kind, spans in (
            ("blackout", schedule.calendar.blackouts),
            ("maintenance window", schedule.calendar.maintenance_windows),
        )
        for span in spans
    ]
    return [one for about, timing in timings if timing for one in _of_reading(about, timing, now)]


def _of_reading(about: str, timing: Timing, now: datetime) -> Iterator[Remark]:
    other = as_others_read(timing)
    if other is None:
        return
    until = now + AHEAD
    ours, theirs = (set(due_times(one, now, until)) for one in (timing, other))
    if not ours - theirs:  # week 53, or one from later on
        until = now + AHEAD * YEARS_OF_WEEKS
        ours, theirs = (set(due_times(one, now, until)) for one in (timing, other))
    lost = sorted(f"{at.astimezone(ZoneInfo(timing.zone)):%Y-%m-%d}" for at in ours - theirs)
    if not lost:
        return
    some = ", ".join(lost[:NAMED_DATES]) + (", …" if len(lost) > NAMED_DATES else "")
    day = other.rule.rpartition("=")[2]
    text = (
        f"has {len(ours)} due times until {until:%Y-%m-%d}, and by RFC 5545 {len(theirs)}: BYWEEKNO without BYDAY "
        f"means the weekday of the start ({day}); calendars that read the feed do not have {some}"
    )
    remedy = f"say the days in its rule: BYDAY={day}, or BYDAY=MO,TU,WE,TH,FR,SA,SU to keep all"
    yield Remark(about, "read otherwise by others", text, remedy)


def _of_procedure(calendars: Calendars, name: str, now: datetime) -> Iterator[Remark]:
    procedure, about = calendars.schedule.procedures[name], f"procedure {name}"
    if not procedure.owner:
        told = calendars.schedule.alerts.team or "nobody"
        text = f"has no owner: {told} is told when it fails or is missed"
        yield Remark(about, "no owner", text, "name a team as its `owner`")
    yield from _of_reviews(calendars.schedule, name)
    timing = timing_of(calendars.schedule, name)
    if timing is None:
        return
    if next_due(timing, now) is None:
        text = f"is never due: {procedure.rule}"
        yield Remark(about, "never due", text, "see its rule, `starts` and `skip`")
        return
    due = list(islice(due_times(timing, now, now + AHEAD), OCCURRENCES))
    if procedure.changes and due and all(calendars.blackout(at) for at in due):
        held = calendars.blackout(due[0])
        title = held.title if held else ""
        text = f"is always due in a blackout ({title}), and so never runs"
        yield Remark(about, "always in a blackout", text, "move it, or shorten the blackout")
    period = min((later - one for one, later in pairwise(due)), default=None)
    if period is not None and procedure.duration > period.total_seconds():
        lasts, every = within(procedure.duration), within(period.total_seconds())
        text = f"may take {lasts} and is due again after {every}"
        yield Remark(
            about,
            "longer than its period",
            text,
            "shorten its `duration`, or let it come less often",
        )
    if period is not None and timing.jitter_seconds >= period.total_seconds():
        spread, every = within(timing.jitter_seconds), within(period.total_seconds())
        text = f"is spread over {spread} and is due again after {every}"
        yield Remark(about, "spread over its period", text, "shorten its `jitter`")


def _of_reviews(schedule: Schedule, name: str) -> Iterator[Remark]:
    procedure = schedule.procedures[name]
    if procedure.reviews and procedure.rule is None:
        text = "has reviews, and is only run by hand: no due time opens them"
        yield Remark(f"procedure {name}", "reviews never open", text, "give it a `rule`")
    for one in procedure.reviews:
        about, owner = f"review {name} {one.id}", one.owner or procedure.owner
        may = reviews.eligible(schedule, owner, one.parties)
        least = max(len(one.parties), 2 if one.four_eyes == "required" else 1)
        alone = [party for party in one.parties if not reviews.people_of(schedule, party)]
        if schedule.teams and (len(may) < least or alone):
            found = f"only {', '.join(may)}" if may else "nobody"
            needed = "two people" if least == 2 else f"{least} people" if least > 2 else "somebody"
            text = f"must be signed by {needed}, and {found} may"
            remedy = "add `members` to its team"
            if one.four_eyes == "required":
                remedy += ", or say `four_eyes: alone_with_reason`"
            yield Remark(about, "nobody to sign", text, remedy, "error")
        elif not schedule.teams and least > 1:
            text = "needs two people, and the schedule has no teams that say who may sign"
            yield Remark(about, "nobody to sign", text, "add `people` and `teams`", "error")


def _of_team(schedule: Schedule, name: str, now: datetime) -> Iterator[Remark]:
    team, about = schedule.teams[name], f"team {name}"
    people = {*team.members, *(one for turn in team.rota for one in turn.people)}
    people |= {team.fallback} if team.fallback else set()
    owns = [one for one, procedure in schedule.procedures.items() if procedure.owner == name]
    is_told = bool(owns) or schedule.alerts.team == name
    reached = team.channels or any(schedule.people[one].channels for one in people)
    if is_told and not reached:
        text = f"has no channels, and nobody in it has; it owns {', '.join(owns) or 'what nobody owns'}"
        yield Remark(about, "no channels", text, "give it `channels`")
    gaps = rota.gaps(schedule, name, now, now + AHEAD)
    if gaps:
        first = gaps[0]
        more = f", and {len(gaps) - 1} more times" if len(gaps) > 1 else ""
        text = f"has nobody on call from {first.begins:%Y-%m-%d} to {first.ends:%Y-%m-%d}{more}"
        yield Remark(
            about, "rota gap", text, "extend its `rota`; until then its fallback is called"
        )
