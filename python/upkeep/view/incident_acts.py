"""Acts on the hosts of an incident, for people: what would be done, what was done, and how the hosts stand."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from upkeep.model.isolation import CONFIRMED, HostAct, IsolationSaid, ObstacleSaid
from upkeep.model.remedies import command
from upkeep.model.text import ago, counted, exact, wrap
from upkeep.model.verdicts import Status
from upkeep.rules.incident_acts import (
    FAILED,
    LEAKS,
    REFUSED,
    UNCONFIRMED,
    UNREACHED,
    HostStand,
    SilentPart,
    found_words,
    some,
    stands,
)
from upkeep.rules.incidents import ISOLATE, RELEASE, SUCCEEDED, Acted, Incident
from upkeep.services.incidents import ISOLATION
from upkeep.store.answers import Latest
from upkeep.view import exit_status
from upkeep.view.screen import STYLES, Screen

INDENT = "    "
BAD = (REFUSED, LEAKS, FAILED, UNCONFIRMED)
WORDS = {
    (ISOLATE, SUCCEEDED): "isolated",
    (RELEASE, SUCCEEDED): "released",
    (ISOLATE, REFUSED): "not isolated: it refuses, and nothing was changed",
    (ISOLATE, UNCONFIRMED): "not confirmed",
    (ISOLATE, LEAKS): "isolated, but not tight",
    (
        ISOLATE,
        UNREACHED,
    ): "not reached, or lost: if it is isolated, it releases itself unless that is confirmed",
}


@dataclass(frozen=True)
class ActShown:
    """An act as it is printed. pattern: what was given for the hosts; site, as_user: as they were given."""

    act: str
    number: int
    pattern: str
    names: Sequence[str]
    even_if: Sequence[str] = ()
    site: str = ""
    as_user: str = ""

    def again(self, *, hosts: str = "", even_if: Sequence[str] = (), confirmed: bool) -> str:
        """Return the command that does it."""
        hosts = hosts or self.pattern
        accepted = list(dict.fromkeys([*self.even_if, *even_if]))
        words = ["incident", self.act, str(self.number), "--hosts", hosts]
        words += [word for one in accepted for word in ("--even-if", one)]
        names = ",".join(self.names) if hosts == self.pattern else hosts
        words += ["--yes-isolate", names] if confirmed and self.act == ISOLATE else []
        words += ["--as", self.as_user] if self.as_user else []
        return command(*words, site=self.site)


# --- what would be done ----------------------------------------------------------------------------------------------
def print_preview(
    screen: Screen, shown: ActShown, heard: Mapping[str, HostAct | SilentPart]
) -> int:
    """Print what an isolation would do to each host, and what stands against it; return the exit status."""
    against: list[ObstacleSaid] = []
    unseen = False
    left = 0
    for host in shown.names:
        one = heard[host]
        if isinstance(one, SilentPart) or (one.why_failed and not one.said.refused):
            unseen = True
            why = one.why if isinstance(one, SilentPart) else one.why_failed
            _head(screen, "unknown", host, f"could not be looked at: {why}")
            continue
        refused = one.said.refused
        against += refused
        stands_already = one.said.state == CONFIRMED
        left += not stands_already
        word = "is isolated already" if stands_already else "would be isolated"
        _head(screen, "warn" if refused else "pass", host, word)
        for line in _planned(one.said, stands=stands_already):
            _line(screen, line)
        for obstacle in refused:
            _print_obstacle(screen, obstacle)
    screen.line()
    ids = list(dict.fromkeys(one.id for one in against))
    if any(one.firm for one in against):
        screen.line("Nothing was changed. Put right first what nothing overrides.")
    elif against:
        screen.line("Nothing was changed. To isolate though this stands against it:")
        screen.line(f"  {shown.again(even_if=ids, confirmed=True)}")
    elif not left:
        screen.line("Nothing was changed.")
    else:
        screen.line("Nothing was changed. To isolate:")
        screen.line(f"  {shown.again(confirmed=True)}")
    screen.flush()
    if against:
        return exit_status.CRITICAL
    return exit_status.UNKNOWN if unseen else exit_status.OK


def _planned(said: IsolationSaid, *, stands: bool) -> Iterator[str]:
    if stands and said.since and said.until:
        yield f"since {said.since:%Y-%m-%d %H:%M} UTC by {said.by or 'nobody'}, until {said.until:%Y-%m-%d %H:%M} UTC"
    yield f"stays: {some(said.kept, len(said.kept)) or 'nothing'}"
    if not stands:
        number = said.left_number
        cut = f": {some(said.left, number)}" if number else ""
        yield f"would be cut: {counted(number, 'open connection')}{cut}"
    yield from said.warnings


def _print_obstacle(screen: Screen, one: ObstacleSaid) -> None:
    overrides = "nothing overrides it" if one.firm else f"--even-if {one.id} overrides it"
    _line(screen, f"against it, {one.id}: {one.said}", STYLES["warn"])
    _line(screen, f"{one.remedy}; {overrides}" if one.remedy else overrides)


# --- what was done ---------------------------------------------------------------------------------------------------
def print_ends(screen: Screen, shown: ActShown, ends: Sequence[Acted]) -> int:
    """Print how an act ended on each host; return the exit status."""
    for one in ends:
        (host,) = one.hosts
        _head(screen, _kind(one.outcome), host, _ended_words(one))
        for line in _details(one, whole=True):
            _line(screen, line)
        for step in next_steps(shown, one):
            screen.line(f"{INDENT}{step}")
    screen.flush()
    outcomes = {one.outcome for one in ends}
    if outcomes.intersection(BAD):
        return exit_status.CRITICAL
    return exit_status.OK if outcomes <= {SUCCEEDED} else exit_status.UNKNOWN


def next_steps(shown: ActShown, one: Acted) -> Iterator[str]:
    """Yield what can be pasted after an act that did not succeed on a host."""
    (host,) = one.hosts
    if one.outcome == SUCCEEDED:
        return
    refused = one.found.refused if one.found and one.outcome == REFUSED else ()
    if refused and not any(obstacle.firm for obstacle in refused):
        again = shown.again(hosts=host, even_if=[each.id for each in refused], confirmed=True)
        yield f"{again}  # though that stands against it"
    elif not refused:
        yield f"{look_at(host, shown.site)}  # see how it stands now"


def look_at(host: str, site: str) -> str:
    """Return the command that looks at the isolation of a host."""
    return command("check", ISOLATION, site=site, limit=host)


def _ended_words(one: Acted) -> str:
    if one.act == RELEASE and one.outcome == SUCCEEDED and one.found and one.found.state == "none":
        return "was not isolated"
    known = WORDS.get((one.act, one.outcome))
    if known is None:
        done = "isolated" if one.act == ISOLATE else "released"
        known = f"not {done}: {one.outcome}" if one.outcome in (FAILED, REFUSED) else one.outcome
    return known


def _details(one: Acted, *, whole: bool) -> Iterator[str]:
    refused = one.found.refused if one.found and one.outcome == REFUSED else ()
    for obstacle in refused:
        yield f"{obstacle.id}: {obstacle.said}"
        if obstacle.remedy:
            yield obstacle.remedy
    is_in_its_words = one.act == RELEASE and one.outcome == SUCCEEDED
    if one.detail and not refused and not is_in_its_words:
        yield one.detail
    if one.found and one.outcome != REFUSED:
        yield from found_words(one.act, one.found, whole=whole)


def _kind(outcome: str) -> str:
    if outcome == SUCCEEDED:
        return "pass"
    return "fail" if outcome in BAD else "unknown"


# --- how hosts stand -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class HostLine:
    """How a host stands, in words. step: a command that can be pasted, and what it is for."""

    host: str
    kind: str
    words: str
    details: Sequence[str] = field(default=())
    step: str = ""


def host_lines(
    incident: Incident,
    looks: Mapping[str, Latest],
    zone: ZoneInfo,
    now: datetime,
    site: str,
) -> list[HostLine]:
    """Return how each host stands on which something was done, by the record and by the newest look."""
    return [
        _host_line(incident, one, looks.get(one.host), (zone, now, site))
        for one in stands(incident)
    ]


def _host_line(
    incident: Incident,
    one: HostStand,
    look: Latest | None,
    seen: tuple[ZoneInfo, datetime, str],
) -> HostLine:
    zone, now, site = seen
    details = []
    kind, words, step = "", "", ""
    if one.last is not None and one.at is not None:
        kind = _kind(one.last.outcome)
        words = f"{_ended_words(one.last)}, {exact(one.at, zone)} by {one.by}"
        last = dataclasses.replace(one.last, hosts=(one.host,))
        details = list(_details(last, whole=False))
        shown = ActShown(last.act, incident.id, one.host, [one.host], site=site)
        step = next(next_steps(shown, last), "")
    newest = max([one.at, *(each.at for each in one.begun)], key=_sortable)
    if one.begun:
        details = [words, *details] if words else []
        each = one.begun[-1]
        words = (
            f"{each.act} begun {exact(each.at, zone)} by {each.by}: how it ended is not recorded"
        )
        kind, step = "unknown", f"{look_at(one.host, site)}  # see how it stands"
    if look is not None and newest is not None and look.observed_at > newest:
        details.append(f"seen {ago(look.observed_at, now)}: {look.message}")
        kind = _look_kind(look, kind)
    return HostLine(one.host, kind, words, details, step)


def _sortable(at: datetime | None) -> float:
    return at.timestamp() if at else float("-inf")


def _look_kind(look: Latest, kind: str) -> str:
    if look.status is Status.FAIL:
        return "fail"
    return "pass" if look.status is Status.PASS and kind != "fail" else kind


def print_hosts(screen: Screen, lines: Sequence[HostLine]) -> None:
    """Print how the hosts stand."""
    if not lines:
        return
    screen.line()
    screen.line(("Hosts", "bold"))
    for one in lines:
        _head(screen, one.kind, one.host, one.words, indent="  ")
        for detail in one.details:
            _line(screen, detail)
        if one.step:
            screen.line(f"{INDENT}{one.step}")


def _head(screen: Screen, kind: str, host: str, words: str, indent: str = "") -> None:
    sign = f"{screen.signs[kind]} " if kind else ""
    screen.line(
        (f"{indent}{sign}", STYLES[kind]),
        (screen.text(host, 300), "bold"),
        f"  {screen.text(words, 1_000)}",
    )


def _line(screen: Screen, text: str, style: str = "") -> None:
    text = screen.text(text, 2_000)
    for line in wrap(text, max(20, screen.width - len(INDENT))) if screen.live else [text]:
        screen.line((f"{INDENT}{line}", style))
