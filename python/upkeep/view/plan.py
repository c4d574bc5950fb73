"""What a run of a procedure would do, on a terminal or in a pipe, and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from upkeep.model.remedies import command
from upkeep.model.text import age, ago, counted, duration, thousands, wrap
from upkeep.services.plan import PlannedJob, ProcedurePlan
from upkeep.view.explain import value_text
from upkeep.view.lists import Column, print_columns
from upkeep.view.screen import STYLES, Screen

NAMED = 5
"""At most this many hosts are named; of more, the first ones and how many there are."""


def print_plan(screen: Screen, plan: ProcedurePlan, site: str, now: datetime) -> None:
    """Print what a run would do: in a sentence, then checks by hosts and limits, jobs, and how long."""
    for line in (
        wrap(screen.text(_sentence(plan)), screen.width) if screen.live else [_sentence(plan)]
    ):
        screen.line((line, "bold"))
    if plan.checks:
        screen.line()
        columns = [
            Column("check", subject=True),
            Column("hosts", gives=True),
            Column("limits that are set", gives=True),
        ]
        rows = [
            [one.check.id, _hosts(one.hosts, plan.hosts), _limits(one.limits) or "none"]
            for one in plan.checks
        ]
        print_columns(screen, columns, rows)
    screen.line()
    for text, style in _facts(plan, now):
        lines = wrap(screen.text(text), screen.width) if screen.live else [screen.text(text)]
        for line in lines:
            screen.line((line, style))
    screen.line()
    if plan.changes:
        see = command("run", plan.procedure, "--check", "--diff", site=site)
        screen.line(f"See what would be changed: {see}")
    if plan.hosts:
        screen.line(f"One host, with file and line: {command('explain', plan.hosts[0], site=site)}")
    screen.flush()


def _sentence(plan: ProcedurePlan) -> str:
    """Return what a run would do, in one sentence."""
    where = counted(len(plan.hosts), "host")
    if not plan.observes:
        looks = f"runs {plan.playbook} on {where}, without checks"
    elif plan.checks:
        ids = len({one.check.id for one in plan.checks})
        looks = f"does {counted(ids, 'check')} on {where}"
        looks += f", {thousands(plan.looks)} in all" if len(plan.hosts) > 1 else ""
    else:
        looks = f"checks {where}, and no check is due there"
    does = f"may change {_changed(plan)}" if plan.changes else "changes nothing"
    return f"{plan.procedure} {looks}; it {does}."


def _changed(plan: ProcedurePlan) -> str:
    """Return what a run may change."""
    hosts = {host for job in plan.jobs for host in (*job.hosts, *job.unsure)}
    if not plan.jobs:
        return counted(len(plan.hosts), "host")
    return counted(len(hosts), "host")


def _facts(plan: ProcedurePlan, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what else is to be known, each with its style."""
    warn = STYLES["warn"]
    if plan.idle:
        yield f"No check is due on {_hosts(plan.idle, ())}.", warn
    if plan.unasked:
        yield (
            f"Named by the procedure, and asked for by none of its hosts: {', '.join(plan.unasked)}.",
            warn,
        )
    if plan.unsure:
        yield (
            f"More may be asked for by templates that only a run can resolve: {_hosts(plan.unsure, ())}.",
            warn,
        )
    for job in plan.jobs:
        yield _job(job, plan.hosts), ""
    if plan.changes and not plan.jobs:
        yield f"What {plan.playbook} changes is its own.", ""
    yield _length(plan), ""
    if plan.due.next_due:
        yield (
            f"Due {plan.due.words} ({plan.due.time_zone}); next {ago(plan.due.next_due, now)}.",
            "",
        )
    else:
        yield "It runs by hand only." if not plan.due.words else "It is not due any more.", ""


def _job(job: PlannedJob, among: Sequence[str]) -> str:
    """Return on which hosts a job is done."""
    if not job.hosts and not job.unsure:
        return f"Job {job.job}: no host has opted in (upkeep_jobs)."
    text = f"Job {job.job} changes {_hosts(job.hosts, among)}" if job.hosts else f"Job {job.job}"
    if job.unsure:
        text += f"{';' if job.hosts else ''} only a run knows of {_hosts(job.unsure, ())}"
    return f"{text}."


def _length(plan: ProcedurePlan) -> str:
    """Return how long it usually takes, and when it is stopped."""
    stopped = f"it is stopped after {age(plan.limit_seconds)}"
    if plan.length is None:
        return f"How long it takes is not known: no run of it has ended on all hosts; {stopped}."
    usual = duration(plan.length.median_seconds)
    if plan.length.runs == 1:
        return f"The one run of it that has ended on all hosts took {usual}; {stopped}."
    runs = counted(plan.length.runs, "run")
    longest = duration(plan.length.longest_seconds)
    return (
        f"Usually it takes {usual} (median of the last {runs}, the longest {longest}); {stopped}."
    )


def _hosts(hosts: Sequence[str], among: Sequence[str]) -> str:
    """Return hosts by name, or how many they are; all of those among which they are, if they are more than one."""
    if len(hosts) > 1 and set(hosts) == set(among):
        return f"all {len(hosts)}"
    if len(hosts) <= NAMED:
        return ", ".join(hosts)
    return f"{len(hosts)}: {', '.join(hosts[:NAMED])}, …"


def _limits(limits: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value_text(value)}" for name, value in limits.items())


def plan_document(plan: ProcedurePlan) -> dict[str, Any]:
    """Return a plan as JSON has it: all hosts by name."""
    length = plan.length
    return {
        "procedure": plan.procedure,
        "title": plan.title,
        "playbook": plan.playbook,
        "hosts": list(plan.hosts),
        "observes": plan.observes,
        "checks": [
            {
                "check": one.check.id,
                "title": one.check.title,
                "limits": dict(one.limits),
                "hosts": list(one.hosts),
                "things": one.things,
            }
            for one in plan.checks
        ],
        "looks": plan.looks,
        "idle_hosts": list(plan.idle),
        "unasked_checks": list(plan.unasked),
        "unsure_hosts": list(plan.unsure),
        "changes_hosts": plan.changes,
        "jobs": [
            {"job": one.job, "hosts": list(one.hosts), "unsure_hosts": list(one.unsure)}
            for one in plan.jobs
        ],
        "next_due": plan.due.next_due.isoformat() if plan.due.next_due else None,
        "limit_seconds": plan.limit_seconds,
        "usual_length": {
            "runs": length.runs,
            "median_seconds": length.median_seconds,
            "longest_seconds": length.longest_seconds,
        }
        if length
        else None,
    }
