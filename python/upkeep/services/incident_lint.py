"""What cannot be meant in what a site says of incidents: a command that is none, an alert that nobody looks for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from upkeep.model.remedies import command
from upkeep.services.requirement_lint import Product
from upkeep.services.schedule_lint import Remark
from upkeep.site.incident_plans import KINDS, IncidentPlan
from upkeep.site.schedule_file import Schedule
from upkeep.site.yaml_file import Key, YamlFile


def lint(schedule: Schedule, product: Product, file: YamlFile | None = None) -> list[Remark]:
    """Return all remarks. file: schedule.yml, for places."""
    found = [
        *_of_commands(schedule, product),
        *_of_opens(schedule),
    ]
    return [one.at(file) for one in found]


def _plans(schedule: Schedule) -> Iterator[tuple[str, IncidentPlan]]:
    """Yield what the file itself says of each kind."""
    for kind in KINDS:
        plan: IncidentPlan = getattr(schedule.incidents, kind)
        yield kind, plan


def _of_commands(schedule: Schedule, product: Product) -> Iterator[Remark]:
    for kind, plan in _plans(schedule):
        for index, phase in enumerate(plan.phases):
            for number, step in enumerate(phase.steps):
                wrong = _wrong(step.command, schedule, product)
                if wrong:
                    key: Key = (
                        "incidents", kind, "phases", index, "steps", number, "command",
                    )  # fmt: skip
                    about = f"incident step {step.id}"
                    listed = f"{command('--help')}  # lists the commands"
                    yield Remark(about, "no such command", wrong, listed, "error", key)


def _wrong(said: str, schedule: Schedule, product: Product) -> str:
    """Return why a command is none; empty if it is one, or is another program's."""
    try:
        words = shlex.split(said)
    except ValueError as exc:
        return f"its command {said!r:.200}: {exc}"
    if not words or words[0] != "upkeep":
        return ""
    return product.wrong_command(words[1:], schedule.procedures)


def _of_opens(schedule: Schedule) -> Iterator[Remark]:
    looks = [one for one in schedule.procedures.values() if one.rule is not None]
    for kind, plan in _plans(schedule):
        for index, one in enumerate(plan.opens):
            if any(each.checks is None or one.check in each.checks for each in looks):
                continue
            text = f"opens a {kind} incident by the check {one.check}, for which no procedure with a `rule` asks"
            remedy = f"add {one.check} to the `checks` of a procedure that has a `rule`"
            key: Key = ("incidents", kind, "opens", index, "check")
            yield Remark(f"incident {kind}", "never looked at", text, remedy, key=key)
