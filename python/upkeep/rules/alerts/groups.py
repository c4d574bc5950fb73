"""Pure: transitions and time → which alerts open, rise, come back, settle and close.

A `Board` is the site's open alerts in memory: it is given what happened, changes, and knows what has changed; the
store writes that down in the same transaction in which the transitions are marked as handled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from upkeep.rules.alerts.model import (
    ACCEPTED,
    ACKNOWLEDGED,
    AWAY,
    CLOSED,
    EXPIRED,
    FIRST,
    INCIDENT,
    JUDGED,
    MANY,
    OPEN,
    RECOVERED,
    REJUDGED,
    UNACKNOWLEDGED,
    UNWATCHED,
    UPGRADE,
    Alert,
    AlertTransition,
    Group,
    Member,
    Past,
)
from upkeep.rules.incident_kinds import OF_INCIDENTS
from upkeep.rules.sentences import finding_of

CAUSES_APART = 3
FLAPPING = 2
FLAPPING_FOR = timedelta(hours=24)
"""A group that opens so often in that time flaps: its recovery has to last before it is told.

At most CAUSES_APART causes of one check open alerts of their own within that time; what comes then is one alert.
"""
TELLS_EVERY = timedelta(hours=1)
"""How often a group that flaps, or one of many causes, says at most that something came back or joined."""
SETTLES_FOR = 2 * TELLS_EVERY
"""A recovery and the opening after it are two messages: it has to last so long for one an hour."""
HEARD_OF = 2
"""A new cause of this severity, or worse, is told where it joins an alert."""
NOT_PASSED = {"retired": UNWATCHED, "waived": ACCEPTED, "gone": AWAY}
"""How an alert closes when its last finding leaves so, without having been seen to pass."""
LEAVING = ("resolved", *NOT_PASSED)


@dataclass(frozen=True)
class NewAlertEvent:
    """What happened to an alert, for its history."""

    alert_id: int
    kind: str
    text: str = ""
    actor: str = ""


@dataclass(frozen=True)
class NewCause:
    """A cause that an alert has not had. is_news: people hear of it by a message of its own, not by the round's."""

    alert_id: int
    key: str
    is_news: bool


@dataclass
class JudgedAgain:
    """What a judging again brought to a team: leaves as one digest."""

    run_id: int
    judgement: int
    team: str
    alert_id: int | None = None
    opened: int = 0
    resolved: int = 0
    closed: list[int] = field(default_factory=list)


