"""What schedule.yml says of incidents: their phases with clocks and steps, who is called, what opens one, drills.

The phases that hold where a site says nothing are those that most procedures for incidents have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from pydantic import Field

from upkeep.model.nearest import nearest
from upkeep.site.fields import CheckId, Id, Seconds
from upkeep.site.schedule_part import Part
from upkeep.site.yaml_file import Key

MOST_PHASES, MOST_STEPS = 20, 50


class IncidentStep(Part):
    """A step of a phase: what a playbook does, or what a person does and confirms."""

    id: Id = Field(description="Unique within its kind of incident.")
    title: str = Field(min_length=1, max_length=300, description="What is to be done, for people.")
    command: str = Field(
        default="",
        max_length=500,
        pattern=r"^[^\r\n]*$",
        description="The command that does it; `{incident}` stands for the incident's number.",
    )
    act: Literal["isolate", "release"] | None = Field(
        default=None,
        description="The act on hosts that does it: the step is done when such an act has succeeded.",
    )


class IncidentPhase(Part):
    """A phase, and until when it should have ended."""

    id: Id = Field(description="Unique within its kind of incident.")
    title: str = Field(min_length=1, max_length=300, description="For people.")
    within: Seconds = Field(
        description="How long after the opening it should have ended, such as 15 min."
    )
    steps: tuple[IncidentStep, ...] = Field(
        default=(), max_length=MOST_STEPS, description="What is done in it, in this order."
    )


class OpensIncident(Part):
    """Which alerts open an incident by themselves. That calls people; it changes no host."""

    check: CheckId = Field(description="The check whose alert opens it.")
    severity: int = Field(ge=1, le=4, description="The severity of the incident.")


class IncidentPlan(Part):
    """How a kind of incident is worked on."""

    team: Id | None = Field(
        default=None, description="Who is called; as the rules of owners say, if not given."
    )
    phases: tuple[IncidentPhase, ...] = Field(
        default=(),
        max_length=MOST_PHASES,
        description="The phases in their order, each with its clock and steps; the built-in ones if none are given.",
    )
    opens: tuple[OpensIncident, ...] = Field(
        default=(), description="Alerts that open such an incident, or join the one that is open."
    )


class Incidents(Part):
    """Incidents: what is done in them, who is called, and on which hosts they are rehearsed."""

    security: IncidentPlan = Field(default=IncidentPlan())
    performance: IncidentPlan = Field(default=IncidentPlan())
    drill_hosts: tuple[str, ...] = Field(
        default=(),
        description="The only hosts, by their exact names, that acts of a drill may change.",
    )

    def of(self, kind: str) -> IncidentPlan:
        """Return the plan of a kind, with the built-in phases where it says none."""
        plan: IncidentPlan = getattr(self, kind)
        return plan if plan.phases else plan.model_copy(update={"phases": BUILT_IN[kind]})


def _phases(text: Mapping[str, tuple[str, str, list[dict[str, str]]]]) -> tuple[IncidentPhase, ...]:
    return tuple(
        IncidentPhase.model_validate({"id": id_, "title": title, "within": within, "steps": steps})
        for id_, (title, within, steps) in text.items()
    )


BUILT_IN: Mapping[str, tuple[IncidentPhase, ...]] = {
    "security": _phases(
        {
            "response": (
                "Immediate response",
                "15 min",
                [
                    {
                        "id": "command",
                        "title": "Take command, and name who writes the record",
                        "command": "upkeep incident assign {incident} --commander NAME --scribe NAME",
                    },
                    {"id": "isolate", "title": "Isolate the affected hosts", "act": "isolate"},
                    {"id": "forensics", "title": "Start forensic logging on the affected hosts"},
                ],
            ),
            "assessment": (
                "Assessment",
                "1 h",
                [
                    {
                        "id": "scope",
                        "title": "Write down which systems are affected, since when, and with what impact",
                        "command": "upkeep incident note {incident} TEXT",
                    },
                    {
                        "id": "data",
                        "title": "Write down which users and which data are affected",
                        "command": "upkeep incident note {incident} TEXT",
                    },
                    {
                        "id": "findings",
                        "title": "Look at what the checks have found",
                        "command": "upkeep finding list",
                    },
                ],
            ),
            "containment": (
                "Containment",
                "4 h",
                [
                    {"id": "patches", "title": "Install security patches"},
                    {"id": "credentials", "title": "Reset compromised credentials"},
                    {
                        "id": "notify",
                        "title": "Notify the affected users, and write down who was notified",
                        "command": "upkeep incident told {incident} --whom WHOM --what WHAT --by-way WAY",
                    },
                ],
            ),
            "recovery": (
                "Recovery",
                "1 d",
                [
                    {"id": "release", "title": "Release the isolated hosts", "act": "release"},
                    {
                        "id": "operation",
                        "title": "Restore normal operation: nothing needs attention any more",
                        "command": "upkeep today",
                    },
                    {"id": "monitoring", "title": "Watch the affected hosts more closely"},
                    {
                        "id": "measures",
                        "title": "Update the measures: add what follows, with who does it and until when",
                        "command": "upkeep incident follow-up {incident} TEXT --owner NAME --due DATE",
                    },
                ],
            ),
        }
    ),
    "performance": _phases(
        {
            "detection": (
                "Detection",
                "5 min",
                [
                    {
                        "id": "alerts",
                        "title": "Look at the alerts that are open",
                        "command": "upkeep alert list",
                    },
                    {"id": "figures", "title": "Look at the figures", "command": "upkeep today"},
                ],
            ),
            "analysis": (
                "Analysis",
                "30 min",
                [
                    {
                        "id": "bottlenecks",
                        "title": "Find the bottleneck: processor, memory, disk or network",
                        "command": "upkeep finding list",
                    },
                    {"id": "database", "title": "Look at the database: locks, connections, slow queries"},
                    {"id": "deployments", "title": "Look at recent deployments"},
                ],
            ),
            "mitigation": (
                "Mitigation",
                "2 h",
                [
                    {"id": "scale", "title": "Scale resources"},
                    {"id": "queries", "title": "Optimize the queries that cause it"},
                    {"id": "caching", "title": "Switch on emergency caching"},
                ],
            ),
        }
    ),
}  # fmt: skip
KINDS = tuple(BUILT_IN)


def wrong_plans(found: Incidents, teams: Collection[str]) -> Iterator[tuple[Key, str]]:
    """Yield the places of what cannot be meant: a team that is not there, ids that come twice, clocks that go back."""
    for kind in KINDS:
        plan: IncidentPlan = getattr(found, kind)
        at: Key = ("incidents", kind)
        if plan.team is not None and plan.team not in teams:
            yield (*at, "team"), f"there is no team {plan.team!r}{nearest(plan.team, teams)}"
        yield from _wrong_phases(plan, (*at, "phases"))
        checks = [one.check for one in plan.opens]
        for index, check in enumerate(checks):
            if check in checks[:index]:
                yield (*at, "opens", index, "check"), f"{check} is there already"


def _wrong_phases(plan: IncidentPlan, at: Key) -> Iterator[tuple[Key, str]]:
    phases: set[str] = set()
    steps: set[str] = set()
    before = 0.0
    for index, phase in enumerate(plan.phases):
        if phase.id in phases:
            yield (*at, index, "id"), f"there is a phase {phase.id!r} already"
        phases.add(phase.id)
        if phase.within <= before:
            text = (
                "it is counted from the opening, so it must be later than that of the phase before"
            )
            yield (*at, index, "within"), text
        before = phase.within
        for number, step in enumerate(phase.steps):
            place: Key = (*at, index, "steps", number)
            if step.id in steps:
                yield (*place, "id"), f"there is a step {step.id!r} already"
            steps.add(step.id)
            if step.act and step.command:
                yield (*place, "command"), f"the act {step.act} has its command already"
