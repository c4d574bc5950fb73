"""What schedule.yml says of incidents: the built-in phases, what is refused with its line, and what lint remarks."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from upkeep.cli.product import CommandsAndPages
from upkeep.model.errors import ConfigurationError
from upkeep.rules.incident_kinds import CHECKS
from upkeep.services import incident_lint, inventory_lint
from upkeep.site.incident_plans import BUILT_IN, KINDS
from upkeep.site.schedule_file import Schedule, parse_schedule
from upkeep.site.yaml_file import parse

BEFORE = """\
procedures: {daily: {title: Daily, rule: daily 03:00, checks: [disk_space]}}
teams: {ops: {title: Operations}}
incidents:
"""
HOUR = 3600


def read(text: str) -> Schedule:
    return parse_schedule(Path("/site/schedule.yml"), BEFORE + text)


def test_the_built_in_clocks_are_those_of_the_procedure() -> None:
    assert {
        kind: [(one.id, one.within / HOUR) for one in phases] for kind, phases in BUILT_IN.items()
    } == {
        "security": [("response", 0.25), ("assessment", 1), ("containment", 4), ("recovery", 24)],
        "performance": [("detection", 5 / 60), ("analysis", 0.5), ("mitigation", 2)],
    }
    assert tuple(CHECKS) == KINDS


def test_each_built_in_command_is_one() -> None:
    for phases in BUILT_IN.values():
        for step in (step for phase in phases for step in phase.steps):
            words = shlex.split(step.command)[1:]
            assert CommandsAndPages().wrong_command(words, ()) == "", step


def test_a_sites_phases_take_the_place_of_the_built_in_ones() -> None:
    schedule = read("  security: {phases: [{id: first, title: First, within: 20 min}]}\n")

    assert [(one.id, one.within) for one in schedule.incidents.of("security").phases] == [
        ("first", 1200.0)
    ]
    assert len(schedule.incidents.of("performance").phases) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("  security: {team: opz}\n", "4: incidents.security.team: there is no team 'opz'; did you mean 'ops'?"),
        ("  secuity: {}\n", "4: incidents.secuity: there is no key 'secuity'; did you mean 'security'?"),
        (
            "  security: {opens: [{check: login_after_failure, severity: 1}]}\n",
            "4: incidents.security.opens.0.check: found 'login_after_failure'; expected the id of a check; did you mean "
            "'login_after_failures'?",
        ),
        (
            "  security:\n    phases:\n      - {id: a, title: A, within: 2 h}\n      - {id: b, title: B, within: 1 h}\n",
            "7: incidents.security.phases.1.within: it is counted from the opening, so it must be later than that of the "
            "phase before",
        ),
        (
            "  security:\n    phases:\n      - id: a\n        title: A\n        within: 2 h\n        steps:\n"
            "          - {id: x, title: X}\n          - {id: x, title: Y}\n",
            "11: incidents.security.phases.0.steps.1.id: there is a step 'x' already",
        ),
        (
            "  security:\n    phases:\n      - {id: a, title: A, within: 2 h, steps: [{id: x, title: X, act: wipe}]}\n",
            "6: incidents.security.phases.0.steps.0.act: found 'wipe'; expected",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)

    assert str(caught.value).startswith(f"/site/schedule.yml:{problem}")


def test_lint_names_a_command_that_is_none_and_an_alert_that_nobody_looks_for() -> None:
    text = BEFORE + (
        "  security:\n    phases:\n      - id: a\n        title: A\n        within: 2 h\n        steps:\n"
        "          - {id: x, title: X, command: upkeep run dayly}\n          - {id: y, title: Y, command: make it}\n"
        "    opens: [{check: login_after_failures, severity: 1}, {check: disk_space, severity: 3}]\n"
    )
    path = Path("/site/schedule.yml")

    found = incident_lint.lint(parse_schedule(path, text), CommandsAndPages(), parse(path, text))

    assert [(one.place.rpartition(":")[2], one.level, one.text) for one in found] == [
        ("10", "error", "there is no procedure 'dayly'; did you mean 'daily'?"),
        (
            "12",
            "warn",
            "opens a security incident by the check login_after_failures, for which no procedure with a `rule` asks",
        ),
    ]


def test_lint_names_a_host_of_drills_that_is_not_there() -> None:
    schedule = read("  drill_hosts: [lab1, lab2]\n")
    listing = {"_meta": {"hostvars": {"lab1": {}, "web1": {}}}, "all": {"hosts": ["lab1", "web1"]}}
    inventory = inventory_lint.inventory_of(Path("/site/inventory"), listing, (), effective=True)

    found = inventory_lint.lint(schedule, inventory)

    assert [one.text for one in found if one.about == "drill hosts"] == [
        "the inventory has no such host: 'lab2'; did you mean 'lab1'?"
    ]
