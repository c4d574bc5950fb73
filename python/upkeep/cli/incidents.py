"""`upkeep incident`: open one, work through its phases, write down who was notified, close it with what was learned."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from upkeep.cli import output
from upkeep.cli.actions import does
from upkeep.cli.opened import opened
from upkeep.cli.options import Json, SiteOption, counting, number_of, numbered
from upkeep.cli.output import print_json, say
from upkeep.cli.reviews import by_password
from upkeep.cli.times import end_of, time_of
from upkeep.model import clock
from upkeep.model.errors import UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.model.text import counted, exact
from upkeep.rules.actions import Action
from upkeep.rules.incidents import (
    Assigned,
    Closed,
    FollowUpAdded,
    FollowUpDone,
    HandedOver,
    Incident,
    LinkRevoked,
    Noted,
    Said,
    StepDone,
    StepSkipped,
    ToldPerson,
    action_of,
)
from upkeep.services import actors, incidents
from upkeep.services.acts import By
from upkeep.services.incidents import Opening, Recording
from upkeep.services.signing_key import load_installation
from upkeep.site.host_limit import refuse_unknown
from upkeep.site.incident_plans import KINDS
from upkeep.site.site import Site
from upkeep.store import Store, acts
from upkeep.store import incidents as stored
from upkeep.store.incidents import figure_of
from upkeep.view import incidents as view
from upkeep.view.screen import Screen


def _by(site: Site, store: Store, action: Action, target: str) -> By:
    """Return who is about to do something."""
    known = actors.someone(store, site.schedule, action, target, site=site)
    return By(known.user, acts.CLI, known.account)


@contextmanager
def _recording(inventory: str) -> Iterator[tuple[Site, Recording]]:
    """Yield the site, and where its incidents are recorded; the schedule must be readable, for it says the phases."""
    with opened(inventory, needs="incidents") as (site, store):
        yield site, incidents.recording(store, site, load_installation(site.settings))


def _enter(inventory: str, number: int, *said: Said) -> Incident:
    """Enter something as who calls this; return the incident after it."""
    with _recording(inventory) as (site, to):
        by = _by(site, to.store, action_of(said[0]), f"incident {number}")
        now = clock.now()
        for one in said:
            made = incidents.enter(to, number, one, by, now)
    return made


def _kind(text: str) -> str:
    if text not in KINDS:
        raise UsageError(
            f"there is no kind of incident {text!r:.80}{nearest(text, KINDS)}",
            remedy=f"one of {', '.join(KINDS)}",
        )
    return text


def _due(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        expected = "expected a date such as 2026-12-24"
        raise UsageError(f"--due: found {text!r:.80}; {expected}") from None


# --- the commands -----------------------------------------------------------------------------------------------------
cli = typer.Typer(rich_markup_mode=None)
incident_group = typer.Typer(
    help="Incidents: their clocks, steps and record.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
cli.add_typer(incident_group, name="incident")
IncidentNumber = Annotated[int, numbered("incident")]


@incident_group.command("open")
@does(Action.OPEN_INCIDENT)
def open_one(
    kind: Annotated[str, typer.Argument(help="security or performance.")],
    title: Annotated[str, typer.Option("--title", help="What has happened, in a few words.")],
    severity: Annotated[
        int,
        typer.Option(
            "--severity",
            parser=number_of("--severity", 1, 4),
            help="1 is critical, 4 is low; it decides when people are called.",
        ),
    ] = 1,
    hosts: Annotated[
        str, typer.Option("--hosts", metavar="PATTERN", help="The affected hosts, if known.")
    ] = "",
    seen: Annotated[
        str,
        typer.Option("--seen", metavar="TIME", help="When it was seen, if not now; local time."),
    ] = "",
    drill: Annotated[
        bool, typer.Option("--drill", help="A rehearsal: every message says so.")
    ] = False,
    inventory: SiteOption = "",
) -> None:
    """Open an incident: its clocks begin, and its team is called.

    No host is changed by it.
    """
    with _recording(inventory) as (site, to):
        zone = ZoneInfo(site.schedule.time_zone)
        seen_at = time_of(seen, zone, "--seen") if seen else None
        asked = Opening(_kind(kind), severity, title, hosts, drill, seen_at)
        by = _by(site, to.store, Action.OPEN_INCIDENT, kind)
        made = incidents.open_incident(to, asked, by, clock.now())
        try:
            refuse_unknown(hosts, Path(site.inventory), "--hosts")
        except (
            UsageError
        ) as exc:  # what happens on a host that nobody has written down is an incident all the same
            output.note(f"{exc}; {exc.remedy}")
        with to.store.read() as db:
            looks = incidents.looks_of(db, site, made)
        view.print_status(Screen(sys.stdout), made, zone, clock.now(), inventory, looks)


@incident_group.command("list")
@does(Action.LOOK)
def list_incidents(
    inventory: SiteOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    count: Annotated[int, counting("With --all: show at most this many.")] = 50,
    as_json: Json = False,
) -> int:
    """List the open incidents, the newest first.

    Exit status: 2 if one that is no drill is open, else 0.
    """
    with opened(inventory) as (site, store), store.read() as db:
        rows = stored.of_site(db, site.key, everything=everything)
        found = [stored.load(db, one.id) for one in rows[:count]]
    now = clock.now()
    if as_json:
        documents = [view.incident_document(one, now) for one in found]
        print_json({"incidents": documents, "more": len(rows) > count})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_incidents(Screen(sys.stdout), found, zone, now, inventory)
    return 2 if any(one.closed_at is None and not one.drill for one in rows) else 0


@incident_group.command("status")
@does(Action.LOOK)
def status(number: IncidentNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show how an incident stands, and what is next.

    Its phase and how long that has left, what is done, what is to be done next and by whom.
    """
    with opened(inventory) as (site, store), store.read() as db:
        found = incidents.load(db, site, number)
        looks = incidents.looks_of(db, site, found)
    now = clock.now()
    if as_json:
        print_json({"incident": view.incident_document(found, now)})
        return
    zone = ZoneInfo(site.schedule.time_zone)
    view.print_status(Screen(sys.stdout), found, zone, now, inventory, looks)


