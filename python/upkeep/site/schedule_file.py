"""The site's schedule.yml: procedures, calendar, people, teams, channels and what alerts do, as data.

Each model says what its keys mean; the same text is the editor's help, through the JSON Schema.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from upkeep.judging.check import every
from upkeep.model.errors import ConfigurationError
from upkeep.model.nearest import nearest
from upkeep.site.expectations import expected
from upkeep.site.fields import (
    CheckId,
    ClockTime,
    Day,
    Holiday,
    Id,
    LocalTime,
    Missed,
    Playbook,
    Rule,
    Seconds,
    Variable,
    Zone,
)
from upkeep.site.incident_plans import Incidents, wrong_plans
from upkeep.site.requirements import Requirement, RowId, why_not_set
from upkeep.site.schedule_part import Part
from upkeep.site.yaml_file import Key, YamlFile, parse, read

HOUR, DAY = 3600.0, 86400.0
MOST_SILENCE_DAYS = 30
ShownIncidents = Literal["drills", "all"]
FourEyes = Literal["required", "alone_with_reason", "no"]
TargetRule = Literal["within", "worst", "total"]


# --- what people sign ------------------------------------------------------------------------------------------------
class Link(Part):
    """Something that a reviewer may want to open."""

    title: str = Field(min_length=1, description="For people.")
    url: str = Field(pattern=r"^https?://", max_length=1000, description="Where it is.")


class Target(Part):
    """A measure of a check whose trend the reviewer sees, and what it should be."""

    check: CheckId = Field(description="The check that gives it.")
    name: str = Field(min_length=1, description="As the check calls it, such as `mean`.")
    at_most: float | None = Field(default=None, description="In the measure's own unit.")
    at_least: float | None = Field(default=None, description="In the measure's own unit.")
    rule: TargetRule | None = Field(
        default=None,
        description="`within`: a share of the time is within the target; `worst`: all of it is; `total`: what a "
        "counter has counted is. If not said: total for a counter, within for latencies and shares, else worst.",
    )
    share: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="With the rule `within`: in how many percent of the time that was seen; 99 if not said.",
    )

    @model_validator(mode="after")
    def _says_what_it_means(self) -> Target:
        if (self.rule or self.share is not None) and self.at_most is None and self.at_least is None:
            raise ValueError("at_most or at_least beside rule and share")
        if self.share is not None and self.rule not in ("within", None):
            raise ValueError(f"share with the rule within; the rule is {self.rule}")
        return self


class Review(Part):
    """What a person looks at and signs, each time that the procedure was due."""

    id: Id = Field(description="Unique within its procedure.")
    title: str = Field(min_length=1, description="For people.")
    asks: str = Field(default="", description="What the reviewer must do, or attach.")
    covers: tuple[str, ...] = Field(
        default=(), description="Which of the procedure's `covers` it signs off."
    )
    owner: str = Field(default="", description="The team that signs; the procedure's if not given.")
    parties: tuple[Id, ...] = Field(
        default=(), description="Teams of which each must sign, such as compliance and legal."
    )
    duration: Seconds | None = Field(
        default=None,
        description="How long it is expected to take; if not given, all of the procedure's together take its duration.",
    )
    within: Seconds | None = Field(
        default=None,
        description="Within which time it must be signed, the first day counted. Default: the procedure's duration. "
        "Always until the end of a business day.",
    )
    reminder: Seconds = Field(
        default=2 * HOUR,
        description="So long before its end the owner is reminded.",
        json_schema_extra={"default": "2 h"},
    )
    four_eyes: FourEyes = Field(
        default="no",
        description="Whether two people must sign. `alone_with_reason`: one may, who says why; every report marks it.",
    )
    shows: tuple[CheckId, ...] = Field(
        default=(), description="Checks whose results and findings the reviewer sees."
    )
    measures: tuple[Target, ...] = Field(default=(), description="Trends, with their targets.")
    incidents: ShownIncidents | None = Field(
        default=None,
        description="Incidents since the last review that the reviewer sees: `drills`, or `all` of them.",
    )
    links: tuple[Link, ...] = Field(default=(), description="What else to look at.")
    lacks: tuple[str, ...] = Field(
        default=(),
        description="What it should show and no machine collects yet: a gap of the schedule, told beside the review.",
    )


# --- what is run -----------------------------------------------------------------------------------------------------
class Procedure(Part):
    """What is run, where and when."""

    title: str = Field(description="For people.")
    playbook: Playbook = Field(
        default="astral.upkeep.observe",
        description="Of a collection, such as astral.upkeep.daily, or a file within the site.",
    )
    hosts: str = Field(default="all", min_length=1, description="Ansible's pattern.")
    checks: tuple[CheckId, ...] | None = Field(
        default=None,
        min_length=1,
        description="What is due; all that the hosts ask for, if not given.",
    )
    lacks: tuple[str, ...] = Field(
        default=(),
        description="What it must do that no check does yet: a gap of the schedule, told beside its rate.",
    )
    covers: tuple[str, ...] = Field(
        default=(), description="Which of the site's `requirements` it carries out, by their ids."
    )
    reviews: tuple[Review, ...] = Field(
        default=(), description="What people sign once its run has collected what they look at."
    )
    rule: Rule | None = Field(
        default=None,
        description="RFC 5545 recurrence rule, or plain words such as `daily 03:00`; by hand if not given.",
    )
    time_zone: Zone | None = Field(
        default=None, description="IANA time zone of the rule; the schedule's if not given."
    )
    starts: LocalTime | None = Field(
        default=None,
        description="The rule counts from here: nothing is due before, and `INTERVAL` begins here.",
    )
    skip: tuple[LocalTime, ...] = Field(
        default=(), description="Dates or local times at which it is not due (EXDATE)."
    )
    jitter: Seconds | None = Field(
        default=None,
        description="Spread: each occurrence begins up to so much later, always the same for one due time.",
    )
    owner: str = Field(default="", description="The team that has it; its id, if there are teams.")
    duration: Seconds = Field(
        default=HOUR,
        description="How long it may take, such as 45 min.",
        json_schema_extra={"default": "1 h"},
    )
    changes_hosts: bool | None = Field(
        default=None,
        description="Whether it changes hosts: blackouts stop it then, and hosts that were away owe it. "
        "If not said: every playbook does but astral.upkeep.observe.",
    )
    owed: bool | None = Field(
        default=None,
        description="Whether a host that was unreachable owes it; if not said, what changes hosts is owed.",
    )
    missed: Missed = Field(
        default="run",
        description="What to do with occurrences that were missed: run one catch-up, skip, or run it within "
        "that time, such as `6 h`.",
    )
    overlap: Literal["skip", "queue"] = Field(
        default="skip", description="What to do when it is due while it still runs."
    )
    priority: int = Field(
        default=5, ge=1, le=9, description="1 goes first where runs wait for each other."
    )

    @property
    def changes(self) -> bool:
        """Whether it changes hosts."""
        if self.changes_hosts is None:
            return self.playbook != "astral.upkeep.observe"
        return self.changes_hosts

    @property
    def is_owed(self) -> bool:
        """Whether an unreachable host owes it."""
        return self.changes if self.owed is None else self.owed


# --- when not, and when better ---------------------------------------------------------------------------------------
class Span(Part):
    """A time: from … to …, or a rule with a duration."""

    title: str = Field(description="For people.")
    starts: LocalTime | None = Field(default=None, alias="from", description="Local time.")
    ends: LocalTime | None = Field(default=None, alias="to", description="Local time.")
    rule: Rule | None = Field(default=None, description="When it begins, if it comes again.")
    duration: Seconds | None = Field(default=None, description="With a rule: how long it lasts.")
    time_zone: Zone | None = Field(default=None, description="The schedule's if not given.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Span:
        once = self.starts is not None and self.ends is not None
        again = self.rule is not None and self.duration is not None
        if once == again or (self.rule is None) != (self.duration is None):
            raise ValueError("either from and to, or a rule and a duration")
        if self.starts and self.ends and self.ends <= self.starts:
            raise ValueError("a time that ends after it begins")
        return self


class Calendar(Part):
    """Three calendars, never mixed up."""

    blackouts: tuple[Span, ...] = Field(
        default=(), description="What changes hosts is not begun in these; observing goes on."
    )
    maintenance_windows: tuple[Span, ...] = Field(
        default=(), description="For severity 4 work, and for silence."
    )
    holidays: tuple[Holiday, ...] = Field(
        default=(), description="No business hours: dates, or .ics files of the site."
    )


# --- who -------------------------------------------------------------------------------------------------------------
class Person(Part):
    """Somebody who can be called."""

    name: str = Field(description="As people know them.")
    role: str = Field(default="", description="What they own, for those who look for them.")
    channels: tuple[Id, ...] = Field(
        default=(), description="How to reach them, the best way first."
    )
    accounts: tuple[str, ...] = Field(
        default=(), description="Accounts of the operating system that are this person."
    )


class BusinessHours(Part):
    """When a team works."""

    days: tuple[Day, ...] = Field(default=("mon", "tue", "wed", "thu", "fri"), min_length=1)
    starts: ClockTime = Field(default=time(9), alias="from")
    ends: ClockTime = Field(default=time(17), alias="to")

    @model_validator(mode="after")
    def _ends_later(self) -> BusinessHours:
        if self.ends <= self.starts:
            raise ValueError("hours that end after they begin")
        return self


class Turn(Part):
    """A part of the rota: who is on call, in turns."""

    people: tuple[Id, ...] = Field(min_length=1, description="In the order of their turns.")
    starts: LocalTime = Field(alias="from", description="When the first turn begins.")
    ends: LocalTime | None = Field(default=None, alias="to", description="Open if not given.")
    each: Seconds = Field(default=7 * DAY, description="How long a turn lasts, such as 7 d.")


class Team(Part):
    """Who has procedures, and is told."""

    title: str = Field(description="For people.")
    time_zone: Zone | None = Field(default=None, description="The schedule's if not given.")
    business_hours: BusinessHours = Field(default=BusinessHours())
    members: tuple[Id, ...] = Field(default=())
    rota: tuple[Turn, ...] = Field(default=(), description="Who is on call; the first that holds.")
    fallback: Id | None = Field(
        default=None, description="Who is called where the rota has a gap; required with a rota."
    )
    channels: tuple[Id, ...] = Field(
        default=(), description="Where the team as a whole is told, the best way first."
    )


# --- alerts ----------------------------------------------------------------------------------------------------------
class Channel(Part):
    """A way to tell somebody. Its address is a secret and stands in the environment, never in a file."""

    url_from: Variable = Field(
        description="The variable of the environment that holds its apprise URL, such as UPKEEP_CHANNEL_OPS."
    )
    phi: bool = Field(
        default=False,
        description="Whether subjects, accounts, values and evidence may travel over it.",
    )
    local: bool = Field(
        default=False,
        description="Whether it may lead to this very machine, such as a mail relay on 127.0.0.1.",
    )


class SeverityRule(Part):
    """Which severity something has on the way to people: the first rule that fits."""

    check: str | None = Field(default=None, description="A check's id, or a pattern such as log_*.")
    group: str | None = Field(default=None, description="A group of the inventory.")
    environment: str | None = Field(
        default=None, description="What the inventory says of the host as upkeep_environment."
    )
    severity: int = Field(alias="is", ge=1, le=4)


class OwnerRule(Part):
    """Which team is called for a finding, before the owner of the procedure: all that the rule names must fit."""

    check: str | None = Field(
        default=None, description="A check's id, or a pattern such as backup_*."
    )
    family: str | None = Field(default=None, description="A family of checks, such as logins.")
    group: str | None = Field(default=None, description="A group of the inventory.")
    team: Id = Field(description="The team that is called.")

    @model_validator(mode="after")
    def _names_something(self) -> OwnerRule:
        if self.check is None and self.family is None and self.group is None:
            raise ValueError("a check, a family or a group beside the team")
        if self.check is not None and self.family is not None:
            raise ValueError("either a check or a family, not both")
        return self


class Step(Part):
    """How people are told of one severity."""

    begins: Literal["at once", "business hours", "next business day", "maintenance window"] = Field(
        alias="when"
    )
    within: Seconds = Field(
        default=2 * HOUR, description="Within which time somebody must acknowledge it."
    )
    repeat: Seconds | None = Field(
        default=None, description="Told again so often until somebody acknowledges it."
    )
    next_person_after: Seconds | None = Field(
        default=None, description="Then the next person of the rota is told too."
    )


DEFAULT_POLICY: Mapping[int, Mapping[str, str]] = {
    1: {"when": "at once", "within": "15 min", "repeat": "15 min", "next_person_after": "15 min"},
    2: {"when": "business hours", "within": "2 h", "next_person_after": "2 h"},
    3: {"when": "next business day", "within": "1 d"},
    4: {"when": "maintenance window", "within": "1 w"},
}


def _policy(value: Any) -> Any:
    """Fill in the severities that the file does not say."""
    return {**DEFAULT_POLICY, **value} if isinstance(value, Mapping) else value


class Heartbeat(Part):
    """A URL outside that is called as long as all goes on; who watches it notices that we are dead."""

    url_from: Variable
    every: Seconds = Field(default=300.0)


def _no_longer_silence(seconds: float) -> float:
    if seconds > MOST_SILENCE_DAYS * DAY:
        raise ValueError(f"at most {MOST_SILENCE_DAYS} d")
    return seconds


class Alerts(Part):
    """What becomes of transitions."""

    team: Id | None = Field(
        default=None,
        description="Who is notified of what has no owner, and of the product's own problems.",
    )
    severities: tuple[SeverityRule, ...] = Field(default=())
    owners: tuple[OwnerRule, ...] = Field(
        default=(),
        description="Which team is called, by check, family or group; the owner of the procedure if no rule fits.",
    )
    policy: Annotated[dict[Annotated[int, Field(ge=1, le=4)], Step], BeforeValidator(_policy)] = (
        Field(default={}, validate_default=True, description="By severity, 1 to 4.")
    )
    acknowledged_for: Seconds = Field(default=DAY, description="Then an acknowledgement expires.")
    longest_silence: Annotated[Seconds, AfterValidator(_no_longer_silence)] = Field(
        default=7 * DAY,
        description="How far away a silence's end may be, such as 14 d; at most 30 d.",
        json_schema_extra={"default": "7 d"},
    )
    blind_after: Seconds | None = Field(
        default=None,
        description="How long a check may be unable to check a host that answers. Without it: for three runs, at least "
        "30 min, at most 7 d.",
    )
    heartbeat: Heartbeat | None = Field(default=None)
    page: str = Field(default="", description="Where the web page stands, for links in messages.")


# --- what is accepted for a time -------------------------------------------------------------------------------------
class Waivers(Part):
    """What the site allows of waivers."""

    longest: Seconds = Field(
        default=90 * DAY,
        description="How far away a waiver's end may be, such as 180 d.",
        json_schema_extra={"default": "90 d"},
    )


# --- the file --------------------------------------------------------------------------------------------------------
class Schedule(Part):
    """The site's schedule.yml."""

    time_zone: Zone = Field(default="UTC", description="Of all local times that say no other.")
    procedures: dict[Id, Procedure] = Field(
        description="By id.", min_length=1, json_schema_extra={"additionalProperties": False}
    )
    calendar: Calendar = Field(default=Calendar())
    people: dict[Id, Person] = Field(default={})
    teams: dict[Id, Team] = Field(default={})
    channels: dict[Id, Channel] = Field(default={})
    alerts: Alerts = Field(default=Alerts())
    waivers: Waivers = Field(default=Waivers())
    incidents: Incidents = Field(default=Incidents())
    requirements: dict[RowId, Requirement] = Field(
        default={},
        description="The rows that the site must cover, by the ids that `covers` names.",
        json_schema_extra={"additionalProperties": False},
    )
    _left_out: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def left_out(self) -> frozenset[str]:
        """The procedures that stand in the file and are left out, because they are wrong."""
        return self._left_out

    def lacking_of(self, name: str) -> tuple[str, ...]:
        """Return what a procedure, its reviews, and the requirements that it covers lack."""
        procedure = self.procedures[name]
        reviews = [((", ".join(one.covers) or one.id), one.lacks) for one in procedure.reviews]
        rows = [
            (row, self.requirements[row].lacks)
            for row in procedure.covers
            if row in self.requirements
        ]
        each = [f"{what}: {text}" for what, lacks in (*rows, *reviews) for text in lacks]
        return (*procedure.lacks, *each)

    @property
    def gaps(self) -> int:
        """How much its procedures, reviews and requirements lack."""
        parts: list[Procedure | Review | Requirement] = [*self.requirements.values()]
        for one in self.procedures.values():
            parts += [one, *one.reviews]
        return sum(len(part.lacks) for part in parts)

    def zone_of(self, part: Procedure | Span | Team) -> str:
        """Return the time zone that holds for the part."""
        return part.time_zone or self.time_zone


