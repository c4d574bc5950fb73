"""What a host is looked at for: each check with its limits, from which file and line, and when it is due."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from upkeep.judging.check import Check
from upkeep.judging.entries import ParameterError
from upkeep.judging.limits import public
from upkeep.judging.sources import source_of
from upkeep.judging.wanted import WantedCheck
from upkeep.model.errors import ConfigurationError, UsageError
from upkeep.model.nearest import nearest
from upkeep.model.remedies import command
from upkeep.rules.alerts.owners import OwningTeam, owner_of
from upkeep.schedule.due_times import next_due, timing_of
from upkeep.services.inventory_lint import (
    KnownInventory,
    asked_sources,
    holding,
    inventory_of,
    origin,
    said_once,
)
from upkeep.site import rule_words
from upkeep.site.asked import AskedByHost, asked_by
from upkeep.site.host_groups import is_opaque, matching
from upkeep.site.inventory import Place, read_listing
from upkeep.site.playbooks import parts_of
from upkeep.site.site import SCHEDULE, Site, definitions
from upkeep.site.yaml_file import Key, YamlFile, parse


@dataclass(frozen=True)
class SaidValue:
    """A parameter or a limit of a check on a host.

    is_set: the site says it. place: `file:line`; empty where none of its files can be named. default: what the check
    has; None for a parameter.
    """

    name: str
    value: Any
    is_set: bool
    place: str = ""
    default: Any = None


@dataclass(frozen=True)
class DueBy:
    """A procedure by which a check is due on a host. next_due: None if it only runs by hand, or never again."""

    procedure: str
    title: str
    words: str
    time_zone: str
    next_due: datetime | None


@dataclass(frozen=True)
class CalledTeam:
    """The team that is called for what a check finds on a host. place: `file:line` that says so; empty if none does.

    procedures: whose runs call it; empty if any run does.
    """

    team: str
    title: str
    place: str
    procedures: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplainedCheck:
    """One check that a host asks for. place: `file:line` of the entry; variable: the list that it stands in.

    called: the teams that are called for what it finds; empty if the site has no teams.
    """

    check: Check
    variable: str
    place: str
    params: tuple[SaidValue, ...]
    limits: tuple[SaidValue, ...]
    due: tuple[DueBy, ...]
    called: tuple[CalledTeam, ...] = ()

    @property
    def source(self) -> str:
        """What is looked at, where that is a source and not the host; empty if not, or if only a run could tell."""
        params = {one.name: one.value for one in self.params}
        try:
            return source_of(self.check.gather, params)
        except ParameterError:
            return ""


@dataclass(frozen=True)
class ExplainedHost:
    """What a host is looked at for. is_all: nothing else is asked for that only a run could tell.

    release: the one whose families are meant. opaque: procedures of which only Ansible knows if they mean the host.
    """

    host: str
    checks: tuple[ExplainedCheck, ...]
    is_all: bool
    release: str
    opaque: tuple[str, ...] = ()


class KnownSite:
    """A site with its inventory as a run lists it: Ansible, and the site's own plugins, were asked for it."""

    def __init__(self, site: Site, listing: Mapping[str, Any] | None = None) -> None:
        self.site = site
        inventory = str(site.inventory)
        listing = listing or read_listing(inventory, environment=site.environment)
        path = Path(inventory)
        said = tuple(definitions(path)) if path.exists() else ()
        self.inventory: KnownInventory = inventory_of(path, listing, said, effective=True)

    @cached_property
    def once(self) -> Mapping[str, Any]:
        """The variables that just one place says."""
        return said_once(self.inventory.said)

    @cached_property
    def lookers(self) -> Mapping[str, str]:
        """The host that is asked about each source."""
        return {one: hosts[-1] for one, hosts in asked_sources(self.inventory).items()}

    def asked(self, host: str) -> AskedByHost:
        """Return what a host asks for.

        Raises: UsageError for a host that is not there, ConfigurationError for an entry that cannot be meant.
        """
        known = self.inventory.given
        if host not in known:
            remedy = f"{command('doctor', site=self.site.name)}  # lists them"
            raise UsageError(f"there is no host {host!r}{nearest(host, known)}", remedy=remedy)
        try:
            return asked_by(host, known[host])
        except ParameterError as exc:
            remedy = command("doctor", site=self.site.name, limit=host)
            raise ConfigurationError(f"{host}: {exc}", remedy=remedy) from exc

    def place(self, host: str, one: WantedCheck, name: str = "") -> str:
        """Return `file:line` of what a host asks for, or of a parameter or limit of it; empty if no file has it."""
        found = holding(one.variable, host, self.inventory)
        way: Key = one.ways.get(name, ())
        return origin(found, way, self.once) if found and way else ""

    @cached_property
    def schedule_file(self) -> YamlFile | None:
        """The site's own schedule.yml; None if the embedded procedures serve."""
        site = self.site
        own = site.name and site.text
        return parse((site.folder / SCHEDULE).absolute(), site.text) if own else None

    def called(self, host: str, check: str, procedures: Sequence[str]) -> tuple[CalledTeam, ...]:
        """Return the teams that are called for what a check finds on a host, in runs of these procedures."""
        schedule, file = self.site.schedule, self.schedule_file
        groups = self.inventory.groups.members
        place = Place(frozenset(name for name, hosts in groups.items() if host in hosts))
        found: dict[OwningTeam, list[str]] = {}
        for name in procedures or [""]:
            owner = owner_of(schedule, name, check, place)
            found.setdefault(owner, []).append(name)
        return tuple(
            CalledTeam(
                owner.team,
                schedule.teams[owner.team].title,
                file.place(owner.key) if file and owner.key else "",
                tuple(filter(None, names)) if len(found) > 1 else (),
            )
            for owner, names in found.items()
            if owner.team
        )

    def procedures(self, host: str) -> tuple[list[str], list[str]]:
        """Return the procedures that look at a host, and those of which only Ansible knows if they do."""
        meant, opaque = [], []
        for name, one in self.site.schedule.procedures.items():
            if not parts_of(self.site.playbook(one)).observes:
                continue
            if is_opaque(one.hosts):
                opaque.append(name)
            elif host in matching(one.hosts, self.inventory.groups):
                meant.append(name)
        return meant, opaque