@incident_group.command("log")
@does(Action.LOOK)
def log(number: IncidentNumber, inventory: SiteOption = "", as_json: Json = False) -> None:
    """Show the record of an incident.

    Each act of a person and of the machine, the oldest first. `upkeep review verify`
    verifies it with all other records.
    """
    with opened(inventory) as (site, store), store.read() as db:
        found = incidents.load(db, site, number)
    if as_json:
        print_json({"entries": [view.entry_document(one) for one in found.entries]})
        return
    view.print_log(Screen(sys.stdout), found.entries, ZoneInfo(site.schedule.time_zone))


@incident_group.command("responses")
@does(Action.LOOK)
def show_responses(
    inventory: SiteOption = "",
    month: Annotated[
        str,
        typer.Option("--month", metavar="MONTH", help="Such as 2027-01; this month, if not given."),
    ] = "",
    kind: Annotated[str, typer.Option("--kind", help="security or performance.")] = "security",
    as_json: Json = False,
) -> int:
    """Show how long the responses to a month's incidents took.

    From when an incident was seen to the first act of a person. It should be less than the time of its first phase.

    Exit status: 2 if a response took longer, else 0.
    """
    now, kind = clock.now(), _kind(kind)
    with opened(inventory) as (site, store), store.read() as db:
        zone = site.schedule.time_zone
        month = month or f"{now.astimezone(ZoneInfo(zone)):%Y-%m}"
        found = figure_of(db, site.key, month, kind, zone, now)
    if as_json:
        print_json({"responses": view.responses_document(found)})
    else:
        view.print_responses(Screen(sys.stdout), found, ZoneInfo(zone))
    return 2 if found.count("missed") else 0


@incident_group.command("note")
@does(Action.WORK_ON_INCIDENT)
def note(
    number: IncidentNumber,
    text: Annotated[str, typer.Argument(help="What others, and later readers, should know.")],
    inventory: SiteOption = "",
) -> None:
    """Write something into the record."""
    made = _enter(inventory, number, Noted(text))
    say(f"record {made.entries[-1].number} of {made.name}")