def load_schedule(path: Path, dropped: list[str] | None = None) -> Schedule:
    """Return the schedule.

    dropped: a list makes procedures that are wrong be left out, their problems be added to it, and the others hold;
    what else is wrong is still an error.

    Raises: ConfigurationError with every problem in it.
    """
    return parse_schedule(path, read(path), dropped)


def parse_schedule(path: Path, text: str, dropped: list[str] | None = None) -> Schedule:
    """Return the schedule that the file's text says; as `load_schedule`."""
    file = parse(path, text)
    value = file.value if file.value is not None else {}
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise ConfigurationError(
            f"{file.place()}: found a {kind}; expected a mapping with `procedures`"
        )
    left_out: set[str] = set()
    while True:
        try:
            schedule = Schedule.model_validate(value, context={"folder": path.parent})
        except ValidationError as exc:
            problems = [(error["loc"], _problem(file, error)) for error in exc.errors()]
        else:
            problems = [
                (key, f"{file.place(key)}: {'.'.join(str(part) for part in key)}: {text}")
                for key, text in _broken_references(schedule)
            ]
            if not problems:
                schedule._left_out = frozenset(left_out)
                return schedule
        wrong = {key[1] for key, _text in problems if key[0] == "procedures" and len(key) > 1}
        if dropped is None or not wrong or any(key[0] != "procedures" for key, _text in problems):
            raise ConfigurationError("\n".join(text for _key, text in problems))
        dropped += [text for _key, text in problems]
        left_out |= {str(one) for one in wrong}
        left = {id_: one for id_, one in value["procedures"].items() if id_ not in wrong}
        value = {**value, "procedures": left}