class Board:
    """The site's open alerts. New ones have numbers below zero until they are written down."""

    def __init__(
        self,
        site: str,
        now: datetime,
        alerts: Iterable[Alert],
        members: Iterable[Member],
        past: Callable[[str], Past],
        causes_of_late: Callable[[str, str], Collection[str]] = lambda _check, _team: (),
        causes: Callable[[int], Collection[str]] = lambda _alert: (),
    ) -> None:
        """Begin with the open alerts and their members.

        past: of a group, by its key; causes_of_late: keys of the groups that a check has opened recently, by check and
        team; causes: the keys of those that an alert has had and that people have heard of, or are about to.
        """
        self.site = site
        self.now = now
        self.past = past
        self.causes_of_late = causes_of_late
        self.causes = causes
        self.alerts = {one.id: one for one in alerts}
        # What was given to another team keeps its key, and has its new team's too, if no other alert has that one.
        self.by_key = {one.group.key: one.id for one in self.alerts.values()}
        self.by_key |= {one.group_key: one.id for one in self.alerts.values()}
        self.members: dict[int, dict[int, Member]] = {number: {} for number in self.alerts}
        self.where: dict[int, int] = {}
        for member in members:
            self.members[member.alert_id][member.finding_id] = member
            self.where[member.finding_id] = member.alert_id
        self.changed: set[int] = set()
        self.joined: list[Member] = []
        self.left: list[tuple[int, int, str]] = []
        self.events: list[NewAlertEvent] = []
        self.closed: list[int] = []
        self.judged: dict[tuple[int, int, str], JudgedAgain] = {}
        self.new_causes: list[NewCause] = []
        self._known: dict[int, set[str]] = {}
        self._raised: set[int] = set()
        self._opened: Counter[str] = Counter()

    # --- what happened -----------------------------------------------------------------------------------------------
    def take(
        self, seen: AlertTransition, severity: int | None, team: str, remedy: str = ""
    ) -> None:
        """Take in a transition. severity: as the site maps it; None if it does not alert, or not any more."""
        here = self.where.get(seen.finding_id)
        if seen.kind in LEAVING or severity is None:
            if here is not None:
                how = seen.kind if seen.kind in LEAVING else "info"
                self._leave(here, seen, how, team)
            return
        if here is not None:
            known = self.members[here][seen.finding_id]
            member = replace(
                known, severity=severity, message=seen.message, named_cause=seen.named_cause
            )
            rises = severity < self.alerts[here].worst
            if not rises or not seen.judgement:
                self._put(member)
                self._hear(member)
                self._weigh(here)
                return
            self._leave(here, seen, "moved", team)
        target = self._target(seen, severity, team)
        member = Member(
            target,
            seen.finding_id,
            seen.host,
            seen.check,
            seen.subject,
            severity,
            seen.message,
            remedy,
            seen.at,
            seen.named_cause,
        )
        self._join(member, seen)

    def _target(self, seen: AlertTransition, severity: int, team: str) -> int:
        """Return the alert that it belongs to, opened if need be."""
        group = self._group(seen, severity, team)
        found = self.by_key.get(group.key)
        return found if found is not None else self._open(group, seen, severity)

    def _group(self, seen: AlertTransition, severity: int, team: str) -> Group:
        if (
            seen.check in OF_INCIDENTS
        ):  # people are called to each by itself, whatever else there is
            return Group(self.site, INCIDENT, seen.check, seen.cause, team)
        if seen.judgement:
            cause = f"run {seen.run_id} judged again, {seen.judgement}"
            return Group(self.site, JUDGED, "", cause, team)
        if seen.first or seen.upgraded:
            critical = ", critical" if severity == 1 else ""
            kind = UPGRADE if seen.upgraded else FIRST
            return Group(self.site, kind, "", f"run {seen.run_id}{critical}", team)
        own = Group(self.site, INCIDENT, seen.check, seen.cause, team)
        if own.key in self.by_key:
            return own
        opened = {
            one.group.key
            for one in self.alerts.values()
            if (one.kind, one.check_id, one.team) == (INCIDENT, seen.check, team)
            and one.opened_at >= self.now - FLAPPING_FOR
        }
        # Closed ones count too: a check that comes and goes with one cause after the other is one trouble.
        opened |= set(self.causes_of_late(seen.check, team))
        if own.key in opened:
            return own
        many = replace(own, cause=MANY)
        apart = len(opened - {many.key}) < CAUSES_APART and many.key not in self.by_key
        return own if apart else many

    def _open(self, group: Group, seen: AlertTransition, severity: int) -> int:
        number = min(0, *self.alerts, 0) - 1
        self._opened[group.key] += 1
        self.alerts[number] = Alert(
            id=number,
            site=self.site,
            group_key=group.key,
            opening=self.past(group.key).openings + self._opened[group.key],
            kind=group.kind,
            check_id=group.check,
            cause=group.cause,
            team=group.team,
            severity=severity,
            worst=severity,
            status=OPEN,
            opened_at=seen.at,
            round=1,
            round_at=self.now,
            round_why="opened",
        )
        self.by_key[group.key] = number
        self.members[number] = {}
        self.changed.add(number)
        self._note(number, "opened", _finding(seen))
        return number

    def _join(self, member: Member, seen: AlertTransition) -> None:
        """Put the finding into the alert; a later host says nothing, unless it makes the alert worse."""
        number = member.alert_id
        alert = self.alerts[number]
        if alert.settles_at is not None:
            self._change(number, settles_at=None, returns=alert.returns + 1)
            self._note(number, "came back", _finding(seen))
            self._tell_again(number, "came back", member)
        elif self.members[number]:
            self._note(number, "joined", _finding(seen))
            if alert.returns and alert.cause != MANY:
                # What keeps an alert open by coming and going silences nothing else that joins it.
                self._tell_again(number, "joined", member)
        self._put(member)
        self._hear(member)
        if seen.judgement:
            self._judging(seen, alert.team).opened += 1
            self._judging(seen, alert.team).alert_id = number
        # Beside others, only what is worse makes a difference: in a storm thousands join.
        if len(self.members[number]) == 1 or member.severity < self.alerts[number].severity:
            self._weigh(number)

    def _tell_again(self, number: int, why: str, member: Member) -> None:
        """Schedule the next message an hour after the last one, if the cause is bad and still there then.

        Until then they know it as failing, for no recovery was told. Who has acknowledged it still has it.
        """
        alert = self.alerts[number]
        if member.severity <= 2 and alert.told_round == alert.round:
            self._restart(number, why, keep=True)
            self._change(number, round_at=max(self.now, alert.round_at + TELLS_EVERY))

    def _hear(self, member: Member) -> None:
        """Record a cause that is new in its alert, if it is bad.

        It is news, unless it is told anyway with a round that begins. A cause is new once, on however many hosts and
        after whatever restart. Of first looks, and of what was judged again, there is one message each.
        """
        number = member.alert_id
        alert = self.alerts[number]
        if alert.kind != INCIDENT or member.severity > HEARD_OF:
            return
        if number not in self._known:
            self._known[number] = set(self.causes(number)) if number > 0 else set()
        if member.cause_key not in self._known[number]:
            self._known[number].add(member.cause_key)
            is_news = alert.told_round == alert.round
            self.new_causes.append(NewCause(number, member.cause_key, is_news))

    def _put(self, member: Member) -> None:
        self.members[member.alert_id][member.finding_id] = member
        self.where[member.finding_id] = member.alert_id
        self.joined.append(member)

    def _leave(self, number: int, seen: AlertTransition, how: str, team: str) -> None:
        """Take the finding out; the last one closes the alert, or lets it settle if it flaps."""
        alert = self.alerts[number]
        del self.members[number][seen.finding_id]
        del self.where[seen.finding_id]
        self.left.append((number, seen.finding_id, how))
        if seen.judgement and how != "moved":
            self._judging(seen, team).resolved += 1
        if self.members[number]:
            self._note(number, "left", f"{_finding(seen)}: {how}")
            self._weigh(number)
        elif seen.judgement:
            self._close(number, REJUDGED)
            self._judging(seen, team).closed.append(number)
        elif how in NOT_PASSED:
            self._close(number, NOT_PASSED[how])
        elif self._openings_of_late(alert) + alert.returns >= FLAPPING:
            self._change(number, settles_at=self.now + SETTLES_FOR)
            self._note(number, "settles")
        else:
            self._close(number, RECOVERED)

    def _openings_of_late(self, alert: Alert) -> int:
        return self.past(alert.group_key).recent + self._opened[alert.group_key]

    def _judging(self, seen: AlertTransition, team: str) -> JudgedAgain:
        key = (seen.run_id, seen.judgement, team)
        return self.judged.setdefault(key, JudgedAgain(*key))

    def _weigh(self, number: int) -> None:
        """Give the alert the severity of its worst finding; a new worst begins a round."""
        alert = self.alerts[number]
        severity = min(one.severity for one in self.members[number].values())
        if severity == alert.severity and severity >= alert.worst:
            return
        self._change(number, severity=severity, worst=min(severity, alert.worst))
        if severity < alert.worst and number > 0:
            if number not in self._raised:
                self._restart(number, "raised")
                self._raised.add(number)
            self._note(number, "raised", f"severity {severity}")

    def give(self, number: int, team: str) -> None:
        """Give an open alert to another team, whose people are told of it, unless somebody has acknowledged it.

        It stays the same alert for those who receive it.
        """
        alert = self.alerts[number]
        self._change(number, team=team)
        self.by_key.setdefault(self.alerts[number].group.key, number)
        self._note(number, "given", f"from {alert.team} to {team}")
        if alert.status == OPEN and alert.settles_at is None:
            self._restart(number, "given")

    # --- what time does ----------------------------------------------------------------------------------------------
    def pass_time(self, quiet: Callable[[Alert, Member], bool]) -> None:
        """Apply the passing of time: acknowledgements expire, recoveries settle, silences begin and end.

        quiet: whether a finding is silenced.
        """
        for number, alert in list(self.alerts.items()):
            if alert.status == CLOSED:
                continue
            if alert.settles_at is not None:
                if alert.settles_at <= self.now:
                    self._close(number, RECOVERED)
                continue
            until = alert.acknowledged_until
            if alert.status == ACKNOWLEDGED and until is not None and until <= self.now:
                self._restart(number, EXPIRED)
                self._note(number, EXPIRED, f"was acknowledged by {alert.acknowledged_by}")
            self._hush(number, all(quiet(alert, one) for one in self.members[number].values()))

    def _hush(self, number: int, silenced: bool) -> None:
        alert = self.alerts[number]
        if alert.silenced == silenced:
            return
        self._change(number, silenced=silenced)
        self._note(number, "silenced" if silenced else "silence ended")
        if silenced or alert.status == ACKNOWLEDGED:
            return
        if alert.told_round == alert.round:
            self._restart(number, "still fails")
        else:
            self._change(number, round_at=self.now)

    # --- small things ------------------------------------------------------------------------------------------------
    def _restart(self, number: int, why: str, *, keep: bool = False) -> None:
        """Begin a round: people are told anew. keep: an acknowledgement stands."""
        alert = self.alerts[number]
        self._change(number, round=alert.round + 1, round_at=self.now, round_why=why)
        if not keep:
            self._change(number, **UNACKNOWLEDGED)

    def _close(self, number: int, how: str) -> None:
        self._change(number, status=CLOSED, closed_at=self.now, closed_how=how, settles_at=None)
        for key in {self.alerts[number].group_key, self.alerts[number].group.key}:
            if self.by_key.get(key) == number:
                del self.by_key[key]
        self.closed.append(number)
        self._note(number, "closed", how)

    def _change(self, number: int, **values: Any) -> None:
        self.alerts[number] = replace(self.alerts[number], **values)
        self.changed.add(number)

    def _note(self, number: int, kind: str, text: str = "") -> None:
        self.events.append(NewAlertEvent(number, kind, text))


def _finding(seen: AlertTransition) -> str:
    return finding_of(seen.check, seen.host, seen.subject)
