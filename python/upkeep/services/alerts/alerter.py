"""The alerter: transitions that nobody has looked at → alerts → messages in the outbox, in one transaction per step.

Whatever becomes of the process, a transition is looked at once: its mark, the alerts that it moves and the messages
that they send are written down together, or not at all.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from upkeep.checks.upkeep.blind import ID as BLIND
from upkeep.model.errors import ConfigurationError
from upkeep.model.stored_text import name
from upkeep.rules.alerts import owners, policy, severities
from upkeep.rules.alerts.groups import Board, JudgedAgain
from upkeep.rules.alerts.model import ACKNOWLEDGED, CLOSED, INCIDENT, REJUDGED, Alert, Member
from upkeep.rules.alerts.policy import Times
from upkeep.rules.silences import Silence, keep_quiet
from upkeep.services.alerts import messages
from upkeep.services.alerts.calendar import OnCallCalendar, SiteCalendar
from upkeep.services.alerts.messages import About, Message
from upkeep.site.inventory import Place, read_places
from upkeep.site.schedule_file import Schedule, Step
from upkeep.site.site import Site
from upkeep.store import Store, alerts, blind, blind_spots, findings, outbox, silences
from upkeep.store.outbox import Letter, Posting
from upkeep.system import child

STEP_SECONDS = 5.0
Address = tuple[str, bool]
"""Where a channel leads to, and whether the whole text may go there."""
PLACES_FOR = timedelta(minutes=15)
"""How long the inventory is taken as known; only sites whose severities or owners ask where a host stands need it."""


class Alerter:
    """Looks at transitions; `upkeep serve` calls its step again and again."""

    name = "alerter"

    def __init__(
        self,
        store: Store,
        site: Site,
        calendar: OnCallCalendar | None = None,
        stop: child.Stop | None = None,
    ) -> None:
        self.store = store
        self.stop = stop
        self.use(site, calendar)

    def use(self, site: Site, calendar: OnCallCalendar | None = None) -> None:
        """Use this site, or another revision of its schedule, from now on. calendar: for tests."""
        self.site = site
        self.key = name(site.key)
        self.calendar = calendar or SiteCalendar(site.schedule, site.folder)
        self._places: Mapping[str, Place] = {}
        self._places_at: datetime | None = None
        self._asked_looked_at = False

    def step(self, now: datetime) -> float:
        """Look at what has happened; return in how many seconds to look again."""
        schedule = self.site.schedule
        places = self._places_of_hosts(now)
        with self.store.begin() as db:
            alerts.begin(db, self.key, now)
            self._retire_unscheduled(db, now)
            found = alerts.pending(db, self.key, now)
            board = alerts.load_board(db, self.key, now)
            self._give_to_teams(board, places)
            for seen, remedy in found:
                place = places.get(seen.host, Place())
                severity = seen.severity and severities.severity_of(
                    schedule.alerts.severities, seen.check, place, seen.severity
                )
                team = owners.owner_of(schedule, seen.procedure, seen.check, place).team
                board.take(seen, severity, team, remedy)
            quiet = self._quiet(db, now)
            board.pass_time(quiet.covers)
            saved = alerts.save(db, board)
            alerts.handled(db, (seen for seen, _remedy in found), now)
            self._tell(db, board, saved, quiet, now)
        return 0.0 if len(found) == alerts.AT_ONCE else STEP_SECONDS

    def _quiet(self, db: Any, now: datetime) -> _Quiet:
        window = self.calendar.window(now) is not None
        longest = timedelta(seconds=self.site.schedule.alerts.longest_silence)
        lasting = tuple(silences.lasting(db, self.key, now, longest=longest))
        named = {one.host_pattern for one in lasting}
        return _Quiet(lasting, window, blind_spots.blinded(db, self.key, named))

    def _give_to_teams(self, board: Board, places: Mapping[str, Place]) -> None:
        """Give each alert whose team has left the schedule to who is called for its worst finding now.

        An alert whose team is still there stays with it until it closes, whatever `alerts.owners` says since.
        """
        schedule = self.site.schedule
        for number, alert in list(board.alerts.items()):
            if alert.team in schedule.teams or not schedule.teams:
                continue
            worst = min(board.members[number].values(), key=lambda one: one.severity, default=None)
            host, check = (worst.host, worst.check) if worst else ("", alert.check_id)
            owner = owners.owner_of(schedule, "", check, places.get(host, Place()))
            board.give(number, owner.team)

    def _retire_unscheduled(self, db: Any, now: datetime) -> None:
        """Retire findings of checks that no procedure asks for any more, once per revision of the schedule."""
        if self._asked_looked_at:
            return
        self._asked_looked_at = True
        asked = [one.checks for one in self.site.schedule.procedures.values()]
        if None not in asked:
            every = {check for checks in asked for check in checks or ()}
            findings.retire_unscheduled(db, self.key, every, now)
            limit = self.site.schedule.alerts.blind_after
            after = None if limit is None else timedelta(seconds=limit)
            blind.forget_unscheduled(db, self.key, every, after, now)

    def _places_of_hosts(self, now: datetime) -> Mapping[str, Place]:
        """Return where each host stands, if a rule asks for it; the last that could be read."""
        if not owners.needs_places(self.site.schedule.alerts):
            return {}
        if self._places_at is None or not timedelta() <= now - self._places_at < PLACES_FOR:
            self._places_at = now
            # A dynamic inventory that does not answer delays no alert: groups are as known before.
            with contextlib.suppress(ConfigurationError):
                self._places = read_places(
                    str(self.site.inventory), self.site.environment, self.stop
                )
        return self._places

    # --- who is notified ---------------------------------------------------------------------------------------------
    def _tell(
        self, db: Any, board: Board, saved: Mapping[int, Alert], quiet: _Quiet, now: datetime
    ) -> None:
        """Put into the outbox what is due."""
        desk = _Desk(db, self, now)
        news = alerts.news(db, self.key)
        for_windows: dict[str, list[About]] = {}
        for number, alert in saved.items():
            if alert.status == CLOSED or alert.settles_at is not None or alert.silenced:
                continue
            if alert.team not in self.site.schedule.teams:
                continue
            unheard = news.get(alert.id, {})
            has_it = alert.status == ACKNOWLEDGED and alert.told_round == alert.round
            if has_it and not unheard:
                continue
            members = board.members[number].values()
            fresh = [one for one in members if one.cause_key in unheard]
            fresh = [one for one in fresh if not quiet.covers(alert, one)] if unheard else []
            about = desk.about(alert, members, fresh)
            step = self.site.schedule.alerts.policy[alert.severity]
            if has_it:
                desk.news(about, step, unheard)
            elif step.begins == policy.WINDOW:
                times = desk.times(alert.team)
                untold = alert.told_round < alert.round
                if untold and policy.begins(step, alert.round_at, times) <= now:
                    for_windows.setdefault(alert.team, []).append(about)
            elif not desk.call(about, step):
                desk.news(about, step, unheard)
        for team, abouts in sorted(for_windows.items()):
            desk.digest(team, abouts)
        for number in board.closed:
            desk.closed(saved[number])
        for judged in board.judged.values():
            if judged.alert_id is None:
                desk.judged(judged, [saved[one] for one in judged.closed])


@dataclass(frozen=True)
class _Quiet:
    """What is kept quiet now. blinded: the checks that a cause blinds, on hosts that a silence names."""

    silences: tuple[Silence, ...]
    in_window: bool
    blinded: Mapping[tuple[str, str], tuple[str, ...]]

    def covers(self, _alert: Alert, member: Member) -> bool:
        """Return whether nobody is notified of the finding for now."""
        waits = member.severity in policy.SILENT_IN_WINDOWS
        if self.in_window and waits and not severities.is_security(member.check):
            return True
        is_blind = member.check == BLIND
        return keep_quiet(
            self.silences,
            member.check,
            member.host,
            member.severity,
            by_name=severities.by_name_only(member.check),
            blinds=self.blinded.get((member.host, member.subject), ()) if is_blind else (),
        )


class _Desk:
    """Writes messages, for one step of the alerter."""

    def __init__(self, db: Any, alerter: Alerter, now: datetime) -> None:
        self.db = db
        self.now = now
        self.key = alerter.key
        self.schedule: Schedule = alerter.site.schedule
        self.calendar = alerter.calendar
        self.overrides = silences.overrides(db, self.key, now - timedelta(days=1))
        self._times: dict[str, Times] = {}
        self.path = alerter.site.name
        self.site = alerter.site.title

    def times(self, team: str) -> Times:
        """Return what the calendar says of a team."""
        if team not in self._times:
            self._times[team] = self.calendar.times(team, self.overrides)
        return self._times[team]

    def about(self, alert: Alert, members: Iterable[Member], fresh: Iterable[Member] = ()) -> About:
        """Return what a message on the alert is about. fresh: findings of new causes, of which nobody has heard."""
        zone = self.schedule.time_zone
        if alert.team in self.schedule.teams:
            zone = self.schedule.zone_of(self.schedule.teams[alert.team])
        page = self.schedule.alerts.page
        members, fresh = tuple(members), tuple(fresh)
        return About(alert, members, self.site, page, zone, self.now, fresh, self.path)

    def call(self, about: About, step: Step) -> bool:
        """Put in the calls of an alert that are due; return whether somebody is told now."""
        alert = about.alert
        times = self.times(alert.team)
        calls = policy.calls(alert, step, self.now, times)
        if not calls:
            return False
        by = policy.answer_by(step, alert.round_at, times)

        used: dict[datetime, set[Address]] = defaultdict(set)
        told = 0
        for call in calls:
            to = f"person:{call.person}" if call.person else f"team:{alert.team}"
            write = partial(messages.alert_message, about, answer_by=by, again=call.again)
            letters = list(self._letters([to], write, used[call.at]))
            told += self._put(f"alert {alert.id}.{alert.round}.{call.number}", letters, alert)
        self._told(alert, reached=any(used.values()))
        if told and about.fresh:
            self._heard(about, counts=False)
        return bool(told)

    def news(self, about: About, step: Step, unheard: Mapping[str, datetime]) -> None:
        """Put in one message on the new causes of an alert that people know, if it is time for one."""
        alert, times = about.alert, self.times(about.alert.team)
        if not about.fresh:
            return
        since = min(unheard[one.cause_key] for one in about.fresh)
        if policy.news_at(alert, step, since, times) > self.now:
            return

        def write(*, phi: bool) -> Message:
            return messages.news_message(about, phi=phi)

        people = policy.hear_news(step, self.now, times)
        to = (f"team:{alert.team}", *(f"person:{one}" for one in people))
        letters = list(self._letters(to, write))
        self._put(f"news {alert.id}.{alert.news + 1}", letters, alert)
        self._heard(about, counts=True)
        causes = len({one.cause_key for one in about.fresh})
        text = f"{causes} new causes" if letters else "nobody: there is no channel"
        alerts.note(self.db, alert.id, self.now, "told news", text)

    def _heard(self, about: About, *, counts: bool) -> None:
        keys = {one.cause_key for one in about.fresh}
        alerts.told_news(self.db, about.alert, keys, self.now, counts=counts)

    def digest(self, team: str, abouts: Sequence[About]) -> None:
        """Put in one message on alerts that waited for a window; a window sends one."""
        window = self.calendar.window(self.now)
        moment = window or self.now.replace(hour=0, minute=0, second=0)
        letters = list(
            self._letters([f"team:{team}"], lambda *, phi: messages.digest_message(abouts, phi=phi))
        )
        message = f"digest {team} {moment:%Y%m%dT%H%M}"
        worst = min(about.alert.severity for about in abouts)
        values = {"kind": "digest", "severity": worst, "dedupe": message}
        if self._put(message, letters, None, **values) or not letters:
            for about in abouts:
                self._told(about.alert, reached=bool(letters))

    def closed(self, alert: Alert) -> None:
        """Put in that it is over, for all who were told; or that it was, if it was bad and over before anybody was."""
        if alert.closed_how == REJUDGED or alert.team not in self.schedule.teams:
            return
        if alert.told_round:
            to = alerts.recipients(self.db, alert.id) or [f"team:{alert.team}"]
        elif alert.worst <= 2 and alert.kind == INCIDENT and not alert.silenced:
            to = self._responders(alert.team)
            outbox.withdraw_recoveries(self.db, alert.id, alert.group_key, self.now)
        else:
            return
        members = alerts.members(self.db, [alert.id], everything=True)
        about = self.about(alert, ())

        def write(*, phi: bool) -> Message:
            return messages.recovery_message(about, members, phi=phi)

        step = self.schedule.alerts.policy[alert.worst]
        due_at = policy.begins(step, self.now, self.times(alert.team))
        message = f"closed {alert.id}"
        # Receivers colour a recovery green: what was not seen to pass is none.
        kind = "ended" if alert.closed_how in messages.NOT_PASSED else "recovery"
        self._put(message, list(self._letters(to, write)), alert, kind=kind, due_at=due_at)

    def judged(self, judged: JudgedAgain, closed: Sequence[Alert]) -> None:
        """Put in what judging again has resolved, as one message."""
        if judged.team not in self.schedule.teams:
            return
        to = {f"team:{judged.team}"}
        for alert in closed:
            to |= set(alerts.recipients(self.db, alert.id))

        def write(*, phi: bool) -> Message:
            return messages.judged_message(
                self.site, judged.run_id, judged.opened, judged.resolved,
                page=self.schedule.alerts.page, path=self.path,
            )  # fmt: skip

        message = f"judged {judged.run_id}.{judged.judgement} {judged.team}"
        due_at = self.times(judged.team).hours.opens(self.now)
        values = {"kind": "digest", "severity": 3, "dedupe": message, "due_at": due_at}
        self._put(message, list(self._letters(sorted(to), write)), None, **values)

    def _responders(self, team: str) -> list[str]:
        first = list(self.times(team).on_call(self.now))[:1]
        return [f"team:{team}", *(f"person:{one}" for one in first)]

    def _letters(
        self, to: Iterable[str], write: Any, used: set[Address] | None = None
    ) -> Iterator[Letter]:
        """Yield a letter for each recipient and channel, the best channel first.

        Where somebody's own ways end, the team's begin, and the other way round: somebody has to be reached. Where
        somebody's best channel leads to an address that has the text already, it would say the same twice: there is no
        letter. used: addresses that have it; those of the letters are added.
        """
        written: dict[bool, Message] = {}
        used = set() if used is None else used
        for recipient in to:
            chain = self._chain(recipient)
            addresses = {self._address(channel) for channel in chain[:1]}
            if addresses <= used:
                continue
            used |= addresses
            for position, channel in enumerate(chain):
                phi = self.schedule.channels[channel].phi
                if phi not in written:
                    written[phi] = write(phi=phi)
                yield Letter(recipient, channel, position, written[phi].title, written[phi].body)

    def _address(self, channel: str) -> Address:
        known = self.schedule.channels[channel]
        return known.url_from, known.phi

    def _chain(self, recipient: str) -> list[str]:
        kind, _, who = recipient.partition(":")
        people, teams = self.schedule.people, self.schedule.teams
        chain: list[str] = []
        if kind == "person" and who in people:
            chain += people[who].channels
            for team in teams.values():
                if who in team.members or any(who in turn.people for turn in team.rota):
                    chain += team.channels
        elif kind == "team" and who in teams:
            chain += teams[who].channels
            for person in [*self.times(who).on_call(self.now), *teams[who].members]:
                chain += people[person].channels if person in people else ()
        return list(dict.fromkeys(chain))

    def _put(
        self, message: str, letters: Sequence[Letter], alert: Alert | None, **other: Any
    ) -> int:
        values: dict[str, Any] = {"kind": "alert", "due_at": self.now}
        if alert is not None:
            values |= {"severity": alert.severity, "dedupe": alert.dedupe}
        return outbox.put(
            self.db,
            self.key,
            message,
            letters,
            Posting(
                alert_id=alert.id if alert is not None else None, now=self.now, **(values | other)
            ),
        )

    def _told(self, alert: Alert, *, reached: bool) -> None:
        """Record that people were told of the round, or that there is nobody to tell."""
        if alert.told_round == alert.round:
            return
        alerts.told(self.db, alert, self.now)
        if not reached:
            text = f"team {alert.team} and who is on call have no channel"
            alerts.note(self.db, alert.id, self.now, "nobody notified", text)
