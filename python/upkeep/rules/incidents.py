"""An incident is the fold of its entries: what was said and done, by whom and when. Pure.

Entries are signed records, only ever added; nothing of an incident is stored beside them but what lists need. What
may be entered is decided here too, in words.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import msgspec

from upkeep.model.errors import UsageError
from upkeep.model.isolation import CONFIRMED, NOT_CONFIRMED, IsolationSaid
from upkeep.model.nearest import nearest
from upkeep.model.reason import says
from upkeep.model.text import counted
from upkeep.rules.actions import Action
from upkeep.rules.incident_kinds import (
    CHECKS,
    DRILL,
    DRILL_FOLLOW_UP,
    DRILL_OVERDUE,
    FOLLOW_UP,
    OVERDUE,
)
from upkeep.rules.waivers import Who, refuse_actor

RECORD = "incident"
"""The kind of its entries in the chain of records."""
VERSION = 1
FOLLOW_UP_WITHIN = timedelta(days=3660)
LONGEST_LINK = timedelta(days=30)
BEGUN, SUCCEEDED = "begun", "done"
"""Outcomes of an act on hosts. One that was begun and has no other entry was ended from outside: nobody knows how far
it came."""
ISOLATE, RELEASE = "isolate", "release"
ACTS: Mapping[str, str] = {"incident isolate": ISOLATE, "incident release": RELEASE}
"""Acts on hosts, by what stands in the place of a run's procedure."""
Post = Literal["commander", "scribe"]


# --- what is entered -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class AskedStep:
    """A step as it was when the incident opened. act: on hosts; command: with the incident's number in it."""

    id: str
    title: str
    command: str = ""
    act: str = ""


@dataclass(frozen=True)
class Phase:
    """A phase as it was when the incident opened; its seconds count from there."""

    id: str
    title: str
    within_seconds: float
    steps: tuple[AskedStep, ...] = ()


@dataclass(frozen=True)
class Opened:
    """seen_at: when it was seen, as the opener says; hosts: those that are affected, as Ansible's pattern.

    phases, drill_hosts: of the schedule as it was then, so that a change of it moves no clock.
    """

    kind: str
    title: str
    severity: int
    hosts: str
    seen_at: datetime
    phases: tuple[Phase, ...]
    drill: bool = False
    drill_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlertJoined:
    """An alert belongs to it. since: when its first transition was."""

    alert: int
    what: str
    since: datetime


@dataclass(frozen=True)
class Acknowledged:
    """Somebody has acknowledged the alert that calls people to it."""

    alert: int
    note: str = ""


@dataclass(frozen=True)
class Assigned:
    """Somebody has a post from now on."""

    post: Post
    to: str


@dataclass(frozen=True)
class Noted:
    """What somebody has written down."""

    text: str


@dataclass(frozen=True)
class StepDone:
    """A person confirms that a step is done."""

    step: str
    note: str = ""


@dataclass(frozen=True)
class StepSkipped:
    """A step is not done, for a reason."""

    step: str
    reason: str


@dataclass(frozen=True)
class Advanced:
    """The next phase begins."""

    to: str


@dataclass(frozen=True)
class HandedOver:
    """Somebody else commands from now on, and knows this much."""

    to: str
    summary: str


@dataclass(frozen=True)
class Acted:
    """An act on hosts.

    outcome: BEGUN, then of each host SUCCEEDED or how it ended else. run: its number, once it has one. found: what the
    host has said of its isolation.
    """

    act: str
    hosts: tuple[str, ...]
    outcome: str
    run: int | None = None
    detail: str = ""
    found: IsolationSaid | None = None


@dataclass(frozen=True)
class ToldPerson:
    """Somebody was told. message: the row of the outbox, of what the machine has sent; way: a channel, or in words."""

    whom: str
    what: str
    way: str
    told_at: datetime
    message: int | None = None


@dataclass(frozen=True)
class FollowUpAdded:
    """Something is to be done after it."""

    text: str
    owner: str
    due: date


@dataclass(frozen=True)
class FollowUpDone:
    """A follow-up is done. number: of those of the incident."""

    number: int
    note: str = ""


@dataclass(frozen=True)
class LinkMade:
    """An outsider may look until then; only the hash of the link's secret is written down. full: with hosts' names."""

    whom: str
    token_sha256: str
    until: datetime
    full: bool = False


