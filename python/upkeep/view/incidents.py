"""Incidents on a terminal, in a pipe, as JSON or CSV: phase, clock, what is done and next, and who was notified."""

from __future__ import annotations

import csv
import dataclasses
import io
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from upkeep.model.remedies import command
from upkeep.model.text import age, ago, counted, duration, exact, safe
from upkeep.rules.alerts.severities import severity_word
from upkeep.rules.incidents import (
    NAMES,
    AskedStep,
    Incident,
    IncidentEntry,
    Phase,
    ToldPerson,
    rehearsed,
)
from upkeep.rules.responses import ResponseFigure
from upkeep.services.actors import account
from upkeep.services.incidents import IncidentLooks, words_of
from upkeep.view.csv import cell
from upkeep.view.incident_acts import host_lines, print_hosts
from upkeep.view.json import plain
from upkeep.view.lists import Column, print_columns, print_empty
from upkeep.view.screen import STYLES, Piece, Screen

LAST_ENTRIES = 5
TOLD_COLUMNS = ("when", "whom", "what", "way", "by")
NOBODY = "nobody has taken command"


# --- words -----------------------------------------------------------------------------------------------------------
def kind_of(incident: Incident, now: datetime) -> str:
    """Return the sign that an incident has in lists: it fails while a clock has run out, or it is critical."""
    if incident.closed_at is not None:
        return "pass"
    return "fail" if incident.overdue(now) or incident.opened.severity == 1 else "warn"


def headline(incident: Incident) -> str:
    """Return `Incident 7, security, severity 1 (critical): Strange logins`."""
    opened = incident.opened
    severity = f"severity {opened.severity} ({severity_word(opened.severity)})"
    return f"{incident.name.capitalize()}, {opened.kind}, {severity}: {opened.title}"


def clock_words(incident: Incident, now: datetime) -> str:
    """Return how long the current phase has left: `12 min left`, `overdue for 3 min`; when it closed, if it did."""
    if incident.closed_at is not None:
        return f"closed {ago(incident.closed_at, now)}"
    left = (incident.deadline(incident.phase) - now).total_seconds()
    return f"{duration(left)} left" if left >= 0 else f"overdue for {age(-left)}"


def phase_words(incident: Incident) -> str:
    """Return `phase 2 of 4, Assessment`."""
    number = f"phase {incident.phase + 1} of {len(incident.opened.phases)}"
    return f"{number}, {incident.current.title}"


def response_words(incident: Incident, zone: ZoneInfo) -> str:
    """Return when it was seen, when a person first did something, and how long that took."""
    seen = f"seen {exact(incident.seen_at, zone)}"
    if incident.first_act is None or incident.response is None:
        return f"{seen}; no person has done anything yet"
    who, took = incident.first_act.by.name, duration(incident.response.total_seconds())
    acted = exact(incident.first_act.at, zone)
    return f"{seen}; first act of a person {acted}, by {who}: after {took}"


def who_does(incident: Incident) -> str:
    """Return whose the next step is."""
    return incident.commander or NOBODY


def step_words(incident: Incident, step: AskedStep, zone: ZoneInfo) -> str:
    """Return what became of a step; empty while it is open."""
    state = incident.steps.get(step.id)
    if state is None:
        return ""
    text = f": {state.text}" if state.text else ""
    return f"{state.how} by {state.by}, {exact(state.at, zone)}{text}"


def command_of(incident: Incident, step: AskedStep, site: str) -> str:
    """Return the command that does a step on this site; of one that a person does, the one that confirms it."""
    said = incident.command_of(step)
    if not said:
        return command("incident", "step", str(incident.id), step.id, site=site)
    words = shlex.split(said) if said.startswith("upkeep ") else []
    return command(*words[1:], site=site) if words else said


def when_late(incident: Incident, index: int, now: datetime) -> str:
    """Return `in time`, `late` or nothing of a phase, by when it ended."""
    if incident.ended_at(index) is None:
        return "overdue" if index in incident.overdue(now) else ""
    return "late" if incident.was_late(index, now) else "in time"


