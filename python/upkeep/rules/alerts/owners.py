"""Pure: which team is called for a finding, and which line of schedule.yml says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from upkeep.judging.check import every
from upkeep.rules.incident_kinds import kind_of
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import Alerts, OwnerRule, Schedule
from upkeep.site.yaml_file import Key


@dataclass(frozen=True)
class OwningTeam:
    """Which team is called. team: empty if the site has no teams; key: where schedule.yml says so, () if nowhere."""

    team: str
    key: Key = ()


def owner_of(schedule: Schedule, procedure: str, check: str, place: Place) -> OwningTeam:
    """Return which team is called for what a check found on a host.

    procedure: the one whose run found it; empty, or one that is gone, for a check that was run by hand; of an incident,
    what names its kind (rules/incidents.py).

    The first of these that there is: the team of the kind of incident; the most exact rule of `alerts.owners`; the
    owner of the procedure; by hand, the owner of the first procedure that names the check; the team of `alerts`; the
    first team.
    """
    teams = schedule.teams
    if not teams:
        return OwningTeam("")
    for key, team in _said(schedule, procedure, check, place):
        if team in teams:
            return OwningTeam(team, key)
    return OwningTeam(next(iter(teams)))


def _said(
    schedule: Schedule, procedure: str, check: str, place: Place
) -> Iterator[tuple[Key, str]]:
    """Yield what schedule.yml says of it, what counts most first."""
    kind = kind_of(procedure)
    if kind:
        yield ("incidents", kind, "team"), schedule.incidents.of(kind).team or ""
    fitting = [
        (_exactness(rule), index)
        for index, rule in enumerate(schedule.alerts.owners)
        if _fits(rule, check, place)
    ]
    for _exact, index in sorted(fitting):
        yield ("alerts", "owners", index), schedule.alerts.owners[index].team
    procedures = schedule.procedures
    by_hand = [name for name, one in procedures.items() if check in (one.checks or ())]
    for name in [procedure] if procedure in procedures else by_hand:
        yield ("procedures", name, "owner"), procedures[name].owner
    yield ("alerts", "team"), schedule.alerts.team or ""


def _fits(rule: OwnerRule, check: str, place: Place) -> bool:
    if rule.check is not None and not fnmatchcase(check, rule.check):
        return False
    if rule.family is not None:
        found = every().get(check)
        if found is None or found.family != rule.family:
            return False
    return rule.group is None or rule.group in place.groups


def _exactness(rule: OwnerRule) -> tuple[int, int]:
    """Return how exact a rule is, the most exact the least: id, pattern, family, group; a group beside them is more."""
    if rule.check is not None:
        named = 1 if any(sign in rule.check for sign in "*?[") else 0
    else:
        named = 2 if rule.family is not None else 3
    return named, 0 if rule.group is not None else 1


def needs_places(alerts: Alerts) -> bool:
    """Return whether severities or owners ask where a host stands."""
    by_severity = any(
        one.group is not None or one.environment is not None for one in alerts.severities
    )
    return by_severity or any(one.group is not None for one in alerts.owners)
