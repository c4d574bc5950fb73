"""`upkeep alert`, `silence`, `oncall`: what people are notified of and acknowledge; silences; who is on call."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, Quiet, SiteOption, counting, number_of, numbered
from upkeep.cli.output import print_json, say
from upkeep.cli.times import later, time_of
from upkeep.model import clock
from upkeep.model.errors import UpkeepError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.stored_text import name
from upkeep.rules.actions import Action
from upkeep.rules.alerts.model import Alert
from upkeep.rules.silences import SilenceScope
from upkeep.services import actors
from upkeep.services import silences as silencing
from upkeep.services.acts import By
from upkeep.services.alerts import channels, messages
from upkeep.services.alerts.calendar import SiteCalendar
from upkeep.services.alerts.channels import Parcel
from upkeep.services.signing_key import load_installation
from upkeep.site.site import Site
from upkeep.store import Store, acts, alerts, outbox, silences
from upkeep.store.silences import NewOverride
from upkeep.view import alerts as view
from upkeep.view.json import alert_document
from upkeep.view.left_out import say_older
from upkeep.view.screen import Screen


# --- small things ----------------------------------------------------------------------------------------------------
def _alert(found: Alert | None, site: Site, number: int) -> Alert:
    """Return the alert.

    Raises: UsageError if the site has none of that number.
    """
    if found is None or found.site != name(site.key):
        raise UsageError(f"there is no alert {number}", remedy="upkeep alert list --all")
    return found


def _known(given: str, known: Mapping[str, Any], what: str) -> None:
    if given not in known:
        there = ", ".join(known) or "none"
        message = f"there is no {what} {given!r}{nearest(given, known)}"
        raise UsageError(message, remedy=f"the schedule has: {there}")


def _by(site: Site, store: Store, action: Action, target: str) -> By:
    """Return who is about to do something on the command line."""
    known = actors.someone(store, site.schedule, action, target, site=site)
    return By(known.user, acts.CLI, known.account)


def _without_site(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the site: it is the one that was asked for."""
    overrides = values.get("overrides")
    if overrides is not None:
        values["overrides"] = [_without_site(dict(one)) for one in overrides]
    values.pop("site", None)
    return values


