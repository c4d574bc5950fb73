"""Incidents as they happen: opened, worked on, closed; what calls people to them, and what is recorded of that.

What is decided is in rules/incidents.py; what is kept, in store/incidents.py. Each act is one transaction: the act of
who does it, the signed entry, and the finding that calls people. So whatever ends the process, all of it is there or
nothing is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from upkeep.model.answer import OWN_NAMES
from upkeep.model.errors import UsageError
from upkeep.model.remedies import command, first
from upkeep.model.stored_text import name, shown, written
from upkeep.model.text import exact, natural
from upkeep.model.verdicts import Severity
from upkeep.rules import incidents
from upkeep.rules.actions import Action, refusal
from upkeep.rules.alerts.model import Alert
from upkeep.rules.alerts.severities import severity_word
from upkeep.rules.incident_acts import acted_words, stands
from upkeep.rules.incident_kinds import (
    CHECKS,
    MARK,
    OF_INCIDENTS,
    procedure_of,
)
from upkeep.rules.incidents import (
    MACHINE,
    Acknowledged,
    Acted,
    AlertJoined,
    AskedStep,
    Author,
    Incident,
    IncidentEntry,
    KnownNames,
    LinkMade,
    Opened,
    Phase,
    Said,
    ShareLink,
    ToldPerson,
)
from upkeep.rules.sentences import open_
from upkeep.services import chain_end
from upkeep.services.acts import By, HasSchedule, Leader, act, refuse
from upkeep.services.signing_key import Installation, load_installation
from upkeep.site.incident_plans import OpensIncident
from upkeep.site.schedule_file import Schedule
from upkeep.site.site import Site, absolute
from upkeep.store import (
    Connection,
    Store,
    alerts,
    answers,
    findings,
    own_troubles,
    records,
    run_requests,
    silences,
    users,
)
from upkeep.store import incidents as stored

STEP_SECONDS = 5.0
MOST_TEXT = 4_000
MOST_TITLE = 200
STILL_TOLD = timedelta(days=2)
"""So long after it has closed, what is sent of an incident is recorded as told."""
TOKEN_BYTES = 24
ISOLATION = "isolation"
"""The check that says how a host is isolated."""


@dataclass(frozen=True)
class Recording:
    """Where incidents are recorded. folder: of the site, as a command takes it."""

    store: Store
    site: HasSchedule
    installation: Installation
    folder: str = ""


def recording(store: Store, site: Site, installation: Installation) -> Recording:
    """Return where a site's incidents are recorded; what is told of them is read in other folders."""
    return Recording(store, site, installation, absolute(site.name))


@dataclass(frozen=True)
class Opening:
    """What somebody says who opens an incident. seen_at: None for now."""

    kind: str
    severity: int
    title: str
    hosts: str = ""
    drill: bool = False
    seen_at: datetime | None = None


# --- what people do --------------------------------------------------------------------------------------------------
def open_incident(to: Recording, asked: Opening, by: By, now: datetime) -> Incident:
    """Open an incident, which calls its team.

    Raises: UsageError, and writes that down, if they may not, or it cannot be opened so.
    """
    opened = _opened(to.site.schedule, asked, now)

    def do(db: Connection) -> tuple[Incident, str]:
        refuse(incidents.refuse_opening(opened, by.who(to.site.schedule), now))
        made = _open(db, to, IncidentEntry(now, _author(by, to.site.schedule), opened), opened)
        return made, f"{made.name}, severity {opened.severity}: {opened.title}"

    made = act(to.store, by, now, incidents.action_of(opened).value, asked.kind, do)
    chain_end.note(to.installation.folder, to.store)
    return made


def enter(to: Recording, number: int, said: Said, by: By, now: datetime) -> Incident:
    """Enter something into an incident's record; return the incident after it.

    Raises: UsageError, and writes that down, if it may not be entered.
    """
    said = _bounded(said)

    def do(db: Connection) -> tuple[Incident, str]:
        incident = locked(db, to.site, number)
        who = by.who(to.site.schedule)
        incidents.refuse(incident, said, who, now, _known(to.site.schedule, now))
        entry = IncidentEntry(now, _author(by, to.site.schedule), said)
        return _append(db, to, incident, entry), words_of(said)

    made = act(to.store, by, now, incidents.action_of(said).value, f"incident {number}", do)
    chain_end.note(to.installation.folder, to.store)
    return made