# --- documents -------------------------------------------------------------------------------------------------------
def incident_document(incident: Incident, now: datetime) -> dict[str, Any]:
    """Return an incident as JSON types, without its entries."""
    opened = incident.opened
    following = incident.next_step() if incident.closed_at is None else None
    values = {
        "id": incident.id,
        "kind": opened.kind,
        "drill": opened.drill,
        "severity": opened.severity,
        "title": opened.title,
        "hosts": opened.hosts,
        "opened_at": incident.opened_at,
        "opened_by": incident.opened_by.name,
        "seen_at": incident.seen_at,
        "first_act_at": incident.first_act.at if incident.first_act else None,
        "response_seconds": incident.response.total_seconds() if incident.response else None,
        "closed_at": incident.closed_at,
        "closed_by": incident.closed_by,
        "lesson": incident.closed.lesson if incident.closed else "",
        "commander": incident.commander,
        "scribe": incident.scribe,
        "phase": incident.current.id,
        "overdue": [opened.phases[index].id for index in incident.overdue(now)],
        "next": following.id if following else None,
        "phases": [
            _phase_document(incident, one, index) for index, one in enumerate(opened.phases)
        ],
        "alerts": [dataclasses.asdict(one) for one in incident.alerts],
        "acts": [dataclasses.asdict(one) for one in incident.acts],
        "follow_ups": [dataclasses.asdict(one) for one in incident.follow_ups],
        "rehearsed": [
            {"step": one.step.id, "counts_as": one.word, "really_on": list(one.really_on)}
            for one in (rehearsed(incident) if opened.drill else ())
        ],
    }
    made: dict[str, Any] = plain(values)
    return made


def _phase_document(incident: Incident, phase: Phase, index: int) -> dict[str, Any]:
    return {
        "id": phase.id,
        "title": phase.title,
        "ends_at": incident.deadline(index),
        "ended_at": incident.ended_at(index),
        "steps": [
            {
                "id": step.id,
                "title": step.title,
                "command": incident.command_of(step),
                "state": state.how if (state := incident.steps.get(step.id)) else "open",
                "by": state.by if state else "",
                "at": state.at if state else None,
                "text": state.text if state else "",
            }
            for step in phase.steps
        ],
    }


def entry_document(entry: IncidentEntry) -> dict[str, Any]:
    """Return an entry as JSON types."""
    values = {
        "number": entry.number,
        "at": entry.at,
        "by": entry.by.name,
        "machine": entry.by.is_machine,
        "what": NAMES[type(entry.said)],
        "text": words_of(entry.said),
    }
    made: dict[str, Any] = plain(values)
    return made


def told_of(incident: Incident) -> list[dict[str, Any]]:
    """Return who was notified of what, when, how and by whom, in the order of time: as a regulator asks for it."""
    found = [
        {
            "when": one.said.told_at,
            "whom": one.said.whom,
            "what": one.said.what,
            "way": one.said.way,
            "by": one.by.name,
        }
        for one in incident.entries
        if isinstance(one.said, ToldPerson)
    ]
    return sorted(found, key=lambda one: one["when"])


def told_csv(incident: Incident) -> Iterator[str]:
    """Yield the same as lines of CSV, the heading first (RFC 4180)."""
    yield _csv_line(TOLD_COLUMNS)
    for one in told_of(incident):
        yield _csv_line([one["when"].isoformat(), *(one[name] for name in TOLD_COLUMNS[1:])])


def responses_document(found: ResponseFigure) -> dict[str, Any]:
    """Return how fast a month's incidents were responded to, as JSON types."""
    values = {
        "month": found.month,
        "kind": found.kind,
        "over": found.over,
        "slowest_seconds": found.slowest.seconds if found.slowest else None,
        "median_seconds": found.median_seconds,
        "met": found.count("met"),
        "missed": found.count("missed"),
        "open": found.count("open"),
        "incidents": [dataclasses.asdict(one) | {"state": one.state} for one in found.rows],
    }
    made: dict[str, Any] = plain(values)
    return made


def figure_words(found: ResponseFigure) -> str:
    """Return a month's figure in a sentence, without a full stop."""
    month = found.month if found.over else f"{found.month} so far"
    if found.slowest is None:
        return f"{month}: no {found.kind} incident"
    number = len(found.rows)
    met = f"{found.count('met')} of {counted(number, f'{found.kind} incident')}"
    half = duration(found.median_seconds or 0.0)
    still = found.count("open")
    waits = (
        f"; {counted(still, 'incident')} nobody has responded to yet, in time so far"
        if still
        else ""
    )
    return (
        f"{month}: slowest response {duration(found.slowest.seconds)}; {met} in less than the time of the first phase;"
        f" median {half}{waits}"
    )


def print_responses(screen: Screen, found: ResponseFigure, zone: ZoneInfo) -> None:
    """Print a month's figure, and each incident of it, the slowest first."""
    screen.line((screen.text(figure_words(found)), "bold"))
    columns = [
        Column("incident", right=True), Column("response", right=True), Column("limit", right=True),
        Column("seen", gives=True), Column("title", subject=True),
    ]  # fmt: skip
    kinds = {"met": "pass", "missed": "fail", "open": "warn"}
    cells: list[list[Piece]] = []
    for one in found.rows:
        kind = kinds[one.state]
        took = duration(one.seconds) + ("" if one.answered else ", nobody yet")
        cells.append(
            [
                str(one.incident),
                (f"{screen.signs[kind]} {took}", STYLES[kind]),
                duration(one.limit_seconds),
                exact(one.seen_at, zone),
                screen.text(one.title, 200),
            ]
        )
    if cells:
        print_columns(screen, columns, cells)
    screen.flush()


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cell(text) for text in cells)
    return line.getvalue()


