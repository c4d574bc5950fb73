"""Alerts: who is notified of what, who has acknowledged, what is silenced, and who is on call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.model.stored_text import name
from upkeep.model.text import natural
from upkeep.rules.actions import Action
from upkeep.rules.alerts import policy
from upkeep.rules.alerts.model import ACKNOWLEDGED, EXPIRED, WITHDRAWN, Alert, Member
from upkeep.rules.alerts.severities import by_name_only
from upkeep.rules.silences import Silence, SilenceScope
from upkeep.rules.trouble_groups import grouped
from upkeep.services import silences as silencing
from upkeep.services.acts import By, SiteAsRead
from upkeep.services.alerts.calendar import SiteCalendar
from upkeep.services.alerts.messages import headline
from upkeep.site.fields import seconds_of, within
from upkeep.site.schedule_file import Alerts, Schedule
from upkeep.store import acts, alerts, outbox, silences
from upkeep.store.silences import NewOverride
from upkeep.view.alerts import until_words
from upkeep.view.today import needs_answer
from upkeep.web.html import go_to, page
from upkeep.web.routing import GET, POST, Ask, PageError, Route

ROWS = 50
MEMBERS = 100
NOTE_CHARACTERS = 1_000
LONGEST = timedelta(days=366)
SILENCED_AT_ONCE = 20
NO_TIME = "the field is empty; expected a time such as 30 min or 2 h"


@dataclass(frozen=True)
class AlertRow:
    """An alert in a list."""

    alert: Alert
    headline: str

    @property
    def waits(self) -> bool:
        """Whether nobody has acknowledged it, and somebody should."""
        return needs_answer(self.alert)

    @property
    def acknowledged(self) -> bool:
        """Whether somebody has acknowledged it."""
        return self.alert.status == ACKNOWLEDGED

    @property
    def unacknowledged_since(self) -> datetime:
        """When it opened, or an acknowledgement ended."""
        one = self.alert
        return one.round_at if one.round_why in (EXPIRED, WITHDRAWN) else one.opened_at


@dataclass(frozen=True)
class OnCallForm:
    """Who of a team is on call, the first first, by the rota and the overrides to it; until when, and who is next."""

    team: str
    title: str
    people: tuple[str, ...]
    overrides: tuple[silences.KeptOverride, ...]
    zone: ZoneInfo
    until: str


def rows_of(db: Any, found: Sequence[Alert], *, everything: bool = False) -> list[AlertRow]:
    """Return alerts with what they are about."""
    members: dict[int, list[Member]] = {}
    for one in alerts.members(db, [one.id for one in found], everything=everything):
        members.setdefault(one.alert_id, []).append(one)
    return [AlertRow(one, headline(one, members.get(one.id, ()))) for one in found]


# --- alerts ----------------------------------------------------------------------------------------------------------
def show_alerts(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the open alerts, worst first, and those closed recently."""
    site = _site(ask)
    with ask.store.read() as db:
        opened = alerts.open_alerts(db, site)
        rows = rows_of(db, opened[:ROWS])
        late = [one for one in alerts.recent(db, ROWS, site) if one.closed_at is not None]
        closed = rows_of(db, late, everything=True)
        longest, by = silencing.longest(ask.schedule), _by(ask)
        quiet = [
            (
                one,
                silencing.why_not_approved(db, _place(ask), one, by, ask.now) if one.waits else "",
            )
            for one in silences.lasting(db, site, ask.now, planned=True, longest=longest)
        ]
        failing = [one for one in outbox.channels(db, site) if one.failing_since]
    return page(
        ask, "alerts.html", status=status, message=message, alerts=rows,
        more=max(len(opened) - ROWS, 0), closed=closed, quiet=quiet,
        failing=failing, waits=sum(one.waits for one in rows), live=not message, on_call=_on_call(ask),
    )  # fmt: skip


