"""What is valid in a schedule and yet cannot be meant: never due, always in a blackout, told to nobody."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice, pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from upkeep.checks.upkeep.run_failed import ID as RUN_FAILED
from upkeep.judging.check import every, load
from upkeep.model.errors import ConfigurationError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.verdicts import MeasureKind
from upkeep.rules import reviews
from upkeep.rules.alerts.owners import owner_of
from upkeep.rules.targets import target_of
from upkeep.schedule import rota
from upkeep.schedule.calendars import Calendars, span_timing
from upkeep.schedule.due_times import Timing, as_others_read, due_times, next_due, timing_of
from upkeep.site.fields import within
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import OwnerRule, Schedule, Target, parse_schedule
from upkeep.site.yaml_file import Key, YamlFile

AHEAD = timedelta(days=366)
OCCURRENCES = 1000
"""At most this many are looked at: what is due every few minutes shows within a day what it is like."""
YEARS_OF_WEEKS = 6
"""Within this many years each week of the calendar comes, the 53rd too."""
NAMED_DATES = 12
VERBS = ("list", "show", "judge")
"""What follows `upkeep run` as a command of its own; a test compares it."""
CHANNEL = "mail"
CHANNELS = f"channels: {{{CHANNEL}: {{url_from: UPKEEP_CHANNEL_MAIL}}}}"
"""What lint proposes, where there are none."""


@dataclass(frozen=True)
class Remark:
    """One thing that cannot be meant. about: `procedure daily` or `team ops`; kind: a word for programs.

    level: `error` for what can never be done as the file says it. key: where in schedule.yml. place: `file:line`.
    """

    about: str
    kind: str
    text: str
    remedy: str
    level: Literal["error", "warn"] = "warn"
    key: Key = field(default=(), compare=False)
    place: str = field(default="", compare=False)

    def at(self, file: YamlFile | None) -> Remark:
        """Return the remark with its place in schedule.yml, if it has none yet."""
        if file is None or self.place:
            return self
        return replace(self, place=file.place(self.key))


def lint(calendars: Calendars, now: datetime, file: YamlFile | None = None) -> list[Remark]:
    """Return all remarks, in the order of the file. file: schedule.yml, for their places."""
    schedule = calendars.schedule
    found = [
        *readings(schedule, now),
        *(one for name in schedule.procedures for one in _of_procedure(calendars, name, now)),
        *reach(schedule, file),
        *(one for name in schedule.teams for one in _of_rota(schedule, name, now)),
        *_of_accounts(schedule),
        *_of_severities(schedule),
    ]
    return [one.at(file) for one in found]


def readings(schedule: Schedule, now: datetime) -> list[Remark]:
    """Return what is due on days that others do not read out of its rule: a date is told, and none is dropped."""
    timings: list[tuple[str, Key, Timing | None]] = [
        (f"procedure {name}", ("procedures", name, "rule"), timing_of(schedule, name))
        for name in schedule.procedures
    ]
    timings += [
        (f"{kind} {span.title}", ("calendar", key, index, "rule"), span_timing(schedule, span))
        for kind, key, spans in (
            ("blackout", "blackouts", schedule.calendar.blackouts),
            ("maintenance window", "maintenance_windows", schedule.calendar.maintenance_windows),
        )
        for index, span in enumerate(spans)
    ]
    return [
        one
        for about, key, timing in timings
        if timing
        for one in _of_reading(about, key, timing, now)
    ]


def _of_reading(about: str, key: Key, timing: Timing, now: datetime) -> Iterator[Remark]:
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
    yield Remark(about, "read otherwise by others", text, remedy, key=key)


def _of_procedure(calendars: Calendars, name: str, now: datetime) -> Iterator[Remark]:
    procedure, about = calendars.schedule.procedures[name], f"procedure {name}"
    key: Key = ("procedures", name)
    if not procedure.owner:
        told = owner_of(calendars.schedule, name, RUN_FAILED, Place()).team or "nobody"
        text = f"has no owner: {told} is notified when it fails or is missed"
        teams = ", ".join(calendars.schedule.teams)
        remedy = "name a team as its `owner`" + (f": {teams}" if teams else "")
        yield Remark(about, "no owner", text, remedy, key=key)
    if name in VERBS:
        text = f"is called like a command: `upkeep run {name}` does not run it"
        remedy = f"give it another id, or run it by: upkeep run -- {name}"
        yield Remark(about, "name of a command", text, remedy, key=key)
    yield from _of_reviews(calendars.schedule, name)
    yield from _of_targets(calendars.schedule, name)
    timing = timing_of(calendars.schedule, name)
    if timing is None:
        return
    if next_due(timing, now) is None:
        text = f"is never due: {procedure.rule}"
        yield Remark(
            about, "never due", text, "see its rule, `starts` and `skip`", key=(*key, "rule")
        )
        return
    due = list(islice(due_times(timing, now, now + AHEAD), OCCURRENCES))
    if procedure.changes and due and all(calendars.blackout(at) for at in due):
        held = calendars.blackout(due[0])
        title = held.title if held else ""
        text = f"is always due in a blackout ({title}), and so never runs"
        yield Remark(
            about,
            "always in a blackout",
            text,
            "move it, or shorten the blackout",
            key=(*key, "rule"),
        )
    period = min((later - one for one, later in pairwise(due)), default=None)
    if period is not None and procedure.duration > period.total_seconds():
        lasts, every = within(procedure.duration), within(period.total_seconds())
        text = f"may take {lasts} and is due again after {every}"
        yield Remark(
            about,
            "longer than its period",
            text,
            "shorten its `duration`, or let it come less often",
            key=(*key, "duration"),
        )
    if period is not None and timing.jitter_seconds >= period.total_seconds():
        spread, every = within(timing.jitter_seconds), within(period.total_seconds())
        text = f"is spread over {spread} and is due again after {every}"
        yield Remark(
            about, "spread over its period", text, "shorten its `jitter`", key=(*key, "jitter")
        )


def _of_reviews(schedule: Schedule, name: str) -> Iterator[Remark]:
    procedure = schedule.procedures[name]
    key: Key = ("procedures", name, "reviews")
    if procedure.reviews and procedure.rule is None:
        text = "has reviews, but is only run by hand: no due time opens them"
        yield Remark(f"procedure {name}", "reviews never open", text, "give it a `rule`", key=key)
    for index, one in enumerate(procedure.reviews):
        about, owner = f"review {name} {one.id}", one.owner or procedure.owner
        may = reviews.eligible(schedule, owner, one.parties)
        least = max(len(one.parties), 2 if one.four_eyes == "required" else 1)
        alone = [party for party in one.parties if not reviews.people_of(schedule, party)]
        if schedule.teams and (len(may) < least or alone):
            found = f"only {', '.join(may)}" if may else "nobody"
            needed = "two people" if least == 2 else f"{least} people" if least > 2 else "somebody"
            text = f"must be signed by {needed}, but {found} may"
            remedy = "add `members` to its team"
            if one.four_eyes == "required":
                remedy += ", or say `four_eyes: alone_with_reason`"
            yield Remark(about, "nobody to sign", text, remedy, "error", (*key, index))
        elif not schedule.teams and least > 1:
            text = "needs two people, and the schedule has no teams that say who may sign"
            yield Remark(
                about, "nobody to sign", text, "add `people` and `teams`", "error", (*key, index)
            )


def _of_targets(schedule: Schedule, name: str) -> Iterator[Remark]:
    """Yield which measures cannot be seen or met, and which have a target whose rule is not said and may surprise."""
    for index, review in enumerate(schedule.procedures[name].reviews):
        for number, one in enumerate(review.measures):
            key: Key = ("procedures", name, "reviews", index, "measures", number)
            about = f"review {name} {review.id}"
            for kind, text, remedy, level in _of_target(schedule, one):
                yield Remark(about, kind, text, remedy, level, key)


def _of_target(
    schedule: Schedule, one: Target
) -> Iterator[tuple[str, str, str, Literal["error", "warn"]]]:
    """Yield kind, text, remedy and level of what is to be said of a measure."""
    measures, what = load()[one.check].measures, f"{one.name!r} of {one.check}"
    if one.name not in measures:
        text = f"shows {what}, which the check does not measure{nearest(one.name, measures)}"
        there = f"there is: {', '.join(measures)}" if measures else "take another check"
        yield "no such measure", text, there, "error"
        return
    looks = [each for each in schedule.procedures.values() if each.rule is not None]
    if not any(each.checks is None or one.check in each.checks for each in looks):
        text = (
            f"shows {what}, but no procedure with a `rule` runs {one.check}: all of its time is "
            "unobserved"
        )
        remedy = f"add {one.check} to the `checks` of a procedure that has a `rule`"
        yield "never looked at", text, remedy, "warn"
    kind = measures[one.name]
    target = target_of(one.model_dump(), kind)
    if one.rule == "total" and kind is not MeasureKind.COUNTER:
        text = f"adds up {what}, which is a {kind.value}, not a counter"
        yield "rule does not fit", text, "say `rule: within`, or `rule: worst`", "error"
    if not target.is_one or one.rule or one.share is not None:
        return
    if target.rule == "worst":
        text = f"requires {what} to meet its target always: one value outside fails it"
        remedy = "say `rule: worst` if that is meant, or `rule: within` and a `share`, such as 95"
        yield "rule not said", text, remedy, "warn"
    elif target.rule == "total":
        text = f"compares with the target what {what} counted from one review to the next"
        remedy = "say `rule: total` if that is meant, or `rule: worst` for each value"
        yield "rule not said", text, remedy, "warn"
    elif kind is MeasureKind.SHARE and (one.at_least or 0.0) > target.share:
        text = f"lets {what} be below {one.at_least:g} for {100 - target.share:g} % of the time"
        remedy = f"say `share: {one.at_least:g}`, or `rule: within` if that is meant"
        yield "rule not said", text, remedy, "warn"


def _of_rota(schedule: Schedule, name: str, now: datetime) -> Iterator[Remark]:
    gaps = rota.gaps(schedule, name, now, now + AHEAD)
    if gaps:
        first = gaps[0]
        more = f", and {len(gaps) - 1} more times" if len(gaps) > 1 else ""
        text = f"has nobody on call from {first.begins:%Y-%m-%d} to {first.ends:%Y-%m-%d}{more}"
        remedy = "extend its `rota`; until then its fallback is called"
        yield Remark(f"team {name}", "rota gap", text, remedy, key=("teams", name, "rota"))


# --- who is notified ---------------------------------------------------------------------------------------------
def reach(schedule: Schedule, file: YamlFile | None = None) -> Iterator[Remark]:
    """Yield who should be told and is not: nobody at all, for want of teams; or a team, or who is on call in it."""
    yield from _of_no_teams(schedule, file)
    for name in schedule.teams:
        if name in _told_teams(schedule):
            yield from _of_team(schedule, name)


def _of_accounts(schedule: Schedule) -> Iterator[Remark]:
    """Yield the accounts that several people have: nobody knows who acts with one."""
    people: dict[str, list[str]] = {}
    for name, person in schedule.people.items():
        for account in dict.fromkeys(person.accounts):
            people.setdefault(account, []).append(name)
    for account, names in people.items():
        if len(names) > 1:
            text = (
                f"the account {account} belongs to {' and '.join(names)}: it is not known who "
                "acts with it"
            )
            remedy = "leave it with one of them; the others act with --as and their own name"
            key = ("people", names[-1], "accounts")
            yield Remark(f"person {names[-1]}", "shared account", text, remedy, "error", key)


def _of_team(schedule: Schedule, name: str) -> Iterator[Remark]:
    team, about = schedule.teams[name], f"team {name}"
    called = {one for turn in team.rota for one in turn.people}
    called |= {team.fallback} if team.fallback else set()
    if not team.channels and not any(
        schedule.people[one].channels for one in {*team.members, *called}
    ):
        owns = [one for one, procedure in schedule.procedures.items() if procedure.owner == name]
        owns += [_named_by(rule) for rule in schedule.alerts.owners if rule.team == name]
        text = f"has no channels, and nobody in it has; it owns {', '.join(owns) or 'what has no owner'}"
        yield Remark(about, "no channels", text, _give_channels(schedule), key=("teams", name))
        return
    for one in sorted(called if team.rota else {*called, *team.members}):
        if not _reaches(schedule, one):
            text = (
                f"calls {one}, who cannot be reached: {one} has no channels, and no team of "
                "theirs has any"
            )
            yield Remark(about, "not reached", text, _give_channels(schedule), key=("people", one))


def _named_by(rule: OwnerRule) -> str:
    """Return what an owner's rule names."""
    of = rule.check or (f"the family {rule.family}" if rule.family else "")
    group = f"the group {rule.group}" if rule.group else ""
    return " on ".join(filter(None, (of, group)))