def readable_parts(path: Path, text: str) -> tuple[Schedule, frozenset[str]]:
    """Return what can be read of a schedule, each part for itself, and the names of the parts that cannot be.

    To look at what is stored; nothing may be run by it.
    """
    try:
        return parse_schedule(path, text, []), frozenset()
    except ConfigurationError:
        pass
    try:
        value = parse(path, text).value
    except ConfigurationError:
        value = None
    parts = value if isinstance(value, Mapping) else {}
    stub: dict[str, Any] = {"procedures": {"none": {"title": "none"}}}
    known: dict[str, Any] = {}
    missing = set() if parts else {"procedures"}
    for name in Schedule.model_fields:
        if name not in parts:
            continue
        try:
            one = Schedule.model_validate(
                stub | {name: parts[name]}, context={"folder": path.parent}
            )
            known[name] = getattr(one, name)
        except ValidationError:
            missing.add(name)
    known.setdefault("procedures", {})
    return Schedule.model_construct(**known), frozenset(missing)


def _broken_references(schedule: Schedule) -> Iterator[tuple[Key, str]]:
    """Yield the places that name a team, a person or a channel that is not there."""

    def missing(key: Key, name: str, kind: str, known: Mapping[str, Any]) -> Iterator[Any]:
        if name not in known:
            yield key, f"there is no {kind} {name!r}{nearest(name, known)}"

    def each(
        key: Key, names: tuple[str, ...], kind: str, known: Mapping[str, Any]
    ) -> Iterator[Any]:
        for index, name in enumerate(names):
            yield from missing((*key, index), name, kind, known)

    for name, procedure in schedule.procedures.items():
        if schedule.teams and procedure.owner:
            key = ("procedures", name, "owner")
            yield from missing(key, procedure.owner, "team", schedule.teams)
        yield from _broken_reviews(schedule, name, procedure)
    for name, person in schedule.people.items():
        yield from each(("people", name, "channels"), person.channels, "channel", schedule.channels)
    for name, team in schedule.teams.items():
        at: Key = ("teams", name)
        yield from each((*at, "members"), team.members, "person", schedule.people)
        yield from each((*at, "channels"), team.channels, "channel", schedule.channels)
        for index, turn in enumerate(team.rota):
            where = (*at, "rota", index, "people")
            yield from each(where, turn.people, "person", schedule.people)
        if team.fallback:
            yield from missing((*at, "fallback"), team.fallback, "person", schedule.people)
        elif team.rota:
            yield (*at, "rota"), "a rota needs a fallback: who is called where it has a gap"
    if schedule.alerts.team:
        yield from missing(("alerts", "team"), schedule.alerts.team, "team", schedule.teams)
    for index, rule in enumerate(schedule.alerts.owners):
        at = ("alerts", "owners", index)
        yield from missing((*at, "team"), rule.team, "team", schedule.teams)
        yield from _broken_owner(schedule, index, rule)
    yield from wrong_plans(schedule.incidents, schedule.teams)
    yield from _broken_settings(schedule)