def refuse_act(to: Recording, number: int, said: Acted, by: By, now: datetime) -> None:
    """Refuse an act on hosts before anything is done to them, and write that down.

    Raises: UsageError if it may not be done.
    """

    def do(db: Connection) -> tuple[None, str]:
        incident = load(db, to.site, number)
        who = by.who(to.site.schedule)
        incidents.refuse(incident, said, who, now, _known(to.site.schedule, now))
        return None, f"{said.act} on {', '.join(said.hosts)}"

    act(to.store, by, now, incidents.action_of(said).value, f"incident {number}", do)


def ask_act(to: Recording, number: int, said: Acted, by: By, now: datetime) -> int:
    """Ask for an act on hosts, which whoever has their keys does; return the request's number.

    The hosts are those that a run has seen: what is asked for here is done later, when nobody looks for a typing error.

    Raises: UsageError, and writes that down, if it may not be done.
    """

    def do(db: Connection) -> tuple[int, str]:
        incident = load(db, to.site, number)
        who = by.who(to.site.schedule)
        incidents.refuse(incident, said, who, now, _known(to.site.schedule, now))
        there = silences.known_hosts(db, name(to.site.key)) - OWN_NAMES
        refuse(incidents.refuse_unseen(incident, said, there))
        hosts = ",".join(said.hosts)
        procedure = next(one for one, act_ in incidents.ACTS.items() if act_ == said.act)
        asked = run_requests.ask_act(
            db, to.site.key, procedure, by.name, now, hosts=hosts, incident=number
        )
        return asked, f"{said.act} on {hosts}"

    return act(to.store, by, now, incidents.action_of(said).value, f"incident {number}", do)


def advance(to: Recording, number: int, by: By, now: datetime) -> Incident:
    """Begin the next phase. Raises as `enter` does."""
    with to.store.read() as db:
        incident = load(db, to.site, number)
    phases = incident.opened.phases
    following = phases[min(incident.phase + 1, len(phases) - 1)]
    return enter(to, number, incidents.Advanced(following.id), by, now)


def share(
    to: Recording, number: int, whom: str, until: datetime, by: By, now: datetime, *, full: bool
) -> tuple[ShareLink, str]:
    """Make a link by which an outsider may look; return it with its secret, which is kept nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    said = LinkMade(whom, hashed(token), until, full)
    return enter(to, number, said, by, now).links[-1], token


def link_of(incident: Incident, token: str, now: datetime) -> ShareLink | None:
    """Return the link of that secret; None if there is none that holds."""
    found = (
        one for one in incident.links if secrets.compare_digest(one.token_sha256, hashed(token))
    )
    return next((one for one in found if one.holds(now)), None)


def hashed(token: str) -> str:
    """Return by what a link's secret is known."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def load(db: Connection, site: HasSchedule, number: int) -> Incident:
    """Return the site's incident.

    Raises: UsageError if there is none.
    """
    return _there(db, site, number, lock=False)


def locked(db: Connection, site: HasSchedule, number: int) -> Incident:
    """Return the site's incident, into which nobody else enters anything until the transaction ends.

    Raises: UsageError if there is none.
    """
    return _there(db, site, number, lock=True)


def _there(db: Connection, site: HasSchedule, number: int, *, lock: bool) -> Incident:
    found = stored.get(db, site.key, number, lock=lock) if 0 < number < 2**31 else None
    if found is None:
        raise UsageError(f"there is no incident {number}", remedy="upkeep incident list --all")
    return stored.load(db, found.id)


@dataclass(frozen=True)
class IncidentLooks:
    """What else is known of an incident. isolation: of each of its hosts, what was seen of that last.

    lacks_user: whether there is no user who may isolate hosts.
    """

    isolation: Mapping[str, answers.Latest] = field(default_factory=dict)
    lacks_user: bool = False


def looks_of(db: Connection, site: HasSchedule, incident: Incident) -> IncidentLooks:
    """Return what is known of an incident outside of its record."""
    seen = {
        one.host: found
        for one in stands(incident)
        for found in answers.latest(db, site.key, one.host)
        if found.check_id == ISOLATION
    }
    everyone = [one for one in users.everyone(db) if not one.disabled_at]
    may = any(not refusal(Action.CONTAIN_INCIDENT, one.name, one.role) for one in everyone)
    return IncidentLooks(seen, not may)