def show_alert(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show an alert: what, where, since when, how bad, who has acknowledged it, the next step; then its story."""
    return _show(ask, int(ask.path["id"]), message, status)


def show_where_silenced(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show the page that a silence's form was on: an alert's, or the list."""
    number = _alert_of_form(ask)
    if number is None:
        return show_alerts(ask, message=message, status=status)
    return _show(ask, number, message, status)


def _show(ask: Ask, number: int, message: str, status: int) -> Response:
    with ask.store.read() as db:
        found = the_alert(ask, db, number)
        members = alerts.members(db, [number], everything=found.closed_at is not None)
        history = alerts.history(db, number)
        sent = outbox.of_alert(db, number)
        quiet = _quiet(ask, db, found, members)
        answer_by = _answer_by(ask, db, found)
    schedule = ask.setting.schedule()
    lasts = (schedule.alerts if schedule else Alerts()).acknowledged_for
    longest = within(silencing.longest(ask.schedule).total_seconds())
    check = members[0].check if members else ""
    on = sorted({one.host for one in members if one.check == check}, key=natural)
    return page(
        ask, "alert.html", status=status, row=AlertRow(found, headline(found, members)),
        alert=found, members=grouped(members[:MEMBERS], Member.tell),
        hidden=max(len(members) - MEMBERS, 0), history=history,
        sent=sent, lasts=within(lasts), longest=longest, message=message,
        quiet=quiet, answer_by=answer_by, hosts=sorted({one.host for one in members}, key=natural),
        check=check, on=on[:SILENCED_AT_ONCE], loud_hosts=on[SILENCED_AT_ONCE:],
        loud_checks=list(dict.fromkeys(one.check for one in members if one.check != check)),
    )  # fmt: skip


def _quiet(ask: Ask, db: Any, alert: Alert, members: Sequence[Member]) -> list[Silence]:
    """Return the silences, also those that are not approved yet, that are about findings of an open alert."""
    if alert.closed_at:
        return []
    longest = silencing.longest(ask.schedule)
    pairs = {(one.check, one.host): by_name_only(one.check) for one in members}
    return [
        one
        for one in silences.lasting(db, _site(ask), ask.now, planned=True, longest=longest)
        if any(one.scope.fits(*pair, by_name=by_name) for pair, by_name in pairs.items())
    ]


def _answer_by(ask: Ask, db: Any, alert: Alert) -> datetime | None:
    """Return by when somebody must acknowledge; None if nobody must, or nobody is notified."""
    schedule = ask.setting.schedule()
    calendar = _calendar(ask, schedule)
    if not AlertRow(alert, "").waits or schedule is None or calendar is None:
        return None
    if alert.team not in schedule.teams:
        return None
    overrides = silences.overrides(db, _site(ask), ask.now - timedelta(days=1))
    step = schedule.alerts.policy[alert.severity]
    return policy.answer_by(step, alert.round_at, calendar.times(alert.team, overrides))


def acknowledge(ask: Ask) -> Response:
    """Acknowledge the alert as who asks, for a time."""
    number = int(ask.path["id"])
    until = ask.now + timedelta(seconds=_seconds(ask, "lasts"))
    with ask.store.read() as db:
        the_alert(ask, db, number)
    note = ask.form.get("note", "").strip()[:NOTE_CHARACTERS]
    said = silencing.Acknowledgement(until, note, lambda: ask.installation)
    _try(lambda: silencing.acknowledge(ask.store, _place(ask), number, said, _by(ask), ask.now))
    return go_to(f"/alerts/{number}")


def unacknowledge(ask: Ask) -> Response:
    """Withdraw the alert's acknowledgement."""
    number = int(ask.path["id"])
    with ask.store.read() as db:
        the_alert(ask, db, number)
    _try(lambda: silencing.unacknowledge(ask.store, _place(ask), number, _by(ask), ask.now))
    return go_to(f"/alerts/{number}")


# --- silences --------------------------------------------------------------------------------------------------------
def silence(ask: Ask) -> Response:
    """Silence findings for a time, on each of the hosts that are named."""
    reason = ask.form.get("reason", "").strip()[:NOTE_CHARACTERS]
    text = ask.form.get("severity", "2")
    if text not in ("1", "2", "3", "4"):
        raise PageError(422, "A severity is a number from 1 to 4.")
    check, hosts = ask.form.get("check", "").strip(), ask.form.get("host", "")
    ends = ask.now + timedelta(seconds=_seconds(ask, "lasts"))
    names = list(dict.fromkeys(filter(None, re.split(r"[\s,]+", hosts)))) or [""]
    if len(names) > SILENCED_AT_ONCE:
        raise PageError(
            422, f"{len(names)} hosts; at most {SILENCED_AT_ONCE} at once. A pattern names many."
        )
    scopes = [SilenceScope(check, host, int(text)) for host in names]
    _try(
        lambda: silencing.add_each(ask.store, _place(ask), scopes, reason, ends, _by(ask), ask.now)
    )
    return go_to(_page_of(ask))


def approve_silence(ask: Ask) -> Response:
    """Approve a wide silence that somebody else has made."""
    number = _number(ask)
    _try(lambda: silencing.approve(ask.store, _place(ask), number, _by(ask), ask.now))
    return go_to("/alerts")


def end_silence(ask: Ask) -> Response:
    """End a silence before its time."""
    number = _number(ask)
    _try(lambda: silencing.end(ask.store, _place(ask), number, _by(ask), ask.now), 404)
    return go_to(_page_of(ask))


def _page_of(ask: Ask) -> str:
    """Return the page that a silence's form was on: an alert's, or the list."""
    number = _alert_of_form(ask)
    return "/alerts" if number is None else f"/alerts/{number}"


def _alert_of_form(ask: Ask) -> int | None:
    number = ask.form.get("alert", "")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None


# --- who is on call --------------------------------------------------------------------------------------------------
def show_on_call(ask: Ask, *, message: str = "", status: int = 200) -> Response:
    """Show who is on call for each team, and let operators put another person there for a time."""
    schedule = ask.setting.schedule()
    return page(
        ask, "oncall.html", status=status, message=message, on_call=_on_call(ask),
        people=schedule.people if schedule else {},
        calls={name: one.title for name, one in schedule.teams.items()} if schedule else {},
    )  # fmt: skip


def set_on_call(ask: Ask) -> Response:
    """Put somebody on call for a team for a time."""
    schedule = ask.setting.schedule()
    team, person = ask.form.get("team", ""), ask.form.get("person", "")
    if schedule is None or team not in schedule.teams or person not in schedule.people:
        raise PageError(422, "The schedule has no such team or person.")
    zone = ZoneInfo(schedule.zone_of(schedule.teams[team]))
    begins = _local(ask, "begins", zone) if ask.form.get("begins") else ask.now
    ends = _local(ask, "ends", zone)
    with ask.store.begin() as db:
        _try(
            lambda: silences.add_override(
                db, _site(ask), NewOverride(team=team, person=person, begins=begins, ends=ends, by=ask.user,
                at=ask.now),
            )
        )  # fmt: skip
        acts.record(db, ask.act("override rota", f"{team}: {person}"))
    return go_to("/oncall")


def end_on_call(ask: Ask) -> Response:
    """End such an override before its time."""
    number = _number(ask)
    with ask.store.begin() as db:
        _try(lambda: silences.end_override(db, number, ask.user, ask.now), 404)
        acts.record(db, ask.act("end override", str(number)))
    return go_to("/oncall")


def _on_call(ask: Ask) -> list[OnCallForm]:
    schedule = ask.setting.schedule()
    calendar = _calendar(ask, schedule)
    if schedule is None or calendar is None:
        return []
    with ask.store.read() as db:
        overrides = silences.overrides(db, _site(ask), ask.now)
    names = {person: one.name for person, one in schedule.people.items()}
    return [
        OnCallForm(
            team,
            known.title,
            tuple(
                schedule.people[one].name if one in schedule.people else one
                for one in calendar.times(team, overrides).on_call(ask.now)
            ),
            tuple(one for one in overrides if one.team == team),
            ZoneInfo(schedule.zone_of(known)),
            until_words(
                calendar.handover(team, ask.now, overrides),
                ZoneInfo(schedule.zone_of(known)),
                names,
            ),
        )
        for team, known in schedule.teams.items()
    ]


def _calendar(ask: Ask, schedule: Schedule | None) -> SiteCalendar | None:
    """Return the site's calendar; None where it cannot be read, of which the scheduler tells."""
    if schedule is None:
        return None
    folder = ask.setting.coming.folder if ask.setting.coming else None
    try:
        return SiteCalendar(schedule, folder or Path())
    except ConfigurationError:
        return None


# --- small things ----------------------------------------------------------------------------------------------------
def _site(ask: Ask) -> str:
    return name(ask.setting.site)


def _place(ask: Ask) -> SiteAsRead:
    return SiteAsRead(ask.setting.site, ask.schedule)


def _by(ask: Ask) -> By:
    if ask.session is None:
        raise PageError(401, "Sign in first.")
    return By(ask.session.user, acts.WEB, address=ask.address)


def _number(ask: Ask) -> int:
    number = int(ask.path["id"])
    if number >= 2**31:
        raise PageError(404, "There is no silence or override of that number.")
    return number


def the_alert(ask: Ask, db: Any, number: int) -> Alert:
    """Return the site's alert of that number."""
    found = alerts.get(db, number) if number < 2**31 else None
    if found is None or found.site != _site(ask):
        raise PageError(404, "There is no such alert.")
    return found


def _try(act: Any, status: int = 409) -> None:
    """Do it; what the store says against it is shown."""
    try:
        act()
    except UsageError as exc:
        raise PageError(status, f"{exc}.", remedy=exc.remedy) from exc


def _seconds(ask: Ask, field: str) -> float:
    text = ask.form.get(field, "").strip()
    try:
        seconds = seconds_of(text)
    except ValueError as exc:
        said = f"For {text[:40]!r}: expected {exc}." if text else f"For: {NO_TIME}."
        raise PageError(422, said) from None
    if seconds > LONGEST.total_seconds():
        most = within(silencing.longest(ask.schedule).total_seconds())
        raise PageError(422, f"For {text[:40]!r}: expected at most {most}.")
    return seconds


def _local(ask: Ask, field: str, zone: ZoneInfo) -> datetime:
    text = ask.form.get(field, "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        said = f"{text[:40]!r} is not" if text else "the field is empty; expected"
        raise PageError(422, f"{field.capitalize()}: {said} a date with a time.") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


ROUTES = (
    Route(GET, "/alerts", Action.LOOK, show_alerts),
    Route(GET, "/alerts/{id:int}", Action.LOOK, show_alert),
    Route(POST, "/alerts/{id:int}/acknowledge", Action.ACKNOWLEDGE, acknowledge, again=show_alert),
    Route(
        POST,
        "/alerts/{id:int}/unacknowledge",
        Action.UNACKNOWLEDGE,
        unacknowledge,
        again=show_alert,
    ),
    Route(POST, "/silences", Action.SILENCE, silence, again=show_where_silenced),
    Route(
        POST,
        "/silences/{id:int}/approve",
        Action.APPROVE_SILENCE,
        approve_silence,
        again=show_alerts,
    ),
    Route(
        POST, "/silences/{id:int}/end", Action.END_SILENCE, end_silence, again=show_where_silenced
    ),
    Route(GET, "/oncall", Action.LOOK, show_on_call),
    Route(POST, "/oncall", Action.OVERRIDE_ROTA, set_on_call, again=show_on_call),
    Route(POST, "/oncall/{id:int}/end", Action.END_OVERRIDE, end_on_call),
)
