"""Acts on hosts: how one ended, by what its host said, and how an incident's hosts stand after all of them. Pure.

What a host says is taken in by model/isolation.py. An act is done only where the host has said so: a run that ended
well says nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from upkeep.model.answer import Outcome
from upkeep.model.isolation import (
    CONFIRMED,
    NOT_CONFIRMED,
    NOT_ISOLATED,
    RELEASED,
    HostAct,
    IsolationSaid,
    why_released_itself,
)
from upkeep.model.text import counted, natural
from upkeep.rules.incidents import BEGUN, ISOLATE, RELEASE, SUCCEEDED, Acted, Incident

REFUSED, UNCONFIRMED, LEAKS, FAILED = "refused", "not confirmed", "not tight", "failed"
UNREACHED, NOT_BEGUN, UNKNOWN = "unreachable", "not begun", "unknown"
"""How an act may end on a host, beside SUCCEEDED: it refused; it releases itself, as nobody has confirmed it; it is
isolated and something gets through; something else stood in the way; it was not reached, or its connection was lost;
it was not tried; nobody knows."""
SHOWN = 5
_UNHEARD = {
    Outcome.UNREACHABLE: UNREACHED,
    Outcome.NOT_BEGUN: NOT_BEGUN,
}


@dataclass(frozen=True)
class SilentPart:
    """A host's part of a run in which it said nothing of its isolation. outcome: None if the run has none of it."""

    outcome: Outcome | None = None
    why: str = ""


def ended(act: str, host: str, heard: HostAct | SilentPart, run: int | None) -> Acted:
    """Return the entry of how an act ended on a host."""
    if isinstance(heard, SilentPart):
        how = _UNHEARD.get(heard.outcome, UNKNOWN) if heard.outcome else UNKNOWN
        why = heard.why or "the host has said nothing of its isolation"
        return Acted(act, (host,), how, run, why)
    said = heard.said
    if heard.why_failed:
        return Acted(act, (host,), _failed(act, said), run, heard.why_failed, said)
    if said.state in ((CONFIRMED,) if act == ISOLATE else (RELEASED, NOT_ISOLATED)):
        detail = "it was not isolated" if act == RELEASE and said.state == NOT_ISOLATED else ""
        return Acted(act, (host,), SUCCEEDED, run, detail, said)
    return Acted(act, (host,), FAILED, run, f"the host says that it is {said.state}", said)


def _failed(act: str, said: IsolationSaid) -> str:
    if act == RELEASE:
        return FAILED
    if said.refused:
        return REFUSED
    if said.state in NOT_CONFIRMED:
        return UNCONFIRMED
    return LEAKS if said.state == CONFIRMED and said.leaks else FAILED


# --- words -----------------------------------------------------------------------------------------------------------
def acted_words(said: Acted) -> str:
    """Return what an entry of an act says, in one line."""
    run = f" by run {said.run}" if said.run is not None else ""
    parts = [f"{said.act} on {', '.join(said.hosts)}{run}: {said.outcome}"]
    if said.found is not None and said.outcome == REFUSED:
        parts += [f"{one.id}: {one.said}" for one in said.found.refused]
    elif said.detail:
        parts.append(said.detail)
    if said.found is not None and said.outcome != REFUSED:
        parts += found_words(said.act, said.found)
    return "; ".join(parts)


def found_words(act: str, said: IsolationSaid, *, whole: bool = True) -> Iterator[str]:
    """Yield what a host has said, each part in words. whole: with what only the record needs."""
    if act == RELEASE:
        if said.released_by:
            why = why_released_itself(said.released_by)
            by = f"by itself: {why}" if why else said.released_by
            yield f"released {_at(said.released_at)} {by}".replace("  ", " ")
        if said.others_changed:
            yield f"meanwhile others have changed: {some(said.others_changed, len(said.others_changed))}"
        yield from said.warnings[:SHOWN]
        return
    if said.state == CONFIRMED:
        yield f"isolated {_at(said.since, 'since ')} {_at(said.until, 'until ')}, by {said.by or 'nobody'}"
    elif said.state in NOT_CONFIRMED and said.unless_confirmed_at:
        yield f"the host releases itself at {said.unless_confirmed_at:%Y-%m-%d %H:%M:%S} UTC"
    if said.kept:
        yield f"stays: {some(said.kept, len(said.kept))}"
    if said.state == CONFIRMED:
        entries = f", {said.cut_entries} entries of conntrack" if said.cut_entries else ""
        yield f"cut: {counted(said.cut_sockets, 'open connection')}{entries}"
        if said.left_number:
            yield f"not cut: {some(said.left, said.left_number)}"
        yield proofs_words(said)
        overridden = [one.id for one in said.obstacles if one.overridden]
        if overridden:
            yield f"though this stood against it: {', '.join(overridden)}"
    if said.snapshot_sha256 and whole:
        yield f"snapshot, SHA-256 {said.snapshot_sha256}"
    if said.snapshot_problem:
        yield f"snapshot: {said.snapshot_problem}"
    yield from said.warnings[:SHOWN]


def proofs_words(said: IsolationSaid) -> str:
    """Return what the tries have shown."""
    if said.leaks:
        return f"what is forbidden gets through: {some(said.leaks, len(said.leaks))}"
    if not said.proofs_held:
        return "no try has shown that what is forbidden fails"
    return f"what is forbidden fails, by {counted(said.proofs_held, 'try', 'tries')}"


def some(rows: tuple[str, ...], number: int) -> str:
    """Return the first of some rows, and how many more there are."""
    more = f", and {number - SHOWN} more" if number > SHOWN else ""
    return ", ".join(rows[:SHOWN]) + more


def _at(at: datetime | None, word: str = "") -> str:
    return f"{word}{at:%Y-%m-%d %H:%M} UTC" if at else ""


# --- how hosts stand -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class BegunAct:
    """An act that has begun on a host, and of which no end is recorded."""

    act: str
    at: datetime
    by: str


@dataclass(frozen=True)
class HostStand:
    """How a host of an incident stands by the record.

    last: the act that ended last. begun: those without an end, since the host has said last how it stands.
    """

    host: str
    last: Acted | None = None
    at: datetime | None = None
    by: str = ""
    begun: tuple[BegunAct, ...] = ()


def stands(incident: Incident) -> list[HostStand]:
    """Return how each host stands on which an act of the incident was begun."""
    begun: dict[str, list[BegunAct]] = {}
    last: dict[str, tuple[Acted, datetime, str]] = {}
    for entry in incident.entries:
        said, by = entry.said, entry.by.name
        if not isinstance(said, Acted):
            continue
        for host in said.hosts:
            there = begun.setdefault(host, [])
            if said.outcome == BEGUN:
                there.append(BegunAct(said.act, entry.at, by))
                continue
            last[host] = said, entry.at, by
            same = [one for one in there if one.act == said.act]
            own = [one for one in same if one.by == by] or same
            if said.outcome == SUCCEEDED:
                there.clear()  # the host has said how it stands: what began before has no part in it any more
            elif own:
                there.remove(own[-1])
    found = []
    for host in sorted(begun, key=natural):
        act, at, by = last.get(host, (None, None, ""))
        found.append(HostStand(host, act, at, by, tuple(begun[host])))
    return found