def _err() -> Screen:
    return Screen(sys.stderr)


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
alert_group = typer.Typer(
    help="What people were notified of; acknowledge it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(alert_group, name="alert")
silence_group = typer.Typer(
    help="Silence findings for a time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(silence_group, name="silence")
oncall_group = typer.Typer(
    help="Who is on call for each team.", no_args_is_help=True, rich_markup_mode=None
)
cli.add_typer(oncall_group, name="oncall")


@alert_group.command("list")
@does(Action.LOOK)
def list_alerts(
    inventory: SiteOption = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Closed ones too, newest first.")
    ] = False,
    count: Annotated[int, counting("With --all: show at most this many.")] = 50,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """List the open alerts, worst first.

    Exit status: 2 if one of them is critical or high, 1 if medium or low.
    """
    with opened(inventory) as (site, store), store.read() as db:
        key = name(site.key)
        found = alerts.recent(db, count + 1, key) if everything else alerts.open_alerts(db, key)
        more = everything and len(found) > count
        found = found[:count] if more else found
        members = alerts.members(db, [one.id for one in found], everything=everything)
        health = outbox.channels(db, key)
    rows = [(one, [member for member in members if member.alert_id == one.id]) for one in found]
    if quiet and not found and not any(one.failing_since for one in health):
        return 0
    if as_json:
        documents = [alert_document(one, mine) for one, mine in rows]
        failing = [asdict(one) for one in health if one.failing_since]
        print_json({"alerts": documents, "failing_channels": failing, "more": more})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_alerts(Screen(sys.stdout), rows, health, zone, clock.now(), inventory)
    if more:
        say_older()
    worst = min((one.severity for one in found if one.closed_at is None), default=None)
    return 0 if worst is None else 2 if worst <= 2 else 1


AlertNumber = Annotated[int, numbered("alert")]


@alert_group.command("show")
@does(Action.LOOK)
def show_alert(alert: AlertNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show an alert: findings, history and notifications."""
    with opened(inventory) as (site, store), store.read() as db:
        found = _alert(alerts.get(db, alert), site, alert)
        members = alerts.members(db, [alert], everything=found.closed_at is not None)
        history, sent = alerts.history(db, alert), outbox.of_alert(db, alert)
    if as_json:
        document = alert_document(found, members)
        document["history"] = [asdict(one) for one in history]
        document["messages"] = [asdict(one) for one in sent]
        print_json({"alert": document})
        return
    zone = ZoneInfo(site.schedule.time_zone)
    view.print_alert(Screen(sys.stdout), found, members, history, sent, zone, clock.now())


@alert_group.command("test")
@does(Action.TEST_CHANNEL)
def send_test(
    channel: Annotated[str, typer.Argument(help="Id of a channel of the schedule.")],
    inventory: SiteOption = "",
) -> None:
    """Send a test message over a channel now."""
    with opened(inventory) as (site, store):
        known = site.schedule.channels.get(channel)
        if known is None:
            near = nearest(channel, site.schedule.channels)
            there = ", ".join(site.schedule.channels) or "none"
            raise UsageError(
                f"there is no channel {channel!r}{near}", remedy=f"the schedule has: {there}"
            )
        who = actors.record(store, site.schedule, Action.TEST_CHANNEL, channel, site=site)
        probe = messages.probe_message(channel, site.title, who.name)
        (error,) = channels.send(known, [Parcel(probe.title, probe.body, "test", 4)])
    if error:
        remedy = f"the address is in the variable {known.url_from}; it is an apprise URL"
        raise UpkeepError(f"channel {channel}: {error}", remedy=remedy)
    say(f"channel {channel} has taken the message; see if it has come")


@alert_group.command("ack")
@does(Action.ACKNOWLEDGE)
def acknowledge(
    alert: Annotated[list[int], numbered("alert", several=True)],
    inventory: SiteOption = "",
    note: Annotated[str, typer.Option("--note", help="What others should know.")] = "",
    lasts: Annotated[
        str,
        typer.Option(
            "--for", metavar="TIME", help="Then it expires; as the schedule says, if not given."
        ),
    ] = "",
) -> None:
    """Acknowledge alerts: you take care of them.

    Nobody is notified again until the acknowledgement expires, unless an alert gets worse.
    """
    alert = list(dict.fromkeys(alert))
    with opened(inventory) as (site, store):
        for number in alert:
            with store.read() as db:
                _alert(alerts.get(db, number), site, number)
        now = clock.now()
        usual = timedelta(seconds=site.schedule.alerts.acknowledged_for)
        until = later(now, lasts, "--for") if lasts else now + usual
        by = _by(site, store, Action.ACKNOWLEDGE, " ".join(map(str, alert)))
        for number in alert:
            said = silencing.Acknowledgement(until, note, lambda: load_installation(site.settings))
            silencing.acknowledge(store, site, number, said, by, now)
            view.say_acknowledged(_err(), number, by.name, until, site.schedule.time_zone)


@alert_group.command("unack")
@does(Action.UNACKNOWLEDGE)
def unacknowledge(
    alert: Annotated[list[int], numbered("alert", several=True)],
    inventory: SiteOption = "",
) -> None:
    """Withdraw acknowledgements.

    People are notified from now on, as if the acknowledgements had expired.
    """
    alert = list(dict.fromkeys(alert))
    with opened(inventory) as (site, store):
        for number in alert:
            with store.read() as db:
                _alert(alerts.get(db, number), site, number)
        now = clock.now()
        by = _by(site, store, Action.UNACKNOWLEDGE, " ".join(map(str, alert)))
        for number in alert:
            silencing.unacknowledge(store, site, number, by, now)
            say(f"alert {number} is not acknowledged; people are notified from now on")


@silence_group.command("add")
@does(Action.SILENCE)
def add_silence(
    check: Annotated[str, typer.Argument(help="A check's id, or a pattern such as 'log_*'.")],
    host: Annotated[str, typer.Argument(help="A host, or a pattern such as 'web*'.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for others to read.")],
    inventory: SiteOption = "",
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="Such as '2 h'.")] = "",
    ends: Annotated[str, typer.Option("--until", metavar="TIME", help="Local time.")] = "",
    severity: Annotated[
        int,
        typer.Option(
            "--severity",
            parser=number_of("--severity", 1, 4),
            help="Up to this severity; 1 is critical, 4 is low.",
        ),
    ] = 2,
) -> None:
    """Silence findings.

    When the silence ends, people are notified once of what still fails. It ends within 7 days, unless the site
    allows more. A check that detects intruders must be named exactly, and so must its host. A silence of more than
    a fifth of what is checked has no effect until somebody else approves it.
    """
    if bool(lasts) == bool(ends):
        both = (
            "give --for or --until, not both"
            if lasts
            else "a silence always ends: give --for or --until"
        )
        again = command(
            "silence",
            "add",
            check,
            host,
            "--for",
            lasts or "2 h",
            "--reason",
            reason,
            site=inventory,
        )
        raise UsageError(both, remedy=again)
    with opened(inventory) as (site, store):
        now, zone = clock.now(), ZoneInfo(site.schedule.time_zone)
        until = later(now, lasts, "--for") if lasts else time_of(ends, zone, "--until")
        scope = SilenceScope(check.strip(), host.strip(), severity)
        by = _by(site, store, Action.SILENCE, f"{scope.check_pattern} on {scope.host_pattern}")
        made, width = silencing.add(store, site, scope, reason, until, by, now)
    view.say_silenced(_err(), made, width, zone, inventory)


@silence_group.command("list")
@does(Action.LOOK)
def list_silences(inventory: SiteOption = "", as_json: Json = False) -> None:
    """List the silences, until when and why."""
    with opened(inventory) as (site, store), store.read() as db:
        now = clock.now()
        longest = silencing.longest(site.schedule)
        found = silences.lasting(db, name(site.key), now, planned=True, longest=longest)
    if as_json:
        print_json({"silences": [_without_site(asdict(one)) for one in found]})
        return
    view.print_silences(
        Screen(sys.stdout), found, ZoneInfo(site.schedule.time_zone), now, inventory
    )


@silence_group.command("approve")
@does(Action.APPROVE_SILENCE)
def approve_silence(
    number: Annotated[int, numbered("silence")],
    inventory: SiteOption = "",
) -> None:
    """Approve a wide silence that somebody else has made."""
    with opened(inventory) as (site, store):
        by = _by(site, store, Action.APPROVE_SILENCE, f"silence {number}")
        made = silencing.approve(store, site, number, by, clock.now())
    view.say_silenced(_err(), made, None, ZoneInfo(site.schedule.time_zone), inventory)


@silence_group.command("end")
@does(Action.END_SILENCE)
def end_silence(
    number: Annotated[int, numbered("silence")],
    inventory: SiteOption = "",
) -> None:
    """End a silence before its time."""
    with opened(inventory) as (site, store):
        by = _by(site, store, Action.END_SILENCE, str(number))
        silencing.end(store, site, number, by, clock.now())
    say(f"silence {number} has ended; people are notified once of what still fails")


@oncall_group.command("list")
@does(Action.LOOK)
def list_on_call(
    inventory: SiteOption = "",
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="Now, if not given.")] = "",
    as_json: Json = False,
) -> None:
    """List who is on call for each team, and who is next."""
    with opened(inventory) as (site, store), store.read() as db:
        zone = ZoneInfo(site.schedule.time_zone)
        when = time_of(at, zone, "--at") if at else clock.now()
        overrides = silences.overrides(db, name(site.key), clock.now() - timedelta(days=1))
    calendar = SiteCalendar(site.schedule, site.folder)
    rows = [
        view.OnCallShown(
            team=team,
            title=known.title,
            people=tuple(calendar.times(team, overrides).on_call(when)),
            overrides=tuple(one for one in overrides if one.team == team and one.ends > when),
            handover=calendar.handover(team, when, overrides),
        )
        for team, known in site.schedule.teams.items()
    ]
    if as_json:
        print_json({"at": when, "teams": [_without_site(asdict(one)) for one in rows]})
        return
    view.print_on_call(Screen(sys.stdout), rows, zone, when)


@oncall_group.command("set")
@does(Action.OVERRIDE_ROTA)
def set_on_call(
    team: Annotated[str, typer.Argument(help="Id of a team.")],
    person: Annotated[str, typer.Argument(help="Id of who takes its calls.")],
    ends: Annotated[str, typer.Option("--to", metavar="TIME", help="The team's local time.")],
    inventory: SiteOption = "",
    begins: Annotated[str, typer.Option("--from", metavar="TIME", help="Now, if not given.")] = "",
) -> None:
    """Put somebody on call for a team, instead of the rota."""
    with opened(inventory) as (site, store):
        schedule = site.schedule
        _known(team, schedule.teams, "team")
        _known(person, schedule.people, "person")
        now, zone = clock.now(), ZoneInfo(schedule.zone_of(schedule.teams[team]))
        since = time_of(begins, zone, "--from") if begins else now
        until = time_of(ends, zone, "--to")
        who = actors.record(store, schedule, Action.OVERRIDE_ROTA, f"{team}: {person}", site=site)
        with store.begin() as db:
            number = silences.add_override(
                db,
                name(site.key),
                NewOverride(
                    team=team, person=person, begins=since, ends=until, by=who.name, at=now
                ),
            )
    say(f"override {number}: {person} takes the calls of {team}")


@oncall_group.command("end")
@does(Action.END_OVERRIDE)
def end_on_call(
    number: Annotated[int, numbered("override")],
    inventory: SiteOption = "",
) -> None:
    """End an override before its time."""
    with opened(inventory) as (site, store):
        who = actors.record(store, site.schedule, Action.END_OVERRIDE, str(number), site=site)
        with store.begin() as db:
            silences.end_override(db, number, who.name, clock.now())
    say(f"override {number} has ended; the rota holds")