@dataclass(frozen=True)
class LinkRevoked:
    """A link holds no more. number: of those of the incident."""

    number: int


@dataclass(frozen=True)
class Closed:
    """It is over. lesson: what was learned; unfinished: why steps are left open.

    authenticated: how whoever signs it has shown that it is them.
    """

    lesson: str
    unfinished: str = ""
    authenticated: str = ""


Said = (
    Opened | AlertJoined | Acknowledged | Assigned | Noted | StepDone | StepSkipped | Advanced | HandedOver | Acted
    | ToldPerson | FollowUpAdded | FollowUpDone | LinkMade | LinkRevoked | Closed
)  # fmt: skip
NAMES: Mapping[type, str] = {
    Opened: "opened",
    AlertJoined: "joined",
    Acknowledged: "acknowledged",
    Assigned: "assigned",
    Noted: "noted",
    StepDone: "step done",
    StepSkipped: "step skipped",
    Advanced: "advanced",
    HandedOver: "handed over",
    Acted: "acted",
    ToldPerson: "told",
    FollowUpAdded: "follow-up added",
    FollowUpDone: "follow-up done",
    LinkMade: "link made",
    LinkRevoked: "link revoked",
    Closed: "closed",
}
"""What each is called in its record."""
_TYPES = {name: one for one, name in NAMES.items()}
_AFTER_CLOSING = (Noted, ToldPerson, FollowUpAdded, FollowUpDone, LinkMade, LinkRevoked)


@dataclass(frozen=True)
class Author:
    """Who entered it. user: empty for the machine; person: their id in the schedule; account: of the system."""

    user: str = ""
    person: str = ""
    account: str = ""

    @property
    def is_machine(self) -> bool:
        """Whether nobody did it."""
        return not self.user and not self.account

    @property
    def name(self) -> str:
        """What to call them."""
        return self.user or self.account or "Upkeep"


MACHINE = Author()


@dataclass(frozen=True)
class IncidentEntry:
    """One record of an incident. number: in the chain."""

    at: datetime
    by: Author
    said: Said
    number: int = 0


def record_of(entry: IncidentEntry, site: str) -> dict[str, Any]:
    """Return an entry as JSON types."""
    return {
        "version": VERSION,
        "at": entry.at.isoformat(),
        "site": site,
        "by": msgspec.to_builtins(entry.by),
        "what": NAMES[type(entry.said)],
        "said": msgspec.to_builtins(entry.said),
    }


def entry_of(record: Mapping[str, Any]) -> IncidentEntry:
    """Return the entry that a record is.

    Raises: ValueError or KeyError if it is none that this program knows.
    """
    said: Said = msgspec.convert(record["said"], _TYPES[record["what"]])
    by = msgspec.convert(record["by"], Author)
    return IncidentEntry(
        datetime.fromisoformat(record["at"]), by, said, int(record.get("number", 0))
    )


# --- the fold --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class StepState:
    """What became of a step. how: done or skipped. by_act: whether an act on hosts did it, and nobody's word."""

    how: Literal["done", "skipped"]
    by: str
    at: datetime
    text: str = ""
    by_act: bool = False


@dataclass(frozen=True)
class IncidentFollowUp:
    """What is to be done after an incident. number: from 1."""

    number: int
    text: str
    owner: str
    due: date
    done_by: str = ""
    done_at: datetime | None = None


@dataclass(frozen=True)
class ShareLink:
    """By which an outsider may look. number: from 1."""

    number: int
    whom: str
    token_sha256: str
    until: datetime
    full: bool
    revoked: bool = False

    def holds(self, now: datetime) -> bool:
        """Return whether it may be used."""
        return not self.revoked and now < self.until


