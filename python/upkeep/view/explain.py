"""What a host is looked at for, on a terminal or in a pipe, and as a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.cells import cell_len

from upkeep.model.remedies import command
from upkeep.model.text import ago, counted, exact, pad, wrap
from upkeep.services.explain import DueBy, ExplainedCheck, ExplainedHost, SaidValue
from upkeep.view.lists import print_empty
from upkeep.view.screen import STYLES, Screen
from upkeep.view.troubles import GAP

NAME_COLUMNS = 24


def print_host(screen: Screen, found: ExplainedHost, site: str, folder: str, now: datetime) -> None:
    """Print each check that a host is looked at for: limits that are set, from where, when due. folder: the site's."""
    if not found.checks:
        why = f"{found.host} asks for no check"
        print_empty(
            screen, why, f"{command('check', 'list')}  # shows them; list some in group_vars"
        )
        return
    if not screen.live:
        for one in found.checks:
            said = [(f"{each.name} = {value_text(each.value)}", each.place) for each in _set(one)]
            for text, place in said or [("", one.place)]:
                cells = (one.check.id, text, _short(place, folder), _when(one.due, now))
                screen.line("\t".join(screen.text(cell) for cell in cells))
        _say_rest(screen, found)
        screen.flush()
        return
    _print_sentence(screen, found, now)
    for place, checks in _by_place(found.checks):
        screen.line()
        where = screen.text(_short(place, folder)) if place else "not in a file that is read"
        screen.line((where, "bold"), GAP, (checks[0].variable, "dim"))
        for one in checks:
            _print_check(screen, one, folder, now)
    screen.line()
    _say_rest(screen, found)
    screen.line(
        f"One of them: {command('explain', found.host, found.checks[0].check.id, site=site)}"
    )
    screen.flush()


def _by_place(
    checks: Sequence[ExplainedCheck],
) -> Iterator[tuple[str, list[ExplainedCheck]]]:
    """Yield the checks of each entry, by its place."""
    found: dict[tuple[str, str], list[ExplainedCheck]] = {}
    for one in checks:
        found.setdefault((one.place, one.variable), []).append(one)
    for (place, _variable), each in found.items():
        yield place, each


def _print_sentence(screen: Screen, found: ExplainedHost, now: datetime) -> None:
    """Print in one sentence what the host is looked at for, and when next."""
    text = f"{found.host} is looked at for {counted(len(found.checks), 'check')}"
    comes = [each for one in found.checks for each in one.due if each.next_due]
    if comes:
        first = min(comes, key=lambda each: each.next_due or now)
        text += f"; next {ago(first.next_due or now, now)}, by {first.procedure}"
    never = sum(not one.due for one in found.checks)
    if never:
        text += f"; {never} of them by no procedure"
    for line in wrap(screen.text(f"{text}."), screen.width):
        screen.line((line, "bold"))


def _print_check(screen: Screen, one: ExplainedCheck, folder: str, now: datetime) -> None:
    """Print a check in a line, and a line for each limit that is set."""
    when = screen.cut(_when(one.due, now), max(screen.width - NAME_COLUMNS - 4, 20))
    style = "" if one.due else STYLES["warn"]
    screen.line(GAP, pad(one.check.id, NAME_COLUMNS), GAP, (when, style))
    if one.source:
        screen.line(GAP * 2, screen.text(one.source))
    for said in _set(one):
        file, _colon, line = said.place.rpartition(":")
        near = file == one.place.rpartition(":")[0]
        where = f"line {line}" if near and line else _short(said.place, folder)
        value = f"{said.name} = {value_text(said.value)}, default {value_text(said.default)}"
        left = screen.width - cell_len(where) - 8
        screen.line(GAP * 2, screen.cut(value, max(left, 20)), GAP, (screen.text(where), "dim"))


def _set(one: ExplainedCheck) -> list[SaidValue]:
    """Return the limits that the site sets."""
    return [each for each in one.limits if each.is_set]