def _broken_settings(schedule: Schedule) -> Iterator[tuple[Key, str]]:
    """Yield the settings that are said to cover a requirement and that the file does not say."""
    for row_id, one in schedule.requirements.items():
        for index, cover in enumerate(one.covered_by):
            if cover.setting is not None and (why := why_not_set(schedule, cover.setting)):
                yield ("requirements", row_id, "covered_by", index, "setting"), why


def _broken_owner(schedule: Schedule, index: int, rule: OwnerRule) -> Iterator[tuple[Key, str]]:
    """Yield what an owner's rule names that is not there, and a rule that is there twice.

    The groups are the inventory's: `upkeep.site.declared_groups` compares them.
    """
    at: Key = ("alerts", "owners", index)
    known = every()
    if rule.check is not None and not fnmatch.filter(known, rule.check):
        yield (*at, "check"), f"there is no check {rule.check!r}{nearest(rule.check, known)}"
    families = sorted({one.family for one in known.values() if one.family})
    if rule.family is not None and rule.family not in families:
        text = f"there is no family {rule.family!r}{nearest(rule.family, families)}"
        yield (*at, "family"), text
    for number, other in enumerate(schedule.alerts.owners[:index], 1):
        if (other.check, other.family, other.group) == (rule.check, rule.family, rule.group):
            yield at, f"entry {number} names the same already, for the team {other.team}"