def _told_teams(schedule: Schedule) -> set[str]:
    """Return the teams that are told of something: owners, and who has what nobody owns."""
    owners = {
        owner_of(schedule, name, RUN_FAILED, Place()).team for name in ("", *schedule.procedures)
    }
    return owners | {rule.team for rule in schedule.alerts.owners}


def _reaches(schedule: Schedule, person: str) -> bool:
    """Return whether a message to a person arrives: over their own channels, else over those of their teams."""
    return bool(schedule.people[person].channels) or any(
        team.channels
        for team in schedule.teams.values()
        if person in team.members or any(person in turn.people for turn in team.rota)
    )


def _give_channels(schedule: Schedule) -> str:
    if schedule.channels:
        return f"`channels: [{', '.join(schedule.channels)}]`, or some of them"
    return f"`channels: [{CHANNEL}]`, and at the end of the file `{CHANNELS}`"


def _of_no_teams(schedule: Schedule, file: YamlFile | None) -> Iterator[Remark]:
    """Yield if no alert reaches anybody, for want of teams; and which owners are none for that reason."""
    if schedule.teams:
        return
    owned: dict[str, list[tuple[str, Key]]] = {}
    for name, procedure in schedule.procedures.items():
        if procedure.owner:
            key: Key = ("procedures", name, "owner")
            owned.setdefault(procedure.owner, []).append((name, key))
        for index, one in enumerate(procedure.reviews):
            if one.owner:
                key = ("procedures", name, "reviews", index, "owner")
                owned.setdefault(one.owner, []).append((f"{name} {one.id}", key))
    text = "no alert reaches anybody: the schedule has no `teams`"
    remedy = _add_teams(schedule, [*owned] or ["operations"], file)
    yield Remark("alerts", "nobody is told", text, remedy, key=("alerts",))
    for owner, things in owned.items():
        names = ", ".join(name for name, _key in things)
        text = f"owns {names}, and the schedule has no team of that name"
        id_ = _id_of(owner)
        remedy = (
            f"`teams: {{{id_}: {{title: {json.dumps(_title_of(owner))}, channels: [{CHANNEL}]}}}}`"
        )
        remedy += f", and `owner: {id_}`" if id_ != owner else ""
        yield Remark(f"owner {owner}", "owner is no team", text, remedy, key=things[0][1])