@incident_group.command("step")
@does(Action.WORK_ON_INCIDENT)
def step(
    number: IncidentNumber,
    step_id: Annotated[str, typer.Argument(metavar="STEP", help="The step's id.")],
    inventory: SiteOption = "",
    note_text: Annotated[str, typer.Option("--note", help="What was done, or seen.")] = "",
    skip: Annotated[str, typer.Option("--skip", metavar="REASON", help="It is not done.")] = "",
) -> None:
    """Confirm that a step is done, or say why it is not."""
    if skip and note_text:
        raise UsageError("--skip and --note were both given; a step is skipped or done")
    said: Said = StepSkipped(step_id, skip) if skip else StepDone(step_id, note_text)
    made = _enter(inventory, number, said)
    left = made.open_steps(made.current)
    after = ", ".join(one.id for one in left) or "nothing; begin the next phase, or close it"
    say(f"left in {made.current.title}: {after}")


@incident_group.command("assign")
@does(Action.WORK_ON_INCIDENT)
def assign(
    number: IncidentNumber,
    commander: Annotated[str, typer.Option("--commander", metavar="PERSON")] = "",
    scribe: Annotated[str, typer.Option("--scribe", metavar="PERSON")] = "",
    inventory: SiteOption = "",
) -> None:
    """Say who commands, and who writes the record."""
    said: list[Said] = []
    if commander:
        said.append(Assigned("commander", commander))
    if scribe:
        said.append(Assigned("scribe", scribe))
    if not said:
        raise UsageError("nobody was named; give --commander, --scribe or both")
    made = _enter(inventory, number, *said)
    say(f"{made.name}: commander {made.commander or 'nobody'}, scribe {made.scribe or 'nobody'}")


@incident_group.command("advance")
@does(Action.WORK_ON_INCIDENT)
def advance(number: IncidentNumber, inventory: SiteOption = "") -> None:
    """Begin the next phase.

    Each step of the one before must be done or skipped.
    """
    with _recording(inventory) as (site, to):
        by = _by(site, to.store, Action.WORK_ON_INCIDENT, f"incident {number}")
        made = incidents.advance(to, number, by, clock.now())
        ends = exact(made.deadline(made.phase), ZoneInfo(site.schedule.time_zone))
    say(f"{made.name} is in {view.phase_words(made)}, until {ends}")


@incident_group.command("hand-over")
@does(Action.WORK_ON_INCIDENT)
def hand_over(
    number: IncidentNumber,
    to_person: Annotated[str, typer.Option("--to", metavar="PERSON", help="Who commands now.")],
    summary: Annotated[str, typer.Option("--summary", help="How it stands, and what is next.")],
    inventory: SiteOption = "",
) -> None:
    """Hand the command over to somebody else, with a summary. No clock begins again."""
    made = _enter(inventory, number, HandedOver(to_person, summary))
    say(f"{made.commander} commands {made.name}")


@incident_group.command("told")
@does(Action.LOOK, Action.WORK_ON_INCIDENT)
def told(
    number: IncidentNumber,
    whom: Annotated[str, typer.Option("--whom", help="Who was notified.")] = "",
    what: Annotated[str, typer.Option("--what", help="Of what.")] = "",
    way: Annotated[str, typer.Option("--by-way", help="How, such as telephone.")] = "",
    told_at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="When, if not now; local time.")
    ] = "",
    inventory: SiteOption = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, as for a regulator.")] = False,
    as_json: Json = False,
) -> None:
    """List who was notified of what and when, or write it down.

    With --whom, it writes down that somebody was notified. What Upkeep has sent to people is in it by itself.
    """
    if whom or what or way:
        with opened(inventory) as (site, _store):
            zone = ZoneInfo(site.schedule.time_zone)
        when = time_of(told_at, zone, "--at") if told_at else clock.now()
        made = _enter(inventory, number, ToldPerson(whom, what, way, when))
        say(f"{made.name}: {counted(len(made.told), 'notification')}")
        return
    with opened(inventory) as (site, store), store.read() as db:
        found = incidents.load(db, site, number)
    if as_csv:
        sys.stdout.writelines(view.told_csv(found))
    elif as_json:
        print_json({"told": view.told_of(found)})
    else:
        zone = ZoneInfo(site.schedule.time_zone)
        view.print_told(Screen(sys.stdout), found, zone, inventory)