def _broken_reviews(
    schedule: Schedule, name: str, procedure: Procedure
) -> Iterator[tuple[Key, str]]:
    """Yield the reviews whose id comes twice, or that name a team that is not there."""
    ids: set[str] = set()
    for index, one in enumerate(procedure.reviews):
        key: Key = ("procedures", name, "reviews", index)
        if one.id in ids:
            yield (*key, "id"), f"there is a review {one.id!r} of this procedure already"
        ids.add(one.id)
        named = [((*key, "owner"), one.owner)] if one.owner else []
        named += [((*key, "parties", at), party) for at, party in enumerate(one.parties)]
        for place, team in named:
            if team not in schedule.teams and (schedule.teams or "parties" in place):
                yield place, f"there is no team {team!r}{nearest(team, schedule.teams)}"


def _problem(file: YamlFile, error: Any) -> str:
    """Return one of pydantic's errors with its place."""
    key: Key = tuple(one for one in error["loc"] if one != "[key]")
    name = ".".join(str(part) for part in key)
    if error["type"] == "extra_forbidden":
        what = (
            f"there is no key {str(key[-1])!r}{nearest(str(key[-1]), _keys_beside(error['loc']))}"
        )
    elif error["type"] == "missing":
        name, what = ".".join(map(str, key[:-1])) or "the file", f"has no {str(key[-1])!r}"
    elif error["type"] == "string_pattern_mismatch" and key[-1] in (error["input"], "[key]"):
        ids = (
            "no blank and no comma"
            if key[0] == "requirements"
            else "small letters, digits, - and _"
        )
        what = f"id {key[-1]!r}: found {error['input']!r:.80}; expected {ids}"
    else:
        found = "nothing" if error["input"] is None else f"{error['input']!r:.80}"
        what = f"found {found}; expected {expected(error)}"
    says = f"{name} {what}" if error["type"] == "missing" else f"{name}: {what}"
    return f"{file.place(key)}: {says}"


def _keys_beside(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the mapping may have in which the location's last key stands."""
    model: type[BaseModel] = Schedule
    parts = iter(location[:-1])
    for part in parts:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                if get_origin(field.annotation) in (dict, tuple):
                    next(parts, None)  # an id, or a place in the list
                model = _model_in(field.annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(one) for one in get_args(annotation))
    return next((one for one in found if one), None)