# --- on a terminal ---------------------------------------------------------------------------------------------------
def print_incidents(
    screen: Screen, found: Sequence[Incident], zone: ZoneInfo, now: datetime, site: str
) -> None:
    """Print incidents, the newest first."""
    if not found:
        how = f"those that are closed: {command('incident', 'list', '--all', site=site)}"
        print_empty(screen, "No incident is open", how)
        return
    columns = [
        Column("incident", right=True),
        Column("kind"),
        Column("severity"),
        Column("phase"),
        Column("clock"),
        Column("commander", gives=True),
        Column("opened", gives=True),
        Column("title", subject=True),
    ]
    cells: list[list[Piece]] = []
    for one in found:
        kind = kind_of(one, now)
        opened = ago(one.opened_at, now) if screen.live else exact(one.opened_at, zone)
        clock = clock_words(one, now)
        if not screen.live and one.closed_at is None:
            clock = exact(one.deadline(one.phase), zone)
        cells.append(
            [
                str(one.id),
                f"drill, {one.opened.kind}" if one.opened.drill else one.opened.kind,
                (f"{screen.signs[kind]} {severity_word(one.opened.severity)}", STYLES[kind]),
                "closed" if one.closed_at else one.current.id,
                clock,
                screen.text(who_does(one), 60),
                opened,
                screen.text(one.opened.title, 200),
            ]
        )
    print_columns(screen, columns, cells)
    screen.flush()


def print_status(
    screen: Screen,
    incident: Incident,
    zone: ZoneInfo,
    now: datetime,
    site: str,
    looks: IncidentLooks,
) -> None:
    """Print how an incident stands, on one screen: phase, clock, what is done, what is next and by whom."""
    kind = kind_of(incident, now)
    screen.line((f"{screen.signs[kind]} ", STYLES[kind]), (screen.text(headline(incident)), "bold"))
    where = f"on {incident.opened.hosts}, " if incident.opened.hosts else ""
    by = incident.opened_by.name
    screen.line(screen.text(f"{where}opened {exact(incident.opened_at, zone)} by {by}"))
    screen.line(screen.text(response_words(incident, zone)))
    people = f"commander: {incident.commander or 'nobody'}; scribe: {incident.scribe or 'nobody'}"
    screen.line(screen.text(people))
    for index, phase in enumerate(incident.opened.phases):
        _print_phase(screen, incident, index, phase, (zone, now, site))
    print_hosts(screen, host_lines(incident, looks.isolation, zone, now, site))
    _print_next(screen, incident, zone, site)
    _print_lacking_user(screen, incident, site, looks)
    _print_rehearsed(screen, incident)
    _print_follow_ups(screen, incident, now, zone)
    told = len(incident.told)
    list_ = command("incident", "told", str(incident.id), site=site)
    screen.line()
    screen.line(f"Notifications: {told}" + (f"; {list_}  # who was notified" if told else ""))
    log = command("incident", "log", str(incident.id), site=site)
    more = len(incident.entries) - LAST_ENTRIES
    screen.line("Last entries" + (f"; {log}  # all {len(incident.entries)}" if more > 0 else ""))
    print_log(screen, incident.entries[-LAST_ENTRIES:], zone)


def _print_phase(
    screen: Screen,
    incident: Incident,
    index: int,
    phase: Phase,
    seen: tuple[ZoneInfo, datetime, str],
) -> None:
    zone, now, site = seen
    ends = exact(incident.deadline(index), zone, seconds=False)
    is_current = index == incident.phase and incident.closed_at is None
    late = when_late(incident, index, now)
    word = clock_words(incident, now) if is_current else late
    style = STYLES["fail"] if late in ("late", "overdue") else "bold" if is_current else ""
    mark = ">" if is_current else " "
    screen.line()
    said = f"{mark} {index + 1} {phase.title}, until {ends}" + (f": {word}" if word else "")
    screen.line((screen.text(said), style))
    if index > incident.phase and incident.closed_at is None:
        left = ", ".join(step.id for step in incident.open_steps(phase))
        screen.line((screen.text(f"      left: {left or 'nothing'}"), "dim"))
        return
    for step in phase.steps:
        state = incident.steps.get(step.id)
        how = screen.signs["pass" if state and state.how == "done" else "warn"] if state else "-"
        screen.line(f"    {how} ", screen.text(f"{step.id}: {step.title}"))
        done = step_words(incident, step, zone)
        if done:
            screen.line(("      ", ""), (screen.text(done), "dim"))
        elif incident.closed_at is None and incident.command_of(step):
            screen.line(("      ", ""), (screen.text(command_of(incident, step, site)), "dim"))


