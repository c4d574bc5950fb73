"""What a run of a procedure would do: which checks on which hosts with which limits, which jobs, and for how long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from upkeep.judging.check import Check
from upkeep.model.errors import UsageError
from upkeep.model.remedies import command
from upkeep.services.explain import DueBy, KnownSite, due_by
from upkeep.site.asked import AskedByHost
from upkeep.site.host_groups import is_opaque, matching
from upkeep.site.playbooks import parts_of

RUNS_LOOKED_AT = 20


@dataclass(frozen=True)
class PlannedCheck:
    """A check with the limits that the site sets, and the hosts on which it has them. things: on how many things."""

    check: Check
    limits: Mapping[str, Any]
    hosts: tuple[str, ...]
    things: int


@dataclass(frozen=True)
class PlannedJob:
    """A job of the playbook's. hosts: those that opted in; unsure: those of which only a run knows."""

    job: str
    hosts: tuple[str, ...]
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True)
class UsualLength:
    """How long the newest runs took that went to their end on all hosts."""

    runs: int
    median_seconds: float
    longest_seconds: float


@dataclass(frozen=True)
class ProcedurePlan:
    """What a run of a procedure would do.

    observes: its playbook is known to look. checks: by the check's id, those on most hosts first. idle: hosts on which
    no check is due. unasked: checks that the procedure names and no host asks for. unsure: hosts of which only a run
    knows all that they ask for. changes: hosts may be changed; jobs: by which jobs of ours. limit_seconds: it is
    stopped then. length: None if no run has ended yet.
    """

    procedure: str
    title: str
    playbook: str
    hosts: tuple[str, ...]
    observes: bool
    checks: tuple[PlannedCheck, ...]
    idle: tuple[str, ...]
    unasked: tuple[str, ...]
    unsure: tuple[str, ...]
    changes: bool
    jobs: tuple[PlannedJob, ...]
    due: DueBy
    limit_seconds: float
    length: UsualLength | None = None

    @property
    def looks(self) -> int:
        """How many checks are due, of all hosts together."""
        return sum(len(one.hosts) for one in self.checks)


def plan_of(known: KnownSite, name: str, lengths: Sequence[float], now: datetime) -> ProcedurePlan:
    """Return what a run of a procedure would do.

    lengths: in seconds, of earlier runs, of which the plan tells what is usual.

    Raises: UsageError if only a run knows its hosts.
    """
    site = known.site
    procedure = site.procedure(name)
    if is_opaque(procedure.hosts):
        remedy = command("run", name, "--check", site=site.name)
        raise UsageError(
            f"{name}: only a run can tell which hosts {procedure.hosts!r} means", remedy=remedy
        )
    groups = known.inventory.groups
    hosts = [one for one in matching(procedure.hosts, groups) if one in known.inventory.given]
    asked = {host: known.asked(host) for host in hosts}
    parts = parts_of(site.playbook(procedure))
    only = procedure.checks
    checks = _checks(asked, only) if parts.observes else ()
    busy = {host for one in checks for host in one.hosts}
    due_checks = {one.check.id for one in checks}
    return ProcedurePlan(
        procedure=name,
        title=procedure.title,
        playbook=procedure.playbook,
        hosts=tuple(hosts),
        observes=parts.observes,
        checks=checks,
        idle=tuple(one for one in hosts if one not in busy) if parts.observes else (),
        unasked=tuple(one for one in only or () if one not in due_checks) if parts.observes else (),
        unsure=tuple(host for host, one in asked.items() if not one.is_all),
        changes=procedure.changes,
        jobs=tuple(_job(one, asked) for one in parts.jobs),
        due=due_by(site, name, now),
        limit_seconds=min(site.settings.run_timeout_seconds, procedure.duration),
        length=UsualLength(len(lengths), median(lengths), max(lengths)) if lengths else None,
    )


def _checks(
    asked: Mapping[str, AskedByHost], only: Sequence[str] | None
) -> tuple[PlannedCheck, ...]:
    """Return the checks that are due, those with the same limits together."""
    found: dict[tuple[str, str], tuple[Check, Mapping[str, Any], list[str]]] = {}
    for host, one in asked.items():
        for each in one.wanted:
            if only is None or each.check.id in only:
                key = (each.check.id, json.dumps(each.limits, sort_keys=True, default=str))
                found.setdefault(key, (each.check, each.limits, []))[2].append(host)
    planned = [
        PlannedCheck(check, limits, tuple(dict.fromkeys(hosts)), len(hosts))
        for check, limits, hosts in found.values()
    ]
    return tuple(sorted(planned, key=lambda one: (one.check.id, -len(one.hosts), str(one.limits))))


def _job(job: str, asked: Mapping[str, AskedByHost]) -> PlannedJob:
    return PlannedJob(
        job,
        tuple(host for host, one in asked.items() if one.jobs and job in one.jobs),
        tuple(host for host, one in asked.items() if one.jobs is None),
    )