def explain_host(known: KnownSite, host: str, now: datetime) -> ExplainedHost:
    """Return what a host, or a source, is looked at for.

    Raises: UsageError for one that is not there.
    """
    looker = known.lookers.get(host, host)
    asked = known.asked(looker)
    wanted = asked.wanted
    if looker != host:
        wanted = tuple(one for one in wanted if source_of(one.check.gather, one.params) == host)
    meant, opaque = known.procedures(looker)
    due = {name: due_by(known.site, name, now) for name in meant}
    checks = tuple(_explained(known, looker, one, due) for one in wanted)
    return ExplainedHost(host, checks, asked.is_all, asked.release, tuple(opaque))


def due_by(site: Site, name: str, now: datetime) -> DueBy:
    """Return when a procedure is due."""
    procedure = site.schedule.procedures[name]
    timing = timing_of(site.schedule, name)
    words = rule_words.describe(procedure.rule) if procedure.rule else ""
    zone = site.schedule.zone_of(procedure)
    return DueBy(name, procedure.title, words, zone, next_due(timing, now) if timing else None)


def _explained(
    known: KnownSite, host: str, one: WantedCheck, due: Mapping[str, DueBy]
) -> ExplainedCheck:
    procedures = known.site.schedule.procedures
    asking = [
        found
        for name, found in due.items()
        if procedures[name].checks is None or one.check.id in (procedures[name].checks or ())
    ]
    shown = public(one.check.gather, one.params)  # without secrets
    params = [
        SaidValue(name, value, True, known.place(host, one, name)) for name, value in shown.items()
    ]
    return ExplainedCheck(
        one.check,
        one.variable,
        known.place(host, one),
        tuple(params),
        tuple(_limits(known, host, one)),
        tuple(sorted(asking, key=lambda each: (each.next_due is None, each.next_due or 0))),
        # What is found of a source is the source's, not the host's that is asked about it.
        known.called(
            source_of(one.check.gather, one.params) or host,
            one.check.id,
            [each.procedure for each in asking],
        ),
    )


def _limits(known: KnownSite, host: str, one: WantedCheck) -> Iterator[SaidValue]:
    """Yield all limits of a check, in its order; what no file says is as the check has it."""
    for field in dataclasses.fields(one.check.limits):
        name, default = field.name, getattr(one.check.limits, field.name)
        if name in one.limits:
            place = known.place(host, one, name)
            yield SaidValue(name, one.limits[name], True, place, default)
        else:
            yield SaidValue(name, default, False, default=default)