def acknowledged(
    db: Connection,
    site: HasSchedule,
    number: int,
    entry: IncidentEntry,
    installation: Callable[[], Installation],
) -> bool:
    """Enter that somebody has acknowledged an alert, if it calls people to an incident; return whether it does."""
    alert = alerts.get(db, number)
    if alert is None or alert.check_id not in OF_INCIDENTS:
        return False
    called = stored.called_by(db, site.key, number)
    for one in called:
        incident = locked(db, site, one)
        stored.append(db, installation().key, site.key, incident.id, entry)
    return bool(called)


def acknowledgement(
    by: By, schedule: Schedule, alert: int, note: str, now: datetime
) -> IncidentEntry:
    """Return the entry of an acknowledgement."""
    return IncidentEntry(now, _author(by, schedule), Acknowledged(alert, written(note, MOST_TEXT)))


def _open(db: Connection, to: Recording, entry: IncidentEntry, opened: Opened) -> Incident:
    made = stored.open_one(db, to.installation.key, to.site.key, entry, opened)
    tell(db, to.site, made, entry.at, to.folder)
    return made


def _append(db: Connection, to: Recording, incident: Incident, entry: IncidentEntry) -> Incident:
    made = stored.append(db, to.installation.key, to.site.key, incident.id, entry)
    tell(db, to.site, made, entry.at, to.folder)
    return made


def _author(by: By, schedule: Schedule) -> Author:
    return Author(by.user.name if by.user else "", by.who(schedule).person, by.account)


def _opened(schedule: Schedule, asked: Opening, now: datetime) -> Opened:
    """Return the opening with the phases that the schedule has now."""
    plan = schedule.incidents.of(asked.kind)
    phases = tuple(
        Phase(
            one.id,
            one.title,
            one.within,
            tuple(
                AskedStep(step.id, step.title, step.command, step.act or "") for step in one.steps
            ),
        )
        for one in plan.phases
    )
    drill_hosts = tuple(schedule.incidents.drill_hosts) if asked.drill else ()
    title, hosts = written(asked.title, MOST_TITLE), shown(asked.hosts.strip(), MOST_TEXT)
    title = " ".join(title.split("\n"))
    seen_at = asked.seen_at or now
    return Opened(
        asked.kind, title, asked.severity, hosts, seen_at, phases, asked.drill, drill_hosts
    )


def _known(schedule: Schedule, now: datetime) -> KnownNames:
    today = now.astimezone(ZoneInfo(schedule.time_zone)).date()
    people = frozenset(schedule.people)
    return KnownNames(people, people | frozenset(schedule.teams), today)


def _bounded(said: Said) -> Said:
    """Return what somebody says with its texts as they may be kept."""
    texts = {
        one.name: written(value, MOST_TEXT)
        for one in dataclasses.fields(said)
        if isinstance(value := getattr(said, one.name), str)
    }
    made: Said = replace(cast(Any, said), **texts)
    return made


def words_of(said: Said) -> str:
    """Return what an entry says, in one line without its author."""
    match said:
        case incidents.Opened():
            drill = "drill of a " if said.drill else ""
            return f"{drill}{said.kind} incident, severity {said.severity}: {said.title}"
        case AlertJoined():
            return f"alert {said.alert} belongs to it: {said.what}"
        case incidents.Acknowledged():
            return f"alert {said.alert} acknowledged" + (f": {said.note}" if said.note else "")
        case incidents.Assigned():
            return f"{said.to} is {said.post}"
        case incidents.Noted():
            return said.text
        case incidents.StepDone():
            return f"step {said.step} done" + (f": {said.note}" if said.note else "")
        case incidents.StepSkipped():
            return f"step {said.step} skipped: {said.reason}"
        case incidents.Advanced():
            return f"phase {said.to} begins"
        case incidents.HandedOver():
            return f"command handed over to {said.to}: {said.summary}"
        case incidents.Acted():
            return acted_words(said)
        case ToldPerson():
            return f"{said.whom} notified by {said.way}: {said.what}"
        case incidents.FollowUpAdded():
            return f"follow-up for {said.owner} until {said.due}: {said.text}"
        case incidents.FollowUpDone():
            return f"follow-up {said.number} done" + (f": {said.note}" if said.note else "")
        case incidents.LinkMade():
            names = ", with names of hosts" if said.full else ""
            return f"link for {said.whom} until {said.until:%Y-%m-%d %H:%M} UTC{names}"
        case incidents.LinkRevoked():
            return f"link {said.number} revoked"
        case incidents.Closed():
            left = f"; left open: {said.unfinished}" if said.unfinished else ""
            return f"closed: {said.lesson}{left}"