def _add_teams(schedule: Schedule, owners: Sequence[str], file: YamlFile | None) -> str:
    """Return a command that adds teams, if the file is right with what it adds; else what to add by hand."""
    channel = next(iter(schedule.channels), CHANNEL)
    teams = ", ".join(
        f"{_id_of(one)}: {{title: {json.dumps(_title_of(one))}, channels: [{channel}]}}"
        for one in owners
    )
    lines = ([] if schedule.channels else [CHANNELS]) + [f"teams: {{{teams}}}"]
    by_hand = "add " + ", and ".join(f"`{one}`" for one in lines)
    if file is None:
        return f"{command('init', 'DIR')}  # writes a site of your own; there, {by_hand}"
    try:
        parse_schedule(file.path, file.text + "\n" + "\n".join(lines))
    except ConfigurationError:  # not at its end, or there are owners that are called otherwise
        return by_hand
    return shlex.join(["printf", r"\n%s", *lines, ""]) + f" >> {shlex.quote(str(file.path))}"


def _id_of(owner: str) -> str:
    """Return what a team is called that has this title."""
    return re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-") or "operations"


def _title_of(owner: str) -> str:
    """Return how people call a team of this id; anything but an id is a title already."""
    return owner.replace("-", " ").capitalize() if owner == _id_of(owner) else owner


def _of_severities(schedule: Schedule) -> Iterator[Remark]:
    """Yield the rules of severities that name no check."""
    known = every()
    for index, rule in enumerate(schedule.alerts.severities):
        if rule.check is not None and not any(fnmatchcase(one, rule.check) for one in known):
            text = f"check {rule.check!r} fits no check{nearest(rule.check, known)}"
            key: Key = ("alerts", "severities", index, "check")
            about = f"severity rule {index + 1}"
            yield Remark(about, "no such check", text, command("check", "list"), key=key)