def print_host_check(
    screen: Screen, found: ExplainedHost, check: str, site: str, folder: str, now: datetime
) -> None:
    """Print all that is known of a check on a host: for each entry, limits and parameters with their places."""
    several = [one for one in found.checks if one.check.id == check]
    for index, one in enumerate(several):
        if index:
            screen.line()
        screen.line((screen.text(f"{check} on {found.host}: {one.check.title}"), "bold"))
        screen.line()
        where = f"{_short(one.place, folder)} ({one.variable})" if one.place else one.variable
        screen.line((pad("Asked for", 12), "bold"), screen.text(where))
        for each in one.due:
            words = f"{each.words} ({each.time_zone})" if each.words else "by hand"
            screen.line((pad("Due", 12), "bold"), screen.text(f"{each.procedure}: {words}"))
            if each.next_due:
                at = exact(each.next_due, ZoneInfo(each.time_zone))
                screen.line(pad("", 12), f"next {at}, {ago(each.next_due, now)}")
        if not one.due:
            screen.line((pad("Due", 12), "bold"), ("by no procedure", STYLES["warn"]))
        for called in one.called:
            where = _short(called.place, folder) or "the first team of schedule.yml"
            runs = f", in runs of {', '.join(called.procedures)}" if called.procedures else ""
            said = f"{called.title} ({where}){runs}"
            screen.line((pad("Called", 12), "bold"), screen.text(said))
        if not one.called:
            screen.line((pad("Called", 12), "bold"), ("nobody", STYLES["warn"]))
        _print_said(screen, "Limits", one.limits, folder)
        _print_said(screen, "Where to look", one.params, folder)
    screen.line()
    _say_rest(screen, found)
    screen.line(f"What it is: {command('explain', check, site=site)}")
    screen.flush()


def _print_said(screen: Screen, title: str, said: Sequence[SaidValue], folder: str) -> None:
    """Print values with where they are said."""
    if not said:
        return
    screen.line()
    screen.line((title, "bold"))
    width = max(cell_len(one.name) for one in said)
    for one in said:
        place = screen.text(_short(one.place, folder)) if one.is_set else "default"
        more = (
            f", default {value_text(one.default)}" if one.is_set and one.default is not None else ""
        )
        several = isinstance(one.value, list | tuple) and len(one.value) > 1
        values = (
            [value_text(each) for each in one.value]
            if several
            else [f"{value_text(one.value)}{more}"]
        )
        screen.line(GAP, pad(one.name, width), " = ", screen.text(values[0]), GAP, (place, "dim"))
        for value in values[1:]:
            screen.line(GAP, " " * width, "   ", screen.text(value))


def _say_rest(screen: Screen, found: ExplainedHost) -> None:
    """Say what only a run could tell."""
    if not found.is_all:
        screen.line("More may be asked for by templates that only a run can resolve.")
    for name in found.opaque:
        screen.line(screen.text(f"Whether {name} means this host is known only when it runs."))


def _when(due: Sequence[DueBy], now: datetime) -> str:
    """Return when a check is due next, and by how many procedures more."""
    if not due:
        return "by no procedure"
    first = due[0]
    when = ago(first.next_due, now) if first.next_due else "by hand"
    more = f", and {len(due) - 1} more" if len(due) > 1 else ""
    return f"{when}, by {first.procedure}{more}"


def value_text(value: Any) -> str:
    """Return a value as YAML has it in one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(
        list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str
    )


def _short(place: str, folder: str) -> str:
    """Return a place as seen from the site's folder."""
    return place.removeprefix(f"{folder}/") if folder else place


def host_document(found: ExplainedHost, check: str = "") -> dict[str, Any]:
    """Return what a host is looked at for as JSON has it; of one check only, if it is named."""
    return {
        "host": found.host,
        "is_all": found.is_all,
        "family_version": found.release,
        "opaque_procedures": list(found.opaque),
        "checks": [_document(one) for one in found.checks if check in ("", one.check.id)],
    }


def _document(one: ExplainedCheck) -> dict[str, Any]:
    return {
        "check": one.check.id,
        "title": one.check.title,
        "variable": one.variable,
        "place": one.place,
        "parameters": [
            {"name": each.name, "value": each.value, "place": each.place} for each in one.params
        ],
        "limits": [
            {
                "name": each.name,
                "value": each.value,
                "default": each.default,
                "is_set": each.is_set,
                "place": each.place,
            }
            for each in one.limits
        ],
        "due": [
            {
                "procedure": each.procedure,
                "title": each.title,
                "rule": each.words,
                "time_zone": each.time_zone,
                "next_due": each.next_due.isoformat() if each.next_due else None,
            }
            for each in one.due
        ],
        "called": [
            {
                "team": each.team,
                "title": each.title,
                "place": each.place,
                "procedures": list(each.procedures),
            }
            for each in one.called
        ],
    }