# --- what calls people -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Trouble:
    """What may be told of an incident: a check and a subject; how it fails, or that it does not."""

    check: str
    subject: str
    fails: bool
    severity: int
    message: str = ""
    remedy: str = ""


def tell(db: Connection, site: HasSchedule, incident: Incident, now: datetime, folder: str) -> None:
    """Report how it stands with an incident, its phases and follow-ups, where that is not reported yet.

    Its alerts are alerts like any others: the same teams, rota, escalation and acknowledgement.
    """
    for one in _news(db, site, incident, now, folder):
        trouble = own_troubles.OwnTrouble(
            one.check, one.subject, procedure_of(incident.opened.kind)
        )
        severity = Severity(severity_word(one.severity)) if one.fails else None
        own_troubles.tell(db, site.key, trouble, now, severity, one.message, one.remedy)


def _news(
    db: Connection, site: HasSchedule, incident: Incident, now: datetime, folder: str
) -> list[_Trouble]:
    """Return what fails, or does not any more, and is not reported so yet."""
    known: dict[str, set[str]] = {}
    found = []
    for one in _troubles(incident, site.schedule, now, folder):
        if one.check not in known:
            known[one.check] = findings.own_subjects(db, site.key, one.check)
        if one.fails != (name(one.subject) in known[one.check]):
            found.append(one)
    return found


def _troubles(
    incident: Incident, schedule: Schedule, now: datetime, folder: str
) -> Sequence[_Trouble]:
    opened, is_open = incident.opened, incident.closed_at is None
    zone, prefix = ZoneInfo(schedule.time_zone), MARK if opened.drill else ""
    status = command("incident", "status", str(incident.id), site=folder)
    where = f" on {opened.hosts}" if opened.hosts else ""
    subjects = iter(incident.subjects)
    found = [
        _Trouble(
            *next(subjects),
            is_open,
            opened.severity,
            f"{prefix}{opened.kind} incident{where}: {opened.title}",
            first(status, "see what is next"),
        )
    ]
    late = incident.overdue(now)
    for index, phase in enumerate(opened.phases):
        left = ", ".join(step.id for step in incident.open_steps(phase))
        ends = exact(incident.deadline(index), zone, seconds=False)
        message = f"{prefix}{phase.title} of {incident.name} should have ended by {ends}"
        message += f"; left: {left}" if left else "; nothing is left, begin the next phase"
        remedy = first(status, "see what is left")
        found.append(_Trouble(*next(subjects), index in late, opened.severity, message, remedy))
    today = now.astimezone(zone).date()
    for one in incident.follow_ups:
        number = str(one.number)
        what = f"{prefix}follow-up {number} of {incident.name}, for {one.owner}"
        message = f"{what}, was due on {one.due}: {one.text}"
        done = command("incident", "follow-up", str(incident.id), "--done", number, site=folder)
        fails = one.done_at is None and one.due < today
        remedy = first(done, "when it is done")
        found.append(_Trouble(*next(subjects), fails, 3, message, remedy))
    return found