def _print_next(screen: Screen, incident: Incident, zone: ZoneInfo, site: str) -> None:
    screen.line()
    if incident.closed is not None and incident.closed_at is not None:
        closed = f"Closed {exact(incident.closed_at, zone)} by {incident.closed_by}"
        screen.line(screen.text(f"{closed}: {incident.closed.lesson}"))
        return
    step = incident.next_step()
    who = who_does(incident)
    if step is not None:
        screen.line((screen.text(f"Next, {who}: {step.title}"), "bold"))
        screen.line(screen.text(f"  {command_of(incident, step, site)}"))
        if step.command and not step.act:
            screen.line("  and when that is done:")
            screen.line(f"  {command('incident', 'step', str(incident.id), step.id, site=site)}")
    elif incident.phase + 1 < len(incident.opened.phases):
        screen.line((screen.text(f"Next, {who}: begin the next phase"), "bold"))
        screen.line(f"  {command('incident', 'advance', str(incident.id), site=site)}")
    else:
        screen.line((screen.text(f"Next, {who}: close it, with what was learned"), "bold"))
        close = command("incident", "close", str(incident.id), "--lesson", "TEXT", site=site)
        screen.line(f"  {close}")


def _print_lacking_user(
    screen: Screen, incident: Incident, site: str, looks: IncidentLooks
) -> None:
    """Say who may do the next step, where there is nobody yet."""
    step = incident.next_step()
    if incident.closed_at is None and step is not None and step.act and looks.lacks_user:
        screen.line("  Only a user may do this, and there is none yet with the role operator:")
        screen.line(f"  {command('user', 'add', account(), '--role', 'operator', site=site)}")


def _print_rehearsed(screen: Screen, incident: Incident) -> None:
    if not incident.opened.drill:
        return
    steps = rehearsed(incident)
    screen.line()
    for word in ("done", "talked through", "skipped", "left open"):
        named = [
            f"{one.step.id} on {', '.join(one.really_on)}" if one.really_on else one.step.id
            for one in steps
            if one.word == word
        ]
        if named:
            really = "really done" if word == "done" else word
            screen.line(screen.text(f"Drill, {really}: {'; '.join(named)}"))


def _print_follow_ups(screen: Screen, incident: Incident, now: datetime, zone: ZoneInfo) -> None:
    if not incident.follow_ups:
        return
    screen.line()
    today = now.astimezone(zone).date()
    for one in incident.follow_ups:
        late = one.done_at is None and one.due < today
        kind = "pass" if one.done_at else "fail" if late else "warn"
        done = f"done by {one.done_by}" if one.done_at else f"due {one.due}"
        text = f"follow-up {one.number}, {one.owner}, {done}: {one.text}"
        screen.line((f"{screen.signs[kind]} ", STYLES[kind]), screen.text(text))


def print_log(screen: Screen, entries: Sequence[IncidentEntry], zone: ZoneInfo) -> None:
    """Print entries, the oldest first."""
    columns = [
        Column("record", right=True),
        Column("when"),
        Column("by"),
        Column("entry", subject=True),
    ]
    cells: list[list[Piece]] = [
        [
            str(one.number),
            exact(one.at, zone),
            screen.text(one.by.name, 60),
            screen.text(" ".join(words_of(one.said).split("\n")), 4_000),
        ]
        for one in entries
    ]
    print_columns(screen, columns, cells)
    screen.flush()


def print_told(screen: Screen, incident: Incident, zone: ZoneInfo, site: str) -> None:
    """Print who was notified of what."""
    rows = told_of(incident)
    if not rows:
        words = ("--whom", "WHOM", "--what", "WHAT", "--by-way", "WAY")
        how = command("incident", "told", str(incident.id), *words, site=site)
        print_empty(screen, "Nobody notified yet", f"write down who was notified: {how}")
        return
    columns = [
        Column("when"), Column("whom", subject=True), Column("way"), Column("by"), Column("what", gives=True),
    ]  # fmt: skip
    cells: list[list[Piece]] = [
        [
            exact(one["when"], zone),
            safe(one["whom"], 200),
            safe(one["way"], 100),
            safe(one["by"], 60),
            safe(" ".join(one["what"].split("\n")), 1_000),
        ]
        for one in rows
    ]
    print_columns(screen, columns, cells)
    screen.flush()
