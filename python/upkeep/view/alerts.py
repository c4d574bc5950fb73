"""Alerts, silences and who is on call, on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import age, ago, counted, exact
from upkeep.rules.alerts.model import ACKNOWLEDGED, CLOSED, EVENT_WORDS, Alert, Member
from upkeep.rules.alerts.severities import severity_word
from upkeep.rules.sentences import trouble_of
from upkeep.rules.silences import Silence
from upkeep.rules.trouble_groups import grouped
from upkeep.rules.width import Width
from upkeep.schedule.rota import Handover
from upkeep.services.alerts.messages import headline
from upkeep.store.alerts import AlertEvent
from upkeep.store.outbox import Health, Sent
from upkeep.store.silences import KeptOverride
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen
from upkeep.view.troubles import TroubleRow, print_rows


@dataclass(frozen=True)
class OnCallShown:
    """Who of a team is called, the first first, until when, and who has taken its calls, or will."""

    team: str
    title: str
    people: tuple[str, ...]
    overrides: tuple[KeptOverride, ...]
    handover: Handover | None = None


def kind_of(severity: int) -> str:
    """Return which sign and colour a severity, 1 to 4, has."""
    return "fail" if severity <= 2 else "warn"


def state_of(alert: Alert, now: datetime) -> str:
    """Return the alert's state in a few words."""
    if alert.status == CLOSED:
        return f"{alert.closed_how} {ago(alert.closed_at or now, now)}"
    if alert.status == ACKNOWLEDGED and alert.acknowledged_until:
        return (
            f"acknowledged by {alert.acknowledged_by}, expires {ago(alert.acknowledged_until, now)}"
        )
    if alert.silenced:
        return "silenced"
    if alert.settles_at is not None:
        return "recovered, may come back"
    if alert.told_at is None:
        return "nobody notified yet"
    return "not acknowledged"


def print_alerts(
    screen: Screen,
    rows: Sequence[tuple[Alert, Sequence[Member]]],
    health: Sequence[Health],
    zone: ZoneInfo,
    now: datetime,
    site: str,
) -> None:
    """Print alerts, each with its findings' number and how it stands, and the channels that fail."""
    for one in health:
        if one.failing_since:
            since = age((now - one.failing_since).total_seconds())
            screen.line(
                (f"{screen.signs['fail']} channel ", STYLES["fail"]),
                screen.text(
                    f"{one.channel} has not been able to send for {since}: {one.error}", 400
                ),
            )
    if not rows:
        print_empty(
            screen,
            "No open alert",
            f"recently closed ones: {command('alert', 'list', '--all', site=site)}",
        )
        return
    columns = [
        Column("alert", right=True),
        Column("severity"),
        Column("since"),
        Column("team", gives=True),
        Column("what", subject=True),
        Column("state", gives=True),
    ]
    cells: list[list[Piece]] = []
    for alert, members in rows:
        style = "" if alert.status == CLOSED else STYLES[kind_of(alert.severity)]
        since = ago(alert.opened_at, now) if screen.live else exact(alert.opened_at, zone)
        what, stands = headline(alert, members), state_of(alert, now)
        sign = screen.signs["pass" if alert.status == CLOSED else kind_of(alert.severity)]
        number = str(alert.id)
        cells.append(
            [
                number,
                (f"{sign} {severity_word(alert.severity)}", style),
                since,
                alert.team,
                what,
                stands,
            ]
        )
    print_columns(screen, columns, cells)
    first = next((one for one, _members in rows if one.status not in (CLOSED, ACKNOWLEDGED)), None)
    if first is not None and screen.live:
        screen.line()
        screen.line(f"To acknowledge: {command('alert', 'ack', str(first.id), site=site)}")
    screen.flush()


def _member_rows(screen: Screen, members: Sequence[Member]) -> list[TroubleRow]:
    """Return the rows of an alert's findings: by their causes for people, each by itself for a pipe."""
    if not screen.live:
        return [_member_row(one) for one in members]
    groups = grouped(members, Member.tell)
    return [_member_row(group.first).for_all(group) for group in groups]


def _member_row(one: Member) -> TroubleRow:
    words, noun = severity_word(one.severity), trouble_of(one.check)
    names = (one.host, noun, one.subject)
    return TroubleRow(kind_of(one.severity), words, *names, one.message, one.remedy, noun=noun)


