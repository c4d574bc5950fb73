"""Which team is called for a finding: tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from upkeep.rules.alerts.owners import OwningTeam, needs_places, owner_of
from upkeep.site.inventory import Place
from upkeep.site.schedule_file import Alerts, Schedule


def schedule(team: str | None = None, **teams: dict[str, str]) -> Schedule:
    """Return a site with three procedures, of which one has no owner."""
    return Schedule.model_validate(
        {
            "procedures": {
                "daily": {"title": "Daily", "owner": "ops", "checks": ["disk_space"]},
                "databases": {
                    "title": "D",
                    "owner": "dba",
                    "checks": ["database_pool", "disk_space"],
                },
                "orphan": {"title": "Orphan", "checks": ["swap_used"]},
                "everything": {"title": "All", "owner": "dba"},
            },
            "teams": teams or {"web": {"title": "W"}, "ops": {"title": "O"}, "dba": {"title": "D"}},
            "alerts": {"team": team},
        }
    )


@pytest.mark.parametrize(
    ("procedure", "check", "team", "expected"),
    [
        ("daily", "database_pool", None, "ops"),
        ("everything", "swap_used", None, "dba"),
        ("orphan", "disk_space", None, "web"),
        ("orphan", "disk_space", "dba", "dba"),
        ("", "database_pool", None, "dba"),
        ("", "disk_space", None, "ops"),
        ("gone", "disk_space", "web", "ops"),
        ("", "swap_used", None, "web"),
        ("", "swap_used", "dba", "dba"),
        ("", "memory_available", "dba", "dba"),
        ("", "memory_available", None, "web"),
    ],
    ids=[
        "its owner's, whatever the check",
        "its owner's, without a list of checks",
        "nobody's: the first team",
        "nobody's: the team of alerts",
        "by hand: who owns the check",
        "by hand: the first who owns it",
        "a procedure that is gone",
        "by hand, of a procedure that is nobody's",
        "the same, with a team of alerts",
        "a check that no procedure names",
        "the same, without a team of alerts",
    ],
)
def test_who_is_told(procedure: str, check: str, team: str | None, expected: str) -> None:
    assert owner_of(schedule(team), procedure, check, Place()).team == expected


def test_a_site_without_teams_tells_nobody() -> None:
    empty = Schedule.model_validate({"procedures": {"daily": {"title": "Daily"}}})

    assert owner_of(empty, "daily", "disk_space", Place()) == OwningTeam("")


PAGES: tuple[dict[str, str], ...] = (
    {"group": "database", "team": "by-group"},
    {"family": "logins", "team": "by-family"},
    {"check": "*_logins", "team": "by-pattern"},
    {"check": "failed_logins", "team": "by-check"},
    {"family": "logins", "group": "edge", "team": "by-family-on-group"},
    {"check": "failed_logins", "group": "edge", "team": "by-check-on-group"},
    {"group": "europe", "team": "by-second-group"},
    {"check": "failed_*", "team": "by-second-pattern"},
    {"check": "run_failed", "team": "by-self-check"},
)


def with_owners(*rules: dict[str, str], procedure: str = "ops") -> Schedule:
    names = {one["team"] for one in rules} | {"ops", "rest"}
    document: dict[str, Any] = {
        "procedures": {"all-day": {"title": "All day", "owner": procedure}},
        "teams": {one: {"title": one} for one in sorted(names)},
        "alerts": {"team": "rest", "owners": rules},
    }
    return Schedule.model_validate(document)


@pytest.mark.parametrize(
    ("check", "groups", "expected", "line"),
    [
        ("failed_logins", "", "by-check", 3),
        ("failed_logins", "database", "by-check", 3),
        ("failed_logins", "database edge", "by-check-on-group", 5),
        ("brute_force", "", "by-family", 1),
        ("brute_force", "database", "by-family", 1),
        ("brute_force", "edge", "by-family-on-group", 4),
        ("failed_units", "database", "by-second-pattern", 7),
        ("disk_space", "database", "by-group", 0),
        ("disk_space", "database europe", "by-group", 0),
        ("disk_space", "europe", "by-second-group", 6),
        ("run_failed", "", "by-self-check", 8),
        ("disk_space", "web", "ops", None),
        ("disk_space", "", "ops", None),
        ("of_a_site_that_is_gone", "database", "by-group", 0),
    ],
    ids=[
        "a check before its pattern and its family",
        "a check before a group",
        "a check on a group before the check alone",
        "a family before nothing",
        "a family before a group",
        "a family on a group before the family alone",
        "a pattern before a group",
        "a group before the procedure's owner",
        "of two groups the first in the file",
        "the other group",
        "a trouble of the program's own",
        "another group: the procedure's owner",
        "no group: the procedure's owner",
        "a check that is not there any more, by its group",
    ],
)
def test_the_most_exact_rule_counts(
    check: str, groups: str, expected: str, line: int | None
) -> None:
    found = owner_of(with_owners(*PAGES), "all-day", check, Place(frozenset(groups.split())))

    key = ("procedures", "all-day", "owner") if line is None else ("alerts", "owners", line)
    assert found == OwningTeam(expected, key)


def test_of_two_patterns_the_first_in_the_file_counts() -> None:
    first, second = PAGES[2], PAGES[7]

    for rules in ((first, second), (second, first)):
        found = owner_of(with_owners(*rules), "all-day", "failed_logins", Place())
        assert found.team == rules[0]["team"]


def test_a_rule_counts_for_a_check_that_was_run_by_hand_too() -> None:
    assert owner_of(with_owners(*PAGES), "", "failed_logins", Place()).team == "by-check"


def test_what_says_nothing_of_an_owner_names_the_line_that_does() -> None:
    schedule = with_owners(procedure="")

    found = owner_of(schedule, "all-day", "disk_space", Place())

    assert found == OwningTeam("rest", ("alerts", "team"))


@pytest.mark.parametrize(
    ("alerts", "needed"),
    [
        ({}, False),
        ({"owners": [{"check": "failed_logins", "team": "ops"}]}, False),
        ({"owners": [{"group": "database", "team": "ops"}]}, True),
        ({"severities": [{"check": "failed_logins", "is": 2}]}, False),
        ({"severities": [{"group": "database", "is": 2}]}, True),
        ({"severities": [{"environment": "staging", "is": 4}]}, True),
    ],
)
def test_where_hosts_stand_is_asked_only_if_a_rule_needs_it(
    alerts: dict[str, Any], needed: bool
) -> None:
    assert needs_places(Alerts.model_validate(alerts)) is needed