# --- what the machine does -------------------------------------------------------------------------------------------
class IncidentWorker:
    """Opens incidents for alerts, watches the clocks, and records who was notified. It changes no host."""

    name = "incidents"

    def __init__(self, store: Store, leader: Leader) -> None:
        self.store = store
        self.leader = leader
        self._site: Site | None = None
        self._installation: Installation | None = None

    def step(self, now: datetime) -> float:
        """Do what is due; return after how many seconds to come again."""
        site = self.leader.site
        if site is not self._site:
            self._site, self._installation = site, None
        if self._open_for_alerts(site, now) | self._look_at_clocks(site, now):
            chain_end.note(self._recording(site).installation.folder, self.store)
        return STEP_SECONDS

    def _recording(self, site: Site) -> Recording:
        if (
            self._installation is None
        ):  # nothing is signed, and no key needed, where nothing happens
            self._installation = load_installation(site.settings)
        return recording(self.store, site, self._installation)

    def _open_for_alerts(self, site: Site, now: datetime) -> bool:
        """Let open alerts open incidents, or join one of their kind; each does so once."""
        rules = [(kind, one) for kind in CHECKS for one in site.schedule.incidents.of(kind).opens]
        if not rules:
            return False
        with self.store.read() as db:
            fitting = self._fitting(db, site, rules)
        for alert, kind, rule in fitting:
            with self.store.begin() as db:
                records.hold(db)  # two drivers, or two alerts at once, open one incident
                self._take(db, self._recording(site), alert, (kind, rule), now)
        return bool(fitting)

    def _fitting(
        self, db: Connection, site: Site, rules: Sequence[tuple[str, OpensIncident]]
    ) -> list[tuple[Alert, str, OpensIncident]]:
        """Return the alerts that belong to no incident yet and should, each with the rule that says so."""
        there = alerts.open_alerts(db, name(site.key))
        known = stored.claimed(db, [one.id for one in there])
        members: dict[int, set[str]] = {}
        for member in alerts.members(db, [one.id for one in there if one.id not in known]):
            members.setdefault(member.alert_id, set()).add(member.check)
        found = []
        for alert in there:
            fits = [(kind, one) for kind, one in rules if one.check in members.get(alert.id, ())]
            if fits and not alert.silenced:
                found.append((alert, *min(fits, key=lambda each: each[1].severity)))
        return found

    def _take(
        self,
        db: Connection,
        to: Recording,
        alert: Alert,
        by: tuple[str, OpensIncident],
        now: datetime,
    ) -> None:
        """Let one alert open an incident, or join the newest that is open and no less severe.

        In a less severe one it would call nobody who is not called already. by: its kind, and the rule.
        """
        kind, rule = by
        if stored.claimed(db, [alert.id]):
            return
        members = [one for one in alerts.members(db, [alert.id]) if one.check == rule.check]
        hosts = sorted({one.host for one in members}, key=natural)
        what = open_(rule.check, hosts, len(members))
        going = [
            one.id
            for one in stored.of_site(db, to.site.key)
            if one.kind == kind
            and not one.drill
            and stored.load(db, one.id).opened.severity <= rule.severity
        ]
        if going:
            incident = locked(db, to.site, going[0])
        else:
            opened = _opened(
                to.site.schedule, Opening(kind, rule.severity, what, ",".join(hosts)), now
            )
            incident = _open(db, to, IncidentEntry(now, MACHINE, opened), opened)
        if stored.claim_alert(db, alert.id, incident.id):
            joined = AlertJoined(alert.id, what, min(alert.opened_at, now))
            _append(db, to, incident, IncidentEntry(now, MACHINE, joined))

    def _look_at_clocks(self, site: Site, now: datetime) -> bool:
        """Tell what is overdue, and record what was sent; return whether anything was recorded."""
        with self.store.read() as db:
            rows = stored.of_site(db, site.key, closed_since=now - STILL_TOLD)
            waits = [one.id for one in rows if self._has_news(db, site, one.id, now)]
        entered = False
        for number in waits:
            with self.store.begin() as db:
                incident = locked(db, site, number)
                tell(db, site, incident, now, site.name)
                entered |= self._record_told(db, site, incident, now)
        return entered

    def _has_news(self, db: Connection, site: Site, number: int, now: datetime) -> bool:
        incident = stored.load(db, number)
        return bool(_news(db, site, incident, now, site.name) or _unrecorded(db, site, incident))

    def _record_told(self, db: Connection, site: Site, incident: Incident, now: datetime) -> bool:
        """Record each message that has arrived, once: the outbox is forgotten one day, the record never."""
        new = _unrecorded(db, site, incident)
        for one in new:
            whom = one.recipient.partition(":")[2]
            whom = f"team {whom}" if one.recipient.startswith("team:") else whom
            entry = IncidentEntry(
                now, MACHINE, ToldPerson(whom, one.title, one.channel, one.sent_at, one.id)
            )
            stored.append(db, self._recording(site).installation.key, site.key, incident.id, entry)
        return bool(new)


def _unrecorded(db: Connection, site: HasSchedule, incident: Incident) -> list[stored.SentMessage]:
    """Return what was sent of an incident and is not in its record."""
    sent = stored.sent_messages(db, stored.calls(db, site.key, incident))
    return [one for one in sent if one.id not in incident.messages]