@dataclass(frozen=True)
class Incident:
    """How an incident stands after its entries. phase: the index of the one that it is in; began: each phase, when."""

    id: int
    opened: Opened
    opened_at: datetime
    opened_by: Author
    phase: int = 0
    began: tuple[datetime, ...] = ()
    posts: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, StepState] = field(default_factory=dict)
    alerts: tuple[AlertJoined, ...] = ()
    acts: tuple[Acted, ...] = ()
    follow_ups: tuple[IncidentFollowUp, ...] = ()
    links: tuple[ShareLink, ...] = ()
    first_act: IncidentEntry | None = None
    closed: Closed | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    entries: tuple[IncidentEntry, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in a list of results, and as a subject."""
        return f"{'drill' if self.opened.drill else 'incident'} {self.id}"

    @property
    def subjects(self) -> list[tuple[str, str]]:
        """What may fail of it, each a check and a subject: the incident itself, its phases, its follow-ups."""
        drill = self.opened.drill
        overdue = DRILL_OVERDUE if drill else OVERDUE
        follow_up = DRILL_FOLLOW_UP if drill else FOLLOW_UP
        return [
            (DRILL if drill else CHECKS[self.opened.kind], self.name),
            *((overdue, f"{self.name} {phase.id}") for phase in self.opened.phases),
            *((follow_up, f"{self.name} follow-up {one.number}") for one in self.follow_ups),
        ]

    @property
    def current(self) -> Phase:
        """The phase that it is in."""
        return self.opened.phases[self.phase]

    @property
    def seen_at(self) -> datetime:
        """When it was seen first: by its opener, or by the first transition that belongs to it."""
        return min([self.opened_at, self.opened.seen_at, *(one.since for one in self.alerts)])

    @property
    def response(self) -> timedelta | None:
        """From then to the first act of a person, never less than nothing; None while there is none."""
        if self.first_act is None:
            return None
        return max(self.first_act.at - self.seen_at, timedelta())

    @property
    def commander(self) -> str:
        """Who commands; empty while nobody does."""
        return self.posts.get("commander", "")

    @property
    def scribe(self) -> str:
        """Who writes the record; empty while nobody does."""
        return self.posts.get("scribe", "")

    @property
    def owed(self) -> int:
        """How many follow-ups are not done."""
        return sum(one.done_at is None for one in self.follow_ups)

    @property
    def messages(self) -> frozenset[int]:
        """The rows of the outbox that are recorded as told."""
        return frozenset(one.message for one in self.told if one.message is not None)

    @property
    def told(self) -> tuple[ToldPerson, ...]:
        """Who was notified of what, in the order of the record."""
        return tuple(one.said for one in self.entries if isinstance(one.said, ToldPerson))

    def deadline(self, index: int) -> datetime:
        """Return until when a phase should have ended."""
        return self.opened_at + timedelta(seconds=self.opened.phases[index].within_seconds)

    def ended_at(self, index: int) -> datetime | None:
        """Return when a phase has ended; None if it goes on, or has not begun."""
        return self.began[index + 1] if index + 1 < len(self.began) else self.closed_at

    def was_late(self, index: int, now: datetime) -> bool:
        """Return whether a phase ended, or goes on, after its time."""
        return (self.ended_at(index) or now) > self.deadline(index)

    def overdue(self, now: datetime) -> list[int]:
        """Return the phases that should have ended and have not."""
        if self.closed_at is not None:
            return []
        return [i for i in range(self.phase, len(self.opened.phases)) if self.deadline(i) < now]

    def open_steps(self, phase: Phase | None = None) -> list[AskedStep]:
        """Return the steps of a phase that are neither done nor skipped; of all phases without one."""
        phases = self.opened.phases if phase is None else (phase,)
        return [step for one in phases for step in one.steps if step.id not in self.steps]

    def next_step(self) -> AskedStep | None:
        """Return what is to be done next; None if the phase has nothing left."""
        return next(iter(self.open_steps(self.current)), None)

    def command_of(self, step: AskedStep) -> str:
        """Return the command that does a step; empty if a person does it."""
        if step.act:
            hosts = shlex.quote(self.opened.hosts) if self.opened.hosts else "HOSTS"
            return f"upkeep incident {step.act} {self.id} --hosts {hosts}"
        return step.command.replace("{incident}", str(self.id))


def fold(number: int, entries: Iterable[IncidentEntry]) -> Incident:
    """Return the incident that entries make, in the order of the chain.

    Raises: ValueError if they do not begin with an opening, or open it twice.
    """
    found: Incident | None = None
    for one in entries:
        if isinstance(one.said, Opened) == (found is not None):
            raise ValueError(f"incident {number}: its entries must begin with the only opening")
        if found is None:
            assert isinstance(one.said, Opened)
            found = Incident(number, one.said, one.at, one.by, began=(one.at,))
        found = _after(found, one)
    if found is None:
        raise ValueError(f"incident {number}: it has no entries")
    return found


def _after(was: Incident, entry: IncidentEntry) -> Incident:
    """Return the incident after one more entry."""
    said, at, by = entry.said, entry.at, entry.by.name
    more: dict[str, Any] = {"entries": (*was.entries, entry)}
    if was.first_act is None and not entry.by.is_machine:
        more["first_act"] = entry
    match said:
        case AlertJoined():
            more["alerts"] = (*was.alerts, said)
        case Assigned():
            more["posts"] = {**was.posts, said.post: said.to}
        case HandedOver():
            more["posts"] = {**was.posts, "commander": said.to}
        case StepDone():
            more["steps"] = {**was.steps, said.step: StepState("done", by, at, said.note)}
        case StepSkipped():
            more["steps"] = {**was.steps, said.step: StepState("skipped", by, at, said.reason)}
        case Advanced():
            more["phase"] = was.phase + 1
            more["began"] = (*was.began, at)
        case Acted():
            more["acts"] = (*was.acts, said)
            more["steps"] = _steps_after(replace(was, acts=more["acts"]), said, by, at)
        case FollowUpAdded():
            number = len(was.follow_ups) + 1
            new = IncidentFollowUp(number, said.text, said.owner, said.due)
            more["follow_ups"] = (*was.follow_ups, new)
        case FollowUpDone():
            more["follow_ups"] = tuple(
                replace(one, done_by=by, done_at=at) if one.number == said.number else one
                for one in was.follow_ups
            )
        case LinkMade():
            link = ShareLink(
                len(was.links) + 1, said.whom, said.token_sha256, said.until, said.full
            )
            more["links"] = (*was.links, link)
        case LinkRevoked():
            more["links"] = tuple(
                replace(one, revoked=True) if one.number == said.number else one
                for one in was.links
            )
        case Closed():
            more |= {"closed": said, "closed_at": at, "closed_by": by}
    return replace(was, **more)


def isolations(incident: Incident, *, confirmed: bool = False) -> dict[str, str]:
    """Return the ids of the isolations that stand by what an incident has done, by host.

    confirmed: without those that nobody has confirmed, for they end by themselves.
    """
    states = (CONFIRMED,) if confirmed else (CONFIRMED, *NOT_CONFIRMED)
    standing: dict[str, str] = {}
    for one in incident.acts:
        found = one.found
        if one.act == ISOLATE and found and found.id and found.state in states:
            standing |= dict.fromkeys(one.hosts, found.id)
        elif one.act == RELEASE and one.outcome == SUCCEEDED:
            for host in one.hosts:
                standing.pop(host, None)
    return standing


def _steps_after(now: Incident, said: Acted, by: str, at: datetime) -> dict[str, StepState]:
    """Return what became of each step, after an act: what releases hosts is open while one is isolated."""
    still = isolations(now, confirmed=True)
    releases = {one.id for phase in now.opened.phases for one in phase.steps if one.act == RELEASE}
    steps = {
        id_: state
        for id_, state in now.steps.items()
        if not (still and state.by_act and id_ in releases)
    }
    if still and said.act == RELEASE:
        return steps
    return {**steps, **_done_by(replace(now, steps=steps), said, by, at)}


def _done_by(now: Incident, said: Acted, by: str, at: datetime) -> dict[str, StepState]:
    """Return the steps that an act has done, once it has succeeded on each host on which it was begun."""
    outcomes = {host: one.outcome for one in now.acts if one.act == said.act for host in one.hosts}
    if set(outcomes.values()) != {SUCCEEDED}:
        return {}
    return {
        step.id: StepState("done", by, at, f"{said.act} on {', '.join(outcomes)}", by_act=True)
        for step in now.open_steps()
        if step.act == said.act
    }


# --- drills ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Rehearsed:
    """What a drill did of a step. really_on: the drill hosts on which the act was done; else it was talked through."""

    phase: Phase
    step: AskedStep
    state: StepState | None
    really_on: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """What it counts as."""
        if self.really_on:
            return "done"
        if self.state is None:
            return "left open"
        return "skipped" if self.state.how == "skipped" else "talked through"


def rehearsed(incident: Incident) -> list[Rehearsed]:
    """Return what a drill did of each step. Only an act on a host that is named as drill host was really done."""
    drill_hosts = set(incident.opened.drill_hosts)

    def on(step: AskedStep) -> tuple[str, ...]:
        acts = (one for one in incident.acts if step.act and one.act == step.act)
        hosts = (host for one in acts if one.outcome == SUCCEEDED for host in one.hosts)
        return tuple(sorted(drill_hosts.intersection(hosts)))

    return [
        Rehearsed(phase, step, incident.steps.get(step.id), on(step))
        for phase in incident.opened.phases
        for step in phase.steps
    ]


# --- what may be entered ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class KnownNames:
    """Names that the schedule has: people, and those who may own a follow-up. Empty: it has none, so any will do."""

    people: Collection[str] = ()
    owners: Collection[str] = ()
    today: date = date.min


def action_of(said: Said) -> Action:
    """Return what somebody does who enters it."""
    match said:
        case Opened():
            return Action.OPEN_INCIDENT
        case Acted():
            return Action.CONTAIN_INCIDENT
        case Closed():
            return Action.CLOSE_INCIDENT
        case LinkMade() | LinkRevoked():
            return Action.SHARE_INCIDENT
    return Action.WORK_ON_INCIDENT


def refuse(
    incident: Incident, said: Said, by: Who | None, now: datetime, known: KnownNames
) -> None:
    """Refuse what may not be entered now. by: None for the machine.

    Raises: UsageError with why, and what to do.
    """
    refused = refuse_actor(by, action_of(said), own=isinstance(said, Closed)) if by else ""
    if refused:
        raise UsageError(refused)
    status = f"upkeep incident status {incident.id}"
    if incident.closed_at is not None and not may_follow_closing(said):
        raise UsageError(
            f"{incident.name} is closed since {incident.closed_at:%Y-%m-%d %H:%M} UTC",
            remedy=status,
        )
    why = _refusal(incident, said, now, known)
    if why:
        raise UsageError(why, remedy=status)


def may_follow_closing(said: Said) -> bool:
    """Return whether it may be entered of a closed incident: no release is refused, and no end of what had begun."""
    if isinstance(said, Acted):
        return said.act == RELEASE or said.outcome != BEGUN
    return isinstance(said, _AFTER_CLOSING)


def refuse_opening(said: Opened, by: Who | None, now: datetime) -> str:
    """Return why an incident cannot be opened like this, or nothing."""
    refused = refuse_actor(by, Action.OPEN_INCIDENT, own=False) if by else ""
    if refused:
        return refused
    if not says(said.title):
        return "an incident needs a title: what has happened, in a few words"
    if said.seen_at > now:
        return f"it cannot have been seen later than now; found {said.seen_at:%Y-%m-%d %H:%M} UTC"
    return ""


def _refusal(incident: Incident, said: Said, now: datetime, known: KnownNames) -> str:
    """Return why an entry is refused, or nothing."""
    match said:
        case Noted():
            return "" if says(said.text) else "a note needs a text"
        case Assigned():
            return _unknown("person", said.to, known.people)
        case StepDone() | StepSkipped():
            return _refuse_step(incident, said)
        case Advanced():
            return _refuse_advance(incident, said)
        case HandedOver():
            if not says(said.summary):
                return "handing over needs a summary: how it stands, and what is next"
            if said.to == incident.commander:
                return f"{said.to} has the command already"
            return _unknown("person", said.to, known.people)
        case Acted():
            return refuse_hosts(incident, said.hosts)
        case ToldPerson():
            texts = {"whom": said.whom, "what": said.what, "way": said.way}
            lacks = [name for name, text in texts.items() if not says(text)]
            if said.told_at > now:
                return "nobody was notified later than now"
            return f"who was notified needs: {', '.join(lacks)}" if lacks else ""
        case FollowUpAdded():
            return _refuse_follow_up(said, known)
        case FollowUpDone():
            return _refuse_done(incident, said)
        case LinkMade():
            if not says(said.whom):
                return "a link needs the name of who gets it"
            if not now < said.until <= now + LONGEST_LINK:
                return f"a link may hold for at most {LONGEST_LINK.days} days"
        case LinkRevoked():
            return _refuse_revocation(incident, said)
        case Closed():
            return _refuse_closing(incident, said)
    return ""


def refuse_hosts(incident: Incident, hosts: Sequence[str]) -> str:
    """Return why an act of this incident may not be done on these hosts, or nothing: a drill has hosts of its own."""
    if not incident.opened.drill:
        return ""
    others = sorted(set(hosts) - set(incident.opened.drill_hosts))
    if not others:
        return ""
    there = ", ".join(incident.opened.drill_hosts) or "none"
    return (
        f"{incident.name} is a drill: it may change its drill hosts alone ({there}), not {', '.join(others)};"
        " talk the step through, and confirm it"
    )


def refuse_unseen(incident: Incident, said: Acted, there: Collection[str]) -> str:
    """Return why an act may not be asked for on hosts of which nobody has seen anything, or nothing.

    there: the hosts that a run has seen. What the incident has isolated may be released in any case.
    """
    known = {*there, *(isolations(incident) if said.act == RELEASE else ())}
    unseen = [one for one in said.hosts if one not in known]
    if not unseen:
        return ""
    named = ", ".join(map(repr, unseen))
    near = nearest(unseen[0], known)
    by_command = f"upkeep incident {said.act} {incident.id}"
    return f"no run has seen {named:.200}{near}; a host that is new, or a group: {by_command}"


def _refuse_step(incident: Incident, said: StepDone | StepSkipped) -> str:
    there = {step.id: step for phase in incident.opened.phases for step in phase.steps}
    if said.step not in there:
        return f"{incident.name} has no step {said.step!r:.80}{nearest(said.step, there)}"
    before = incident.steps.get(said.step)
    if before is not None:
        return f"the step {said.step} is {before.how} already, by {before.by}"
    if isinstance(said, StepSkipped):
        return "" if says(said.reason) else f"skipping the step {said.step} needs a reason"
    if there[said.step].act and not incident.opened.drill and not says(said.note):
        return (
            f"the step {said.step} is done by: {incident.command_of(there[said.step])}; if it was done in another way,"
            " say how in a note"
        )
    return ""


def _refuse_advance(incident: Incident, said: Advanced) -> str:
    names = [phase.id for phase in incident.opened.phases]
    if incident.phase + 1 == len(names):
        return f"{incident.current.title} is the last phase of {incident.name}; close it"
    following = names[incident.phase + 1]
    if said.to != following:
        return f"the phase after {incident.current.id} is {following}, not {said.to}"
    left = [step.id for step in incident.open_steps(incident.current)]
    if left:
        return (
            f"{counted(len(left), 'step')} of the phase {incident.current.id} left: {', '.join(left)};"
            " confirm or skip each"
        )
    return ""


def _refuse_follow_up(said: FollowUpAdded, known: KnownNames) -> str:
    if not says(said.text):
        return "a follow-up needs a text: what is to be done"
    if not known.today <= said.due <= known.today + FOLLOW_UP_WITHIN:
        return f"a follow-up must be due between today and ten years from now; found {said.due}"
    return _unknown("team and no person", said.owner, known.owners)


def _refuse_done(incident: Incident, said: FollowUpDone) -> str:
    found = next((one for one in incident.follow_ups if one.number == said.number), None)
    if found is None:
        return f"{incident.name} has no follow-up {said.number}"
    return f"follow-up {said.number} is done already, by {found.done_by}" if found.done_at else ""


def _refuse_revocation(incident: Incident, said: LinkRevoked) -> str:
    found = next((one for one in incident.links if one.number == said.number), None)
    if found is None:
        return f"{incident.name} has no link {said.number}"
    return f"link {said.number} is revoked already" if found.revoked else ""


def _refuse_closing(incident: Incident, said: Closed) -> str:
    if not says(said.lesson):
        return "closing needs the lesson: what was learned, and what should be otherwise"
    left = [step.id for step in incident.open_steps()]
    cut_off = sorted(isolations(incident, confirmed=True))
    if cut_off and not says(said.unfinished):
        hosts = ", ".join(cut_off)
        be = "is" if len(cut_off) == 1 else "are"
        return (
            f"{hosts} {be} isolated by it: upkeep incident release {incident.id} --hosts {','.join(cut_off)};"
            " or say with --unfinished why that stays"
        )
    if left and not says(said.unfinished):
        return f"{counted(len(left), 'step')} left: {', '.join(left)}; confirm or skip each, or say why they stay open"
    return ""


def _unknown(what: str, name: str, there: Collection[str]) -> str:
    if not says(name):
        return f"found no name; expected a {what.split()[0]}"
    return (
        f"there is no {what} {name!r:.80}{nearest(name, there)}"
        if there and name not in there
        else ""
    )