@incident_group.command("follow-up")
@does(Action.WORK_ON_INCIDENT)
def follow_up(
    number: IncidentNumber,
    text: Annotated[str, typer.Argument(help="What is to be done.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who does it: a person or a team.")] = "",
    due: Annotated[str, typer.Option("--due", metavar="DATE", help="Until when.")] = "",
    done: Annotated[
        int | None,
        typer.Option(
            "--done",
            metavar="NUMBER",
            parser=number_of("--done", 1, 10_000),
            help="The follow-up of that number is done.",
        ),
    ] = None,
    note_text: Annotated[str, typer.Option("--note", help="With --done: how.")] = "",
    inventory: SiteOption = "",
) -> None:
    """Add what is to be done afterwards, or say that it is done.

    People are told of one that is overdue, until it is done.
    """
    if done is not None:
        made = _enter(inventory, number, FollowUpDone(done, note_text))
        say(f"{made.name}: {counted(made.owed, 'follow-up')} left")
        return
    if not due or not owner:
        raise UsageError("a follow-up needs --owner and --due, or --done and its number")
    made = _enter(inventory, number, FollowUpAdded(text, owner, _due(due)))
    say(f"follow-up {made.follow_ups[-1].number} of {made.name}, for {owner}")


@incident_group.command("close")
@does(Action.CLOSE_INCIDENT)
def close(
    number: IncidentNumber,
    lesson: Annotated[
        str, typer.Option("--lesson", help="What was learned, and what should be otherwise.")
    ],
    unfinished: Annotated[
        str,
        typer.Option("--unfinished", metavar="WHY", help="Why steps stay open, or hosts isolated."),
    ] = "",
    inventory: SiteOption = "",
) -> None:
    """Close an incident, and sign what was learned from it. Asks for your password."""
    with _recording(inventory) as (site, to):
        by = by_password(site, to.store, Action.CLOSE_INCIDENT, f"close incident {number}")
        said = Closed(lesson, unfinished, by.authenticated)
        made = incidents.enter(to, number, said, by, clock.now())
    owed = f"; {counted(made.owed, 'follow-up')} to do" if made.owed else ""
    say(f"{made.name} is closed{owed}")


@incident_group.command("share")
@does(Action.SHARE_INCIDENT)
def share(
    number: IncidentNumber,
    whom: Annotated[str, typer.Option("--whom", help="Who gets the link.")],
    inventory: SiteOption = "",
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as '7 d'; at most 30 days.")
    ] = "",
    ends: Annotated[str, typer.Option("--until", metavar="TIME", help="Local time.")] = "",
    full: Annotated[
        bool, typer.Option("--full", help="With hosts' names and all that was written down.")
    ] = False,
) -> None:
    """Make a link by which an outsider may look.

    It is printed once: its secret is kept nowhere. Without --full, the page names no host, no person and nothing that
    was written down.
    """
    with _recording(inventory) as (site, to):
        now, zone = clock.now(), ZoneInfo(site.schedule.time_zone)
        until = end_of(lasts, ends, now, zone, "a link")
        by = _by(site, to.store, Action.SHARE_INCIDENT, f"incident {number}")
        link, token = incidents.share(to, number, whom, until, by, now, full=full)
        page = site.schedule.alerts.page.rstrip("/")
    sys.stdout.write(f"{page}/outside/{number}/{token}\n")
    end = command("incident", "unshare", str(number), str(link.number), site=inventory)
    say(f"link {link.number} holds until {exact(until, zone)}; to end it: {end}")


@incident_group.command("unshare")
@does(Action.SHARE_INCIDENT)
def unshare(
    number: IncidentNumber,
    link: Annotated[int, typer.Argument(metavar="LINK", parser=number_of("LINK", 1, 10_000))],
    inventory: SiteOption = "",
) -> None:
    """End a link before its time."""
    made = _enter(inventory, number, LinkRevoked(link))
    say(f"link {link} of {made.name} holds no more")