def print_alert(
    screen: Screen,
    alert: Alert,
    members: Sequence[Member],
    history: Sequence[AlertEvent],
    sent: Sequence[Sent],
    zone: ZoneInfo,
    now: datetime,
) -> None:
    """Print one alert, its findings, its history and its notifications."""
    what = screen.text(headline(alert, members), 400)
    screen.line((f"Alert {alert.id}, {severity_word(alert.severity)}: {what}", "bold"))
    stands = f"team {alert.team or 'none'}, {state_of(alert, now)}"
    screen.line(screen.text(f"first failed {exact(alert.opened_at, zone)}, {stands}", 400))
    if alert.note:
        screen.line(screen.text(f"note: {alert.note}", 400))
    if members:
        screen.line()
        print_rows(screen, _member_rows(screen, members))
    if history:
        screen.line()
        columns = [Column("when"), Column("what"), Column("by"), Column("", subject=True)]
        print_columns(
            screen,
            columns,
            [
                [exact(one.at, zone), EVENT_WORDS.get(one.kind, one.kind), one.actor, one.text]
                for one in history
            ],
        )
    if sent:
        screen.line()
        columns = [Column("recipient", subject=True), Column("channel"), Column("state")]
        columns += [Column("when"), Column("error", gives=True)]
        cells: list[list[Piece]] = [
            [
                one.recipient,
                one.channel,
                one.state,
                exact(one.sent_at or one.due_at, zone),
                one.error,
            ]
            for one in sent
        ]
        print_columns(screen, columns, cells)
    screen.flush()


def print_silences(
    screen: Screen, found: Sequence[Silence], zone: ZoneInfo, now: datetime, site: str
) -> None:
    """Print silences, the one that ends first first."""
    if not found:
        how = command("silence", "add", "--help")
        print_empty(screen, "Nothing is silenced", f"how to silence: {how}")
        return
    columns = [
        Column("silence", right=True),
        Column("check", subject=True),
        Column("host", gives=True),
        Column("up to severity"),
        Column("ends"),
        Column("by", gives=True),
        Column("why", gives=True),
    ]
    cells: list[list[Piece]] = []
    for one in found:
        ends = exact(one.ends_at, zone) + (f" ({ago(one.ends_at, now)})" if screen.live else "")
        if one.waits:
            ends = f"waits for approval, {ends}"
        elif one.begins_at > now:
            ends = f"begins {exact(one.begins_at, zone)}, {ends}"
        up_to = severity_word(one.severity)
        cells.append(
            [
                str(one.id),
                one.check_pattern,
                one.host_pattern,
                up_to,
                ends,
                f"{one.made_by}, {one.approved_by}" if one.approved_by else one.made_by,
                one.reason,
            ]
        )
    print_columns(screen, columns, cells)
    screen.flush()


def until_words(
    found: Handover | None, zone: ZoneInfo, names: Mapping[str, str] | None = None
) -> str:
    """Return until when somebody is on call, and who is next: `Mon 2026-11-30 09:00 +01:00, then Bob`."""
    if found is None:
        return ""
    when = f"{found.at.astimezone(zone):%a} {exact(found.at, zone, seconds=False)}"
    person = (names or {}).get(found.person, found.person)
    return f"{when}, then {person or 'nobody'}"


def print_on_call(
    screen: Screen, rows: Sequence[OnCallShown], zone: ZoneInfo, when: datetime
) -> None:
    """Print who is on call for each team."""
    if not rows:
        print_empty(
            screen, "The site has no team", "write one into its schedule.yml: docs/alerts.md"
        )
        return
    columns = [
        Column("team", subject=True),
        Column("title", gives=True),
        Column("on call"),
        Column("until", gives=True),
        Column("if no answer", gives=True),
        Column("override", gives=True),
    ]
    cells: list[list[Piece]] = []
    for one in rows:
        nobody: Piece = ("nobody", STYLES["warn"])
        first: Piece = one.people[0] if one.people else nobody
        taken = "; ".join(
            f"{over.id}: {over.person} {exact(over.begins, zone)} to {exact(over.ends, zone)}"
            for over in one.overrides
        )
        until = until_words(one.handover, zone)
        cells.append([one.team, one.title, first, until, ", ".join(one.people[1:]), taken])
    print_columns(screen, columns, cells)
    if screen.live:
        screen.line()
        screen.line((f"At {exact(when, zone)}, {counted(len(rows), 'team')}", "dim"))
    screen.flush()


def say_acknowledged(screen: Screen, number: int, by: str, until: datetime, time_zone: str) -> None:
    """Return who has an alert until when."""
    when = exact(until, ZoneInfo(time_zone))
    screen.line(screen.text(f"alert {number}: acknowledged by {by} until {when}"))
    screen.flush()


def say_silenced(
    screen: Screen, made: Silence, width: Width | None, zone: ZoneInfo, site: str
) -> None:
    """Return what is silenced until when, or that it waits for a second person. width: of all silences together."""
    what, until = f"{made.check_pattern} on {made.host_pattern}", exact(made.ends_at, zone)
    if not made.waits:
        screen.line(screen.text(f"silence {made.id}: {what} is silenced until {until}"))
    else:
        much = f" ({width})" if width else ""
        text = (
            f"silence {made.id}, {what}, waits for a second person: it is more than one person may silence alone{much};"
            f" until {until}, when an approver approves it:"
        )
        screen.line(screen.text(text, 500))
        screen.line(screen.text(f"  {command('silence', 'approve', str(made.id), site=site)}"))
    screen.flush()
